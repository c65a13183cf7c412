"""An issue of cleanlab's Datalab: rows of low value.

Importing this module registers it: ``lab.find_issues(issue_types={"low_value": {"result": model.result_}})``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone

from hcdv.estimator import HCDV
from hcdv.integrations._needs import needs
from hcdv.result import ValuationResult

with needs("cleanlab 2.9 or newer"):
    from cleanlab.datalab.internal.issue_manager import IssueManager
    from cleanlab.datalab.internal.issue_manager_factory import register


@register
class LowValue(IssueManager):  # type: ignore[misc]
    """Rows whose labels cost the others more than they explain (:meth:`hcdv.ValuationResult.label_issues`).

    What ``issue_types={"low_value": {...}}`` takes:

    result : ValuationResult
        Values of the lab's rows under its labels, by HCDV or any method of :mod:`hcdv.baselines`.
    features : [n, d], optional
        Instead of ``result``: the rows, to be valued under the lab's labels.
    model : HCDV, optional
        With ``features``: cloned, then fitted; ``HCDV(random_state=0)`` by default.

    A row's score is the share of the rows that are worth less, in [0, 1); the lab's overall score is the share
    of the rows without this issue.  ``lab.get_info("low_value")`` has ``values``, float64 [n], and ``summary``.
    """

    description: ClassVar[str] = (
        "Rows whose labels cost the others more than they explain: wrong labels, and odd rows."
    )
    issue_name: ClassVar[str] = "low_value"
    issue_score_key: ClassVar[str]
    verbosity_levels: ClassVar[dict[int, list[str]]] = {0: [], 1: [], 2: ["summary"], 3: ["values"]}

    def find_issues(
        self,
        *,
        result: ValuationResult | None = None,
        features: Any = None,
        model: HCDV | None = None,
        **_: Any,
    ) -> None:
        """Set what the lab collects; called by ``lab.find_issues``."""
        if (result is None) == (features is None):
            raise ValueError(
                'low_value takes a result or the features to value: issue_types={"low_value": {"result": '
                'model.result_}} or {"low_value": {"features": X}}.'
            )
        n = len(self.datalab.data)
        if result is None:
            if not self.datalab.has_labels:
                raise ValueError("low_value needs labels: give the Datalab a label_name.")
            model = HCDV(random_state=0) if model is None else clone(model)
            result = model.fit(features, self.datalab.labels).result_
        if not isinstance(result, ValuationResult):
            raise TypeError(f"low_value: result must be a ValuationResult, got {type(result).__name__}.")
        if len(result) != n:
            raise ValueError(f"low_value: the result values {len(result)} rows, but the lab has {n}.")
        if self.datalab.has_labels and result.labels is not None:
            _check_labels(result.labels, self.datalab.labels)
        found = result.label_issues().sort_values("position")
        self.issues = pd.DataFrame(
            {
                f"is_{self.issue_name}_issue": found["is_issue"].to_numpy(),
                self.issue_score_key: found["rank"].to_numpy() / n,
            }
        )
        self.summary = self.make_summary(score=float(1.0 - found["is_issue"].mean()))
        self.info = self.collect_info(result)

    def collect_info(self, result: ValuationResult) -> dict[str, Any]:
        """Values float64 [n], in the lab's order, and a few lines about them."""
        return {"values": np.array(result.values), "summary": result.summary()}


def _check_labels(valued: Any, of_lab: Any) -> None:
    """Only names of classes may differ: rows in another order, or relabelled since, have values of others."""
    differ = pd.factorize(np.asarray(valued))[0] != pd.factorize(np.asarray(of_lab))[0]
    if differ.any():
        first = int(differ.argmax())
        raise ValueError(f"low_value: the lab has other labels than the result's rows (first: row {first}).")
