"""The record of a run says what its result says, and is plain JSON."""

import json

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError

import hcdv
from hcdv.games import Estimator, Logistic
from hcdv.integrations.run_log import run_record, write_run
from hcdv.stopping import TimeBudget
from tests.integrations.rows import DATA, IS_FLIPPED, NOISY, quick, valued


@pytest.fixture(scope="module")
def model():
    return valued()


def test_the_record_is_what_the_result_says(model):
    record, result = run_record(model), model.result_
    metrics = record["metrics"]
    assert record["hcdv"] == hcdv.__version__
    assert record["stopped_by"] == "n_permutations"
    assert metrics["n_rows"] == 120 and metrics["n_classes"] == 2 and metrics["n_permutations"] == 8
    assert metrics["v_full"] - metrics["v_empty"] == pytest.approx(model.values_.sum(), abs=1e-12)
    assert metrics["efficiency_gap"] == result.efficiency_gap < 1e-12
    assert metrics["n_negative"] == np.count_nonzero(model.values_ < 0)
    flagged = result.label_issues().query("is_issue").position
    assert metrics["n_label_issues"] == len(flagged)
    assert IS_FLIPPED[flagged].mean() > 0.5
    assert metrics["mean_abs_value"] == pytest.approx(np.abs(model.values_).mean(), rel=1e-12)
    assert metrics["median_std_error"] == np.median(result.std_error)
    assert metrics["neighbour_recall"] == 1.0
    assert metrics["seconds"] == pytest.approx(sum(record["seconds"].values()))
    assert record["weights"] == dict(result.weights)
    assert record["parameters"]["n_permutations"] == 8
    assert set(record["parameters"]) == set(model.get_params(deep=False))


def test_the_file_is_the_record(model, tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    write_run(model, path)
    assert json.loads(path.read_text(encoding="utf-8")) == run_record(model)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_objects_are_told_by_fields_or_name(tmp_path):
    model = valued(n_permutations=2, tol=TimeBudget(60), branching=(4, 2))
    model.set_params(utility=[(Logistic(C=10), 2.0), (Estimator(RandomForestClassifier()), 1.0)])
    parameters = run_record(model)["parameters"]
    assert parameters["tol"] == {"kind": "TimeBudget", "fields": {"seconds": 60.0}}
    (logistic, weight), other = (pair["items"] for pair in parameters["utility"])
    assert logistic["fields"]["C"] == 10.0 and weight == 2.0
    assert other == [{"kind": "own", "text": "Estimator"}, 1.0]
    write_run(model, tmp_path / "run.json")


def test_what_is_not_known_is_left_out():
    model = quick(n_permutations=2, utility="fit").fit(DATA.X, NOISY)
    metrics = run_record(model)["metrics"]
    # One pair has no standard error, and without votes no neighbours were searched.
    assert "median_std_error" not in metrics and "neighbour_recall" not in metrics
    assert all(np.isfinite(list(metrics.values())))


def test_one_sentence(model, tmp_path):
    with pytest.raises(NotFittedError):
        run_record(quick())
    with pytest.raises(OSError, match="does not exist"):
        write_run(model, tmp_path / "nowhere" / "run.json")
