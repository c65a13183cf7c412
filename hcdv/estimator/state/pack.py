"""Rows, trees, chains and steps as named arrays and plain facts, and back, checked."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hcdv._labels import as_python, of_one_kind
from hcdv.affinity import VoterLists
from hcdv.allocation import KeptChains
from hcdv.encoder import Spaces
from hcdv.estimator.live import NewRows
from hcdv.estimator.update import Update
from hcdv.estimator.updating import Options, Step
from hcdv.games import KernelLists
from hcdv.hierarchy import Hierarchy

Arrays = dict[str, NDArray[Any]]
_PLAIN = "biufUSMm"
_FRAME = "frame:"  # before the name of an array that is a Parquet file


class Reader:
    """Named arrays of a file, each asked for with what it must be like.

    Raises
    ------
    ValueError
        What is missing or does not fit, in half a sentence.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.arrays = dict(arrays)

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def get(self, name: str, dtype: Any, *shape: int | None) -> NDArray[Any]:
        """The array ``name``; None in the shape is any length."""
        if name not in self.arrays:
            raise ValueError(f"{name} is missing")
        array = self.arrays[name]
        if array.dtype != np.dtype(dtype):
            raise ValueError(f"{name} has dtype {array.dtype}, expected {np.dtype(dtype)}")
        fits = array.ndim == len(shape) and all(
            want is None or want == have for want, have in zip(shape, array.shape, strict=False)
        )
        if not fits:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        return array

    def finite(self, name: str, dtype: Any, *shape: int | None) -> NDArray[Any]:
        array = self.get(name, dtype, *shape)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite")
        return array

    def within(self, name: str, dtype: Any, low: int, high: int, *shape: int | None) -> NDArray[Any]:
        """Integers from ``low`` to ``high``."""
        array = self.get(name, dtype, *shape)
        if array.size and (array.min() < low or array.max() > high):
            raise ValueError(f"{name} holds numbers outside {low} to {high}")
        return array

    def any_of(self, name: str, length: int) -> NDArray[Any]:
        """Labels, names: one of each row, of whatever kind."""
        if name not in self.arrays:
            raise ValueError(f"{name} is missing")
        array = self.arrays[name]
        if array.shape != (length,):
            raise ValueError(f"{name} has shape {array.shape}, expected ({length},)")
        return array


def plain(array: NDArray[Any], name: str) -> NDArray[Any]:
    """The array as a file can hold it: numbers, dates or text, all of one kind."""
    if array.dtype.kind in _PLAIN:
        return array
    try:
        alike = of_one_kind(array)
    except ValueError as error:
        raise ValueError(f"{name} cannot be saved: {error}.") from None
    if alike is None:
        found = ", ".join(sorted({type(item).__name__ for item in array}))
        raise ValueError(
            f"{name} cannot be saved: a file holds numbers, texts or dates (without a time zone), all of one "
            f"kind, got {found}."
        )
    return alike


def tree_arrays(tree: Hierarchy, prefix: str = "tree_") -> Arrays:
    return {prefix + item.name: getattr(tree, item.name) for item in fields(tree)}


def tree_of(reader: Reader, n: int, prefix: str = "tree_") -> Hierarchy:
    given = {item.name: reader.get(prefix + item.name, np.int64, None) for item in fields(Hierarchy)}
    tree = Hierarchy(**given).validate()
    if tree.n_points != n:
        raise ValueError(f"its tree is over {tree.n_points} rows, not {n}")
    return tree


def chains_arrays(chains: KeptChains) -> Arrays:
    return {
        "chains": np.array(chains.points),
        "chains_mean": chains.mean,
        "chains_walked": chains.walked,
        "chains_born": chains.born,
        "chains_empty": chains.v_empty,
        "chains_full": chains.v_full,
        "chains_state": np.array([chains.update, chains.next_pair]),
    }


