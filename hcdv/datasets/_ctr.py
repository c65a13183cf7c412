"""Generated advertisement clicks, any number of them: columns like Criteo's, few clicks, crosses behind them.

The rows of a seed form one endless stream, made in chunks of 2^14 rows, each from a generator of its own.  So a
row depends on its number alone: not on how many are asked for, nor on the blocks in which they are taken.
"""

from __future__ import annotations

import errno
import functools
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import scipy.optimize
import scipy.special
from numpy.typing import NDArray

from hcdv._random import RandomState, check_seed, generator
from hcdv._validation import check_choice, check_fraction, check_int, check_path, short
from hcdv.datasets._dataset import Dataset, Labels

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]
Hashes = NDArray[np.uint32]

_CHUNK_ROWS = 1 << 14
# Rows on which the market is calibrated: of a stream that nobody else sees.
_CALIBRATION_CHUNKS = 4

_SHARE_CLICKED = 0.03
_LOGIT_STD = 1.1
_VARIANCE_SHARES = {"numbers": 0.2, "categories": 0.3, "crosses": 0.5}  # of the logit

# Mean and standard deviation of log(1 + number), after 8,000 rows of the Kaggle challenge.
_NUMBERS = {
    "I1": (0.8, 1.0), "I2": (1.8, 2.1), "I3": (2.2, 1.3), "I4": (1.7, 1.0), "I5": (7.3, 2.9),
    "I6": (3.6, 1.8), "I7": (1.5, 1.4), "I8": (2.1, 1.2), "I9": (3.6, 1.7), "I10": (0.6, 0.5),
    "I11": (0.9, 0.8), "I12": (0.3, 0.6), "I13": (1.9, 1.1),
}  # fmt: skip
# Sizes of the vocabularies: those of the challenge's 46 million rows, at most 10^6.
_VOCABULARIES = {
    "C1": 1460, "C2": 583, "C3": 10**6, "C4": 10**6, "C5": 305, "C6": 24, "C7": 12517, "C8": 633, "C9": 3,
    "C10": 93145, "C11": 5683, "C12": 10**6, "C13": 3194, "C14": 27, "C15": 14992, "C16": 10**6, "C17": 10,
    "C18": 5652, "C19": 2173, "C20": 4, "C21": 10**6, "C22": 18, "C23": 15, "C24": 286181, "C25": 105,
    "C26": 142572,
}  # fmt: skip
# Columns that are missing together, and in which share of the rows (after the same 8,000).
_MISSING = {
    ("I1", "I10"): 0.45, ("I3",): 0.2, ("I4", "I13"): 0.2, ("I5",): 0.05, ("I6",): 0.25,
    ("I7", "I9", "I11"): 0.05, ("I8",): 0.001, ("I12",): 0.78, ("C6",): 0.13, ("C22",): 0.82,
    ("C3", "C4", "C12", "C16", "C21", "C24"): 0.03, ("C19", "C20", "C25", "C26"): 0.45,
}  # fmt: skip
# An impression has a kind of page, of visitor and of advertisement: each shows in a third of the numbers and in
# a third of the categories, in their order.
_N_SIDES, _N_KINDS = 3, 16
_SHARE_OWN = 0.5  # of its columns in which a kind has common levels of its own
_HABIT = 0.7  # standard deviation of a number among kinds, of 1 in all
# What clicks depend on beside the numbers: levels of these columns (of the last three most are too rare to be
# learned); pairs of levels of different sides; and numbers that matter more at one level than at another.
_EFFECTS = (
    ("C1",), ("C2",), ("C5",), ("C6",), ("C8",), ("C9",), ("C14",), ("C17",), ("C19",), ("C20",), ("C22",),
    ("C23",), ("C25",), ("C10",), ("C15",), ("C21",),
)  # fmt: skip
_CROSSES = (
    ("C6", "C14"), ("C17", "C23"), ("C9", "C25"), ("C14", "C20"), ("C5", "C17"), ("C6", "C23"), ("C9", "C14"),
    ("C8", "C20"), ("C17", "C22"), ("C1", "C14"),
)  # fmt: skip
_SLOPES = (("I6", "C23"), ("I11", "C14"), ("I13", "C6"), ("I3", "C17"))

