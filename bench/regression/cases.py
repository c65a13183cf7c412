"""What is timed: kernels and stages, each beside a plain numpy yardstick of the same nature.

A yardstick takes milliseconds like its kernel and is bound by the same thing (random access, sorting, sums one
after the other, products of matrices), so that another machine, or a busy one, slows both.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcdv import HCDV
from hcdv._kernels.ballot import power_sums
from hcdv._kernels.moments import add_sample
from hcdv._kernels.permute import sample_chain
from hcdv.affinity import kernel_affinity
from hcdv.engine import Threads
from hcdv.games import DispersionGame, Electorate, EvidenceGame, RidgeGame, VoteGame
from hcdv.games.knn import KNNGame
from hcdv.hierarchy import Hierarchy
from hcdv.partition import balanced_split
from hcdv.shapley import exact_values, knn_shapley_values, leaf_dispersion_values

N, D, N_CLASSES = 8000, 24, 5


class Case(NamedTuple):
    """Two functions without arguments, ready to be timed."""

    kernel: Callable[[], object]
    yardstick: Callable[[], object]


class Rows(NamedTuple):
    """Random rows in the order of a tree over them."""

    X: NDArray[np.float32]
    labels: NDArray[np.int64]
    tree: Hierarchy
    order: NDArray[np.int64]
    stops: NDArray[np.int64]


@cache
def rows() -> Rows:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)).astype(np.float32)
    tree = Hierarchy.build(X, random_state=0, n_jobs=1)
    labels = rng.integers(0, N_CLASSES, N)
    return Rows(X[tree.order], labels, tree.sorted(), rng.permutation(N), np.arange(N + 1))


def permute() -> Case:
    tree = rows().tree
    order, block = np.empty(N, np.int64), np.empty(tree.n_nodes, np.int64)
    scratch = np.empty((tree.largest_block, 2), np.uint64)

    def kernel() -> None:
        for chain in range(8):
            sample_chain(
                tree.order, tree.start, tree.stop, tree.first_child, tree.n_children, tree.point_key,
                tree.node_key, 1, chain, order, block, scratch,
            )  # fmt: skip

    rng = np.random.default_rng(0)
    return Case(kernel, lambda: [rng.permutation(N) for _ in range(32)])


def vote() -> Case:
    X, labels, _, order, stops = rows()
    affinity = kernel_affinity(X, threads=Threads(1))
    game = VoteGame(Electorate.of(affinity, labels, N_CLASSES, prior_share=0.025), N_CLASSES)
    shuffled = np.random.default_rng(0).permutation(affinity.indices).astype(np.int64)
    states, read = np.zeros(N), np.empty(len(shuffled))
    return Case(
        lambda: game.chains(order[None], stops),
        # Without an array made on the way: how long that takes depends on what was freed before.
        lambda: [np.take(states, shuffled, out=read, mode="clip") for _ in range(4)],
    )


def evidence() -> Case:
    X, labels, _, order, stops = rows()
    game = EvidenceGame(X, labels, N_CLASSES)
    wide = X.astype(np.float64)
    return Case(lambda: game.chains(order[None], stops), lambda: [wide.T @ wide for _ in range(8)])


def dispersion() -> Case:
    X, labels, _, order, stops = rows()
    game = DispersionGame(X, labels, N_CLASSES)
    return Case(lambda: game.chains(order[None], stops), lambda: np.cumsum(X[order], axis=0, dtype=np.float64))


def ridge() -> Case:
    X, labels, _, order, _ = rows()
    game = RidgeGame(X, labels, X[-200:], labels[-200:], N_CLASSES)
    nobody = game.state(np.empty(0, np.int64))
    wide, voters = X[:500].astype(np.float64), X[-200:].T.astype(np.float64)
    return Case(
        lambda: game.chain_from(nobody, order[:500], np.arange(501)),
        lambda: [wide @ voters for _ in range(4)],
    )


def nearest() -> Case:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2 * N, (1000, 200)).astype(np.int32)
    game, order = KNNGame(codes, N_CLASSES), rng.permutation(1000)
    keys = codes.T.copy()
    return Case(
        lambda: game.chains(order[None], np.arange(1001)),
        lambda: [np.cumsum(row, dtype=np.float64) for row in keys],
    )


def knn_shapley() -> Case:
    X, labels = rows()[:2]
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(4, N))
    return Case(
        lambda: knn_shapley_values(X, labels, X[:16], labels[:16], n_jobs=1),
        lambda: np.argsort(keys, axis=1, kind="stable"),
    )


def leaf() -> Case:
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(12, 3)), np.repeat(np.arange(4), 3)
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    sums = rng.normal(size=1 << 18)
    return Case(
        lambda: [leaf_dispersion_values(distance, labels, kappa=12.0) for _ in range(20)],
        lambda: np.cumsum(sums),
    )


def coalition() -> Case:
    table = np.random.default_rng(0).normal(size=1 << 18)
    return Case(lambda: exact_values(table), lambda: np.cumsum(table))


def moments() -> Case:
    sample = np.random.default_rng(0).normal(size=(4, 50_000))
    mean, comoment = np.zeros((4, 50_000)), np.zeros((10, 50_000))
    return Case(lambda: add_sample(sample, 2, mean, comoment), lambda: sample * sample + sample)


def ballot() -> Case:
    rng = np.random.default_rng(0)
    start = 64 * np.arange(2001)
    label, own = rng.integers(0, N_CLASSES, 64 * 2000), rng.integers(0, N_CLASSES, 2000)
    weight, sums = rng.random(64 * 2000), np.empty((2, 5, 2000))
    return Case(
        lambda: power_sums(start, label, weight, own, 2, 2, sums[0], sums[1]),
        lambda: [np.add.reduceat(np.sqrt(weight), start[:-1]) for _ in range(4)],
    )


def split() -> Case:
    X = rows().X[:2000]
    centres = X[:8].astype(np.float64).T
    return Case(
        lambda: balanced_split(X, 8, 0.2, 0),
        lambda: [np.argsort(X.astype(np.float64) @ centres, axis=1, kind="stable") for _ in range(10)],
    )


def tree() -> Case:
    X = rows().X[:3000]
    keys = np.random.default_rng(0).normal(size=(60, 3000))
    return Case(
        lambda: Hierarchy.build(X, random_state=0, n_jobs=1),
        lambda: np.argsort(keys, axis=1, kind="stable"),
    )


def affinity() -> Case:
    X = rows().X[:3000]
    keys = np.random.default_rng(0).normal(size=(60, 3000))
    return Case(
        lambda: kernel_affinity(X, threads=Threads(1)),
        lambda: [X @ X.T, np.argsort(keys, axis=1, kind="stable")],
    )


def fit() -> Case:
    X, labels = rows().X[:800], rows().labels[:800]
    keys = np.random.default_rng(0).normal(size=(200, 3000))
    model = HCDV(n_permutations=16, random_state=0, n_jobs=1)
    return Case(lambda: model.fit(X, labels), lambda: np.argsort(keys, axis=1, kind="stable"))


# Name -> what makes the case.
CASES: dict[str, Callable[[], Case]] = {
    "permute.sample_chain": permute,
    "vote.vote_chain": vote,
    "evidence.evidence_chain": evidence,
    "dispersion.dispersion_chain": dispersion,
    "ridge.ridge_chain": ridge,
    "knn.knn_chain": nearest,
    "knn.knn_shapley": knn_shapley,
    "leaf.leaf_values": leaf,
    "coalition.shapley_from_table": coalition,
    "moments.add_sample": moments,
    "ballot.power_sums": ballot,
    "assign (one split)": split,
    "stage: tree": tree,
    "stage: affinity": affinity,
    "stage: fit": fit,
}
