"""The regression bench catches what it is there for."""

import time

import pytest

from bench.regression.cases import CASES, Case
from bench.regression.ratios import is_slower, ratio


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("times", [1, 2])
def test_a_slowdown_is_caught_and_none_is_not(benchmark, times):
    case = CASES["vote.vote_chain"]()
    before = cpu_seconds(case.kernel) / cpu_seconds(case.yardstick)
    now = ratio(benchmark, Case(lambda: [case.kernel() for _ in range(times)], case.yardstick))
    assert is_slower(now, before) == (times == 2)
    assert benchmark.extra_info["ratio"] == now


def cpu_seconds(function):
    """Least of fifteen, by another timer than the bench's."""
    seconds = []
    for _ in range(15):
        begin = time.thread_time()
        function()
        seconds.append(time.thread_time() - begin)
    return min(seconds)
