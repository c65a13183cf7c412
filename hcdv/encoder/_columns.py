"""The kinds of table column, each learned once and then turned into float32 features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hcdv._validation import check_finite
from hcdv.encoder._tails import Tail, straightened, tail_of

MISSING = "missing"
# A level seen m times keeps m / (m + _PRIOR_ROWS) of its own label shares, the rest is the prior.
_PRIOR_ROWS = 20.0
# Standard deviation of a share or frequency feature. Measured, vote AUC at 15% flips with 1, 1/2,
# 1/4: Adult .911 .915 .916, Criteo raw .839 .847 .846 (24 components .836 .842), encoded .774 .784
# .785.
_SHARE_SIZE = 0.5


@dataclass(frozen=True)
class NumberColumn:
    """Numbers: a signed logarithm where the tail is long, standardised; missing ones at the median.

    A column of two numbers becomes 0 and 1 instead (``low`` and ``high``), as a boolean one does.
    """

    name: str
    median: float
    unit: float
    reach: float
    mean: float
    std: float
    flag_missing: bool

    @classmethod
    def learn(cls, name: str, numbers: NDArray[np.float64]) -> NumberColumn | None:
        """From numbers with NaN where missing; None if there is nothing to learn from them."""
        missing = np.isnan(numbers)
        present = numbers[~missing]
        if not len(present):
            return None
        low, high = float(present.min()), float(present.max())
        if low == high:
            # Only whether it is there can tell anything.
            return cls(name, low, 0.0, 0.0, low, 0.0, True) if missing.any() else None
        with np.errstate(over="ignore", invalid="ignore"):
            if np.all((present == low) | (present == high)):
                tail, mean, std = Tail(float(np.median(present))), low, high - low
            else:
                tail = tail_of(present)
                straight = straightened(np.where(missing, tail.median, numbers), tail)
                mean, std = float(straight.mean()), float(straight.std())
        if not np.isfinite([*tail, mean, std]).all():
            raise ValueError(
                f"column {name!r} holds numbers whose squares overflow; scale them down first."
            )
        return cls(name, *tail, mean, std, bool(missing.any()))

    def feature_names(self) -> list[str]:
        names = [self.name] if self.std > 0 else []
        return [*names, f"{self.name}={MISSING}"] if self.flag_missing else names

    def fill(self, numbers: NDArray[np.float64], out: NDArray[np.float32]) -> None:
        missing = np.isnan(numbers)
        if self.std > 0:
            # What does not fit into float32 becomes infinite; the table encoder looks for that.
            with np.errstate(over="ignore", invalid="ignore"):
                filled = np.where(missing, self.median, numbers)
                straight = straightened(filled, Tail(self.median, self.unit, self.reach))
                out[:, 0] = (straight - self.mean) / self.std
        if self.flag_missing:
            out[:, -1] = missing


class Texts(NamedTuple):
    """A column as strings, made once a value, not once a row; 3 and 3.0 may give the same one twice."""

    codes: NDArray[np.intp]  # [n], positions among the strings, -1 where missing
    strings: list[str]  # some of which may be in no row


@dataclass(frozen=True)
class LeveledColumn:
    """A column of levels.  What is derived of them is kept: rows come in many blocks."""

    name: str
    levels: tuple[str, ...]  # without the missing one
    flag_missing: bool

    def codes(self, texts: Texts) -> NDArray[np.intp]:
        """Position of each row's level, the missing level last, -1 where never seen."""
        return codes_of(texts, self._places, self.flag_missing)

    @cached_property
    def _places(self) -> dict[str, int]:
        return places_of(self.levels)

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class LevelColumn(LeveledColumn):
    """Few levels: one 0/1 feature each; a level never seen is 0 in all of them."""

    def feature_names(self) -> list[str]:
        levels = (*self.levels, MISSING) if self.flag_missing else self.levels
        return [f"{self.name}={level}" for level in levels]

    def fill(self, texts: Texts, out: NDArray[np.float32]) -> None:
        codes = self.codes(texts)
        out[...] = 0.0
        known = np.flatnonzero(codes >= 0)
        out[known, codes[known]] = 1.0


