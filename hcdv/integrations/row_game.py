"""The game that a utility plays on some rows, as a function of coalitions: what other libraries ask for."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._random import RandomState, check_seed
from hcdv._validation import check_labels
from hcdv.baselines._groups import bounds_of_groups, group_tree
from hcdv.baselines._play import BLOCK, set_up


class RowGame:
    """v(S) of coalitions of rows, or of groups of rows: ``game(coalitions: bool[B, m]) -> float64[B]``.

    A game of :mod:`hcdv.shapley`, then, and the one that :mod:`hcdv.baselines` play with the same arguments.

    Parameters
    ----------
    X, y : n rows and their labels
    X_val, y_val : n_val rows and their labels, optional
        As of :meth:`hcdv.HCDV.fit`.
    utility : name, object, model, callable, or a sum of them
        As HCDV takes it; every coalition is asked in full.
    groups : [n], optional
        Which group each row belongs to; the players are then the groups, in the order in which they first
        occur, else the rows.
    random_state : int, generator or None
        For all that is random in the utility.
    n_jobs : int, optional
        Threads; all available cores by default.  Values do not depend on it.

    Attributes
    ----------
    n_players : int
        m.
    players : [m]
        Names of the players: the groups as given, or the rows' (a frame's index, else 0..n-1).
    v_empty : float
        v of nobody.

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    """

    def __init__(
        self,
        X: Any,
        y: ArrayLike,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        *,
        utility: Any = "kernel",
        groups: ArrayLike | None = None,
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> None:
        seed = check_seed(random_state)
        self._recipe = {
            "X": X, "y": y, "X_val": X_val, "y_val": y_val, "utility": utility, "groups": groups,
            "random_state": seed, "n_jobs": n_jobs,
        }  # fmt: skip
        self._play = set_up(X, y, X_val, y_val, utility=utility, random_state=seed, n_jobs=n_jobs, verbose=0)
        self.players = self._play.rows.ids
        self._player = np.arange(self._play.n)  # of each row
        if groups is not None:
            names = check_labels(groups, self._play.n, "groups")
            tree = group_tree(self._play, names, 1)
            self.players = names[tree.order[bounds_of_groups(tree)[:-1]]]
            self._player = tree.leaf_of_point() - 1
        self.n_players = len(self.players)
        self.v_empty = sum(
            weight * self._play.games[name].v_empty for name, weight in self._play.weights.items()
        )

    def __reduce__(self) -> Any:
        # Games hold locks and pools: in another process this one is made anew, of the same seed.
        return partial(type(self), **self._recipe), ()

    def __call__(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Values of coalitions, bool [B, m]; float64 [B].

        Raises
        ------
        ValueError
            If ``coalitions`` has another shape.
        UtilityError
            If the utility fails on a coalition.
        """
        asked = np.asarray(coalitions, np.bool_)
        if asked.ndim != 2 or asked.shape[1] != self.n_players:
            raise ValueError(
                f"coalitions must be of shape [B, {self.n_players}], one column a player, got {asked.shape}."
            )
        blocks = (asked[begin : begin + BLOCK][:, self._player] for begin in range(0, len(asked), BLOCK))
        return np.concatenate([np.empty(0), *self._play.threads.map(self._values, blocks)])

    def _values(self, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        # Added up in order: the bits of a product of matrices depend on how many are asked at once.
        total = np.zeros(len(inside))
        for weight, part in zip(self._play.factors, self._play.values_of(inside), strict=True):
            total += weight * part
        return total