_DIGITS = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16)  # two of them
_MOST_ROWS = 2**62


def make_ctr(
    n: int = 100_000,
    n_val: int = 10_000,
    n_test: int = 50_000,
    *,
    label_noise: float = 0.0,
    random_state: RandomState = 0,
) -> Dataset:
    """Impressions of advertisements, of which 3% are clicked on; for more than memory holds see `ctr_blocks`.

    Columns are as in Criteo's data (``load_criteo(version="raw")``): 13 integers with long tails and many
    zeros, and 26 columns of opaque ids, whose vocabularies of 3 to 10^6 follow Zipf's law.  Some cells are
    missing, in groups of columns together.  The kinds of page, visitor and advertisement tie columns together.

    Of the variance of the log odds of a click, 20% come from the numbers, 30% from single ids and 50% from
    crosses: pairs of ids, and numbers that matter more for one id than for another.  Many ids are too rare to
    be learned.  Who knew the odds would have an AUC of .77 to .78 (ten seeds); logistic regression on 400,000
    rows comes to .69 with hashed ids, and to .72 with hashed pairs as well.

    Parameters
    ----------
    n, n_val, n_test : int
        Rows to train on, to validate and to test.  A row depends on its number only, not on these.
    label_noise : float
        Probability with which the label of a training row is flipped, in [0, 1].  Nothing else changes: the
        right labels are those of ``label_noise=0``.  Labels of validation and test rows are right.
    random_state : int, generator or None
        Decides on what is clicked on, and on the rows.

    Returns
    -------
    Dataset
        ``X`` a DataFrame: ``I1`` to ``I13`` numbers (float64 where some are missing, else int64), ``C1`` to
        ``C26`` ids of 8 hexadecimal digits as in Criteo's data, but of dtype ``category``: at most 4 bytes a
        cell, and to `HCDV` what strings are.  The three parts share their categories.  ``y`` int64, 1 for a
        click.
    """
    n, n_val, n_test = check_int(n, "n", 1), check_int(n_val, "n_val", 0), check_int(n_test, "n_test", 0)
    label_noise = check_fraction(label_noise, "label_noise")
    market = _market(check_seed(random_state))
    parts = [market.rows("train", 0, n, label_noise)]
    parts += [market.rows(part, 0, size, 0.0) for part, size in (("val", n_val), ("test", n_test))]
    # In one frame first, so that they share their categories.
    frame = market.frame(_Rows(*(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))))
    spans = slice(n), slice(n, n + n_val), slice(n + n_val, None)
    X, X_val, X_test = (frame.iloc[span].reset_index(drop=True) for span in spans)
    y, y_val, y_test = (part.y for part in parts)
    return Dataset(X, y, X_val, y_val, X_test, y_test, "ctr", tuple(frame.columns), ("no click", "click"))


def ctr_blocks(
    n: int,
    block_rows: int = 1 << 18,
    *,
    start: int = 0,
    part: str = "train",
    label_noise: float = 0.0,
    random_state: RandomState = 0,
) -> Iterator[tuple[pd.DataFrame, Labels]]:
    """The rows of `make_ctr`, block by block; memory does not grow with their number.

    Parameters
    ----------
    n : int
        Rows in all.
    block_rows : int
        Rows at a time; the last block may have fewer.  Rows are the same whatever it is.
    start : int
        Number of the first row, so that several processes can make some of the rows each.
    part : {"train", "val", "test"}
        Which rows of `make_ctr`; there is no end to any of the three.
    label_noise, random_state
        As for `make_ctr`, but ``label_noise`` holds for any ``part``.

    Yields
    ------
    X : pandas.DataFrame
        As of `make_ctr`; the index holds the numbers of the rows.  The categories are the ids that occur in the
        block, so that ``pandas.concat`` of several blocks gives strings.
    y : ndarray of int64
    """
    n, start = check_int(n, "n", 0, _MOST_ROWS), check_int(start, "start", 0, _MOST_ROWS)
    block_rows = check_int(block_rows, "block_rows", 1)
    check_choice(part, "part", ("train", "val", "test"))
    label_noise = check_fraction(label_noise, "label_noise")
    market = _market(check_seed(random_state))
    return (
        market.block(part, first, min(block_rows, start + n - first), label_noise)
        for first in range(start, start + n, block_rows)
    )


