"""The literal modes against Algorithm 1 by definition, and what they promise."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcdv._errors import UtilityError
from hcdv.allocation.budgets import clipped_fractions, share_out
from hcdv.allocation.literal import Literal, allocate
from hcdv.allocation.local_games import LocalPlay, covering_chains
from hcdv.engine import Threads
from hcdv.game import chains_from_start
from hcdv.games import DispersionGame, EvidenceGame
from hcdv.games.knn import KNNGame
from hcdv.hierarchy import Hierarchy
from hcdv.shapley import exact_values
from tests.games.test_additive import vote
from tests.reference import literal as reference
from tests.shapley.games import pairs
from tests.table_game import TableGame
from tests.trees import random_tree

MODES = ["sibling", "weights", "level"]
NORMALISE = ["proportional", "additive", "safe"]
ALL = [
    Literal(mode, normalise, leaf) for mode, normalise, leaf in product(MODES, NORMALISE, ["exact", "uniform"])
]
ENOUGH = 200  # permutations: whatever the tests call exact is enumerated

every = pytest.mark.parametrize("literal", ALL, ids=lambda x: f"{x.mode}-{x.normalise}-{x.leaf}")
seeds = st.integers(0, 2**32 - 1)


class LocalTable(TableGame):
    """A table whose coalitions are read off chains."""

    def state(self, members):
        return np.bitwise_or.reduce(1 << members, initial=0)

    def chain_from(self, state, order, stops):
        masks = state | np.concatenate([[0], np.cumsum(1 << order)])
        return self.table[masks[stops]]

    def chains(self, orders, stops):
        return chains_from_start(self, orders, stops)

    def restricted(self, members):
        mask = np.arange(1 << len(members))
        bits = mask[:, None] >> np.arange(len(members)) & 1
        return LocalTable(self.table[bits @ (1 << members)])


def run(games, tree, literal, *, weights=None, n_permutations=ENOUGH, seed=0, n_jobs=1, **options):
    games = games if isinstance(games, dict) else {"game": games}
    weights = np.ones(len(games)) if weights is None else weights
    return allocate(
        games, weights, tree, literal, n_permutations=n_permutations, seed=seed,
        threads=Threads(n_jobs), **options,
    )  # fmt: skip


def by_definition(games, weights, tree, literal):
    known = {}

    def v(points):
        if points not in known:
            members = np.array(sorted(points), np.int64)
            bounds, mask = np.array([0, len(members)]), np.ones((1, 1), bool)
            known[points] = sum(
                w * game.coalitions(members, bounds, mask)[0]
                for w, game in zip(weights, games.values(), strict=True)
            )
        return known[points]

    phi, pot = reference.allocate(v, tree, literal.mode, literal.normalise, literal.leaf)
    return (
        np.array([phi[i] for i in range(tree.n_points)]),
        np.array([pot[g] for g in range(tree.n_nodes)]),
    )


def check(games, weights, tree, literal):
    values, nodes = by_definition(games, weights, tree, literal)
    result = run(games, tree, literal, weights=weights)
    atol = 1e-11 * max(1.0, np.abs(values).max(), np.abs(nodes).max())
    np.testing.assert_allclose(result.values, values, rtol=1e-9, atol=atol)
    np.testing.assert_allclose(result.node_values, nodes, rtol=1e-9, atol=atol)
    np.testing.assert_array_equal(result.std_error, np.zeros(tree.n_points))
    assert len(result.estimated_leaves) == 0
    return result


@every
@pytest.mark.parametrize("kind", [TableGame, LocalTable])
def test_any_game_on_random_trees(literal, kind):
    rng = np.random.default_rng(0)
    for _ in range(8):
        n = int(rng.integers(1, 9))
        games = {"a": kind(rng.normal(size=2**n) + 0.3), "b": kind(rng.random(2**n))}
        check(games, np.array([1.0, -0.7]), random_tree(rng, n), literal)


@every
def test_the_games_of_the_library_on_random_trees(literal):
    rng = np.random.default_rng(1)
    n = 8
    part = rng.permutation(31)[:n]
    X, labels = rng.normal(size=(n, 5)), rng.integers(0, 3, n)
    codes = 2 * np.argsort(rng.random((n, 6)), axis=0) + rng.integers(0, 2, (n, 6))
    games = {
        "vote": vote().restricted(part),
        "evidence": EvidenceGame(X, labels, 3),
        "knn": KNNGame(codes.astype(np.int32), 3),
        "contrast": DispersionGame(X, labels, 3),
        "sum": DispersionGame(X, labels, 3, dispersion="sum"),
        "normalised": DispersionGame(X, labels, 3, dispersion="normalised"),
    }
    weights = np.array([1.0, 0.4, 2.0, 0.5, 0.1, -0.3])
    for _ in range(3):
        check(games, weights, random_tree(rng, n), literal)


@pytest.mark.parametrize("leaf", ["exact", "uniform"])
@pytest.mark.parametrize("mode", MODES)
def test_denominators_of_zero_go_by_points_and_are_counted(mode, leaf):
    tree = Hierarchy.from_labels([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 2, 2]])
    # Worth something only all together: whatever plays alone is worth 0.
    table = np.zeros(2**6)
    table[-1] = 12.0
    result = run(TableGame(table), tree, Literal(mode, "proportional", leaf))
    # The root's children earn 6 each; the first one's children and all leaves earn nothing alone.
    by_size = [2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    by_child = [1.5, 1.5, 1.5, 1.5, 3.0, 3.0]
    by_leaf = [4 / 3, 4 / 3, 4 / 3, 4.0, 2.0, 2.0]
    expected = {"sibling": by_child, "weights": by_size, "level": by_leaf}[mode]
    np.testing.assert_allclose(result.values, expected, rtol=1e-12)
    leaves = 3 if leaf == "exact" else 0
    assert result.n_near_zero == leaves + {"sibling": 1, "weights": 2, "level": 0}[mode]


def test_nothing_explodes_where_shapley_values_cancel():
    # Line 9 would hand out 1e12 times the pot.
    pot, psi, sizes = np.array([5.0]), np.array([[1.0, -1.0 + 1e-12]]), np.array([1, 3])
    share, fell_back = share_out(pot, psi, sizes, "proportional")
    assert fell_back
    np.testing.assert_allclose(share, [[1.25, 3.75]])
    share, fell_back = share_out(pot, psi, sizes, "safe")
    assert not fell_back
    np.testing.assert_allclose(share, [[3.75, 1.25]])


@settings(deadline=None)
@given(
    psi=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8),
    pot=st.floats(-1e6, 1e6),
    normalise=st.sampled_from(NORMALISE),
    data=st.data(),
)
def test_shares_add_up_to_the_pot(psi, pot, normalise, data):
    sizes = np.array(data.draw(st.lists(st.integers(1, 50), min_size=len(psi), max_size=len(psi))))
    psi = np.array(psi)
    shares, fell_back = share_out(np.array([pot]), psi[None], sizes, normalise)
    scale = np.abs(shares).sum() + np.abs(psi).sum() + abs(pot)
    assert shares.sum() == pytest.approx(pot, abs=1e-12 * scale)
    assert fell_back <= (normalise == "proportional")
    if normalise == "safe":
        assert np.abs(shares).max() <= 3 * abs(pot) * (1 + 1e-12)
        by_point = (shares / sizes)[0]
        per_point = psi / sizes
        for i in range(len(psi)):
            worse = per_point < per_point[i]
            assert (by_point[worse] <= by_point[i] + 1e-12 * scale).all()


@settings(deadline=None)
@given(values=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6))
def test_clipped_fractions_are_fractions(values):
    fractions, fell_back = clipped_fractions(np.array(values), np.ones(len(values), np.int64))
    assert fell_back == (max(values) <= 0)
    assert (fractions >= 0).all()
    assert fractions.sum() == pytest.approx(1.0)
    if not fell_back:
        assert (fractions[np.array(values) <= 0] == 0).all()


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 8), seed=seeds, literal=st.sampled_from(ALL), permutations=st.integers(2, 20))
def test_efficiency(n, seed, literal, permutations):
    """Sampled or enumerated: points to leaves, leaves to the root, and (but for "level") node by node."""
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, n)
    game = LocalTable(rng.normal(size=2**n))
    result = run(game, tree, literal, n_permutations=permutations, seed=seed)
    assert result.v_empty == game.table[0]
    assert result.v_full == pytest.approx(game.table[-1], abs=1e-12)
    scale = 1e-12 * (1 + np.abs(result.values).sum() + np.abs(result.node_values).sum())
    sums = tree.node_sums(result.values)
    total = game.table[-1] - game.table[0]
    assert sums[0] == pytest.approx(total, abs=scale)
    promised = tree.leaves if literal.mode == "level" else np.arange(tree.n_nodes)
    np.testing.assert_allclose(result.node_values[promised], sums[promised], rtol=0, atol=scale)
    if literal.mode == "level":
        for level in range(tree.depth + 1):
            begin, end = tree.level_start[level : level + 2]
            partition = np.arange(end)[(np.arange(end) >= begin) | tree.is_leaf[:end]]
            if not tree.is_leaf[:end].any():
                assert result.node_values[partition].sum() == pytest.approx(total, abs=scale)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 8), seed=seeds, literal=st.sampled_from(ALL))
def test_twins_in_a_leaf_get_the_same(n, seed, literal):
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, n, depth=2)
    crowded = [g for g in tree.leaves if tree.sizes[g] > 1]
    if not crowded:
        return
    one, other = (int(tree.order[tree.start[crowded[0]] + k]) for k in range(2))
    mask = np.arange(2**n)
    bits = (mask >> one ^ mask >> other) & 1
    swapped = mask ^ (bits << one | bits << other)
    table = rng.normal(size=2**n)
    result = run(LocalTable((table + table[swapped]) / 2), tree, literal)
    scale = 1e-10 * np.abs(result.values).sum()
    assert result.values[one] == pytest.approx(result.values[other], abs=scale)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 8), seed=seeds, mode=st.sampled_from(MODES))
def test_a_dummy_gets_nothing_in_proportion_to_nothing(n, seed, mode):
    """Only "proportional" promises it, and only without fallback: the others hand out a remainder by points."""
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, n, depth=2)
    dummy = int(rng.integers(n))
    mask = np.arange(2**n)
    game = LocalTable(rng.normal(size=2**n)[mask & ~(1 << dummy)])
    result = run(game, tree, Literal(mode, "proportional"))
    if result.n_near_zero:
        return
    assert abs(result.values[dummy]) <= 1e-12 * np.abs(result.values).sum()


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 8), seed=seeds, permutations=st.integers(2, 20),
    mode=st.sampled_from(["sibling", "level"]), leaf=st.sampled_from(["exact", "uniform"]),
)  # fmt: skip
def test_additive_modes_are_linear_in_the_game(n, seed, permutations, mode, leaf):
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, n)
    a, b = rng.normal(size=(2, 2**n))
    weights = np.array([2.0, -3.0])
    literal = Literal(mode, "additive", leaf)
    options = {"n_permutations": permutations, "seed": seed}
    parts = run({"a": LocalTable(a), "b": LocalTable(b)}, tree, literal, weights=weights, **options)
    whole = run(LocalTable(2 * a - 3 * b), tree, literal, **options)
    np.testing.assert_allclose(weights @ parts.parts, whole.values, rtol=0, atol=1e-11)
    np.testing.assert_allclose(parts.values, whole.values, rtol=0, atol=1e-11)
    np.testing.assert_allclose(parts.node_values, whole.node_values, rtol=0, atol=1e-11)
    alone = run(LocalTable(a), tree, literal, **options)
    np.testing.assert_array_equal(parts.parts[0], alone.values)


def test_other_modes_keep_no_parts():
    games = {"a": TableGame(np.arange(8.0)), "b": TableGame(np.arange(8.0) ** 2)}
    for literal in ALL:
        tree = Hierarchy.from_labels([[0, 0, 1]])
        has_parts = literal.normalise == "additive" and literal.mode != "weights"
        assert (run(games, tree, literal).parts is not None) == has_parts == literal.is_linear


@pytest.mark.parametrize("mode", MODES)
def test_bits_do_not_depend_on_threads(mode):
    rng = np.random.default_rng(7)
    tree = random_tree(rng, 12, depth=2)
    games = {"local": LocalTable(rng.normal(size=2**12)), "any": TableGame(rng.normal(size=2**12))}
    for n_permutations in (4, 64):
        literal = Literal(mode, "safe")
        one = run(games, tree, literal, n_permutations=n_permutations)
        for n_jobs in (2, 5):
            other = run(games, tree, literal, n_permutations=n_permutations, n_jobs=n_jobs)
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.node_values, other.node_values)
            assert one.n_evaluations == other.n_evaluations


def test_large_local_games_are_sampled_and_say_so():
    rng = np.random.default_rng(8)
    n = 14
    table = rng.random(2**n) + np.bitwise_count(np.arange(2**n))
    tree = Hierarchy.from_labels([[0] * n])
    exact, root_mean_square = exact_values(table), {}
    for kind in (LocalTable, TableGame):
        runs = [
            run(kind(table), tree, Literal("sibling", "additive"), n_permutations=16, seed=seed)
            for seed in range(60)
        ]
        for result in runs:
            assert result.std_error is None
            np.testing.assert_array_equal(result.estimated_leaves, [0])
            assert result.values.sum() == pytest.approx(table[-1] - table[0])
        values = np.array([result.values for result in runs])
        spread = values.std(axis=0, ddof=1)
        assert (spread > 0).all()
        root_mean_square[kind] = np.sqrt(((values - exact) ** 2).mean())
        if kind is LocalTable:
            # Chains are unbiased: the mean of 60 runs is within five of its standard errors.
            assert (np.abs(values.mean(axis=0) - exact) < 5 * spread / np.sqrt(60)).all()
    # The estimator for games that pay per coalition may shrink, if that leaves no larger error.
    assert root_mean_square[TableGame] <= root_mean_square[LocalTable]


def test_a_chain_and_its_reverse_cancel_what_is_quadratic():
    rng = np.random.default_rng(13)
    n = 14
    game, values = pairs(n, rng)
    table = game((np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool))
    tree = Hierarchy.from_labels([[0] * n])
    result = run(LocalTable(table), tree, Literal("sibling", "additive"), n_permutations=2)
    np.testing.assert_array_equal(result.estimated_leaves, [0])
    np.testing.assert_allclose(result.values, values, rtol=0, atol=1e-12)


def test_points_are_enumerated_where_it_is_cheap():
    rng = np.random.default_rng(9)
    table = rng.normal(size=2**10)
    tree = Hierarchy.from_labels([[0] * 10])
    literal = Literal("sibling", "additive")
    local = run(LocalTable(table), tree, literal, n_permutations=8)
    np.testing.assert_allclose(local.values, exact_values(table), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(local.std_error, np.zeros(10))
    # A game that pays per coalition is not asked for 1,024 of them for the price of 8 permutations.
    costly = run(TableGame(table), tree, literal, n_permutations=8)
    assert costly.n_evaluations <= 1 + 8 * 10
    assert costly.std_error is None


def test_dispersion_of_a_large_leaf_is_exact():
    rng = np.random.default_rng(10)
    X, labels = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    tree = Hierarchy.from_labels([[0] * 40])
    for dispersion in ("sum", "normalised", "centred"):
        game = DispersionGame(X, labels, 2, dispersion=dispersion)
        result = run(game, tree, Literal("sibling", "additive"), n_permutations=2)
        np.testing.assert_array_equal(result.std_error, np.zeros(40))
        small = game.restricted(np.arange(9))
        flat = Hierarchy.from_labels([[0] * 9])
        expected = exact_values(
            small.coalitions(
                np.arange(9), np.arange(10), (np.arange(512)[:, None] >> np.arange(9) & 1).astype(bool)
            )
        )
        part = run(small, flat, Literal("sibling", "additive"), n_permutations=2)
        np.testing.assert_allclose(part.values, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("m", range(1, 11))
def test_covering_chains_cover_every_coalition(m):
    chains = covering_chains(m)
    assert chains.shape == (comb(m, m // 2), m)
    np.testing.assert_array_equal(np.sort(chains, axis=1), np.tile(np.arange(m), (len(chains), 1)))
    joined = np.cumsum(1 << chains, axis=1)
    assert set(joined.ravel().tolist()) | {0} == set(range(2**m))


def test_groups_by_states_and_by_chains_agree(monkeypatch):
    game = vote()
    order, bounds = np.random.default_rng(11).permutation(31)[:25], np.array([0, 3, 4, 11, 25])
    play = LocalPlay([game], 64, 0)
    by_chains = play.among_groups(order, bounds, "test")
    monkeypatch.setattr("hcdv.allocation.local_games.ROWS_A_COALITION", 0)
    by_states = play.among_groups(order, bounds, "test")
    np.testing.assert_allclose(by_chains.values, by_states.values, rtol=1e-11, atol=1e-14)
    assert by_chains.n_evaluations == by_states.n_evaluations == 16


@pytest.mark.parametrize("literal", ALL[::5], ids=str)
def test_progress_ends_at_the_number_of_nodes(literal):
    rng = np.random.default_rng(12)
    tree, seen = random_tree(rng, 9, depth=2), []
    run(TableGame(rng.random(2**9)), tree, literal, progress=seen.append)
    assert seen[-1] == tree.n_nodes
    assert (np.diff(seen) >= 0).all()


def test_a_failing_game_is_not_swallowed():
    class Broken(TableGame):
        def coalitions(self, order, bounds, masks):
            if len(masks) > 1:
                raise UtilityError("the model did not converge.")
            return super().coalitions(order, bounds, masks)

    tree = Hierarchy.from_labels([[0, 0, 1, 1]])
    for n_jobs in (1, 2):
        with pytest.raises(UtilityError, match="did not converge"):
            run(Broken(np.arange(16.0)), tree, Literal("sibling"), n_jobs=n_jobs)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sideways",), "mode must be one of 'sibling', 'weights', 'level', got 'sideways'"),
        (("sibling", "none"), "normalise must be one of"),
        (("level", "safe", "split"), "leaf must be one of 'exact', 'uniform', got 'split'"),
    ],
)
def test_wrong_words_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Literal(*arguments)
