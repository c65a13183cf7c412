"""Games that train a model on every coalition they are asked for."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hcdv._errors import UtilityError, said
from hcdv.game import Indices, Values, stops_by_chain
from hcdv.games.retrained.cache import CoalitionCache, CoalitionKey

# Names of games that the library plays beside a model, and shares its values out by: a second one of that name
# would take the first one's place.
TAKEN_NAMES = ("kernel", "forest", "fit", "evidence", "knn", "ridge", "contrast")

# Squares of differences of larger values would overflow, and values come out as NaN.
LARGEST_VALUE = 1e150

# Coalitions handed to a trainer at once; what is trained at once within is the trainer's own affair.
BATCH = 4096


class Trainer(Protocol):
    """Fits one model a coalition and scores it; rows are numbered as the user gave them.

    Attributes
    ----------
    v_empty : float
        Score of nobody: what guessing is worth under the metric.
    fingerprint : str or None
        Tells this function of coalitions from every other: a digest of data, labels, validation rows, model,
        parameters, metric and seed.  None where it cannot be told, as for a callable.
    outline : str or None
        Where ``fingerprint`` is None, a digest of all that can be told, with functions by their names: good
        for a checkpoint, whose owner knows what he goes on from, not for a cache.
    is_bounded : bool
        Whether scores must lie in [0, 1].
    """

    v_empty: float
    fingerprint: str | None
    outline: str | None
    is_bounded: bool

    def scores(self, coalitions: Sequence[Indices]) -> Values:
        """float64 [B]: scores of coalitions, each an ascending non-empty int64 array of rows."""
        ...

    def chain_scores(self, order: Indices, stops: Indices) -> Values:
        """float64 [s]: scores of ``order[:stops[j]]``, stops ascending, distinct and at least 1."""
        ...

    def walk(self, order: Indices, stops: Indices) -> Iterator[Values]:
        """``chain_scores`` in blocks of few stops, each trained when it is asked for."""
        ...


class RetrainedGame:
    """v(S) = score of the model trained on S; a :class:`hcdv.game.Game`.

    Every coalition is trained once: what the cache has is not asked again.  May be asked from several
    threads at once.

    Parameters
    ----------
    trainer : Trainer
    order : int64 [n]
        Point j is row ``order[j]`` of the trainer.
    name : str
        Of the utility, for messages.
    cache : CoalitionCache, optional
        One of its own, in memory, by default.

    Attributes
    ----------
    n_evaluations : int
        Models trained so far.
    fingerprint : str or None
        Of the trainer, or its outline.
    """

    def __init__(
        self, trainer: Trainer, order: Indices, *, name: str, cache: CoalitionCache | None = None
    ) -> None:
        self.n_points = len(order)
        self.v_empty = float(trainer.v_empty)
        self.name = name
        self.trainer = trainer
        self.order = order
        self.n_evaluations = 0
        self.fingerprint = trainer.fingerprint or trainer.outline
        cache = CoalitionCache() if cache is None else cache
        self._known = cache.view(trainer.fingerprint, name)
        self._lock = threading.Lock()

    def chains(self, orders: Indices, stops: Indices) -> Values:
        stops = stops_by_chain(orders, stops)
        values = np.empty(stops.shape)
        for t, order in enumerate(orders):
            values[t] = self._chain(self.order[order], stops[t])
        return values

    def walk(self, order: Indices, stops: Indices) -> Iterator[float]:
        """Values along one chain, one after another; what lies far behind the last one taken is not trained."""
        rows = self.order[order]
        keys = prefix_keys(rows, stops, self.n_points)
        known = self._known.get(keys)
        first: dict[CoalitionKey, int] = {}
        for k, value in enumerate(known):
            if value is None and stops[k] > 0:
                first.setdefault(keys[k], k)
        missing = np.array(list(first.values()), np.int64)
        blocks = self.trainer.walk(rows, np.ascontiguousarray(stops[missing])) if len(missing) else iter(())
        trained: dict[CoalitionKey, float] = {}
        for key, value, stop in zip(keys, known, stops, strict=True):
            if stop == 0:
                yield self.v_empty
            elif value is not None:
                self._check(np.array([value]), np.array([stop]))
                yield value
            else:
                if key not in trained:
                    block = self._train(missing, stops, lambda _: next(blocks))
                    some, missing = missing[: len(block)], missing[len(block) :]
                    trained = dict(zip([keys[k] for k in some], block.tolist(), strict=True))
                    self._known.put(trained)
                yield trained[key]

    def coalitions(self, order: Indices, bounds: Indices, masks: NDArray[np.bool_]) -> Values:
        groups = [self.order[order[bounds[g] : bounds[g + 1]]] for g in range(len(bounds) - 1)]
        values = np.empty(len(masks))
        for begin in range(0, len(masks), BATCH):
            batch = [
                np.sort(np.concatenate([groups[g] for g in np.flatnonzero(inside)]))
                if inside.any()
                else np.empty(0, np.int64)
                for inside in masks[begin : begin + BATCH]
            ]
            values[begin : begin + BATCH] = self._coalitions(batch)
        return values

    def _chain(self, rows: Indices, stops: Indices) -> Values:
        keys = prefix_keys(rows, stops, self.n_points)

        def train(missing: NDArray[np.int64]) -> Values:
            return self.trainer.chain_scores(rows, np.ascontiguousarray(stops[missing]))

        return self._values(keys, stops, train)

    def _coalitions(self, coalitions: list[Indices]) -> Values:
        keys = [set_key(coalition, self.n_points) for coalition in coalitions]
        sizes = np.array([len(coalition) for coalition in coalitions])

        def train(missing: NDArray[np.int64]) -> Values:
            return self.trainer.scores([coalitions[k] for k in missing])

        return self._values(keys, sizes, train)

    def _values(
        self,
        keys: Sequence[CoalitionKey],
        sizes: Indices,
        train: Callable[[NDArray[np.int64]], Values],
    ) -> Values:
        """Values of coalitions by their keys; those not known are trained, each once."""
        values = np.full(len(keys), np.nan)
        values[sizes == 0] = self.v_empty
        asked = [k for k in range(len(keys)) if sizes[k] > 0]
        known = self._known.get([keys[k] for k in asked])
        first: dict[CoalitionKey, int] = {}
        for k, value in zip(asked, known, strict=True):
            if value is None:
                first.setdefault(keys[k], k)
            else:
                values[k] = value
        # A file may hold what no model ever scored.
        met = [k for k, value in zip(asked, known, strict=True) if value is not None]
        self._check(values[met], sizes[met])
        if first:
            missing = np.array(list(first.values()))
            trained = self._train(missing, sizes, train)
            self._known.put(dict(zip(first, trained.tolist(), strict=True)))
            found = dict(zip(first, trained.tolist(), strict=True))
            for k in asked:
                if np.isnan(values[k]):
                    values[k] = found[keys[k]]
        return values

    def _train(
        self, missing: NDArray[np.int64], sizes: Indices, train: Callable[[NDArray[np.int64]], Values]
    ) -> Values:
        """Values of the missing coalitions, or of the first of them if ``train`` does no more."""
        some = (
            f"{int(sizes[missing[0]]):,} rows"
            if len(missing) == 1
            else f"{int(sizes[missing].min()):,} to {int(sizes[missing].max()):,} rows"
        )
        try:
            values = np.asarray(train(missing), dtype=np.float64)
        except UtilityError:
            raise
        except Exception as error:
            raise UtilityError(
                f"utility {self.name!r} raised {type(error).__name__} on coalitions of {some}{said(error)}."
            ) from error
        with self._lock:
            self.n_evaluations += len(values)
        self._check(values, sizes[missing[: len(values)]])
        return values

    def _check(self, values: Values, sizes: Indices) -> None:
        """That values of coalitions of these sizes are what the trainer promises."""
        wrong = ~(np.abs(values) < LARGEST_VALUE)
        if self.trainer.is_bounded:
            wrong |= (values < 0.0) | (values > 1.0)
        if wrong.any():
            k = int(np.argmax(wrong))
            limits = "in [0, 1]" if self.trainer.is_bounded else f"below {LARGEST_VALUE} in size"
            raise UtilityError(
                f"utility {self.name!r} gave {values[k]} for a coalition of {int(sizes[k]):,} rows, "
                f"but a value must be a number {limits}."
            )


def check_name(name: str) -> str:
    """The name of a utility, if a result can tell it from the library's own games."""
    if not isinstance(name, str):
        raise TypeError(f"name must be text, got {type(name).__name__}.")
    if not name or name in TAKEN_NAMES:
        raise ValueError(f"name must be none of '', {', '.join(TAKEN_NAMES)}, got {name!r}.")
    return name


def set_key(rows: Indices, n_rows: int) -> CoalitionKey:
    """A 256-bit digest of a set of rows, whatever their order."""
    inside = np.zeros(n_rows, np.bool_)
    inside[rows] = True
    return _digest(np.packbits(inside))


def prefix_keys(order: Indices, stops: Indices, n_rows: int) -> list[CoalitionKey]:
    """``set_key(order[:stop])`` for ascending stops, without starting anew at each."""
    bits = np.zeros((n_rows + 7) // 8, np.uint8)
    keys, begin = [], 0
    for stop in stops:
        block = order[begin:stop]
        np.bitwise_or.at(bits, block >> 3, (128 >> (block & 7)).astype(np.uint8))
        keys.append(_digest(bits))
        begin = int(stop)
    return keys


def _digest(bits: NDArray[np.uint8]) -> CoalitionKey:
    return hashlib.blake2b(bits.tobytes(), digest_size=32).digest()
