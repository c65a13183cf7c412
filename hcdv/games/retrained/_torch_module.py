"""Copies of a module trained side by side, each on its own coalition, and scored on the validation rows."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hcdv._digest import fingerprint
from hcdv._errors import UtilityError
from hcdv._random import generator
from hcdv.game import Indices, Values
from hcdv.games.metrics import Metric
from hcdv.games.retrained._torch_copies import Copies, EarlyStopping, epoch_plan, mean_losses
from hcdv.games.retrained._torch_prototype import Forward, Prototype, State, is_bytes_image, seeded
from hcdv.games.retrained.folds import in_blocks, prefixes
from hcdv.games.rows import GivenRows

if TYPE_CHECKING:
    from hcdv.games.retrained.module import Module

# One row in ten watches over early stopping, of coalitions that have ten.
HELD_OUT = 10
# Rows that are predicted at a time, at least.
PREDICTED_ROWS = 256
# Bytes of copies that one thread trains at once: on a CPU more only leaves its caches; of a GPU a share of what
# is free, as other threads train there too.
CPU_BYTES = 2**26
CUDA_SHARE = 0.2
# Numbers kept for a weight (itself, best so far, gradient, two moments, update) and for an output of a layer
# (forward, backward, workspace).
KEPT_A_WEIGHT, KEPT_AN_OUTPUT = 6, 3

# torch's own generator belongs to the process: modules that draw from it take turns.
_turn = threading.Lock()


@dataclass(frozen=True, eq=False)
class _Coalition:
    """A coalition to train on.

    Attributes
    ----------
    rows : int64 [s]
        In training.
    held_out : int64 [h]
        For early stopping; empty where there is none.
    random : numpy generator
        Of the order of rows, keyed by the members.
    key : int
        Of dropout masks, below 2**31.
    """

    rows: Indices
    held_out: Indices
    random: np.random.Generator
    key: int

    @property
    def size(self) -> int:
        return len(self.rows) + len(self.held_out)

    def width(self, batch_size: int) -> int:
        """Rows that its mini-batches are padded to: a power of two, or ``batch_size``.

        Only copies of one width are trained at once.  Were it the widest of the batch, sums over rows would be
        rounded one way beside a small coalition and another beside a large one.
        """
        return int(min(batch_size, 1 << (len(self.rows) - 1).bit_length()))


class ModuleTrainer:
    """Trains a module on coalitions; a :class:`hcdv.games.retrained.game.Trainer`.

    Parameters
    ----------
    given : GivenRows
        With validation rows.
    recipe : Module
        Epochs, batch size and the like.
    metric : Metric
        Of labels or of probabilities.
    prototype : Prototype
    seed : int
        Of the order of rows, of held-out rows and of dropout.
    """

    is_bounded = True

    def __init__(
        self, given: GivenRows, recipe: Module, metric: Metric, prototype: Prototype, *, seed: int
    ) -> None:
        if given.labels_val is None:
            raise ValueError(f"utility {recipe.name!r} needs validation rows.")
        X, X_val = np.asarray(given.features), np.asarray(given.features_val)
        if is_bytes_image(X) != is_bytes_image(X_val):
            raise ValueError(
                f"X and X_val must both be images of bytes or neither, got {X.dtype} and {X_val.dtype}."
            )
        self.recipe, self.metric, self.prototype, self.seed = recipe, metric, prototype, seed
        self.labels, self.labels_val, self.n_classes = given.labels, given.labels_val, given.n_classes
        self.v_empty = metric.chance(self.labels_val, self.n_classes)
        self.X = prototype.features(X, "X")
        self.X_val = prototype.features(X_val, "X_val")
        self.y = torch.from_numpy(np.array(given.labels)).to(prototype.device)
        self.fingerprint: str | None = None
        self.outline: str | None = None
        digest = self._digest(X, X_val)
        if prototype.fingerprint is None:
            self.outline = digest
        else:
            self.fingerprint = digest

    def scores(self, coalitions: Sequence[Indices]) -> Values:
        values = np.empty(len(coalitions))
        for places, probabilities in self._predictions(coalitions):
            predictions = probabilities.argmax(axis=2) if self.metric.needs == "labels" else probabilities
            # One at a time: the last bit of a sum over rows depends on how many models share its array.
            for b, place in enumerate(places):
                one = predictions[b : b + 1]
                values[place] = self.metric.scores(one, self.labels_val, self.n_classes)[0]
        return values

    def chain_scores(self, order: Indices, stops: Indices) -> Values:
        # From scratch: weights handed on from one prefix to the next would make v(S) depend on the order.
        return self.scores(prefixes(order, stops))

    def walk(self, order: Indices, stops: Indices) -> Iterator[Values]:
        return in_blocks(self.scores, order, stops)

    def probabilities(self, coalitions: Sequence[Indices]) -> NDArray[np.float64]:
        """float64 [B, n_val, C]: what the models of coalitions say of the validation rows."""
        answer = np.empty((len(coalitions), len(self.labels_val), self.n_classes))
        for places, probabilities in self._predictions(coalitions):
            answer[places] = probabilities
        return answer

    def _predictions(self, coalitions: Sequence[Indices]) -> Iterator[tuple[list[int], NDArray[np.float64]]]:
        """Some places in ``coalitions``, and float64 [those, n_val, C]; every place comes once."""
        trained: list[tuple[int, _Coalition]] = []
        for b, rows in enumerate(coalitions):
            code = self.labels[rows[0]]
            if (self.labels[rows] == code).all():
                certain = np.zeros((1, len(self.labels_val), self.n_classes))
                certain[:, :, code] = 1.0
                yield [b], certain
            else:
                trained.append((b, self._coalition(rows)))
        # The longest first: those of a group that still have a mini-batch are then its first.
        trained.sort(key=lambda item: -item[1].size)
        for _, alike in groupby(trained, key=lambda item: item[1].width(self.recipe.batch_size)):
            waiting = list(alike)
            while waiting:
                group = waiting[: self._group_size(waiting[0][1])]
                waiting = waiting[len(group) :]
                yield [b for b, _ in group], self._group([coalition for _, coalition in group])

    def _coalition(self, rows: Indices) -> _Coalition:
        # Keyed by the members, so that neither the batch nor the place in it matters.
        digest = hashlib.blake2b(np.ascontiguousarray(rows, "<i8").tobytes(), digest_size=8).digest()
        random = generator(self.seed, "module", int.from_bytes(digest, "little"))
        key = int(random.integers(2**31))
        shuffled = random.permutation(rows)
        n_out = 0 if self.recipe.patience is None else len(rows) // HELD_OUT
        return _Coalition(shuffled[n_out:], shuffled[:n_out], random, key)

    def _group_size(self, longest: _Coalition) -> int:
        """Copies trained at once."""
        if not self.prototype.at_once:
            return 1
        numbers = self.prototype.dtype.itemsize
        in_step = longest.width(self.recipe.batch_size)
        weights = sum(p.numel() for p in self.prototype.module.parameters())
        outputs = self.prototype.activations * max(KEPT_AN_OUTPUT * in_step, self._predicted_rows)
        features = self.X[0].numel() * max(in_step, self._predicted_rows)
        a_copy = numbers * (KEPT_A_WEIGHT * weights + outputs + features)
        # Indices of an epoch, logits and probabilities.
        a_copy += 8 * len(longest.rows) + (numbers + 8) * len(self.labels_val) * self.n_classes
        return max(1, int(_free_bytes(self.prototype.device) // a_copy))

    @property
    def _predicted_rows(self) -> int:
        return max(self.recipe.batch_size, PREDICTED_ROWS)

    def _group(self, group: list[_Coalition]) -> NDArray[np.float64]:
        """float64 [B, n_val, C] of the models of a group, the longest coalition first."""
        try:
            return self._trained(group)
        except torch.cuda.OutOfMemoryError:
            if len(group) == 1:
                raise
        # The estimate was too low.  Not in the handler: its traceback holds on to what has to be freed.
        half = len(group) // 2
        return np.concatenate([self._group(group[:half]), self._group(group[half:])])

    def _trained(self, group: list[_Coalition]) -> NDArray[np.float64]:
        with ExitStack() as stack:
            stack.enter_context(torch.enable_grad())
            if self.prototype.draws:
                # Such modules are trained one by one.
                stack.enter_context(_turn)
                stack.enter_context(seeded(group[0].key))
            weights, buffers = self._train(group)
        forward = self.prototype.copies(training=False, common_features=True)
        blocks = self.X_val.split(self._predicted_rows)
        with torch.no_grad():
            logits = torch.cat([forward(weights, buffers, x) for x in blocks], dim=1)
        self._check_finite(logits.isfinite().flatten(1).all(dim=1), group, "predictions")
        return torch.softmax(logits.double(), dim=2).cpu().numpy()

    def _train(self, group: list[_Coalition]) -> tuple[State, State]:
        """Weights and buffers of the trained copies."""
        recipe = self.recipe
        forward = self.prototype.copies(training=True)
        copies = Copies(
            *self.prototype.start(len(group)), [coalition.key for coalition in group],
            learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay,
        )  # fmt: skip
        watch = None if recipe.patience is None else EarlyStopping(copies, recipe.patience)
        running = group
        for _ in range(recipe.epochs):
            losses = self._epoch(forward, copies, running)
            self._check_finite(losses.isfinite(), running, "the loss")
            if watch is not None:
                held_out = self._held_out_losses(copies, running)
                running = [running[c] for c in watch.going_on(copies, held_out.cpu().numpy())]
                if not running:
                    break
        return (copies.weights, copies.buffers) if watch is None else watch.best

    def _epoch(self, forward: Forward, copies: Copies, running: list[_Coalition]) -> Tensor:
        """One pass of every copy over its own rows; summed losses [B]."""
        counts, plan_there, counts_there = self._plan(
            [c.random.permutation(c.rows) for c in running], running[0].width(self.recipe.batch_size)
        )
        total = torch.zeros(len(running), dtype=self.prototype.dtype, device=self.prototype.device)
        for step in range(counts.shape[1]):
            n = int(np.count_nonzero(counts[:, step]))  # the first n: longest first
            # Alone, a copy needs no padding, and layers that mix rows must not see any.
            width = plan_there.shape[2] if self.prototype.at_once else int(counts[0, step])
            rows, count = plan_there[:n, step, :width], counts_there[:n, step]
            weights, buffers = copies.first(n)
            losses = mean_losses(forward(weights, buffers, self.X[rows]), self.y[rows], count)
            gradients = torch.autograd.grad(
                losses.sum(), list(weights.values()), allow_unused=True, materialize_grads=True
            )
            copies.update(gradients)
            total[:n] += losses.detach()
        return total

    def _held_out_losses(self, copies: Copies, running: list[_Coalition]) -> Tensor:
        """Mean losses [B] on the held-out rows; NaN where there are none."""
        forward = self.prototype.copies(training=False)
        counts, plan_there, counts_there = self._plan([c.held_out for c in running], self.recipe.batch_size)
        total = torch.zeros(len(running), dtype=self.prototype.dtype, device=self.prototype.device)
        for step in range(counts.shape[1]):
            n = int(np.count_nonzero(counts[:, step]))
            rows, count = plan_there[:n, step], counts_there[:n, step]
            with torch.no_grad():
                logits = forward(*copies.first(n), self.X[rows])
                total[:n] += count * mean_losses(logits, self.y[rows], count)
        self._check_finite(total.isfinite(), running, "the loss")
        return total / counts_there.sum(dim=1)

    def _plan(self, orders: list[Indices], width: int) -> tuple[NDArray[np.int64], Tensor, Tensor]:
        """Counts of mini-batches, which the loop asks for, then rows and counts on the device."""
        rows, counts = epoch_plan(orders, self.recipe.batch_size, width)
        device = self.prototype.device
        rows_there = torch.from_numpy(rows).to(device, non_blocking=True)
        return counts, rows_there, torch.from_numpy(counts).to(device, non_blocking=True)

    def _check_finite(self, finite: Tensor, group: list[_Coalition], what: str) -> None:
        if finite.all():
            return
        worst = group[int((~finite).int().argmax())]
        raise UtilityError(
            f"utility {self.recipe.name!r}: {what} became NaN or infinite on a coalition of "
            f"{worst.size:,} rows; lower learning_rate or standardise the features."
        )

    def _digest(self, X: NDArray[Any], X_val: NDArray[Any]) -> str:
        recipe, prototype = self.recipe, self.prototype
        module = prototype.fingerprint or ["outline", repr(prototype.module)]
        facts = [
            "module", module, recipe.epochs, recipe.batch_size, recipe.learning_rate,
            recipe.weight_decay, recipe.patience, self.metric.name, self.n_classes, self.seed,
        ]  # fmt: skip
        return fingerprint(facts, [X, self.labels, X_val, self.labels_val])


def _free_bytes(device: torch.device) -> float:
    if device.type != "cuda":
        return CPU_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    # What torch has kept for later use is free to it.
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return CUDA_SHARE * (free + kept)
