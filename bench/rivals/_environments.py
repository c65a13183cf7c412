"""A virtual environment for each peer, made from pinned requirements and kept until they change.

By hand, what is done here is one command a peer::

    python -m venv ENV && ENV/bin/pip install --no-deps -r bench/rivals/requirements/PEER.txt
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements")
PEERS = tuple(sorted(path.stem for path in REQUIREMENTS.glob("*.txt")))
# Written last: an environment without it was left half made.
MADE = "requirements.sha256"


class InstallError(Exception):
    """An environment cannot be made; the message is the installer's own last word."""


@dataclass(frozen=True)
class Environment:
    """Where a peer is installed.

    Attributes
    ----------
    python : Path
        Its interpreter.
    seconds : float
        What making it took; 0 where it was there.
    """

    python: Path
    seconds: float


def default_folder() -> Path:
    """Where environments are kept: a folder in the user's cache."""
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "hcdv" / "peers"


def environment(requirements: Path, folder: Path, pip_options: Sequence[str] = ()) -> Environment:
    """The environment of a requirements file, made anew where the file has changed.

    Raises
    ------
    InstallError
        With the last error line of venv or pip.
    """
    if is_made(requirements, folder):
        return Environment(interpreter(requirements, folder), 0.0)
    home, python = folder / requirements.stem, interpreter(requirements, folder)
    shutil.rmtree(home, ignore_errors=True)
    begin = time.perf_counter()
    _call(sys.executable, "-m", "venv", str(home))
    # The files list all that is needed: resolving would bring back what they leave out on purpose.
    _call(str(python), "-m", "pip", "install", "--no-deps", *pip_options, "-r", str(requirements))
    (home / MADE).write_text(digest(requirements))
    return Environment(python, time.perf_counter() - begin)


def is_made(requirements: Path, folder: Path) -> bool:
    """Whether the environment is there, from the requirements as they are now."""
    made = folder / requirements.stem / MADE
    return made.exists() and made.read_text() == digest(requirements)


def interpreter(requirements: Path, folder: Path) -> Path:
    """Where the environment's Python is or will be."""
    return folder / requirements.stem / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def digest(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def _call(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InstallError(f"{type(error).__name__}: {error.strerror}") from error
    if done.returncode:
        raise InstallError(last_error(done.stderr or done.stdout))


def last_error(text: str) -> str:
    """The last line that says ERROR, or else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no message"])[-1][:300]
