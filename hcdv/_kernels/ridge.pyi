from typing import Any

from numpy import float64, int64
from numpy.typing import NDArray

def ridge_chain(
    X: NDArray[Any],
    labels: NDArray[int64],
    order: NDArray[int64],
    stops: NDArray[int64],
    columns_val: NDArray[float64],
    labels_val: NDArray[int64],
    v_empty: float,
    inverse: NDArray[float64],
    coefficients: NDArray[float64],
    mean: NDArray[float64],
    counts: NDArray[float64],
    scores: NDArray[float64],
    scratch: NDArray[float64],
    picked: NDArray[int64],
    values: NDArray[float64],
) -> None: ...
