"""What all baselines promise: seeds, threads, stopping, names, errors, and the utilities of HCDV."""

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from hcdv import ValuationResult, baselines
from hcdv.affinity import neighbours
from hcdv.baselines import _play
from hcdv.baselines._gather import Sweeps
from hcdv.datasets import make_synthetic
from hcdv.games import Estimator, UtilityError
from hcdv.stopping import RankStability, StandardError, TimeBudget
from tests.baselines.games import N, random_table, rows, utility

X, Y = rows()
GROUPS = np.arange(N) % 3
EXTRA = {
    "group_shapley": {"groups": GROUPS, "method": "permutation"},
    "du_shapley": {"groups": GROUPS, "n_draws": 8},
    "stratified_shapley": {"n_samples": 2 * N * 40},
    "data_banzhaf": {"n_samples": 2000},
}
ON_GAMES = [
    "leave_one_out", "data_shapley", "beta_shapley", "data_banzhaf", "stratified_shapley", "group_shapley",
    "du_shapley",
]  # fmt: skip
SAMPLED = [name for name in ON_GAMES if name != "leave_one_out"]


def run(name, table=None, **arguments):
    game = utility(random_table() if table is None else table)
    return getattr(baselines, name)(
        X, Y, **{"utility": game, "random_state": 0, **EXTRA.get(name, {}), **arguments}
    )


def bits(result):
    arrays = [result.values, result.std_error, result.node_values]
    return [None if array is None else array.tobytes() for array in arrays]


@pytest.fixture(scope="module")
def data():
    return make_synthetic(n=120, n_val=60, n_test=10)


@pytest.mark.parametrize("name", ON_GAMES)
@pytest.mark.parametrize("kind", ["table", "logistic", "kernel", "bayes"])
def test_bits_do_not_depend_on_threads(name, kind, data):
    if kind == "logistic":
        pytest.importorskip("torch", reason="utility 'logistic' needs torch")
    if kind == "table":
        one, two = (run(name, n_jobs=n_jobs) for n_jobs in (1, 2))
    else:
        game = Estimator(GaussianNB()) if kind == "bayes" else kind
        small = {
            "data_shapley": {"n_permutations": 4},
            "beta_shapley": {"n_permutations": 4},
            "data_banzhaf": {"n_samples": 200},
            "stratified_shapley": {"n_samples": 480},
            "group_shapley": {"groups": np.arange(120) % 5},
            "du_shapley": {"groups": np.arange(120) % 5},
        }.get(name, {})
        one, two = (
            getattr(baselines, name)(
                data.X, data.y, data.X_val, data.y_val, utility=game, random_state=1, n_jobs=n_jobs, **small
            )
            for n_jobs in (1, 2)
        )
        assert np.abs(one.values).max() > 0
    assert bits(one) == bits(two)


@pytest.mark.parametrize("name", SAMPLED)
def test_a_seed_is_a_seed(name):
    assert bits(run(name)) == bits(run(name))
    assert bits(run(name)) != bits(run(name, random_state=1))


@pytest.mark.parametrize("name", SAMPLED)
def test_stops_where_the_rule_is_met(name):
    budget = {
        "data_banzhaf": {"n_samples": 8000},
        "stratified_shapley": {"n_samples": 2 * N * 2000},
        "du_shapley": {"n_draws": 500},
    }.get(name, {"n_permutations": 500})
    result = run(name, tol=0.3, **budget)
    whole = run(name, **budget)
    assert result.stopped_by == "std_error"
    values, errors = result.values, result.std_error
    if name == "du_shapley":  # its rule looks at groups
        sizes = result.hierarchy.sizes[1:]
        values, errors = result.node_values[1:], errors[[0, 1, 2]] * sizes
    # What the stratified values lack of their sum is shared out after the rule has looked.
    slack = 1.3 if name == "stratified_shapley" else 1.0 + 1e-9
    assert np.median(errors) <= 0.3 * np.abs(values).mean() * slack
    assert result.std_error.mean() > whole.std_error.mean()
    assert whole.stopped_by in ("n_permutations", "n_samples", "n_draws")
    same = [run(name, tol=StandardError(0.3), n_jobs=n_jobs, **budget) for n_jobs in (1, 2)]
    assert bits(same[0]) == bits(same[1]) == bits(result)


@pytest.mark.parametrize("name", SAMPLED)
def test_other_rules_work_too(name):
    stable = run(name, tol=RankStability(-1.0))
    assert stable.stopped_by == "rank_stability"
    never = run(name, tol=RankStability(1.0) & TimeBudget(1e9))
    assert never.stopped_by in ("n_permutations", "n_samples", "n_draws")
    at_once = run(name, tol=TimeBudget(0.0))
    assert at_once.stopped_by == "time_budget"


@pytest.mark.parametrize("name", SAMPLED)
def test_halves_are_values_of_different_samples(name):
    seen = []

    def rule(look):
        if look.n_permutations >= 16:
            seen.append((look.halves(), look.values()))
            return "seen"

    rule.needs_halves = True
    assert run(name, tol=rule).stopped_by == "seen"
    (even, odd), values = seen[0]
    assert (even != odd).any()
    if name != "data_banzhaf":  # its first look comes after one block, which is the even half
        np.testing.assert_allclose((even + odd) / 2, values, rtol=0, atol=1e-12)


