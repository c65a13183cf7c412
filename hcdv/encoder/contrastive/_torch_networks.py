"""Networks from standardised rows to unit vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

# Levels of all columns together share so many embeddings at most.
MAX_BUCKETS = 1 << 16
# Images are halved until a side is no longer than this.
SMALLEST_SIDE = 7
CHANNELS = (32, 64, 128)
# All threads share torch's own generator.
_turn = RLock()


class Perceptron(nn.Module):
    """One hidden layer beside a linear map, of which it starts as a correction of nothing.

    Parameters
    ----------
    n_columns, n_hidden, n_dims : int
    """

    def __init__(self, n_columns: int, n_hidden: int, n_dims: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_columns, n_dims)
        self.hidden = nn.Linear(n_columns, n_hidden)
        self.correction = nn.Linear(n_hidden, n_dims)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, rows: Tensor) -> Tensor:
        answer: Tensor = self.linear(rows) + self.correction(relu(self.hidden(rows)))
        return answer


class Bags(nn.Module):
    """A `Perceptron` on columns and on the sum of the embeddings of a row's codes.

    Parameters
    ----------
    n_columns : int
    code_sizes : sequence of int
        Of each column of codes, which come behind the others; code 0 has no embedding.
    n_hidden, n_dims : int
    """

    offsets: Tensor

    def __init__(self, n_columns: int, code_sizes: Sequence[int], n_hidden: int, n_dims: int) -> None:
        super().__init__()
        self.n_columns = n_columns
        self.n_buckets = min(sum(size - 1 for size in code_sizes), MAX_BUCKETS)
        sizes = torch.tensor([0, *(size - 1 for size in code_sizes)])
        self.register_buffer("offsets", sizes.cumsum(0)[:-1])
        self.bags = nn.EmbeddingBag(1 + self.n_buckets, n_dims, mode="sum", padding_idx=0)
        nn.init.normal_(self.bags.weight, std=0.1)
        self.perceptron = Perceptron(n_columns + n_dims, n_hidden, n_dims)

    def forward(self, rows: Tensor) -> Tensor:
        codes = rows[:, self.n_columns :].long()
        bucket = torch.where(codes > 0, 1 + (self.offsets + codes - 1) % max(1, self.n_buckets), 0)
        columns = rows[:, : self.n_columns]
        answer: Tensor = self.perceptron(torch.cat([columns, self.bags(bucket).to(columns.dtype)], dim=1))
        return answer


class ConvNet(nn.Module):
    """Convolutions that halve the image down to seven pixels a side, one hidden layer, a linear map.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height, width.
    n_hidden, n_dims : int
    """

    def __init__(self, shape: Sequence[int], n_hidden: int, n_dims: int) -> None:
        super().__init__()
        n_channels, height, width = shape
        layers: list[nn.Module] = []
        k = 0
        while k == 0 or max(height, width) > SMALLEST_SIDE:
            n_out = CHANNELS[min(k, len(CHANNELS) - 1)]
            stride = 2 if max(height, width) > SMALLEST_SIDE else 1
            layers += [nn.Conv2d(n_channels, n_out, 3, stride=stride, padding=1), nn.ReLU()]
            n_channels, k = n_out, k + 1
            height, width = -(-height // stride), -(-width // stride)
        self.convolutions = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(n_channels * height * width, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_dims),
        )

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = self.head(self.convolutions(images))
        return answer


class OnSphere(nn.Module):
    """Any network, its answers flattened and brought to length 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def may_draw(self) -> bool:
        """Whether answers may depend on torch's own generator: dropout and the like, in a network not ours."""
        return not isinstance(self.network, (Perceptron, Bags, ConvNet))

    def forward(self, rows: Tensor) -> Tensor:
        answer = self.network(rows).flatten(1)
        # Votes are counted in full precision, whatever the network's own is.
        if answer.dtype in (torch.bfloat16, torch.float16):
            answer = answer.float()
        # Squares of huge and of tiny numbers leave the range of float32; a zero vector stays one.
        largest = answer.detach().abs().amax(1, keepdim=True)
        is_zero = largest < torch.finfo(answer.dtype).tiny
        return normalize(answer / largest.masked_fill(is_zero, 1.0), dim=1)


@contextmanager
def drawing(network: OnSphere | None, seed: int, device: str = "cpu") -> Iterator[None]:
    """Draws from torch's own generator under a seed, one thread at a time; the user's numbers are left alone.

    Networks of ours draw nothing once they are made: ``network`` then needs no seed and no turn.
    """
    if network is not None and not network.may_draw:
        yield
        return
    with _turn, torch.random.fork_rng(devices=cuda_devices(device)):
        torch.manual_seed(seed)
        yield


def cuda_devices(device: str) -> list[int]:
    return [] if device == "cpu" else [torch.cuda.current_device()]


def initial(make: Callable[[], nn.Module], seed: int, example: Tensor) -> OnSphere:
    """The network as ``make`` gives it, with initial weights decided by the seed alone.

    Raises
    ------
    TypeError, ValueError
        If it is no torch module, or does not give one vector for each row of the ``example``.
    """
    with drawing(None, seed):
        network = make()
        if not isinstance(network, nn.Module):
            raise TypeError(f"network must give a torch module, got {type(network).__name__}.")
        # Lazy layers get their weights here.
        _check_answer(network.eval(), example)
    return OnSphere(network)


def _check_answer(network: nn.Module, example: Tensor) -> None:
    shape = tuple(example.shape[1:])
    try:
        with torch.no_grad():
            answer = network(example)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ValueError(f"network must take rows of shape {shape} in float32, but: {error}") from error
    if not isinstance(answer, Tensor):
        raise TypeError(f"network must give a tensor, got {type(answer).__name__}.")
    if answer.ndim < 2 or len(answer) != len(example) or not answer.numel():
        raise ValueError(
            f"network must give one vector per row, got shape {tuple(answer.shape)} for {len(example)} rows."
        )
    if not answer.dtype.is_floating_point:
        raise TypeError(f"network must give real numbers, got {answer.dtype}.")
    if not answer.isfinite().all():
        raise ValueError("network must give finite numbers, got NaN or infinity for rows between -1 and 1.")
