"""What an update of a fitted model did, and how sure the values are after it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

# Of a normal error, 95% lie within so many standard errors.
NORMAL_95 = 1.96

REFRESHES = ("affected", "drift", "full")


@dataclass(frozen=True)
class Update:
    """One update.

    Attributes
    ----------
    number : int
        1, 2, ... since the fit; the batch that came with it bears it, too.
    kind : {"add", "forget", "validation", "refresh"}
    refresh : {"affected", "drift", "full"}
    note : str
        What the caller noted: a batch's name or digest, say.
    n_new, n_forgotten, n_rows : int
        Rows that came, left, and are there now.
    n_pairs, n_all_pairs : int
        Antithetic pairs of chains walked, of how many.
    error : float
        Standard error of the values beside a walk of all pairs, root mean square over the rows, in units of the
        values' standard deviation; 0 after a walk of all.
    rebalanced : bool
        Whether the tree was looked through for leaves out of their bounds.
    born, split, dissolved : tuple of int
        Leaves founded for rows far from all others, split, and dissolved, by their keys
        (``hierarchy_.node_key``).
    seconds : float
        Wall time.
    v_full : float
        Value of all rows now.
    by_batch : dict of int to float
        Sum of the values of the rows that came with each update; 0 is the fit.
    by_group : dict of label to float
        The same by the coarsest known group; empty without groups.
    tracked_key, tracked_value : int64 [L], float64 [L]
        Leaves now (of large trees, the nodes of an upper level), and the sums of their rows' values.
    node_error, node_moved : float64 [m]
        By node of ``hierarchy_``: standard error of its value beside a walk of all pairs, as far as this update
        has added to it, and by how much the rows that were there before have moved together.  Empty in
        ``history_``.
    """

    number: int
    kind: str
    refresh: str
    note: str
    n_new: int
    n_forgotten: int
    n_rows: int
    n_pairs: int
    n_all_pairs: int
    error: float
    rebalanced: bool
    born: tuple[int, ...]
    split: tuple[int, ...]
    dissolved: tuple[int, ...]
    seconds: float
    v_full: float
    by_batch: dict[int, float]
    by_group: dict[Any, float]
    tracked_key: NDArray[np.int64] = field(repr=False)
    tracked_value: NDArray[np.float64] = field(repr=False)
    node_error: NDArray[np.float64] = field(repr=False)
    node_moved: NDArray[np.float64] = field(repr=False)

    @property
    def bound(self) -> float:
        """95% of the values are this close to those by all pairs, in units of their standard deviation."""
        return NORMAL_95 * self.error

    def without_nodes(self) -> Update:
        """The same without what it knows of every node."""
        nothing = np.zeros(0)
        return replace(self, node_error=nothing, node_moved=nothing)

    def summary(self) -> str:
        """One line."""
        parts = [f"update {self.number}: {self.n_rows:,} rows"]
        if self.n_new:
            parts.append(f"{self.n_new:,} new")
        if self.n_forgotten:
            parts.append(f"{self.n_forgotten:,} forgotten")
        for name in ("born", "split", "dissolved"):
            if count := len(getattr(self, name)):
                parts.append(f"{count:,} {'leaf' if count == 1 else 'leaves'} {name}")
        parts.append(f"{self.n_pairs} of {self.n_all_pairs} pairs walked")
        parts.append(f"error {self.error:.3f}, {self.seconds:.2f} s")
        return ", ".join(parts)


def history_frame(history: list[Update]) -> pd.DataFrame:
    """One line an update: what came and went, how the tree changed, how sure the values were."""
    import pandas as pd

    names = (
        "number", "kind", "refresh", "note", "n_new", "n_forgotten", "n_rows", "n_pairs", "error",
        "bound", "rebalanced", "seconds", "v_full",
    )  # fmt: skip
    if not history:
        return pd.DataFrame(columns=[*names, "born", "split", "dissolved"])
    rows = [
        {name: getattr(update, name) for name in names}
        | {name: len(getattr(update, name)) for name in ("born", "split", "dissolved")}
        for update in history
    ]
    return pd.DataFrame(rows)
