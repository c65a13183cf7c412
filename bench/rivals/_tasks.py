"""What the libraries are asked to do, but for finding wrong labels (_detection.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from bench.exact import blobs as overlapping_blobs
from bench.rivals._arrays import black_box, noisy_rows
from bench.rivals._ask import OURS, Rivals, Row
from bench.split import blobs as many_blobs
from bench.split import inertia

K = 10
OOB_MODELS = 200
CLUSTERS = 8
CLUSTERED_COLUMNS = 16


@dataclass(frozen=True)
class Sizes:
    """How much each task is.

    Attributes
    ----------
    knn : rows of KNN-Shapley
    fits : rows and validation rows of data Shapley
    permutations : of data Shapley; what the peers do and, for ours, also what it is at its best with
    oob, oob_seeds : rows and seeds of the agreement of Data-OOB
    players : of the black-box game, and the most that pyDVL is given
    groups : of rows, and the most that each peer is given
    clustered : rows of balanced k-means
    """

    knn: tuple[int, ...]
    fits: tuple[int, int]
    permutations: tuple[int, int]
    oob: int
    oob_seeds: int
    players: tuple[int, ...]
    players_pydvl: int
    groups: tuple[int, ...]
    groups_peers: int
    group_rows: int
    clustered: tuple[int, ...]


SIZES = {
    "fast": Sizes(
        (1_000,), (200, 200), (2, 16), 300, 2, (10, 12), 10, (6, 8), 6, 300, (800,),
    ),
    "full": Sizes(
        (5_000, 20_000, 50_000), (1_000, 500), (2, 64), 1_000, 6, (12, 16, 20), 16, (8, 10, 16), 10,
        1_000, (2_000, 10_000),
    ),
}  # fmt: skip


def knn(rivals: Rivals, sizes: Sizes) -> None:
    """Exact KNN-Shapley of 1,000 queries in 32 columns, and how far values are from ours."""
    for n in sizes.knn:
        X, y, X_val, y_val = overlapping_blobs(n)
        arrays = {"X": X, "y": y, "X_val": X_val, "y_val": y_val}
        case = {"task": "knn", "case": f"n = {n:,}"}
        reference = None
        for library, method in (
            (OURS, "KNN-Shapley"), (OURS, "closed form"),
            ("pydvl", "KNN-Shapley"), ("opendataval", "KNN-Shapley"),
        ):  # fmt: skip
            if rivals.has(library):
                row, values = rivals.ask(library, method, arrays, {"k": K})
                if values is not None:
                    reference = values if reference is None else reference
                    row["max_difference"] = float(np.abs(values - reference).max())
                rivals.note(case | row)


def data_oob(rivals: Rivals, sizes: Sizes) -> None:
    """Data-OOB of the same number of models: differences from ours, over what sampling explains.

    Means over seeds: rows share their models, so the ratio of one pair of runs is itself a draw, a wide one for
    models of few parameters.
    """
    arrays, _ = noisy_rows("mc", sizes.oob, 0)
    for model in ("logistic", "tree"):
        case = {"task": "oob", "case": f"{model}, {OOB_MODELS} models, n = {sizes.oob:,}"}
        plans = [{"model": model, "number": OOB_MODELS, "seed": seed} for seed in range(sizes.oob_seeds)]
        ours = [rivals.ask(OURS, "Data-OOB", arrays, plan) for plan in plans]
        squared_errors = [np.array(row.pop("squared_errors", np.nan)) for row, _ in ours]
        rivals.note(case | over_seeds([row for row, _ in ours]))
        for library in ("pydvl", "opendataval"):
            if not rivals.has(library):
                continue
            rows = []
            for plan, (_, reference), errors in zip(plans, ours, squared_errors, strict=True):
                row, values = rivals.ask(library, "Data-OOB", arrays, plan)
                if values is not None and reference is not None:
                    row |= agreement(reference, errors, values, OOB_MODELS)
                rows.append(row)
            rivals.note(case | over_seeds(rows))


def over_seeds(rows: list[Row]) -> Row:
    """One row of means, with the standard error of the variance ratio; the first failure where there is one."""
    for row in rows:
        if "failed" in row:
            return row
    mean = {
        key: float(np.mean([row[key] for row in rows]))
        for key, value in rows[0].items()
        if isinstance(value, float)
    }
    if len(rows) > 1 and "variance_ratio" in mean:
        ratios = [row["variance_ratio"] for row in rows]
        mean["ratio_error"] = float(np.std(ratios, ddof=1) / np.sqrt(len(rows)))
    without_seed = {key: value for key, value in rows[0].items() if key != "seed"}
    return without_seed | mean | {"seeds": len(rows)}


def agreement(
    ours: np.ndarray, squared_errors: np.ndarray, theirs: np.ndarray, n_models: int
) -> dict[str, float]:
    """Of shares of right answers: mean difference, its standard error's multiple, and the variance explained.

    ``variance_ratio`` is the mean squared difference over the sampling variance of both; 1 where the two are
    draws of one thing.  Each row is out of some 37% of the samples.
    """
    out_of_bag = n_models * np.exp(-1.0)
    variance = squared_errors + theirs * (1.0 - theirs) / (out_of_bag - 1.0)
    difference = theirs - ours
    return {
        "mean_difference": float(difference.mean()),
        "variance_ratio": float(np.square(difference).mean() / variance.mean()),
        "correlation": float(np.corrcoef(ours, theirs)[0, 1]),
    }


def fits(rivals: Rivals, sizes: Sizes) -> None:
    """Data Shapley with logistic regression: CPU seconds a permutation and milliseconds an evaluation."""
    n, n_val = sizes.fits
    arrays, _ = noisy_rows("mc", n, 0, n_val)
    same, best = sizes.permutations
    for method in ("permutations", "TMC"):
        for library, number in ((OURS, same), (OURS, best), ("pydvl", same), ("opendataval", same)):
            if not rivals.has(library):
                continue
            row, values = rivals.ask(library, method, arrays, {"number": number, "seed": 0})
            if values is not None:
                row["cpu_per_permutation"] = row["cpu_seconds"] / number
                row["cpu_ms_per_evaluation"] = 1e3 * row["cpu_seconds"] / row["n_evaluations"]
            rivals.note({"task": "fits", "case": f"n = {n:,}"} | row)


def game(rivals: Rivals, sizes: Sizes) -> None:
    """Exact Shapley values of a black-box game, against its closed form."""
    for n_players in sizes.players:
        arrays, exact = black_box(n_players)
        for library in (OURS, "shapiq", "pydvl"):
            if not rivals.has(library):
                continue
            case = {"task": "game", "case": f"{n_players} players"}
            if library == "pydvl" and n_players > sizes.players_pydvl:
                why = f"not asked: beyond {sizes.players_pydvl} players it takes too long"
                rivals.note(case | {"library": library, "method": "exact game", "failed": why})
                continue
            row, values = rivals.ask(library, "exact game", arrays, {})
            if values is not None:
                row["max_difference"] = float(np.abs(values - exact).max())
            rivals.note(case | row)


def groups(rivals: Rivals, sizes: Sizes) -> None:
    """Exact Shapley values of groups of rows with logistic regression; the peers get fewer groups."""
    arrays, _ = noisy_rows("mc", sizes.group_rows, 0)
    for n_groups in sizes.groups:
        codes = KMeans(n_groups, n_init=3, random_state=0).fit_predict(arrays["X"])
        case = {"task": "groups", "case": f"{n_groups} groups, n = {sizes.group_rows:,}"}
        reference = None
        for library in (OURS, "shapiq", "pydvl"):
            if not rivals.has(library):
                continue
            if library != OURS and n_groups > sizes.groups_peers:
                why = f"not asked: beyond {sizes.groups_peers} groups it takes too long"
                rivals.note(case | {"library": library, "method": "exact groups", "failed": why})
                continue
            row, values = rivals.ask(library, "exact groups", {**arrays, "groups": codes}, {"seed": 0})
            if values is not None:
                # What nobody at all is worth is each library's own choice, and moves all groups alike.
                centred = values - values.mean()
                reference = centred if reference is None else reference
                row["max_difference"] = float(np.abs(centred - reference).max())
            rivals.note(case | row)


def split(rivals: Rivals, sizes: Sizes) -> None:
    """Balanced k-means into clusters of equal size: inertia over that of ours."""
    for n in sizes.clustered:
        Z = np.ascontiguousarray(many_blobs(n, CLUSTERED_COLUMNS), dtype=np.float64)
        case = {"task": "split", "case": f"n = {n:,}, {CLUSTERS} clusters"}
        reference = None
        for library, options in (
            (OURS, {}), ("kmeans_constrained", {"starts": 1}), ("kmeans_constrained", {"starts": 10}),
        ):  # fmt: skip
            if rivals.has(library):
                plan = {"clusters": CLUSTERS, "seed": 0, **options}
                row, labels = rivals.ask(library, "balanced k-means", {"Z": Z}, plan)
                if labels is not None:
                    own = inertia(Z, labels)
                    reference = own if reference is None else reference
                    row |= {"inertia": own, "inertia_over_ours": own / reference}
                    row["largest_less_smallest"] = int(np.ptp(np.bincount(labels, minlength=CLUSTERS)))
                rivals.note(case | row)


TASKS = {"knn": knn, "oob": data_oob, "fits": fits, "game": game, "groups": groups, "split": split}