def test_halves_are_the_even_and_the_odd_sweeps():
    rng = np.random.default_rng(0)
    sweeps, factors = rng.normal(size=(5, 2, 6)), np.array([1.0, -2.0])
    tally = Sweeps(2, 6)
    for t, sweep in enumerate(sweeps):
        assert not tally.add(sweep[:, :4])  # in blocks, as tasks find them
        assert tally.n_looked == 2 * t
        assert tally.add(sweep[:, 4:])
    whole = factors @ sweeps
    np.testing.assert_allclose(tally.value(factors), whole.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(tally.std_error(factors), whole.std(axis=0, ddof=1) / np.sqrt(5), atol=1e-14)
    for half, expected in zip(tally.halves(factors), (whole[::2], whole[1::2]), strict=True):
        np.testing.assert_allclose(half, expected.mean(axis=0), atol=1e-14)


@pytest.mark.parametrize("name", [name for name in SAMPLED if name not in ("data_shapley", "beta_shapley")])
def test_a_rule_that_fails_costs_no_samples(name):
    def broken(look):
        if look.n_permutations >= 8:
            raise KeyError("oops")

    with pytest.raises(UtilityError, match=r"the stopping rule .*raised KeyError") as failure:
        run(name, tol=broken)
    assert failure.value.result.stopped_by == "error"
    assert np.isfinite(failure.value.result.values).all()
    with pytest.raises(UtilityError, match="must return a text or None, got int"):
        run(name, tol=lambda look: 3)


@pytest.mark.parametrize("name", SAMPLED)
def test_a_utility_that_fails_leaves_what_was_found_before(name):
    asked = []

    def fails_late(members):
        asked.append(len(members))
        if len(asked) > 120:
            raise OSError("gone")
        return float(np.sin(members.sum()))

    many, y = rows(40)
    budget = {
        "group_shapley": {"groups": np.arange(40) % 20, "method": "permutation"},
        "du_shapley": {"groups": np.arange(40) % 4, "n_draws": 50},
        "stratified_shapley": {"n_samples": 80 * 40},
        "data_banzhaf": {"n_samples": 2000},
    }.get(name, {})
    with pytest.raises(UtilityError, match=r"raised OSError .*gone") as failure:
        getattr(baselines, name)(many, y, utility=fails_late, random_state=0, n_jobs=1, **budget)
    partial = failure.value.result
    assert isinstance(partial, ValuationResult) and partial.stopped_by == "error"
    assert np.isfinite(partial.values).all()


@pytest.mark.parametrize("name", ON_GAMES)
def test_all_utilities_of_hcdv_can_be_played(name, data):
    budget = {
        "data_shapley": {"n_permutations": 2},
        "beta_shapley": {"n_permutations": 2},
        "data_banzhaf": {"n_samples": 40},
        "stratified_shapley": {"n_samples": 2},
        "group_shapley": {"groups": np.arange(120) % 3},
        "du_shapley": {"groups": np.arange(120) % 3},
    }.get(name, {})
    for game in ("auto", "forest", "evidence", "knn", "ridge", ["kernel", "evidence"]):
        result = getattr(baselines, name)(
            data.X, data.y, data.X_val, data.y_val, utility=game, random_state=0, **budget
        )
        assert np.isfinite(result.values).all() and np.abs(result.values).max() > 0
        total = sum(result.weights[part] * result.parts[part] for part in result.parts)
        np.testing.assert_allclose(result.values, total, rtol=0, atol=1e-12)
        if name in ("data_shapley", "stratified_shapley", "group_shapley"):
            assert result.efficiency_gap < 1e-9


def test_a_model_is_asked_for_every_row_not_for_nodes(data):
    result = baselines.leave_one_out(
        data.X, data.y, data.X_val, data.y_val, utility=Estimator(GaussianNB(), metric="log_loss")
    )
    assert list(result.parts) == ["GaussianNB"]
    model = GaussianNB().fit(data.X, data.y)
    p = model.predict_proba(data.X_val)[np.arange(60), data.y_val]
    assert result.v_full == pytest.approx(np.exp(np.log(np.maximum(p, 1e-15)).mean()))
    keep = np.arange(120) != 7
    p = GaussianNB().fit(data.X[keep], data.y[keep]).predict_proba(data.X_val)[np.arange(60), data.y_val]
    assert result.values[7] == pytest.approx(result.v_full - np.exp(np.log(np.maximum(p, 1e-15)).mean()))


def test_without_validation_rows_folds_stand_in_and_say_so(data):
    with pytest.warns(UserWarning, match="stratified folds"):
        result = baselines.leave_one_out(data.X, data.y, utility=Estimator(GaussianNB()), random_state=0)
    assert np.isfinite(result.values).all()


def test_tables_and_their_index(data):
    frame = pd.DataFrame(
        {"size": data.X[:, 0], "colour": np.where(data.X[:, 1] > 0, "red", "blue")}, index=np.arange(120) + 1000
    )
    result = baselines.data_shapley(frame, data.y, utility="auto", n_permutations=2, random_state=0)
    np.testing.assert_array_equal(result.ids, frame.index)
    assert list(result.weights) == ["forest", "fit"]


def test_many_rows_are_played_in_tree_order_with_the_same_values(data, monkeypatch):
    budget = {"n_permutations": 2, "random_state": 0}
    usual = baselines.data_shapley(data.X, data.y, utility=["kernel", "evidence"], **budget)
    monkeypatch.setattr(_play, "EXACT_ROWS", 50)  # as if there were more; the search itself stays exact
    assert neighbours.EXACT_ROWS > 50
    ours = baselines.data_shapley(data.X, data.y, utility=["kernel", "evidence"], **budget)
    np.testing.assert_allclose(ours.values, usual.values, rtol=0, atol=1e-6)
    one_out = baselines.leave_one_out(data.X, data.y, utility="kernel")
    monkeypatch.undo()
    plain = baselines.leave_one_out(data.X, data.y, utility="kernel")
    np.testing.assert_allclose(one_out.values, plain.values, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ON_GAMES)
def test_progress_goes_to_standard_error_if_asked(name, capsys):
    run(name)
    assert capsys.readouterr() == ("", "")
    run(name, verbose=1)
    out, err = capsys.readouterr()
    assert out == "" and "preparing the games" in err


@pytest.mark.parametrize("name", baselines.__all__)
def test_all_are_called_alike(name):
    parameters = inspect.signature(getattr(baselines, name)).parameters
    assert list(parameters)[:4] == ["X", "y", "X_val", "y_val"]
    keywords = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert keywords == list(parameters)[4:]
    assert {"random_state", "n_jobs", "verbose"} <= set(keywords)


@pytest.mark.parametrize("name", [*ON_GAMES, "random_values"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"X": np.zeros((0, 2)), "y": []}, "X has no rows"),
        ({"X": None}, "X must be an array or a DataFrame, got NoneType"),
        ({"y": None}, "y must be the labels of the rows, got None"),
        ({"y": [0, 1]}, "y has 2 labels for 7 rows"),
        ({"y": np.zeros(N)}, "y has 1 class"),
        ({"X_val": X}, "y_val is missing"),
        ({"y_val": Y}, "X_val is missing"),
        ({"X_val": X, "y_val": Y + 5}, "y_val has 7 labels that do not occur in y"),
        ({"random_state": "now"}, "random_state must be None, a non-negative integer"),
        ({"n_jobs": 0}, "n_jobs must not be 0"),
        ({"verbose": -1}, "verbose must be at least 0"),
    ],
)
def test_bad_input_gets_one_sentence(name, arguments, said):
    usual = {"X": X, "y": Y, "X_val": None, "y_val": None}
    data = {key: arguments.get(key, value) for key, value in usual.items()}
    others = {key: value for key, value in arguments.items() if key not in data}
    extra = {key: value for key, value in EXTRA.get(name, {}).items() if key == "groups"}
    with pytest.raises((ValueError, TypeError), match=said) as failure:
        getattr(baselines, name)(**data, **extra, **others)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("name", ON_GAMES)
