"""The folder of a model: a snapshot, a journal of the updates since, and a note of which two belong together.

::

    CURRENT              which generation counts, how long its journal is; replaced whole
    snapshot-3.hcdv      rows, tree, chains and facts (an archive of arrays and JSON, with checksums)
    encoder-3.safetensors
    journal-3.log        updates since, appended
    lock

An update costs what came with it: its rows and labels are appended to the journal, and CURRENT is replaced.
When playing the journal again would take long, or would not end in the same bits, a new snapshot and an empty
journal are written beside the old ones, and CURRENT is replaced then.

Whatever moment a crash picks, CURRENT names files that are whole, and nothing but CURRENT tells what counts:
what lies in the journal behind the length it names is none of the state, and the next save writes over it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hcdv._archive import archive_bytes, archive_from_bytes, read_archive, write_archive
from hcdv._digest import file_digest
from hcdv._files import written_aside
from hcdv._journal import EMPTY, append_record, begin_journal, read_records
from hcdv._locks import locked
from hcdv._validation import check_path
from hcdv.encoder import load_encoder, save_encoder
from hcdv.estimator.state.pack import Reader, number, step_arrays, step_facts, step_of
from hcdv.estimator.state.recipe import has_changed, looks_at_clock, parameters_of
from hcdv.estimator.state.snapshot import restore, snapshot, widths_of

if TYPE_CHECKING:
    from hcdv.estimator.updating import Step, Updating

FORMAT_VERSION = 1
CURRENT = "CURRENT"
# Seconds that the updates in a journal may have taken before a new snapshot is written: they are played again
# whenever the model is loaded.  More where a snapshot costs more: so many bytes are written in a second.
MOST_REPLAY = 1.0
BYTES_A_SECOND = 50e6
# A journal larger than its snapshot is no saving.
MOST_BYTES = 1.0
# Times that a state is looked for whose files another process replaces.
ATTEMPTS = 5
# Bytes of CURRENT at most.
_NOTE_LIMIT = 1 << 16


class StateChanged(ValueError):
    """Somebody else has saved to the folder since, or does all the time: load it again."""


@dataclass
class Store:
    """Where a model was last saved or loaded, and what has happened since.

    Attributes
    ----------
    path : Path
    lineage : str
        Of this model and its earlier and later states; another fit has another one.
    generation : int
    committed : int
        Bytes of the journal.
    sequence : int
        Updates in it.
    replay : float
        Seconds that these took.
    pending : list of (Step, float)
        Updates since, and the seconds they took.
    parameters : dict of str to (facts, object)
        With which the journal is played again: those of the snapshot.
    has_strayed : bool
        Whether an update since was done with others, which may have been set back.
    """

    path: Path
    lineage: str
    generation: int
    committed: int
    sequence: int = 0
    replay: float = 0.0
    pending: list[tuple[Step, float]] = field(default_factory=list)
    parameters: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    has_strayed: bool = False

    def add(self, step: Step, seconds: float, model: Updating) -> None:
        """Take note of an update of the model."""
        self.pending.append((step, seconds))
        self.has_strayed |= has_changed(self.parameters, parameters_of(model))

    def file(self, kind: str) -> Path:
        return _file(self.path, kind, self.generation)

    def twin(self) -> Store:
        """For a copy of the model, whose further updates are its own."""
        return replace(self, pending=list(self.pending))

    def __deepcopy__(self, _: dict[int, Any]) -> Store:
        return self.twin()  # steps do not change


def save_model(model: Updating, path: str | os.PathLike[str], store: Store | None) -> Store:
    """Write a fitted model to a folder; where an earlier state of it lies, only what is new.

    After an error the folder holds what it held, and the model may be saved again.

    Raises
    ------
    StateChanged
        If the folder holds a state that was changed since by somebody else.
    ValueError
        If it holds something else, or the model holds what a file cannot.
    BlockingIOError
        If somebody else is writing there.
    OSError
        If it cannot be written; the error names the place.
    """
    folder = Path(os.path.realpath(check_path(path)))
    if _is_new(folder, store):
        _check_free(folder, path)
    folder.mkdir(exist_ok=True)
    with _writing(folder):
        if store is None or _is_new(folder, store):
            _check_free(folder, path)
            store = Store(folder, secrets.token_hex(16), 1, EMPTY)
            _write_generation(model, store)
            return store
        _check_current(store)
        if _must_be_whole(model, store):
            _compact(model, store)
            return store
        if store.pending:
            _append(store)
        size = store.file("snapshot").stat().st_size
        takes_long = store.replay > MOST_REPLAY * (1 + size / BYTES_A_SECOND)
        if takes_long or store.committed > MOST_BYTES * size:
            _try_to_compact(model, store)
    return store


def _is_new(folder: Path, store: Store | None) -> bool:
    """Whether no state of this model lies there, or none any more: it may have been moved or removed."""
    return store is None or store.path != folder or not (folder / CURRENT).exists()


def _must_be_whole(model: Updating, store: Store) -> bool:
    """Whether a journal played again by the parameters of its snapshot would be another model."""
    if store.has_strayed or has_changed(store.parameters, parameters_of(model)):
        return True
    recent = model.history_[len(model.history_) - len(store.pending) :]
    return looks_at_clock(model.tol) and any(update.n_pairs == update.n_all_pairs for update in recent)


def _append(store: Store) -> None:
    """Put the updates since into the journal, and then the note that they count: all of them or none."""
    after = replace(store, pending=[])
    for step, seconds in store.pending:
        content = archive_bytes(step_arrays(step), _step_meta(after, step, seconds))
        after.committed = append_record(store.file("journal"), content, after.committed)
        after.sequence += 1
        after.replay += seconds
    with _counting(store, after):
        _write_note(after)


@contextmanager
def _counting(store: Store, after: Store) -> Iterator[None]:
    """What the store tells is what CURRENT tells, also where an interrupt comes right behind its writing."""
    is_done = False
    try:
        yield
        is_done = True
    finally:
        if is_done or _is_noted(after):
            vars(store).update(vars(after))


def _try_to_compact(model: Updating, store: Store) -> None:
    """A shorter way to load; without it, all is saved nevertheless, and the next save tries again."""
    try:
        _compact(model, store)
    except (OSError, MemoryError, TypeError, ValueError) as error:
        warnings.warn(
            f"{store.path} is saved, but it takes longer to load than it need: no new snapshot could be "
            f"written ({str(error).rstrip('.') or 'not enough memory'}).",
            stacklevel=2,
        )


def load_model(
    make: Callable[[Mapping[str, Any]], Updating],
    path: str | os.PathLike[str],
    *,
    network: Any = None,
    embedding: Any = None,
) -> tuple[Updating, Store]:
    """Read what :func:`save_model` wrote: the snapshot, and the updates since played again.

    Parameters
    ----------
    make : callable
        From the parameters, as the file tells them, to a model not yet fitted.
    path : path-like
    network, embedding
        As in :func:`hcdv.encoder.load_encoder`.
    """
    where = check_path(path)
    folder = Path(os.path.realpath(where))
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ValueError(f"{where} {what}; a saved model is a folder.")
    for _ in range(ATTEMPTS):
        note = _read_note(folder)
        try:
            return _load(make, folder, where, note, network, embedding)
        except (FileNotFoundError, IsADirectoryError) as error:
            # Another process may just have put a new generation in the place of this one.
            if _read_note(folder)["generation"] == note["generation"]:
                name = Path(error.filename or "").name
                raise ValueError(f"{where} is damaged: {name} is missing, or no file.") from None
    raise StateChanged(f"{where} is being changed all the time; try again later.")


def _load(
    make: Callable[[Mapping[str, Any]], Updating],
    folder: Path,
    where: str,
    note: Mapping[str, Any],
    network: Any,
    embedding: Any,
) -> tuple[Updating, Store]:
    """The model that a note tells of."""
    store = Store(folder, note["lineage"], note["generation"], note["committed"])
    for kind in _SUFFIX:
        if not store.file(kind).is_file():
            raise FileNotFoundError(2, "is missing", str(store.file(kind)))
    arrays, meta = read_archive(store.file("snapshot"), "state", FORMAT_VERSION)
    if meta.get("lineage") != store.lineage or meta.get("generation") != store.generation:
        raise ValueError(f"{where} is damaged: its snapshot is of another state.")
    encoder_file = store.file("encoder")
    if meta.get("encoder") != file_digest(encoder_file):
        raise ValueError(f"{where} is damaged: its encoder is of another state.")
    encoder = load_encoder(encoder_file, network=network, embedding=embedding)
    try:
        model = make(meta)
        restore(model, encoder, Reader(arrays), meta)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} cannot be loaded: {str(error).rstrip('.')}.") from None
    except (LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"{where} is damaged: {type(error).__name__} at {error}.") from None
    store.parameters = parameters_of(model)
    _replay(model, store, where)
    return model, store


def _replay(model: Updating, store: Store, where: str) -> None:
    noted, store.committed = store.committed, EMPTY
    for content, size in read_records(store.file("journal"), noted):
        if size > noted:
            break  # what a save left that did not come to its end
        name = f"the update at byte {size - len(content)} of {where}"
        arrays, meta = archive_from_bytes(content, name, "update", FORMAT_VERSION)
        if (meta.get("lineage"), meta.get("generation"), meta.get("sequence")) != (
            store.lineage, store.generation, store.sequence,
        ):  # fmt: skip
            raise ValueError(f"{where} is damaged: its journal is of another state.")
        try:
            live = model._live
            step = step_of(Reader(arrays), meta, widths_of(live.rows), live.n_rows, len(model.classes_))
            seconds = number(meta.get("seconds"), "seconds")
            model.play(step, seconds)
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise ValueError(f"{name} cannot be played again: {str(error).rstrip('.')}.") from None
        store.committed, store.sequence = size, store.sequence + 1
        store.replay += seconds
    if store.committed != noted:
        raise ValueError(f"{where} is damaged: its journal is of another state.")


def _step_meta(store: Store, step: Step, seconds: float) -> dict[str, Any]:
    return {
        "kind": "update",
        "version": FORMAT_VERSION,
        "lineage": store.lineage,
        "generation": store.generation,
        "sequence": store.sequence,
        "seconds": seconds,
        **step_facts(step),
    }


def _write_generation(model: Updating, store: Store) -> None:
    """Snapshot, encoder and empty journal of a new generation, and then the note that they count."""
    store.parameters = parameters_of(model)
    try:
        save_encoder(model.encoder_, store.file("encoder"))
        arrays, facts = snapshot(model)
        meta = {
            "kind": "state",
            "version": FORMAT_VERSION,
            "lineage": store.lineage,
            "generation": store.generation,
            "encoder": file_digest(store.file("encoder")),
            **facts,
        }
        write_archive(store.file("snapshot"), arrays, meta)
        begin_journal(store.file("journal"))
        _write_note(store)
    except BaseException:
        if not _may_count(store):
            _remove(map(store.file, _SUFFIX))
        raise


def _compact(model: Updating, store: Store) -> None:
    """A new generation in the place of this one, and of what crashes may have left."""
    new = Store(store.path, store.lineage, store.generation + 1, EMPTY)
    with _counting(store, new):
        _write_generation(model, new)
    current = {store.file(kind).name for kind in _SUFFIX}
    with suppress(OSError):
        names = [name for name in os.listdir(store.path) if name not in current and _FILE.fullmatch(name)]
        _remove(store.path / name for name in names)


def _remove(files: Iterable[Path]) -> None:
    """Files that count for nothing; what cannot be removed goes with a later generation."""
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)


_SUFFIX = {"snapshot": ".hcdv", "encoder": ".safetensors", "journal": ".log"}
# Files of any generation, and those half written aside.
_FILE = re.compile(
    r"\.?(snapshot|encoder|journal)-\d+\.(hcdv|safetensors|log)(\..*\.part)?|\.CURRENT\..*\.part"
)


def _file(folder: Path, kind: str, generation: int) -> Path:
    return folder / f"{kind}-{generation}{_SUFFIX[kind]}"


def _write_note(store: Store) -> None:
    note = {
        "format": "hcdv-state",
        "version": FORMAT_VERSION,
        "lineage": store.lineage,
        "generation": store.generation,
        "committed": store.committed,
    }
    with written_aside(store.path / CURRENT) as aside:
        aside.write_text(json.dumps(note, indent=1) + "\n")
    _write_through(store.path)


def _write_through(folder: Path) -> None:
    """Make the names in a folder outlast a loss of power, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_noted(store: Store) -> bool:
    """Whether CURRENT tells of this very state."""
    try:
        note = _read_note(store.path)
    except (OSError, ValueError):
        return False
    return (note["lineage"], note["generation"], note["committed"]) == (
        store.lineage, store.generation, store.committed,
    )  # fmt: skip


