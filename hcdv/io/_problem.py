"""The errors of this package, and the one place that knows the file suffixes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class FileProblem(ValueError):
    """A file that cannot be read or written as asked; the message is one sentence for the user."""


class UnknownSuffix(FileProblem):
    """No suffix of these; whoever knows further kinds of files may look for one of them."""


def suffix_of(path: Path, known: Iterable[str]) -> str:
    """The known suffix (lower case, longest first) that ``path`` ends with."""
    for suffix in sorted(known, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return suffix
    raise UnknownSuffix(f"{path} has an unknown suffix; known are {', '.join(sorted(known))}.")


def one_line(error: BaseException) -> str:
    """What an error says, as part of a sentence."""
    return " ".join(str(error).split()).rstrip(".").replace(". ", "; ")[:200]
