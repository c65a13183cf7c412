"""The contrastive space among the encoders."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._progress import Step
from hcdv.encoder._spaces import Encoder, Spaces
from hcdv.encoder.contrastive._recipe import Contrastive
from hcdv.encoder.contrastive._space import ContrastiveSpace
from hcdv.encoder.contrastive._views import View
from hcdv.encoder.learned import LearnedEncoder


class ContrastiveEncoder(LearnedEncoder):
    """The contrastive space of the rows, or of what another encoder makes of them.

    Parameters
    ----------
    first : Encoder
    recipe : Contrastive
    beside : bool
        Whether it is one more space, or the vote space.
    device : {"cpu", "cuda"}
        Where it is trained.
    checkpoint : path-like, optional
        Where the training is kept.
    progress : Step, optional
        Shows the epochs.

    Attributes
    ----------
    space_ : ContrastiveSpace
    """

    name = "contrastive"

    def __init__(
        self,
        first: Encoder,
        recipe: Contrastive,
        *,
        beside: bool,
        device: str = "cpu",
        checkpoint: str | os.PathLike[str] | None = None,
        progress: Step | None = None,
    ) -> None:
        super().__init__(first, beside=beside)
        self.recipe = recipe
        self.device = device
        self.checkpoint = checkpoint
        self._progress = Step() if progress is None else progress

    def _learn(
        self, X: Any, y: NDArray[np.int64], spaces: Spaces, X_val: Any, y_val: NDArray[np.int64] | None,
        seed: int,
    ) -> NDArray[np.float32]:  # fmt: skip
        view = View.of(self.recipe.network, self.first, X, spaces)
        rows_val = None
        if y_val is not None:
            spaces_val = self.first.spaces(X_val, columns=self._wants_columns, name="X_val")
            rows_val = view.rows(self.first, X_val, spaces_val, "X_val")
        rows = view.rows(self.first, X, spaces)
        progress, self._progress = self._progress, Step()  # a fitted encoder holds no terminal
        progress.expect(self.recipe.max_epochs)
        self.space_ = ContrastiveSpace.learn(
            self.recipe, view, rows, y, rows_val, y_val, seed=seed, device=self.device,
            checkpoint=self.checkpoint, progress=progress.done,
        )  # fmt: skip
        progress.expect(len(self.space_.history) - 1)
        return self.space_.transform(rows)

    def _learned(self, X: Any, spaces: Spaces, name: str) -> NDArray[np.float32]:
        return self.space_.transform(self.space_.view.rows(self.first, X, spaces, name))
