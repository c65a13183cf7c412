"""The game over a trainer: each set once, in whatever order, and no wrong hit."""

import threading

import numpy as np
import pytest
from hypothesis import given as cases
from hypothesis import settings
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from hcdv._errors import UtilityError
from hcdv.game import Game
from hcdv.games import NAMES, Estimator, Function, Module
from hcdv.games.retrained import CoalitionCache, RetrainedGame
from hcdv.games.retrained.game import prefix_keys, set_key

N = 11


class Sum:
    """Score of a set: a number that tells sets apart."""

    is_bounded = False
    outline = None

    def __init__(self, fingerprint="sum", factor=1.0):
        self.v_empty = -1.0
        self.fingerprint = fingerprint
        self.factor = factor
        self.trained = []

    def of(self, rows):
        return self.factor * float((2.0 ** np.asarray(rows)).sum())

    def scores(self, coalitions):
        self.trained += [tuple(rows) for rows in coalitions]
        return np.array([self.of(rows) for rows in coalitions])

    def chain_scores(self, order, stops):
        assert (np.diff(stops) > 0).all() and stops[0] > 0
        return self.scores([np.sort(order[:stop]) for stop in stops])

    def walk(self, order, stops):
        for begin in range(0, len(stops), 3):
            yield self.chain_scores(order, stops[begin : begin + 3])


def game(trainer=None, cache=None, order=None):
    order = np.random.default_rng(0).permutation(N) if order is None else order
    return RetrainedGame(trainer or Sum(), order, name="sum", cache=cache)


def test_protocol():
    assert isinstance(game(), Game)


def test_chains_and_coalitions_translate_points_to_rows():
    trainer, rng = Sum(), np.random.default_rng(1)
    g = game(trainer)
    orders = np.array([rng.permutation(N) for _ in range(4)])
    values = g.chains(orders, np.arange(N + 1))
    for t, order in enumerate(orders):
        expected = [-1.0] + [trainer.of(g.order[order[:s]]) for s in range(1, N + 1)]
        np.testing.assert_array_equal(values[t], expected)
    stops = np.array([[0, 3, 3, N], [1, 2, 5, 6], [0, 0, 0, 0], [N, N, N, N]])
    np.testing.assert_array_equal(g.chains(orders, stops), np.take_along_axis(values, stops, 1))

    order, bounds = rng.permutation(N), np.array([0, 2, 3, 7])
    masks = rng.random((20, 3)) < 0.5
    masks[0] = False
    for inside, value in zip(masks, g.coalitions(order, bounds, masks), strict=True):
        members = np.concatenate([order[bounds[k] : bounds[k + 1]] for k in np.flatnonzero(inside)] or [[]])
        rows = g.order[members.astype(int)]
        assert value == (trainer.of(rows) if len(rows) else -1.0)


def test_a_walk_gives_the_values_of_the_chain():
    rng = np.random.default_rng(3)
    for stops in (np.arange(N + 1), np.array([0, 2, 2, 5, N, N]), np.array([0, 0]), np.empty(0, np.int64)):
        order, rows = rng.permutation(N), rng.permutation(N)
        trainer = Sum()
        g = game(trainer, order=rows)
        expected = game(Sum(), order=rows).chains(order[None], stops)[0]
        np.testing.assert_array_equal(list(g.walk(order, stops)), expected)
        assert len(trainer.trained) == len(set(trainer.trained)) == g.n_evaluations
        assert list(g.walk(order, stops)) == list(expected)
        assert g.n_evaluations == len(trainer.trained) == len(set(stops) - {0})


def test_a_walk_trains_no_more_than_is_taken():
    trainer, order = Sum(), np.arange(N)
    g = game(trainer)
    values = g.walk(order, np.arange(N + 1))
    assert next(values) == -1.0 and trainer.trained == []
    taken = [next(values) for _ in range(4)]
    assert len(trainer.trained) == g.n_evaluations == 6  # blocks of three
    trainer.trained.clear()
    every = g.chains(order[None], np.arange(1, N + 1))[0]
    np.testing.assert_array_equal(every[:4], taken)
    assert len(trainer.trained) == N - 6


def test_a_walk_names_what_failed():
    class Fails(Sum):
        def walk(self, order, stops):
            yield self.chain_scores(order, stops[:2])
            raise RuntimeError("no more")

    values = game(Fails()).walk(np.arange(N), np.arange(N + 1))
    assert len([next(values) for _ in range(3)]) == 3
    with pytest.raises(UtilityError, match=f"raised RuntimeError on coalitions of 3 to {N} rows: no more"):
        next(values)

    class Dumb(Sum):
        def scores(self, coalitions):
            raise RuntimeError

    with pytest.raises(UtilityError, match=rf"raised RuntimeError on coalitions of 1 to {N} rows\.$"):
        game(Dumb()).chains(np.arange(N)[None], np.arange(N + 1))

    class Wild(Sum):
        def of(self, rows):
            return np.nan if len(rows) == 2 else 1.0

    values = game(Wild()).walk(np.arange(N), np.arange(N + 1))
    next(values)
    with pytest.raises(UtilityError, match="gave nan for a coalition of 2 rows"):
        next(values)


