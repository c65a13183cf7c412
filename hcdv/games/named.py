"""The utilities that go by a name alone: chains in compiled kernels, every point asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hcdv._validation import check_number, short
from hcdv.engine import Threads
from hcdv.game import Game
from hcdv.games.evidence import EvidenceGame
from hcdv.games.knn import knn_game
from hcdv.games.local import forest_game, kernel_game
from hcdv.games.ridge import ridge_game
from hcdv.games.rows import TrainingRows
from hcdv.games.utility import Utility

if TYPE_CHECKING:
    from hcdv.games.retrained.cache import CoalitionCache

# Noise variance of the fit: at 1/2 its nats weigh as much as the votes'.
FIT_NOISE = 0.5
# On rows of unit variance: below, updates along a chain lose their digits; above, all coefficients are 0.
SMALLEST_PENALTY, LARGEST_PENALTY = 1e-6, 1e12
# Of a kernel: below, few votes weigh anything; above, they are cut off where they still do.
SMALLEST_WIDTH, LARGEST_WIDTH = 0.25, 4.0
# What asks for a choice by it.
LIKELIHOOD = "likelihood"


class _Named:
    """A chain visits every point anyway, so no stop costs extra."""

    def chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        return 0.0


@dataclass(frozen=True)
class Kernel(_Named):
    """Coherence among near rows.

    Attributes
    ----------
    validation_weight : float
        w of :mod:`hcdv.games.vote`.
    width : float in [1/4, 4] or "likelihood"
        Of the kernel, in units of the usual one, a voter's distance to its tenth neighbour;
        ``"likelihood"`` chooses the one of 1/2, .71, 1, 1.41 and 2 under which the rows foretell each
        other's labels best (:func:`hcdv.games.likelihood.likeliest_width`); in a space learned from them, 1.
    """

    validation_weight: float = 0.03
    width: float | str = 1.0
    name: ClassVar[str] = "kernel"

    def __post_init__(self) -> None:
        if isinstance(self.width, str) or self.width is None:
            if self.width != LIKELIHOOD:
                raise ValueError(
                    f"width must be {LIKELIHOOD!r} or a number from {SMALLEST_WIDTH} to {LARGEST_WIDTH:g}, "
                    f"got {short(self.width)}."
                )
        else:
            check_number(self.width, "width", SMALLEST_WIDTH, LARGEST_WIDTH)

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:  # fmt: skip
        width = None if isinstance(self.width, str) else self.width
        return kernel_game(rows, validation_weight=self.validation_weight, width=width, threads=threads)


@dataclass(frozen=True)
class Forest(_Named):
    """Coherence among rows that share leaves of a random forest, out of bag."""

    validation_weight: float = 0.03
    name: ClassVar[str] = "forest"

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:  # fmt: skip
        return forest_game(
            rows, validation_weight=self.validation_weight, seed=seed, threads=threads
        )


@dataclass(frozen=True)
class Fit(_Named):
    """How well Bayesian ridge regression on S fits its own labels: the evidence without its Occam term."""

    name: ClassVar[str] = "fit"

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:  # fmt: skip
        return EvidenceGame(
            rows.X, rows.labels, rows.n_classes, noise=FIT_NOISE, leverage=False, X_val=rows.X_val
        )


@dataclass(frozen=True)
class Evidence(_Named):
    """Log marginal likelihood of the labels of S under Bayesian ridge regression."""

    name: ClassVar[str] = "evidence"

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:  # fmt: skip
        return EvidenceGame(rows.X, rows.labels, rows.n_classes, X_val=rows.X_val)


@dataclass(frozen=True)
class KNN(_Named):
    """Soft k-nearest-neighbour accuracy on the validation rows."""

    name: ClassVar[str] = "knn"

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:  # fmt: skip
        return knn_game(rows, seed=seed)


@dataclass(frozen=True)
class Ridge(_Named):
    """Accuracy of a ridge classifier on the validation rows; ``alpha`` penalises squared coefficients."""

    alpha: float = 1.0
    name: ClassVar[str] = "ridge"

    def __post_init__(self) -> None:
        check_number(self.alpha, "alpha", SMALLEST_PENALTY, LARGEST_PENALTY)

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:  # fmt: skip
        return ridge_game(rows, alpha=self.alpha, seed=seed)


@dataclass(frozen=True)
class InSpace:
    """A utility whose game is played in another space of the encoder's."""

    utility: Utility
    space: str

    @property
    def name(self) -> str:
        return f"{self.utility.name}_{self.space}"

    def game(
        self, rows: TrainingRows, *, seed: int, threads: Threads, device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:  # fmt: skip
        rows = rows.in_space(self.space)
        return self.utility.game(rows, seed=seed, threads=threads, device=device, cache=cache)

    def chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        return self.utility.chain_seconds(rows, n_stops)


def taken_apart(utility: Utility) -> tuple[Utility, str | None]:
    """A utility by itself, and the further space that its game is played in, if there is one."""
    return (utility.utility, utility.space) if isinstance(utility, InSpace) else (utility, None)
