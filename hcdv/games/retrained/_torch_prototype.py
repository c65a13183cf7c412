"""The user's module, made once and looked over: what it takes, what it returns, and how to train copies."""

from __future__ import annotations

import copy
import inspect
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap

from hcdv._digest import fingerprint
from hcdv._random import derive_seed
from hcdv.games.retrained._torch_dropout import key_dropout, restart_calls
from hcdv.games.rows import GivenRows

State = dict[str, Tensor]
# Logits [B, b, C] of weights, buffers and features.
Forward = Callable[[State, State, Tensor], Tensor]

# Layers whose training step mixes the rows of a mini-batch, padding included.
_MIXING = (nn.modules.batchnorm._BatchNorm,)
# Convolutions of copies are one grouped convolution, which gains a CPU nothing (bench/module.py).
_CONVOLUTIONS = (nn.modules.conv._ConvNd,)
_PROBE_ROWS = 4


@dataclass(frozen=True, eq=False)
class Prototype:
    """A module as every copy starts from it.

    Attributes
    ----------
    module : nn.Module
        With the initial weights, on the device; never trained itself.
    dtype : torch.dtype
        Of its weights and of the features that it takes.
    n_classes : int
    at_once : bool
        Whether `vmap` trains many copies; otherwise they are trained one by one.
    draws : bool
        Whether a training step draws from torch's own generator.
    activations : int
        Numbers that its layers put out for one row.
    fingerprint : str or None
        Of structure, code, weights and logits of a few rows; None where the code cannot be read.
    """

    module: nn.Module
    dtype: torch.dtype
    n_classes: int
    at_once: bool
    draws: bool
    activations: int
    fingerprint: str | None

    @classmethod
    def of(cls, factory: Any, given: GivenRows, name: str, *, seed: int, device: str) -> Prototype:
        """Make the module and try it on a few rows.

        Raises
        ------
        TypeError, ValueError
            One sentence: the factory fails, it returns no module, there is nothing to train, the module
            fails on the features, or its logits have another shape.
        """
        probe = as_features(given.features[:_PROBE_ROWS], "X")
        with seeded(derive_seed(seed, "module", "weights")):
            module = _make(factory, name)
            key_dropout(module)
            dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
            module = module.to(device=device, dtype=dtype).eval()
            x = probe.to(device=device, dtype=dtype)
            # Before the weights are looked at: lazy layers make theirs now.
            logits, activations = _try_forward(module, x, given.n_classes, name)
        if not any(p.requires_grad for p in module.parameters()):
            raise ValueError(f"factory of utility {name!r} must return a module with parameters to train.")
        at_once = device != "cpu" or _named(module, _CONVOLUTIONS) is None
        obstacle = _obstacle(module, x) if at_once else None
        if obstacle is not None:
            warnings.warn(
                f"utility {name!r}: copies are trained one by one, because {obstacle}.", stacklevel=3
            )
            at_once = False
        return cls(
            module, dtype, given.n_classes, at_once, _draws(module, x), activations // len(x),
            _fingerprint(module, logits),
        )  # fmt: skip

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def start(self, n_copies: int) -> tuple[State, State]:
        """Weights to train and buffers, stacked [B, ...]; frozen weights stay in the module."""
        weights = {
            k: _stacked(p, n_copies) for k, p in self.module.named_parameters() if p.requires_grad
        }
        return weights, {k: _stacked(b, n_copies) for k, b in self.module.named_buffers()}

    def features(self, X: Any, name: str) -> Tensor:
        """Features on the device, in the module's dtype."""
        return as_features(X, name).to(device=self.device, dtype=self.dtype, non_blocking=True)

    def copies(self, *, training: bool, common_features: bool = False) -> Forward:
        """Logits [B, b, C] of copies as a function of their weights, their buffers and features.

        Features are [B, b, ...], or [b, ...] where they are common to the copies.  The function holds a module
        of its own, as ``functional_call`` puts weights into the module that it calls: a thread makes its own.
        """
        module = copy.deepcopy(self.module).train(training)

        def one(weights: State, buffers: State, x: Tensor) -> Tensor:
            return as_logits(functional_call(module, (weights, buffers), (x,)), self.n_classes)

        def all_of(weights: State, buffers: State, x: Tensor) -> Tensor:
            restart_calls(module)
            if self.at_once:
                return vmap(one, in_dims=(0, 0, None if common_features else 0))(weights, buffers, x)
            first = [{k: tensor[0] for k, tensor in state.items()} for state in (weights, buffers)]
            return one(first[0], first[1], x if common_features else x[0])[None]

        return all_of


