"""A generated click stream: sessions day by day that drift, few of which end in a purchase."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcdv._random import RandomState, check_seed, generator
from hcdv._validation import check_int
from hcdv.datasets._dataset import Dataset, Labels

Floats = NDArray[np.float64]

# One-hot fields and their levels: 28 columns.
_FIELDS = {
    "device": ("phone", "desktop", "tablet"),
    "referrer": ("direct", "search", "social", "email", "advert", "partner"),
    "visitor": ("new", "returning", "member"),
    "landing": ("home", "category", "product", "sale", "article"),
    "daytime": ("night", "morning", "afternoon", "evening"),
    "weekday": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
# What a session did, on a logarithmic scale: 4 columns.
_COUNTS = ("pages", "minutes", "searches", "returns")
# Embeddings of what a visitor is after and of the products looked at: 2 x 16 columns.
_N_EMBEDDED = 16
# Embeddings have more columns than directions in which sessions differ, as learned ones do.
_N_LATENT = 6
_N_KINDS, _N_TASTES = 8, 6

_SHARE_BUYING = 0.15
_SHARE_MISCREDITED = 0.25
_WANTED = 3.0  # logit of a product that is wanted, and minus that of one that is not
_SCATTER = 0.25  # of a session around its kind and its taste in each direction; centres have length 1
_NOISE = 0.1  # of an embedding in each column
_EVENNESS = 0.5  # of the levels of a field among sessions of a kind: a Dirichlet distribution's parameter
_DRIFT = 0.7  # standard deviation of the change of a log share over the whole stream
_NEW_SHARE = 0.2  # of the kind that is first seen in the middle of the stream


def make_clickstream(
    n_days: int = 10,
    n_per_day: int = 1500,
    n_val: int = 500,
    n_test: int = 3000,
    random_state: RandomState = 0,
) -> Dataset:
    """Sessions of a web shop, day by day, and which of them buy: 15%.

    The setting of the paper's streaming experiment (Section 5), loosely after Ghazikhani, Monsefi and Sadoghi
    Yazdi (2014): a stream that is imbalanced and does not stand still.  A session is of one of eight kinds
    (what the visitor is after) and looks at products of one of six tastes.  The mix of kinds and of tastes
    moves a little every day, and one kind is first seen in the middle of the stream.  Whether a session buys
    depends on kind and taste *together*, on how long it looked around (neither too short nor too long) and a
    little on each field; even who knew all that could not be sure.

    Row i of ``X`` is of day ``i // n_per_day``; validation and test rows are of the last day.  Labels of
    training rows are as tracked: of the purchases 25% are credited to another session of the same day.  Those
    of validation and test rows are right.

    Parameters
    ----------
    n_days : int
        Days of the stream.
    n_per_day : int
        Training rows a day.
    n_val, n_test : int
        Rows to validate and to test.
    random_state : int, generator or None
        Decides on the shop and on its sessions.

    Returns
    -------
    Dataset
        ``X`` float64 [n_days * n_per_day, 64]: 28 one-hot columns, 4 counts on a logarithmic scale and two
        embeddings of 16; ``y`` int64, 1 for a purchase: 15% of every day, to the nearest row.
    """
    n_days, n_per_day = check_int(n_days, "n_days", 1), check_int(n_per_day, "n_per_day", 1)
    n_val, n_test = check_int(n_val, "n_val", 0), check_int(n_test, "n_test", 0)
    seed = check_seed(random_state)

    def stream(*items: int | str) -> np.random.Generator:
        return generator(seed, "datasets", "clickstream", *items)

    shop = _Shop(stream("shop"), n_days)
    days = [shop.sessions(day, n_per_day, stream("day", day)) for day in range(n_days)]
    tracked = [_miscredited(y, stream("tracker", day)) for day, (_, y) in enumerate(days)]
    X_val, y_val = shop.sessions(n_days - 1, n_val, stream("val"))
    X_test, y_test = shop.sessions(n_days - 1, n_test, stream("test"))
    return Dataset(
        np.concatenate([X for X, _ in days]), np.concatenate(tracked), X_val, y_val, X_test, y_test,
        "clickstream", _column_names(), ("left", "bought"),
    )  # fmt: skip


class _Shop:
    """What all days have in common, and how they differ."""

    def __init__(self, rng: np.random.Generator, n_days: int) -> None:
        self.n_days = n_days
        self.kinds, self.tastes = _directions(rng, _N_KINDS), _directions(rng, _N_TASTES)
        self.embeddings = [np.linalg.qr(rng.standard_normal((_N_EMBEDDED, _N_LATENT)))[0].T for _ in range(2)]
        # A kind prefers some levels of each field, and has its own way of looking around.
        self.levels = {
            field: rng.dirichlet(np.full(len(levels), _EVENNESS), _N_KINDS)
            for field, levels in _FIELDS.items()
            if field != "weekday"
        }
        self.habits = rng.normal(0, 0.5, (_N_KINDS, len(_COUNTS)))
        # Each kind wants one of the tastes: a matter of pairs, of which no sum over columns knows.
        taste = rng.permutation(np.arange(_N_KINDS) % _N_TASTES)
        self.wants = _WANTED * (2.0 * np.eye(_N_TASTES)[taste] - 1.0)
        # What a level adds to the logit, whoever comes.
        self.pull = {field: rng.normal(0, 0.3, len(levels)) for field, levels in _FIELDS.items()}
        # Log shares of kinds and tastes: on the first day, and what is added until the last.
        spread = [[0.3], [_DRIFT]]
        self.kind_starts, self.kind_moves = rng.normal(0, spread, (2, _N_KINDS))
        self.taste_starts, self.taste_moves = rng.normal(0, spread, (2, _N_TASTES))

    def sessions(self, day: int, n: int, rng: np.random.Generator) -> tuple[Floats, Labels]:
        """n sessions of a day and which of them buy."""
        along = day / max(1, self.n_days - 1)
        kind = rng.choice(_N_KINDS, n, p=self._mix_of_kinds(day, along))
        taste = rng.choice(_N_TASTES, n, p=_shares(self.taste_starts + along * self.taste_moves))
        levels = {field: _drawn(preferred[kind], rng) for field, preferred in self.levels.items()}
        levels["weekday"] = np.full(n, day % 7)  # the last field
        counts = self.habits[kind] + rng.normal(0, 1, (n, len(_COUNTS)))
        logit = self.wants[kind, taste] - 0.8 * (counts[:, 0] - 0.5) ** 2 + 0.6 * counts[:, 3]
        for field, level in levels.items():
            logit += self.pull[field][level]
        columns = [np.eye(len(_FIELDS[field]))[level] for field, level in levels.items()]
        embedded = [
            (centres + _SCATTER * rng.standard_normal(centres.shape)) @ embedding
            + _NOISE * rng.standard_normal((n, _N_EMBEDDED))
            for centres, embedding in zip((self.kinds[kind], self.tastes[taste]), self.embeddings, strict=True)
        ]
        return np.column_stack([*columns, counts, *embedded]), _buyers(logit, rng)

    def _mix_of_kinds(self, day: int, along: float) -> Floats:
        # The last kind is the new one.
        known = _shares((self.kind_starts + along * self.kind_moves)[:-1])
        new = _NEW_SHARE if day >= self.n_days / 2 else 0.0
        return np.append((1.0 - new) * known, new)


def _buyers(logit: Floats, rng: np.random.Generator) -> Labels:
    """1 for the 15% to whom buying appeals most, wish and luck together: the same share every day."""
    appeal = logit + rng.logistic(size=len(logit))
    y = np.zeros(len(logit), np.int64)
    y[np.argsort(-appeal, kind="stable")[: round(_SHARE_BUYING * len(logit))]] = 1
    return y


def _miscredited(y: Labels, rng: np.random.Generator) -> Labels:
    """Labels as tracked: some purchases are another session's."""
    bought, left = (rng.permutation(np.flatnonzero(y == label)) for label in (1, 0))
    wrong = min(round(_SHARE_MISCREDITED * len(bought)), len(left))
    tracked = y.copy()
    tracked[bought[:wrong]], tracked[left[:wrong]] = 0, 1
    return tracked


def _directions(rng: np.random.Generator, n: int) -> Floats:
    centres = rng.standard_normal((n, _N_LATENT))
    return centres / np.linalg.norm(centres, axis=1, keepdims=True)


def _shares(logs: Floats) -> Floats:
    weights = np.exp(logs)
    return weights / weights.sum()


def _drawn(shares: Floats, rng: np.random.Generator) -> Labels:
    """One level a row, drawn with the row's shares."""
    return (rng.random((len(shares), 1)) > np.cumsum(shares, axis=1)[:, :-1]).sum(axis=1)


def _column_names() -> tuple[str, ...]:
    levels = [f"{field}={level}" for field, names in _FIELDS.items() for level in names]
    embedded = [f"{name}{j}" for name in ("intent", "taste") for j in range(_N_EMBEDDED)]
    return (*levels, *_COUNTS, *embedded)