def test_every_set_is_trained_once_and_counted():
    trainer = Sum()
    g = game(trainer)
    rng = np.random.default_rng(2)
    for _ in range(30):
        g.chains(rng.permutation(N)[None], np.arange(N + 1))
    assert len(trainer.trained) == len(set(trainer.trained)) == g.n_evaluations
    before = g.n_evaluations
    g.chains(np.arange(N)[None], np.array([N, N]))
    assert g.n_evaluations == before


@settings(max_examples=50, deadline=None)
@cases(st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_never_a_wrong_hit(seed, max_entries):
    rng = np.random.default_rng(seed)
    cache = CoalitionCache(max_entries=max_entries)
    trainers = [Sum("a"), Sum("b", 2.0), Sum(None, 3.0), Sum(None, 4.0)]
    games = [game(trainer, cache, order=rng.permutation(N)) for trainer in trainers]
    for _ in range(12):
        k, order = rng.integers(4), rng.permutation(N)
        stop = np.sort(rng.integers(0, N + 1, 3))
        expected = [trainers[k].of(games[k].order[order[:s]]) if s else -1.0 for s in stop]
        np.testing.assert_array_equal(games[k].chains(order[None], stop)[0], expected)
        assert len(cache) <= max_entries


@settings(max_examples=50, deadline=None)
@cases(st.integers(0, 2**32 - 1), st.integers(1, 70))
def test_keys_depend_on_the_set_alone(seed, n):
    rng = np.random.default_rng(seed)
    order, stops = rng.permutation(n), np.sort(rng.integers(0, n + 1, 6))
    keys = prefix_keys(order, stops, n)
    assert keys == [set_key(rng.permutation(order[:s]), n) for s in stops]
    assert len(set(keys)) == len(set(stops.tolist()))


def test_a_second_game_on_the_same_data_trains_nothing():
    cache = CoalitionCache()
    first = game(Sum("same"), cache)
    orders = np.arange(N)[None]
    values = first.chains(orders, np.arange(N + 1))
    second = game(Sum("same"), cache)
    np.testing.assert_array_equal(second.chains(orders, np.arange(N + 1)), values)
    assert second.n_evaluations == 0


def test_threads_agree():
    g = game()
    orders = [np.random.default_rng(k % 5).permutation(N)[None] for k in range(40)]
    answers = [None] * len(orders)

    def ask(k):
        answers[k] = g.chains(orders[k], np.arange(N + 1))

    tasks = [threading.Thread(target=ask, args=(k,)) for k in range(len(orders))]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    for k, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, answers[k % 5])


@pytest.mark.parametrize(
    ("answer", "bounded", "sentence"),
    [
        (float("nan"), False, r"utility 'sum' gave nan for a coalition of 1 rows, but .* below 1e\+150"),
        (-2e150, False, r"utility 'sum' gave -2e\+150 for a coalition of 1 rows, but .* below 1e\+150"),
        (1.5, True, r"utility 'sum' gave 1.5 for a coalition of 1 rows, but .* a number in \[0, 1\]"),
    ],
)
def test_values_that_are_none_are_refused(answer, bounded, sentence):
    trainer = Sum()
    trainer.is_bounded = bounded
    trainer.of = lambda rows: answer
    with pytest.raises(UtilityError, match=sentence):
        game(trainer).chains(np.arange(N)[None], np.arange(2))


def test_what_a_trainer_raises_becomes_one_sentence():
    trainer = Sum()

    def fail(rows):
        raise ZeroDivisionError("division by zero")

    trainer.of = fail
    with pytest.raises(UtilityError, match="'sum' raised ZeroDivisionError on coalitions of 3 rows: division"):
        game(trainer).chains(np.arange(N)[None], np.array([3]))


@pytest.mark.parametrize(
    "make",
    [
        lambda name: Function(len, name=name),
        lambda name: Estimator(GaussianNB(), name=name),
        lambda name: Module(object, name=name),
    ],
)
def test_a_name_that_a_game_of_the_library_has_is_refused(make):
    """A function called "contrast" was lost: the dispersion took its place in the sum."""
    assert make("mine").name == "mine"
    for taken in (*NAMES, "contrast"):
        if taken != "logistic":  # a model too, and never added unasked
            with pytest.raises(ValueError, match="name must be none of"):
                make(taken)
    with pytest.raises(TypeError, match="name must be text, got int"):
        make(3)


def test_scores_of_a_file_are_looked_at_too():
    cache, trainer = CoalitionCache(), Sum()
    trainer.is_bounded = True
    cache.view(trainer.fingerprint, "sum").put({set_key(np.array([0]), N): 1.5})
    with pytest.raises(UtilityError, match=r"gave 1.5 for a coalition of 1 rows, but .* in \[0, 1\]"):
        game(trainer, cache, np.arange(N)).chains(np.arange(N)[None], np.array([1]))
