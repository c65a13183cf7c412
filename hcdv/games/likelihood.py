"""How likely the labels of some voters are under what others say: kernel widths and weights by maximum of it.

The voters are rows whose labels others foretell: validation rows, or training rows, each without its own vote.
Nothing here plays a game: every row speaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import log_softmax

from hcdv._kernels.ballot import power_sums
from hcdv.affinity import Affinity
from hcdv.game import Indices
from hcdv.games.vote import SMALLEST_PRIOR

# Kernel widths tried, in units of the usual one, which comes first: powers of the square root of 2.
WIDTHS = (1.0, 0.5, 0.5**0.5, 2.0**0.5, 2.0)
# Voters asked at most, evenly spread: more would not tell two widths or weights apart any better; and
# voters x classes at most.
MOST_VOTERS, MOST_SHARES = 10_000, 1_000_000
# What is known of weights beforehand: each to within its own size / sqrt(CERTAINTY).
CERTAINTY = 10.0
# Of the temperature: none would be likeliest where every label is foretold, and with 0 nobody says anything.
SMALLEST_TEMPERATURE, LARGEST_TEMPERATURE = 0.1, 10.0
# Votes looked at at a time.
PIECE = 1 << 20


def voters_asked(n: int, n_classes: int) -> Indices:
    """Numbers of the voters that are asked among n of them: all, or evenly spread ones."""
    asked = min(n, MOST_VOTERS, max(1, MOST_SHARES // n_classes))
    return np.arange(asked, dtype=np.int64) * n // max(1, asked)


@dataclass(frozen=True)
class Ballots:
    """All votes on some voters, one by one.

    Attributes
    ----------
    start : int64 [n_voters + 1]
        Votes on voter v are ``start[v]`` to ``start[v + 1] - 1``.
    label : int64 [nnz]
        Class that is voted for.
    weight : float64 [nnz]
        Under the usual width, where the votes are a kernel's.
    n_classes : int
    """

    start: Indices
    label: NDArray[np.int64]
    weight: NDArray[np.float64]
    n_classes: int

    @property
    def n_voters(self) -> int:
        return len(self.start) - 1

    @classmethod
    def of(
        cls, affinity: Affinity, labels: NDArray[np.int64], voters: Indices, n_classes: int
    ) -> Ballots:
        """The votes of rows with these ``labels`` (int64 [n_sources]) on ``voters`` (int64, distinct)."""
        place = np.full(affinity.n_voters, -1, np.int64)
        place[voters] = np.arange(len(voters))
        parts = []
        for first in range(0, len(affinity.indices), PIECE):
            local = place[affinity.indices[first : first + PIECE]]
            kept = np.flatnonzero(local >= 0)
            source = np.searchsorted(affinity.indptr, first + kept, side="right") - 1
            parts.append((local[kept], labels[source], affinity.weights[first + kept].astype(np.float64)))
        if not parts:
            nobody = np.zeros(0, np.int64)
            parts.append((nobody, nobody, np.zeros(0)))
        voter, label, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
        by_voter = np.argsort(voter, kind="stable")
        start = np.append(0, np.cumsum(np.bincount(voter, minlength=len(voters)))).astype(np.int64)
        return cls(start, label[by_voter], weight[by_voter], n_classes)

    def log_shares(self, prior_share: float) -> NDArray[np.float64]:
        """Log of each class's share of the votes, float64 [n_voters, n_classes].

        A uniform prior weighs ``prior_share`` of all votes on the voter.
        """
        # Entries of one cell are summed up when it is made dense.
        shape = (self.n_voters, self.n_classes)
        votes: NDArray[np.float64] = csr_array((self.weight, self.label, self.start), shape).toarray()
        prior = np.maximum(prior_share * votes.sum(axis=1, keepdims=True), SMALLEST_PRIOR)
        votes += prior / self.n_classes
        shares: NDArray[np.float64] = np.log(votes / votes.sum(axis=1, keepdims=True))
        return shares

    def own_log_shares(self, labels: NDArray[np.int64], prior_share: float) -> NDArray[np.float64]:
        """Log of the share of each voter's own class under all ``WIDTHS``, float64 [widths, n_voters].

        A kernel exp(-2 d^2 / h^2) of another width is its power 1 / width^2, of squares or roots.
        """
        exponents = np.round(-2.0 * np.log2(WIDTHS)).astype(int)
        roots, squares = max(0, -exponents.min()), max(0, exponents.max())
        all_votes, own = np.empty((2, roots + squares + 1, self.n_voters))
        power_sums(self.start, self.label, self.weight, labels, roots, squares, all_votes, own)
        prior = np.maximum(prior_share * all_votes, SMALLEST_PRIOR)
        shares: NDArray[np.float64] = np.log((own + prior / self.n_classes) / (all_votes + prior))
        return shares[roots + exponents]


def likeliest_width(scores: NDArray[np.float64]) -> float:
    """The width in ``WIDTHS`` that makes the voters' own labels most likely.

    The usual width stays unless another is better by more than one standard error of the difference.

    Parameters
    ----------
    scores : float64 [widths, n_voters]
        Of :meth:`Ballots.own_log_shares`, by votes of a kernel of the usual width.

    Returns
    -------
    float
    """
    if scores.shape[1] < 2:
        return 1.0
    best = int(scores.mean(axis=1).argmax())
    gain = scores[best] - scores[0]
    if gain.mean() <= gain.std(ddof=1) / np.sqrt(len(gain)):
        return 1.0
    return WIDTHS[best]


def likeliest_weights(
    log_shares: NDArray[np.float64], labels: NDArray[np.int64], usual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights of several experts whose product makes the voters' own labels most likely.

    Values do not ask how sure the product is, but how its experts share: so a temperature t comes first, the
    likeliest for the usual weights, and then the maximum over multiples m >= 0 of

        sum over voters v of log p(y_v) - CERTAINTY / 2 sum_s (m_s - 1)^2,
        p(c) ~ product over experts s of p_s(c)^(t m_s u_s),  u = usual / mean(usual)

    The second term is a prior, so that a few voters move little.  Both steps are concave: one maximum each.

    Parameters
    ----------
    log_shares : float64 [S, m, C]
        What each expert says: log p_s(c) at every voter.
    labels : int64 [m]
    usual : float64 [S]
        Weights set by hand, above 0.

    Returns
    -------
    float64 [S]
        m * usual, scaled to the sum of the usual weights.
    """
    experts = (usual / usual.mean())[:, None, None] * log_shares
    temperature = _likeliest_factors(
        experts.sum(axis=0, keepdims=True), labels, 0.0, SMALLEST_TEMPERATURE, LARGEST_TEMPERATURE
    )
    weights: NDArray[np.float64] = usual * _likeliest_factors(
        temperature * experts, labels, CERTAINTY, 0.0, np.inf
    )
    if not weights.sum() > 0.0:
        return usual.copy()
    return weights * (usual.sum() / weights.sum())


def _likeliest_factors(
    experts: NDArray[np.float64], labels: NDArray[np.int64], certainty: float, least: float, most: float
) -> NDArray[np.float64]:
    """Factors [S] of experts [S, m, C] between two bounds; around 1 by a Gaussian of this precision."""
    rows = np.arange(len(labels))
    said = experts[:, rows, labels].sum(axis=1)

    def loss(factors: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        together = log_softmax(np.tensordot(factors, experts, axes=1), axis=1)
        expected = (experts * np.exp(together)).sum(axis=(1, 2))
        away = factors - 1.0
        value = certainty / 2 * away @ away - together[rows, labels].sum()
        return float(value), expected - said + certainty * away

    bounds = [(least, most)] * len(experts)
    factors: NDArray[np.float64] = minimize(
        loss, np.ones(len(experts)), jac=True, method="L-BFGS-B", bounds=bounds
    ).x
    return factors
