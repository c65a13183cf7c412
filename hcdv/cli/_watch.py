"""``hcdv watch``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from hcdv.cli._columns import Batch
from hcdv.cli._group import TROUBLE, sentence
from hcdv.cli._shown import printable
from hcdv.cli._state import Overtaken, State, digest_of, name_of
from hcdv.cli._tables import check_outside
from hcdv.cli._update import refresh_options, tau_option

# Names of files that are not finished, by custom.
UNFINISHED = (".part", ".tmp")
# Seconds after which a wait looks whether it is to end.
SLICE = 0.1

# Size and time of a file: while they change it is being written.
Stamp = tuple[int, int]


class _Unsaved(Exception):
    """A batch was valued, but could not be put on disk."""


class _Stopped(Exception):
    """The watch is to end, and waits for another command in vain."""


class _Grown(ValueError):
    """A file has more rows than when it was taken in."""


@click.command()
@click.argument("state", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out-folder", type=click.Path(path_type=Path), help="Folder for the values after every batch.")
@click.option(
    "--every", type=click.FloatRange(min=0.01), default=2.0, show_default=True, help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="Take in what is there now, and end.")
@refresh_options
@tau_option
@click.option("--jobs", type=click.IntRange(min=1), help="Threads.")
def watch(
    state: Path,
    folder: Path,
    out_folder: Path | None,
    every: float,
    once: bool,
    refresh: str,
    tau: float,
    rebalance_every: int,
    tolerance: float,
    jobs: int | None,
) -> None:
    """Take in every new file that appears in FOLDER.

    One line is printed a batch, and with --out-folder the values are written after it.

    A file is taken once its size and time have stood still for --every seconds; names that begin with a point
    or end in .part or .tmp are passed over.  A file that is refused is tried again once it has changed.
    Several watches and other commands may work on one STATE.  SIGTERM or Ctrl-C ends after the batch in hand.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder.")
    if out_folder is not None:
        if os.path.realpath(out_folder) == os.path.realpath(folder):
            raise ValueError(f"--out-folder {out_folder} is FOLDER: its values would be taken for new rows.")
        check_outside(state, {"--out-folder": out_folder / "values"})
        out_folder.mkdir(parents=True, exist_ok=True)
    options = {"refresh": refresh, "tau": tau, "rebalance_every": rebalance_every, "tolerance": tolerance}
    with _stopping() as stop:
        watching = _Watch(State.load(state, jobs=jobs), folder, out_folder, options, stop, once, jobs)
        _say(f"watching {folder}: {watching.n_rows:,} rows in {state}")
        watching.look()
        while not stop:
            _wait(every, stop)
            watching.look()
            if once:
                break
        batches = "batch" if watching.n_taken == 1 else "batches"
        _say(f"stopped: {watching.n_taken:,} {batches} taken in, {watching.n_rows:,} rows")