@dataclass(frozen=True)
class ShareColumn(LeveledColumn):
    """Many levels: the shares of the labels among the rows of a level, and how often it occurs.

    Shares are drawn towards those of all rows, the more the rarer the level. Two classes need one
    share. Missing is a level like any other; a level never seen gets the shares of all rows.
    """

    class_names: tuple[str, ...]
    counts: NDArray[np.float64]  # [levels, classes]
    share_mean: NDArray[np.float64]  # [shares]
    share_std: NDArray[np.float64]
    log_mean: float
    log_std: float

    @classmethod
    def learn(
        cls,
        name: str,
        levels: tuple[str, ...],
        flag_missing: bool,
        codes: NDArray[np.intp],
        y_codes: NDArray[np.intp],
        class_names: tuple[str, ...],
    ) -> ShareColumn:
        counts = _count(codes, y_codes, len(levels) + flag_missing, len(class_names))
        shares = _shares(counts)[codes]
        frequency = np.log(counts.sum(axis=1))[codes]
        return cls(
            name, levels, flag_missing, class_names, counts,
            shares.mean(axis=0), shares.std(axis=0),
            float(frequency.mean()), float(frequency.std()),
        )  # fmt: skip

    def feature_names(self) -> list[str]:
        shown = self.class_names[1:] if len(self.class_names) == 2 else self.class_names
        names = [f"{self.name}: share of {label}" for label in shown]
        return [*names, f"{self.name}: frequency"]

    def fill(self, texts: Texts, out: NDArray[np.float32]) -> None:
        """Features of rows that the shares were not learned from."""
        out[...] = self._features[self.codes(texts)]

    def fill_training(
        self,
        texts: Texts,
        y_codes: NDArray[np.intp],
        folds: NDArray[np.intp],
        out: NDArray[np.float32],
    ) -> None:
        """Features of the training rows: shares over the rows of the *other* folds only."""
        codes = self.codes(texts)
        for fold in np.unique(folds):
            inside = np.flatnonzero(folds == fold)
            own = _count(codes[inside], y_codes[inside], *self.counts.shape)
            out[inside] = self._by_level(_shares(self.counts - own))[codes[inside]]

    @cached_property
    def _features(self) -> NDArray[np.float32]:
        return self._by_level(_shares(self.counts))

    def _by_level(self, shares: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features of each level, and in a last row, which code -1 picks, of one never seen."""
        spread = np.where(self.share_std > 0, self.share_std, 1.0)
        out = np.empty((len(shares), shares.shape[1] + 1), np.float32)
        out[:, :-1] = _SHARE_SIZE * (shares - self.share_mean) / spread
        # A level never seen counts as if seen once.
        frequency = np.append(np.log(self.counts.sum(axis=1)), 0.0)
        log_spread = self.log_std if self.log_std > 0 else 1.0
        out[:, -1] = _SHARE_SIZE * (frequency - self.log_mean) / log_spread
        return out


Column = NumberColumn | LevelColumn | ShareColumn


def _count(
    codes: NDArray[np.intp], y_codes: NDArray[np.intp], n_levels: int, n_classes: int
) -> NDArray[np.float64]:
    cells = np.bincount(codes * n_classes + y_codes, minlength=n_levels * n_classes)
    return cells.reshape(n_levels, n_classes).astype(np.float64)


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothed label shares by level, the prior as a last row; of two classes the second only."""
    total = max(counts.sum(), 1.0)
    prior = counts.sum(axis=0) / total
    rows = np.vstack([counts + _PRIOR_ROWS * prior, prior * (1 + _PRIOR_ROWS)])
    shares = rows / np.append(counts.sum(axis=1) + _PRIOR_ROWS, 1 + _PRIOR_ROWS)[:, None]
    return shares[:, 1:] if counts.shape[1] == 2 else shares


def places_of(levels: tuple[str, ...]) -> dict[str, int]:
    return {level: place for place, level in enumerate(levels)}


def codes_of(texts: Texts, places: Mapping[str, int], flag_missing: bool) -> NDArray[np.intp]:
    """Place of each text's level, the missing level behind the last one, -1 where never seen."""
    table = [places.get(text, -1) for text in texts.strings]
    # A missing text has the code -1, which picks the last entry.
    table.append(len(places) if flag_missing else -1)
    return np.asarray(table, dtype=np.intp)[texts.codes]


def numbers_of(column: pd.Series, name: str) -> NDArray[np.float64]:
    """A column as float64 with NaN where missing; dates and durations in seconds."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if column.dtype.kind == "M":
        column = (column - pd.Timestamp(0)).dt.total_seconds()
    elif column.dtype.kind == "m":
        column = column.dt.total_seconds()
    try:
        numbers = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise TypeError(f"column {name!r} held numbers in training, but: {error}.") from None
    finite_or_nan = np.where(np.isnan(numbers), 0.0, numbers)
    check_finite(finite_or_nan, f"column {name!r}")
    return numbers


def texts_of(column: pd.Series, name: str) -> Texts:
    """A column as strings; 3 and 3.0 are one level.  Of categories the strings are made once, not by row."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, found = column.cat.codes.to_numpy(np.intp), column.cat.categories
    else:
        try:
            codes, found = pd.factorize(column, use_na_sentinel=True)
        except TypeError:
            present = column.dropna()
            unhashable = (type(value) for value in present if type(value).__hash__ is None)
            kind = next(unhashable, type(present.iloc[0])).__name__
            remedy = " (vectors are an array of their own)" if kind in ("ndarray", "list", "tuple") else ""
            raise TypeError(
                f"column {name!r} holds {kind} objects; an argument must be a string or a number{remedy}."
            ) from None
    if isinstance(found.dtype, pd.StringDtype):
        return Texts(codes, found.tolist())
    return Texts(codes, [_text(value) for value in found])


def _text(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
