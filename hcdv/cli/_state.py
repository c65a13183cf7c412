"""A state on disk as the commands use it: the model, and how columns are used."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcdv.cli._columns import Batch, Columns
from hcdv.cli._tables import read, with_groups

if TYPE_CHECKING:
    import pandas as pd

    from hcdv import HCDV
    from hcdv.estimator import Update


class Overtaken(ValueError):
    """Another command has written the state meanwhile."""


@dataclass
class State:
    """A loaded state.

    Attributes
    ----------
    folder : Path
    model : HCDV
    columns : Columns
    """

    folder: Path
    model: HCDV
    columns: Columns

    @classmethod
    def load(cls, folder: Path, *, quiet: bool = True, jobs: int | None = None) -> State:
        """Read a folder that ``hcdv value --save`` made.

        Raises
        ------
        Overtaken
            If others write there all the time.
        ValueError
            If it cannot be read.
        """
        from hcdv import HCDV
        from hcdv.estimator.state.store import StateChanged

        try:
            model = HCDV.load(folder)
        except StateChanged as error:
            raise Overtaken(str(error)) from None
        columns = Columns.read(folder, _lineage(model))
        named = getattr(model, "feature_names_in_", None)
        if named is not None and list(named) != columns.features:
            raise ValueError(f"{folder} is damaged: its model has other columns than it tells of.")
        groups = model._live.groups
        if (0 if groups is None else groups.shape[1]) != len(columns.groups):
            raise ValueError(f"{folder} is damaged: its model has other groups than it tells of.")
        # Of this command, not of the one that made the state: none of these decides a value.
        model.verbose = 0 if quiet else 1
        if jobs is not None:
            model.n_jobs = jobs
        return cls(folder, model, columns)

    def batch(self, path: Path) -> Batch:
        """The rows of a file, as this model takes them."""
        batch = self.columns.batch(read(path), path)
        if batch.ids is None and self.model.result_.ids.dtype.kind in "iu":
            # Rows without names get the next numbers, whatever index a Parquet file may have brought.
            return replace(batch, features=batch.features.reset_index(drop=True))
        return batch

    def seen(self, batch: Batch) -> str | None:
        """Where the rows of a batch came from, if they are in the model already; else None.

        A batch of which no row is left, because all were withdrawn, is none that was seen.
        """
        history = self.model.history_
        alive = history[-1].by_batch if history else {0: 0.0}
        if batch.digest == self.columns.fit and 0 in alive:
            return "with the fit"
        for update in history:
            if update.kind == "add" and digest_of(update) == batch.digest and update.number in alive:
                return f"by update {update.number}"
        return None

    def take_in(self, batch: Batch, name: str = "", **options: Any) -> Update:
        """New rows; the digest of the batch is kept with the update, on disk too, so that it is known again."""
        self.model.partial_fit(
            batch.features, batch.labels, ids=batch.ids, groups=batch.groups,
            note=noted(name, batch.digest), **options,
        )  # fmt: skip
        return self.model.update_

    def trust(self, trusted: Batch, **options: Any) -> bool:
        """Other validation rows, unless these are the ones there are; whether they were others."""
        if trusted.digest == self.columns.trusted:
            return False
        self.model.update_validation(trusted.features, trusted.labels, **options)
        # A crash between the two files must not leave the digest of rows that are trusted no longer.
        self._note(None)
        self.save()
        self._note(trusted.digest)
        return True

    def save(self) -> None:
        """Write what is new.

        Raises
        ------
        Overtaken, BlockingIOError
            If another command has written there, or is just doing so.
        ValueError, OSError
            If it cannot be written; the state on disk is as it was.
        """
        from hcdv.estimator.state.store import CURRENT, StateChanged

        if not (self.folder / CURRENT).exists():
            # A model alone would do without; but nobody wants two states that each have other rows.
            raise ValueError(f"{self.folder} was moved or removed meanwhile, so nothing was saved.")
        try:
            self.model.save(self.folder)
        except StateChanged as error:
            raise Overtaken(str(error)) from None

    def values(self) -> pd.DataFrame:
        """The table of values, as ``hcdv value`` writes it."""
        return with_groups(self.model.result_.to_frame(), self.groups())

    def groups(self) -> dict[str, Any]:
        """Columns of groups, by their names, in the order of the values."""
        live = self.model._live
        if live.groups is None:
            return {}
        in_data = live.groups.copy()
        in_data[live.position] = live.groups
        return self.columns.groups_written(in_data)

    def _note(self, trusted: str | None) -> None:
        self.columns = replace(self.columns, trusted=trusted)
        self.columns.write(self.folder)


def noted(name: str, digest: str = "") -> str:
    """What is noted with an update: the digest of its batch, if it has one, and a name."""
    return f"{digest} {name}".rstrip()


def digest_of(update: Update) -> str:
    """The digest that an update was noted with."""
    return update.note.partition(" ")[0]


def name_of(update: Update) -> str:
    """The name of the file that an update was noted with."""
    return update.note.partition(" ")[2]


def check_new_folder(path: Path) -> None:
    """Refuse a place for a new state before the long work, if it could not be put there."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise ValueError(f"--save {path} is not a folder; a state is one.")
    if target.is_dir() and any(target.iterdir()):
        raise ValueError(f"--save {path} is a folder with something in it; name one that is not there yet.")
    if not target.parent.is_dir():
        raise ValueError(f"--save {path} cannot be made: the folder {target.parent} does not exist.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise ValueError(f"--save {path} cannot be made: no permission to write in {target.parent}.")


def save_new(model: HCDV, columns: Columns, path: Path) -> None:
    """Make the folder of a state: whole, or not at all."""
    target = Path(os.path.realpath(path))
    aside = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        model.save(aside)
        columns.of_model(_lineage(model)).write(aside)
        if target.is_dir():
            target.rmdir()  # an empty one: a folder takes no other's name everywhere
        os.rename(aside, target)
    except (OSError, ValueError) as error:
        # The user has never heard of the folder aside.
        raise ValueError(str(error).replace(str(aside), str(path))) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _lineage(model: HCDV) -> str:
    assert model._store is not None
    return model._store.lineage


