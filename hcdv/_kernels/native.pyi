import numpy as np
from numpy.typing import NDArray

def native_chain(
    address: int,
    order: NDArray[np.int64],
    stops: NDArray[np.int64],
    scratch: NDArray[np.int64],
    values: NDArray[np.float64],
) -> None: ...
def native_coalitions(
    address: int,
    members: NDArray[np.int64],
    bounds: NDArray[np.int64],
    values: NDArray[np.float64],
) -> None: ...
def native_masks(
    address: int,
    masks: NDArray[np.uint64],
    scratch: NDArray[np.int64],
    values: NDArray[np.float64],
) -> None: ...
