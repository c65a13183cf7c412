"""Stage I: a space in which rows of one label lie together, trained by the votes that Stage III counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit

from hcdv._random import derive_seed
from hcdv._validation import check_choice, check_int, check_number
from hcdv.engine import single_threaded_blas

if TYPE_CHECKING:
    from hcdv.encoder.contrastive._torch_networks import OnSphere

SCORES = ("log", "share")
# Share of the rows that the space is judged by where there are no validation rows.
JUDGING_SHARE = 0.1


@dataclass(frozen=True)
class Contrastive:
    """How the contrastive space is trained (Eq. 10 with Eqs. 30 and 33).

    Flipped labels are learned by heart if training goes on for long.  So the validation rows take no part in
    it, and it stops where the votes on them get no better; without them a tenth of the rows stands in.

    Parameters
    ----------
    network : callable, optional
        From the number of columns to a torch module that maps rows [b, columns] to vectors; its answers are
        brought to length 1.  A hidden layer of ``n_hidden`` beside a linear map by default.
    n_dims, n_hidden : int
        Dimensions of the space, and of the default network's hidden layer.
    score : {"log", "share"}
        Of a row's confidence: log(C p) as in the games, or p, the soft accuracy that the paper prints.
    contrast : float
        lambda, weight of the normalised dispersion.
    smoothness : float
        alpha, weight of the finite-difference smoothness.
    epsilon : float
        Its step, in standard deviations of the columns.
    n_partners : int
        m, its partners of another label for each row.
    bounds : (float, float), optional
        Range of valid rows, where there is one.
    temperature : float
        Rows vote with weight exp(-cosine distance / temperature).
    batch_size, max_epochs, patience : int
        Training stops after ``patience`` epochs without a better space.
    learning_rate, weight_decay : float
        Of AdamW.
    """

    network: Callable[[int], Any] | None = None
    n_dims: int = 32
    n_hidden: int = 128
    score: str = "log"
    contrast: float = 0.0
    smoothness: float = 0.1
    epsilon: float = 0.1
    n_partners: int = 4
    bounds: tuple[float, float] | None = None
    temperature: float = 0.1
    batch_size: int = 256
    max_epochs: int = 40
    patience: int = 3
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("n_dims", "n_hidden", "n_partners", "max_epochs", "patience"):
            check_int(getattr(self, name), name, 1)
        check_int(self.batch_size, "batch_size", 4)
        check_choice(self.score, "score", SCORES)
        for name in ("contrast", "smoothness", "weight_decay"):
            check_number(getattr(self, name), name, 0.0)
        for name in ("epsilon", "temperature", "learning_rate"):
            check_number(getattr(self, name), name, 1e-6)


@dataclass(frozen=True, eq=False)
class ContrastiveSpace:
    """A trained space.

    Attributes
    ----------
    recipe : Contrastive
    n_columns : int
    scale : float
        What columns are divided by: their overall standard deviation.
    history : tuple of float
        Mean confidence of the judging rows before training and after each epoch; the best one is kept.
    """

    recipe: Contrastive
    n_columns: int
    scale: float
    history: tuple[float, ...]
    _network: OnSphere
    _device: str

    @classmethod
    def learn(
        cls,
        recipe: Contrastive,
        rows: NDArray[np.float32],
        labels: NDArray[np.int64],
        rows_val: NDArray[np.float32] | None,
        labels_val: NDArray[np.int64] | None,
        *,
        seed: int,
        device: str,
    ) -> ContrastiveSpace:
        """Train the space of ``rows`` [n, p] under their labels, judged by the validation rows."""
        from hcdv.encoder.contrastive import _torch_networks as networks
        from hcdv.encoder.contrastive import _torch_training as training

        n_classes, p = int(labels.max()) + 1, rows.shape[1]
        scale = float(np.sqrt(np.mean(np.square(rows, dtype=np.float64)))) or 1.0
        rows = rows / np.float32(scale)
        if rows_val is None or labels_val is None:
            split = training.Split(*_judged_by_some(rows, labels, seed))
        else:
            split = training.Split(rows, labels, rows_val / np.float32(scale), labels_val)

        def make() -> Any:
            if recipe.network is not None:
                return recipe.network(p)
            return networks.Perceptron(p, recipe.n_hidden, recipe.n_dims)

        # After torch has been imported: its threads are held too, and the bits do not depend on the cores.
        with single_threaded_blas():
            network = networks.initial(make, derive_seed(seed, "contrastive", "weights"))
            history = training.train(network, recipe, split, n_classes, seed=seed, device=device)
        return cls(recipe, p, scale, tuple(history), network, device)

    def transform(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows [n, p] in the space, float32 [n, d], of length 1."""
        from hcdv.encoder.contrastive._torch_training import embed

        with single_threaded_blas():
            return embed(self._network, rows / np.float32(self.scale), device=self._device)


def _judged_by_some(
    rows: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """The rows without a tenth of them, and that tenth; of every class if it has two rows."""
    counts = np.bincount(labels)
    rare = counts[labels] < 2
    strata = np.where(rare, len(counts), labels)
    n_judging = max(len(np.unique(strata)), round(JUDGING_SHARE * len(labels)))
    if len(labels) < 2 * n_judging or np.bincount(strata)[np.unique(strata)].min() < 2:
        return rows, labels, rows, labels
    draw = derive_seed(seed, "contrastive", "judging")
    split = StratifiedShuffleSplit(1, test_size=n_judging, random_state=draw)
    kept, judging = next(split.split(rows, strata))
    return rows[kept], labels[kept], rows[judging], labels[judging]
