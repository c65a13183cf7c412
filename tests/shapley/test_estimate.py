import numpy as np
import pytest

from hcdv.shapley import _ask, estimate, exact
from hcdv.shapley._stratified import stratified_contributions
from tests.shapley import games

METHODS = ["permutation", "stratified", "regression"]


def saturating(m, rng):
    weights = rng.uniform(0, 1, m)
    return lambda S: np.sqrt(S @ weights)


def counted(game):
    sizes = []

    def counting(S):
        sizes.append(S.shape)
        return game(S)

    return counting, sizes


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_bits_and_exact_sum(method):
    game = saturating(14, np.random.default_rng(0))
    one = estimate(game, 14, n_permutations=40, random_state=7, method=method)
    two = estimate(game, 14, n_permutations=40, random_state=7, method=method)
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.std_error, two.std_error)
    other = estimate(game, 14, n_permutations=40, random_state=8, method=method)
    assert not np.array_equal(one.values, other.values)
    everyone = game(np.ones((1, 14), bool))[0]
    for result in (one, other):
        assert result.values.sum() == pytest.approx(everyone, abs=1e-13)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [28, 29, 100, 461, 3001])
def test_the_budget_is_kept_and_counted(method, budget):
    game, shapes = counted(saturating(14, np.random.default_rng(0)))
    result = estimate(game, 14, method=method, n_evaluations=budget, random_state=0)
    assert result.n_evaluations == sum(rows for rows, _ in shapes)
    # a pair of permutations takes 26 evaluations, a pair of coalitions 2
    assert budget - 26 < result.n_evaluations <= budget


@pytest.mark.parametrize("method", METHODS)
def test_batches_do_not_show(monkeypatch, method):
    game = saturating(14, np.random.default_rng(0))
    whole = estimate(game, 14, n_permutations=20, random_state=1, method=method)
    counting, shapes = counted(game)
    monkeypatch.setattr(_ask, "BATCH_CELLS", 14 * 9)
    cut = estimate(counting, 14, n_permutations=20, random_state=1, method=method)
    np.testing.assert_allclose(cut.values, whole.values, rtol=0, atol=1e-10)
    assert max(rows for rows, _ in shapes) <= 9
    assert sum(rows for rows, _ in shapes) == whole.n_evaluations


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [80, 640])
@pytest.mark.parametrize("kind", ["random", "airport", "saturating", "voting"])
def test_errors_are_of_the_reported_size(method, budget, kind):
    rng = np.random.default_rng(3)
    m = 12
    if kind == "random":
        game, _ = games.random_table_game(m, rng)
    elif kind == "airport":
        game, _ = games.airport(m, rng)
    elif kind == "saturating":
        game = saturating(m, rng)
    else:
        seats = rng.integers(1, 20, m)
        game = lambda S: (2 * (S @ seats) > seats.sum()).astype(float)  # noqa: E731
    truth = exact(game, m)
    squares, reported = [], []
    for seed in range(40):
        result = estimate(game, m, n_evaluations=budget, random_state=seed, method=method)
        squares.append((result.values - truth) ** 2)
        reported.append(result.std_error**2)
    ratio = np.sqrt(np.mean(squares) / np.mean(reported))
    # Forty repeats know it to some 10 %. A posterior is only as good as its prior: cautious on
    # smooth games, a little bold on thresholds.
    low, high = (0.25, 1.45) if method == "regression" else (0.8, 1.25)
    assert low < ratio < high


def test_regression_covers_at_95_per_cent():
    inside = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        game, _ = games.random_table_game(10, rng)
        result = estimate(game, 10, n_evaluations=200, random_state=seed, method="regression")
        inside.append(np.abs(result.values - exact(game, 10)) <= 1.96 * result.std_error)
    assert 0.91 < np.mean(inside) < 0.99


@pytest.mark.parametrize("method", ["permutation", "stratified"])
def test_the_mean_over_seeds_is_the_truth(method):
    game, _ = games.random_table_game(10, np.random.default_rng(5))
    runs = np.array(
        [
            estimate(game, 10, n_evaluations=160, random_state=seed, method=method).values
            for seed in range(400)
        ]
    )
    standard = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert np.abs((runs.mean(axis=0) - exact(game, 10)) / standard).max() < 4


@pytest.mark.parametrize("name", [game.__name__ for game in games.ALL])
def test_regression_errs_less_than_permutations(name):
    # Games the benchmark does not hold.
    squares = {"permutation": [], "regression": []}
    for seed in range(8):
        game, values = getattr(games, name)(11, np.random.default_rng(100 + seed))
        for method, errors in squares.items():
            result = estimate(game, 11, n_evaluations=352, random_state=seed, method=method)
            errors.append(np.square(result.values - values).mean())
    assert np.mean(squares["regression"]) <= 0.5 * np.mean(squares["permutation"]) + 1e-12


