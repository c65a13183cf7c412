"""What to install where a library is missing, or of a version that does not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

EXTRA = "pip install 'hcdv[integrations]'"
# Libraries that declare older versions of what HCDV needs.
BY_HAND = "docs/integrations.md says how to install it"


@contextmanager
def needs(library: str, remedy: str = EXTRA) -> Iterator[None]:
    """Around the imports of a library: if one fails, say in one sentence what to do.

    Parameters
    ----------
    library : str
    remedy : str

    Raises
    ------
    ImportError
    """
    try:
        yield
    except ImportError as error:
        why = str(error).split("\n", 1)[0]
        raise ImportError(f"this module needs {library} ({why}): {remedy}.", name=error.name) from None
