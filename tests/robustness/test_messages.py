"""What was said badly once: values on one line, paths that are none, notes of other makers."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from hcdv import HCDV, ValuationResult
from hcdv._validation import check_bool, check_int, check_path, short
from hcdv.cli._forget import _listed
from hcdv.datasets import flip_labels
from hcdv.diagnostics import permutations_for
from hcdv.games import UtilityError
from hcdv.hierarchy import Hierarchy
from hcdv.io import FileProblem, read_table, write_values
from hcdv.io.source import open_source
from hcdv.shapley import exact, exact_values, leaf_count_vectors, leaf_dispersion_values
from hcdv.tasks import plant_flips


def test_values_stand_on_one_line():
    assert short("a\nb") == r"'a\nb'"
    assert short(np.eye(2)) == "array([[1., 0.], [0., 1.]])"
    assert short(10**5000) == "int"
    assert short(np.float64(0.5)) == "0.5"
    long = short(list(range(1000)))
    assert long.startswith("[0, 1, 2, ") and long.endswith("...") and len(long) < 110
    with pytest.raises(
        TypeError, match=r"^k must be an integer, got Empty DataFrame Columns: \[\] Index: \[\]\.$"
    ):
        check_int(pd.DataFrame(), "k", 0)


@pytest.mark.parametrize(
    ("value", "error"), [(None, TypeError), (3, TypeError), (b"x", TypeError), ("", ValueError)]
)
def test_what_is_no_path(value, error):
    for ask in (check_path, HCDV.load, ValuationResult.load, read_table):
        with pytest.raises(error, match="path must be a path, got "):
            ask(value)


def test_true_and_false():
    assert check_bool(np.True_, "b") is True
    with pytest.raises(TypeError, match="b must be True or False, got 1"):
        check_bool(1, "b")


ROWS = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 2
RAGGED = [[0.0], [0.0, 0.0]] * 12


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: HCDV(allocation=np.zeros((2, 2))).fit(*ROWS), "allocation must be one of"),
        (lambda: HCDV(keep_chains=pd.NA).fit(*ROWS), "keep_chains must be True or False, got <NA>"),
        (lambda: HCDV(cache="").fit(*ROWS), "cache must be a path, got ''"),
        (lambda: HCDV(encoder=pd.DataFrame()).fit(*ROWS), "encoder must be a name, an encoder or an embedding"),
        (lambda: HCDV().fit("", "y"), "X must be a path, got ''"),
        (lambda: HCDV().fit(pd.DataFrame({"a": [([],)] * 24}), ROWS[1]), "column 'a' holds tuple objects"),
        (lambda: Hierarchy.build(ROWS[0] + 1j), "Z must hold real numbers, got complex ones"),
        (lambda: Hierarchy.build(ROWS[0], branching=np.array(3)), "branching must be an integer or"),
        (lambda: flip_labels(RAGGED, 0.1), "y must have rows of one length"),
        (lambda: plant_flips(HCDV(), ROWS[0], RAGGED), "y must have rows of one length"),
        (lambda: leaf_count_vectors([0, None, 1]), "labels has 1 missing labels"),
        (lambda: leaf_dispersion_values(np.full((4, 4), 1e308), [0, 1, 0, 1]), "distance holds numbers too"),
        (lambda: exact(object, 3), "game must be callable or a numba cfunc, got the class object"),
        (lambda: exact_values(np.full(8, 1j)), "values_table must hold real numbers"),
        (lambda: permutations_for(1e-300, value_range=1e300), "would need more than"),
    ],
)
def test_one_sentence_names_the_argument(ask, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence) as caught:
        ask()
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_groups_without_a_hash_leave_the_model_as_it_was():
    X, y = ROWS
    model = HCDV(random_state=0, n_permutations=2, keep_chains=True).fit(X, y, groups=y)
    before, odd = model.values_.copy(), np.empty(2, object)
    odd[:] = 0, ([],)
    with pytest.raises(TypeError, match=r"^groups must hold hashable labels\.$"):
        model.partial_fit(X[:2], y[:2], groups=odd)
    np.testing.assert_array_equal(model.values_, before)
    assert len(model.partial_fit(X[:2], y[:2], groups=[0, 1]).values_) == 26


def test_numbers_from_elsewhere_are_those_of_here():
    # Bytes in the other order: pandas and the kernels refuse them.
    X, y = ROWS
    other = y.astype(y.dtype.newbyteorder())
    assert not other.dtype.isnative
    is_flipped = flip_labels(other, 0.2, random_state=0)[1]
    np.testing.assert_array_equal(is_flipped, flip_labels(y, 0.2, random_state=0)[1])
    fits = [HCDV(random_state=0, n_permutations=2).fit(X, labels, groups=labels) for labels in (y, other)]
    np.testing.assert_array_equal(fits[0].values_, fits[1].values_)


def test_what_a_users_function_raises_is_told():
    with pytest.raises(UtilityError, match=r"^model raised TypeError: len\(\) takes exactly one") as caught:
        plant_flips(len, *ROWS)
    assert isinstance(caught.value.__cause__, TypeError)
    with pytest.raises(UtilityError, match=r"^encoder: the embedding raised ZeroDivisionError on X: division"):
        HCDV(encoder=lambda X: 1 / 0).fit(*ROWS)


NO_NOTES = ["[", "[1]", '{"index_columns": 5}', "[" * 100_000]


def with_notes(path, notes):
    return written(path, pa.table({"a": [1, 2]}, metadata={"pandas": notes}))


def written(path, table):
    if path.suffix == ".parquet":
        pa.parquet.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table)
    return path


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
@pytest.mark.parametrize("notes", [*NO_NOTES, '{"index_columns": [{"kind": "range"}]}'])
def test_notes_for_pandas_that_are_damaged(tmp_path, suffix, notes):
    path = with_notes(tmp_path / f"t.{suffix}", notes)
    with pytest.raises(FileProblem, match="its notes for pandas cannot be read"):
        read_table(path)


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
@pytest.mark.parametrize("notes", NO_NOTES)
def test_notes_for_pandas_that_a_source_cannot_read(tmp_path, suffix, notes):
    path = with_notes(tmp_path / f"t.{suffix}", notes)
    with pytest.raises(FileProblem, match="its notes for pandas cannot be read"):
        open_source(str(path))


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
def test_text_of_another_code(tmp_path, suffix):
    """Found by fuzzing: neither reader looks, and pandas stumbled over it later."""
    latin = pa.array([word.encode("latin-1") for word in ("für", "für", "und")], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, latin.buffers())
    path = written(tmp_path / f"t.{suffix}", pa.table({"a": [1, 2, 3], "word": text}))
    with pytest.raises(FileProblem, match=r"t\..* is damaged or no .* file: .*UTF"):
        read_table(path)
    source = open_source(str(path))
    for read in (lambda: source.read(0, 3), lambda: source.take(np.array([2]))):
        with pytest.raises(FileProblem, match=r"t\..* is damaged or no .* file: .*UTF"):
            read()
    assert list(open_source(str(path), drop=["word"]).read(0, 3)[0]["a"]) == [1, 2, 3]


def test_a_list_of_names_that_is_no_text(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"a\n\xff\n")
    with pytest.raises(ValueError, match=r"names\.txt is not UTF-8 text"):
        _listed(path, None)


def test_what_is_no_table_is_not_written(tmp_path):
    with pytest.raises(TypeError, match=r"frame must be a pandas\.DataFrame, got dict"):
        write_values({"a": [1]}, tmp_path / "t.csv")


def test_weights_whose_squares_overflow_are_refused():
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    result = HCDV(utility="kernel", n_permutations=2, random_state=0, n_jobs=1).fit(X, y).result_
    with pytest.raises(ValueError, match=r"kernel must lie in \[-1e\+09, 1e\+09\], got 1e\+308"):
        result.reweight(kernel=1e308)
