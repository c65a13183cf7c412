"""A valuation's file: what is written, and that what is read fits together."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hcdv._archive import write_archive
from hcdv._moments import Moments

if TYPE_CHECKING:
    from hcdv.result import ValuationResult

FORMAT_VERSION = 1

TREE = "tree_"

_OPTIONAL = (
    "std_error", "labels", "node_values", "node_std_error", "node_parts", "part_bounds", "estimated_leaves",
)  # fmt: skip
_NUMBERS = "biufSUMmT"  # kinds of dtype that an archive holds as they are
_MAX_COUNT = 2**62


def write_result(path: str | PathLike[str], result: ValuationResult) -> None:
    """Write ``result`` to one file, atomically."""
    arrays, facts = pack_result(result)
    write_archive(path, arrays, {"kind": "result", "version": FORMAT_VERSION, **facts})


def pack_result(result: ValuationResult) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and plain facts of a result."""
    arrays: dict[str, NDArray[Any]] = {"values": result.values, "ids": _plain(result.ids)}
    for name in _OPTIONAL:
        array = getattr(result, name)
        if array is not None:
            arrays[name] = _plain(array)
    for name, moments in (("point", result.point_moments), ("node", result.node_moments)):
        if moments is not None:
            arrays[f"{name}_mean"] = moments.mean
            arrays[f"{name}_comoment"] = moments.comoment
    if result.point_moments is None:
        arrays |= {f"part_{k}": part for k, part in enumerate(result.parts.values())}
    if result.hierarchy is not None:
        arrays |= {
            TREE + item.name: getattr(result.hierarchy, item.name)
            for item in fields(result.hierarchy)
        }
    facts = {
        # A list: JSON objects have no order, and the parts follow the order of the weights.
        "weights": [[name, float(weight)] for name, weight in result.weights.items()],
        "v_empty": float(result.v_empty),
        "v_full": float(result.v_full),
        "n_evaluations": int(result.n_evaluations),
        "n_permutations": int(result.n_permutations),
        "stopped_by": result.stopped_by,
        # An allocation that is not linear in its games has weights, but no parts.
        "has_parts": bool(result.parts),
        "has_game": bool(result.has_game),
        "fidelity": [[name, what] for name, what in result.fidelity.items()],
        "likelihoods": list(result.likelihoods),
        "count": 0 if result.point_moments is None else result.point_moments.count,
    }
    return arrays, facts


