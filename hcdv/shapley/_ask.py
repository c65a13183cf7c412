"""Asking a user's game: in batches bounded in memory, with every answer looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from hcdv._kernels.native import native_coalitions, native_masks
from hcdv._validation import kind_of


class CompiledGame(Protocol):
    """A numba ``cfunc`` of signature ``float64(CPointer(int64), int64)``: the ascending members, their number.

    Asked without the GIL; it signals an error by NaN.
    """

    @property
    def address(self) -> int: ...


BatchGame = Callable[[NDArray[np.bool_]], Any] | CompiledGame

# Booleans handed to a game at once: some 8 MB once it turns them into floats, so that its own
# temporaries stay near the cache (16 times as many took twice as long).
BATCH_CELLS = 1 << 20

_NAMED_PLAYERS = 12


def batch_rows(n_players: int) -> int:
    """Coalitions of ``n_players`` in one batch."""
    return max(1, BATCH_CELLS // n_players)


def ask(game: BatchGame, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values of ``coalitions`` (bool [B, m]) as finite float64 [B].

    Raises
    ------
    TypeError
        If ``game`` is neither callable nor compiled, or its answer is not an array of numbers.
    ValueError
        If the answer has another shape than [B], or NaN or infinity for some coalition.
    """
    if _is_compiled(game):
        bounds = np.concatenate([[0], np.cumsum(coalitions.sum(axis=1, dtype=np.int64))])
        values = np.empty(len(coalitions))
        native_coalitions(game.address, np.nonzero(coalitions)[1].astype(np.int64), bounds, values)
    else:
        values = _answers(game, coalitions)
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(np.argmax(bad))
        _refuse(float(values[first]), np.flatnonzero(coalitions[first]))
    return values


def ask_masks(game: BatchGame, masks: NDArray[np.uint64], n_players: int) -> NDArray[np.float64]:
    """Values of coalitions given as bit masks (bit j = player j), batch by batch."""
    values = np.empty(len(masks))
    if _is_compiled(game):
        native_masks(game.address, masks, np.empty(64, np.int64), values)
        bad = ~np.isfinite(values)
        if bad.any():
            first = int(np.argmax(bad))
            members = [j for j in range(n_players) if int(masks[first]) >> j & 1]
            _refuse(float(values[first]), np.array(members, np.int64))
        return values
    step = batch_rows(n_players)
    for a in range(0, len(masks), step):
        octets = masks[a : a + step].astype("<u8").view(np.uint8).reshape(-1, 8)
        bits = np.unpackbits(octets, axis=1, count=n_players, bitorder="little")
        values[a : a + step] = ask(game, bits.view(np.bool_))
    return values


def _is_compiled(game: BatchGame) -> TypeGuard[CompiledGame]:
    return isinstance(getattr(game, "address", None), int)


def _answers(game: BatchGame, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What a Python game answers, as float64 [B]."""
    if isinstance(game, type) or not callable(game):
        raise TypeError(f"game must be callable or a numba cfunc, got {kind_of(game)}.")
    shown = coalitions.view()
    shown.setflags(write=False)  # a game that writes into its argument would answer for another one
    answer = game(shown)
    try:
        values = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"game must return an array of numbers, got {type(answer).__name__}."
        ) from None
    if values.shape != (len(coalitions),):
        raise ValueError(
            f"game must return one value per coalition, shape ({len(coalitions)},), "
            f"got shape {values.shape}."
        )
    return values


def _refuse(value: float, members: NDArray[np.int64]) -> NoReturn:
    raise ValueError(
        f"game returned {value} for the coalition {name_coalition(members)}; every value must be finite."
    )


def check_no_overflow(values: NDArray[np.float64]) -> None:
    """Refuse Shapley values of finite v whose differences or sums left the range of float64."""
    if not np.isfinite(values).all():
        raise ValueError(
            "the values of the coalitions are so large that their differences overflow; "
            "scale the game down."
        )


def name_coalition(members: NDArray[np.int64]) -> str:
    """``{0, 3, 5}``, cut off after a dozen players."""
    shown = ", ".join(str(int(player)) for player in members[:_NAMED_PLAYERS])
    more = len(members) - _NAMED_PLAYERS
    return f"{{{shown}, ... and {more} more}}" if more > 0 else f"{{{shown}}}"