def _fingerprint(module: nn.Module, logits: Tensor) -> str | None:
    own_code = _own_code(module)
    if own_code is None:
        return None
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    facts = [repr(module), own_code, [[k, str(t.dtype), t.requires_grad] for k, t in state.items()]]
    # bfloat16 has no twin in numpy, float64 holds it exactly.
    arrays = [t.detach().double().cpu().numpy() for t in (*state.values(), logits)]
    return fingerprint([*facts, torch.__version__], arrays)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it torch's own generators start from ``seed``; afterwards they are as they were."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(list(devices)):
        torch.manual_seed(seed)
        yield


def as_features(X: Any, name: str) -> Tensor:
    """Numbers as a tensor on the CPU; images of bytes are divided by 255."""
    array = np.asarray(X)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers for a torch module, got {array.dtype}.")
    if is_bytes_image(array):
        return torch.from_numpy(array.astype(np.float32)) / 255
    # Always a copy, in plain order: a user's array may be read-only, reversed or of another byte order.
    return torch.from_numpy(array.astype(np.float32 if array.dtype == np.float32 else np.float64, order="C"))


def is_bytes_image(array: NDArray[Any]) -> bool:
    return array.dtype == np.uint8 and array.ndim >= 3


def as_logits(answer: Any, n_classes: int) -> Tensor:
    """What a forward pass returned as logits [b, C]; one logit of two classes is the second's."""
    if not isinstance(answer, Tensor):
        raise TypeError(f"forward must return a tensor of logits, got {type(answer).__name__}")
    if n_classes == 2 and (answer.ndim == 1 or (answer.ndim == 2 and answer.shape[1] == 1)):
        second = answer.reshape(-1)
        return torch.stack([torch.zeros_like(second), second], dim=1)
    if answer.ndim != 2 or answer.shape[1] != n_classes:
        raise ValueError(
            f"forward must return logits of shape [rows, {n_classes}], one a class, got {list(answer.shape)}"
        )
    return answer


def _make(factory: Any, name: str) -> nn.Module:
    made = factory
    if not isinstance(factory, nn.Module):
        try:
            made = factory()
        except Exception as error:
            raise ValueError(f"factory of utility {name!r} failed: {_sentence(error)}.") from error
    if not isinstance(made, nn.Module):
        raise TypeError(
            f"factory of utility {name!r} must return a torch.nn.Module, got {type(made).__name__}."
        )
    # The user's own object stays as it is, also one that a factory hands out again and again.
    return copy.deepcopy(made)