def test_bad_rows_and_utilities_are_named(name):
    with pytest.raises(ValueError, match="X has 1 NaN or infinite values"):
        getattr(baselines, name)(
            np.where(np.arange(N)[:, None] == 2, [[np.nan, 0.0]], X), Y, utility="kernel",
            **{key: value for key, value in EXTRA.get(name, {}).items() if key == "groups"},
        )  # fmt: skip
    with pytest.raises(ValueError, match="utility must be 'auto' or made of"):
        run(name, utility="magic")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("data_shapley", {"n_permutations": 1}, "n_permutations must be at least 2"),
        ("data_shapley", {"n_permutations": 2.5}, "n_permutations must be an integer"),
        ("data_shapley", {"truncation": -1.0}, "truncation must lie in"),
        ("data_shapley", {"tol": -0.1}, "tol must lie in"),
        ("data_shapley", {"tol": "low"}, "tol must be a number"),
        ("beta_shapley", {"alpha": 0.5}, "alpha must lie in"),
        ("beta_shapley", {"beta": 0.0}, "beta must lie in"),
        ("beta_shapley", {"n_permutations": 0}, "n_permutations must be at least 2"),
        ("data_banzhaf", {"n_samples": 7}, "n_samples must be at least 8"),
        ("stratified_shapley", {"n_samples": 1}, "n_samples must be at least 2"),
        ("stratified_shapley", {"exponent": 1.0}, "exponent must lie in"),
        ("group_shapley", {"n_permutations": 1}, "n_permutations must be at least 2"),
    ],
)
def test_bad_budgets_are_named(name, arguments, said):
    with pytest.raises((ValueError, TypeError), match=said):
        run(name, **arguments)


def test_too_few_coalitions_for_banzhaf_are_named():
    many, y = rows(2000)
    with pytest.raises(ValueError, match=r"n_samples=8 is too few: .* rows were in all coalitions"):
        baselines.data_banzhaf(many, y, utility=lambda members: 1.0, n_samples=8, random_state=0)
