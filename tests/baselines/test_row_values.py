"""Baselines that value single rows, against enumeration of all coalitions."""

import numpy as np
import pytest
from scipy.special import beta as beta_function
from scipy.special import comb

from hcdv import baselines
from hcdv.baselines._play import Play
from hcdv.baselines.beta import WeightedSteps, position_weights
from hcdv.baselines.stratified import stratum_shares
from hcdv.games import RetrainedGame
from tests.baselines.games import N, banzhaf, random_table, rows, semivalue, shapley, utility, weighted
from tests.table_game import TableGame

X, Y = rows()
SAMPLED = {
    "data_shapley": (baselines.data_shapley, {"n_permutations": 400}),
    "beta_shapley": (baselines.beta_shapley, {"n_permutations": 400, "alpha": 4.0, "beta": 1.0}),
    "data_banzhaf": (baselines.data_banzhaf, {"n_samples": 4000}),
    "stratified_shapley": (baselines.stratified_shapley, {"n_samples": 4000}),
}


def beta_weight(alpha, beta):
    """Weight of a marginal to one coalition of s rows, out of Kwon & Zou's integral."""
    return lambda s, n: beta_function(s + beta, n - s - 1 + alpha) / beta_function(alpha, beta)


TRUTH = {
    "data_shapley": shapley,
    "beta_shapley": lambda table: semivalue(table, beta_weight(4.0, 1.0)),
    "data_banzhaf": banzhaf,
    "stratified_shapley": shapley,
}


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_estimates_lie_within_four_standard_errors_of_enumeration(name, seed):
    table = random_table(seed=seed)
    method, budget = SAMPLED[name]
    result = method(X, Y, utility=utility(table), random_state=seed, **budget)
    truth = TRUTH[name](table)
    assert np.isfinite(result.std_error).all() and (result.std_error > 0).all()
    assert (np.abs(result.values - truth) < 4 * result.std_error).all()
    # The error itself is no excuse: 400 permutations of this game know its values to a few hundredths.
    assert result.std_error.max() < 0.2 and np.abs(result.values - truth).max() < 0.25


@pytest.mark.parametrize("name", SAMPLED)
def test_estimates_are_unbiased_at_the_smallest_budget(name):
    table, method = random_table(seed=5), SAMPLED[name][0]
    smallest = {
        "data_shapley": {"n_permutations": 2},
        "beta_shapley": {"n_permutations": 2, "alpha": 4.0, "beta": 1.0},
        "data_banzhaf": {"n_samples": 20},
        "stratified_shapley": {"n_samples": 2 * N},
    }[name]
    values = []
    for seed in range(200):
        try:
            values.append(method(X, Y, utility=utility(table), random_state=seed, n_jobs=1, **smallest).values)
        except ValueError:
            # Only where a row was in all of the few coalitions or in none, which tells nothing of values.
            assert name == "data_banzhaf"
    assert len(values) > 190
    error = np.std(values, axis=0, ddof=1) / np.sqrt(len(values))
    assert (np.abs(np.mean(values, axis=0) - TRUTH[name](table)) < 4 * error).all()


@pytest.mark.parametrize("name", SAMPLED)
def test_standard_errors_are_those_of_repeated_runs(name):
    table, method = random_table(seed=6), SAMPLED[name][0]
    budget = {"n_samples": 280} if "n_samples" in SAMPLED[name][1] else {"n_permutations": 40}
    runs = [method(X, Y, utility=utility(table), random_state=s, n_jobs=1, **budget) for s in range(60)]
    spread = np.std([run.values for run in runs], axis=0, ddof=1).mean()
    claimed = np.mean([run.std_error for run in runs])
    # Spread strata make the true error smaller than claimed, never larger.
    low = 0.3 if name == "stratified_shapley" else 0.8
    assert low * claimed < spread < 1.25 * claimed


def test_leave_one_out_equals_its_definition():
    table = random_table()
    result = baselines.leave_one_out(X, Y, utility=utility(table))
    full = (1 << N) - 1
    expected = [table[full] - table[full ^ (1 << i)] for i in range(N)]
    np.testing.assert_allclose(result.values, expected, rtol=0, atol=1e-14)
    assert result.n_evaluations == N + 1
    assert (result.v_empty, result.v_full) == (table[0], table[full])
    assert result.std_error is None and result.stopped_by == "exact"


