"""Baselines that value groups, against enumeration over groups."""

import numpy as np
import pytest

from hcdv import baselines
from tests.baselines.games import N, mean_over_draws, of_groups, random_table, rows, shapley, utility

X, Y = rows()
# In the order in which they first occur: b, a, c, of 3, 2 and 2 rows.
GROUPS = np.array(["b", "a", "b", "c", "a", "b", "c"])
MEMBERS = [np.array([0, 2, 5]), np.array([1, 4]), np.array([3, 6])]


def over_rows(by_group):
    values = np.empty(N)
    for members, value in zip(MEMBERS, by_group, strict=True):
        values[members] = value / len(members)
    return values


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_exact_group_values_equal_enumeration(seed):
    table = random_table(seed=seed)
    truth = shapley(of_groups(table, MEMBERS))
    result = baselines.group_shapley(X, Y, groups=GROUPS, utility=utility(table))
    np.testing.assert_allclose(result.node_values[1:], truth, rtol=0, atol=1e-13)
    assert result.node_values[0] == pytest.approx(table[-1] - table[0])
    np.testing.assert_allclose(result.values, over_rows(truth), rtol=0, atol=1e-13)
    assert result.efficiency_gap < 1e-12
    assert result.n_evaluations == 7  # the empty coalition is known
    for node, members in enumerate(MEMBERS, start=1):
        tree = result.hierarchy
        owned = tree.order[tree.start[node] : tree.stop[node]]
        np.testing.assert_array_equal(np.sort(owned), members)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_permutations_lie_within_four_standard_errors_and_add_up(seed):
    table = random_table(seed=seed)
    truth = shapley(of_groups(table, MEMBERS))
    result = baselines.group_shapley(
        X, Y, groups=GROUPS, method="permutation", utility=utility(table), n_permutations=400, random_state=seed
    )
    error = result.node_std_error[1:]
    assert (error > 0).all() and error.max() < 0.2
    assert (np.abs(result.node_values[1:] - truth) < 4 * error).all()
    np.testing.assert_allclose(result.values, over_rows(result.node_values[1:]), rtol=0, atol=1e-12)
    assert result.efficiency_gap < 1e-12
    assert result.node_values[0] == pytest.approx(table[-1] - table[0])


def test_groups_of_single_rows_are_the_shapley_values_of_rows():
    table = random_table()
    result = baselines.group_shapley(X, Y, groups=np.arange(N), utility=utility(table))
    np.testing.assert_allclose(result.values, shapley(table), rtol=0, atol=1e-13)


def test_classes_are_groups():
    table = random_table()
    by_name = baselines.group_shapley(X, Y, groups="label", utility=utility(table))
    by_array = baselines.group_shapley(X, Y, groups=Y, utility=utility(table))
    np.testing.assert_array_equal(by_name.values, by_array.values)


