"""Theory: counts, slopes and bounds against other ways to get them, and that the smallest cells run."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from bench.paper import _concentration, _cost, _gap, theory
from bench.paper._experiment import chosen
from bench.paper._slopes import slope, told_slope
from hcdv import HCDV, Hierarchy
from hcdv.datasets import flip_labels, make_synthetic


def test_slopes():
    sizes = [10, 100, 1000]
    assert slope(sizes, 3.0 * np.array(sizes) ** -0.5) == pytest.approx(-0.5)
    assert told_slope(sizes, np.array([5.0, 5.0, 5.0])) == "0.00"
    assert told_slope([10], np.array([5.0])) == "–"


def test_cells_of_all_parts():
    keys = theory.cells("laptop")
    assert [key["n"] for key in chosen(keys, part="cost")] == [250, 500, 1000, 2000, 4000, 8000, 16_000]
    assert len(chosen(keys, part="gap")) == 4 * 3 * 8
    assert len(chosen(keys, part="concentration")) == 6


@pytest.mark.parametrize(("found", "games"), [(0, 100), (3, 50), (49, 50)])
def test_upper_limit(found, games):
    limit = _concentration.upper_limit(found, games)
    # With a share at the limit, as few as were found are seen in 5% of all samples.
    assert binom.cdf(found, games, limit) == pytest.approx(0.05)
    assert _concentration.upper_limit(games, games) == 1.0


def coverage(family, T, outside, delta=0.05, sampler="plain"):
    return {
        "family": family, "permutations": T, "outside": outside, "games": 100, "delta": delta,
        "sampler": sampler, "looseness": 4.0, "error_quantile": T**-0.5,
    }  # fmt: skip


def test_promise_of_proposition_1():
    lines = [coverage("a", 4, 5), coverage("a", 8, 6), coverage("b", 4, 2), coverage("b", 8, 1)]
    assert "at most delta in 3 of 4 cells" in _concentration.promise(lines)
    assert _concentration.outside(lines) == "at most 7 of 200 (3.50%)"
    assert _concentration.outside([]) == "–"
    assert "-0.50 to -0.50 (promised: -0.5)" in _concentration.rate(lines)
    # Eq. 47 for |v| <= B: 2 K exp(-T eta^2 / (8 B^2)) = delta.
    eta = math.sqrt(8 * math.log(2 * 16 / 0.05) / 256)
    assert f"{eta:.2f} B" in _concentration.enough(lines)


@pytest.mark.parametrize("depth", _gap.BRANCHING)
def test_trees_have_the_same_leaves(depth):
    X = make_synthetic(n=_gap.N, n_val=2, n_test=2, random_state=0).X
    tree = Hierarchy.build(X, _gap.BRANCHING[depth], _gap.LEAF, capacity_slack=0.0, random_state=0)
    assert tree.depth == depth
    np.testing.assert_array_equal(tree.sizes[tree.leaves], np.full(64, _gap.LEAF))


def test_gap_and_bound():
    found = _gap.measure(2, depth=3, permutations=8, allocation="winter")
    data = make_synthetic(n=_gap.N, n_val=100, n_test=10, random_state=0)
    y, _ = flip_labels(data.y, 0.15, random_state=0)
    tree = Hierarchy.build(data.X, 4, _gap.LEAF, capacity_slack=0.0, random_state=0)
    one, other = (
        HCDV(utility="kernel", n_permutations=8, random_state=seed)
        .fit(data.X, y, data.X_val, data.y_val, hierarchy=tree).result_
        for seed in (0, 1)
    )  # fmt: skip
    largest, bound = max(np.abs(r.values).max() for r in (one, other)), 0.0
    for level in range(4):
        sums = [
            [r.values[tree.order[tree.start[g] : tree.stop[g]]].sum() for g in range(tree.n_nodes)]
            for r in (one, other)
        ]
        nodes = slice(*tree.level_start[level : level + 2])
        bound += np.abs(np.subtract(*sums))[nodes].max()
    assert found["bound"] == pytest.approx(bound)
    assert found["total"] == pytest.approx(one.values.sum())
    assert found["gap"] < _gap.ROUNDING * found["total"]
    assert found["largest_row"] == pytest.approx(largest)
    assert 0 < found["bound"] < found["total"]


def gap_row(depth, T, gap, bound, allocation="winter", largest=0.5):
    return {
        "depth": depth, "permutations": T, "allocation": allocation, "gap": gap, "bound": bound,
        "total": 0.5, "largest_row": largest,
    }  # fmt: skip


def test_what_is_said_of_the_gap():
    rows = [gap_row(d, T, 1e-17, d / T**0.5) for d in (1, 3) for T in (4, 16)]
    rows.append(gap_row(1, 4, 0.2, 0.1, "level, safe", largest=3.0))
    assert "holds in 4 of 5 cells, up to rounding; in 4 the gap is no more than that" in _gap.efficiency(rows)
    grown, falls = _gap.of_winter(rows)
    assert "grows 3.0 to 3.0 times" in grown and "-0.50 to -0.50" in falls
    assert "6 times v(all) - v(none) (`level, safe`, depth 1, T = 4)" in _gap.terms(rows)
    assert _gap.listed([1]) == "1" and _gap.listed([1, 2, 3]) == "1, 2 and 3"
    assert not _gap.of_winter(rows[:1])


def test_cost_of_few_rows():
    row = _cost.measure(250)
    assert row["evaluations_flat"] == row["evaluations_chains"] == 64 * 250
    assert row["evaluations_fixed"] == 64 * 81
    # 250 rows in leaves of at most 64 under one root.
    assert row["evaluations_nodes"] >= 64 * (1 + 4) and row["largest_level"] >= 4
    assert row["seconds_flat"] == pytest.approx(row["tau"] * 64 * 250)
    assert row["tau_of_all"] > 0


def test_the_printed_simplification():
    assert _cost.simplified(64 * 64) == 8 * 2
    assert _cost.simplified(250) == 8


def cost_row(n):
    counts = {"flat": 64 * n, "nodes": 2 * n, "fixed": 64 * 81, "chains": 64 * n}
    return {
        "n": n, "tau": 1e-6 * n, "tau_of_all": None, "largest_level": n // 64,
        **{f"evaluations_{name}": count for name, count in counts.items()},
        **{f"seconds_{name}": 1e-6 * n * count for name, count in counts.items()},
        "seconds_chains": 1e-4 * n,
    }  # fmt: skip


def test_what_is_said_of_the_cost():
    text = _cost.text([cost_row(n) for n in (4000, 1000, 2000)])
    assert "| flat: every row | 256,000 | 1.00 | 1,024.00 | 2.00 |" in text
    assert "| nodes, 16 and 64 coalitions | 5,184 | 0.00 | 20.74 | 1.00 |" in text
    assert "is 32 to 32 times below flat" in text
    assert "take 2,560 times their seconds at n = 4,000" in text
    assert "not checked on whole permutations" in text
    assert f"62! is about 10^{math.log10(math.factorial(62)):.0f}" in text


def test_the_smallest_section_and_pictures(tmp_path):
    key = theory.cells("ci")[0]
    rows = [
        {**key, **theory.measure("ci", **key)},
        {"part": "gap", **gap_row(1, 4, 0.0, 0.1)},
        {"part": "cost", **cost_row(250)},
    ]
    for count in (1, 2, 3):
        text = theory.section(rows[:count])
        assert text.startswith("## Theory") and text.count("###") == count
    theory.pictures(rows, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {module.PICTURE for module in theory.PARTS.values()}
    for name in (module.PICTURE for module in theory.PARTS.values()):
        assert f"(images/{name})" in text


def test_in_short():
    games = [{"part": "concentration", "coverage": [coverage("a", 4, 5), coverage("a", 8, 6)]}]
    gaps = [
        gap_row(1, 4, 1e-17, 0.1),
        gap_row(1, 4, 0.2, 0.1, "level, safe"),
        gap_row(3, 4, 0.0, 0.1, "weights"),
    ]
    costs = [cost_row(n) for n in (1000, 4000)]
    rows = [*games, *({"part": "gap"} | row for row in gaps), *({"part": "cost"} | row for row in costs)]
    bound, gap, cost = theory.in_short(rows)
    assert bound.default.verdict == "partly" and bound.default.told.startswith("in 1 of 2 cells")
    assert bound.literal is None
    assert (gap.default.verdict, gap.literal.verdict) == ("holds", "partly")
    # Nodes: 32 times below flat, four times as many where log_8(n / 64), of whole levels, is 2 in both.
    assert cost.literal == (
        "partly",
        "32 to 32 times below flat (10 to 100); 4 times as many for 4 times the rows (1)",
    )
    assert cost.default.verdict == "does not hold" and cost.default.told.startswith("as many as flat; 4 times")
    assert theory.in_short([]) == []
    for row in rows[-2:]:
        row["evaluations_nodes"] = 5184
    assert theory.in_short(rows)[2].literal.verdict == "holds"
