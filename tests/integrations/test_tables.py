"""The same table from pandas, polars and Arrow has the same values, to the last bit."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.integrations.rows import DATA, NOISY, quick

PEERS = ("cleanlab", "datasets", "mlflow", "opendataval", "polars", "pydvl", "shapiq", "torch")


@pytest.fixture(scope="module")
def frame():
    made = pd.DataFrame(DATA.X, columns=[f"c{j}" for j in range(DATA.X.shape[1])])
    made["kind"] = np.array(["a", "b", None], dtype=object)[np.arange(120) % 3]
    made["count"] = pd.array(np.arange(120) % 5, dtype="Int64")
    made.loc[3, ["c0", "count"]] = None
    return made


@pytest.fixture(scope="module")
def values(frame):
    return quick().fit(frame, NOISY, frame[:40], DATA.y_val).values_


def test_arrow(frame, values):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    model = quick().fit(table, pa.array(NOISY), table[:40], pa.array(DATA.y_val))
    np.testing.assert_array_equal(model.values_, values)
    batch = table.to_batches()[0]
    np.testing.assert_array_equal(quick().fit(batch, NOISY, batch[:40], DATA.y_val).values_, values)


def test_polars(frame, values):
    pl = pytest.importorskip("polars", reason="polars is not installed (pip install hcdv[integrations])")
    table = pl.from_pandas(frame)
    model = quick().fit(table, pl.Series(NOISY), table[:40], pl.Series(DATA.y_val))
    np.testing.assert_array_equal(model.values_, values)
    assert list(model.feature_names_in_) == list(frame)


@pytest.mark.filterwarnings("ignore")  # polars warns of looking at the columns of a lazy frame
def test_a_lazy_frame_is_refused(frame):
    pl = pytest.importorskip("polars", reason="polars is not installed (pip install hcdv[integrations])")
    with pytest.raises(TypeError, match=r"got a LazyFrame; pass X\.collect\(\)"):
        quick().fit(pl.from_pandas(frame).lazy(), NOISY)


def test_nothing_is_imported_until_it_is_used():
    code = f"import sys, hcdv.integrations; print([name for name in {PEERS} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
