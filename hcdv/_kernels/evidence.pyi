from typing import Any

from numpy import float64, int64
from numpy.typing import NDArray

def evidence_chain(
    X: NDArray[Any],
    labels: NDArray[int64],
    order: NDArray[int64],
    stops: NDArray[int64],
    noise: float,
    leverage: bool,
    base: float,
    posterior: NDArray[float64],
    rows: NDArray[float64],
    products: NDArray[float64],
    values: NDArray[float64],
) -> None: ...
