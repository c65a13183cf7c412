"""Fitted encoders as plain facts and arrays, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hcdv._torch_kind import is_module
from hcdv._validation import check_finite
from hcdv.encoder._columns import Column, LevelColumn, NumberColumn, ShareColumn
from hcdv.encoder._frame import FrameEncoder
from hcdv.encoder._spaces import Encoder
from hcdv.encoder.contrastive import Contrastive, ContrastiveEncoder, ContrastiveSpace
from hcdv.encoder.contrastive._space import new_network
from hcdv.encoder.contrastive._views import View
from hcdv.encoder.embedding import EmbeddingEncoder
from hcdv.encoder.forest import ForestEncoder, ForestSpace
from hcdv.encoder.identity import IdentityEncoder
from hcdv.encoder.table import TableEncoder

Facts = dict[str, Any]
Arrays = dict[str, NDArray[Any]]

_COLUMNS: dict[str, type[Column]] = {
    "number": NumberColumn, "levels": LevelColumn, "shares": ShareColumn
}  # fmt: skip
# What an identity encoder has learned, as arrays.
_SCALES = ("mean_", "std_", "scale_", "median_", "unit_")


@dataclass(frozen=True)
class Own:
    """What no file can hold and the user brings along.

    Attributes
    ----------
    network : callable or torch module, or None
        The one the contrastive space was trained with.
    embedding : fitted transformer, torch module or callable, or None
    """

    network: Any = None
    embedding: Any = None


def to_state(encoder: Encoder) -> tuple[Facts, Arrays]:
    """What a fitted encoder is made of."""
    if isinstance(encoder, IdentityEncoder):
        return _identity_state(encoder)
    if isinstance(encoder, FrameEncoder):
        facts, arrays = _table_state(encoder.table)
        inner, more = _identity_state(encoder.identity)
        return {"kind": "frame", "table": facts, "identity": inner}, {
            **_under("table", arrays), **_under("identity", more)
        }  # fmt: skip
    if isinstance(encoder, EmbeddingEncoder):
        inner, more = _identity_state(encoder.identity_)
        return {"kind": "embedding", "identity": inner}, _under("identity", more)
    if isinstance(encoder, ContrastiveEncoder):
        own, more = _contrastive_state(encoder.space_)
    elif isinstance(encoder, ForestEncoder):
        own, more = {}, {name: getattr(encoder.space_, name) for name in _names(ForestSpace)}
    else:
        raise TypeError(f"encoder must be one of hcdv.encoder, fitted, got {type(encoder).__name__}.")
    first, arrays = to_state(encoder.first)
    facts = {"kind": encoder.name, "beside": encoder.beside, "first": first, "space": own}
    return facts, {**_under("first", arrays), **_under("space", more)}


def from_state(facts: Facts, arrays: Mapping[str, NDArray[Any]], own: Own, device: str) -> Encoder:
    """The encoder that `to_state` took apart.

    Raises
    ------
    ValueError
        If ``own`` lacks what it needs, or the state does not fit together.
    """
    kind = facts["kind"]
    if kind == "identity":
        return _identity(facts, arrays)
    if kind == "frame":
        made = FrameEncoder()
        made.table = _table(facts["table"], _inside("table", arrays))
        made.identity = _identity(facts["identity"], _inside("identity", arrays))
        if made.identity.n_columns_ != len(made.table.feature_names_out):
            raise ValueError("its tables do not fit together")
        return made
    if kind == "embedding":
        if own.embedding is None:
            raise ValueError("an embedding of your own stands before it: pass it, fitted, as embedding=")
        encoder = EmbeddingEncoder(own.embedding)
        encoder.embedding_ = own.embedding
        encoder.identity_ = _identity(facts["identity"], _inside("identity", arrays))
        return encoder
    first = from_state(facts["first"], _inside("first", arrays), own, device)
    mine = _inside("space", arrays)
    beside = bool(facts["beside"])
    if kind == "contrastive":
        space = _contrastive(facts["space"], mine, own, device)
        learned = ContrastiveEncoder(first, space.recipe, beside=beside, device=device)
        learned.space_ = space
        return learned
    if kind == "forest":
        forest = ForestEncoder(first, beside=beside)
        forest.space_ = _forest(mine)
        return forest
    raise ValueError(f"it holds an encoder of kind {kind!r}")


# The identity ---------------------------------------------------------------------------------------


def _identity_state(encoder: IdentityEncoder) -> tuple[Facts, Arrays]:
    names = None if encoder.names_ is None else [_label(name) for name in encoder.names_]
    facts = {
        "kind": "identity", "max_columns": encoder.max_columns, "n_components": encoder.n_components,
        "one_unit": encoder.one_unit, "is_one_unit": encoder.one_unit_, "is_sparse": bool(encoder.sparse_),
        "n_columns": encoder.n_columns_, "names": names,
    }  # fmt: skip
    arrays = {name: getattr(encoder, name) for name in _SCALES}
    if encoder.components_ is not None:
        arrays["components_"] = encoder.components_
    return facts, arrays


def _identity(facts: Facts, arrays: Mapping[str, NDArray[Any]]) -> IdentityEncoder:
    encoder = IdentityEncoder(facts["max_columns"], facts["n_components"], facts["one_unit"])
    p = encoder.n_columns_ = int(facts["n_columns"])
    encoder.names_ = None if facts["names"] is None else pd.Index(facts["names"])
    encoder.one_unit_, encoder.sparse_ = bool(facts["is_one_unit"]), bool(facts["is_sparse"])
    for name in _SCALES:
        array = np.asarray(arrays[name], np.float64)
        if array.shape != (p,) and not (name == "scale_" and array.shape == (1,)):
            raise ValueError("its columns do not fit together")
        check_finite(array, name)
        setattr(encoder, name, array)
    components = arrays.get("components_")
    if components is not None and (components.ndim != 2 or len(components) != p):
        raise ValueError("its components do not fit its columns")
    encoder.components_ = components
    return encoder


# Tables ---------------------------------------------------------------------------------------------


def _table_state(table: TableEncoder) -> tuple[Facts, Arrays]:
    columns: list[Facts] = []
    arrays: Arrays = {}
    for place, (label, column) in enumerate(table._columns.items()):
        kind = next(name for name, cls in _COLUMNS.items() if isinstance(column, cls))
        values = {field.name: getattr(column, field.name) for field in fields(column)}
        held = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        arrays |= _under(str(place), held)
        plain = {name: value for name, value in values.items() if name not in held}
        columns.append({"kind": kind, "label": _label(label), "values": plain})
    facts = {
        "max_categories": table.max_categories, "seed": table._seed, "notes": list(table.notes_),
        "names": [_label(name) for name in table._names], "columns": columns,
    }  # fmt: skip
    return facts, arrays


def _table(facts: Facts, arrays: Mapping[str, NDArray[Any]]) -> TableEncoder:
    table = TableEncoder(facts["max_categories"])
    table._seed = int(facts["seed"])
    table._names = pd.Index(facts["names"])
    table.notes_ = tuple(facts["notes"])
    table._columns = {}
    for place, item in enumerate(facts["columns"]):
        kind: Any = _COLUMNS[item["kind"]]
        values = {
            name: tuple(value) if isinstance(value, list) else value for name, value in item["values"].items()
        }
        column: Column = kind(**values, **_inside(str(place), arrays))
        if isinstance(column, ShareColumn):
            n_levels = len(column.levels) + column.flag_missing
            if column.counts.shape != (n_levels, len(column.class_names)):
                raise ValueError(f"its column {column.name!r} does not fit its levels")
        table._columns[item["label"]] = column
    table.feature_names_out = tuple(f for c in table._columns.values() for f in c.feature_names())
    return table


# Learned spaces -------------------------------------------------------------------------------------


def _contrastive_state(space: ContrastiveSpace) -> tuple[Facts, Arrays]:
    recipe = asdict(replace(space.recipe, network="auto"))
    is_own = not isinstance(space.recipe.network, str)
    recipe["network"] = None if is_own else space.recipe.network
    facts = {
        "recipe": recipe, "view": asdict(space.view), "shift": space.shift, "scale": space.scale,
        "history": list(space.history),
    }  # fmt: skip
    weights = space._network.state_dict()
    return facts, {name: value.detach().cpu().numpy() for name, value in weights.items()}


def _contrastive(
    facts: Facts, arrays: Mapping[str, NDArray[Any]], own: Own, device: str
) -> ContrastiveSpace:
    import torch

    told = dict(facts["recipe"])
    if told["network"] is None:
        if own.network is None:
            raise ValueError("it was trained with a network of your own: pass it as network=")
        told["network"] = own.network
    recipe = Contrastive(**told)
    seen = facts["view"]
    view = View(seen["kind"], tuple(seen["shape"]), tuple(seen["code_sizes"]))
    weights = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
    is_own = not isinstance(recipe.network, str) or is_module(recipe.network)
    try:
        # A library's network takes no memory before its weights are known to fit.
        with torch.device("cpu" if is_own else "meta"):
            network = new_network(recipe, view, 0)
        network.load_state_dict(weights, assign=not is_own)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"its weights do not fit the network ({str(error).splitlines()[0]})") from None
    network.to(device).eval()
    return ContrastiveSpace(
        recipe, view, float(facts["shift"]), float(facts["scale"]), tuple(facts["history"]), network, device
    )


def _forest(arrays: Mapping[str, NDArray[Any]]) -> ForestSpace:
    space = ForestSpace(**{name: arrays[name] for name in _names(ForestSpace)})
    if any(arrays[name].ndim != (2 if name == "directions" else 1) for name in _names(ForestSpace)):
        raise ValueError("its trees are damaged")
    n = len(space.feature)
    own = np.arange(n)
    inner = space.feature >= 0
    is_tree = all(len(part) == n for part in (space.threshold, space.left, space.right, space.directions))
    # Children come behind their parents: no row can walk in circles.
    for child in (space.left, space.right):
        is_tree = is_tree and bool(((child > own) & (child < n))[inner].all())
    if not is_tree or not bool(((space.roots >= 0) & (space.roots < n)).all()):
        raise ValueError("its trees are damaged")
    return space


# Names ----------------------------------------------------------------------------------------------


def _names(kind: Callable[..., Any]) -> list[str]:
    return [field.name for field in fields(kind)]  # type: ignore[arg-type]


def _label(name: Any) -> str | int | float | bool:
    """The name of a column, if JSON gives back the same."""
    if isinstance(name, np.generic):
        name = name.item()
    if not isinstance(name, (str, int, float, bool)):
        raise TypeError(f"columns must be named by text or numbers to be saved, got {type(name).__name__}.")
    return name


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {f"{prefix}/{name}": value for name, value in arrays.items()}


def _inside(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    start = f"{prefix}/"
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
