"""The rows that a report shows one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.estimator import Explanation
from hcdv.report.features import Features, cell, clean, cut, name_of, number, shown
from hcdv.report.thumbnails import Thumbnails

# Letters and cells of a row that stand in the table; all are in its details.
SNIPPET, CELLS_IN_SNIPPET = 140, 4


def chosen_rows(
    ranking: NDArray[np.int64], n_issues: int, n_rows: int, issues_per_row: int
) -> NDArray[np.int64]:
    """Positions to show, lowest value first: the lowest with the label issues, and the highest."""
    low = max(n_rows, min(n_issues, issues_per_row * n_rows))
    if low + n_rows >= len(ranking):
        return ranking
    return np.concatenate([ranking[:low], ranking[-n_rows:]])


def others_shown(abouts: list[Explanation]) -> NDArray[np.int64]:
    """Positions of the training rows that explanations speak of."""
    rows = [
        row.position
        for about in abouts
        for row in (*about.neighbours, *about.voters, *about.helped, *about.hurt, *about.duplicates)
        if not row.is_validation
    ]
    return np.unique(np.array(rows, np.int64))


@dataclass(frozen=True, eq=False)
class Records:
    """Explained rows with all that is shown of them.

    Attributes
    ----------
    abouts : list of Explanation
    is_issue : bool [n]
        By position.
    labels : [n] or None
        To be shown.
    features : Features or None
    thumbnails : Thumbnails or None
    """

    abouts: list[Explanation]
    is_issue: NDArray[np.bool_]
    labels: NDArray[Any] | None
    features: Features | None
    thumbnails: Thumbnails | None

    def views(self) -> list[dict[str, Any]]:
        """What the page shows of each row."""
        most = max((abs(about.value) for about in self.abouts), default=0.0) or 1.0
        return [self._view(k, about, most) for k, about in enumerate(self.abouts)]

    def island(self) -> dict[str, Any]:
        """What the page's script finds, sorts and writes to CSV: names of columns, and a list a row."""
        parts = list(dict.fromkeys(name for about in self.abouts for name in about.parts))
        fixed = ["id", "position", "label", "value", "std_error", "rank", "is_issue", "neighbours_that_differ"]
        features = self.features
        extra = [] if features is None else [*features.columns, *features.texts]
        rows = []
        for about in self.abouts:
            position = about.position
            of_neighbours = (about.validation_neighbours or about.neighbours) or None
            differ = of_neighbours and sum(not row.has_same_label for row in of_neighbours)
            line = [
                cell(about.id), position, cell(self._label(position)), about.value, about.std_error, about.rank,
                bool(self.is_issue[position]), differ, *(cell(about.parts[name]) for name in parts),
            ]  # fmt: skip
            if features is not None:
                line += [*features.cells[position], *features.running[position]]
            rows.append(line)
        return {"columns": [*fixed, *(f"part_{name}" for name in parts), *map(name_of, extra)], "rows": rows}

    def left_out(self, n: int, n_issues: int) -> list[str]:
        """What the page does not hold, in sentences."""
        said = []
        if len(self.abouts) < n:
            kept = sum(bool(self.is_issue[about.position]) for about in self.abouts)
            issues = "" if kept == n_issues else f", {kept:,} of the {n_issues:,} label issues among them"
            said.append(
                f"This page holds {len(self.abouts):,} of {n:,} rows, the lowest and the highest{issues}; the "
                "histogram and the tree are of all rows."
            )
        if self.features is not None and self.features.n_left_out:
            said.append(f"{self.features.n_left_out:,} further columns of the data are left out.")
        return said

    def _view(self, k: int, about: Explanation, most: float) -> dict[str, Any]:
        position, features = about.position, self.features
        texts = [] if features is None else zip(features.texts, features.running[position], strict=True)
        voted = about.validation_neighbours or about.neighbours
        return {
            "k": k,
            "id": name_of(about.id),
            "label": self._name(position),
            "rank": about.rank,
            "value": number(about.value),
            "bar": round(46 * about.value / most, 1),
            "std_error": None if about.std_error is None else number(about.std_error),
            "is_issue": bool(self.is_issue[position]),
            "differ": sum(not row.has_same_label for row in voted),
            "n_near": len(voted),
            "say": _most_said(voted),
            "reasons": about.reasons,
            "note": about.note,
            "image": self._image(position),
            "snippet": self._snippet(position),
            "texts": [(name_of(name), text) for name, text in texts],
            "parts": [(name, number(part)) for name, part in about.parts.items()],
            "path": [
                (node.level, node.node, f"{node.size:,}", number(node.value_per_row), f"{node.label_share:.0%}")
                for node in about.path
            ],
            "neighbours": [self._other(row) for row in about.neighbours],
            "cells": self._compared(about),
            "validation": [self._other(row) for row in about.validation_neighbours],
            "own": None if about.own is None else number(about.own),
            "others": None if about.own is None else number((about.leave_one_out or 0.0) - about.own),
            "helped": [self._other(row) for row in (*about.validation_helped[:3], *about.helped[:3])],
            "hurt": [self._other(row) for row in (*about.validation_hurt[:3], *about.hurt[:3])],
            "voters": [self._other(row) for row in about.voters],
            "duplicates": [self._other(row) for row in about.duplicates],
            "n_duplicates": about.n_duplicates,
        }

    def _other(self, row: Any) -> dict[str, Any]:
        """What is told of another row: who it is, its label, its picture, and the figures that it has."""
        shares = getattr(row, "shares", None)
        return {
            "name": f"validation {row.position}" if row.is_validation else name_of(row.id),
            "label": name_of(row.label),
            "same": row.has_same_label,
            "image": None if row.is_validation else self._image(row.position),
            "value": None if row.value is None else number(row.value),
            "distance": number(row.distance) if hasattr(row, "distance") else None,
            "change": number(row.change) if hasattr(row, "change") else None,
            "shares": None if shares is None else ", ".join(f"{v:.0%} of {name}" for name, v in shares.items()),
        }

    def _compared(self, about: Explanation) -> list[tuple[str, list[str], list[bool]]]:
        """Every column with the cells of the row and of its nearest rows, and which of these are the same."""
        if self.features is None:
            return []
        rows = [about.position, *(row.position for row in about.neighbours)]
        cells = [self.features.cells[position] for position in rows]
        compared = []
        for j, name in enumerate(self.features.columns):
            said = [shown(line[j]) for line in cells]
            compared.append((name_of(name), said, [text == said[0] for text in said]))
        return compared

    def _snippet(self, position: int) -> str:
        if self.features is None:
            return ""
        running = self.features.running[position]
        if running:
            return cut(" ".join(running[0].split()), SNIPPET)
        cells = zip(self.features.columns, self.features.cells[position], strict=True)
        said = [f"{name_of(name)} {shown(item)}" for name, item in list(cells)[:CELLS_IN_SNIPPET]]
        return cut(" \N{MIDDLE DOT} ".join(said), SNIPPET)

    def _image(self, position: int) -> str | None:
        return None if self.thumbnails is None else self.thumbnails.address.get(position)

    def _label(self, position: int) -> Any:
        return None if self.labels is None else self.labels[position]

    def _name(self, position: int) -> str:
        label = self._label(position)
        return "" if label is None else name_of(label)


def _most_said(near: Any) -> str:
    """The label that most of these rows have; of several the one of the nearest row."""
    if not near:
        return ""
    counts = Counter(clean(row.label) for row in near)
    most = max(counts.values())
    return next(name_of(row.label) for row in near if counts[clean(row.label)] == most)
