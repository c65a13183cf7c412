"""No kernel and no stage has become slower, as a multiple of a numpy yardstick timed in the same run.

    python -m pytest bench/regression                     compares with the newest record of history.json
    python -m pytest bench/regression --record            adds a record, the new standard
    python -m pytest bench/regression --benchmark-autosave   keeps pytest-benchmark's own figures as well
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from bench.regression.cases import CASES
from bench.regression.ratios import TOLERANCE, is_slower, ratio


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("name", CASES)
def test_as_fast_as_it_was(
    name: str, benchmark: Any, measured: dict[str, float], standard: dict[str, float]
) -> None:
    now = measured[name] = ratio(benchmark, CASES[name]())
    if standard:
        before = standard[name]
        assert not is_slower(now, before), (
            f"{name} takes {now:.3g} yardsticks, it took {before:.3g} (at most {TOLERANCE} times that)"
        )
