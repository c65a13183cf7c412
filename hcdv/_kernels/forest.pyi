from typing import Any

import numpy as np
from numpy.typing import NDArray

def descend(
    nodes: NDArray[Any],
    roots: NDArray[np.int32],
    leaf: NDArray[np.int32],
    X: NDArray[np.float32],
    leaves: NDArray[np.int32],
) -> None: ...
def shared_leaves(
    leaf_start: NDArray[np.int64],
    leaf_weight: NDArray[np.float64],
    members: NDArray[np.int32],
    unseen: NDArray[np.uint64],
    leaves: NDArray[np.int32],
    voter_trees: NDArray[np.uint64],
    own: NDArray[np.int64],
    votes: NDArray[np.float64],
    touched: NDArray[np.int32],
    keys: NDArray[np.float64],
    lists: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> None: ...