def _read_note(folder: Path) -> dict[str, Any]:
    place = folder / CURRENT
    if not place.is_file():
        raise ValueError(f"{folder} holds no saved model: it has no file {CURRENT}.")
    if place.stat().st_size > _NOTE_LIMIT:
        raise ValueError(f"{place} is damaged: it is too large.")
    try:
        note = json.loads(place.read_bytes())
    except (ValueError, RecursionError):
        raise ValueError(f"{place} is damaged: it cannot be read.") from None
    if not isinstance(note, dict) or note.get("format") != "hcdv-state":
        raise ValueError(f"{folder} holds no saved model.")
    version = note.get("version")
    if type(version) is not int or version < 1:
        raise ValueError(f"{place} is damaged: its version is {version!r}.")
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{folder} has version {version}, and this HCDV reads up to {FORMAT_VERSION}; upgrade hcdv."
        )
    numbers = [note.get("generation"), note.get("committed")]
    if any(type(item) is not int or not 1 <= item < 2**62 for item in numbers):
        raise ValueError(f"{place} is damaged: it names no generation.")
    if not isinstance(note.get("lineage"), str):
        raise ValueError(f"{place} is damaged: it names no lineage.")
    return note


def _may_count(store: Store) -> bool:
    """Whether CURRENT names this generation, for all that can be known."""
    if not (store.path / CURRENT).exists():
        return False
    try:
        return bool(_read_note(store.path)["generation"] == store.generation)
    except (OSError, ValueError):
        return True


