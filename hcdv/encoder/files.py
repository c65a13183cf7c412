"""Fitted encoders in files: safetensors, no pickle."""

from __future__ import annotations

import os
from typing import Any

from hcdv._device import resolve_device
from hcdv._tensors import read_tensors, write_tensors
from hcdv.encoder._spaces import Encoder
from hcdv.encoder._state import Own, from_state, to_state

KIND = "encoder"
FORMAT_VERSION = 1


def save_encoder(encoder: Encoder, path: str | os.PathLike[str]) -> None:
    """Write a fitted encoder to one safetensors file, whole or not at all.

    A network or an embedding of your own goes in by its weights, or not at all: its code is needed to load it.

    Parameters
    ----------
    encoder : Encoder
        Fitted: ``model.encoder_`` of a fitted `HCDV`.
    path : path-like

    Raises
    ------
    TypeError
        If it is no encoder of this library, or the columns have names that are neither text nor numbers.
    OSError
        If the file cannot be written.
    """
    facts, arrays = to_state(encoder)
    write_tensors(path, arrays, KIND, FORMAT_VERSION, facts)


def load_encoder(
    path: str | os.PathLike[str], *, network: Any = None, embedding: Any = None, device: str = "auto"
) -> Encoder:
    """Read a fitted encoder; it maps rows to the same bits as the one saved (on the same machine and versions).

    Nothing in the file is ever executed.

    Parameters
    ----------
    path : path-like
    network : callable or torch module, optional
        The ``network`` of the recipe, if it was your own.
    embedding : fitted transformer, torch module or callable, optional
        What stood first, if it was your own.
    device : {"auto", "cpu", "cuda"}
        Where networks run.

    Raises
    ------
    ValueError
        If the file is damaged, of a newer version, or needs what was not passed.
    OSError
        If it cannot be read.
    """
    device = resolve_device(device)
    arrays, facts = read_tensors(path, KIND, FORMAT_VERSION)
    try:
        return from_state(facts, arrays, Own(network, embedding), device)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{os.fspath(path)} is damaged: {type(error).__name__} at {error}.") from None
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} cannot be loaded: {str(error).rstrip('.')}.") from None
