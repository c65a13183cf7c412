"""A contrastive space as facts and arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcdv.encoder._frame import FrameEncoder
from hcdv.encoder._spaces import Encoder
from hcdv.encoder.contrastive import Contrastive, ContrastiveSpace
from hcdv.encoder.contrastive._space import library_network, new_network
from hcdv.encoder.contrastive._views import MAX_CHANNELS, View
from hcdv.encoder.identity import IdentityEncoder
from hcdv.encoder.learned import LearnedEncoder
from hcdv.encoder.state._checks import (
    Arrays,
    Facts,
    finite,
    whole,
)
from hcdv.encoder.state._widths import widths

# What a network may see, by its name in the recipe; None is one of the user's own.
_VIEWS = {
    "auto": ("columns", "bags"), "perceptron": ("columns",), "bags": ("bags",), "convnet": ("image",),
    None: ("columns", "image"),
}  # fmt: skip
# Numbers of a row at most where no array in the file tells how many there are: a network of the user's own is
# called with them, and may ask for as much memory.
_MAX_NUMBERS = 2**24


def contrastive_state(space: ContrastiveSpace) -> tuple[Facts, Arrays]:
    from hcdv.encoder.contrastive._torch_files import as_arrays

    recipe = asdict(replace(space.recipe, network="auto"))
    is_own = not isinstance(space.recipe.network, str)
    recipe["network"] = None if is_own else space.recipe.network
    facts = {
        "recipe": recipe, "view": asdict(space.view), "shift": space.shift, "scale": space.scale,
        "history": list(space.history),
    }  # fmt: skip
    arrays, coarse = as_arrays(space._network.state_dict())
    return {**facts, "bfloat16": coarse} if coarse else facts, arrays


def contrastive_from(
    facts: Facts, arrays: Mapping[str, NDArray[Any]], first: Encoder, network: Any, device: str
) -> ContrastiveSpace:
    from hcdv.encoder.contrastive._torch_files import as_tensors

    told = dict(facts["recipe"])
    # Before anything of the user's own is called.
    view = _view(facts["view"], told["network"], first)
    shift, scale = finite(facts["shift"], "shift"), finite(facts["scale"], "scale", 0.0)
    with np.errstate(over="ignore"):
        if not np.isfinite(np.float32(shift)) or not 0 < np.float32(scale) < np.inf:
            raise ValueError(f"shift and scale must be float32 numbers, scale above 0, got {shift} and {scale}")
    if told["network"] is None:
        if network is None:
            raise ValueError("it was trained with a network of your own: pass it as network=")
        told["network"] = network
    recipe = Contrastive(**told)
    history = tuple(float(x) for x in facts["history"])
    made = _network(recipe, view, as_tensors(arrays, facts.get("bfloat16", ())))
    made.to(device).eval()
    return ContrastiveSpace(recipe, view, shift, scale, history, made, device)


def _network(recipe: Contrastive, view: View, weights: Mapping[str, Any]) -> Any:
    """The network of a recipe with weights of a file."""
    from hcdv.encoder.contrastive._torch_files import check_weights

    is_own = not isinstance(recipe.network, str)
    try:
        network = new_network(recipe, view, 0) if is_own else _without_weights(recipe, view)
    except Exception as error:
        raise ValueError(
            f"its network cannot be made for rows of shape {view.shape}: {type(error).__name__}: {error}"
        ) from (error if is_own else None)
    try:
        check_weights(weights, network.state_dict(), is_own=is_own)
        network.load_state_dict(weights, assign=not is_own)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"its weights do not fit the network ({' '.join(str(error).split()):.300})") from None
    return network


def _without_weights(recipe: Contrastive, view: View) -> Any:
    """A network of the library's that takes no memory before the weights are known to fit."""
    import torch

    from hcdv.encoder.contrastive._torch_networks import OnSphere

    with torch.device("meta"):
        return OnSphere(library_network(recipe, view))


def _view(told: Facts, network: str | None, first: Encoder) -> View:
    """What the network sees, if the first encoder gives it."""
    kind, codes = told["kind"], tuple(told["code_sizes"])
    shape = tuple(whole(n, "the view's shape", 1) for n in told["shape"])
    if network not in _VIEWS or kind not in _VIEWS[network]:
        raise ValueError(f"its network is {network!r} and sees {kind!r}")
    if kind == "image":
        _check_image(shape, first)
    else:
        vote, columns = widths(first)
        width = columns if first.is_mixed else vote
        if len(shape) != 1 or (shape[0] > _MAX_NUMBERS if width is None else shape[0] != width):
            raise ValueError(f"its network sees rows of shape {shape}, the first encoder gives {width} columns")
    if codes != (first.table.code_sizes if kind == "bags" and isinstance(first, FrameEncoder) else ()):
        raise ValueError("its network sees other codes than the first encoder gives")
    return View(kind, shape, codes)


def _check_image(shape: tuple[int, ...], first: Encoder) -> None:
    while isinstance(first, LearnedEncoder):
        first = first.first
    # Images are flattened by the identity; what an embedding makes of them tells nothing of their size.
    n = first.n_columns_ if isinstance(first, IdentityEncoder) else None
    found = math.prod(shape)
    is_image = len(shape) == 3 and shape[0] <= MAX_CHANNELS and not isinstance(first, FrameEncoder)
    if not is_image or (found > _MAX_NUMBERS if n is None else found != n):
        wanted = f"of {n} numbers" if n is not None else f"of at most {_MAX_NUMBERS} numbers"
        raise ValueError(f"its network sees rows of shape {shape}, no images {wanted}")