def _check_free(folder: Path, path: str | os.PathLike[str]) -> None:
    if not folder.exists():
        if not folder.parent.is_dir():
            raise ValueError(f"{os.fspath(path)} cannot be made: there is no folder {folder.parent}.")
        return
    if not folder.is_dir():
        raise ValueError(f"{os.fspath(path)} is a file; a model is saved to a folder.")
    if (folder / CURRENT).exists():
        raise ValueError(
            f"{os.fspath(path)} holds the state of another model (or of this one before it was fitted anew); "
            "remove it, or name another folder."
        )
    if strangers := sorted(item.name for item in folder.iterdir() if not _is_ours(item.name)):
        raise ValueError(f"{os.fspath(path)} is not empty ({strangers[0]!r}); name another folder.")


def _is_ours(name: str) -> bool:
    """Whether a file may be what a first save left that did not come to its end."""
    return name == "lock" or _FILE.fullmatch(name) is not None


def _check_current(store: Store) -> None:
    if not _is_noted(store):
        _read_note(store.path)  # has a sentence of its own where that is damaged
        raise StateChanged(
            f"{store.path} was changed by somebody else since, so these updates do not go with it; load it "
            "again."
        )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """The lock; errors of the system name the folder where they name no file."""
    try:
        with locked(folder / "lock", f"{folder} is being written by another process; try again later."):
            yield
    except BlockingIOError:
        raise
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(folder)
        raise
