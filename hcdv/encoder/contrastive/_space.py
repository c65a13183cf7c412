"""A trained contrastive space."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hcdv._random import derive_seed, generator
from hcdv._torch_kind import is_module
from hcdv.encoder.contrastive._recipe import Contrastive
from hcdv.encoder.contrastive._views import View
from hcdv.engine import single_threaded_blas

if TYPE_CHECKING:
    from hcdv.encoder.contrastive._torch_networks import OnSphere
    from hcdv.encoder.contrastive._torch_training import Split

# Share of the rows that the space is judged by where there are no validation rows.
JUDGING_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class ContrastiveSpace:
    """A trained space.

    Attributes
    ----------
    recipe : Contrastive
    view : View
        What the network sees.
    shift, scale : float
        What is taken off its numbers, and what they are divided by then: of images their mean and standard
        deviation, of columns 0 and their root mean square.
    history : tuple of float
        Mean log(C p) of the judging rows before training and after each epoch; the best one is kept.
    """

    recipe: Contrastive
    view: View
    shift: float
    scale: float
    history: tuple[float, ...]
    _network: OnSphere
    _device: str

    @classmethod
    def learn(
        cls,
        recipe: Contrastive,
        view: View,
        rows: NDArray[np.float32],
        labels: NDArray[np.int64],
        rows_val: NDArray[np.float32] | None,
        labels_val: NDArray[np.int64] | None,
        *,
        seed: int,
        device: str,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> ContrastiveSpace:
        """Train the space of ``rows`` under their labels, judged by the validation rows.

        Parameters
        ----------
        recipe : Contrastive
        view : View
            Where rows come from.
        rows, rows_val : float32 [n, ...], [n_val, ...] or None
        labels, labels_val : int64 [n], [n_val] or None
            Class codes.
        seed : int
        device : {"cpu", "cuda"}
        checkpoint : path-like, optional
            Training is kept there after an epoch, and goes on from there.
        progress : callable, optional
            Told the epochs done.

        Raises
        ------
        ValueError
            If the training diverges, the network does not fit the rows, or the checkpoint is another
            training's.
        """
        from hcdv.encoder.contrastive import _torch_training as training
        from hcdv.encoder.contrastive._torch_files import TrainingCheckpoint

        if recipe.bounds is not None and view.kind != "image":
            raise ValueError("bounds are of pixels, but the encoder's network does not see images.")
        n_classes = int(labels.max()) + 1
        shift, scale = _location(view, rows)
        rows = _scaled(rows, view, shift, scale)
        if rows_val is None or labels_val is None:
            split = _judged_by_some(rows, labels, seed)
        else:
            split = training.Split(rows, labels, _scaled(rows_val, view, shift, scale), labels_val)
        # After torch has been imported: its threads are held too, and the bits do not depend on the cores.
        with single_threaded_blas(), training.gradients():
            network = new_network(recipe, view, derive_seed(seed, "contrastive", "weights"))
            kept = None
            if checkpoint is not None:
                kept = TrainingCheckpoint.of(checkpoint, recipe, network, split, seed)
            history = training.train(
                network, recipe, split, n_classes, seed=seed, device=device, n_codes=view.n_codes,
                bounds=None if recipe.bounds is None else tuple((b - shift) / scale for b in recipe.bounds),
                checkpoint=kept, progress=progress,
            )  # fmt: skip
        return cls(recipe, view, shift, scale, tuple(history), network, device)

    def transform(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows as the view has them, in the space: float32 [n, d], of length 1 (0 if the network gives 0)."""
        from hcdv.encoder.contrastive._torch_training import embed

        def scaled(block: NDArray[np.float32]) -> NDArray[np.float32]:
            return _scaled(block, self.view, self.shift, self.scale)

        with single_threaded_blas():
            return embed(self._network, rows, scaled, device=self._device)


def new_network(recipe: Contrastive, view: View, seed: int) -> OnSphere:
    """The network of a recipe before training."""
    import torch

    from hcdv.encoder.contrastive._torch_networks import initial

    def make() -> Any:
        if is_module(recipe.network):
            return deepcopy(recipe.network)
        if not isinstance(recipe.network, str):
            return deepcopy(recipe.network(*view.shape))
        return library_network(recipe, view)

    return initial(make, seed, torch.from_numpy(view.example()))


def library_network(recipe: Contrastive, view: View) -> Any:
    """The library's own network for a view, a torch module in float32 whatever torch makes by default."""
    from hcdv.encoder.contrastive import _torch_networks as networks

    if view.kind == "image":
        return networks.ConvNet(view.shape, recipe.n_hidden, recipe.n_dims).float()
    if view.kind == "bags":
        return networks.Bags(view.shape[0], view.code_sizes, recipe.n_hidden, recipe.n_dims).float()
    return networks.Perceptron(view.shape[0], recipe.n_hidden, recipe.n_dims).float()


def _location(view: View, rows: NDArray[np.float32]) -> tuple[float, float]:
    if view.kind == "image":
        return float(np.mean(rows, dtype=np.float64)), float(np.std(rows, dtype=np.float64)) or 1.0
    columns = rows[:, : view.shape[0]]
    return 0.0, float(np.sqrt(np.einsum("ij,ij->", columns, columns, dtype=np.float64) / columns.size)) or 1.0


def _scaled(rows: NDArray[np.float32], view: View, shift: float, scale: float) -> NDArray[np.float32]:
    """A copy in units of the training rows; codes stay as they are."""
    rows = np.array(rows, np.float32)
    numbers = rows if view.kind == "image" else rows[:, : view.shape[0]]
    if shift:
        numbers -= np.float32(shift)
    numbers /= np.float32(scale)
    return rows


def _judged_by_some(rows: NDArray[np.float32], labels: NDArray[np.int64], seed: int) -> Split:
    """The rows without a tenth of those of every class, at least one, and that tenth; single rows stay.

    Where all rows are single ones they judge each other.
    """
    from hcdv.encoder.contrastive._torch_training import Split

    shuffled = generator(seed, "contrastive", "judging").permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    wanted = np.where(counts > 1, np.maximum(1, np.round(JUDGING_SHARE * counts)), 0)
    judges = np.zeros(len(labels), bool)
    judges[by_class] = place < np.repeat(wanted, counts)
    if not judges.any():
        return Split(rows, labels, None, None)
    return Split(rows[~judges], labels[~judges], rows[judges], labels[judges])
