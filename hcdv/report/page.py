"""From what a report tells to HTML."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

TEMPLATES = "templates"


def require_jinja() -> None:
    """Say which extra is missing, if one is."""
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise ImportError(f"a report needs jinja2 ({error}): pip install 'hcdv[report]'.") from None


def render(**told: Any) -> str:
    """The page.  Everything told is escaped; styles and script are the package's own, and no other may run."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("hcdv.report", TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    style, script = _own("report.css"), _own("report.js")
    page: str = environment.get_template("report.html").render(
        style=Markup(style), style_hash=_hash(style), script=Markup(script), script_hash=_hash(script), **told
    )
    return page


def _own(name: str) -> str:
    return (files("hcdv.report") / TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a page's own policy names what may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
