"""The games in torch have the values of the compiled kernels, on the CPU and on CUDA."""

import tracemalloc

import numpy as np
import pytest

from hcdv.affinity import Affinity
from hcdv.game import Game
from hcdv.games import DispersionGame, Electorate, EvidenceGame, RidgeGame, VoteGame
from hcdv.games.knn import KNNGame
from hcdv.games.on_device import device_game
from tests.games.test_additive import GAMES as SMALL
from tests.games.test_additive import N_CLASSES, N_VAL, N
from tests.trees import random_weights, sparse

torch = pytest.importorskip("torch")

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]


def uneven_vote():
    """Voters that hear nobody, and one that hears all."""
    rng = np.random.default_rng(3)
    weights = random_weights(rng, N, N)
    weights[:, :5] = 0.0
    weights[:, 6] = rng.random(N)
    weights[6, 6] = 0.0
    weights = weights.astype(np.float32)
    labels = rng.integers(0, N_CLASSES, N)
    silent = Affinity(*sparse(np.zeros((N, N_VAL), np.float32)), N_VAL)
    return VoteGame(
        Electorate.of(Affinity(*sparse(weights), N), labels, N_CLASSES, prior_share=0.1),
        N_CLASSES,
        validation=Electorate.of(silent, rng.integers(0, N_CLASSES, N_VAL), N_CLASSES, prior_share=0.2),
        validation_weight=0.3,
    )


def wide(kind):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(N, 40)).astype(np.float32)
    labels = rng.integers(0, N_CLASSES, N)
    if kind == "ridge":
        return RidgeGame(X, labels, rng.normal(size=(30, 40)), rng.integers(0, N_CLASSES, 30), N_CLASSES)
    return EvidenceGame(X, labels, N_CLASSES)


GAMES = SMALL | {
    "uneven_vote": uneven_vote,
    "wide_ridge": lambda: wide("ridge"),
    "wide_evidence": lambda: wide("evidence"),
    "no_columns": lambda: EvidenceGame(np.zeros((N, 0)), np.arange(N) % N_CLASSES, N_CLASSES),
    "dispersion_normalised": lambda: DispersionGame(
        np.random.default_rng(0).normal(size=(N, 3)), np.arange(N) % 2, 2, dispersion="normalised"
    ),
    "dispersion_without_prior": lambda: DispersionGame(
        np.random.default_rng(0).normal(size=(N, 3)), np.arange(N) % 2, 2, kappa=0.0
    ),
}
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


@pytest.fixture(params=GAMES)
def game(request):
    return GAMES[request.param]()


def stops_of_every_kind(rng):
    return [
        np.arange(N + 1),
        np.empty(0, np.int64),
        np.array([0]),
        np.array([N]),
        np.array([0, 0, 7, 7, 20, N, N]),
        np.sort(rng.integers(0, N + 1, 200)),
    ]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_chains_equal_the_kernels(game, device, dtype):
    there = device_game(game, device, dtype=dtype)
    assert isinstance(there, Game)
    assert (there.n_points, there.v_empty) == (game.n_points, game.v_empty)
    rng = np.random.default_rng(0)
    orders = np.array([rng.permutation(N) for _ in range(3)])
    orders.setflags(write=False)
    for stops in stops_of_every_kind(rng):
        np.testing.assert_allclose(
            there.chains(orders, stops), game.chains(orders, stops), rtol=0, atol=TOLERANCE[dtype]
        )
    by_chain = np.sort(rng.integers(0, N + 1, (3, 9)), axis=1)
    np.testing.assert_allclose(
        there.chains(orders, by_chain), game.chains(orders, by_chain), rtol=0, atol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize("device", DEVICES)
def test_coalitions_equal_the_kernels(game, device):
    rng = np.random.default_rng(1)
    order, bounds = rng.permutation(N)[:20], np.array([0, 1, 4, 4, 13, 20])
    masks = rng.random((9, 5)) < 0.5
    np.testing.assert_allclose(
        device_game(game, device).coalitions(order, bounds, masks),
        game.coalitions(order, bounds, masks),
        rtol=0,
        atol=1e-12,
    )


def test_small_batches_change_nothing(game, monkeypatch):
    order = np.random.default_rng(2).permutation(N)[None]
    for stops in (np.arange(N + 1), np.array([3, 17])):
        whole = device_game(game, "cpu").chains(order, stops)
        monkeypatch.setattr("hcdv.games.on_device._torch_game.CPU_NUMBERS", 50)
        np.testing.assert_allclose(device_game(game, "cpu").chains(order, stops), whole, rtol=0, atol=1e-12)
        monkeypatch.undo()


def test_long_segments_are_summed_one_by_one(monkeypatch):
    game = wide("evidence")
    order, stops = np.random.default_rng(2).permutation(N)[None], np.array([1, 2, 29])
    for short in (0, 1000):
        monkeypatch.setattr("hcdv.games.on_device._torch_statistics.SHORT_SEGMENT", short)
        np.testing.assert_allclose(
            device_game(game, "cpu").chains(order, stops), game.chains(order, stops), atol=1e-12
        )


@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("coming", ["at random", "nearer and nearer", "the nearest first"])
@pytest.mark.parametrize("n", [2, 59, 700])
def test_nearest_rows_in_any_order(n, coming, k, monkeypatch):
    rng = np.random.default_rng(5)
    rank = np.argsort(np.argsort(rng.random((n, 7)), axis=0), axis=0)
    if coming != "at random":
        rank = np.sort(rank, axis=0)
    order = np.arange(n)[None, :: -1 if coming == "nearer and nearer" else 1]
    game = KNNGame((2 * rank + rng.integers(0, 2, (n, 7))).astype(np.int32), 2, k=k)
    for stops in (np.arange(n + 1), np.arange(n // 2), np.array([0, n])):
        expected = game.chains(order, stops)
        for numbers in (1, 4 * n, 1 << 20):
            monkeypatch.setattr("hcdv.games.on_device._torch_game.CPU_NUMBERS", numbers)
            np.testing.assert_allclose(
                device_game(game, "cpu").chains(order, stops), expected, rtol=0, atol=1e-15
            )


def test_votes_take_eight_bytes_each_and_are_copied_once(monkeypatch):
    monkeypatch.setattr("hcdv.games.on_device._torch_votes.PIECE", 1000)
    n, degree = 20_000, 16
    rng = np.random.default_rng(6)
    affinity = Affinity(
        np.arange(0, n * degree + 1, degree),
        np.sort((np.arange(n)[:, None] + 1 + np.arange(degree)) % n, axis=1).astype(np.int32).ravel(),
        rng.random(n * degree, dtype=np.float32),
        n,
    )
    game = VoteGame(Electorate.of(affinity, rng.integers(0, 3, n), 3, prior_share=0.1), 3)
    tracemalloc.start()
    there = device_game(game, "cpu")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    votes = n * degree
    assert there._rows.source.nbytes + there._rows.weight.nbytes == 8 * votes
    # The copy, and some numbers of each voter.
    assert peak < 8 * votes + 64 * n
    np.testing.assert_allclose(
        there.chains(np.arange(n)[None], np.arange(0, n, 999)),
        game.chains(np.arange(n)[None], np.arange(0, n, 999)),
        rtol=0,
        atol=1e-12,
    )


def test_any_other_game_is_given_back():
    from tests.table_game import TableGame

    game = TableGame(np.arange(8.0))
    assert device_game(game, "cpu") is game
    with pytest.raises(ValueError, match="dtype must be one of"):
        device_game(game, "cpu", dtype="float16")
