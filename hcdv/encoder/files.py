"""Fitted encoders in files: safetensors, no pickle."""

from __future__ import annotations

import os
from typing import Any

from hcdv._device import DEVICES
from hcdv._tensors import read_tensors, write_tensors
from hcdv._torch_kind import is_module
from hcdv._validation import check_choice, kind_of
from hcdv.encoder._spaces import Encoder
from hcdv.encoder.embedding import is_embedding
from hcdv.encoder.fixed import FixedEncoder
from hcdv.encoder.state import Own, from_state, to_state

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
        If it is no encoder of this library, the columns have names that are neither text nor numbers, or a
        network of your own holds what a file cannot.
    NotFittedError
        If it is not fitted.
    OSError
        If the file cannot be written.
    """
    facts, arrays = to_state(encoder.encoder if isinstance(encoder, FixedEncoder) else encoder)
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

    Returns
    -------
    Encoder

    Raises
    ------
    TypeError
        If ``network`` or ``embedding`` cannot be one.
    ValueError
        If the file is damaged, of a newer version, needs what was not passed, or does not fit what was.
    OSError
        If it cannot be read.
    """
    check_choice(device, "device", DEVICES)
    _check_own(network, embedding)
    arrays, facts = read_tensors(path, KIND, FORMAT_VERSION)
    try:
        return from_state(facts, arrays, Own(network, embedding), device)
    except ValueError as error:
        # The cause is what the user's own network raised.
        raise ValueError(f"{os.fspath(path)} cannot be loaded: {str(error).rstrip('.')}.") from error.__cause__
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)} is damaged: {type(error).__name__} at {error}.") from None


def _check_own(network: Any, embedding: Any) -> None:
    """Refuse what can be neither a network nor an embedding before the file is read."""
    is_class = isinstance(network, type) and is_module(network)
    if network is not None and (is_class or not callable(network)):
        raise TypeError(
            f"network must be a function that makes a torch module, or a module, got {kind_of(network)}."
        )
    if embedding is not None and not is_embedding(embedding):
        raise TypeError(
            "embedding must be a fitted transformer, a torch module or a function of the rows, "
            f"got {kind_of(embedding)}."
        )


