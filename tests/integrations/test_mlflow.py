"""An MLflow run holds what the record of the run says, and the values."""

import json

import numpy as np
import pandas as pd
import pytest

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (pip install hcdv[integrations])")

from hcdv.integrations.mlflow import log_valuation  # noqa: E402
from hcdv.integrations.run_log import run_record  # noqa: E402
from hcdv.io import FileProblem  # noqa: E402
from tests.integrations.rows import valued  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return valued()


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    yield mlflow.MlflowClient()
    mlflow.end_run()


def test_a_run_holds_all_of_it(model, client, tmp_path):
    with mlflow.start_run() as run:
        log_valuation(model)
    logged = client.get_run(run.info.run_id)
    record = run_record(model)
    metrics = {f"hcdv.{name}": value for name, value in record["metrics"].items()}
    assert metrics.items() <= logged.data.metrics.items()
    assert logged.data.metrics["hcdv.weight.kernel"] == record["weights"]["kernel"]
    assert logged.data.metrics["hcdv.seconds.walking_the_chains"] == record["seconds"]["walking the chains"]
    assert logged.data.params["hcdv.n_permutations"] == "8" and logged.data.params["hcdv.utility"] == "auto"
    assert logged.data.tags["hcdv.stopped_by"] == "n_permutations"
    written = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/hcdv_run.json")
    assert written == json.loads(json.dumps(record))
    values = pd.read_csv(mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/values.csv"))
    np.testing.assert_array_equal(values.value, model.values_)


def test_a_run_of_its_own_and_another_form(model, client):
    log_valuation(model, "values.parquet")
    run = mlflow.active_run()
    path = mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/values.parquet")
    np.testing.assert_array_equal(pd.read_parquet(path).value, model.values_)


def test_an_unknown_form_logs_nothing(model, client):
    with mlflow.start_run() as run, pytest.raises(FileProblem, match=r"values\.txt"):
        log_valuation(model, "values.txt")
    with pytest.raises(ValueError, match=r"a name without folders, got '\.\./values\.csv'"):
        log_valuation(model, "../values.csv")
    assert not client.get_run(run.info.run_id).data.params
