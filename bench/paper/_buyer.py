"""What the buyer's model loses without a seller, how well that is known, and how well payouts can tell it.

The buyer trains logistic regression on the sellers' rows and wants balanced accuracy.  With five sellers there
are 31 models; their predictions of the held-out rows give the whole game, in any metric, on any of these rows.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from bench.paper._sellers import Market
from hcdv.encoder import TableEncoder
from hcdv.games.metrics import make_metric

METRIC = "balanced_accuracy"
CEILING_DRAWS = 1000


def predictions(market: Market) -> tuple[np.ndarray, np.ndarray]:
    """Probability of class 1 for validation and test rows, float64 [2^k, n_val], [2^k, n_test].

    Bit p of a coalition's number is seller p; guessing (1/2) stands for nobody.
    """
    encoder = TableEncoder()
    Z = encoder.fit_transform(market.X, market.y)
    Z_val, Z_test = encoder.transform(market.X_val), encoder.transform(market.X_test)
    n_coalitions = 1 << (int(market.seller.max()) + 1)
    later = np.concatenate([Z_val, Z_test])
    p = np.full((n_coalitions, len(later)), 0.5)
    for coalition in range(1, n_coalitions):
        inside = (coalition >> market.seller & 1).astype(bool)
        model = LogisticRegression(max_iter=1000).fit(Z[inside], market.y[inside])
        p[coalition] = model.predict_proba(later)[:, 1]
    return p[:, : len(Z_val)], p[:, len(Z_val) :]


def game(p: np.ndarray, y: np.ndarray, metric: str = METRIC) -> np.ndarray:
    """v of all coalitions, float64 [2^k], from probabilities of class 1 [2^k, n]."""
    made = make_metric(metric)
    both = np.stack([1 - p, p], axis=2)
    table = made.scores(both.argmax(axis=2) if made.needs == "labels" else both, y, 2)
    table[0] = made.chance(y, 2)
    return table


def drops(table: np.ndarray) -> np.ndarray:
    """What v loses without each seller, float64 [k]."""
    everybody = len(table) - 1
    return table[-1] - table[everybody - without(len(table))]


def without(n_coalitions: int) -> np.ndarray:
    """Each player's coalition alone, 1, 2, 4, ...; int64 [k]."""
    return 1 << np.arange(n_coalitions.bit_length() - 1)


def drop_covariance(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Covariance [k, k] of the drops of balanced accuracy over draws of held-out rows, class by class.

    What a bootstrap of these rows within their classes converges to.
    """
    is_right = (p > 0.5) == (y == 1)
    everybody = len(p) - 1
    lost = is_right[everybody].astype(float) - is_right[everybody - without(len(p))]
    of_class = [lost[:, y == c] for c in (0, 1)]
    return sum(np.cov(part, bias=True) / part.shape[1] for part in of_class) / 4


def ceiling(drop: np.ndarray, covariance: np.ndarray) -> float:
    """Correlation with measured drops that the true ones would have, on average over draws of held-out rows.

    The true ones are taken to be the measured ones, shrunk towards their mean until their variance over sellers
    is what the noise leaves of it.
    """
    k = len(drop)
    noise = (np.trace(covariance) - covariance.sum() / k) / (k - 1)
    reliability = max(0.0, 1 - noise / drop.var(ddof=1))
    true = reliability**0.5 * (drop - drop.mean())
    if not true.any():
        return 0.0
    measured = np.random.default_rng(0).multivariate_normal(true, covariance, CEILING_DRAWS)
    measured -= measured.mean(axis=1, keepdims=True)
    return float((measured @ true / (np.linalg.norm(measured, axis=1) * np.linalg.norm(true))).mean())
