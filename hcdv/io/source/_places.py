"""Where files of data lie: a file, a folder, a pattern, or an address that fsspec knows."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow.fs

from hcdv._validation import check_path
from hcdv.io._problem import FileProblem, one_line

PARQUET = (".parquet", ".pq", ".parq")
ARROW = (".arrow", ".feather", ".ipc")

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PATTERN = re.compile(r"[*?\[]")
# What Hive writes of a missing value.
_MISSING_VALUE = "__HIVE_DEFAULT_PARTITION__"


class Place(NamedTuple):
    """A file, what tells it from another that stood there before, and what its folders say of its rows."""

    filesystem: Any  # of pyarrow.fs
    path: str
    name: str  # as errors call it
    size: int | None
    time: float | None
    values: dict[str, str | None]  # of the partition, by column


def is_address(path: str) -> bool:
    return _ADDRESS.match(path) is not None


def places_of(path: str, storage_options: Mapping[str, Any] | None) -> list[Place]:
    """The files of Parquet or Arrow behind a path, sorted by their paths.

    Raises
    ------
    FileProblem
        If there are none, or some of either, or an address cannot be reached.
    """
    check_path(path, "X")
    if is_address(path):
        places = _remote(path, storage_options or {})
    elif storage_options:
        raise ValueError(f"storage_options are for addresses such as s3://bucket/folder, got the path {path}.")
    else:
        places = _local(os.path.abspath(path), path)
    if len({place.path.lower().endswith(PARQUET) for place in places}) == 2:
        raise FileProblem(f"{path} has files of both Parquet and Arrow; name those of one kind.")
    return places


def _local(path: str, name: str) -> list[Place]:
    filesystem = pyarrow.fs.LocalFileSystem()
    is_pattern = _PATTERN.search(path) is not None and not os.path.exists(path)
    tops = sorted(glob.glob(path, recursive=True)) if is_pattern else [path]
    try:
        return _found(filesystem, tops, _root(path) if is_pattern else path, name, "")
    except PermissionError:
        raise FileProblem(f"{name} may not be read: permission denied.") from None


def _remote(address: str, storage_options: Mapping[str, Any]) -> list[Place]:
    try:
        import fsspec  # type: ignore[import-untyped]
    except ImportError:
        raise FileProblem(f"{address} is an address, which needs fsspec: pip install fsspec.") from None
    try:
        system, path = fsspec.core.url_to_fs(address, **storage_options)
        is_pattern = _PATTERN.search(path) is not None and not system.exists(path)
        tops = sorted(system.glob(path)) if is_pattern else [path]
        filesystem = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(system))
        scheme = "" if is_address(path) else address[: address.index("://") + 3]
        return _found(filesystem, tops, _root(path) if is_pattern else path, address, scheme)
    except FileProblem:
        raise
    except Exception as error:  # every system raises its own kinds
        raise FileProblem(f"{address} cannot be reached: {one_line(error) or type(error).__name__}.") from None


def _found(filesystem: Any, tops: list[str], root: str, name: str, scheme: str) -> list[Place]:
    """Files among ``tops`` and in those of them that are folders."""
    kinds = pyarrow.fs.FileType
    infos = [info for info in filesystem.get_file_info(tops) if info.type != kinds.NotFound]
    if not infos:
        raise FileProblem(f"{name} does not exist." if tops == [root] else f"{name} matches no files.")
    files = []
    for info in infos:
        if info.type == kinds.Directory:
            within = filesystem.get_file_info(pyarrow.fs.FileSelector(info.path, recursive=True))
            files += [one for one in within if one.type == kinds.File and _is_data(one.path, info.path)]
        elif len(infos) == 1 or _is_data(info.path, os.path.dirname(info.path)):
            files.append(info)
    known = [info for info in files if info.path.lower().endswith(PARQUET + ARROW)]
    if not known:
        is_file = [info.path for info in infos] == [root] and infos[0].type == kinds.File
        ends = ", ".join(PARQUET + ARROW)
        raise FileProblem(
            f"{name} cannot be read piece by piece: its name ends with none of {ends}." if is_file
            else f"{name} holds no file that ends with {ends}."
        )  # fmt: skip
    return [
        Place(
            filesystem, info.path, scheme + info.path, info.size,
            None if info.mtime is None else info.mtime.timestamp(), _values(info.path, root),
        )
        for info in sorted(known, key=lambda info: info.path)
    ]  # fmt: skip


def _is_data(path: str, top: str) -> bool:
    """Whether no name below ``top`` begins as those that Spark and others write beside the data."""
    return not any(part.startswith(("_", ".")) for part in path[len(top) :].strip("/").split("/"))


def _root(pattern: str) -> str:
    match = _PATTERN.search(pattern)
    return pattern if match is None else os.path.dirname(pattern[: match.start()])


def _values(path: str, root: str) -> dict[str, str | None]:
    """Columns by folders named as "day=3"."""
    folders = path[len(root) :].strip("/").split("/")[:-1]
    pairs = [folder.split("=", 1) for folder in folders if "=" in folder]
    return {key: None if value == _MISSING_VALUE else unquote(value) for key, value in pairs}
