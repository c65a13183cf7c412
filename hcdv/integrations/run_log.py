"""What a run was and what came of it, as plain facts that JSON and trackers of experiments hold."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hcdv import __version__
from hcdv._files import written_aside
from hcdv.estimator import HCDV
from hcdv.estimator.state.recipe import to_facts


def run_record(model: HCDV) -> dict[str, Any]:
    """Parameters, figures and seconds of a fitted model; numbers, texts and dictionaries of them only.

    Parameters
    ----------
    model : HCDV
        Fitted.

    Returns
    -------
    dict
        ``hcdv`` (version), ``parameters`` (those of the constructor; objects of HCDV's own by their fields,
        others by their names), ``stopped_by``, ``metrics`` (float or int by name; what does not apply or is not
        finite is left out), ``weights`` (by game) and ``seconds`` (by stage).

        ``metrics``: ``n_rows``, ``n_classes``, ``v_empty``, ``v_full``, ``efficiency_gap``, ``n_evaluations``,
        ``n_permutations``, ``n_label_issues``, ``n_negative``, ``mean_abs_value``, ``median_std_error``,
        ``neighbour_recall``, ``seconds`` (all stages).

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    """
    check_is_fitted(model, "result_")
    return {
        "hcdv": __version__,
        "parameters": {name: to_facts(value) for name, value in model.get_params(deep=False).items()},
        "stopped_by": model.result_.stopped_by,
        "metrics": _metrics(model),
        "weights": {name: float(weight) for name, weight in model.result_.weights.items()},
        "seconds": {stage: float(seconds) for stage, seconds in model.seconds_.items()},
    }


def write_run(model: HCDV, path: str | os.PathLike[str]) -> None:
    """Write :func:`run_record` of a fitted model to a JSON file, whole or not at all.

    Parameters
    ----------
    model : HCDV
    path : path-like
        One that is there is replaced.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    OSError
        If the file cannot be written.
    """
    text = json.dumps(run_record(model), indent=2, allow_nan=False, ensure_ascii=False)
    with written_aside(path) as aside:
        aside.write_text(text + "\n", encoding="utf-8")


def _metrics(model: HCDV) -> dict[str, float]:
    result = model.result_
    found: dict[str, Any] = {
        "n_rows": len(result),
        "n_classes": len(model.classes_),
        "v_empty": result.v_empty,
        "v_full": result.v_full,
        "efficiency_gap": result.efficiency_gap,
        "n_evaluations": result.n_evaluations,
        "n_permutations": result.n_permutations,
        "n_label_issues": int(result.label_issues().is_issue.sum()),
        "n_negative": int((result.values < 0).sum()),
        "mean_abs_value": float(np.abs(result.values).mean()),
        "median_std_error": None if result.std_error is None else float(np.median(result.std_error)),
        "neighbour_recall": model.neighbour_recall_,
        "seconds": sum(model.seconds_.values()),
    }
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}
