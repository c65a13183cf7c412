"""The seconds of a kernel over those of its yardstick, measured turn by turn.

Seconds are the processor's, not the wall's: all runs on one thread, and a busy machine must not count.
"""

from __future__ import annotations

import time
from typing import Any

from bench.regression.cases import Case

# Enough turns that the least of them met a free core, few enough that all cases take half a minute.
TURNS = 15
# A ratio may grow this much before it counts as slower: the least of fifteen turns differs by up to 1.3 between
# runs on two busy cores.
TOLERANCE = 1.6


def ratio(benchmark: Any, case: Case) -> float:
    """Least seconds of the kernel over least seconds of the yardstick, which runs before each of its turns.

    ``benchmark`` is pytest-benchmark's fixture, with ``time.process_time`` as its timer; it keeps the ratio.
    """
    seconds = []

    def yardstick() -> None:
        begin = time.process_time()
        case.yardstick()
        seconds.append(time.process_time() - begin)

    benchmark.pedantic(case.kernel, setup=yardstick, rounds=TURNS, warmup_rounds=1)
    value = float(benchmark.stats.stats.min) / min(seconds)
    benchmark.extra_info["ratio"] = value
    return value


def is_slower(now: float, before: float) -> bool:
    """Whether a ratio has grown beyond what noise explains."""
    return now > TOLERANCE * before
