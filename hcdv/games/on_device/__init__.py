"""The games of the compiled kernels, evaluated in torch: all stops of a chain at once, on a GPU or on the CPU.

A kernel walks a chain row by row.  Here every voter, and every stop, is looked at by itself, in batches
bounded in memory.  The same code runs on either device; on the CPU it is there to be tested against the
kernels, which are faster.
"""

from __future__ import annotations

from hcdv._validation import check_choice
from hcdv.game import Game
from hcdv.games.dispersion import DispersionGame
from hcdv.games.evidence import EvidenceGame
from hcdv.games.folds import FoldedGame
from hcdv.games.knn import KNNGame
from hcdv.games.ridge import RidgeGame
from hcdv.games.vote import VoteGame

__all__ = ["device_game"]

DTYPES = ("float64", "float32")


def device_game(game: Game, device: str, *, dtype: str = "float64") -> Game:
    """The same game on a device of torch.

    Parameters
    ----------
    game : Game
        Votes (kernel, forest), evidence or fit, k nearest neighbours, ridge, dispersion, or folds of these; any
        other is given back as it is.
    device : str
        ``"cuda"``, ``"cpu"`` or any other name of a device that torch knows.
    dtype : {"float64", "float32"}
        Of votes and dispersions; sums over rows and all that is solved stay in float64.

    Returns
    -------
    Game
        Values equal those of ``game`` to rounding: some 1e-12 in float64, 1e-5 in float32.  It has
        ``chains`` and ``coalitions`` only, no states.
    """
    check_choice(dtype, "dtype", DTYPES)
    if isinstance(game, VoteGame):
        from hcdv.games.on_device._torch_votes import DeviceVotes

        return DeviceVotes(game, device, dtype)
    if isinstance(game, EvidenceGame):
        from hcdv.games.on_device._torch_evidence import DeviceEvidence

        return DeviceEvidence(game, device)
    if isinstance(game, RidgeGame):
        from hcdv.games.on_device._torch_ridge import DeviceRidge

        return DeviceRidge(game, device)
    if isinstance(game, DispersionGame):
        from hcdv.games.on_device._torch_dispersion import DeviceDispersion

        return DeviceDispersion(game, device, dtype)
    if isinstance(game, KNNGame):
        from hcdv.games.on_device._torch_nearest import DeviceNearest

        return DeviceNearest(game, device)
    if isinstance(game, FoldedGame):
        from hcdv.games.on_device._folds import DeviceFolds

        return DeviceFolds(game, [device_game(part, device, dtype=dtype) for part in game.games])
    return game
