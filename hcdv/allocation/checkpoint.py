"""Chains walked so far, on disk: a killed run goes on where it was, and ends with the same bits."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hcdv._archive import read_archive, write_archive
from hcdv._files import check_place
from hcdv._moments import Moments

FORMAT_VERSION = 1

# Chains beyond these would overflow what counts them.
MAX_COUNT = 2**62

# Seconds between two writes at least: more often would only cost time, less often more work to repeat.
WRITE_EVERY = 5.0


@dataclass
class Checkpoint:
    """One file that holds the moments of a walk; replaced whole, so it is the old or the new state.

    Parameters
    ----------
    path : path-like
        Its folder must exist.
    fingerprint : str
        Of everything the chains depend on: rows, labels, tree, games, seed; the walk adds who plays on
        which levels.  A file with another one is
        refused, never overwritten.
    """

    path: str | os.PathLike[str]
    fingerprint: str
    _written: float = field(default=-np.inf, repr=False)

    def load(
        self, points: Moments, nodes: Moments, even: NDArray[np.float64] | None
    ) -> NDArray[np.float64] | None:
        """Fill the moments from the file, if there is one.

        Returns
        -------
        float64 [p] or None
            v(D) of each game; None where there is no file yet.

        Raises
        ------
        ValueError
            If the file is damaged, foreign, or of another valuation.
        """
        place = check_place(self.path)
        if not place.exists():
            return None
        arrays, meta = read_archive(place, kind="checkpoint", version=FORMAT_VERSION)
        if meta.get("fingerprint") != self.fingerprint:
            raise ValueError(
                f"{Path(self.path)} is the checkpoint of another valuation (other rows, labels, parameters "
                "or seed); delete it or name another file."
            )
        if even is not None and "even" not in arrays:
            raise ValueError(
                f"{Path(self.path)} was written without a stopping rule that compares halves; start anew."
            )
        count = meta.get("count")
        if type(count) is not int or not 0 <= count <= MAX_COUNT:
            raise self._damaged("it holds no count of chains")
        wanted = {**_arrays(points, nodes, even), "v_full": np.empty(len(points.mean))}
        for name, target in wanted.items():
            array = arrays.get(name)
            if array is None or array.shape != target.shape or array.dtype != np.float64:
                raise self._damaged(f"its array {name!r} does not fit")
            if not np.isfinite(array).all():
                raise self._damaged(f"its array {name!r} holds no finite numbers")
        for name, target in wanted.items():
            target[...] = arrays[name]
        points.count = nodes.count = count
        return wanted["v_full"]

    def _damaged(self, why: str) -> ValueError:
        return ValueError(f"{Path(self.path)} is damaged: {why}; delete it to start anew.")

    def save(
        self,
        points: Moments,
        nodes: Moments,
        even: NDArray[np.float64] | None,
        v_full: NDArray[np.float64],
        *,
        now: bool = False,
    ) -> None:
        """Write the moments, unless that was done a moment ago and ``now`` is false."""
        if not now and time.monotonic() - self._written < WRITE_EVERY:
            return
        write_archive(
            self.path,
            {**_arrays(points, nodes, even), "v_full": v_full},
            {
                "kind": "checkpoint",
                "version": FORMAT_VERSION,
                "fingerprint": self.fingerprint,
                "count": points.count,
            },
        )
        self._written = time.monotonic()


def _arrays(
    points: Moments, nodes: Moments, even: NDArray[np.float64] | None
) -> dict[str, NDArray[np.float64]]:
    arrays = {
        "point_mean": points.mean,
        "point_comoment": points.comoment,
        "node_mean": nodes.mean,
        "node_comoment": nodes.comoment,
    }
    return arrays if even is None else {**arrays, "even": even}
