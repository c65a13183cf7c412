"""What a utility is before it knows any rows: a recipe for a game."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from hcdv.engine import Threads
from hcdv.game import Game
from hcdv.games.rows import TrainingRows

if TYPE_CHECKING:
    from hcdv.games.retrained.cache import CoalitionCache


@runtime_checkable
class Utility(Protocol):
    """Makes the game of some rows.

    Attributes
    ----------
    name : str
        Of the part in results.
    needs_torch : bool, optional
        Whether it wants ``rows.given.features`` and a device; False where there is no such attribute.
    space : str, optional
        The further space that it is played in; no such attribute, or None, for the first one.
    """

    @property
    def name(self) -> str: ...

    def game(
        self,
        rows: TrainingRows,
        *,
        seed: int,
        threads: Threads,
        device: str,
        cache: CoalitionCache | None = None,
    ) -> Game:
        """The game on these rows.

        Parameters
        ----------
        rows : TrainingRows
        seed : int
            For all that is random in it.
        threads : Threads
        device : {"cpu", "cuda"}
            Where models in torch are trained.
        cache : CoalitionCache, optional
            Values of coalitions met before; only games that retrain a model look there.
        """
        ...

    def chain_seconds(self, rows: TrainingRows, n_stops: int) -> float:
        """Roughly what one chain of ``n_stops`` stops costs on one core; from sizes alone, never timed.

        Decides how deep into the tree a model that must be retrained is asked.  0 for games whose chain
        visits every point anyway.
        """
        ...
