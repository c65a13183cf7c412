"""Where torch trains: told only once a utility needs torch anyway."""

from __future__ import annotations

from hcdv._validation import check_choice

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(device: str) -> str:
    """``"cpu"`` or ``"cuda"``: ``"auto"`` is CUDA where a device answers.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none.
    """
    check_choice(device, "device", DEVICES)
    if device == "cpu":
        return "cpu"
    try:
        import torch
    except ImportError:
        found = False
    else:
        found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise ValueError("device='cuda' was asked for, but torch finds no CUDA device; use 'auto' or 'cpu'.")
    return "cuda" if found else "cpu"