def _try_forward(module: nn.Module, x: Tensor, n_classes: int, name: str) -> tuple[Tensor, int]:
    """Logits of ``x``, and how many numbers the layers put out for it; refuses a module that cannot take it."""
    count = 0

    def note(_layer: nn.Module, _inputs: Any, answer: Any) -> None:
        nonlocal count
        count += answer.numel() if isinstance(answer, Tensor) else 0

    handles = [layer.register_forward_hook(note) for layer in module.modules()]
    try:
        with torch.no_grad():
            logits = as_logits(module(x), n_classes)
    except Exception as error:
        raise ValueError(
            f"the module of utility {name!r} failed on features of shape {list(x.shape)}: {_sentence(error)}."
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    if len(logits) != len(x):
        raise ValueError(
            f"the module of utility {name!r} must return one row of logits a row, "
            f"got {len(logits)} for {len(x)} rows."
        )
    return logits, count


def _draws(module: nn.Module, x: Tensor) -> bool:
    """Whether a training step moves torch's own generator."""
    trained = copy.deepcopy(module).train()
    with seeded(0), torch.no_grad():
        before = _generator_state(x.device)
        try:
            trained(x)
        except Exception:
            # What fails on a few rows is found out, and told, when a coalition is trained.
            return False
        return not torch.equal(before, _generator_state(x.device))


def _generator_state(device: torch.device) -> Tensor:
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def _obstacle(module: nn.Module, x: Tensor) -> str | None:
    """Why `vmap` cannot train copies of the module, naming the layer, or None."""
    mixing = _named(module, _MIXING)
    if mixing is not None:
        return f"{mixing} mixes the rows of a mini-batch"
    trained = copy.deepcopy(module).train()
    place = "its forward"

    def note(words: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            nonlocal place
            place = words

        return hook

    for name, layer in trained.named_modules():
        if name:
            words = f"layer {name!r} ({type(layer).__name__})"
            layer.register_forward_pre_hook(note(words))
            layer.register_forward_hook(note(f"its forward after {words}"))
    weights = {k: _stacked(p, 2).requires_grad_() for k, p in trained.named_parameters() if p.requires_grad}
    buffers = {k: _stacked(b, 2) for k, b in trained.named_buffers()}
    try:
        logits = vmap(lambda w, b: functional_call(trained, (w, b), (x,)))(weights, buffers)
        torch.autograd.grad(logits.sum(), list(weights.values()), allow_unused=True)
    except Exception as error:
        return f"torch.vmap cannot take {place}: {_sentence(error)}"
    return _sees_padding(copy.deepcopy(module).train(), x)


def _sees_padding(trained: nn.Module, x: Tensor) -> str | None:
    """Whether rows that a mini-batch is padded with could leave a trace, in words."""
    before = {k: b.clone() for k, b in trained.named_buffers()}
    fewer = max(1, len(x) - 1)
    with torch.no_grad():
        restart_calls(trained)
        beside = trained(x)[:fewer]
        restart_calls(trained)
        alone = trained(x[:fewer])
    if not torch.allclose(beside, alone, rtol=1e-3, atol=1e-5, equal_nan=True):
        return "its forward mixes the rows of a mini-batch"
    changed = [k for k, b in trained.named_buffers() if not torch.equal(b, before[k])]
    return f"training changes its buffer {changed[0]!r}" if changed else None


def _stacked(tensor: Tensor, n: int) -> Tensor:
    return tensor.detach().expand(n, *tensor.shape).clone()


def _named(module: nn.Module, kinds: tuple[type, ...]) -> str | None:
    """The first layer of one of these kinds, in words."""
    for name, layer in module.named_modules():
        if isinstance(layer, kinds):
            return f"layer {name!r} ({type(layer).__name__})"
    return None


def _own_code(module: nn.Module) -> list[list[str]] | None:
    """Code and attributes of layers that are not torch's; None where they cannot be put in words.

    Neither ``repr`` nor a forward pass tells what such a layer does in training alone.
    """
    words = []
    for name, layer in module.named_modules():
        kind = type(layer)
        if kind.__module__.startswith(("torch.", "hcdv.")):
            continue
        # What begins with an underscore is torch's book-keeping; tensors and layers are told elsewhere.
        attributes = {k: v for k, v in vars(layer).items() if not k.startswith("_")}
        try:
            words.append([name, inspect.getsource(kind), json.dumps(attributes, sort_keys=True)])
        except (OSError, TypeError, ValueError):
            return None
    return words


def _sentence(error: Exception) -> str:
    """An exception in one line without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