@pytest.mark.parametrize("name", ["data_shapley", "stratified_shapley"])
@pytest.mark.parametrize("budget", ["small", "large"])
def test_shapley_values_add_up(name, budget):
    table, method = random_table(), SAMPLED[name][0]
    asked = SAMPLED[name][1] if budget == "large" else {}
    result = method(X, Y, utility=utility(table), random_state=0, **asked)
    assert result.efficiency_gap < 1e-12
    assert result.v_full - result.v_empty == pytest.approx(table[-1] - table[0])


@pytest.mark.parametrize("name", [*SAMPLED, "leave_one_out"])
def test_an_additive_game_gives_every_row_its_weight(name):
    weights = np.random.default_rng(1).normal(size=N)
    method = getattr(baselines, name)
    result = method(X, Y, utility=weighted(weights), random_state=0)
    if name in ("data_banzhaf", "stratified_shapley", "beta_shapley"):
        # Sampled coalitions, strata or positions weigh even equal marginals differently.
        assert (np.abs(result.values - weights) < 4 * result.std_error).all()
    else:
        np.testing.assert_allclose(result.values, weights, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["data_shapley", "beta_shapley", "leave_one_out", "stratified_shapley"])
def test_a_dummy_row_gets_nothing_of_its_own(name):
    table = random_table()
    for code in range(1 << N):
        table[code] = table[code & ~(1 << 3)]
    result = getattr(baselines, name)(X, Y, utility=utility(table), random_state=0)
    if name == "stratified_shapley":  # nothing but what all rows share equally
        assert abs(result.values[3]) < 4 * result.std_error[result.std_error > 0].mean()
        assert result.std_error[3] == 0.0
    else:
        assert abs(result.values[3]) < 1e-14
    assert np.abs(np.delete(result.values, 3)).min() > 1e-3


def test_beta_one_one_is_the_shapley_value_to_the_bit():
    table = random_table()
    ours = baselines.beta_shapley(X, Y, alpha=1, beta=1, utility=utility(table), random_state=3)
    theirs = baselines.data_shapley(X, Y, utility=utility(table), random_state=3)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (16, 1), (4, 1), (1, 4), (2.5, 3)])
def test_position_weights_equal_the_papers_formula(alpha, beta):
    n = 12
    expected = [
        n * comb(n - 1, j - 1) * beta_function(j + beta - 1, n - j + alpha) / beta_function(alpha, beta)
        for j in range(1, n + 1)
    ]
    np.testing.assert_allclose(position_weights(n, alpha, beta), expected, rtol=1e-12)
    assert sum(expected) == pytest.approx(n)


def test_positions_that_weigh_nothing_are_not_asked_for():
    class Counted(TableGame):
        def chains(self, orders, stops):
            self.asked = np.asarray(stops)
            return super().chains(orders, stops)

    n = 10
    game = Counted(np.random.default_rng(0).normal(size=1 << n))
    weights = position_weights(n, 200.0, 1.0)
    chain = WeightedSteps(game, weights)
    order = np.random.default_rng(1).permutation(n)
    ours = chain.chains(order[None], np.arange(n + 1))[0]
    assert game.asked.max() < n and chain.n_stops == game.asked.max()
    steps = np.diff(TableGame(game.table).chains(order[None], np.arange(n + 1))[0])
    np.testing.assert_allclose(np.diff(ours), steps * weights, rtol=0, atol=1e-11 * n)


def test_strata_have_the_shares_of_the_source():
    np.testing.assert_allclose(stratum_shares(3, -1.0), np.array([6, 3, 2]) / 11)
    np.testing.assert_allclose(stratum_shares(4, 0.0), 0.25)


