"""The page that compares: written from the stored figures, and saying what they say."""

import numpy as np
import pytest

from bench import comparison
from bench.protocol import TASKS, figures, shifted, verdict


def test_the_page_is_not_stale():
    assert comparison.PAGE.read_text() == comparison.page(), "run python -m bench.comparison"


def rows_of(scores):
    """One row for each method, task and seed, on a set "a" at 5%."""
    return [
        {"players": "rows", "set": "a", "level": 0.05, "seed": seed, "method": method}
        | {task: means.get(task, 0.5) + (0.01 if seed else -0.01) for task in TASKS}
        for method, means in scores.items()
        for seed in range(2)
    ]


def test_means_and_deviations_over_seeds():
    found = figures(rows_of({"HCDV": {"nld": 0.5, "dr": 0.6, "da": 0.2}}), "rows")
    assert found["HCDV", "a", "nld", 0.05] == pytest.approx((0.5, 0.01))
    assert len(found) == len(TASKS)


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (
            {"nld": 0.5, "dr": 0.6, "da": 0.2},
            ["first, alone or with others, in 1 of 1 cells.", "in 1 of 1 cells.", "in 1 of 1 cells."],
        ),
        (
            {"nld": 0.3, "dr": 0.604, "da": 0.206},
            [
                "in 0 of 1 cells: not in a 5% (LOO 0.4000 against 0.3000).",
                "within 0.005 in 1 of 1 cells.",
                "in 0 of 1 cells: not in a 5% (LOO 0.2000 against 0.2060).",
            ],
        ),
    ],
)
def test_the_verdict_says_who_wins(ours, said):
    rows = rows_of({"HCDV": ours, "LOO": {"nld": 0.4, "dr": 0.6, "da": 0.2}})
    for line, end in zip(verdict(rows, "rows"), said, strict=True):
        assert line.endswith(end)


def test_shifted_labels_of_rows_and_of_data_sets():
    y = np.arange(1000) % 5
    noisy, is_bad = shifted(y, 0.15, 0, None)
    np.testing.assert_array_equal(noisy != y, is_bad)
    assert is_bad.sum() == 150
    groups = np.arange(1000) % 100
    noisy, is_bad = shifted(y, 0.05, 0, groups)
    assert is_bad.sum() == 5
    np.testing.assert_array_equal(noisy != y, is_bad[groups])


def test_every_stored_cell_has_every_method_and_seed():
    rows = comparison.protocol_record()["rows"]
    cells = {(r["players"], r["set"], r["level"], r["seed"], r["method"]) for r in rows}
    assert len(cells) == len(rows) == 2 * 3 * 2 * 5 * len({r["method"] for r in rows})
