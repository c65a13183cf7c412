"""A fit on rows that need not fit into memory."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hcdv._labels import check_together
from hcdv._moments import Moments
from hcdv._progress import Progress
from hcdv._random import check_seed
from hcdv.engine import Threads, make_engine
from hcdv.io.source import Source, open_source
from hcdv.result import ValuationResult
from hcdv.scale import OutOfCoreResult, Recipe, check_recipe, claimed, parse_bytes, value_out_of_core

if TYPE_CHECKING:
    from hcdv.estimator.fitting import Fitting
    from hcdv.estimator.live import Live


class NotFollowed:
    """Stands where a model keeps its rows, if these are not in memory."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copies and pickles ask for these
            raise AttributeError(name)
        raise ValueError(
            "this model has valued its rows out of core and does not hold them: it takes no updates and cannot "
            "be saved, but its result can (result_.save)."
        )


def is_out_of_core(X: Any, y: Any, memory_limit: Any, engine: Any) -> bool:
    """Whether rows are valued part by part: as they come, or as the parameters ask for.

    Raises
    ------
    TypeError
        If X is a query, and no rows yet.
    """
    if type(X).__name__ == "LazyFrame":
        raise TypeError("X must be rows, got a LazyFrame; pass X.collect().")
    if memory_limit is not None or not isinstance(engine, str) or engine != "threads":
        return True
    if isinstance(X, (str, os.PathLike)) or is_source(X):
        return True
    if isinstance(X, (list, tuple, dict, bytes, type)) or hasattr(X, "dtypes") or isinstance(X, np.ndarray):
        return _is_of("dask", X)
    if hasattr(X, "shape"):  # a table, a sparse matrix; a column of it is named only out of core
        return _is_of("dask", X) or isinstance(y, str)
    return callable(X) or isinstance(X, Iterator) or _is_of("pyarrow", X)


def is_source(X: Any) -> bool:
    asked = ("n_rows", "read", "take", "labels", "ids", "place", "window", "fingerprint")
    return all(hasattr(X, name) for name in asked)


def _is_of(package: str, X: Any) -> bool:
    return type(X).__module__.split(".")[0] == package


def fit_out_of_core(
    model: Fitting, X: Any, y: Any, X_val: Any, y_val: Any, ids: Any, groups: Any, hierarchy: Any
) -> None:
    """What :meth:`hcdv.HCDV.fit` does with such rows."""
    refuse(model, groups, hierarchy)
    recipe = recipe_of(model)
    check_recipe(recipe)
    # Claimed before rows that come once only are written there.
    with work_folder(model.checkpoint) as folder, claimed(folder):
        source = X if is_source(X) else opened(X, y, ids, folder)
        for note in getattr(source, "notes", ()):
            warnings.warn(note, stacklevel=3)
        validation = validation_of(X_val, y_val, y)
        progress = Progress(model.verbose > 0)
        engine = make_engine(model.engine, model.n_jobs, model.scheduler)
        try:
            found = value_out_of_core(
                source, validation, recipe=recipe, engine=engine, work=folder,
                memory_limit=None if model.memory_limit is None else parse_bytes(model.memory_limit),
                threads=Threads(model.n_jobs), progress=progress, tell=say if model.verbose > 0 else None,
            )  # fmt: skip
        finally:
            engine.close()
        # A folder of our own is gone in a moment.
        result = found.result if model.checkpoint is not None else copied(found.result)
    set_on(model, found, result, source, progress.seconds)


def refuse(model: Fitting, groups: Any, hierarchy: Any) -> None:
    """One sentence about what is asked for and needs all rows in memory."""
    asked = {
        "groups": groups is not None,
        "hierarchy": hierarchy is not None,
        "tol": model.tol is not None,
        "keep_chains": model.keep_chains,
        "cache": model.cache is not None,
        "device='cuda'": model.device == "cuda",
        "allocation (other than 'winter')": model.allocation != "winter",
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise ValueError(
                f"{name} needs all rows in memory, but they are valued out of core here, as X, memory_limit or "
                "engine ask for."
            )


def recipe_of(model: Fitting) -> Recipe:
    return Recipe(
        encoder=model.encoder,
        utility=model.utility,
        validation_weight=model.validation_weight,
        weights=model.weights,
        contrast=model.contrast,
        dispersion=model.dispersion,
        branching=model.branching,
        leaf_size=model.leaf_size,
        capacity_slack=model.capacity_slack,
        n_permutations=model.n_permutations,
        seed=check_seed(model.random_state),
    )


def opened(X: Any, y: Any, ids: Any, folder: Path) -> Source:
    """The rows of X; ``y`` and ``ids`` are arrays, or names of columns."""
    label, y = (y, None) if isinstance(y, str) else (None, y)
    id_column, ids = (ids, None) if isinstance(ids, str) else (None, ids)
    return open_source(X, y, label=label, id_column=id_column, ids=ids, work=folder)


def validation_of(X_val: Any, y_val: Any, y: Any) -> tuple[Any, Any] | None:
    """Trusted rows and their labels, which may stand in a column called like those of X."""
    if X_val is None:
        check_together(X_val, y_val)
        return None
    if y_val is None and isinstance(y, str):
        trusted = open_source(X_val, label=y)
        block = trusted.read(0, trusted.n_rows)
        return block.X, block.y
    check_together(X_val, y_val)
    return X_val, y_val


@contextmanager
def work_folder(checkpoint: Any) -> Iterator[Path]:
    """The folder asked for, which stays; or one that goes when the work is done."""
    if checkpoint is not None:
        yield Path(os.path.abspath(checkpoint))
        return
    with tempfile.TemporaryDirectory(prefix="hcdv-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def copied(result: ValuationResult) -> ValuationResult:
    """The result, its arrays in memory."""
    points, tree = result.point_moments, result.hierarchy
    assert points is not None and tree is not None and result.std_error is not None
    mean = np.array(points.mean)
    return replace(
        result,
        values=np.array(result.values),
        std_error=np.array(result.std_error),
        ids=np.array(result.ids),
        labels=np.array(result.labels),
        parts=dict(zip(result.parts, mean, strict=True)),
        hierarchy=replace(tree, order=np.array(tree.order), point_key=np.array(tree.point_key)),
        point_moments=Moments(points.count, mean, np.array(points.comoment)),
    )


def set_on(
    model: Fitting, found: OutOfCoreResult, result: ValuationResult, source: Source, seconds: dict[str, float]
) -> None:
    """Set what a fit sets."""
    assert result.hierarchy is not None
    model.classes_ = found.classes
    model.encoder_ = found.encoder
    for name in ("n_features_in_", "feature_names_in_"):
        model.__dict__.pop(name, None)
    if source.columns is not None:
        model.n_features_in_ = len(source.columns)
        model.feature_names_in_ = np.array(source.columns, dtype=object)
    model._live = cast("Live", NotFollowed())
    model._store = None
    model.__dict__.pop("update_", None)
    model.history_ = []
    model._set(result, result.hierarchy, {}, seconds)
    model.kernel_widths_ = found.kernel_widths
    model.crossing_votes_ = found.crossing_votes
