"""Exact values of the root's children: against all their orders, with sums and standard errors that hold."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from hcdv import HCDV, baselines
from hcdv._errors import UtilityError
from hcdv.allocation import (
    Cut,
    Resolution,
    WalkError,
    are_children_few,
    walk_chains,
    with_exact_children,
)
from hcdv.datasets import make_synthetic
from hcdv.engine import Threads
from hcdv.games import Function, MultiFidelity
from hcdv.hierarchy import Hierarchy
from hcdv.shapley import winter_exact
from tests.table_game import TableGame

TREE = Hierarchy.from_labels([[0, 0, 0, 0, 1, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2, 3, 4, 4]])
WIDE = Hierarchy.from_labels([[4, 0, 1, 5, 2, 2, 3, 5, 6]])  # points are not in the order of the tree
GAMES = {
    name: TableGame(np.random.default_rng(seed).normal(size=2**9))
    for seed, name in enumerate(["costly", "cheap", "alone"])
}


def walked(level, n_permutations=8, *, tree=TREE, games=GAMES, seed=3, **options):
    """Moments of chains, and these with exact children."""
    resolution = Resolution(level, frozenset({"costly"}), frozenset({"cheap"}))
    moments, _ = walk_chains(
        games, tree, n_permutations=n_permutations, seed=seed, threads=Threads(1),
        weights=np.ones(len(games)), resolution=resolution,
    )  # fmt: skip
    options = {"threads": Threads(1), **options}
    return moments, with_exact_children(moments, games, tree, Cut.of(resolution, tree), **options)


def by_all_orders(table, tree):
    """Values of the root's children."""
    k = int(tree.n_children[0])
    masks = [sum(1 << p for p in tree.order[tree.start[c] : tree.stop[c]]) for c in range(1, k + 1)]
    worth, orders = np.zeros(k), list(permutations(range(k)))
    for order in orders:
        inside = 0
        for child in order:
            worth[child] += (table[inside | masks[child]] - table[inside]) / len(orders)
            inside |= masks[child]
    return worth


@pytest.mark.parametrize(("level", "tree"), [(1, TREE), (2, TREE), (1, WIDE)])
def test_children_are_exact_and_sums_hold(level, tree):
    before, after = walked(level, tree=tree, n_permutations=32)
    k = int(tree.n_children[0])
    for row, name in enumerate(GAMES):
        nodes = after.nodes.mean[row]
        if name == "cheap":
            np.testing.assert_array_equal(nodes, before.nodes.mean[row])
            np.testing.assert_array_equal(after.points.mean[row], before.points.mean[row])
            continue
        worth = by_all_orders(GAMES[name].table, tree)
        np.testing.assert_allclose(nodes[1 : k + 1], worth, atol=1e-12)
        assert np.abs(before.nodes.mean[row, 1 : k + 1] - worth).max() > 0.01
        np.testing.assert_allclose(tree.node_sums(after.points.mean[row]), nodes, atol=1e-12)
        # A child's points, and the nodes inside it, gain alike.
        gain = (after.points.mean - before.points.mean)[row]
        for child in range(1, k + 1):
            assert np.ptp(gain[tree.order[tree.start[child] : tree.stop[child]]]) < 1e-12
    assert after.n_permutations == before.n_permutations and after.even is None


def test_children_have_no_error_and_what_varies_keeps_its_own():
    before, after = walked(1)
    costly, cheap, alone = np.eye(3)
    for weights in (costly, alone, costly + alone):
        assert not after.nodes.std_error(weights)[:4].any()
    # The costly game is the same at every point of a child, in every chain.
    assert not after.points.std_error(costly).any() and not after.nodes.std_error(costly).any()
    for weights in (cheap, alone, cheap + alone):
        np.testing.assert_array_equal(after.points.std_error(weights), before.points.std_error(weights))
        np.testing.assert_allclose(
            after.points.std_error(costly + weights), before.points.std_error(weights), rtol=1e-12
        )
        np.testing.assert_array_equal(after.nodes.std_error(weights)[4:], before.nodes.std_error(weights)[4:])


