"""Probe games against their definition, coalition by coalition."""

import numpy as np
import pytest

from hcdv.diagnostics.probes import LocalProbeGame, LocalSumGame, probe, total
from hcdv.game import LocalGame
from tests.diagnostics.games import ALL, N, small_game, table
from tests.table_game import TableGame

PAIRS, DUMMIES = np.array([[0, 3], [5, 2]]), np.array([6, 1])


def by_definition(v):
    """Of a pair alone the first plays, dummies never do."""
    inside = ALL.copy()
    inside[:, DUMMIES] = False
    for first, second in PAIRS:
        alone = inside[:, second] & ~inside[:, first]
        inside[alone, first], inside[alone, second] = True, False
    return v[inside @ (1 << np.arange(N))]


def games():
    yield TableGame(np.random.default_rng(0).normal(size=1 << N))
    for utility in ("kernel", "fit", "knn"):
        yield small_game(utility)


@pytest.mark.parametrize("game", list(games()), ids=["table", "kernel", "fit", "knn"])
def test_probes_are_what_they_say(game):
    probed = probe(game, PAIRS, DUMMIES)
    assert isinstance(probed, LocalGame) is isinstance(game, LocalGame)
    wanted = by_definition(table(game))
    np.testing.assert_allclose(table(probed), wanted, atol=1e-13)
    rng = np.random.default_rng(1)
    orders = np.array([rng.permutation(N) for _ in range(20)])
    joined = np.column_stack([np.zeros(20, np.int64), np.cumsum(1 << orders, axis=1)])
    np.testing.assert_allclose(probed.chains(orders, np.arange(N + 1)), wanted[joined], atol=1e-13)
    some = np.array([0, 2, 2, 7])
    np.testing.assert_allclose(probed.chains(orders, some), wanted[joined[:, some]], atol=1e-13)
    # Symmetric: with the one or with the other is the same to whoever else is in.
    for first, second in PAIRS:
        others = np.flatnonzero(~ALL[:, first] & ~ALL[:, second])
        assert np.array_equal(wanted[others + (1 << first)], wanted[others + (1 << second)])


@pytest.mark.parametrize("utility", ["kernel", "fit", "knn"])
def test_parts_of_a_local_probe(utility):
    probed = probe(small_game(utility), PAIRS, DUMMIES)
    assert isinstance(probed, LocalProbeGame)
    wanted = table(probed)
    rng = np.random.default_rng(2)
    for _ in range(20):
        k, split = rng.integers(1, N + 1), rng.integers(0, N)
        members = rng.permutation(N)[:k]
        mask = ALL[: 1 << k, :k]
        whole = mask @ (1 << members)
        np.testing.assert_allclose(table(probed.restricted(members)), wanted[whole], atol=1e-12)
        context, order = np.split(rng.permutation(N), [split])
        stops = np.arange(len(order) + 1)
        masks = (1 << context).sum() + np.append(0, np.cumsum(1 << order))
        state = probed.state(context[:1]) + probed.state(context[1:])
        np.testing.assert_allclose(probed.chain_from(state, order, stops), wanted[masks], atol=1e-12)


def test_sums_of_games():
    games = [small_game("kernel"), small_game("fit")]
    both = total(games)
    assert isinstance(both, LocalSumGame) and isinstance(both, LocalGame)
    wanted = table(games[0]) + table(games[1])
    np.testing.assert_allclose(table(both), wanted, atol=1e-13)
    members = np.array([4, 1, 6])
    part = wanted[ALL[:8, :3] @ (1 << members)]
    np.testing.assert_allclose(table(both.restricted(members)), part, atol=1e-13)
    order = np.array([2, 0, 7])
    state = both.state(members[:2]) + both.state(members[2:])
    joined = (1 << members).sum() + np.append(0, np.cumsum(1 << order))
    np.testing.assert_allclose(both.chain_from(state, order, np.arange(4)), wanted[joined], atol=1e-13)
    plain = total([games[0], TableGame(wanted)])
    assert not isinstance(plain, LocalGame)
    np.testing.assert_allclose(table(plain), table(games[0]) + wanted, atol=1e-13)
    chain = np.arange(N)[None]
    np.testing.assert_allclose(
        plain.chains(chain, np.array([3, N])), [[(table(games[0]) + wanted)[k] for k in (7, 255)]], atol=1e-13
    )
