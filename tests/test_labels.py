"""Labels of any kind: what is one class, what is missing, and what is refused."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from hcdv._labels import encode_known, encode_labels
from hcdv._validation import check_labels


def objects(*labels):
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (objects(1, 1.0, 2, 2.0), [1, 2]),
        (objects(1, np.int64(2), 2, np.float32(1)), [1, 2]),
        (objects(True, False, True, False), [False, True]),
        (objects(Decimal(0), Decimal(1), Decimal(1), Decimal(0)), [0, 1]),
        (objects("b", "a", "a", "b"), ["a", "b"]),
        (["b", "a", "a", "b"], ["a", "b"]),
        (pd.Categorical(["b", "a", "a", "b"]), ["a", "b"]),
        (objects(*pd.to_datetime(["2020-01-02", "2020-01-01"] * 2)), None),
        (np.array(["2020-01-02", "2020-01-01"] * 2, "M8[D]"), None),
        (pd.array([1, 2, 2, 1], dtype="Int64"), [1, 2]),
        (np.ma.masked_equal([1, 2, 2, 1], 7), [1, 2]),
    ],
)
def test_equal_labels_are_one_class(y, classes):
    found, codes = encode_labels(y, 4)
    assert len(found) == 2
    if classes is not None:
        assert found.tolist() == classes
    np.testing.assert_array_equal(found[codes], check_labels(y, 4, "y"))
    np.testing.assert_array_equal(encode_known(y, 4, found, "y_val"), codes)


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(["a", pd.NA, pd.NA, "b"], dtype="string"),
        pd.Series(["a", None, None, "b"]),
        pd.Series([True, pd.NA, pd.NA, False], dtype="boolean"),
        pd.array([1, None, None, 2], dtype="Int64"),
        objects("a", pd.NA, None, "b"),
        objects(1, np.nan, pd.NaT, 2),
        ["a", None, None, "b"],
        ["a", np.nan, np.nan, "b"],
        np.array([1, np.nan, np.nan, 2]),
        np.array(["2020-01-01", "NaT", "NaT", "2020-01-02"], "M8[D]"),
        pd.Categorical(["a", None, None, "b"]),
    ],
)
def test_missing_labels_are_counted(y):
    with pytest.raises(ValueError, match=r"^y has 2 missing labels \(first at row 1\)\.$"):
        check_labels(y, 4, "y")


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.ma.masked_equal([0, 1, 1, 0], 1), ValueError, "y has 2 masked values"),
        (objects(1, "1", 2, "2"), TypeError, "y mixes int and str labels"),
        ([1, "1", 2, "2"], TypeError, "y mixes int and str labels"),
        (objects("a", b"a", "b", b"b"), TypeError, "y mixes bytes and str labels"),
        (objects(0.1, 0.2, 0.3, 0.4), ValueError, "continuous numbers such as 0.1"),
        (objects({}, {}, {}, {}), TypeError, "one label a row, got dict objects"),
        (objects([1], [2], [1], [2, 3]), TypeError, "one label a row, got list objects"),
        (objects(object, int, str, float), TypeError, "numbers, text or dates, got type objects"),
        (objects(10**400, 1, 1, 1), ValueError, "too large"),
        (objects(1j, 2j, 1j, 2j), TypeError, "numbers, text or dates, got complex objects"),
        ([[1], [2, 3], [1], [2]], ValueError, "y must have rows of one length, got a ragged list"),
        (np.zeros(4, dtype=[("a", float)]), TypeError, "got records"),
        (np.array([0, 1, np.inf, 1]), ValueError, "infinite at row 2"),
        ("abcd", ValueError, "1-dimensional"),
        ([0, 1], ValueError, "2 labels for 4 rows"),
    ],
)
def test_refused_in_one_sentence(y, error, message):
    with pytest.raises(error, match=message) as caught:
        check_labels(y, 4, "y")
    assert "\n" not in str(caught.value)


def test_messages_show_plain_values():
    with pytest.raises(ValueError, match=r"y has 1 class \(0\);"):
        encode_labels(np.zeros(3, int), 3)
    with pytest.raises(ValueError, match=r"\(first: 5 at row 1\)"):
        encode_known(np.array([0, 5]), 2, np.array([0, 1]), "y_val")
    with pytest.raises(ValueError, match=r"^y has 1 labels that the model was not fitted on \(first: 'maybe'"):
        encode_known(["no", "maybe"], 2, np.array(["no", "yes"]), "y", is_fitted=True)
    with pytest.raises(ValueError, match=r"\(first: 2020-01-01 at row 0\)"):
        encode_known(np.array(["2020-01-01"], "M8[D]"), 1, np.array([0, 1]), "y_val")