def test_children_of_several_blocks_keep_the_errors_inside():
    """Two of the three children have two each; the third is a leaf."""
    before, after = walked(2)
    costly = np.eye(3)[0]
    inside, old = after.points.std_error(costly), before.points.std_error(costly)
    np.testing.assert_array_equal(inside[:7], old[:7])
    assert not inside[7:].any() and (old > 0).all()
    inside, old = after.nodes.std_error(costly), before.nodes.std_error(costly)
    np.testing.assert_array_equal(inside[4:], old[4:])
    assert not inside[:4].any() and old[1:4].any()


def test_standard_errors_are_not_too_small():
    """Mean squared errors of points below a child, by many walks, against what the moments say."""
    costly = {"costly": GAMES["costly"], "cheap": TableGame(np.zeros(2**9))}
    deep = winter_exact(costly["costly"], TREE)
    true = np.repeat(TREE.node_sums(deep)[4:8] / TREE.sizes[4:8], TREE.sizes[4:8])
    missed, told, without = [], [], []
    for seed in range(150):
        before, after = walked(2, games=costly, seed=seed)
        missed.append((after.points.mean[0, :7] - true) ** 2)
        without.append((before.points.mean[0, :7] - true) ** 2)
        told.append(after.points.std_error(np.eye(2)[0])[:7] ** 2)
    assert np.mean(missed) < 0.9 * np.mean(told)
    assert np.mean(without) == pytest.approx(np.mean(told), rel=0.15)


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_bits_do_not_depend_on_threads(n_jobs):
    one, more = (walked(1, 64, tree=WIDE, threads=Threads(n))[1] for n in (1, n_jobs))
    for name in ("points", "nodes"):
        np.testing.assert_array_equal(getattr(one, name).mean, getattr(more, name).mean)


def test_every_coalition_is_asked_for_once():
    class Counted(TableGame):
        asked = 0

        def coalitions(self, order, bounds, masks):
            self.asked += len(masks)
            return super().coalitions(order, bounds, masks)

    seen = []
    games = {name: Counted(game.table) for name, game in GAMES.items()}
    walked(1, 64, tree=WIDE, games=games, progress=seen.append)
    # Nobody and everybody are known.
    assert [game.asked for game in games.values()] == [126, 0, 126]
    assert seen == sorted(seen) and seen[-1] == 128


@pytest.mark.parametrize(
    ("k", "n_permutations", "few"),
    [(1, 64, False), (2, 2, True), (3, 2, False), (3, 4, True), (5, 6, False), (5, 8, True), (9, 56, False),
     (9, 58, True)],
)  # fmt: skip
def test_coalitions_are_no_more_than_ends_of_children(k, n_permutations, few):
    assert are_children_few(Hierarchy.from_labels([np.arange(10) % k]), n_permutations) is few


def test_a_failing_game_keeps_the_chains():
    class Fails(TableGame):
        def coalitions(self, order, bounds, masks):
            raise UtilityError("utility 'table' has had enough.")

    said = r"had enough \(among all coalitions of the root's 3 children; the 8 chains are kept\)\."
    with pytest.raises(WalkError, match=said) as caught:
        walked(1, games={**GAMES, "costly": Fails(GAMES["costly"].table)})
    np.testing.assert_array_equal(
        caught.value.moments.points.mean, walked(1)[0].points.mean
    )


# Through the facade.

DATA = make_synthetic(n=200, n_val=100, n_test=2, random_state=0)
VAL = DATA.X_val, DATA.y_val
SELLER = np.arange(200) % 4


def fit(utility, rows=200, **options):
    options = {"contrast": 0, "n_permutations": 8, "random_state": 0, "n_jobs": 1, **options}
    model = HCDV(utility=MultiFidelity(utility, "kernel", resolution=1), **options)
    return model.fit(DATA.X[:rows], DATA.y[:rows], *VAL, groups=SELLER[:rows])


def shapley(utility, rows=200):
    found = baselines.group_shapley(
        DATA.X[:rows], DATA.y[:rows], *VAL, groups=SELLER[:rows], utility=utility, random_state=0
    )
    return found.node_values[1:]


