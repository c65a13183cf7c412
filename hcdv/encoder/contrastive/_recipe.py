"""How a contrastive space is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hcdv._torch_kind import is_module
from hcdv._validation import check_bool, check_choice, check_int, check_number, kind_of, short

SCORES = ("log", "share")
PRECISIONS = ("auto", "float32", "bfloat16")
# Below, all votes underflow but those of equal rows.
MIN_TEMPERATURE = 1e-3
# Differences over shorter steps are mostly rounding in bfloat16: at .01 the smoothness is 4% too large, at .001
# three times.
MIN_COARSE_STEP = 0.01
# Beyond, memory goes to numbers that are no better: a batch has the square of its rows of votes.
LARGEST = {"n_dims": 4096, "n_hidden": 65_536, "n_partners": 1024}
LARGEST_BATCH, LARGEST_PIXEL = 16_384, 1e30
NETWORKS = ("auto", "perceptron", "convnet", "bags")


@dataclass(frozen=True)
class Contrastive:
    """How the contrastive space is trained (Eq. 10 with Eqs. 30 and 33).

    Flipped labels are learned by heart if training goes on for long.  So the validation rows take no part in
    it, and it stops where the votes on them get no better; without them a tenth of the rows stands in.

    Parameters
    ----------
    network : {"auto", "perceptron", "convnet", "bags"}, callable or torch module
        "perceptron": a hidden layer of ``n_hidden`` beside a linear map, on the columns.  "convnet": a few
        convolutions, on images [n, h, w], [n, h, w, c] or [n, c, h, w] with at most 4 channels.  "bags": the
        perceptron, which also hears an embedding of each level of the columns of a table that have many.
        "auto" takes the bags where the rows are such a table; for images it stays with the perceptron, which
        finds as many flips in a seventh of the time (docs/encoder.md).  A callable takes the shape of a row
        (the number of columns; or channels, height, width) to a torch module; a module is trained on from its
        weights, in a copy.  Answers are brought to length 1.
    n_dims, n_hidden : int
        Dimensions of the space, and of the hidden layer of the library's networks.
    score : {"log", "share"}
        Of a row's confidence: log(C p) as in the games, or p, the soft accuracy that the paper prints.
    contrast : float
        lambda, weight of the normalised dispersion.
    smoothness : float
        alpha, weight of the finite-difference smoothness.
    epsilon : float
        Standard deviation of its step in each number that the network sees, these being divided by their
        overall standard deviation.
    n_partners : int
        m, its partners of another label for each row.
    bounds : (float, float), optional
        Least and largest pixel of an image: moved images are clamped to them.
    temperature : float
        Rows vote with weight exp(-cosine distance / temperature).
    batch_size, max_epochs : int
        Batches are of about ``batch_size`` rows.  Of more than 65,536 rows an epoch takes as many, drawn anew.
    patience : int or None
        Training stops after so many epochs without a better space, and the best one is kept.  None trains for
        all ``max_epochs`` and keeps the last.
    learning_rate, weight_decay : float
        Of AdamW.
    precision : {"auto", "float32", "bfloat16"}
        Of the network's own arithmetic while it is trained (votes are always counted in float32); "auto" is
        bfloat16 on CUDA, unless the steps of the smoothness are too short for it.
    compiled : bool
        Whether ``torch.compile`` makes the network's code first: for long runs on CUDA.
    """

    network: str | Callable[..., Any] = "auto"
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
    patience: int | None = 3
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    precision: str = "auto"
    compiled: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.network, str):
            check_choice(self.network, "network", NETWORKS)
        elif not callable(self.network) or (isinstance(self.network, type) and is_module(self.network)):
            raise TypeError(
                f"network must be one of {', '.join(NETWORKS)}, a function that makes a torch module, "
                f"or a module, got {kind_of(self.network)}."
            )
        for name, most in LARGEST.items():
            check_int(getattr(self, name), name, 1, most)
        check_int(self.max_epochs, "max_epochs", 1)
        if self.patience is not None:
            check_int(self.patience, "patience", 1)
        check_int(self.batch_size, "batch_size", 4, LARGEST_BATCH)
        check_bool(self.compiled, "compiled")
        check_choice(self.score, "score", SCORES)
        check_choice(self.precision, "precision", PRECISIONS)
        for name in ("contrast", "smoothness", "weight_decay"):
            check_number(getattr(self, name), name, 0.0)
        for name, least in (("epsilon", 1e-6), ("temperature", MIN_TEMPERATURE), ("learning_rate", 1e-6)):
            check_number(getattr(self, name), name, least)
        if self.precision == "bfloat16" and not self.bears_bfloat16:
            raise ValueError(
                f"epsilon must be at least {MIN_COARSE_STEP} with precision='bfloat16', got {self.epsilon}: "
                "shorter steps are lost in its rounding."
            )
        if self.bounds is not None:
            if not isinstance(self.bounds, (tuple, list)) or len(self.bounds) != 2:
                raise ValueError(f"bounds must be two numbers, got {short(self.bounds)}.")
            low, high = (float(check_number(b, "bounds", -LARGEST_PIXEL, LARGEST_PIXEL)) for b in self.bounds)
            if low >= high:
                raise ValueError(f"bounds must be a smaller and a larger number, got {short(self.bounds)}.")
            object.__setattr__(self, "bounds", (low, high))

    @property
    def bears_bfloat16(self) -> bool:
        """Whether the network may be trained in bfloat16."""
        return not self.smoothness or self.epsilon >= MIN_COARSE_STEP
