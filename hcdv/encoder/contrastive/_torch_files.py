"""Weights as arrays and back, and trainings on disk: weights, the optimiser's moments and the history."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.parameter import is_lazy

from hcdv._digest import fingerprint
from hcdv._files import check_place
from hcdv._tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from hcdv.encoder.contrastive._recipe import Contrastive
    from hcdv.encoder.contrastive._torch_networks import OnSphere
    from hcdv.encoder.contrastive._torch_training import Progressed, Split

KIND = "training"
FORMAT_VERSION = 1
# Seconds between two writes at least.
WRITE_EVERY = 5.0
# What AdamW keeps of a parameter.
_MOMENTS = frozenset({"step", "exp_avg", "exp_avg_sq"})


def as_arrays(tensors: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Tensors as arrays, and the names of those in bfloat16: numpy lacks it, and float32 holds it exactly.

    Raises
    ------
    TypeError
        If one has no shape yet, or numbers that numpy lacks.
    """
    arrays: dict[str, NDArray[Any]] = {}
    coarse = []
    for name, value in tensors.items():
        if not isinstance(value, Tensor) or is_lazy(value):
            raise TypeError(
                f"network must hold tensors to be written to a file, but its {name!r} is of type "
                f"{type(value).__name__}."
            )
        if value.dtype == torch.bfloat16:
            coarse.append(name)
            value = value.float()
        try:
            arrays[name] = value.detach().cpu().numpy()
        except TypeError:
            raise TypeError(
                "network must hold numbers that numpy has, or bfloat16, to be written to a file, but its "
                f"{name!r} is of {value.dtype}."
            ) from None
    return arrays, coarse


def as_tensors(arrays: Mapping[str, NDArray[Any]], coarse: Collection[str]) -> dict[str, Tensor]:
    """What `as_arrays` took apart, in memory of its own."""
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    for name in coarse:
        tensors[name] = tensors[name].to(torch.bfloat16)
    return tensors


def check_weights(weights: Mapping[str, Tensor], made: Mapping[str, Any], *, is_own: bool) -> None:
    """That weights read from a file are numbers, of the dtypes that the network was made with.

    A network of the user's own may be made with infinities (those of a mask, say); the file must agree.

    Raises
    ------
    ValueError
        In half a sentence.
    """
    for name, value in weights.items():
        mine = made.get(name)
        if isinstance(mine, Tensor) and mine.dtype != value.dtype:
            raise ValueError(f"its {name!r} is of {value.dtype}, the network's of {mine.dtype}")
        bad = ~torch.isfinite(value)
        if not bad.any():
            continue
        is_comparable = is_own and isinstance(mine, Tensor) and not is_lazy(mine) and mine.shape == value.shape
        if not is_comparable or not torch.equal(mine.detach().cpu()[bad], value[bad]):  # type: ignore[union-attr]
            raise ValueError(f"its {name!r} has {int(bad.sum())} entries that are no finite numbers")


class TrainingCheckpoint:
    """Where a training is kept between two epochs.

    Parameters
    ----------
    path : path-like
    told : str
        Fingerprint of all that the training depends on.
    """

    def __init__(self, path: str | os.PathLike[str], told: str) -> None:
        self.path = path
        self.told = told
        self._written = time.monotonic()

    @classmethod
    def of(
        cls, path: str | os.PathLike[str], recipe: Contrastive, network: OnSphere, split: Split, seed: int
    ) -> TrainingCheckpoint:
        """Of a training that begins with this network.

        Raises
        ------
        OSError
            If no file can be written there.
        TypeError
            If the network's weights cannot be kept in a file.
        """
        check_place(path)
        weights, coarse = as_arrays(network.state_dict())
        knobs = [f"{key}={value!r}" for key, value in vars(recipe).items() if key != "network"]
        facts = [*knobs, repr(network), list(weights), seed, torch.__version__, *coarse]
        return cls(path, fingerprint(facts, [*split, *weights.values()]))

    def load(self, state: Progressed) -> tuple[list[float], dict[str, Tensor]] | None:
        """Bring network and optimiser to where the file left them, if there is one.

        Returns
        -------
        (list of float, dict of str to Tensor) or None
            History, and the weights of the best epoch.

        Raises
        ------
        ValueError
            If it is no such file, or another training's.
        """
        if not os.path.exists(self.path):
            return None
        arrays, facts = read_tensors(self.path, KIND, FORMAT_VERSION)
        if facts.get("training") != self.told:
            raise ValueError(
                f"{os.fspath(self.path)} is the checkpoint of another encoder (other rows, labels, parameters "
                "or seed); delete it or name another file."
            )
        try:
            wanted = state.network.state_dict()
            now, best = (_weights(arrays, part, wanted) for part in ("now", "best"))
            moments = _moments(arrays, state.optimiser)
            history = [float(x) for x in arrays["history"]]
            if not history:
                raise ValueError("its history is empty")
        except (LookupError, ValueError, TypeError) as error:
            raise ValueError(
                f"{os.fspath(self.path)} is damaged: {type(error).__name__} at {str(error).rstrip('.')}."
            ) from None
        state.network.load_state_dict(now)
        state.optimiser.load_state_dict({**state.optimiser.state_dict(), "state": moments})
        return history, best

    def save(self, state: Progressed, *, now: bool) -> None:
        """Write, if ``now`` or the last time is a while ago."""
        if not now and time.monotonic() - self._written < WRITE_EVERY:
            return
        tensors = {f"now:{name}": value for name, value in state.network.state_dict().items()}
        tensors |= {f"best:{name}": value for name, value in state.best.items()}
        for place, moments in state.optimiser.state_dict()["state"].items():
            tensors |= {f"adam:{place}:{key}": value for key, value in moments.items()}
        tensors["history"] = torch.tensor(state.history, dtype=torch.float64)
        # What was in bfloat16 the network itself knows when it is read again.
        arrays, _ = as_arrays(tensors)
        write_tensors(self.path, arrays, KIND, FORMAT_VERSION, {"training": self.told})
        self._written = time.monotonic()


def _weights(
    arrays: Mapping[str, NDArray[Any]], part: str, wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Weights of the file on the device, and in the shapes and dtypes, of those ``wanted``."""
    return {name: _like(arrays[f"{part}:{name}"], value) for name, value in wanted.items()}


def _moments(
    arrays: Mapping[str, NDArray[Any]], optimiser: torch.optim.Optimizer
) -> dict[int, dict[str, Tensor]]:
    """The optimiser's state of each parameter that has one."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, array in arrays.items():
        if name.startswith("adam:"):
            _, place, key = name.split(":")
            # How many steps were made is counted on the CPU.
            is_step = key == "step"
            value = torch.from_numpy(array.reshape(())) if is_step else _like(array, parameters[int(place)])
            state.setdefault(int(place), {})[key] = value
    if any(set(kept) != _MOMENTS for kept in state.values()):
        raise ValueError("its moments are not those of the optimiser")
    return state


def _like(array: NDArray[Any], tensor: Tensor) -> Tensor:
    return torch.from_numpy(array.reshape(tuple(tensor.shape))).to(tensor.device, tensor.dtype)
