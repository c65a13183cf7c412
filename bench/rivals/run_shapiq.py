"""shapiq's exact values, for bench.peers (see _worker.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
from _worker import Answer, Arrays, BlackBox, serve
from shapiq import ExactComputer
from sklearn.linear_model import LogisticRegression


def exact(game: Any, n_players: int) -> np.ndarray:
    answer = ExactComputer(game, n_players)("SV", order=1)
    return np.array([answer[(i,)] for i in range(n_players)])


def exact_game(arrays: Arrays, options: dict[str, Any]) -> Answer:
    game = BlackBox(arrays)
    return exact(game.batch, game.n_players), {"n_evaluations": game.n_evaluations}


def exact_groups(arrays: Arrays, options: dict[str, Any]) -> Answer:
    """Groups of rows by what a user of shapiq would write: a fit and a score for each coalition."""
    groups, chance = arrays["groups"], 1.0 / len(np.unique(arrays["y"]))

    def game(coalitions: np.ndarray) -> np.ndarray:
        values = np.full(len(coalitions), chance)
        for b, inside in enumerate(np.asarray(coalitions, dtype=bool)):
            mine = inside[groups]
            if len(np.unique(arrays["y"][mine])) > 1:
                model = LogisticRegression(max_iter=200).fit(arrays["X"][mine], arrays["y"][mine])
                values[b] = model.score(arrays["X_val"], arrays["y_val"])
        return values

    n_groups = int(groups.max()) + 1
    return exact(game, n_groups), {"n_evaluations": 2**n_groups}


if __name__ == "__main__":
    serve("shapiq", {"exact game": exact_game, "exact groups": exact_groups})