def test_games_of_pairs_are_exact_under_mirrored_permutations():
    # A pair's amount goes to its later member; the mirror image gives it to the other.
    game, values = games.pairs(16, np.random.default_rng(2))
    result = estimate(game, 16, n_permutations=2, random_state=0, method="permutation")
    np.testing.assert_allclose(result.values, values, rtol=0, atol=1e-12)
    assert np.isnan(result.std_error).all()
    four = estimate(game, 16, n_permutations=4, random_state=0, method="permutation")
    assert four.n_evaluations == 2 + 4 * 15
    np.testing.assert_allclose(four.std_error, 0.0, atol=1e-12)


def test_games_of_pairs_are_linear_to_the_regression():
    game, values = games.pairs(16, np.random.default_rng(2))
    result = estimate(game, 16, n_permutations=8, random_state=0, method="regression")
    np.testing.assert_allclose(result.values, values, rtol=0, atol=1e-6)
    assert result.std_error.max() < 1e-3


@pytest.mark.parametrize("m", [3, 6, 7])
def test_all_coalitions_give_exact_strata(m):
    game, _ = games.random_table_game(m, np.random.default_rng(m))
    values, std_error, used = stratified_contributions(game, m, 1 << m, 0)
    np.testing.assert_allclose(values, exact(game, m), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(std_error, 0.0)
    assert used == 1 << m


def test_strata_of_one_pair_have_no_standard_error():
    result = estimate(saturating(20, np.random.default_rng(0)), 20, 2, 0, "stratified")
    assert np.isnan(result.std_error).all()
    assert np.isfinite(result.values).all()


def test_small_games_are_enumerated():
    game, values = games.airport(6, np.random.default_rng(1))
    for method in ["auto", *METHODS]:
        result = estimate(game, 6, n_permutations=11, random_state=0, method=method)
        np.testing.assert_allclose(result.values, values, atol=1e-13)
        np.testing.assert_array_equal(result.std_error, 0.0)
        assert result.n_evaluations == 64
        assert estimate(game, 6, n_evaluations=63, random_state=0, method=method).std_error.any()
    np.testing.assert_array_equal(estimate(lambda S: 2.0 * S[:, 0], 1).values, [2.0])


def test_auto_is_the_regression_and_permutations_for_many_players():
    game = saturating(14, np.random.default_rng(0))
    one = estimate(game, 14, 16, random_state=3)
    two = estimate(game, 14, 16, random_state=3, method="regression")
    np.testing.assert_array_equal(one.values, two.values)
    m = 600
    game, weights = games.additive(m, np.random.default_rng(0))
    result = estimate(game, m, n_permutations=2, random_state=0)
    np.testing.assert_allclose(result.values, weights, rtol=0, atol=1e-11)
    with pytest.raises(ValueError, match="at most 512 players, got 600"):
        estimate(game, m, 2, method="regression")


def test_a_game_without_contrast_has_values_of_zero():
    for method in METHODS:
        result = estimate(lambda S: np.ones(len(S)), 14, 16, random_state=0, method=method)
        np.testing.assert_array_equal(result.values, 0.0)
        np.testing.assert_array_equal(result.std_error, 0.0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_the_scale_of_the_game_does_not_matter(method, factor):
    game = saturating(14, np.random.default_rng(0))
    one = estimate(game, 14, 32, random_state=0, method=method)
    scaled = estimate(lambda S: factor * game(S), 14, 32, random_state=0, method=method)
    np.testing.assert_allclose(scaled.values / factor, one.values, rtol=1e-9)
    np.testing.assert_allclose(scaled.std_error / factor, one.std_error, rtol=1e-6)


def test_bad_arguments_are_refused():
    game = saturating(14, np.random.default_rng(0))
    with pytest.raises(ValueError, match="n_permutations must be at least 1"):
        estimate(game, 14, n_permutations=0)
    with pytest.raises(ValueError, match="n_players must be at least 1"):
        estimate(game, 0)
    with pytest.raises(ValueError, match="n_evaluations must be at least 28"):
        estimate(game, 14, n_evaluations=27)
    with pytest.raises(ValueError, match="method must be one of 'auto', 'permutation'"):
        estimate(game, 14, method="owen")
    for method in METHODS:
        with pytest.raises(ValueError, match=r"inf for the coalition"):
            estimate(lambda S: np.where(S.sum(axis=1) == 1, np.inf, 0.0), 20, 16, 0, method)
        with pytest.raises(ValueError, match="their differences overflow"):
            estimate(lambda S: np.where(S[:, 0], 1e308, -1e308), 20, 4, 0, method)


def test_a_game_cannot_change_the_coalitions_it_is_asked_for():
    def careless(S):
        S[:, 0] = True
        return S.sum(axis=1)

    for method in METHODS:
        with pytest.raises(ValueError, match="read-only"):
            estimate(careless, 20, 4, random_state=0, method=method)
