"""Where torch trains: told only once a utility needs torch anyway."""

from __future__ import annotations

from importlib.util import find_spec

from hcdv._validation import check_choice

DEVICES = ("auto", "cpu", "cuda")


def check_torch(what: str) -> None:
    """Tell in one sentence (`ValueError`) where torch is missing and ``what`` needs it."""
    if find_spec("torch") is None:
        raise ValueError(f"{what} needs torch: pip install 'hcdv[torch]'.")


def resolve_device(device: str) -> str:
    """``"cpu"`` or ``"cuda"``: ``"auto"`` is CUDA where a device answers.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or no torch.
    """
    check_choice(device, "device", DEVICES)
    if device == "cpu":
        return "cpu"
    if device == "cuda":
        check_torch("device='cuda'")
    try:
        import torch
    except ImportError:
        found = False
    else:
        found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise ValueError("device='cuda' was asked for, but torch finds no CUDA device; use 'auto' or 'cpu'.")
    return "cuda" if found else "cpu"
