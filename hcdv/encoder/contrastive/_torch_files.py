"""Trainings on disk: weights, the optimiser's moments and the history, in one safetensors file."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hcdv._digest import fingerprint
from hcdv._tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from hcdv.encoder.contrastive._recipe import Contrastive
    from hcdv.encoder.contrastive._torch_networks import OnSphere
    from hcdv.encoder.contrastive._torch_training import Progressed, Split

KIND = "training"
FORMAT_VERSION = 1
# Seconds between two writes at least.
WRITE_EVERY = 5.0


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
        """Of a training that begins with this network."""
        weights = network.state_dict()
        knobs = [f"{key}={value!r}" for key, value in vars(recipe).items() if key != "network"]
        facts = [*knobs, repr(network), list(weights), seed, torch.__version__]
        return cls(path, fingerprint(facts, [*split, *(w.numpy() for w in weights.values())]))

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
        device = next((p.device for p in state.network.parameters()), torch.device("cpu"))
        tensors = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
        wanted = state.network.state_dict()
        history = [float(x) for x in arrays["history"]]
        weights, best = (
            {name: tensors[f"{part}:{name}"].to(value.dtype) for name, value in wanted.items()}
            for part in ("now", "best")
        )
        state.network.load_state_dict(weights)
        moments = state.optimiser.state_dict()
        for name, value in tensors.items():
            if name.startswith("adam:"):
                _, place, key = name.split(":")
                # How many steps were made is counted on the CPU.
                moments["state"].setdefault(int(place), {})[key] = value.cpu() if key == "step" else value
        state.optimiser.load_state_dict(moments)
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
        arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
        write_tensors(self.path, arrays, KIND, FORMAT_VERSION, {"training": self.told})
        self._written = time.monotonic()