@pytest.mark.parametrize("exponent", [-1.0, 0.0])
def test_samples_are_spread_over_sizes_as_the_strata_ask(exponent, monkeypatch):
    n, n_sweeps = 40, 30
    X, y = rows(n)
    sizes = []
    values_of = Play.values_of

    def counted(self, inside):
        if len(inside) > 1:  # v(everybody) is asked for by itself
            sizes.extend(inside[: len(inside) // 2].sum(axis=1))
        return values_of(self, inside)

    monkeypatch.setattr(Play, "values_of", counted)
    baselines.stratified_shapley(
        X, y, exponent=exponent, utility=len, n_samples=2 * n * n_sweeps, random_state=0, n_jobs=1
    )
    expected = n * n_sweeps * stratum_shares(n, exponent)
    assert np.abs(np.bincount(sizes, minlength=n) - expected).max() < 25


def test_parts_of_a_sum_are_kept_and_weighed():
    first, second = random_table(seed=1), random_table(seed=2)
    pair = [(utility(first, "first"), 2.0), (utility(second, "second"), -0.5)]
    for name in [*SAMPLED, "leave_one_out"]:
        method = getattr(baselines, name)
        result = method(X, Y, utility=pair, random_state=4)
        for table, part in ((first, "first"), (second, "second")):
            alone = method(X, Y, utility=utility(table), random_state=4)
            np.testing.assert_allclose(result.parts[part], alone.values, rtol=0, atol=1e-12)
        expected = 2.0 * result.parts["first"] - 0.5 * result.parts["second"]
        np.testing.assert_allclose(result.values, expected, rtol=0, atol=1e-12)
        assert result.v_full == pytest.approx(2.0 * first[-1] - 0.5 * second[-1])
        if result.std_error is not None:
            whole = method(X, Y, utility=utility(2.0 * first - 0.5 * second), random_state=4)
            np.testing.assert_allclose(result.std_error, whole.std_error, rtol=1e-8)


def test_random_values_follow_the_seed_and_nothing_else():
    ours = baselines.random_values(X, Y, utility="kernel", random_state=1)
    again = baselines.random_values(X[::-1], Y, random_state=1)
    np.testing.assert_array_equal(ours.values, again.values)
    assert (ours.values != baselines.random_values(X, Y, random_state=2).values).all()
    assert ours.n_evaluations == 0
    many = baselines.random_values(np.zeros((5000, 1)), np.arange(5000) % 2, random_state=0).values
    assert many.min() >= 0 and many.max() < 1
    assert abs(many.mean() - 0.5) < 0.02 and abs(np.corrcoef(many, np.arange(5000))[0, 1]) < 0.05


class TestTruncation:
    """TMC: what is cut, and that nothing else changes."""

    n = 60

    def saturating(self, asked=None):
        """v grows with the first 12 rows of a coalition and then stays, but for a ripple."""

        def game(members):
            if asked is not None:
                asked.append(len(members))
            return min(len(members), 12) / 12.0 + 1e-4 * np.sin(7.0 * members.sum())

        return game

    def run(self, truncation, asked=None):
        X, y = rows(self.n)
        return baselines.data_shapley(
            X, y, utility=self.saturating(asked), truncation=truncation, n_permutations=8, random_state=0
        )

    def test_cuts_chains_and_keeps_sums(self):
        asked = []
        ours, exact = self.run(5.0, asked), self.run(None)
        assert max(size for size in asked if size < self.n) < 40
        assert ours.n_evaluations < 0.6 * exact.n_evaluations
        assert ours.efficiency_gap < 1e-12
        np.testing.assert_allclose(ours.values, exact.values, rtol=0, atol=2e-3)

    def test_zero_tolerance_is_exact(self):
        ours, exact = self.run(0.0), self.run(None)
        np.testing.assert_array_equal(ours.values, exact.values)

    def test_a_single_prefix_near_the_end_value_cuts_nothing(self):
        X, y = rows(self.n)

        def game(members):
            # Meets v(all) = 1 at 10 rows on its way, then leaves it until the end.
            return 1.0 if len(members) in (10, self.n) else len(members) / (2.0 * self.n)

        ours = baselines.data_shapley(X, y, utility=game, truncation=1.0, n_permutations=4, random_state=0)
        exact = baselines.data_shapley(X, y, utility=game, n_permutations=4, random_state=0)
        np.testing.assert_array_equal(ours.values, exact.values)

    def test_games_that_train_nothing_are_left_alone(self):
        X, y = rows(40, seed=1)
        ours = baselines.data_shapley(X, y, utility="kernel", truncation=100.0, random_state=0)
        exact = baselines.data_shapley(X, y, utility="kernel", random_state=0)
        np.testing.assert_array_equal(ours.values, exact.values)


def test_retrained_games_count_their_models(monkeypatch):
    counts = []
    train = RetrainedGame._train

    def counted(self, missing, sizes, ask):
        counts.append(len(missing))
        return train(self, missing, sizes, ask)

    monkeypatch.setattr(RetrainedGame, "_train", counted)
    result = baselines.data_banzhaf(X, Y, utility=utility(random_table()), n_samples=100, random_state=0)
    assert result.n_evaluations == sum(counts) <= 1 << N
