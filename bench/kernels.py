"""Seconds of every kernel, beside a plain numpy yardstick where there is one.

    python -m bench.kernels --json bench/results/kernels.json

Nanoseconds per elementary step (a row of a chain, a weight pushed, a coalition), best of several runs on one
thread.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeClassifier

from bench._measure import arguments, best_of, run
from hcdv._kernels.moments import add_marginals, add_sample
from hcdv._kernels.permute import sample_chain
from hcdv.affinity import kernel_affinity
from hcdv.engine import Threads, single_threaded_blas
from hcdv.games import DispersionGame, Electorate, EvidenceGame, RidgeGame, VoteGame
from hcdv.hierarchy import Hierarchy
from hcdv.shapley import exact_values


def main(options: argparse.Namespace) -> list[dict[str, Any]]:
    n = 200_000 if options.scale == "full" else 20_000
    d, n_classes = 24, 5
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)).astype(np.float32)
    labels = rng.integers(0, n_classes, n)
    rows: list[dict[str, Any]] = []

    def note(kernel: str, seconds: float, steps: float, unit: str) -> None:
        rows.append({"kernel": kernel, "seconds": seconds, "ns": 1e9 * seconds / steps, "unit": unit})
        print(f"{kernel:<34}{seconds * 1e3:>10.2f} ms {1e9 * seconds / steps:>10.2f} ns / {unit}")

    with single_threaded_blas():
        tree = Hierarchy.build(X, random_state=0, n_jobs=1)
        X, labels, tree = X[tree.order], labels[tree.order], tree.sorted()
        order, block = np.empty(n, np.int64), np.empty(tree.n_nodes, np.int64)
        scratch = np.empty((tree.largest_block, 2), np.uint64)
        seconds, _ = best_of(
            lambda: sample_chain(
                tree.order, tree.start, tree.stop, tree.first_child, tree.n_children, tree.point_key,
                tree.node_key, 1, 1, order, block, scratch,
            ),
            5,
        )  # fmt: skip
        note("permute.sample_chain", seconds, n, "point")
        seconds, _ = best_of(lambda: np.random.default_rng(0).permutation(n), 5)
        note("  numpy permutation (flat)", seconds, n, "point")

        affinity = kernel_affinity(X, threads=Threads(1))
        stops = np.arange(n + 1)
        voters = Electorate.of(affinity, labels, n_classes, prior_share=0.025)
        vote = VoteGame(voters, n_classes)
        seconds, _ = best_of(lambda: vote.chains(order[None], stops), 3)
        note("vote.vote_chain", seconds, len(affinity.indices), "weight")

        evidence = EvidenceGame(X, labels, n_classes)
        seconds, _ = best_of(lambda: evidence.chains(order[None], stops), 3)
        note("evidence.evidence_chain (d 24, C 5)", seconds, n, "row")

        few = order[:2000]
        ridge = RidgeGame(X, labels, X[-500:], labels[-500:], n_classes)
        everywhere = np.arange(len(few) + 1)
        nobody = ridge.state(np.empty(0, np.int64))
        seconds, _ = best_of(lambda: ridge.chain_from(nobody, few, everywhere), 3)
        note("ridge.ridge_chain (500 voters)", seconds, len(few), "row")
        prefixes = [few[:stop] for stop in range(100, len(few), 100)]
        seconds, _ = best_of(
            lambda: [
                RidgeClassifier().fit(X[rows], labels[rows]).score(X[-500:], labels[-500:]) for rows in prefixes
            ],
            1,
        )
        note("  scikit-learn fit and score", seconds, len(prefixes), "row")

        contrast = DispersionGame(X, labels, n_classes)
        seconds, _ = best_of(lambda: contrast.chains(order[None], stops), 3)
        note("dispersion.dispersion_chain (d 24)", seconds, n, "row")

        prefix, marginals = rng.normal(size=n + 1), np.zeros(n)
        seconds, _ = best_of(lambda: add_marginals(prefix, order, 0.5, marginals), 5)
        note("moments.add_marginals", seconds, n, "point")
        sample, mean, comoment = rng.normal(size=(4, n)), np.zeros((4, n)), np.zeros((10, n))
        seconds, _ = best_of(lambda: add_sample(sample, 2, mean, comoment), 5)
        note("moments.add_sample (4 games)", seconds, n, "point")

        table = rng.normal(size=2**20)
        seconds, _ = best_of(lambda: exact_values(table), 3)
        note("coalition.shapley_from_table (m 20)", seconds, 2**20, "coalition")
    return rows


if __name__ == "__main__":
    run(main, arguments(__doc__ or "").parse_args())
