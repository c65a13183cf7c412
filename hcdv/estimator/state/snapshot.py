"""All that a fitted model is, as arrays and facts, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hcdv._moments import Moments
from hcdv._result_file import pack_result, unpack_result
from hcdv._validation import check_number
from hcdv.encoder import Encoder, Spaces
from hcdv.estimator.live import Live
from hcdv.estimator.results import chain_result
from hcdv.estimator.rows import features_of
from hcdv.estimator.state.pack import (
    Arrays,
    Reader,
    chains_arrays,
    chains_of,
    count,
    given_arrays,
    given_of,
    group_arrays,
    groups_of,
    history_arrays,
    lists_arrays,
    lists_facts,
    lists_of,
    plain,
    spaces_arrays,
    spaces_of,
    tree_arrays,
    tree_of,
    update_facts,
    updates_of,
)
from hcdv.estimator.state.recipe import PLACES, to_facts
from hcdv.games import MAX_WEIGHT, GivenRows, TrainingRows, plan_utility
from hcdv.hierarchy import Hierarchy
from hcdv.result import ValuationResult

if TYPE_CHECKING:
    from hcdv.estimator.updating import Updating


def snapshot(model: Updating) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and facts of a fitted model; its encoder goes into a file of its own."""
    live = model._live
    rows = live.rows
    arrays = spaces_arrays(_spaces(rows), "rows_") | tree_arrays(live.tree) | group_arrays(live.groups)
    arrays |= {
        "labels": rows.labels,
        "position": live.position,
        "batch": live.batch,
        "ids": plain(np.asarray(model.result_.ids), "ids"),
        "classes": plain(np.asarray(model.classes_), "labels"),
    }
    if rows.labels_val is not None:
        arrays |= spaces_arrays(_spaces_val(rows), "val_") | {"labels_val": rows.labels_val}
    if rows.given is not None:
        arrays |= given_arrays(rows.given.X, "given") | given_arrays(rows.given.X_val, "given_val")
    for k, lists in enumerate(live.lists.values()):
        arrays |= lists_arrays(lists, f"lists{k}_")
    if live.chains is not None:
        arrays |= chains_arrays(live.chains)
        nodes = model.result_.node_moments
        assert nodes is not None
        # A walk sums nodes in another order than their points: not the same bits.
        arrays |= {"node_mean": nodes.mean, "node_comoment": nodes.comoment}
    arrays |= history_arrays(model.history_)
    facts: dict[str, Any] = {
        "parameters": {
            name: to_facts(value)
            for name, value in model.get_params(deep=False).items()
            if name not in PLACES
        },
        "widths": widths_of(rows),
        "is_learned": bool(rows.is_learned),
        "seed": int(live.seed),
        "terms": list(live.settled.names),
        "resolution": live.settled.resolution,
        "weights": [[name, float(weight)] for name, weight in live.weights.items()],
        "lists": [[name, lists_facts(lists)] for name, lists in live.lists.items()],
        "next_point_key": live.next_point_key,
        "next_node_key": live.next_node_key,
        "n_updates": live.n_updates,
        "since_rebalance": live.since_rebalance,
        "next_id": live.next_id,
        "history": [update_facts(update) for update in model.history_],
        "columns": _column_names(model),
        "kernel_widths": dict(model.kernel_widths_),
        "recall": model.neighbour_recall_,
        "stopped_by": model.result_.stopped_by,
    }
    if live.chains is None:
        result_arrays, facts["result"] = pack_result(model.result_)
        arrays |= {f"result_{name}": array for name, array in result_arrays.items()}
    return arrays, facts


