"""Hostile arguments to every public function: a result, or one sentence that names an argument."""

import importlib
import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hcdv import ValuationResult
from tests.robustness.calls import AMOUNTS, CALLS
from tests.robustness.hostile import hostile

MODULES = ("baselines", "datasets", "diagnostics", "encoder", "games", "io", "shapley", "tasks")
# Functions and classes that take what this library has made and checked, or data that are not everywhere.
PASSED_OVER = {
    "datasets": {"load_adult", "load_bbc", "load_cifar10", "load_criteo", "load_fashion_mnist", "load_imdb"},
    "games": {"as_features", "learns_width", "plan_utility", "with_likeliest_weights"},
}


# Arguments that are files, or may be.
PATHS = ("path", "cache", "checkpoint", "X", "X_val")


@st.composite
def spoilt_call(draw, name):
    """Good arguments, one or two of which are replaced by bad ones."""
    good = CALLS[name].good
    chosen = draw(st.lists(st.sampled_from(list(good)), min_size=1, max_size=min(2, len(good)), unique=True))
    return {key: draw(hostile(key, good[key], AMOUNTS)) for key in chosen}


def check(name, bad):
    """What a call may end in."""
    call = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not call.keeps_nan:
            warnings.simplefilter("error", RuntimeWarning)
        try:
            answer = call.function(**{**call.good, **bad})
        except (ValueError, TypeError, *call.errors) as error:
            check_sentence(str(error), call, error, bad)
            return
    if isinstance(answer, ValuationResult):
        answer = answer.values
    if not call.keeps_nan and isinstance(answer, np.ndarray) and answer.dtype.kind == "f":
        assert np.isfinite(answer).all()


def check_sentence(said, call, error, bad):
    """One sentence for a user: about an argument, without the words of the libraries below."""
    # A path may stand for its argument, and hold what it likes.
    paths = [str(bad[key]) for key in PATHS if isinstance(bad.get(key), (str, Path)) and bad[key]]
    for path in paths:
        said = said.replace(path, "path")
    assert "\n" not in said, said
    if isinstance(error, OSError):
        return
    assert said.endswith("."), said
    # An argument that is missing or unknown is Python's to name.
    # So may a column of X.
    names = [*call.words, *["path"] * bool(paths), *["column"] * ("X" in call.good), *call.good]
    names += inspect.signature(call.function).parameters
    assert any(re.search(rf"\b{re.escape(name.rstrip('_'))}\b", said) for name in names), said


FAST = settings(
    max_examples=10, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
LONG = settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", CALLS)
def test_good_arguments_are_good(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "absent" in str(CALLS[name].good.get("path")):
        with pytest.raises((OSError, ValueError), match="absent"):
            CALLS[name].function(**CALLS[name].good)
    else:
        CALLS[name].function(**CALLS[name].good)


@pytest.mark.parametrize("name", CALLS)
def test_hostile_arguments(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FAST(given(spoilt_call(name))(lambda bad: check(name, bad)))()


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_hostile_arguments_at_length(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LONG(given(spoilt_call(name))(lambda bad: check(name, bad)))()


def test_every_public_function_is_called():
    lacking = []
    for module in MODULES:
        public = importlib.import_module(f"hcdv.{module}")
        functions = {name for name in public.__all__ if inspect.isfunction(getattr(public, name))}
        called = {name.removeprefix(f"{module}.") for name in CALLS if name.startswith(f"{module}.")}
        lacking += [f"{module}.{n}" for n in functions - called - PASSED_OVER.get(module, set())]
    assert lacking == []
