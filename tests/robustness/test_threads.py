"""Eight threads of a user's own, each with its own fit: the bits of one."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np
import pytest

from hcdv import HCDV, shapley
from hcdv._dropped import go_on
from hcdv.datasets import make_synthetic
from hcdv.engine import Threads, make_engine

N_THREADS = 8
DATA = make_synthetic(n=90, n_val=30, n_test=2)


def fit(seed):
    model = HCDV(
        utility=["kernel", "forest", "fit"], n_permutations=4, keep_chains=True, n_jobs=2, random_state=seed
    )
    model.fit(DATA.X[:80], DATA.y[:80], DATA.X_val, DATA.y_val)
    fitted = model.values_.tobytes()
    model.partial_fit(DATA.X[80:], DATA.y[80:])
    return fitted, model.values_.tobytes(), model.result_.std_error.tobytes()


def knn(seed):
    rows = np.random.default_rng(seed).permutation(90)
    return shapley.knn_shapley_values(DATA.X[rows], DATA.y[rows], DATA.X_val, DATA.y_val, n_jobs=2).tobytes()


def at_once(work, seeds):
    """What ``work`` answers, all of it begun at the same time."""
    gate = Barrier(len(seeds))

    def begin(seed):
        gate.wait()
        return work(seed)

    with ThreadPoolExecutor(len(seeds)) as pool:
        return list(pool.map(begin, seeds))


@pytest.mark.parametrize("work", [fit, knn])
def test_eight_threads_give_the_bits_of_one(work):
    seeds = [0, 0, 1, 1, 2, 2, 3, 3]
    alone = {seed: work(seed) for seed in set(seeds)}
    assert len(set(alone.values())) == 4
    assert at_once(work, seeds) == [alone[seed] for seed in seeds]


def test_one_model_is_asked_by_eight_threads():
    """Reading a fitted model from several threads is safe, too."""
    model = HCDV(utility="kernel", n_permutations=4, random_state=0, n_jobs=1).fit(DATA.X, DATA.y)

    def ask(_):
        result = model.result_
        return result.select(0.3).tobytes(), result.reweight(kernel=2.0).values.tobytes(), result.summary()

    assert len(set(at_once(ask, range(N_THREADS)))) == 1


@pytest.mark.parametrize("stopped_by", ["consumer", "Ctrl-C"])
def test_tasks_that_nobody_waits_for_end(stopped_by):
    """Else the process could not end, either."""
    begun, ended = Event(), Event()

    def work(item):
        if item == 0:
            assert begun.wait(60)
            return 0
        begun.set()
        try:
            while True:
                go_on()
                time.sleep(0.001)
        finally:
            ended.set()

    if stopped_by == "consumer":
        answers = make_engine("threads", 2).map(work, range(2), name=str)
        assert next(answers) == 0
        answers.close()
    else:
        answers = Threads(2).map(work, range(2), look_ahead=1)
        assert next(answers) == 0
        with pytest.raises(KeyboardInterrupt):
            answers.throw(KeyboardInterrupt)
    assert ended.wait(60)
