"""Utilities that retrain a model, through the facade: resolution, cache, checkpoint, failures."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from hcdv import HCDV, ValuationResult
from hcdv.cli import main
from hcdv.datasets import flip_labels, load_digits, make_synthetic
from hcdv.games import Estimator, Function, MultiFidelity, UtilityError
from hcdv.stopping import RankStability, StandardError, TimeBudget

DATA = make_synthetic(n=150, n_val=60, n_test=10, random_state=0)


def fit(utility="auto", data=DATA, **options):
    options = {"n_permutations": 8, "random_state": 0, "n_jobs": 1, **options}
    return HCDV(utility=utility, **options).fit(data.X, data.y, data.X_val, data.y_val)


def tree_sums_hold(model):
    result = model.result_
    assert result.efficiency_gap < 1e-12
    np.testing.assert_allclose(
        model.hierarchy_.node_sums(result.values), result.node_values, atol=1e-12
    )


def accuracy_of(rows, labels=None):
    """What the Function below and the Estimator agree on."""
    if len(rows) == 0:
        return 0.5
    y = DATA.y[rows]
    if len(np.unique(y)) == 1:
        return float((DATA.y_val == y[0]).mean())
    return GaussianNB().fit(DATA.X[rows], y).score(DATA.X_val, DATA.y_val)


@pytest.mark.parametrize("resolution", [1, 2, 9, "points"])
def test_a_model_and_the_same_loop_as_a_function_have_the_same_values(resolution):
    ours = fit(MultiFidelity(GaussianNB(), "kernel", resolution))
    theirs = fit(MultiFidelity(Function(accuracy_of, name="GaussianNB"), "kernel", resolution))
    np.testing.assert_array_equal(ours.values_, theirs.values_)
    tree_sums_hold(ours)
    result = ours.result_
    assert result.v_empty == 0.5
    assert result.v_full - 0.1 * result.part_bounds[1, -1] == pytest.approx(accuracy_of(np.arange(150)))
    assert 0 < result.n_evaluations == theirs.result_.n_evaluations
    if resolution == "points":
        assert list(result.parts) == ["GaussianNB", "contrast"] and not result.fidelity
    else:
        assert result.fidelity["kernel"] == "rows inside these nodes"
        assert f"down to level {min(resolution, ours.hierarchy_.depth)}" in result.fidelity["GaussianNB"]
        assert "down to level" in result.summary()


def test_nodes_above_have_the_models_value_alone():
    alone = fit(MultiFidelity(GaussianNB(), "kernel", "points"), contrast=0)
    shared = fit(MultiFidelity(GaussianNB(), "kernel", 1), contrast=0)
    upper = shared.hierarchy_.level_start[2]
    np.testing.assert_allclose(
        shared.result_.node_values[:upper], alone.result_.node_values[:upper], atol=1e-12
    )
    leaf = shared.hierarchy_.leaves[0]
    members = shared.hierarchy_.order[shared.hierarchy_.start[leaf] : shared.hierarchy_.stop[leaf]]
    assert np.ptp(shared.values_[members]) > 0


def test_a_model_alone_is_shared_out_by_the_usual_sum():
    model = fit(GaussianNB())
    assert list(model.result_.parts) == ["GaussianNB", "kernel", "fit", "contrast"]
    assert "down to level 2" in model.result_.fidelity["GaussianNB"]
    assert fit([(GaussianNB(), 2.0), ("kernel", 1.0)]).result_.fidelity["kernel"] == "every row"


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_bits_do_not_depend_on_threads(n_jobs):
    np.testing.assert_array_equal(fit(GaussianNB()).values_, fit(GaussianNB(), n_jobs=n_jobs).values_)


def test_flipped_labels_are_found_by_way_of_a_models_nodes():
    pytest.importorskip("torch", reason="utility 'logistic' needs torch")
    from sklearn.metrics import roc_auc_score

    data = make_synthetic(n=1000, n_val=200, n_test=10, random_state=0)
    y, is_flipped = flip_labels(data.y, 0.15, random_state=0)
    model = HCDV(utility="logistic", n_permutations=16, random_state=0)
    model.fit(data.X, y, data.X_val, data.y_val)
    tree_sums_hold(model)
    assert roc_auc_score(is_flipped, -model.values_) > 0.9
    theirs = HCDV(
        utility=LogisticRegression(tol=1e-8, max_iter=10_000), n_permutations=16, random_state=0
    ).fit(data.X, y, data.X_val, data.y_val)
    assert np.abs(model.result_.node_values[:73] - theirs.result_.node_values[:73]).max() < 1e-3


def test_weights_of_parts_can_still_be_changed_and_saved(tmp_path):
    result = fit(GaussianNB()).result_
    other = result.reweight(contrast=0.0)
    np.testing.assert_allclose(
        other.values + result.weights["contrast"] * result.parts["contrast"], result.values, atol=1e-15
    )
    result.save(tmp_path / "values")
    again = ValuationResult.load(tmp_path / "values")
    assert again.fidelity == result.fidelity
    np.testing.assert_array_equal(again.values, result.values)


def test_a_second_fit_with_the_same_cache_trains_nothing(tmp_path):
    first = fit(GaussianNB(), cache=tmp_path / "scores")
    again = fit(GaussianNB(), cache=tmp_path / "scores")
    np.testing.assert_array_equal(again.values_, first.values_)
    assert first.result_.n_evaluations > 0 == again.result_.n_evaluations


def test_a_callable_that_raises_keeps_the_chains_before(tmp_path):
    calls = []

    def f(rows):
        calls.append(len(rows))
        if len(calls) > 500:
            raise RuntimeError("the cluster is gone")
        return accuracy_of(rows)

    path = tmp_path / "run"
    # Chains only: 2^12 coalitions of the root's children are too many to be asked for after them.
    chains = {"n_permutations": 64, "branching": 12}
    said = "'function' raised RuntimeError on a coalition .* are kept"
    with pytest.raises(UtilityError, match=said) as caught:
        fit(Function(f), checkpoint=path, **chains)
    kept = caught.value.result
    assert kept.stopped_by == "error" and 0 < kept.n_permutations < 64
    same = fit(Function(accuracy_of), **{**chains, "n_permutations": kept.n_permutations})
    np.testing.assert_array_equal(kept.values, same.values_)
    # The same call goes on where the first one ended.
    whole = fit(Function(accuracy_of), checkpoint=path, **chains)
    np.testing.assert_array_equal(whole.values_, fit(Function(accuracy_of), **chains).values_)


def test_a_failed_fit_leaves_the_last_one_whole():
    model = fit(GaussianNB())
    before = model.values_
    model.set_params(utility=lambda rows: float("nan") if len(rows) else 0.0)
    with pytest.raises(UtilityError, match="gave nan"):
        model.fit(DATA.X, DATA.y, DATA.X_val, DATA.y_val)
    assert model.values_ is before


def test_other_data_does_not_go_on_from_a_checkpoint(tmp_path):
    path = tmp_path / "run"
    fit(GaussianNB(), checkpoint=path)
    for change in ({"random_state": 1}, {"utility": LogisticRegression()}, {"branching": 4}):
        with pytest.raises(ValueError, match="is the checkpoint of another valuation"):
            fit(**{"utility": GaussianNB(), **change}, checkpoint=path)
    # Another number of threads is no other valuation.
    fit(GaussianNB(), checkpoint=path, n_jobs=2)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_kill_minus_nine_and_the_same_command_again(tmp_path):
    path, out = tmp_path / "run", tmp_path / "values.npy"
    code = (
        "import os, signal, sys, numpy as np\n"
        "from hcdv.allocation import checkpoint\n"
        "from tests.test_utilities import accuracy_of, fit\n"
        "checkpoint.WRITE_EVERY = 0.0\n"
        "calls = []\n"
        "def f(rows):\n"
        "    calls.append(1)\n"
        "    if len(calls) == int(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return accuracy_of(rows)\n"
        "np.save(sys.argv[3], fit(f, n_permutations=40, checkpoint=sys.argv[2]).values_)\n"
    )
    for calls in ("100", "150", "-1"):
        done = subprocess.run(
            [sys.executable, "-c", code, calls, str(path), str(out)],
            env={**os.environ, "PYTHONPATH": "."},
            check=False,
        )
        assert done.returncode == (0 if calls == "-1" else -signal.SIGKILL)
    np.testing.assert_array_equal(np.load(out), fit(accuracy_of, n_permutations=40).values_)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (StandardError(10.0), "std_error"),
        (RankStability(-1.0), "rank_stability"),
        (TimeBudget(0.0), "time_budget"),
        (StandardError(0.0) | RankStability(-1.0), "rank_stability"),
        (StandardError(0.0) & RankStability(-1.0), "n_permutations"),
    ],
)
def test_stopping_rules_say_why(rule, reason):
    model = fit(GaussianNB(), tol=rule, n_permutations=40)
    assert model.result_.stopped_by == reason
    tree_sums_hold(model)


@pytest.mark.parametrize(
    ("utility", "kind", "sentence"),
    [
        (lambda: GaussianNB, TypeError, r"must be an instance, got the class GaussianNB; write GaussianNB\(\)"),
        (3, TypeError, "utility must be 'auto', one of kernel"),
        ([], TypeError, r"or a list of them, got \[\]"),
        ("logistics", ValueError, "got 'logistics'"),
        (["kernel", "kernel"], ValueError, "names a game twice"),
        (lambda: MultiFidelity("logistic", "kernel", 0), ValueError, "resolution must be at least 1"),
        (lambda: MultiFidelity("logistic", "kernel", "rows"), ValueError, "a level or 'points'"),
        (lambda: MultiFidelity(MultiFidelity("knn"), "kernel"), TypeError, "must not be MultiFidelity"),
        (lambda: Estimator(GaussianNB(), metric="r"), ValueError, "metric must be one of accuracy"),
    ],
)
def test_bad_utilities_are_refused(utility, kind, sentence):
    with pytest.raises(kind, match=sentence):
        fit(utility() if callable(utility) else utility)


def test_a_scorer_that_leaves_the_unit_interval_is_refused():
    with pytest.raises(UtilityError, match=r"'neg_log_loss' gave -0.\d+, which is not in \[0, 1\]"):
        fit(Estimator(GaussianNB(), metric="neg_log_loss"))


def test_without_validation_rows():
    data = load_digits(n=200, n_val=50, n_test=50, random_state=0)
    with pytest.warns(UserWarning, match="utility='GaussianNB' without validation rows"):
        model = HCDV(utility=GaussianNB(), n_permutations=4, random_state=0).fit(data.X, data.y)
    tree_sums_hold(model)


def test_command_line(tmp_path):
    from hcdv.io import write_values

    write_values(pd.DataFrame(DATA.X).assign(label=DATA.y), tmp_path / "rows.csv")
    pytest.importorskip("torch", reason="utility 'logistic' needs torch")
    common = ["value", str(tmp_path / "rows.csv"), "--label", "label", "--out", str(tmp_path / "out.csv")]
    options = [
        "--utility", "logistic", "--resolution", "1", "--permutations", "6", "--seconds", "60",
        "--checkpoint", str(tmp_path / "run"), "--cache", str(tmp_path / "scores"),
    ]  # fmt: skip
    done = CliRunner().invoke(main, common + options)
    assert done.exit_code == 0, done.output
    assert "logistic: nodes down to level 1" in done.output
    assert (tmp_path / "run").exists() and (tmp_path / "scores").exists()
    wrong = CliRunner().invoke(main, [*common, "--utility", "logistic", "--resolution", "deep"])
    assert wrong.exit_code == 2 and "resolution must be a level or 'points'" in wrong.output
    wrong = CliRunner().invoke(main, [*common, "--checkpoint", str(tmp_path / "rows.csv")])
    assert wrong.exit_code == 2 and "would overwrite it" in wrong.output
