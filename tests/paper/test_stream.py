"""Figure 3: sentences and table from rows of known figures, and that the smallest stream runs."""

import numpy as np
import pytest

from bench.paper import stream
from bench.paper._experiment import values_of
from bench.streaming import RULES, interval


def line(method, seed, auc, seconds, **more):
    """What ``bench.streaming`` tells of one method on one stream."""
    return {
        "method": method, "seed": seed, "n_updates": 9, "auc_all": 0.9, "seconds": seconds,
        "latency_mean": seconds / 10, "latency_max": seconds / 5, "rebuilds": 3, "bought_global": 0.1,
        **{f"auc_{rule}": auc for rule in RULES}, **{f"bought_{rule}": 0.15 for rule in RULES},
        **more,
    }  # fmt: skip


def rows_of(n_seeds=2):
    ours = {f"refreshed_auc_{rule}": 0.8 for rule in RULES}
    ours |= {"spearman_refreshed": 0.99, "spearman_full": 0.95}
    return [
        {
            "seed": seed,
            "methods": [
                line("incremental", seed, 0.798 + 0.001 * seed, 2.0, **ours),
                line("full", seed, 0.8 + 0.001 * seed, 7.0, spearman_rebuilds=0.96),
                line("group", seed, 0.75, 5.0),
                line("random", seed, 0.7, 0.0),
            ],
        }
        for seed in range(n_seeds)
    ]


def test_claims_are_computed():
    text = stream.section(rows_of())
    # (.7985 - .7) / (.8005 - .7)
    assert f"{0.0985 / 0.1005:.1%} of the gain kept (printed: 99.6%)" in text
    assert "anew / incremental (printed: 2.5): 3.5 (7.0 s / 2.0 s)" in text
    assert "(printed: under 2 s): 0.200 s on average, 0.40 s at most" in text
    assert "2.50 times the seconds, 2.50 times the latency" in text
    assert "| Group Shapley, anew | 0.7500 ± 0.0000 |" in text
    difference, half = interval(np.array([0.75 - 0.798, 0.75 - 0.799]))
    assert f"AUC {difference:+.4f} ± {half:.4f} over all rows" in text


def test_no_gain_no_share():
    rows = rows_of(1)
    for one in rows[0]["methods"]:
        one["auc_global"] = 0.7
    text = stream.section(rows)
    assert "over all rows: AUC anew - random +0.0000, anew - incremental +0.0000; there is no gain" in text
    assert "10 days of a click stream" in text and "over 1 stream (" in text


def test_the_picture(tmp_path):
    stream.pictures(rows_of(), tmp_path)
    stream.pictures(rows_of(1), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [stream.PICTURE]


def test_cells():
    assert stream.cells("laptop") == [{"seed": seed} for seed in range(20)]
    assert len(stream.cells("ci")) == 1


def test_a_stream_of_ci():
    pytest.importorskip("torch")
    row = stream.measure("ci", seed=0)
    assert [one["method"] for one in row["methods"]] == list(stream.NAMES)
    assert np.all(values_of(row["methods"], "n_updates") == 2)
    assert stream.section([{"seed": 0, **row}]).startswith("## Figure 3")


def test_in_short():
    gain, compute, groups = stream.in_short(rows_of())
    # .985 / 1.005 of the gain; 7 s beside 2 s; groups below in each AUC.
    assert gain.default.verdict == "does not hold" and gain.default.told.count("98.0%") == 3
    assert compute.default == ("holds", "3.5 times (2.5), 0.20 s an update (under 2 s)")
    assert groups.default.verdict == "holds" and groups.default.told.endswith("; 2.5 times the seconds")
    assert "its AUC less that of updates -0.049 over all rows" in groups.default.told  # .75 - .7985
    assert {claim.literal.verdict for claim in (gain, compute, groups)} == {"not tested"}
    rows = rows_of()
    for row in rows:
        incremental, full, group, _ = row["methods"]
        incremental["auc_class"], incremental["seconds"] = full["auc_class"], 3.0
        group["auc_global"] = 0.9
    gain, compute, groups = stream.in_short(rows)
    assert "inside classes 100.0%" in gain.default.told
    assert {claim.default.verdict for claim in (gain, compute, groups)} == {"partly"}


def test_without_a_gain_none_is_kept():
    rows = rows_of(1)
    for one in rows[0]["methods"]:
        one["auc_global"] = {"random": 0.9}.get(one["method"], 0.7)
    told = stream.in_short(rows)[0].default.told
    assert "over all rows no gain to keep (AUC -0.200)" in told