def unpack_result(
    arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What a file that :func:`write_result` wrote holds, if it fits together.

    Parameters
    ----------
    arrays, meta : dict
        Content of the archive.

    Returns
    -------
    facts : dict
        Arguments of ``ValuationResult`` but ``hierarchy``. All arrays have the shapes that the
        class promises.
    tree : dict of str to array
        Arguments of ``Hierarchy``, not looked at except for the number of points and nodes; empty
        where the result has none.

    Raises
    ------
    ValueError
        What is missing or does not fit, in half a sentence.
    """
    weights = _weights(meta)
    names = ("v_empty", "v_full")
    facts: dict[str, Any] = {name: _number(meta.get(name), name) for name in names}
    facts |= {name: _count(meta, name) for name in ("n_evaluations", "n_permutations")}
    facts["stopped_by"] = meta.get("stopped_by")
    if not isinstance(facts["stopped_by"], str):
        raise ValueError("stopped_by is no text")
    fidelity = meta.get("fidelity", [])
    if not isinstance(fidelity, list) or not all(
        isinstance(pair, list) and [type(item) for item in pair] == [str, str] for pair in fidelity
    ):
        raise ValueError("fidelity is no list of names and texts")
    facts["fidelity"] = dict(fidelity)
    tree = {name[len(TREE) :]: array for name, array in arrays.items() if name.startswith(TREE)}
    arrays = {name: array for name, array in arrays.items() if not name.startswith(TREE)}
    has_parts = meta.get("has_parts", True)
    if not isinstance(has_parts, bool):
        raise ValueError("has_parts is neither true nor false")
    # Files from before this was told are of games.
    facts["has_game"] = meta.get("has_game", True)
    if not isinstance(facts["has_game"], bool):
        raise ValueError("has_game is neither true nor false")
    _check_arrays(arrays, tree, len(weights), has_parts=has_parts)
    likelihoods = meta.get("likelihoods", [])
    if not isinstance(likelihoods, list) or not all(
        isinstance(name, str) and name in weights for name in likelihoods
    ):
        raise ValueError("likelihoods is no list of parts")
    facts["likelihoods"] = tuple(likelihoods)

    moments = {
        name: Moments(_count(meta, "count", 1), arrays[f"{name}_mean"], arrays[f"{name}_comoment"])
        for name in ("point", "node")
        if f"{name}_mean" in arrays
    }
    if "point" in moments:
        parts = list(moments["point"].mean)
    else:
        parts = [arrays[f"part_{k}"] for k in range(len(weights))] if has_parts else []
    facts |= {"values": arrays["values"], "ids": arrays["ids"], "weights": weights}
    facts["parts"] = dict(zip(weights, parts, strict=True)) if has_parts else {}
    for name in _OPTIONAL:
        facts[name] = arrays.get(name)
    return facts | {f"{name}_moments": moments.get(name) for name in ("point", "node")}, tree


def _check_arrays(
    arrays: Mapping[str, NDArray[Any]],
    tree: Mapping[str, NDArray[Any]],
    n_parts: int,
    *,
    has_parts: bool,
) -> None:
    """That every array has the shape and dtype that goes with the others, and none is missing."""
    n = arrays["values"].size if "values" in arrays else 0
    n_nodes = tree["start"].size if "start" in tree else 0
    if tree and ("order" not in tree or tree["order"].shape != (n,)):
        raise ValueError(f"its tree is not over its {n} values")
    n_pairs = n_parts * (n_parts + 1) // 2
    shapes: dict[str, tuple[int, ...]] = {
        "values": (n,),
        "std_error": (n,),
        "ids": (n,),
        "labels": (n,),
        "node_values": (n_nodes,),
        "node_std_error": (n_nodes,),
        "part_bounds": (2, n_parts),
        "point_mean": (n_parts, n),
        "point_comoment": (n_pairs, n),
        "node_parts": (n_parts, n_nodes),
        "node_mean": (n_parts, n_nodes),
        "node_comoment": (n_pairs, n_nodes),
    }
    parts = [f"part_{k}" for k in range(n_parts)]
    shapes |= dict.fromkeys(parts, (n,))
    for name, array in arrays.items():
        if name == "estimated_leaves":
            _check_nodes(array, n_nodes, name)
            continue
        expected = shapes.get(name)
        if expected is None:
            raise ValueError(f"it holds an array {name!r} that no result has")
        if array.shape != expected:
            raise ValueError(f"{name} has shape {array.shape}, expected {expected}")
        if name in ("ids", "labels"):
            continue
        if array.dtype != np.float64:
            raise ValueError(f"{name} has dtype {array.dtype}, expected float64")
        # An error is infinite while there is one pair of chains only.
        unknown = np.isnan(array) if name.endswith("std_error") else ~np.isfinite(array)
        if unknown.any():
            raise ValueError(f"{name} has {int(unknown.sum())} entries that are no finite numbers")
    wanted = ["values", "ids"] + (parts if has_parts and "point_mean" not in arrays else [])
    for a, b in (("mean", "comoment"), ("comoment", "mean")):
        wanted += [f"{name}_{b}" for name in ("point", "node") if f"{name}_{a}" in arrays]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise ValueError(f"{missing[0]} is missing")


def _check_nodes(array: NDArray[Any], n_nodes: int, name: str) -> None:
    """That an array lists nodes of the tree."""
    if array.ndim != 1 or array.dtype != np.int64:
        raise ValueError(f"{name} has shape {array.shape} and dtype {array.dtype}, expected a list of int64")
    if ((array < 0) | (array >= n_nodes)).any():
        raise ValueError(f"{name} names nodes that its tree does not have")


def _weights(meta: Mapping[str, Any]) -> dict[str, float]:
    listed = meta.get("weights")
    is_list = isinstance(listed, list) and all(
        isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) for item in listed
    )
    if not isinstance(listed, list) or not is_list:
        raise ValueError("weights are no list of names and numbers")
    weights = {name: _number(weight, f"the weight of {name!r}") for name, weight in listed}
    if len(weights) < len(listed):
        raise ValueError("two weights have one name")
    return weights


def _number(value: Any, name: str) -> float:
    # Compared before it is made a float: JSON knows integers that no float can hold.
    limit = sys.float_info.max
    if type(value) not in (int, float) or not -limit <= value <= limit:
        raise ValueError(f"{name} is no finite number")
    return float(value)


def _count(meta: Mapping[str, Any], name: str, minimum: int = 0) -> int:
    value = meta.get(name)
    if type(value) is not int or not minimum <= value <= _MAX_COUNT:
        raise ValueError(f"{name} is no whole number from {minimum}")
    return value


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Without Python objects: the text of every item that is no number, date or text."""
    if array.dtype.kind in _NUMBERS:
        return array
    # Item by item: numpy would take the tuples of a MultiIndex for rows.
    return np.array([str(item) for item in array.flat], dtype=np.str_).reshape(array.shape)