@dataclass
class _Watch:
    """A state and a folder whose files go into it.

    Attributes
    ----------
    state, folder, out_folder, options
        As the command has them.
    stop : list
        Not empty once the watch is to end.
    looked : dict of str to Stamp
        Files at the last look.
    dealt_with : dict of str to Stamp
        Files taken in, passed over or refused, as they were then.
    n_rows : int
        Rows in the state on disk.
    """

    state: State
    folder: Path
    out_folder: Path | None
    options: dict[str, Any]
    stop: list[int]
    once: bool
    jobs: int | None = None
    looked: dict[str, Stamp] = field(default_factory=dict)
    dealt_with: dict[str, Stamp] = field(default_factory=dict)
    n_taken: int = 0
    n_rows: int = field(init=False)
    complaint: str = ""

    def __post_init__(self) -> None:
        self.n_rows = len(self.state.model.result_)

    def look(self) -> None:
        """Take in the files that stand still since the last look, in the order of their names."""
        try:
            now = dict(sorted(_files(self.folder)))
        except OSError as error:
            # It may come back; until then one line is enough.
            if sentence(error) != self.complaint:
                self.complaint = sentence(error)
                _complain(self.complaint)
            return
        self.complaint = ""
        ready = [name for name, stamp in now.items() if self.looked.get(name) == stamp]
        self.looked = now
        for name in ready:
            if self.stop:
                return
            if self.dealt_with.get(name) != now[name] and self._take(name, now[name]):
                self.dealt_with[name] = now[name]

    def _take(self, name: str, stamp: Stamp) -> bool:
        """Deal with one file; False where it has changed meanwhile and is left for later.

        What is wrong with a file does not end the watch; a state that cannot be written does.
        """
        path = self.folder / name
        try:
            batch = self.state.batch(path)
            if _stamp(path.stat()) != stamp:
                return False
            seen = self.state.seen(batch)
            if seen is None:
                self._check_not_grown(name, batch)
                line = self._valued(name, batch)
            else:
                line = f"taken in before ({seen}); nothing was changed"
            self._write(name, only_missing=seen is not None)
        except _Unsaved as error:
            raise ValueError(f"{path} was not taken in: {error}") from None
        except _Stopped:
            return False
        except _Grown as error:
            _complain(f"{printable(name)}  passed over: {sentence(error)}")
        except TROUBLE as error:
            again = "by the next watch" if self.once else "once it has changed"
            _complain(f"{printable(name)}  passed over: {sentence(error)}  It is tried again {again}.")
        except MemoryError:
            _complain(f"{printable(name)}  passed over: not enough memory.")
        else:
            _say(f"{printable(name)}  {line}")
        return True

    def _valued(self, name: str, batch: Batch) -> str:
        """Take in a batch, on top of whatever others have made of the state meanwhile."""
        while True:
            update = self.state.take_in(batch, name, **self.options)
            try:
                self._save()
            except Overtaken:
                self._reload()
                if (seen := self.state.seen(batch)) is not None:
                    return f"taken in before ({seen}); nothing was changed"
            else:
                self.n_taken += 1
                self.n_rows = update.n_rows
                return update.summary()

    def _save(self) -> None:
        """Write the state, once no other command is writing."""
        while True:
            try:
                return self.state.save()
            except BlockingIOError:
                if self.stop:
                    raise _Stopped from None
                _wait(SLICE, self.stop)
            except Overtaken:
                raise
            except TROUBLE as error:
                raise _Unsaved(sentence(error)) from None
            except MemoryError:
                raise _Unsaved("not enough memory.") from None

    def _reload(self) -> None:
        while not self.stop:
            try:
                self.state = State.load(self.state.folder, jobs=self.jobs)
            except Overtaken:
                _wait(SLICE, self.stop)
            except TROUBLE as error:
                raise _Unsaved(sentence(error)) from None
            else:
                self.n_rows = len(self.state.model.result_)
                return
        raise _Stopped

    def _check_not_grown(self, name: str, batch: Batch) -> None:
        """Refuse a file taken in before to which rows were added: without names, all would count twice."""
        if batch.ids is not None:
            return
        for update in self.state.model.history_:
            if name_of(update) == name and digest_of(update) != batch.digest:
                raise _Grown(
                    f"a file of this name was taken in by update {update.number} and has changed since; put "
                    "new rows in a new file."
                )

    def _write(self, name: str, only_missing: bool) -> None:
        from hcdv.io import write_values

        if self.out_folder is None:
            return
        out = self.out_folder / f"{name}.values.csv"
        # A batch that a crash has kept from its file of values gets it now.
        if not (only_missing and out.exists()):
            write_values(self.state.values(), out)


def _files(folder: Path) -> Iterator[tuple[str, Stamp]]:
    """Files that may be batches, with their stamps."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith(UNFINISHED):
                continue
            try:
                if entry.is_file():
                    yield entry.name, _stamp(entry.stat())
            except OSError:
                continue  # gone since


def _stamp(facts: os.stat_result) -> Stamp:
    return facts.st_size, facts.st_mtime_ns


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """A list that is filled by SIGTERM or SIGINT; a second one ends at once, which costs the batch in hand."""
    stop: list[int] = []

    def ask(number: int, _: Any) -> None:
        stop.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(seconds: float, stop: list[int]) -> None:
    end = time.monotonic() + seconds
    while not stop and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, SLICE))


def _say(line: str) -> None:
    click.echo(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {line}")


def _complain(line: str) -> None:
    click.echo(f"{datetime.now():%Y-%m-%d %H:%M:%S}  hcdv: {line}", err=True)
