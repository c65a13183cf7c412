"""Telling torch's objects from others without importing torch."""

from __future__ import annotations

from typing import Any


def is_module(item: Any) -> bool:
    """Whether ``item`` is a torch module or a class of them."""
    kind = item if isinstance(item, type) else type(item)
    return any(f"{c.__module__}.{c.__qualname__}" == "torch.nn.modules.module.Module" for c in kind.__mro__)
