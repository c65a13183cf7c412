"""Our games as games of shapiq.

The other way needs nothing: a ``shapiq.Game`` is a function of coalitions, and so a game of
:mod:`hcdv.shapley`: ``exact(game, game.n_players)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.integrations._needs import needs
from hcdv.shapley._ask import BatchGame, ask, batch_rows
from hcdv.shapley.exact import check_players

with needs("shapiq 1.4 or newer"):
    import shapiq


class CoalitionGame(shapiq.Game):  # type: ignore[misc]
    """A game of :mod:`hcdv.shapley` or a :class:`hcdv.integrations.row_game.RowGame`, as a ``shapiq.Game``.

    Normalised as shapiq wants it: v(empty) is taken off every value, which changes no Shapley value and no
    interaction of two or more players.

    Parameters
    ----------
    game : callable, or numba ``cfunc``
        ``game(coalitions: bool[B, m]) -> float[B]``; a ``cfunc`` as :func:`hcdv.shapley.exact` takes it.
    n_players : int, optional
        m; ``game.n_players`` by default.
    player_names : sequence of str, optional
        ``game.players`` by default, where the game has them.

    Raises
    ------
    ValueError, TypeError
        If the number of players is not known or not that of their names, or ``game`` answers with another
        shape than [B], NaN or infinity.
    """

    def __init__(
        self, game: BatchGame, n_players: int | None = None, *, player_names: Sequence[str] | None = None
    ) -> None:
        if n_players is None:
            n_players = getattr(game, "n_players", None)
        if n_players is None:
            raise ValueError("n_players is missing: the game does not tell how many players it has.")
        m = check_players(n_players)
        if player_names is None and hasattr(game, "players"):
            player_names = [str(player) for player in game.players]
        self.game = game
        v_empty = float(ask(game, np.zeros((1, m), np.bool_))[0])
        names = None if player_names is None else list(player_names)
        if names is not None and len(names) != m:
            raise ValueError(f"player_names has {len(names)} names for {m} players.")
        super().__init__(m, normalize=True, normalization_value=v_empty, player_names=names)

    def value_function(self, coalitions: NDArray[Any]) -> NDArray[np.float64]:
        """v of coalitions, bool [B, m], not normalised; float64 [B]."""
        asked = np.asarray(coalitions, np.bool_)
        step = batch_rows(self.n_players)
        blocks = [asked[begin : begin + step] for begin in range(0, len(asked), step)]
        return np.concatenate([ask(self.game, block) for block in blocks])
