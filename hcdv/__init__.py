"""HCDV: what each training row is worth (hierarchical contrastive data valuation, arXiv 2512.19363)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hcdv.estimator import HCDV as HCDV
    from hcdv.hierarchy import Hierarchy as Hierarchy
    from hcdv.result import ValuationResult as ValuationResult

_NAMES = {"HCDV": "estimator", "Hierarchy": "hierarchy", "ValuationResult": "result"}
_MODULES = (
    "baselines", "datasets", "diagnostics", "games", "integrations", "plot", "report", "shapley", "tasks",
)  # fmt: skip

__all__ = ["HCDV", "Hierarchy", "ValuationResult", "__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    # Resolved on first use: `import hcdv` alone takes milliseconds and never imports torch.
    if name in _NAMES:
        return getattr(importlib.import_module(f"hcdv.{_NAMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"hcdv.{name}")
    raise AttributeError(f"module 'hcdv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