def accuracy(rows):
    if len(rows) == 0 or len(np.unique(DATA.y[rows])) == 1:
        return 0.5
    return GaussianNB().fit(DATA.X[rows], DATA.y[rows]).score(*VAL)


@pytest.mark.parametrize("utility", ["ridge", GaussianNB()])
def test_sellers_are_worth_their_shapley_values(utility):
    result = fit(utility).result_
    sums = np.bincount(SELLER, result.values)
    np.testing.assert_allclose(sums, shapley(utility), atol=1e-12)
    np.testing.assert_allclose(result.node_values[1:5], sums, atol=1e-12)
    assert not result.node_std_error[1:5].any() and (result.std_error > 0).any()
    assert result.efficiency_gap < 1e-12


def test_with_contrast_sellers_are_exact_too():
    result = fit("ridge", contrast=0.1).result_
    assert not result.node_std_error[1:5].any()
    plain = result.reweight(contrast=0.0)
    np.testing.assert_allclose(plain.node_values[1:5], shapley("ridge"), atol=1e-12)


def test_trained_models_are_counted():
    assert fit(GaussianNB()).result_.n_evaluations == 15


@pytest.mark.parametrize("groups", [None, np.zeros(200)])
def test_children_that_the_tree_found_itself(groups):
    """Of one seller the root's children are those of the seller."""
    model = HCDV(
        utility=MultiFidelity("ridge", "kernel", resolution=1), branching=4, contrast=0, random_state=0
    ).fit(DATA.X, DATA.y, *VAL, groups=groups)
    tree = model.hierarchy_
    child = np.empty(200)
    for node in range(1, 5):
        child[tree.order[tree.start[node] : tree.stop[node]]] = node
    expected = baselines.group_shapley(
        DATA.X, DATA.y, *VAL, groups=child, utility="ridge", random_state=0
    ).values
    sums = np.bincount(child.astype(int), expected)[1:]
    np.testing.assert_allclose(model.result_.node_values[1:5], sums, atol=1e-12)


def test_stopping_rules_end_chains_and_a_time_budget_the_rest_too():
    def after_16(reason):
        return lambda look: reason if look.n_permutations == 16 else None

    few = fit("ridge", n_permutations=16).result_
    enough = fit("ridge", n_permutations=64, tol=after_16("enough")).result_
    assert enough.n_permutations == 16 and enough.stopped_by == "enough"
    np.testing.assert_array_equal(enough.values, few.values)
    late = fit("ridge", n_permutations=64, tol=after_16("time_budget")).result_
    assert late.n_permutations == 16 and (late.node_std_error[1:5] > 0).all()


def test_updates_have_exact_sellers():
    model = fit(GaussianNB(), rows=160)
    np.testing.assert_allclose(model.result_.node_values[1:5], shapley(GaussianNB(), 160), atol=1e-12)
    model.partial_fit(DATA.X[160:], DATA.y[160:], groups=SELLER[160:], refresh="full")
    np.testing.assert_allclose(np.bincount(SELLER, model.values_), shapley(GaussianNB()), atol=1e-12)
    assert not model.result_.node_std_error[1:5].any()


def test_a_model_that_fails_among_the_coalitions_goes_on_from_its_checkpoint(tmp_path):
    calls, limit = [], np.inf

    def scored(rows):
        calls.append(rows)
        if len(calls) > limit:
            raise RuntimeError("the cluster is gone")
        return accuracy(rows)

    # A budget of time leaves the coalitions out.
    fit(Function(scored), tol=lambda look: "time_budget" if look.n_permutations == 8 else None)
    limit, path = len(calls), tmp_path / "run"
    calls.clear()
    with pytest.raises(UtilityError, match="among all coalitions of the root's 4 children; the 8") as caught:
        fit(Function(scored), checkpoint=path)
    found = caught.value.result
    assert found.stopped_by == "error" and found.n_permutations == 8 and (found.node_std_error[1:5] > 0).any()
    limit = np.inf
    whole = fit(Function(accuracy))
    for _ in range(2):
        np.testing.assert_array_equal(fit(Function(scored), checkpoint=path).values_, whole.values_)