def write_ctr(
    folder: str | os.PathLike[str],
    n: int,
    block_rows: int = 1 << 18,
    *,
    part: str = "train",
    label_noise: float = 0.0,
    random_state: RandomState = 0,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the rows of `make_ctr` as a folder of Parquet files: whole, or not at all.

    Rows stand in order in ``part-000000.parquet``, ``part-000001.parquet`` and so on.  Columns are those of
    ``X``, ids as dictionaries of strings (pandas and Arrow read categories, others strings), and ``label``.  A
    million rows take 59 MB.

    Parameters
    ----------
    folder : path-like
        Missing or empty; its parent must exist.
    n : int
        Rows.
    block_rows : int
        Rows a file.
    part, label_noise, random_state
        As for `ctr_blocks`.
    progress : callable, optional
        Told the rows done, after each file.

    Raises
    ------
    OSError
        If the folder cannot be made, something is in it, or the disk is full.
    """
    n = check_int(n, "n", 1)
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function that takes the rows done, got {short(progress)}.")
    blocks = ctr_blocks(n, block_rows, part=part, label_noise=label_noise, random_state=random_state)
    target = _new_folder(folder)
    aside = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        aside.mkdir()
        done = 0
        for k, (X, y) in enumerate(blocks):
            pa.parquet.write_table(_arrow(X, y), aside / f"part-{k:06d}.parquet", compression="zstd")
            done += len(y)
            if progress is not None:
                progress(done)
        if target.is_dir():
            target.rmdir()  # an empty one: a folder takes no other's name everywhere
        aside.rename(target)
    except OSError as error:
        # The user has never heard of the folder aside.
        reason = (error.strerror or str(error)).replace(str(aside), os.fspath(folder))
        raise OSError(error.errno, reason, os.fspath(folder)) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _new_folder(folder: str | os.PathLike[str]) -> Path:
    """The real path of a folder that is missing or empty, in one that is there."""
    target = Path(os.path.realpath(check_path(folder, "folder")))
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        reason = "is there and not empty; name a folder that is not there yet"
        raise OSError(errno.EEXIST, reason, os.fspath(folder))
    if not target.parent.is_dir():
        raise OSError(errno.ENOENT, f"the folder {target.parent} does not exist", os.fspath(folder))
    return target


def _arrow(X: pd.DataFrame, y: Labels) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for name in X:
        if name in _VOCABULARIES:
            # Codes of 32 bits in every file: pandas takes fewer where a block has few ids.
            codes, ids = X[name].cat.codes.to_numpy(np.int32), X[name].cat.categories
            texts = pa.array(ids, pa.string())
            columns[name] = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), texts)
        else:
            columns[name] = pa.array(X[name], from_pandas=True)
    return pa.table(columns | {"label": y})


class _Rows(NamedTuple):
    """Impressions, column by column, and whether they were clicked on."""

    numbers: Floats  # [13, n], NaN where missing
    levels: Integers  # [26, n], -1 where missing
    y: Labels


class _Market:
    """What all rows of a seed have in common, and how they are made.

    Levels are drawn by Zipf's law: level k with probability log((k + 2) / (k + 1)) / log(V + 1).  A kind has an
    order of its own in some columns, the common one turned, so that columns tell of each other.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = self._stream("market")
        shape = (len(_VOCABULARIES), _N_KINDS)
        sizes = np.array(list(_VOCABULARIES.values()))[:, None]
        self.turns = np.where(rng.random(shape) < _SHARE_OWN, rng.integers(0, sizes, shape), 0).astype(np.int32)
        self.habits = rng.normal(0, _HABIT, (len(_NUMBERS), _N_KINDS))
        self.slopes, self.curves = rng.normal(0, [[1.0], [0.5]], (2, len(_NUMBERS)))
        effects = (*_EFFECTS, *_CROSSES, *_SLOPES)
        self.keys = dict(zip(effects, _keys(rng, len(effects)), strict=True))
        # Others than of the weights, of which ids should tell nothing.
        self.id_keys = dict(zip(_VOCABULARIES, _keys(rng, len(_VOCABULARIES)), strict=True))
        self.scales, self.intercept = self._calibrated()

    def rows(self, part: str, first: int, n: int, label_noise: float) -> _Rows:
        """Rows first .. first + n - 1 of a part."""
        rows = _Rows(
            np.empty((len(_NUMBERS), n)), np.empty((len(_VOCABULARIES), n), np.int32), np.empty(n, np.int64)
        )
        for number in range(first // _CHUNK_ROWS, -(-(first + n) // _CHUNK_ROWS)):
            begin = number * _CHUNK_ROWS - first  # of the chunk, among the rows asked for
            there, here = slice(max(begin, 0), begin + _CHUNK_ROWS), slice(max(-begin, 0), n - begin)
            chunk = self._chunk(part, number, label_noise)
            rows.numbers[:, there] = chunk.numbers[:, here]
            rows.levels[:, there] = chunk.levels[:, here]
            rows.y[there] = chunk.y[here]
        return rows

    def block(self, part: str, first: int, n: int, label_noise: float) -> tuple[pd.DataFrame, Labels]:
        rows = self.rows(part, first, n, label_noise)
        return self.frame(rows, first), rows.y

    def frame(self, rows: _Rows, first: int = 0) -> pd.DataFrame:
        """Numbers, and ids as categories; the index begins with ``first``."""
        may_miss = {name for names in _MISSING for name in names}
        columns: dict[str, Any] = {
            name: numbers if name in may_miss else numbers.astype(np.int64)
            for name, numbers in zip(_NUMBERS, rows.numbers, strict=True)
        }
        for name, levels in zip(_VOCABULARIES, rows.levels, strict=True):
            columns[name] = _category(levels, _VOCABULARIES[name], self.id_keys[name])
        return pd.DataFrame(columns, pd.RangeIndex(first, first + len(rows.y)), copy=False)

    def logit(self, numbers: Floats, levels: Integers) -> Floats:
        """Log odds of a click."""
        return self.intercept + _weighted(self._parts(numbers, levels), self.scales)

    def _stream(self, *items: int | str) -> np.random.Generator:
        return generator(self.seed, "datasets", "ctr", *items)

    def _chunk(self, part: str, number: int, label_noise: float) -> _Rows:
        rng = self._stream(part, number)
        numbers, levels = self._features(rng)
        is_clicked = rng.random(_CHUNK_ROWS) < scipy.special.expit(self.logit(numbers, levels))
        # Drawn last, and always: noise changes labels and nothing else, more noise those of less noise too.
        is_flipped = rng.random(_CHUNK_ROWS) < label_noise
        return _Rows(numbers, levels, (is_clicked ^ is_flipped).astype(np.int64))

    def _features(self, rng: np.random.Generator) -> tuple[Floats, Integers]:
        kinds = [_zipf(rng.random(_CHUNK_ROWS), _N_KINDS) for _ in range(_N_SIDES)]
        numbers = rng.standard_normal((len(_NUMBERS), _CHUNK_ROWS))
        numbers *= np.sqrt(1 - _HABIT**2)
        for j, (mean, std) in enumerate(_NUMBERS.values()):
            numbers[j] += self.habits[j].take(kinds[j * _N_SIDES // len(_NUMBERS)])
            numbers[j] = np.maximum(np.floor(np.exp(mean + std * numbers[j])) - 1.0, 0.0)
        levels = np.empty((len(_VOCABULARIES), _CHUNK_ROWS), np.int32)
        for j, size in enumerate(_VOCABULARIES.values()):
            turns = self.turns[j].take(kinds[j * _N_SIDES // len(_VOCABULARIES)])
            turned = _zipf(rng.random(_CHUNK_ROWS), size) + turns
            # The remainder: unsigned, what is below the size becomes huge.
            levels[j] = np.minimum(turned.view(np.uint32), (turned - np.int32(size)).view(np.uint32))
        for names, share in _MISSING.items():
            is_missing = rng.random(_CHUNK_ROWS) < share
            for name in names:
                array, nothing = (numbers, np.nan) if name in _NUMBERS else (levels, -1)
                np.copyto(array[_place(name)], nothing, where=is_missing)
        return numbers, levels

    def _parts(self, numbers: Floats, levels: Integers) -> Floats:
        """What numbers, categories and crosses have to say, each in a unit of its own, [3, n]."""
        parts = np.zeros((len(_VARIANCE_SHARES), numbers.shape[1]))
        by_number, by_level, by_cross = parts
        logs = np.log1p(numbers)
        for j, (mean, std) in enumerate(_NUMBERS.values()):
            logs[j] = np.clip((logs[j] - mean) / std, -3.0, 3.0)
            np.copyto(logs[j], 0.0, where=np.isnan(logs[j]))
            by_number += logs[j] * (self.slopes[j] + self.curves[j] * logs[j])
        for effect in _EFFECTS:
            by_level += self._weights(effect, levels)
        for cross in _CROSSES:
            by_cross += self._weights(cross, levels)
        for slope in _SLOPES:
            by_cross += logs[_place(slope[0])] * self._weights(slope, levels)
        return parts

    def _weights(self, effect: tuple[str, ...], levels: Integers) -> Floats:
        """Weights of levels, or of pairs of them: pseudo-random, which needs no table of 10^6; variance 1."""
        hashed = self.keys[effect]
        for name in effect:
            if name in _VOCABULARIES:
                hashed = _mixed(levels[_place(name)].view(np.uint32) ^ hashed)
        return hashed * (np.sqrt(12.0) / 2**32) - np.sqrt(3.0)

    def _calibrated(self) -> tuple[Floats, float]:
        """Scales of the parts of the logit, and the intercept with which 3% are clicked on."""
        streams = [self._stream("calibration", chunk) for chunk in range(_CALIBRATION_CHUNKS)]
        parts = np.concatenate([self._parts(*self._features(rng)) for rng in streams], axis=1)
        scales = _LOGIT_STD * np.sqrt(list(_VARIANCE_SHARES.values())) / parts.std(axis=1)
        logit = _weighted(parts, scales)

        def excess(intercept: float) -> float:
            return float(scipy.special.expit(intercept + logit).mean()) - _SHARE_CLICKED

        return scales, float(scipy.optimize.brentq(excess, -50.0, 50.0))


@functools.lru_cache(maxsize=4)
def _market(seed: int) -> _Market:
    return _Market(seed)  # which takes as long as 2^16 rows


def _weighted(parts: Floats, scales: Floats) -> Floats:
    # No matrix product: its last digits may depend on the number of threads.
    return np.add.reduce(scales[:, None] * parts)


def _place(name: str) -> int:
    return int(name[1:]) - 1


def _zipf(uniform: Floats, size: int) -> Integers:
    """Levels 0 .. size - 1, the inverse of the distribution function in closed form."""
    return np.minimum(np.exp(uniform * np.log(size + 1.0)), size).astype(np.int32) - np.int32(1)


def _category(levels: Integers, size: int, key: np.uint32) -> pd.Categorical:
    """Levels as ids, those that occur as categories."""
    is_seen = np.zeros(size + 1, bool)  # the last one stands for -1
    is_seen[levels] = True
    seen = np.flatnonzero(is_seen[:-1]).astype(np.int32)
    ids = _mixed(seen.view(np.uint32) ^ key)
    order = np.argsort(ids)
    codes = np.full(size + 1, -1, np.int32)
    codes[seen[order]] = np.arange(len(seen))
    return pd.Categorical.from_codes(codes[levels], dtype=pd.CategoricalDtype(_hexadecimal(ids[order])))


def _hexadecimal(ids: Hashes) -> pd.Index:
    """Numbers as strings of 8 digits, of the dtype that pandas has for strings."""
    digits = _DIGITS[ids.astype(">u4").view(np.uint8)]
    return pd.Index(pa.array(digits.view("S8")).cast(pa.string()).to_pandas())


def _keys(rng: np.random.Generator, n: int) -> Hashes:
    return rng.integers(0, 2**32, n, np.uint32)


def _mixed(x: Hashes) -> Hashes:
    """A permutation of 32-bit numbers that looks random (lowbias32, Chris Wellons)."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))