def restore(model: Updating, encoder: Encoder, reader: Reader, facts: Mapping[str, Any]) -> None:
    """Make ``model``, which has its parameters, the fitted one that the arrays and facts tell of.

    Raises
    ------
    ValueError
        What is missing or does not fit, in half a sentence.
    """
    classes = reader.arrays["classes"]
    if classes.ndim != 1 or len(classes) < 2 or not (classes[1:] > classes[:-1]).all():
        raise ValueError("classes are not two labels or more, each once and in order")
    n = len(reader.get("position", np.int64, None))
    position = reader.within("position", np.int64, 0, n - 1, n)
    if len(np.unique(position)) < n:
        raise ValueError("position is no permutation")
    rows = _rows(reader, facts, classes, position)
    tree = tree_of(reader, n)
    model.encoder_, model.classes_ = encoder, classes
    plan = plan_utility(
        model.utility, is_mixed=encoder.is_mixed, validation_weight=model.validation_weight,
        weights=model.weights, spaces=encoder.others,
    )  # fmt: skip
    terms = facts["terms"]
    settled = replace(plan, terms=tuple(term for term in plan.terms if term.name in terms))
    if list(settled.names) != terms:
        raise ValueError(f"its games ({', '.join(map(str, terms))}) are not those of its utility")
    resolution = facts["resolution"]
    if resolution is not None and resolution != "points":
        count(resolution, "resolution")
    weights = {
        str(name): check_number(weight, "weight", -MAX_WEIGHT, MAX_WEIGHT)
        for name, weight in facts["weights"]
    }
    n_val = 0 if rows.labels_val is None else len(rows.labels_val)
    if plan.needs_torch and rows.given is not None:
        rows = replace(rows, given=_with_features(rows, encoder))
    lists = {
        str(name): lists_of(reader, told, f"lists{k}_", n, n_val)
        for k, (name, told) in enumerate(facts["lists"])
    }
    if not set(lists) <= set(settled.names) or not set(settled.names) <= set(weights):
        raise ValueError("its weights or lists are of other games than its utility's")
    chains = chains_of(reader, n, len(weights)) if "chains" in reader else None
    live = Live(
        rows=rows,
        tree=tree,
        position=position,
        plan=plan,
        settled=replace(settled, resolution=resolution),
        weights=weights,
        seed=count(facts["seed"], "seed"),
        groups=groups_of(reader, n),
        batch=reader.within("batch", np.int64, 0, count(facts["n_updates"], "n_updates"), n),
        lists=lists,
        chains=chains,
        next_point_key=count(facts["next_point_key"], "next_point_key"),
        next_node_key=count(facts["next_node_key"], "next_node_key"),
        n_updates=count(facts["n_updates"], "n_updates"),
        since_rebalance=count(facts["since_rebalance"], "since_rebalance"),
        next_id=None if facts["next_id"] is None else count(facts["next_id"], "next_id"),
    )
    if tree.point_key.max() >= live.next_point_key or tree.node_key.max() >= live.next_node_key:
        raise ValueError("its keys are not below the next ones")
    model._live = live
    model.history_ = list(updates_of(facts["history"], reader))
    if model.history_:
        model.update_ = model.history_[-1]
    _set_columns(model, facts["columns"])
    labels = np.empty(n, np.int64)
    labels[position] = rows.labels
    ids = reader.any_of("ids", n)
    if len(np.unique(ids)) < n:
        raise ValueError("ids name two rows alike")
    data_tree = live.in_data()
    if chains is None:
        result = _result_of(reader, facts)
    else:
        moments = chains.moments(tree)
        moments.nodes = Moments(
            chains.n_pairs,
            reader.finite("node_mean", np.float64, *moments.nodes.mean.shape),
            reader.finite("node_comoment", np.float64, *moments.nodes.comoment.shape),
        )
        result = chain_result(
            moments, str(facts["stopped_by"]), dict.fromkeys(weights), weights, tree,
            data_tree, None, position, ids=ids, labels=classes[labels],
        )  # fmt: skip
    model._set(result, data_tree, {}, {})
    widths = facts["kernel_widths"]
    model.kernel_widths_ = {str(name): float(width) for name, width in widths.items()}
    model.neighbour_recall_ = None if facts["recall"] is None else float(facts["recall"])


