from numpy import int64, uint64
from numpy.typing import NDArray

def sample_chain(
    order: NDArray[int64],
    start: NDArray[int64],
    stop: NDArray[int64],
    first_child: NDArray[int64],
    n_children: NDArray[int64],
    point_key: NDArray[int64],
    node_key: NDArray[int64],
    seed: int,
    chain: int,
    chain_order: NDArray[int64],
    block_start: NDArray[int64],
    scratch: NDArray[uint64],
) -> None: ...
def draws(names: NDArray[int64], seed: int, stage: int, chain: int, out: NDArray[uint64]) -> None: ...
