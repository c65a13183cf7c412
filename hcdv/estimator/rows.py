"""From rows as given to rows as the games want them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.affinity import tree_levels
from hcdv.allocation import Cut, Resolution
from hcdv.encoder import Spaces
from hcdv.games import GivenRows, TrainingRows, as_features
from hcdv.hierarchy import Hierarchy


def given_rows(
    X: Any,
    labels: NDArray[np.int64],
    classes: NDArray[Any],
    X_val: Any,
    labels_val: NDArray[np.int64] | None,
    spaces: Spaces,
    spaces_val: Spaces | None,
    order: NDArray[np.int64],
    *,
    is_mixed: bool,
    needs_torch: bool,
) -> GivenRows:
    """The rows as the user passed them; where they are no numbers, the encoder's columns stand in."""
    given, given_val = plain(X), plain(X_val)
    # Only where they are asked for: on a table they are a second copy of the rows.
    features = features_val = None
    if needs_torch:
        features = features_of(given, spaces, is_mixed=is_mixed)
        if spaces_val is not None:
            features_val = features_of(given_val, spaces_val, is_mixed=is_mixed)
    return GivenRows(
        X=given,
        features=features,
        labels=labels,
        classes=classes,
        order=order,
        X_val=given_val,
        features_val=features_val,
        labels_val=labels_val,
    )


def training_rows(
    spaces: Spaces, given: GivenRows, spaces_val: Spaces | None, in_order: Hierarchy
) -> TrainingRows:
    """Everything in tree order: a node's rows lie together in memory, and so do neighbours."""
    vote = spaces.vote[given.order]
    levels = tree_levels(
        in_order.start, in_order.stop, in_order.first_child, in_order.n_children
    )
    return TrainingRows(
        X=vote,
        labels=given.labels[given.order],
        n_classes=given.n_classes,
        columns=vote if spaces.columns is spaces.vote else spaces.columns[given.order],
        levels=levels,
        X_val=None if spaces_val is None else spaces_val.vote,
        labels_val=given.labels_val,
        columns_val=None if spaces_val is None else spaces_val.columns,
        given=given,
        others={
            name: (space[given.order], None if spaces_val is None else spaces_val.others[name])
            for name, space in spaces.others.items()
        },
        is_learned=spaces.is_learned,
    )


def blocks_by_level(tree: Hierarchy) -> list[int]:
    """How many nodes tile the points at each level."""
    nothing: frozenset[str] = frozenset()
    return [len(Cut.of(Resolution(k, nothing, nothing), tree).blocks) for k in range(tree.depth + 1)]


def plain(rows: Any) -> Any:
    """Rows as an array, unless they are of some such kind already."""
    return rows if hasattr(rows, "shape") or rows is None else np.asarray(rows)


def features_of(given: Any, spaces: Spaces, *, is_mixed: bool) -> Any:
    """Numbers for models in torch."""
    return spaces.columns if is_mixed else as_features(given)
