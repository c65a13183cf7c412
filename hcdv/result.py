"""What a valuation returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hcdv._archive import read_archive
from hcdv._moments import Moments
from hcdv._random import RandomState, check_seed
from hcdv._result_file import FORMAT_VERSION, unpack_result, write_result
from hcdv._validation import MAX_WEIGHT, check_choice, check_fraction, check_number, short
from hcdv.selection import select_by_lot, select_top, two_means_threshold

if TYPE_CHECKING:
    import pandas as pd

    from hcdv.hierarchy import Hierarchy

QUOTAS = ("leaf", "class", "global")

# Sums of values are v(all) - v(none) within this share of what is summed: rounding, and no other kind of value.
NEGLIGIBLE_GAP = 1e-6
# Of what its frequency alone is worth: where the floor of a rare label lies.  Chosen on Adult and Criteo: 1
# thins the rare class out (Adult, clean: balanced accuracy -.007), more finds fewer flips.
RARE_LABEL = 2.0
# Two antithetic pairs.
FEWEST_CHAINS = 4

_FLOATS = ("values", "std_error", "node_values", "node_std_error", "node_parts", "part_bounds")


@dataclass(frozen=True, eq=False)
class ValuationResult:
    """Values of n rows, what they are made of, and how sure they are.

    Attributes
    ----------
    values : float64 [n]
        Value of each row, in the order of the data: its share of ``v_full - v_empty``.
    std_error : float64 [n] or None
        Standard error of each value over antithetic pairs of chains; None for exact methods.
    ids : [n]
        Row names (a DataFrame's index, or 0..n-1).
    parts : dict of str to float64 [n]
        Values under each game of the sum, unweighted.
    weights : dict of str to float
        ``values`` is the sum of ``weights[name] * parts[name]``.
    v_empty, v_full : float
        Value of nobody and of everybody.
    n_evaluations : int
        Coalitions whose value was computed (per game); models trained, where the utility trains some.
    n_permutations : int
        Chains walked.
    stopped_by : str
        ``"n_permutations"``, the stopping rule (``"std_error"``, ``"rank_stability"``, ``"time_budget"``),
        ``"exact"``, or ``"error"`` for the chains before a failure.
    labels : [n] or None
        The labels that were valued (for quotas by class).
    hierarchy : Hierarchy or None
    node_values : float64 [n_nodes] or None
        Value of each node of the tree, breadth-first; children sum to their parent.
    fidelity : dict of str to str
        What each part valued, where a costly one valued the upper nodes only; else empty.
    estimated_leaves : int64 [e] or None
        Leaves (node ids) whose points were to be valued exactly and were too many for it; None where nothing
        was to be exact.
    likelihoods : tuple of str
        Parts whose game is a log-likelihood per row, less that of guessing.
    has_game : bool
        Whether the values are about a game, v; False for scores by themselves (random values, shares of right
        answers), of which ``v_full`` is only the sum and ``v_empty`` 0.

    Notes
    -----
    The arrays are read-only: views of those given, which are not copied.
    """

    values: NDArray[np.float64]
    ids: NDArray[Any]
    parts: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, float]
    v_empty: float
    v_full: float
    n_evaluations: int
    n_permutations: int
    stopped_by: str
    std_error: NDArray[np.float64] | None = None
    labels: NDArray[Any] | None = None
    hierarchy: Hierarchy | None = None
    node_values: NDArray[np.float64] | None = None
    node_std_error: NDArray[np.float64] | None = None
    fidelity: Mapping[str, str] = field(default_factory=dict)
    estimated_leaves: NDArray[np.int64] | None = None
    likelihoods: tuple[str, ...] = ()
    has_game: bool = True
    # Kept so that other weights cost no second run; None where a method has no parts to reweigh.  Nodes have
    # moments where chains were walked, and parts where an allocation without chains is linear in its games.
    point_moments: Moments | None = field(default=None, repr=False)
    node_moments: Moments | None = field(default=None, repr=False)
    node_parts: NDArray[np.float64] | None = field(default=None, repr=False)
    part_bounds: NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        frozen: dict[str, Any] = {
            name: _read_only(getattr(self, name), np.float64)
            for name in _FLOATS
        }
        frozen |= {name: _read_only(getattr(self, name)) for name in ("ids", "labels")}
        frozen["estimated_leaves"] = _read_only(self.estimated_leaves, np.int64)
        frozen["parts"] = {
            name: _read_only(part, np.float64) for name, part in self.parts.items()
        }
        for name in ("point_moments", "node_moments"):
            moments = getattr(self, name)
            frozen[name] = None if moments is None else moments.read_only()
        for name, value in frozen.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_moments(
        cls,
        points: Moments,
        nodes: Moments,
        bounds: NDArray[np.float64],
        weights: Mapping[str, float],
        *,
        ids: NDArray[Any],
        labels: NDArray[Any],
        hierarchy: Hierarchy,
        n_evaluations: int,
        stopped_by: str,
        fidelity: Mapping[str, str] | None = None,
        likelihoods: tuple[str, ...] = (),
    ) -> ValuationResult:
        """Result of chains: ``bounds`` float64 [2, p] holds v(empty) and v(D) of each game."""
        factors = np.array(list(weights.values()))
        return cls(
            values=points.value(factors),
            std_error=points.std_error(factors),
            ids=ids,
            parts=dict(zip(weights, points.mean, strict=True)),
            weights=dict(weights),
            v_empty=float(bounds[0] @ factors),
            v_full=float(bounds[1] @ factors),
            n_evaluations=n_evaluations,
            n_permutations=2 * points.count,
            stopped_by=stopped_by,
            labels=labels,
            hierarchy=hierarchy,
            node_values=nodes.value(factors),
            node_std_error=nodes.std_error(factors),
            fidelity=dict(fidelity or {}),
            likelihoods=likelihoods,
            point_moments=points,
            node_moments=nodes,
            part_bounds=bounds,
        )

    def __repr__(self) -> str:
        return f"<ValuationResult: {self.summary()}>"

    def __len__(self) -> int:
        return len(self.values)

    @property
    def efficiency_gap(self) -> float:
        """|sum of values - (v_full - v_empty)|: rounding error only, for methods that promise the sum."""
        return abs(float(self.values.sum()) - (self.v_full - self.v_empty))

    def ranking(self) -> NDArray[np.int64]:
        """Positions of the rows from the lowest value to the highest (ties: lower position first)."""
        return np.argsort(self.values, kind="stable").astype(np.int64)

    def select(
        self,
        fraction: float,
        quota: str = "leaf",
        floor: float | str | None = "auto",
        random_state: RandomState = 0,
    ) -> NDArray[np.int64]:
        """Positions of a ``fraction`` of the rows to train on, ascending.

        Parameters
        ----------
        fraction : float in [0, 1]
            Exactly ``round(fraction * n)`` rows are returned.
        quota : {"leaf", "class", "global"}
            ``"class"``: every class keeps its share.  ``"leaf"``: and every leaf of the tree, so that no
            region of the data is lost.  ``"global"``: neither.
        floor : "auto", float or None
            Rows worth this or more are drawn by lot; a leaf that has too few gives all of them, and the
            others more, and where a class has too few its highest of the rest follow.  ``"auto"``: 0, and less
            for a rare class (see the notes).  None takes the highest values instead (with ``"leaf"`` those of
            each leaf, of whatever class): typical rows, a share of which trains worse models.
        random_state : int or generator
            Draws the lots.

        Returns
        -------
        int64 [round(fraction * n)]

        Notes
        -----
        Rows below the floor cost the others more than they explain and stay out; the others stand for their
        region in all its variety.  A rare label costs the others something merely by being rare: in a game of
        log-likelihoods a label that says no more than its frequency is worth w log(C share) / n (w the weight
        of such games, C the number of classes), which for a quarter of the rows in two classes and w = 2 is
        -1.4 / n.  The floor of a class is twice that where it is negative, so that a rare class is not
        thinned out.  Some of its rows that are worth less than 0 are then chosen; ``floor=0`` leaves them
        out, and with ``quota="global"`` the classes need not keep their shares.  Of scores that are about no
        game the floor is the lowest of the upper cluster, as in :meth:`label_issues`.  ``python -m
        bench.selection`` compares these rules with rows drawn by lot.
        """
        fraction = check_fraction(fraction, "fraction")
        check_choice(quota, "quota", QUOTAS)
        seed = check_seed(random_state)
        nobody = np.zeros(len(self), np.int64)
        strata, classes = nobody, nobody
        if quota == "leaf":
            if self.hierarchy is None:
                raise ValueError("quota='leaf' needs a tree, and this result has none; use 'global'.")
            # Numbered in the order of the tree, where leaves side by side are alike.
            strata = self.hierarchy.start[self.hierarchy.leaf_of_point()]
        if quota != "global" and self.labels is not None:
            classes = _codes(self.labels)
        elif quota == "class":
            raise ValueError("quota='class' needs labels, and this result has none; use 'global'.")
        if floor is None:
            within = classes if quota == "class" else np.unique(strata, return_inverse=True)[1]
            return select_top(self.values, fraction, within.astype(np.int64), seed)
        return select_by_lot(self.values, fraction, strata, classes, self._floors(floor), seed)

    def _floors(self, floor: float | str) -> NDArray[np.float64]:
        """What each row must be worth; float64 [n]."""
        if not isinstance(floor, str):
            return np.full(len(self), check_number(floor, "floor"))
        if floor != "auto":
            raise ValueError(f"floor must be 'auto', a number or None, got {short(floor)}.")
        if not self.has_game:
            finite = self.values[np.isfinite(self.values)]
            above = finite[finite > two_means_threshold(finite)]
            return np.full(len(self), above.min(initial=np.inf))
        weight = sum(self.weights[name] for name in self.likelihoods)
        if weight <= 0.0 or self.labels is None:
            return np.zeros(len(self))
        codes = _codes(self.labels)
        counts = np.bincount(codes)
        by_frequency = weight * np.log(len(counts) * counts / len(self)) / len(self)
        return np.minimum(0.0, RARE_LABEL * by_frequency)[codes]

    def label_issues(self) -> pd.DataFrame:
        """Rows by suspicion of a wrong label, most suspicious first.

        Returns
        -------
        DataFrame with columns ``id``, ``value``, ``is_issue``, ``rank`` (0 = most suspicious), ``position``
            (row number in the data)
            An issue has a negative value (its label costs the others more than it explains) and lies in the
            lower cluster of the optimal two-means clustering of all values (OpenDataVal's rule alone would
            cut clean data somewhere, too).  Scores that are about no game (``has_game`` is False: shares of
            right answers, confidences) are never negative, and of them the clustering alone decides.
        """
        import pandas as pd

        order = self.ranking()
        threshold = two_means_threshold(self.values)
        if self.has_game:
            threshold = min(threshold, -np.finfo(float).tiny)
        return pd.DataFrame(
            {
                "id": self.ids[order],
                "value": self.values[order],
                "is_issue": self.values[order] <= threshold,
                "rank": np.arange(len(order)),
                "position": order,
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """One line a row, in the order of the data: id, value, std_error, rank, and the parts."""
        import pandas as pd

        rank = np.empty(len(self), np.int64)
        rank[self.ranking()] = np.arange(len(self))
        columns: dict[str, Any] = {"id": self.ids, "value": self.values}
        if self.std_error is not None:
            columns["std_error"] = self.std_error
        columns["rank"] = rank
        if self.labels is not None:
            columns["label"] = self.labels
        if len(self.parts) > 1:
            columns |= {f"part_{name}": part for name, part in self.parts.items()}
        return pd.DataFrame(columns)

    def reweight(self, **weights: float) -> ValuationResult:
        """The same valuation under other weights of its games, at no cost.

        ``result.reweight(contrast=0.3, forest=0)`` changes these two and keeps the others.

        Raises
        ------
        ValueError
            For a name that is no part of this result.
        """
        has_nodes = self.node_moments is not None or self.node_parts is not None
        if not has_nodes or not self.parts or self.part_bounds is None:
            raise ValueError("this result has no parts to reweight.")
        if self.hierarchy is None or self.labels is None:
            raise ValueError("this result has lost its tree and cannot be reweighted.")
        unknown = [name for name in weights if name not in self.weights]
        if unknown:
            raise ValueError(
                f"no part is called {unknown[0]!r}; the parts are {', '.join(self.weights)}."
            )
        changed = {name: check_number(value, name, -MAX_WEIGHT, MAX_WEIGHT) for name, value in weights.items()}
        new = {**self.weights, **changed}
        if self.point_moments is None or self.node_moments is None:
            factors = np.array(list(new.values()))
            v_empty, v_full = (self.part_bounds @ factors).tolist()
            return replace(
                self,
                values=factors @ np.array(list(self.parts.values())),
                node_values=factors @ self.node_parts,
                weights=new,
                v_empty=v_empty,
                v_full=v_full,
            )
        return ValuationResult.from_moments(
            self.point_moments,
            self.node_moments,
            self.part_bounds,
            new,
            ids=self.ids,
            labels=self.labels,
            hierarchy=self.hierarchy,
            n_evaluations=self.n_evaluations,
            stopped_by=self.stopped_by,
            fidelity=self.fidelity,
            likelihoods=self.likelihoods,
        )

    def summary(self) -> str:
        """A few lines of text: how many rows, what they sum to, how sure the values are.

        What means nothing for the method at hand is left out: v where there is no game, standard errors where
        there are none, negative values where scores cannot be negative.
        """
        quantiles = np.quantile(self.values, [0.0, 0.05, 0.5, 0.95, 1.0]).tolist()
        lines = [
            f"{len(self):,} rows" + self._sums(),
            "values: min {:.3g}, 5% {:.3g}, median {:.3g}, 95% {:.3g}, max {:.3g}".format(*quantiles),
        ]
        if self.has_game and self.weights:
            shown = ", ".join(f"{name} {weight:.4g}" for name, weight in self.weights.items())
            lines.append(f"weights: {shown}")
        samples = self._samples()
        if samples:
            lines.append(samples)
        if self.fidelity:
            lines.append("; ".join(f"{name}: {what}" for name, what in self.fidelity.items()))
        if self.estimated_leaves is not None and len(self.estimated_leaves):
            count = len(self.estimated_leaves)
            lines.append(f"{count:,} leaves were too large for exact values and were sampled")
        if self.has_game:
            negative = int((self.values < 0).sum())
            lines.append(f"{negative:,} rows ({negative / max(1, len(self)):.1%}) have a negative value")
        return "\n".join(lines)

    def _sums(self) -> str:
        """v, and what the values come to beside it."""
        if not self.has_game:
            return ""
        text = f", v(all) = {self.v_full:.6g}, v(none) = {self.v_empty:.6g}, "
        scale = max(abs(self.v_full), abs(self.v_empty), float(np.abs(self.values).sum()))
        if self.efficiency_gap <= NEGLIGIBLE_GAP * scale:
            return text + f"efficiency gap {self.efficiency_gap:.1e}"
        return text + f"sum of values {self.values.sum():.6g}"

    def _samples(self) -> str:
        """What was sampled and how sure the values are; empty for values that nothing was sampled for."""
        if self.stopped_by == "exact":
            return ""
        if self.n_permutations:
            count = f"{self.n_permutations:,} chains"
        else:
            count = f"{self.n_evaluations:,} evaluations"
        text = f"{count} (stopped by {self.stopped_by})"
        error = np.inf if self.std_error is None else float(np.median(self.std_error))
        if np.isfinite(error):
            return text + f", median standard error {error:.2g}, mean |value| {np.abs(self.values).mean():.2g}"
        if self.std_error is not None and self.n_permutations:
            return text + f", too few for a standard error (that takes {FEWEST_CHAINS})"
        return text

    def save(self, path: str | PathLike[str]) -> None:
        """Write the result to one file (arrays and JSON, checksummed; no pickle), atomically."""
        write_result(path, self)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> ValuationResult:
        """Read what :meth:`save` wrote; a damaged or foreign file gives one sentence (ValueError)."""
        from hcdv.hierarchy import Hierarchy

        arrays, meta = read_archive(path, kind="result", version=FORMAT_VERSION)
        try:
            facts, tree = unpack_result(arrays, meta)
            hierarchy = Hierarchy(**tree).validate() if tree else None
        except (TypeError, ValueError) as error:
            reason = str(error).rstrip(".")
            raise ValueError(f"{path} is not a complete result file: {reason}.") from None
        return cls(**facts, hierarchy=hierarchy)


def _codes(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Number of each row's label, 0, 1, ... as they occur; int64 [n]."""
    import pandas as pd

    return np.asarray(pd.factorize(labels, use_na_sentinel=False)[0], np.int64)


def _read_only(array: Any, dtype: DTypeLike | None = None) -> NDArray[Any] | None:
    """A view of ``array`` that cannot be written to; None stays None."""
    if array is None:
        return None
    view = np.asarray(array, dtype).view()
    view.setflags(write=False)
    return view
