"""Which labels are wrong: OpenDataVal's decision, and one with a promise on false alarms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score
from sklearn.mixture import GaussianMixture

from hcdv._validation import check_fraction, check_int, check_labels
from hcdv.result import ValuationResult
from hcdv.selection import two_means_threshold
from hcdv.tasks._text import text_table
from hcdv.tasks._values import check_mask, frozen, values_of
from hcdv.tasks.planted import PlantedFlips

if TYPE_CHECKING:
    import pandas as pd

# Fewer rows do not tell two humps from one.
LEAST_ROWS = 10
MOST_HUMPS = 4
# A hump's centre is told from a value of 0 by more than rounding; the scale is that of all values, 0 to 1.
BELOW = 1e-6
N_STARTS = 3
CAUTION = (
    "From values alone: false alarms may be many times what is expected; planted=plant_flips(...) calibrates."
)


@dataclass(frozen=True)
class DetectionScores:
    """A decision against the truth; shares in [0, 1], NaN where there is nothing to take a share of.

    Attributes
    ----------
    n_issues : int
        Rows called mislabelled.
    precision, recall, f1 : float
        Of the mislabelled class.
    false_discovery_rate : float
        Share of the rows called mislabelled that are not; 0 where none is called so.
    """

    n_issues: int
    precision: float
    recall: float
    f1: float
    false_discovery_rate: float


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """Which labels look wrong.  ``print`` shows it, ``to_frame()`` lists the rows.

    Attributes
    ----------
    values : float64 [n]
    probability : float64 [n]
        Estimated probability that the label is wrong; never rises with the value.
    is_issue : bool [n]
        The lowest values, as many as the promise allows.
    alpha : float
        Promised: expected share of false alarms among the issues at most.
    expected_fdr : float
        Mean of 1 - probability over the issues; 0 without any.
    estimated_share : float
        Estimated share of wrong labels among all rows.
    calibration : {"planted", "mixture"}
        What the probabilities rest on.
    two_means : bool [n]
        OpenDataVal's decision: the lower cluster of the optimal 1-D 2-means clustering.
    two_means_threshold : float
        Its largest value; minus infinity where all values are equal.
    labels, ids : [n] or None
    n_flipped : int or None
        Truth: wrong labels.  This and all below are None without it.
    roc_auc : float or None
        Of the ranking by value; NaN where all labels are right, or all wrong.
    precision_at_k : float or None
        Share of wrong labels among the ``k`` lowest values (ties: lower position first).
    k : int or None
    scores, two_means_scores : DetectionScores or None
        Of ``is_issue`` and of ``two_means``.
    """

    values: NDArray[np.float64]
    probability: NDArray[np.float64]
    is_issue: NDArray[np.bool_]
    alpha: float
    expected_fdr: float
    estimated_share: float
    calibration: str
    two_means: NDArray[np.bool_]
    two_means_threshold: float
    labels: NDArray[Any] | None = None
    ids: NDArray[Any] | None = None
    n_flipped: int | None = None
    roc_auc: float | None = None
    precision_at_k: float | None = None
    k: int | None = None
    scores: DetectionScores | None = None
    two_means_scores: DetectionScores | None = None

    def to_frame(self) -> pd.DataFrame:
        """Rows from the lowest value up: position, id, label (where known), value, probability, is_issue,
        two_means."""
        import pandas as pd

        order = np.argsort(self.values, kind="stable")
        columns: dict[str, Any] = {"position": order}
        if self.ids is not None:
            columns["id"] = self.ids[order]
        if self.labels is not None:
            columns["label"] = self.labels[order]
        for name in ("value", "probability", "is_issue", "two_means"):
            columns[name] = getattr(self, "values" if name == "value" else name)[order]
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        n = len(self.values)
        title = f"{n:,} rows, estimated share of wrong labels {self.estimated_share:.1%} ({self.calibration})"
        rows = []
        for name, chosen, scores in (
            (f"expected false alarms <= {self.alpha:.0%}", self.is_issue, self.scores),
            ("two means (OpenDataVal)", self.two_means, self.two_means_scores),
        ):
            expected = f"{1 - self.probability[chosen].mean():.1%}" if chosen.any() else ""
            row = [name, f"{int(chosen.sum()):,}", expected]
            if scores is not None:
                measured = (scores.false_discovery_rate, scores.precision, scores.recall, scores.f1)
                row += [f"{x:.3f}" for x in measured]
            rows.append(row)
        columns = ["decision", "issues", "expected false"]
        if self.scores is not None:
            columns += ["false", "precision", "recall", "F1"]
        text = text_table(title, columns, rows)
        if self.scores is not None:
            text += (
                f"\n{self.n_flipped:,} labels are wrong: ROC AUC {self.roc_auc:.3f}, "
                f"precision at {self.k:,} {self.precision_at_k:.3f}"
            )
        return text if self.calibration == "planted" else f"{text}\n{CAUTION}"


def detect_label_noise(
    values: Any,
    y: ArrayLike | None = None,
    is_flipped: ArrayLike | None = None,
    *,
    planted: PlantedFlips | None = None,
    alpha: float = 0.1,
    k: int | None = None,
) -> LabelNoise:
    """Tell which labels are wrong from what the rows are worth.

    Parameters
    ----------
    values : ValuationResult or float [n]
        Wrong labels are taken to stand low.
    y : [n], optional
        Labels, for the table; a result brings its own.
    is_flipped : bool [n], optional
        The truth, where it is known: scores are worked out.
    planted : PlantedFlips, optional
        Of :func:`hcdv.tasks.plant_flips`, on the same rows and model: the probabilities are calibrated by
        labels that were flipped on purpose.  *Without them the promise is not kept where few labels are
        wrong*: values alone cannot tell a right label on a hard row from a wrong one.
    alpha : float in [0, 1]
        Expected share of false alarms among the issues at most.
    k : int, optional
        For the precision at k; by default the number of wrong labels.

    Returns
    -------
    LabelNoise

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be, or fewer than 10 rows come without ``planted``.

    Notes
    -----
    Without ``planted`` the probabilities come from a mixture of one to four normal distributions (by BIC) of
    -sqrt(largest value - value); humps whose centre lies below a value of 0 are wrong labels; where there
    is but one, nothing stands out.

    Measured at alpha 0.1 (``python -m bench.alarms --scale full``: HCDV's default, means of 5 draws of the
    data and of the flips; share of false alarms, share of the wrong labels found; 3 repeats of 10% planted
    flips):

    =================  =====  ===============  ===============
    set (rows)         wrong  with planted     without
    =================  =====  ===============  ===============
    digits (1,000)     5%     .01, found .80   .08, found 1.0
    digits             15%    .05, found .93   .11, found 1.0
    digits             30%    .05, found .92   .11, found 1.0
    cancer (300)       5%     .04, found .56   .46, found .93
    cancer             15%    .03, found .60   .48, found .98
    cancer             30%    .02, found .69   .19, found .97
    synthetic (3,000)  5%     .19, found .56   .65, found .89
    synthetic          15%    .14, found .71   .37, found .90
    synthetic          30%    .10, found .77   .25, found .92
    =================  =====  ===============  ===============

    With planted flips the promise is kept where classes are apart; where they overlap (synthetic) and few
    labels are wrong, false alarms come to almost twice alpha, in a single draw to almost three times.  On clean
    labels, where every alarm is false, there were 0, 0 and 6 on the three sets with planted flips, and 0, 12
    and 497 without.

    Two means: OpenDataVal (Jiang et al., NeurIPS 2023), exact.
    """
    result = values if isinstance(values, ValuationResult) else None
    worth = values_of(values)
    n = len(worth)
    alpha = check_fraction(alpha, "alpha")
    labels = None if result is None else result.labels
    if y is not None:
        labels = check_labels(y, n, "y")
    truth = None if is_flipped is None else check_mask(is_flipped, n, "is_flipped")
    if k is not None and truth is None:
        raise ValueError("k goes with is_flipped: precision at k needs the truth.")
    if planted is None:
        probability = _by_mixture(worth)
        share = float(probability.mean())
    elif isinstance(planted, PlantedFlips):
        # Rows of one value share a place, and so a probability.
        probability = planted.probability(rankdata(worth, method="max") / n)
        share = planted.share_mislabelled()
    else:
        raise TypeError(f"planted must come from plant_flips, got {type(planted).__name__}.")
    is_issue, expected = _within(worth, probability, alpha)
    threshold = two_means_threshold(worth)
    two_means = worth <= threshold
    noise = LabelNoise(
        values=frozen(worth),
        probability=frozen(probability),
        is_issue=frozen(is_issue),
        alpha=alpha,
        expected_fdr=expected,
        estimated_share=share,
        calibration="mixture" if planted is None else "planted",
        two_means=frozen(two_means),
        two_means_threshold=threshold,
        labels=labels,
        ids=None if result is None else result.ids,
    )
    if truth is None:
        return noise
    n_flipped = int(truth.sum())
    k = max(1, n_flipped) if k is None else check_int(k, "k", 1, n)
    lowest = np.argsort(worth, kind="stable")[:k]
    return replace(
        noise,
        n_flipped=n_flipped,
        roc_auc=float(roc_auc_score(truth, -rankdata(worth))) if 0 < n_flipped < n else nan,
        precision_at_k=float(truth[lowest].mean()),
        k=k,
        scores=_scores(truth, is_issue),
        two_means_scores=_scores(truth, two_means),
    )


def _by_mixture(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of a wrong label from the shape of the values alone; float64 [n]."""
    n = len(values)
    if n < LEAST_ROWS:
        raise ValueError(
            f"values holds {n} rows, but a mixture needs at least {LEAST_ROWS}; pass planted for fewer."
        )
    # Of one size, so that no difference overflows.
    values = values / (np.abs(values).max() or 1.0)
    top = float(values.max())
    spread = top - float(values.min())
    if spread == 0 or top <= 0:
        # All alike; or all negative, where nothing stands out.
        return np.zeros(n)
    # The long tail of values is to the left; the square root makes humps of it that normal ones fit.
    shape = -np.sqrt((top - values) / spread)[:, None]
    # No more humps than a few rows each can hold up.
    fits = [
        GaussianMixture(m, n_init=N_STARTS, random_state=0).fit(shape)
        for m in range(1, min(MOST_HUMPS, n // 5) + 1)
        if m <= len(np.unique(shape))
    ]
    best = fits[int(np.argmin([fit.bic(shape) for fit in fits]))]
    is_wrong = best.means_[:, 0] < -np.sqrt(top / spread) - BELOW
    if len(is_wrong) == 1:
        return np.zeros(n)
    raw = best.predict_proba(shape)[:, is_wrong].sum(axis=1)
    # A wide hump overtakes a narrow one at both ends; a higher value is never more suspicious.
    falling: NDArray[np.float64] = IsotonicRegression(increasing=False).fit(values, raw).predict(values)
    return np.clip(falling, 0.0, 1.0)


def _within(
    values: NDArray[np.float64], probability: NDArray[np.float64], alpha: float
) -> tuple[NDArray[np.bool_], float]:
    """The most of the lowest values whose expected share of false alarms is at most alpha, and that share."""
    order = np.argsort(values, kind="stable")
    false = np.cumsum(1.0 - probability[order]) / np.arange(1, len(order) + 1)
    # Rows of one value are decided alike; rounding must not undo a bound that is met with equality.
    is_cut = np.append(values[order][1:] > values[order][:-1], True) & (false <= alpha + 1e-12)
    chosen = np.zeros(len(values), bool)
    if not is_cut.any():
        return chosen, 0.0
    last = int(np.flatnonzero(is_cut)[-1])
    chosen[order[: last + 1]] = True
    return chosen, float(false[last])


def _scores(truth: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> DetectionScores:
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, chosen, average="binary", pos_label=True, zero_division=nan
    )
    n_issues = int(chosen.sum())
    false = float((chosen & ~truth).sum() / n_issues) if n_issues else 0.0
    return DetectionScores(n_issues, float(precision), float(recall), float(f1), false)
