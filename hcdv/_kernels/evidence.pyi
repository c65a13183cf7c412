from typing import Any

from numpy import float64, int64
from numpy.typing import NDArray

LANES: int
ROWS: int

def evidence_chain(
    X: NDArray[Any],
    labels: NDArray[int64],
    n_classes: int,
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
