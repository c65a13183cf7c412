"""The folder in which a valuation lies while it goes on: everything that is finished, and whose it is.

A file is written aside and renamed, so what has its name is whole.  A task that finds its own file has nothing
to do: that is all there is to going on after a crash, to a task that runs twice, and to workers elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv._files import written_aside

VERSION = 1
FACTS = "work.json"
# Where a source has put rows that came once only.
ROWS = "rows"
STAGES = ("learned", "shards", "parts", "walks", "values")


@dataclass(frozen=True)
class Work:
    """Places in the work folder; small, so that tasks can carry it.

    Attributes
    ----------
    folder : str
    fingerprint : str
        Of everything that values depend on.
    """

    folder: str
    fingerprint: str

    @classmethod
    def open(cls, folder: Path, fingerprint: str) -> Work:
        """Begin in a folder, or go on in it.

        Raises
        ------
        ValueError
            If it holds the work of another valuation, or something else.
        OSError
            If it cannot be made.
        """
        facts = folder / FACTS
        if facts.exists():
            try:
                held = json.loads(facts.read_text())
                same = held["version"] == VERSION and held["fingerprint"] == fingerprint
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{facts} is damaged; delete {folder} or name another folder.") from None
            if not same:
                raise ValueError(
                    f"{folder} holds the work of another valuation (other rows, labels, parameters or seed); "
                    "delete it or name another folder."
                )
        elif folder.exists() and (not folder.is_dir() or any(item.name != ROWS for item in folder.iterdir())):
            raise ValueError(f"{folder} holds something else; name an empty folder, or none that is there.")
        for stage in STAGES:
            (folder / stage).mkdir(parents=True, exist_ok=True)
        if not facts.exists():
            with written_aside(facts) as aside:
                aside.write_text(json.dumps({"version": VERSION, "fingerprint": fingerprint}))
        return cls(os.fspath(folder), fingerprint)

    def place(self, stage: str, name: str) -> Path:
        return Path(self.folder, stage, name)

    def numbered(self, stage: str, number: int, ending: str = "npy") -> Path:
        """A file of task ``number``."""
        return Path(self.folder, stage, f"{number:07d}.{ending}")

    def clear(self, stage: str) -> None:
        """Give the disk back that a stage took."""
        shutil.rmtree(Path(self.folder, stage), ignore_errors=True)
        Path(self.folder, stage).mkdir(exist_ok=True)


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an .npy file aside and rename it."""
    with written_aside(path) as aside, open(aside, "wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