def chains_of(reader: Reader, n: int, n_games: int) -> KeptChains:
    points = reader.finite("chains", np.float64, None, n_games, n)
    if not len(points):
        raise ValueError("chains are none")
    state = reader.within("chains_state", np.int64, 0, 2**62, 2)
    update, next_pair = (int(item) for item in state)
    if next_pair >= len(points):
        raise ValueError("chains_state names a pair that is not there")
    return KeptChains(
        points=list(points),
        mean=reader.finite("chains_mean", np.float64, n_games, n),
        walked=reader.within("chains_walked", np.int64, 0, update, len(points)),
        born=reader.within("chains_born", np.int64, 0, update, n),
        v_empty=reader.finite("chains_empty", np.float64, n_games),
        v_full=reader.finite("chains_full", np.float64, n_games),
        update=update,
        next_pair=next_pair,
    )


def lists_arrays(lists: KernelLists, prefix: str) -> Arrays:
    arrays: Arrays = {f"{prefix}ids": lists.rows.ids, f"{prefix}d2": lists.rows.d2}
    arrays[f"{prefix}bandwidth"] = lists.bandwidth
    if lists.validation is not None:
        arrays |= {f"{prefix}val_ids": lists.validation.ids, f"{prefix}val_d2": lists.validation.d2}
    if lists.trusted is not None:
        arrays[f"{prefix}trusted"] = lists.trusted
    return arrays


def lists_facts(lists: KernelLists) -> dict[str, Any]:
    return {
        "width": float(lists.width),
        "validation_weight": float(lists.validation_weight),
        "space": lists.space,
        "recall": float(lists.rows.recall),
        "validation_recall": None if lists.validation is None else float(lists.validation.recall),
    }


def lists_of(reader: Reader, facts: Mapping[str, Any], prefix: str, n: int, n_val: int) -> KernelLists:
    validation = None
    if f"{prefix}val_ids" in reader:
        validation = _voter_lists(reader, f"{prefix}val_", n_val, n, facts.get("validation_recall"))
    space = facts.get("space")
    if space is not None and not isinstance(space, str):
        raise ValueError(f"{prefix} names no space")
    bandwidth = reader.finite(f"{prefix}bandwidth", np.float64, n)
    if (bandwidth <= 0).any():
        raise ValueError(f"{prefix}bandwidth is not positive")
    return KernelLists(
        rows=_voter_lists(reader, prefix, n, n, facts.get("recall")),
        validation=validation,
        bandwidth=bandwidth,
        trusted=reader.finite(f"{prefix}trusted", np.float64, n, 2) if f"{prefix}trusted" in reader else None,
        width=number(facts.get("width"), "width", positive=True),
        validation_weight=number(facts.get("validation_weight"), "validation_weight"),
        space=space,
    )


def _voter_lists(reader: Reader, prefix: str, n_voters: int, n: int, recall: Any) -> VoterLists:
    ids = reader.within(f"{prefix}ids", np.int32, -1, n - 1, n_voters, None)
    d2 = reader.get(f"{prefix}d2", np.float32, *ids.shape)
    if np.isnan(d2).any() or (d2 < 0).any() or ((ids < 0) != np.isinf(d2)).any() or not ids.shape[1]:
        raise ValueError(f"{prefix}d2 does not go with {prefix}ids")
    return VoterLists(ids, d2, number(recall, "recall"))


def number(value: Any, name: str, *, positive: bool = False) -> float:
    if type(value) not in (int, float) or not abs(value) < 1e300 or (positive and value <= 0):
        raise ValueError(f"{name} is no {'positive ' if positive else ''}number")
    return float(value)


# Counts stay far below what 64 bits hold; these are no counts, and reach as far as they can.
_LIMITS = {"seed": 2**63, "next_id": 2**64 + 1}


