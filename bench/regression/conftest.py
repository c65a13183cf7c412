"""The history of the ratios: one record a recorded run, the newest is the standard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench._measure import machine
from hcdv.engine import single_threaded_blas

HISTORY = Path(__file__).with_name("history.json")


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--record", action="store_true", help="add this run to the history: the new standard")


@pytest.fixture(scope="session")
def standard(request: Any) -> dict[str, float]:
    """Ratios that this run has to hold; empty where it sets them."""
    if request.config.getoption("--record"):
        return {}
    newest: dict[str, float] = json.loads(HISTORY.read_text())[-1]["ratios"]
    return newest


@pytest.fixture(scope="session")
def measured(request: Any) -> Iterator[dict[str, float]]:
    """Ratios of this run, filled in by the tests."""
    ratios: dict[str, float] = {}
    with single_threaded_blas():
        yield ratios
    if request.config.getoption("--record") and not request.session.testsfailed:
        records = json.loads(HISTORY.read_text()) if HISTORY.exists() else []
        records.append({"machine": machine(), "ratios": {name: round(r, 4) for name, r in ratios.items()}})
        HISTORY.write_text(json.dumps(records, indent=1) + "\n")