def widths_of(rows: TrainingRows) -> dict[str, int]:
    """Dimensions of the spaces that rows are in."""
    widths = {"vote": rows.X.shape[1]}
    if rows.columns is not rows.X:
        widths["columns"] = rows.columns.shape[1]
    return widths | {name: space.shape[1] for name, (space, _) in rows.others.items()}


def _spaces(rows: TrainingRows) -> Spaces:
    return Spaces(rows.X, rows.columns, {name: space for name, (space, _) in rows.others.items()})


def _spaces_val(rows: TrainingRows) -> Spaces:
    assert rows.X_val is not None
    columns = rows.X_val if rows.columns is rows.X or rows.columns_val is None else rows.columns_val
    others = {name: space for name, (_, space) in rows.others.items() if space is not None}
    return Spaces(rows.X_val, columns, others)


def _rows(
    reader: Reader, facts: Mapping[str, Any], classes: NDArray[Any], position: NDArray[np.int64]
) -> TrainingRows:
    n, n_classes = len(position), len(classes)
    widths = {str(name): count(width, "widths") for name, width in facts["widths"].items()}
    spaces = spaces_of(reader, "rows_", n, widths)
    labels = reader.within("labels", np.int64, 0, n_classes - 1, n)
    validation = labels_val = None
    if "labels_val" in reader:
        labels_val = reader.within("labels_val", np.int64, 0, n_classes - 1, None)
        validation = spaces_of(reader, "val_", len(labels_val), widths)
    given = None
    if "given" in reader or "given_table" in reader:
        in_data = np.empty(n, np.int64)
        in_data[position] = labels
        given = GivenRows(
            X=given_of(reader, "given", n),
            features=None,
            labels=in_data,
            classes=classes,
            order=position,
            X_val=None if labels_val is None else given_of(reader, "given_val", len(labels_val)),
            labels_val=labels_val,
        )
    return TrainingRows(
        X=spaces.vote,
        labels=labels,
        n_classes=n_classes,
        columns=spaces.columns,
        levels=(),
        X_val=None if validation is None else validation.vote,
        labels_val=labels_val,
        columns_val=None if validation is None else validation.columns,
        given=given,
        others={
            name: (space, None if validation is None else validation.others[name])
            for name, space in spaces.others.items()
        },
        is_learned=bool(facts["is_learned"]),
    )


def _with_features(rows: TrainingRows, encoder: Encoder) -> GivenRows:
    """The rows as given with their numbers for models in torch."""
    given = rows.given
    assert given is not None
    columns = np.empty_like(rows.columns)
    columns[given.order] = rows.columns
    spaces = Spaces(columns, columns)
    features_val = None
    if given.X_val is not None:
        features_val = features_of(given.X_val, _spaces_val(rows), is_mixed=encoder.is_mixed)
    return replace(
        given,
        features=features_of(given.X, spaces, is_mixed=encoder.is_mixed),
        features_val=features_val,
    )


def _column_names(model: Updating) -> list[str] | int | None:
    """Names of the columns, or how many there are."""
    names = getattr(model, "feature_names_in_", None)
    if names is not None:
        return [str(name) for name in names]
    number = getattr(model, "n_features_in_", None)
    return None if number is None else int(number)


def _set_columns(model: Updating, told: Any) -> None:
    if isinstance(told, list):
        model.feature_names_in_ = np.array([str(name) for name in told], dtype=object)
        model.n_features_in_ = len(told)
    elif told is not None:
        model.n_features_in_ = count(told, "columns")


def _result_of(reader: Reader, facts: Mapping[str, Any]) -> ValuationResult:
    """The result of an allocation without chains."""
    prefix = "result_"
    arrays = {
        name.removeprefix(prefix): array for name, array in reader.arrays.items() if name.startswith(prefix)
    }
    given, tree = unpack_result(arrays, facts["result"])
    return ValuationResult(**given, hierarchy=Hierarchy(**tree).validate() if tree else None)