def count(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value < _LIMITS.get(name, 2**62):
        raise ValueError(f"{name} is no whole number from 0")
    return value


def given_arrays(X: Any, name: str) -> Arrays:
    """Rows as the user gave them: an array of numbers, or a table as a Parquet file."""
    if X is None:
        return {}
    if isinstance(X, pd.DataFrame):
        buffer = io.BytesIO()
        try:
            X.to_parquet(buffer)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ValueError(f"the rows cannot be saved: their table fits no Parquet file ({error}).") from None
        return {f"{name}_table": np.frombuffer(buffer.getvalue(), np.uint8)}
    if isinstance(X, np.ndarray) and X.dtype.kind in _PLAIN:
        return {name: X}
    raise ValueError(
        f"the rows cannot be saved as they were given ({type(X).__name__}): arrays and DataFrames can."
    )


def given_of(reader: Reader, name: str, n: int) -> Any:
    if f"{name}_table" in reader:
        data = reader.get(f"{name}_table", np.uint8, None)
        try:
            frame = pd.read_parquet(io.BytesIO(data.tobytes()))
        except Exception as error:  # whatever a damaged Parquet file makes pyarrow raise
            raise ValueError(f"{name} is no table ({type(error).__name__})") from None
        if len(frame) != n:
            raise ValueError(f"{name} has {len(frame)} rows, expected {n}")
        return frame
    if name not in reader:
        return None
    array = reader.arrays[name]
    if array.ndim < 1 or len(array) != n:
        raise ValueError(f"{name} has shape {array.shape}, expected {n} rows")
    return array


def group_arrays(groups: NDArray[Any] | None, prefix: str = "group_") -> Arrays:
    if groups is None:
        return {}
    return {f"{prefix}{level}": plain(column, "groups") for level, column in enumerate(groups.T)}


def groups_of(reader: Reader, n: int, prefix: str = "group_") -> NDArray[Any] | None:
    columns: list[NDArray[Any]] = []
    while f"{prefix}{len(columns)}" in reader:
        column = reader.any_of(f"{prefix}{len(columns)}", n)
        columns.append(_objects(column))
    return np.column_stack(columns) if columns else None


def _objects(column: NDArray[Any]) -> NDArray[Any]:
    """Labels of groups as Python has them, dates of a calendar apart from times."""
    if column.dtype.kind in "Mm" and column.dtype != np.dtype("M8[D]"):
        return np.asarray(pd.Series(column).astype(object))
    return np.array(column.tolist(), dtype=object)


def spaces_arrays(spaces: Spaces, prefix: str) -> Arrays:
    arrays: Arrays = {f"{prefix}vote": spaces.vote}
    if spaces.columns is not spaces.vote:
        arrays[f"{prefix}columns"] = spaces.columns
    return arrays | {f"{prefix}other_{name}": space for name, space in spaces.others.items()}


def spaces_of(reader: Reader, prefix: str, n: int, widths: Mapping[str, int]) -> Spaces:
    """Spaces of some rows; ``widths`` are the dimensions of "vote", "columns" and the further spaces."""
    vote = reader.finite(f"{prefix}vote", np.float32, n, widths["vote"])
    columns = vote
    if "columns" in widths:
        columns = reader.finite(f"{prefix}columns", np.float32, n, widths["columns"])
    others = {
        name: reader.finite(f"{prefix}other_{name}", np.float32, n, width)
        for name, width in widths.items()
        if name not in ("vote", "columns")
    }
    return Spaces(vote, columns, others)


def step_arrays(step: Step) -> Arrays:
    arrays: Arrays = {}
    if step.new is not None:
        arrays |= {"labels": step.new.labels, **spaces_arrays(step.new.spaces, "new_")}
        arrays |= group_arrays(step.new.groups) | given_arrays(step.new.X, "given")
    if step.names is not None:
        arrays["names"] = plain(step.names, "ids")
    if step.gone is not None:
        arrays["gone"] = step.gone
    return arrays


def step_facts(step: Step) -> dict[str, Any]:
    options = asdict(step.options)
    if not np.isfinite(step.options.tolerance):
        options["tolerance"] = None
    return {"step": step.kind, "options": options, "note": step.note}


def step_of(
    reader: Reader, facts: Mapping[str, Any], widths: Mapping[str, int], n_rows: int, n_classes: int
) -> Step:
    """The step that arrays and facts tell of; rows as numbers for models in torch are left out."""
    kind, options = facts.get("step"), facts.get("options")
    if kind not in ("add", "forget", "validation", "refresh") or not isinstance(options, Mapping):
        raise ValueError("it tells of no update")
    asked = Options(
        refresh=str(options.get("refresh")),
        tau=number(options.get("tau"), "tau"),
        rebalance_every=count(options.get("rebalance_every"), "rebalance_every"),
        tolerance=_tolerance(options.get("tolerance")),
        exact=bool(options.get("exact")),
    )
    new = names = gone = None
    if "labels" in reader:
        labels = reader.within("labels", np.int64, 0, n_classes - 1, None)
        n = len(labels)
        spaces = spaces_of(reader, "new_", n, widths)
        new = NewRows(given_of(reader, "given", n), None, spaces, labels, groups_of(reader, n))
        if kind == "add":
            names = reader.any_of("names", n)
    if kind == "forget":
        gone = reader.within("gone", np.int64, 0, n_rows - 1, None)
    if kind == "add" and new is None:
        raise ValueError("it adds rows that are not there")
    return Step(kind, asked, new, names, gone, str(facts.get("note", "")))


def _tolerance(value: Any) -> float:
    if value is None:
        return np.inf
    return number(value, "tolerance")


def history_arrays(history: list[Update]) -> Arrays:
    keys = [update.tracked_key for update in history]
    return {
        "history_length": np.array([len(key) for key in keys], np.int64),
        "history_key": np.concatenate([np.zeros(0, np.int64), *keys]),
        "history_value": np.concatenate([np.zeros(0), *(update.tracked_value for update in history)]),
    }


_SCALARS = (
    "number", "kind", "refresh", "note", "n_new", "n_forgotten", "n_rows", "n_pairs", "n_all_pairs",
    "error", "rebalanced", "seconds", "v_full",
)  # fmt: skip
_KEYS = ("born", "split", "dissolved")


def update_facts(update: Update) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(update, name) for name in _SCALARS}
    if not np.isfinite(update.error):
        facts["error"] = None
    facts |= {name: list(getattr(update, name)) for name in _KEYS}
    facts["by_batch"] = [[k, v] for k, v in update.by_batch.items()]
    facts["by_group"] = [[_json(k), v] for k, v in update.by_group.items()]
    return facts


