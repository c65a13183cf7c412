"""The utility of a torch module: what each row is worth to a network trained the user's way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from hcdv._device import check_torch
from hcdv._validation import check_int, check_number
from hcdv.engine import Threads
from hcdv.games.metrics import Metric, check_needs
from hcdv.games.retrained.cache import CoalitionCache
from hcdv.games.retrained.folds import validated
from hcdv.games.retrained.game import RetrainedGame, check_name
from hcdv.games.rows import TrainingRows

# Seconds in which one core takes one row forward and back: between a small table network (6e-7) and a
# small ConvNet on 28 x 28 pixels (9e-5); bench/module.py.
SECONDS_PER_ROW = 3e-5


@dataclass(frozen=True)
class Module:
    """A torch network trained from scratch on every coalition and scored on the validation rows.

    Many copies are trained at once (``torch.func``), each on mini-batches of its own coalition alone.  A
    coalition's score does not depend on what is trained beside it: every copy starts from the same weights,
    and the order of its rows is drawn from the seed and its own members.  Common weights are also what makes
    marginal contributions comparable: between S and S with i they differ by the rows, not by the luck of
    two initialisations.

    On a CPU, networks with convolutions are trained one by one, which is no slower there; others are where
    ``vmap`` cannot take them (batch normalisation, branches on data, random functions other than dropout
    layers), with a warning.  Both ways and both devices agree to rounding: in float32 to 1e-5 of a probability
    after a short training and less after a long one, with a factory of float64 modules to 1e-10.

    Every copy makes ``epochs`` passes over its own rows, cut evenly into mini-batches of at most
    ``batch_size``: a small coalition takes fewer steps, as it would if its owner ran the same recipe.
    A coalition of one class predicts that class and is not trained.

    Parameters
    ----------
    factory : callable, torch.nn.Module or subclass of it
        Called without arguments, under the seed, for a fresh module; or a module, which is copied with the
        weights that it has (fine-tuning; parameters that need no gradient stay as they are).  ``forward``
        takes features [b, ...] in the module's own dtype (float32 unless the factory makes another) and
        returns logits [b, C]; with two classes also [b] or [b, 1], the logit of the second class.
        uint8 images (three dimensions or more) are divided by 255, as torchvision does; all other
        features are converted as they are.
    metric : str, callable or Metric
        ``"accuracy"``, or another metric of labels or probabilities.
    epochs : int
        Passes of each copy over its own rows.
    batch_size : int
        Rows a mini-batch at most.
    learning_rate : float
        Of Adam (Kingma and Ba 2015; beta 0.9 and 0.999, epsilon 1e-8).
    weight_decay : float
        Decoupled (AdamW, Loshchilov and Hutter 2019); 0 is plain Adam.
    patience : int, optional
        Stop after so many epochs without a smaller loss on a tenth of the coalition's own rows, held out of
        its training, and go back to the best weights.  Never on the validation rows, which score it.
        Coalitions of fewer than ten rows have nothing to spare and run all epochs.
    name : str
        Of the part in results.
    """

    factory: Any
    metric: Any = "accuracy"
    epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    patience: int | None = None
    name: str = "module"
    needs_torch: ClassVar[bool] = True
    _metric: Metric = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A torch.nn.Module is callable too; without arguments is found out when there are rows.
        if not callable(self.factory):
            raise TypeError(
                "factory must be a callable that returns a torch.nn.Module, or a module, "
                f"got {type(self.factory).__name__}."
            )
        check_name(self.name)
        check_int(self.epochs, "epochs", 1)
        check_int(self.batch_size, "batch_size", 1)
        if check_number(self.learning_rate, "learning_rate", 0.0) == 0:
            raise ValueError("learning_rate must be above 0, got 0.")
        check_number(self.weight_decay, "weight_decay", 0.0)
        if self.patience is not None:
            check_int(self.patience, "patience", 1)
        metric = check_needs(self.metric, self.name, ("labels", "probabilities"))
        object.__setattr__(self, "_metric", metric)

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> RetrainedGame:  # fmt: skip
        check_torch(f"utility {self.name!r}")
        if rows.given is None:
            raise ValueError(f"utility {self.name!r} needs the rows as given.")
        from hcdv.games.retrained._torch_module import ModuleTrainer
        from hcdv.games.retrained._torch_prototype import Prototype

        prototype = Prototype.of(self.factory, rows.given, self.name, seed=seed, device=device)
        trainer = validated(
            rows.given,
            lambda given: ModuleTrainer(given, self, self._metric, prototype, seed=seed),
            name=self.name,
            seed=seed,
        )
        return RetrainedGame(trainer, rows.given.order, name=self.name, cache=cache)

    def chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        """Roughly, for a module of middling size: the factory is not called to find out."""
        n_val = 0 if rows.labels_val is None else len(rows.labels_val)
        # A prefix holds half of the rows on average; scoring goes forward only, a third of a step.
        visits = self.epochs * rows.n_points / 2 + n_val / 3
        return n_stops * visits * SECONDS_PER_ROW