def test_clusters_are_balanced_groups_of_near_rows():
    rng = np.random.default_rng(0)
    centre = np.repeat(np.eye(4) * 10, 6, axis=0)
    X = centre + 0.1 * rng.normal(size=centre.shape)
    place = rng.permutation(24)
    weights = rng.normal(size=24)
    result = baselines.group_shapley(
        X[place], np.arange(24) % 2, groups="cluster", n_clusters=4, random_state=0,
        utility=lambda members: float(weights[members].sum()),
    )  # fmt: skip
    assert len(result.node_values) == 5
    leaf = result.hierarchy.leaf_of_point()
    for cluster in range(4):
        members = np.flatnonzero(place // 6 == cluster)
        assert len(np.unique(leaf[members])) == 1
        np.testing.assert_allclose(result.values[members], weights[members].mean())


def test_weights_of_a_sum_can_be_changed_afterwards():
    first, second = random_table(seed=1), random_table(seed=2)
    pair = [(utility(first, "first"), 1.0), (utility(second, "second"), 1.0)]
    for method in ("exact", "permutation"):
        result = baselines.group_shapley(X, Y, groups=GROUPS, method=method, utility=pair, random_state=0)
        alone = baselines.group_shapley(
            X, Y, groups=GROUPS, method=method, utility=utility(first), random_state=0
        )
        np.testing.assert_allclose(result.reweight(second=0).node_values, alone.node_values, atol=1e-12)


def du_truth(table):
    """The expectation of psi over all draws."""
    psi = []
    for mine in MEMBERS:
        pool = [i for i in range(N) if i not in mine]
        terms = []
        for k in range(len(MEMBERS)):
            size = int(np.rint(k * len(pool) / (len(MEMBERS) - 1)))
            terms.append(mean_over_draws(table, pool, size, mine) - mean_over_draws(table, pool, size, []))
        psi.append(np.mean(terms))
    return np.array(psi)


@pytest.mark.parametrize("seed", [0, 1])
def test_du_shapley_is_unbiased(seed):
    table = random_table(seed=seed)
    result = baselines.du_shapley(
        X, Y, groups=GROUPS, utility=utility(table), n_draws=600, random_state=seed
    )
    by_group = np.array([result.std_error[members[0]] * len(members) for members in MEMBERS])
    assert (by_group > 0).all() and by_group.max() < 0.1
    assert (np.abs(result.node_values[1:] - du_truth(table)) < 4 * by_group).all()
    np.testing.assert_allclose(result.values, over_rows(result.node_values[1:]), rtol=0, atol=1e-12)


def test_du_shapley_of_a_game_of_sizes_is_its_definition():
    gain = np.random.default_rng(0).normal(size=N + 1)
    result = baselines.du_shapley(X, Y, groups=GROUPS, utility=lambda members: gain[len(members)])
    expected = []
    for members in MEMBERS:
        mine, pool = len(members), N - len(members)
        sizes = [0, int(np.rint(pool / 2)), pool]
        expected.append(np.mean([gain[size + mine] - gain[size] for size in sizes]))
    np.testing.assert_allclose(result.node_values[1:], expected, rtol=0, atol=1e-14)
    assert result.std_error is None  # one draw tells nothing about its own error


def test_du_shapley_of_two_groups_of_one_size_is_the_shapley_value():
    table = random_table(n=4)
    X, y = rows(4)
    groups = [0, 1, 0, 1]
    result = baselines.du_shapley(X, y, groups=groups, utility=utility(table))
    truth = shapley(of_groups(table, [[0, 2], [1, 3]]))
    np.testing.assert_allclose(result.node_values[1:], truth, rtol=0, atol=1e-14)


@pytest.mark.parametrize("method", ["group_shapley", "du_shapley"])
@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (np.zeros(N), "groups must tell at least 2 groups apart, got 1"),
        ([0, 1, 2], "groups has 3 labels for 7 rows"),
        ([0, 1, None, 1, 0, 1, 1], "groups has 1 missing labels"),
        ("sellers", "groups must be one of 'label', 'cluster', got 'sellers'"),
        (np.zeros((N, 2)), "groups must be 1-dimensional"),
    ],
)
def test_bad_groups_are_named(method, groups, said):
    with pytest.raises((ValueError, TypeError), match=said):
        getattr(baselines, method)(X, Y, groups=groups, utility=utility(random_table()))


def test_bad_arguments_of_group_methods_are_named():
    game = utility(random_table())
    with pytest.raises(ValueError, match="method must be one of 'exact', 'permutation', got 'fast'"):
        baselines.group_shapley(X, Y, groups=GROUPS, method="fast", utility=game)
    with pytest.raises(ValueError, match="tol goes with method='permutation' only"):
        baselines.group_shapley(X, Y, groups=GROUPS, tol=0.1, utility=game)
    with pytest.raises(ValueError, match="n_clusters must be at least 2 and at most 7, got 8"):
        baselines.group_shapley(X, Y, groups="cluster", n_clusters=8, utility=game)
    with pytest.raises(ValueError, match="n_draws must be at least 1, got 0"):
        baselines.du_shapley(X, Y, groups=GROUPS, n_draws=0, utility=game)
    many, y = rows(25)
    with pytest.raises(ValueError, match="groups must be at most 24 for method='exact', got 25"):
        baselines.group_shapley(many, y, groups=np.arange(25), utility=len)
