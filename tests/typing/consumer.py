"""What a user's type checker sees: mypy reads this file (``files`` in pyproject.toml), nothing runs it."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hcdv import HCDV, Hierarchy, ValuationResult
from hcdv.baselines import data_shapley
from hcdv.datasets import flip_labels, load_digits
from hcdv.estimator import Explanation
from hcdv.report import write_report
from hcdv.shapley import exact_values, leaf_dispersion_values


def values(X: pd.DataFrame, y: list[str]) -> None:
    model = HCDV(n_permutations=16, random_state=0).fit(X, y)
    assert_type(model, HCDV)
    assert_type(model.values_, NDArray[np.float64])
    assert_type(model.result_, ValuationResult)
    assert_type(model.hierarchy_, Hierarchy)
    assert_type(model.seconds_, dict[str, float])
    assert_type(model.partial_fit(X, y), HCDV)
    assert_type(model.forget([1, 2]), HCDV)
    assert_type(HCDV.load("state"), HCDV)
    assert_type(model.explain("row"), Explanation)
    assert_type(model.explain(3).reasons, tuple[str, ...])
    assert_type(model.explain(3).to_dict(), dict[str, Any])
    assert_type(write_report(model, "page.html", X), Path)


def results(result: ValuationResult) -> None:
    assert_type(result.ranking(), NDArray[np.int64])
    assert_type(result.select(0.3), NDArray[np.int64])
    assert_type(result.label_issues(), pd.DataFrame)
    assert_type(result.to_frame(), pd.DataFrame)
    assert_type(result.std_error, NDArray[np.float64] | None)
    assert_type(result.reweight(contrast=0.3), ValuationResult)
    assert_type(result.summary(), str)
    assert_type(ValuationResult.load("values.hcdv"), ValuationResult)


def trees(Z: NDArray[np.float32]) -> None:
    tree = Hierarchy.build(Z, random_state=0)
    assert_type(tree, Hierarchy)
    assert_type(tree.order, NDArray[np.int64])
    assert_type(tree.is_leaf, NDArray[np.bool_])


def functions() -> None:
    data = load_digits()
    assert_type(flip_labels(data.y, fraction=0.15, random_state=0), tuple[NDArray[Any], NDArray[np.bool_]])
    assert_type(data_shapley(data.X, data.y, data.X_val, data.y_val), ValuationResult)
    assert_type(exact_values([0.0, 1.0]), NDArray[np.float64])
    assert_type(leaf_dispersion_values([[0.0]], [0]), NDArray[np.float64])


def mistakes(model: HCDV) -> None:
    # Each of these is an error: where mypy saw none, it would report an unused "ignore".
    HCDV(n_permutations="many")  # type: ignore[arg-type]
    HCDV(permutations=3)  # type: ignore[call-arg]
    model.result_.select("most")  # type: ignore[arg-type]
    exact_values()  # type: ignore[call-arg]
