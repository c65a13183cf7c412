"""Five sellers of Table 4's profiles, drawn from a table of people without overlap.

What the table prints of a seller are shares and a median, which many draws have.  Ours is the one that is
otherwise most like the table drawn from: of the rows with the seller's education levels (the most frequent
ones), cells of income, sex and age (below, at, above the median asked for) are drawn from in proportion to
their size times exp(a [high income] + b [female] + c sign(age - median)), with a, b, c such that the printed
figures come out.  Of all distributions that have them this one is nearest in Kullback-Leibler divergence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hcdv.datasets import load_adult


@dataclass(frozen=True)
class Profile:
    """What Table 4 tells of a seller; shares of rows."""

    n: int
    high_income: float
    female: float
    median_age: float
    n_levels: int


# Table 4.
PAPER = {
    "p1": Profile(2000, 0.331, 0.354, 38, 13),
    "p2": Profile(2100, 0.418, 0.487, 34, 14),
    "p3": Profile(1950, 0.256, 0.319, 42, 11),
    "p4": Profile(2000, 0.302, 0.371, 36, 12),
    "p5": Profile(1950, 0.367, 0.436, 39, 13),
}
SELLERS = tuple(PAPER)


@dataclass(frozen=True)
class Market:
    """What is for sale, and the buyer's rows: payouts may see the validation rows, and not the test rows.

    Attributes
    ----------
    X, X_val, X_test : DataFrame
    y, y_val, y_test : int64, 1 for high income
    seller : int64 [n]
        Ascending: 0 for p1 and so on.
    """

    X: pd.DataFrame
    y: np.ndarray
    seller: np.ndarray
    X_val: pd.DataFrame
    y_val: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray

    @property
    def rows(self) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, np.ndarray]:
        return self.X, self.y, self.X_val, self.y_val

    def profiles(self) -> list[Profile]:
        """What the sellers came to."""
        return [profile_of(self.X[self.seller == p], self.y[self.seller == p]) for p in range(len(SELLERS))]


def adult_market(seed: int, n_val: int) -> Market:
    """Sellers from the training part of Adult; all of the test part is the buyer's."""
    data = load_adult(n_val=n_val, random_state=seed)
    rows, seller = draw_sellers(data.X, data.y, PAPER, np.random.default_rng(seed))
    return Market(data.X.iloc[rows], data.y[rows], seller, data.X_val, data.y_val, data.X_test, data.y_test)


def generated_market(seed: int, n_val: int, n_test: int, shrink: int = 10) -> Market:
    """The same from generated people, sellers being ``shrink`` times smaller than the paper's."""
    rng = np.random.default_rng(seed)
    small = {name: replace(profile, n=profile.n // shrink) for name, profile in PAPER.items()}
    n_pool = 10 * sum(profile.n for profile in small.values())
    X, y = generated_people(n_pool + n_val + n_test, rng)
    rows, seller = draw_sellers(X[:n_pool], y[:n_pool], small, rng)
    val = slice(n_pool, n_pool + n_val)
    test = slice(n_pool + n_val, None)
    return Market(X.iloc[rows], y[rows], seller, X[val], y[val], X[test], y[test])


def generated_people(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Age, sex, education, occupation and hours of people who never were, and whether they earn much."""
    age = np.clip(np.rint(17 + rng.gamma(2.2, 9.7, n)), 17, 90)
    female = rng.random(n) < 1 / 3
    frequency = 0.8 ** np.arange(16)
    education = rng.choice(16, n, p=frequency / frequency.sum())
    occupation = rng.integers(0, 6, n)
    hours = np.clip(np.rint(rng.normal(40 - 4 * female, 10)), 5, 90)
    skill = rng.permutation(16) / 8 - 1  # of a level of education, whose names say nothing
    score = -1.6 - 1.2 * female + 0.03 * (age - 40) + 0.04 * (hours - 40) + skill[education] + 0.3 * occupation
    high = rng.random(n) < 1 / (1 + np.exp(-score))
    X = pd.DataFrame(
        {
            "age": age.astype(np.int64),
            "sex": np.where(female, "Female", "Male"),
            "education": [f"level {level}" for level in education],
            "occupation": [f"trade {kind}" for kind in occupation],
            "hours-per-week": hours.astype(np.int64),
        }
    )
    return X, high.astype(np.int64)


def draw_sellers(
    X: pd.DataFrame, y: np.ndarray, profiles: Mapping[str, Profile], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the sellers, one after the other, and whose they are; int64 [n], int64 [n].

    Raises
    ------
    ValueError
        If there are too few rows of a kind.
    """
    is_free = np.ones(len(y), bool)
    levels = X["education"].value_counts().index
    is_female = (X["sex"] == "Female").to_numpy()
    drawn = []
    for name, profile in profiles.items():
        allowed = X["education"].isin(levels[: profile.n_levels]).to_numpy()
        side = np.sign(X["age"].to_numpy() - profile.median_age).astype(np.int64)
        cell = (2 * y + is_female) * 3 + side + 1
        counts = cell_counts(np.bincount(cell[allowed], minlength=12).reshape(2, 2, 3), profile)
        mine = []
        for kind, count in enumerate(counts.ravel()):
            there = np.flatnonzero(allowed & is_free & (cell == kind))
            if len(there) < count:
                raise ValueError(f"seller {name} wants {count} rows of a kind of which {len(there)} are left.")
            mine.append(rng.choice(there, count, replace=False))
        rows = rng.permutation(np.concatenate(mine))
        is_free[rows] = False
        drawn.append(rows)
    return np.concatenate(drawn), np.repeat(np.arange(len(drawn)), [len(rows) for rows in drawn])


def cell_counts(available: np.ndarray, profile: Profile) -> np.ndarray:
    """How many rows to draw by income, sex and side of the median age; int64 [2, 2, 3].

    The printed shares are kept to the row: given how many of the rich are women, so are all four blocks.
    """
    n = profile.n
    shares = tilted(available, profile)
    rich, women = round(profile.high_income * n), round(profile.female * n)
    rich_women = round(n * shares[1, 1].sum())
    blocks = [[n - rich - women + rich_women, women - rich_women], [rich - rich_women, rich_women]]
    return np.array(
        [[apportioned(shares[i, f] / shares[i, f].sum(), blocks[i][f]) for f in (0, 1)] for i in (0, 1)]
    )


def tilted(available: np.ndarray, profile: Profile) -> np.ndarray:
    """Shares of the cells [2, 2, 3] nearest to ``available`` that have the profile's income, sex and age."""
    income, sex, side = np.indices(available.shape).reshape(3, -1)
    # What must be 0 on average.
    excess = np.stack([income - profile.high_income, sex - profile.female, side - 1.0])
    base = available.ravel() / available.sum()
    tilt = np.zeros(3)
    for _ in range(50):
        weights = base * np.exp(tilt @ excess)
        weights /= weights.sum()
        mean = excess @ weights
        tilt -= np.linalg.solve((excess * weights) @ excess.T - np.outer(mean, mean), mean)
    return weights.reshape(available.shape)


def apportioned(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers of this sum in proportion to shares, by largest remainders."""
    exact = total * shares
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def profile_of(X: pd.DataFrame, y: np.ndarray) -> Profile:
    return Profile(
        n=len(y),
        high_income=float(y.mean()),
        female=float((X["sex"] == "Female").mean()),
        median_age=float(X["age"].median()),
        n_levels=int(X["education"].nunique()),
    )
