"""A game among some of its points has the values of the whole game there."""

from dataclasses import replace

import numpy as np
import pytest

from hcdv.allocation.local_games import TranslatedGame
from hcdv.game import AdditiveGame, LocalGame
from hcdv.games import DispersionGame, EvidenceGame, RidgeGame, VoteGame
from tests.games.test_additive import GAMES, N_CLASSES, N_VAL, N
from tests.table_game import TableGame

WIDE = np.random.default_rng(0).normal(size=(N, 40)) * np.geomspace(1e-3, 1e3, 40)
LABELS = np.random.default_rng(1).integers(0, N_CLASSES, N)


def trusting_vote():
    """Validation rows that have heard trusted rows: they are not at chance before anybody speaks."""
    game, rng = GAMES["vote"](), np.random.default_rng(2)
    validation = game.validation
    heard = validation.heard + np.sort(rng.random((N_VAL, 2)), axis=1)
    return VoteGame(game.rows, N_CLASSES, validation=replace(validation, heard=heard), validation_weight=0.3)


ALL = GAMES | {
    "trusting_vote": trusting_vote,
    "wide_evidence": lambda: EvidenceGame(WIDE.astype(np.float32), LABELS, N_CLASSES),
    "wide_fit": lambda: EvidenceGame(WIDE, LABELS, N_CLASSES, leverage=False),
    "wide_ridge": lambda: RidgeGame(WIDE, LABELS, WIDE[::2], LABELS[::2], N_CLASSES, alpha=1e-2),
    "dispersion_normalised": lambda: DispersionGame(WIDE, LABELS, N_CLASSES, dispersion="normalised"),
}


@pytest.fixture(params=ALL)
def game(request):
    return ALL[request.param]()


def values_of(game, coalitions):
    """v of each of some sets of points."""
    values = []
    for members in coalitions:
        rest = np.setdiff1d(np.arange(game.n_points), members)
        order = np.concatenate([members, rest]).astype(np.int64)
        values.append(game.chains(order[None], np.array([len(members)]))[0, 0])
    return np.array(values)


def some(rng, n):
    """Coalitions of n points: nobody, everybody and a dozen more."""
    sets = [np.flatnonzero(rng.random(n) < 0.5) for _ in range(12)]
    return [np.empty(0, np.int64), rng.permutation(n), *sets]


@pytest.mark.parametrize("size", [1, 2, 7, 20, N])
def test_values_are_those_of_the_whole_game(game, size):
    rng = np.random.default_rng(size)
    assert isinstance(game, LocalGame)
    members = rng.permutation(N)[:size]
    part = game.restricted(members)
    coalitions = some(rng, size)
    assert part.n_points == size
    assert part.v_empty == game.v_empty
    np.testing.assert_allclose(
        values_of(part, coalitions),
        values_of(game, [members[c] for c in coalitions]),
        rtol=1e-10,
        atol=1e-13,
    )


def test_unions_of_groups_too(game):
    rng = np.random.default_rng(3)
    members = rng.permutation(N)[:12]
    order, bounds = rng.permutation(12), np.array([0, 1, 1, 6, 12])
    masks = rng.random((8, 4)) < 0.5
    np.testing.assert_allclose(
        game.restricted(members).coalitions(order, bounds, masks),
        game.coalitions(members[order], bounds, masks),
        rtol=1e-10,
        atol=1e-13,
    )


def test_a_part_of_a_part(game):
    rng = np.random.default_rng(4)
    outer, inner = rng.permutation(N)[:14], rng.permutation(14)[:6]
    coalitions = some(rng, 6)
    np.testing.assert_allclose(
        values_of(game.restricted(outer).restricted(inner), coalitions),
        values_of(game.restricted(outer[inner]), coalitions),
        rtol=1e-10,
        atol=1e-13,
    )


def test_the_whole_game_stays_as_it_was(game):
    rng = np.random.default_rng(5)
    order, stops = rng.permutation(N)[None], np.arange(N + 1)
    before = game.chains(order, stops)
    game.restricted(np.array([4, 1, 9])).chains(np.array([[2, 0, 1]]), np.arange(4))
    np.testing.assert_array_equal(game.chains(order, stops), before)


def test_nobody_is_left(game):
    part = game.restricted(np.empty(0, np.int64))
    assert part.chains(np.empty((1, 0), np.int64), np.array([0]))[0, 0] == pytest.approx(
        game.v_empty, abs=1e-12
    )


def test_small_parts_are_small():
    """Sizes of what a part keeps follow its own points, not those of the whole."""
    part = GAMES["vote"]().restricted(np.array([3, 8]))
    assert len(part.rows.labels) == 2
    assert part.rows.affinity.n_voters == 2
    assert len(part.validation.labels) <= N_VAL
    wide = ALL["wide_evidence"]().restricted(np.array([3, 8]))
    assert wide.X.shape == (2, 2)


def test_voters_of_a_part_stay_ascending():
    part = GAMES["vote"]().restricted(np.random.default_rng(7).permutation(N)[:20])
    for affinity in (part.rows.affinity, part.validation.affinity):
        for begin, end in zip(affinity.indptr, affinity.indptr[1:], strict=False):
            assert (np.diff(affinity.indices[begin:end]) > 0).all()


@pytest.mark.parametrize("make", [ALL["vote"], lambda: TableGame(np.random.default_rng(0).random(2**9))])
def test_translation_does_the_same_for_any_game(make):
    rng = np.random.default_rng(6)
    game = make()
    members = rng.permutation(game.n_points)[:6]
    part = TranslatedGame(game, members)
    assert not isinstance(part, AdditiveGame)
    coalitions = some(rng, 6)
    expected = values_of(game, [members[c] for c in coalitions])
    np.testing.assert_allclose(values_of(part, coalitions), expected, rtol=1e-12, atol=1e-14)
    orders = np.array([rng.permutation(6) for _ in range(3)])
    stops = np.array([[0, 2, 6], [1, 1, 5], [3, 4, 6]])
    np.testing.assert_allclose(
        part.chains(orders, stops),
        [values_of(part, [order[:s] for s in row]) for order, row in zip(orders, stops, strict=True)],
        rtol=1e-12,
        atol=1e-14,
    )
    masks = rng.random((5, 3)) < 0.5
    bounds = np.array([0, 1, 4, 6])
    np.testing.assert_allclose(
        part.coalitions(orders[0], bounds, masks),
        game.coalitions(members[orders[0]], bounds, masks),
        rtol=1e-12,
    )