def updates_of(listed: Any, reader: Reader) -> Iterator[Update]:
    if not isinstance(listed, list) or not all(isinstance(facts, Mapping) for facts in listed):
        raise ValueError("history is no list of updates")
    lengths = reader.within("history_length", np.int64, 0, 2**40, len(listed))
    total = int(lengths.sum())
    keys = reader.get("history_key", np.int64, total)
    values = reader.finite("history_value", np.float64, total)
    ends = np.cumsum(lengths)
    nothing = np.zeros(0)
    for facts, end, length in zip(listed, ends.tolist(), lengths.tolist(), strict=True):
        try:
            told: dict[str, Any] = {name: facts[name] for name in _SCALARS}
            if told["error"] is None:
                told["error"] = np.inf
            told |= {name: tuple(int(key) for key in facts[name]) for name in _KEYS}
            yield Update(
                **told,
                by_batch={int(k): float(v) for k, v in facts["by_batch"]},
                by_group={_label(k): float(v) for k, v in facts["by_group"]},
                tracked_key=keys[end - length : end],
                tracked_value=values[end - length : end],
                node_error=nothing,
                node_moved=nothing,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"history tells of no update ({type(error).__name__}: {error})") from None


# JSON has no dates: a label that is one is told as its kind and its ISO text.
_DATES = {"time": pd.Timestamp, "date": date.fromisoformat, "duration": pd.Timedelta}


def _json(label: Any) -> Any:
    label = as_python(label)
    if isinstance(label, date):
        return {"time" if isinstance(label, datetime) else "date": label.isoformat()}
    if isinstance(label, timedelta):
        return {"duration": pd.Timedelta(label).isoformat()}
    return label


def _label(told: Any) -> Any:
    if not isinstance(told, Mapping):
        return told
    ((kind, text),) = told.items()
    return _DATES[kind](text)
