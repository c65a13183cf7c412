"""Labels of every kind: the same values under any names, and what is none is refused."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from hcdv.scale import Recipe
from hcdv.scale.labels import count_classes
from tests.scale.sources import ArraySource
from tests.scale.test_values import SMALL, spread, valued

RECIPE = Recipe(utility="fit", n_permutations=2)


@pytest.mark.parametrize(
    "names",
    [
        [date(2020, 1, 1), date(2021, 1, 1)],
        [datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)],
        [Decimal(1), Decimal(2)],
        [b"no", b"yes"],
        ["no", "yes, indeed"],
        [False, True],
    ],
)
def test_values_do_not_depend_on_what_labels_are_called(tmp_path, names):
    X, y = spread(700)
    X_val, y_val = spread(20, seed=1)
    called = np.array([*names, None], dtype=object)[:2]
    numbered = valued(ArraySource(X, y), tmp_path / "numbers", RECIPE, SMALL, (X_val, y_val)).result
    named = valued(ArraySource(X, called[y]), tmp_path / "names", RECIPE, SMALL, (X_val, called[y_val])).result
    np.testing.assert_array_equal(named.values, numbered.values)
    assert len(set(zip(named.labels.tolist(), y.tolist(), strict=True))) == 2


@pytest.mark.parametrize(
    ("labels", "error", "sentence"),
    [
        ([0.5, 1.5, 2.0, 3.0], ValueError, "continuous numbers such as 0.5"),
        ([0, 1, "a", "b"], TypeError, "y mixes labels of int64 and <U1; make them all of one kind"),
        ([[0], [1], [2], [3]], TypeError, "one label a row, got list objects"),
    ],
)
def test_what_is_no_label_is_refused(monkeypatch, labels, error, sentence):
    monkeypatch.setattr("hcdv.scale.labels.LABELS_AT_ONCE", 2)
    held = np.empty(4, dtype=object)
    held[:] = labels
    with pytest.raises(error, match=sentence) as caught:
        count_classes(ArraySource(np.zeros((4, 1)), held))
    assert "\n" not in str(caught.value)
