"""A run of HCDV in MLflow: parameters, metrics, and the values as an artifact."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hcdv.estimator import HCDV
from hcdv.integrations._needs import needs
from hcdv.integrations.run_log import run_record
from hcdv.io import write_values

with needs("mlflow or mlflow-skinny, 3 or newer"):
    import mlflow


def log_valuation(model: HCDV, values_file: str = "values.csv") -> None:
    """Log a fitted model to MLflow's active run, or to a new one where none is active.

    Logged are the parameters as ``hcdv.NAME``, the figures of :func:`hcdv.integrations.run_log.run_record` as
    metrics ``hcdv.NAME``, its weights as ``hcdv.weight.GAME`` and its seconds as ``hcdv.seconds.STAGE`` (blanks
    as underscores), ``hcdv_run.json`` with all of that, and one line a row
    (:meth:`hcdv.ValuationResult.to_frame`) as the artifact ``values_file``.

    Parameters
    ----------
    model : HCDV
        Fitted.
    values_file : str
        Name of the artifact; its ending chooses the form, as :func:`hcdv.io.write_values` has it: ``.csv``,
        ``.csv.gz``, ``.parquet``, ``.arrow`` or ``.npz``.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ValueError, FileProblem
        If ``values_file`` names a folder, or ends otherwise.
    """
    if Path(values_file).name != values_file:
        raise ValueError(f"values_file must be a name without folders, got {values_file!r}.")
    record = run_record(model)
    with tempfile.TemporaryDirectory(prefix="hcdv-") as folder:
        # Before anything is logged: an ending that is not known leaves no half of a run.
        values = Path(folder) / values_file
        write_values(model.result_.to_frame(), values)
        mlflow.log_params({f"hcdv.{name}": _text(fact) for name, fact in record["parameters"].items()})
        mlflow.set_tags({"hcdv.version": record["hcdv"], "hcdv.stopped_by": record["stopped_by"]})
        mlflow.log_metrics(
            {f"hcdv.{name}": value for name, value in record["metrics"].items()}
            | {f"hcdv.weight.{game}": weight for game, weight in record["weights"].items()}
            | {f"hcdv.seconds.{stage.replace(' ', '_')}": s for stage, s in record["seconds"].items()}
        )
        mlflow.log_dict(record, "hcdv_run.json")
        mlflow.log_artifact(str(values))


def _text(fact: object) -> str:
    return fact if isinstance(fact, str) else json.dumps(fact)
