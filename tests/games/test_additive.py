"""What every additive game promises: states add up, and chains go on from any context."""

import numpy as np
import pytest

from hcdv.affinity import Affinity
from hcdv.game import AdditiveGame, Game, coalitions_from_chains
from hcdv.games import DispersionGame, Electorate, EvidenceGame, RidgeGame, VoteGame
from hcdv.games.folds import FoldedGame
from hcdv.games.knn import KNNGame
from tests.reference.evidence import evidence_chain
from tests.trees import random_weights, sparse

N, N_VAL, N_CLASSES = 31, 9, 3


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, 4)).astype(np.float32), rng.integers(0, N_CLASSES, N), rng


def vote(score="log"):
    _, labels, rng = rows()
    own = Affinity(*sparse(random_weights(rng, N, N)), N)
    heard = Affinity(*sparse(random_weights(rng, N, N_VAL)), N_VAL)
    theirs = rng.integers(0, N_CLASSES, N_VAL)
    trusted = np.sort(rng.random((N, 2)), axis=1)
    return VoteGame(
        Electorate.of(own, labels, N_CLASSES, prior_share=0.1, trusted=trusted),
        N_CLASSES,
        validation=Electorate.of(heard, theirs, N_CLASSES, prior_share=0.2),
        validation_weight=0.3,
        score=score,
    )


def knn(n=N, seed=1):
    rng = np.random.default_rng(seed)
    rank = np.argsort(np.argsort(rng.random((n, N_VAL)), axis=0), axis=0)
    return KNNGame((2 * rank + rng.integers(0, 2, (n, N_VAL))).astype(np.int32), N_CLASSES)


def ridge():
    X, labels, rng = rows()
    X_val = rng.normal(size=(40, 4)).astype(np.float32)
    return RidgeGame(X, labels, X_val, rng.integers(0, N_CLASSES, 40), N_CLASSES)


def folded():
    fold = np.random.default_rng(2).permutation(np.arange(N) % 3)
    return FoldedGame([knn(int((fold == f).sum()), seed=f) for f in range(3)], fold)


GAMES = {
    "vote": vote,
    "vote_share": lambda: vote("share"),
    "evidence": lambda: EvidenceGame(*rows()[:2], N_CLASSES),
    "fit": lambda: EvidenceGame(*rows()[:2], N_CLASSES, leverage=False),
    "dispersion_sum": lambda: DispersionGame(*rows()[:2], N_CLASSES, dispersion="sum"),
    "dispersion_centred": lambda: DispersionGame(*rows()[:2], N_CLASSES),
    "knn": knn,
    "ridge": ridge,
    "folded": folded,
}


@pytest.fixture(params=GAMES)
def game(request):
    return GAMES[request.param]()


def test_protocol(game):
    assert isinstance(game, Game)
    assert isinstance(game, AdditiveGame)
    nobody = game.chains(np.arange(N)[None], np.array([0]))[0, 0]
    assert nobody == pytest.approx(game.v_empty, abs=1e-12)


def test_block_by_block_equals_the_whole_chain(game):
    rng = np.random.default_rng(5)
    order = rng.permutation(N)
    whole = game.chains(order[None], np.arange(N + 1))[0]
    state = game.state(np.empty(0, np.int64))
    begin = 0
    for end in (1, 6, 6, 20, N):
        block = order[begin:end]
        piece = game.chain_from(state, block, np.arange(len(block) + 1))
        np.testing.assert_allclose(piece, whole[begin : end + 1], rtol=1e-12, atol=1e-12)
        state = state + game.state(block)
        begin = end


def test_a_chain_leaves_its_context_alone(game):
    order = np.random.default_rng(6).permutation(N)
    state = game.state(order[:10])
    first = game.chain_from(state, order[10:], np.arange(N - 9))
    np.testing.assert_array_equal(first, game.chain_from(state, order[10:], np.arange(N - 9)))


def test_coalitions_equal_chains(game):
    rng = np.random.default_rng(7)
    order, bounds = rng.permutation(N)[:25], np.array([0, 4, 4, 11, 25])
    masks = rng.random((12, 4)) < 0.5
    masks[0] = False
    np.testing.assert_allclose(
        game.coalitions(order, bounds, masks),
        coalitions_from_chains(game, order, bounds, masks),
        rtol=1e-11,
        atol=1e-12,
    )


def test_value_does_not_depend_on_the_order(game):
    rng = np.random.default_rng(8)
    orders = np.array([rng.permutation(N) for _ in range(4)])
    ends = game.chains(orders, np.array([N]))[:, 0]
    np.testing.assert_allclose(ends, ends[0], rtol=1e-11, atol=1e-14)


def test_stops_may_be_any_ascending_prefix_lengths(game):
    order = np.random.default_rng(9).permutation(N)
    whole = game.chains(order[None], np.arange(N + 1))[0]
    stops = np.array([0, 0, 3, 17, N, N])
    np.testing.assert_array_equal(game.chains(order[None], stops)[0], whole[stops])


def test_strided_and_read_only_orders_work(game):
    order = np.random.default_rng(10).permutation(N)
    strided = np.repeat(order, 2)[::2]
    strided.setflags(write=False)
    stops = np.arange(N + 1)
    np.testing.assert_array_equal(
        game.chains(strided[None], stops), game.chains(order[None], stops)
    )


@pytest.mark.parametrize("leverage", [False, True])
@pytest.mark.parametrize("exponent", [-83, -20, 0, 30, 60])
def test_evidence_does_not_depend_on_the_unit_of_the_rows(exponent, leverage):
    X, labels, rng = rows()
    X /= np.sqrt(np.mean(X.astype(float) ** 2))
    scaled = np.ldexp(X, exponent)
    order, stops = rng.permutation(N), np.arange(N + 1)
    game = EvidenceGame(scaled, labels, N_CLASSES, leverage=leverage)
    whole = game.chains(order[None], stops)[0]
    np.testing.assert_allclose(
        whole * N, evidence_chain(X, labels, N_CLASSES, 0.25, leverage, order, stops), atol=1e-5
    )
    # The same end from the other half first: states of the game and chains agree in any unit.
    end = game.chain_from(game.state(order[10:]), order[:10], np.array([10]))[0]
    assert end == pytest.approx(whole[-1], rel=1e-11)


@pytest.mark.parametrize("d", [1, 7, 40])
def test_a_chain_from_nobody_is_a_chain(d):
    """To the last bit: a part of the rows is walked the one way, all of them the other."""
    rng = np.random.default_rng(d)
    X, labels, order = rng.normal(size=(50, d)), rng.integers(0, 3, 50), rng.permutation(50)
    game, stops = EvidenceGame(X, labels, 3), np.arange(51)
    from_nobody = game.chain_from(game.state(order[:0]), order, stops)
    np.testing.assert_array_equal(game.chains(order[None], stops)[0], from_nobody)
