"""The identity encoder: standardised columns, or principal components where they are many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray
from scipy.special import gammaincinv
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from hcdv._random import derive_seed, generator
from hcdv._validation import check_finite, check_int
from hcdv.encoder._input import as_frame, as_rows, in_order, is_table
from hcdv.encoder._spaces import Spaces
from hcdv.encoder._tails import Tail, straightened, tail_of

_FIT_ROWS = 50_000  # principal components and tails are learned on at most so many rows
_BLOCK_NUMBERS = 2**21  # numbers in a block: 16 MB in float64
_GRAM_COLUMNS = 2_000  # up to here the covariance is formed; above, a randomised SVD of a sample
_SVD_NUMBERS = 2**25  # numbers in that sample: 128 MB in float32
# Columns whose largest standard deviation is within this factor of the median one are taken to be
# of one unit (pixels, embeddings): their relative sizes are information and are kept.
_ONE_UNIT = 10.0
# A row is far from all others beyond so many times the length that this share of normal rows with the
# same median and as many dimensions stays below.  None in the sets of the benches is.
_FAR, _NEARLY_ALL = 2.5, 0.999
_FAR_ROWS = 2048  # by which that is decided


class IdentityEncoder:
    """Numbers as they are: standardised, and reduced by principal components where they are many.

    Up to ``max_columns`` columns the vote space is the columns themselves, each standardised after
    a signed logarithm where it has a long tail. Above, it is the ``n_components`` first principal
    components, divided by one common standard deviation so that they keep their relative variance;
    columns of one unit (pixels, embeddings) are only centred before, others are put on their scale
    first as above.

    Parameters
    ----------
    max_columns : int
        Most columns that go without principal components.
    n_components : int
        Dimensions of the vote space above that.
    one_unit : bool or None
        True: the columns come in comparable units already and are only centred, never rescaled.
        False: they are always put on their own scales. None: decided from the data.
    draws_in : bool
        Whether rows far from all others are drawn in, and hardly count for the principal components.

    Attributes
    ----------
    n_columns_ : int
        Columns (after flattening) of the training rows.
    median_, unit_, reach_ : float64 [p]
        How columns are straightened: a signed logarithm where the unit is above 0, cut where the reach is.
    radius_ : float
        Rows whose vector is longer are drawn in to this length; 0: none are.
    names_ : pandas.Index or None
        Their names, if the training rows came as a frame: later frames are put in this order.
    one_unit_ : bool
        Whether the columns were only centred.
    scale_ : float64 [p] or [1]
        What the centred columns are divided by: their standard deviations; or where they are of
        one unit 1, for principal components a power of two near their overall standard deviation.
    components_ : float32 [p, d] or None
        Maps the centred and scaled columns to the vote space; None where it is these themselves.
    """

    is_mixed = False
    notes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __init__(
        self,
        max_columns: int = 60,
        n_components: int = 64,
        one_unit: bool | None = None,
        draws_in: bool = True,
    ) -> None:
        self.max_columns = check_int(max_columns, "max_columns", 1)
        self.n_components = check_int(n_components, "n_components", 1)
        self.one_unit = one_unit
        self.draws_in = draws_in

    def fit(self, X: Any, y: Any = None, *, seed: int = 0) -> Self:
        """Learn the spaces from the training rows.

        Parameters
        ----------
        X : array, numeric pandas.DataFrame or scipy sparse matrix, shape (n, ...)
            Finite numbers of any dtype; axes after the first are flattened. Read in blocks, never
            copied as a whole. A sparse matrix above ``max_columns`` columns stays sparse.
        y : ignored
            Labels play no part here.
        seed : int
            Decides which rows are sampled where there are more than 50,000.

        Raises
        ------
        TypeError, ValueError
            If ``X`` is not numeric, has no rows or no columns, or is not finite.
        """
        self.names_: pd.Index | None = as_frame(X, "X").columns if is_table(X) else None
        rows = as_rows(X, "X")
        n, p = rows.shape
        if n == 0 or p == 0:
            what = "sample(s)" if n == 0 else "feature(s)"
            raise ValueError(f"X has 0 {what} (shape={rows.shape}) while a minimum of 1 is required.")
        self.n_columns_ = p
        self.components_: NDArray[np.float32] | None = None
        sample = _sample(n, seed)
        self.sparse_ = scipy.sparse.issparse(rows) and p > self.max_columns
        if self.sparse_:
            with threadpool_limits(1):
                self._fit_sparse(rows, sample, seed)
                self.radius_ = self._radius_of(self._project_sparse(rows[sample], "X"))
            return self
        self._keep_scales(p)
        mean, std = self._moments(rows)
        wide = p > self.max_columns
        if self.one_unit is None:
            spread = std[std > 0]
            self.one_unit_ = bool(
                wide and len(spread) and spread.max() <= _ONE_UNIT * np.median(spread)
            )
        else:
            self.one_unit_ = self.one_unit
        if not self.one_unit_:
            self._fit_tails(rows, sample)
            if self.unit_.any() or self.reach_.any():
                mean, std = self._moments(rows)
        self.mean_ = mean
        self.std_ = np.where(std > 0, std, 1.0)
        self.scale_ = np.ones(1) if self.one_unit_ else self.std_
        if wide:
            if self.one_unit_:
                # float32 and its squares then hold any unit; a power of two costs no digit.
                self.scale_ = np.full(1, _power_of_two(float(np.sqrt(np.mean(std**2)))))
            with threadpool_limits(1):
                self._fit_components(rows, sample, seed)
        with threadpool_limits(1):
            some = self._scaled_rows(rows, _thin(sample, max(1, _BLOCK_NUMBERS // p)))
            self.radius_ = self._radius_of(self._mixed(some))
        return self

    def transform(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        """Rows in the vote space, float32 [n, d]; ``name`` is how errors call ``X``."""
        return self.spaces(X, columns=False, name=name).vote

    def columns(self, X: Any, *, name: str = "X") -> NDArray[np.float32]:
        """The standardised columns, float32 [n, p] (a wide sparse matrix gives the vote space)."""
        return self.spaces(X, name=name).columns

    def fit_spaces(
        self,
        X: Any,
        y: Any = None,
        *,
        seed: int = 0,
        columns: bool = True,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Spaces:
        """`fit`, then both spaces of the training rows."""
        return self.fit(X, y, seed=seed).spaces(X, columns=columns)

    def spaces(self, X: Any, *, columns: bool = True, name: str = "X") -> Spaces:
        """Both spaces of any rows; without ``columns`` the second is the first."""
        rows = as_rows(in_order(X, self.names_, name), name)
        n, p = rows.shape
        if p != self.n_columns_:
            raise ValueError(f"{name} has {p} features, but X had {self.n_columns_} in the fit.")
        if self.sparse_:
            with threadpool_limits(1):
                vote = _drawn_in(self._project_sparse(rows, name), self.radius_)
            return Spaces(vote, vote)
        mix = self.components_
        width = self.n_columns_ if mix is None else mix.shape[1]
        vote = np.empty((n, width), np.float32)
        kept = vote if mix is None or not columns else np.empty((n, self.n_columns_), np.float32)
        # What does not fit into float32 becomes infinite and is refused block by block.
        with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
            for start, stop, block in _blocks(rows, name):
                centred = self._straighten(block) - self.mean_
                vote[start:stop] = self._mixed((centred / self.scale_).astype(np.float32))
                _check_near(vote[start:stop], name, start)
                if kept is not vote:
                    kept[start:stop] = centred / self.std_
                    _check_near(kept[start:stop], name, start)
        if columns and mix is None and _any_longer(vote, self.radius_):
            kept = vote.copy()  # trees want the columns as they are
        return Spaces(_drawn_in(vote, self.radius_), kept)

    def _mixed(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        return scaled if self.components_ is None else scaled @ self.components_

    def _scaled_rows(self, rows: Any, chosen: NDArray[np.intp]) -> NDArray[np.float32]:
        block = self._straighten(_gather(rows, chosen, slice(None)))
        return ((block - self.mean_) / self.scale_).astype(np.float32)

    def _radius_of(self, vote: NDArray[np.float32]) -> float:
        return _far_length(vote) if self.draws_in else 0.0

    def _keep_scales(self, p: int) -> None:
        self.median_, self.unit_, self.reach_ = np.zeros(p), np.zeros(p), np.zeros(p)

    def _fit_tails(self, rows: Any, sample: NDArray[np.intp]) -> None:
        # Columns in groups, so that the sample of a wide matrix is never copied as a whole.
        width = max(1, _BLOCK_NUMBERS // len(sample))
        for first in range(0, self.n_columns_, width):
            chunk = _gather(rows, sample, slice(first, first + width))
            for j in range(chunk.shape[1]):
                column = np.ascontiguousarray(chunk[:, j])
                k = first + j
                self.median_[k], self.unit_[k], self.reach_[k] = tail_of(column)

    def _straighten(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        for j in np.flatnonzero(self.unit_ + self.reach_):
            block[:, j] = straightened(block[:, j], Tail(self.median_[j], self.unit_[j], self.reach_[j]))
        return block

    def _moments(self, rows: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of every column (0 where it is constant), one pass."""
        p = rows.shape[1]
        mean, squares, seen = np.zeros(p), np.zeros(p), 0
        with np.errstate(over="ignore", invalid="ignore"):
            for start, stop, block in _blocks(rows, "X"):
                block = self._straighten(block)
                block_mean = block.mean(axis=0)
                block -= block_mean
                size = stop - start
                # Chan, Golub and LeVeque: joins two sets of moments without cancellation.
                shift = block_mean - mean
                mean += shift * (size / (seen + size))
                squares += np.einsum("ij,ij->j", block, block)
                squares += shift**2 * (seen * size / (seen + size))
                seen += size
            std = np.sqrt(squares / seen)
        if not np.isfinite(std).all():
            raise ValueError("X holds numbers whose squares overflow; scale them down first.")
        # What rounding leaves of a constant column is no spread.
        std[std <= 4 * np.finfo(np.float64).eps * np.abs(mean)] = 0.0
        return mean, std

    def _fit_components(self, rows: Any, sample: NDArray[np.intp], seed: int) -> None:
        p = self.n_columns_
        if p > _GRAM_COLUMNS:
            sample = _thin(sample, max(_SVD_NUMBERS // p, 20 * self.n_components))
        k = min(self.n_components, p, max(1, len(sample) - 1))
        gram = np.zeros((p, p)) if p <= _GRAM_COLUMNS else None
        data = np.empty((len(sample), p), np.float32) if gram is None else None
        step = max(1, _BLOCK_NUMBERS // p)
        far = self._radius_of(self._scaled_rows(rows, _thin(sample, step)))
        for start in range(0, len(sample), step):
            centred = self._scaled_rows(rows, sample[start : start + step])
            # The farther out, the less a row counts.
            _drawn_in(centred, far, power=2)
            if gram is not None:
                gram += centred.T @ centred
            elif data is not None:
                data[start : start + step] = centred
        if gram is not None:
            values, vectors = scipy.linalg.eigh(gram, subset_by_index=(p - k, p - 1))
            values, vectors = values[::-1], vectors[:, ::-1]
        else:
            _, singular, rows_t = randomized_svd(
                data, k, n_iter=4, random_state=derive_seed(seed, "encoder", "svd")
            )
            values, vectors = singular.astype(np.float64) ** 2, rows_t.T
        self.components_ = _scaled(vectors, np.maximum(values, 0.0) / len(sample))

    def _fit_sparse(self, rows: Any, sample: NDArray[np.intp], seed: int) -> None:
        self._keep_scales(rows.shape[1])
        self.one_unit_ = True
        check_finite(rows.data, "X")
        largest = max(float(rows.data.max(initial=0)), -float(rows.data.min(initial=0)))
        self.scale_ = np.full(1, _power_of_two(largest))
        k = min(self.n_components, rows.shape[1] - 1, max(1, len(sample) - 1))
        chosen = _narrow_sparse(rows[sample], self.scale_[0])
        _, _, rows_t = randomized_svd(
            chosen, k, n_iter=4, random_state=derive_seed(seed, "encoder", "svd")
        )
        # Not centred before the decomposition (that would fill the matrix), but after it.
        projected = chosen @ rows_t.T
        variances = projected.var(axis=0, dtype=np.float64)
        self.components_ = _scaled(rows_t.T, variances)
        self.mean_ = projected.mean(axis=0, dtype=np.float64) @ rows_t.astype(np.float64)
        self.std_ = np.ones(rows.shape[1])

    def _project_sparse(self, rows: Any, name: str) -> NDArray[np.float32]:
        if not scipy.sparse.issparse(rows):
            rows = scipy.sparse.csr_matrix(rows)
        check_finite(rows.data, name)
        assert self.components_ is not None
        offset = (self.mean_ @ self.components_).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            vote = _narrow_sparse(rows, self.scale_[0]) @ self.components_ - offset
        _check_near(vote, name, 0)
        return np.ascontiguousarray(vote)


def _blocks(rows: Any, name: str) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """Consecutive rows as fresh, checked float64 blocks of about 16 MB."""
    n, p = rows.shape
    step = max(1, _BLOCK_NUMBERS // max(1, p))
    for start in range(0, n, step):
        stop = min(n, start + step)
        block = _dense(rows[start:stop])
        if not np.isfinite(block.sum()) and not np.isfinite(block).all():
            # Once more over all rows, for the message: it names the count and the first place.
            check_finite(_dense(rows) if scipy.sparse.issparse(rows) else rows, name)
        yield start, stop, block


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    # Squares in float64: they leave the range of float32.
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return lengths


def _any_longer(vectors: NDArray[np.float32], radius: float) -> bool:
    return bool(radius) and bool((_lengths(vectors) > radius).any())


def _far_length(vectors: NDArray[np.float32]) -> float:
    """Length beyond which a vector like these [n, d] is far from all."""
    some = vectors[_thin(np.arange(len(vectors)), _FAR_ROWS)].astype(np.float64)
    size = np.abs(some).max(initial=0.0)
    if not size > 0:
        return 0.0
    some /= size  # so that fourth powers stay finite
    gram = some.T @ some if some.shape[1] <= len(some) else some @ some.T
    # As many dimensions as if all had the same variance: lengths in few of them spread more.
    n_dims = np.trace(gram) ** 2 / np.sum(gram**2)
    spread = np.sqrt(gammaincinv(n_dims / 2, _NEARLY_ALL) / gammaincinv(n_dims / 2, 0.5))
    return float(_FAR * spread * np.median(_lengths(vectors)))


def _drawn_in(vectors: NDArray[np.float32], radius: float, power: int = 1) -> NDArray[np.float32]:
    """Vectors longer than ``radius`` made radius (radius / length)^(power - 1) long, in place; 0: none are."""
    if radius:
        lengths = _lengths(vectors)
        far = np.flatnonzero(lengths > radius)
        vectors[far] *= ((radius / lengths[far]) ** power).astype(np.float32)[:, None]
    return vectors


def _check_near(encoded: NDArray[np.float32], name: str, first: int) -> None:
    """Refuse rows (numbered from ``first``) that float32 cannot hold in the units of X."""
    if np.isfinite(encoded.sum(dtype=np.float64)):
        return
    row = first + int(np.argmin(np.isfinite(encoded).all(axis=1)))
    other = "X" if name != "X" else "the rows the encoder was fitted on"
    raise ValueError(
        f"{name} lies too far from {other}: row {row} is beyond float32 once put on its scale."
    )


def _gather(rows: Any, chosen: NDArray[np.intp], width: slice) -> NDArray[np.float64]:
    if len(chosen) == rows.shape[0]:
        return _dense(rows[:, width])
    return _dense(rows[chosen, width])


def _dense(rows: Any) -> NDArray[np.float64]:
    if scipy.sparse.issparse(rows):
        rows = rows.toarray()
    return np.array(rows, dtype=np.float64, order="C")


def _power_of_two(size: float) -> float:
    """The power of two at or above a size; 1 for 0."""
    return float(np.ldexp(1.0, min(int(np.frexp(size)[1]), 1023))) if size > 0 else 1.0


def _narrow_sparse(rows: Any, scale: float) -> Any:
    """A CSR matrix divided by a number (in float64), then as float32; it shares the pattern."""
    data = np.divide(rows.data, scale, dtype=np.float64).astype(np.float32)
    return scipy.sparse.csr_matrix((data, rows.indices, rows.indptr), shape=rows.shape)


def _sample(n: int, seed: int) -> NDArray[np.intp]:
    """Sorted positions of at most 50,000 of ``n`` rows."""
    if n <= _FIT_ROWS:
        return np.arange(n)
    rng = generator(seed, "encoder", "rows")
    return np.sort(rng.choice(n, _FIT_ROWS, replace=False, shuffle=False))


def _thin(sample: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    if len(sample) <= size:
        return sample
    return sample[np.linspace(0, len(sample) - 1, size).astype(np.intp)]


def _scaled(vectors: NDArray[Any], variances: NDArray[np.float64]) -> NDArray[np.float32]:
    """Directions with a fixed sign, divided by the common standard deviation of the projections."""
    common = float(np.sqrt(variances.mean()))
    largest = np.argmax(np.abs(vectors), axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return np.ascontiguousarray(vectors * signs / (common if common > 0 else 1.0), np.float32)
