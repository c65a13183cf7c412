from typing import Any

import numpy as np
from numpy.typing import NDArray

PANEL: int

def pack_panels(
    rows: NDArray[Any],
    bounds: NDArray[np.int64],
    panel_start: NDArray[np.int64],
    panels: NDArray[Any],
) -> None: ...
def search_blocks(
    panels: NDArray[Any],
    panel_start: NDArray[np.int64],
    bounds: NDArray[np.int64],
    rows: NDArray[Any],
    queries: NDArray[Any],
    own: NDArray[np.int64],
    probes: NDArray[np.int32],
    scores: NDArray[Any],
    scratch: NDArray[np.float64],
    scratch_ids: NDArray[np.int32],
    d2: NDArray[np.float64],
    ids: NDArray[np.int32],
) -> None: ...
def sift_products(
    rows: NDArray[Any],
    queries: NDArray[Any],
    own: NDArray[np.int64],
    products: NDArray[np.float32],
    sizes: NDArray[np.float32],
    query_sizes: NDArray[np.float32],
    error: float,
    limit: NDArray[np.float32],
    bounds: NDArray[np.float32],
    least: NDArray[np.float32],
    scratch: NDArray[np.float64],
    scratch_ids: NDArray[np.int32],
    d2: NDArray[np.float64],
    ids: NDArray[np.int32],
    heard_d2: NDArray[np.float32],
    heard: NDArray[np.int32],
    n_heard: NDArray[np.int64],
) -> None: ...
def insert_newcomers(
    lists: NDArray[np.int32],
    newcomers: NDArray[np.int32],
    distances: NDArray[np.float32],
    first: int,
    last: int,
    d2: NDArray[np.float32],
    ids: NDArray[np.int32],
) -> None: ...
def widen_lists(
    lists: NDArray[np.int32],
    first: int,
    last: int,
    near: int,
    far: int,
    rows: NDArray[Any],
    seen: NDArray[np.int32],
    scratch: NDArray[np.float64],
    scratch_ids: NDArray[np.int32],
    d2: NDArray[np.float64],
    ids: NDArray[np.int32],
) -> None: ...
def count_sources(lists: NDArray[np.int32], counts: NDArray[np.int64]) -> None: ...
def scatter_sources(
    lists: NDArray[np.int32], cursor: NDArray[np.int64], indices: NDArray[np.int32]
) -> None: ...
def scatter_weighted(
    lists: NDArray[np.int32],
    list_weights: NDArray[np.float32],
    cursor: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> None: ...
def kernel_weights(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    first: int,
    last: int,
    rows: NDArray[Any],
    voters: NDArray[Any],
    bandwidth: NDArray[np.float64],
    weights: NDArray[np.float32],
) -> None: ...
