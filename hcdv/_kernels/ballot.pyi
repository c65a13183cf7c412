from numpy import float32, float64, int32, int64
from numpy.typing import NDArray

def voter_totals(
    indices: NDArray[int32], weights: NDArray[float32], totals: NDArray[float64]
) -> None: ...
def power_sums(
    start: NDArray[int64],
    label: NDArray[int64],
    weight: NDArray[float64],
    own: NDArray[int64],
    roots: int,
    squares: int,
    sums: NDArray[float64],
    own_sums: NDArray[float64],
) -> None: ...
