"""Datalab finds, counts and reports rows of low value as HCDV has them."""

import numpy as np
import pytest

pytest.importorskip(
    "cleanlab.datalab.datalab",
    reason="cleanlab[datalab] is not installed (pip install hcdv[integrations])",
    exc_type=ImportError,
)

from cleanlab import Datalab

import hcdv.integrations.cleanlab  # noqa: F401
from hcdv import baselines
from tests.integrations.rows import DATA, IS_FLIPPED, NOISY, quick, valued

NAMES = np.array(["no", "yes"])


@pytest.fixture
def lab():
    return Datalab({"label": NAMES[NOISY].tolist(), "row": list(range(120))}, label_name="label", verbosity=0)


def test_the_issues_are_those_of_the_result(lab, capsys):
    result = valued().result_
    lab.find_issues(issue_types={"low_value": {"result": result}})
    issues = lab.get_issues("low_value")
    found = result.label_issues()
    flagged = np.sort(found.position[found.is_issue])
    np.testing.assert_array_equal(np.flatnonzero(issues.is_low_value_issue), flagged)
    assert 0 < len(flagged) < 60 and IS_FLIPPED[flagged].mean() > 0.5
    # Scores rank rows as their values do.
    np.testing.assert_array_equal(np.argsort(issues.low_value_score.to_numpy()), result.ranking())
    assert issues.low_value_score.between(0, 1).all()
    np.testing.assert_array_equal(lab.get_info("low_value")["values"], result.values)
    summary = lab.get_issue_summary("low_value")
    assert summary.num_issues.tolist() == [len(flagged)]
    assert summary.score.tolist() == pytest.approx([1 - len(flagged) / 120])
    capsys.readouterr()
    lab.report(verbosity=2)
    said = capsys.readouterr().out
    assert "low_value issues" in said and f"examples with this issue: {len(flagged)}" in said
    assert result.summary().splitlines()[0] in said


def test_features_are_valued_under_the_labels_of_the_lab(lab):
    lab.find_issues(issue_types={"low_value": {"features": DATA.X, "model": quick()}})
    by_hand = quick().fit(DATA.X, NOISY)
    np.testing.assert_array_equal(lab.get_info("low_value")["values"], by_hand.values_)


def test_values_of_any_method_beside_other_issues(lab):
    result = baselines.knn_shapley(DATA.X, NOISY, DATA.X_val, DATA.y_val)
    lab.find_issues(features=DATA.X, issue_types={"low_value": {"result": result}, "near_duplicate": {}})
    assert set(lab.get_issue_summary().issue_type) == {"low_value", "near_duplicate"}
    np.testing.assert_array_equal(lab.get_info("low_value")["values"], result.values)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: {}, "takes a result or the features"),
        (lambda: {"result": valued().result_, "features": DATA.X}, "takes a result or the features"),
        (lambda: {"result": baselines.random_values(DATA.X[:50], NOISY[:50])}, "50 rows, but the lab has 120"),
        (lambda: {"result": quick().fit(DATA.X, NOISY[::-1]).result_}, "the lab has other labels than the"),
        (lambda: {"result": np.zeros(120)}, "result must be a ValuationResult, got ndarray"),
    ],
)
def test_one_sentence(lab, capsys, given, said):
    # Datalab itself catches errors and prints them.
    lab.find_issues(issue_types={"low_value": given()})
    printed = capsys.readouterr().out
    assert "Error in low_value: low_value" in printed and said in printed


def test_without_labels(capsys):
    lab = Datalab({"row": list(range(120))}, verbosity=0)
    lab.find_issues(issue_types={"low_value": {"features": DATA.X}})
    assert "needs labels" in capsys.readouterr().out
