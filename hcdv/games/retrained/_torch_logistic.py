"""Many logistic regressions at once, on the CPU or a CUDA device, in float64.

Rows are standardised inside (the penalty is carried over, so the minimum is that of the rows as given).
Every problem is convex with parameters [K, q]: K = 1 for two classes, else one row a class; q - 1 columns and
the intercept.

- A *chain* is walked in blocks of neighbouring stops.  The solution before a block starts all of it; one
  Hessian, factorised once a block, turns gradients into steps (chord iterations), so an iteration is two
  matrix products over the rows inside.  The first step needs the gradients of the block's own rows alone.
  Above two classes the Hessian preconditions L-BFGS instead.
- Any *set of coalitions* is minimised by Newton's method with a line search (two classes, small), or by
  L-BFGS. Where a coalition has a good share of all rows that starts from the minimum of all of them and is
  preconditioned by the Hessian there, else by a bound on the Hessian (Boehning, 1992).
- What a chord iteration leaves unfinished, as on separable handfuls of rows, goes to the second kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import Tensor

from hcdv._digest import fingerprint
from hcdv.game import Indices, Values
from hcdv.games.metrics import Metric
from hcdv.games.rows import GivenRows

# Numbers in the largest temporary of a batch: 64 MB.
BATCH_CELLS = 1 << 23
# A block of a chain: at most so many stops, and no further than this share of rows beyond its first.
BLOCK_STOPS, BLOCK_GROWTH = 48, 0.25
# Rows per column below which a prefix is too small for a Hessian that serves its neighbours.
LEAST_ROWS_PER_COLUMN = 3
# Parameters up to which Hessians are formed.
MAX_HESSIAN = 1000
CHORD_STEPS = 25
# Share of all rows from which on a coalition's minimum is near that of all rows.
LARGE_SHARE = 0.2
# Standard deviations in interquartile ranges from which on a column is centred at its median.
HEAVY_TAIL = 1000.0
HISTORY = 10
# Problems that have settled are taken out of a batch once fewer than this share go on.
STILL_WORTH_IT = 0.75
# What holds the free direction of the softmax's intercepts, per row.
FREE_INTERCEPT = 1e-9
# What holds columns that repeat each other, as a share of their own curvature: an absolute number would swamp
# the curvature of a column that one outlier has stretched, and end its fits too early.
JITTER = 1e-12
LARGEST_DENSE_CELLS = 1 << 30


class LogisticTrainer:
    """Trains and scores logistic regressions on coalitions.

    Parameters
    ----------
    given : GivenRows
        With validation rows; ``features`` are flattened to two dimensions.
    metric : Metric
    C, tol, max_iter
        See :class:`hcdv.games.Logistic`.
    device : {"cpu", "cuda"}
    """

    is_bounded = True
    outline: str | None = None

    def __init__(
        self, given: GivenRows, *, metric: Metric, C: float, tol: float, max_iter: int, device: str
    ) -> None:
        if given.labels_val is None:
            raise ValueError("utility 'logistic' needs validation rows.")
        X, X_val = _matrix(given.features), _matrix(given.features_val)
        self.metric = metric
        self.labels_val = given.labels_val
        self.n_classes = given.n_classes
        self.labels = given.labels
        self.tol, self.max_iter = tol, max_iter
        self.v_empty = metric.chance(given.labels_val, given.n_classes)
        self.fingerprint: str | None = fingerprint(
            ["logistic", C, tol, max_iter, metric.name, given.n_classes],
            [X, given.labels, X_val, given.labels_val],
        )
        self.device = torch.device(device)
        self._has_warned = False
        self._all_rows: Tensor | None = None
        centre, scale = X.mean(axis=0), X.std(axis=0)
        scale[scale == 0] = 1.0
        # Beside one enormous number all other rows would be one number, and the column an intercept.
        low, middle, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0)
        centre = np.where(scale > HEAVY_TAIL * (high - low), middle, centre)
        self.Z = self._rows((X - centre) / scale)
        self.Z_val = self._rows((X_val - centre) / scale)
        # |w|^2 / (2 C) in standardised units; the intercept is free.
        penalty = np.append(1.0 / (C * scale**2), 0.0)
        self.penalty = torch.as_tensor(penalty, device=self.device)
        self.n_outputs = 1 if given.n_classes == 2 else given.n_classes
        self.y = torch.as_tensor(given.labels, device=self.device)

    def scores(self, coalitions: Sequence[Indices]) -> Values:
        """Scores of any coalitions; the rows that none of them has are left out."""
        values = np.empty(len(coalitions))
        step = max(1, BATCH_CELLS // (len(self.y) * self.n_outputs))
        with torch.inference_mode():
            for begin in range(0, len(coalitions), step):
                batch = coalitions[begin : begin + step]
                inside = torch.zeros(len(batch), len(self.y), dtype=torch.float64)
                for b, rows in enumerate(batch):
                    inside[b, torch.as_tensor(rows)] = 1.0
                present = self._present(batch)
                theta = self._solve(inside.to(self.device), present)
                values[begin : begin + step] = self._score(theta, present)
        return values

    def chain_scores(self, order: Indices, stops: Indices) -> Values:
        """Scores of prefixes."""
        return np.concatenate(list(self.walk(order, stops)))

    def walk(self, order: Indices, stops: Indices) -> Iterator[Values]:
        """Scores of prefixes, block by block along the chain."""
        n = int(stops[-1])
        rows = torch.as_tensor(np.ascontiguousarray(order[:n]), device=self.device)
        n_present = _classes_met(self.labels[order[:n]], self.n_classes)
        Z, y = self.Z[rows], self.y[rows]
        last = self._zeros(1)
        for begin, end in self._blocks(stops, n_present):
            some = stops[begin:end]
            m = int(some[-1])
            # Not around the loop: the mode would reach into the caller's code between two blocks.
            with torch.inference_mode():
                present = self._present([order[: some[0]]]).expand(len(some), -1)
                theta = self._block(Z[:m], y[:m], some, present, last)
                last = theta[-1:]
                scores = self._score(theta, present)
            yield scores

    def probabilities(self, coalitions: Sequence[Indices]) -> NDArray[np.float64]:
        """Probabilities of the validation rows, float64 [B, n_val, C]."""
        with torch.inference_mode():
            inside = torch.zeros(len(coalitions), len(self.y), dtype=torch.float64)
            for b, rows in enumerate(coalitions):
                inside[b, torch.as_tensor(rows)] = 1.0
            present = self._present(coalitions)
            theta = self._solve(inside.to(self.device), present)
            return self._predict(theta, present).cpu().numpy()

    # Chains ---------------------------------------------------------------------------------------

    def _blocks(self, stops: Indices, n_present: Indices) -> list[tuple[int, int]]:
        """Runs of neighbouring stops that one Hessian serves; within one the classes met stay the same."""
        blocks, begin = [], 0
        while begin < len(stops):
            limit = max(stops[begin] * (1 + BLOCK_GROWTH), self._least_rows())
            end = min(begin + BLOCK_STOPS, int(np.searchsorted(stops, limit, side="right")))
            met = n_present[stops[begin:end] - 1]
            end = begin + int(np.searchsorted(met, met[0], side="right"))
            blocks.append((begin, end))
            begin = end
        return blocks

    def _least_rows(self) -> int:
        return LEAST_ROWS_PER_COLUMN * self.Z.shape[1] if self.n_outputs == 1 else 0

    def _block(self, Z: Tensor, y: Tensor, stops: Indices, present: Tensor, last: Tensor) -> Tensor:
        """Parameters [s, K, q] at the stops of one block, started from ``last`` [1, K, q]."""
        m, q = Z.shape
        at = torch.as_tensor(np.ascontiguousarray(stops), device=self.device)
        start = last.expand(len(stops), -1, -1).clone()
        start = torch.where(present[:, : self.n_outputs, None] | (self.n_outputs == 1), start, 0.0)
        if int(present[0].sum()) == 1:
            return start.zero_()  # one class: nothing to train, and nothing to go on from
        inside = (torch.arange(m, device=self.device) < at[:, None]).double()
        if m <= self._least_rows() or self.n_outputs * q > MAX_HESSIAN:
            return self._minimise(Z, y, inside, present, start)
        middle = int(at[len(at) // 2])
        factor = self._factor(Z[:middle], y[:middle], start[0], present[:1])
        if self.n_outputs > 1:
            # The curvature of a softmax moves too fast for a Hessian that is not corrected on the way.
            return self._minimise(Z, y, inside, present, start, factor)
        theta, open_ = self._chord(Z, y, at, present, start, factor)
        if bool(open_.any()):
            which = torch.nonzero(open_)[:, 0]
            theta[which] = self._minimise(Z, y, inside[which], present[which], start[which], factor)
        return theta

    def _chord(
        self, Z: Tensor, y: Tensor, at: Tensor, present: Tensor, start: Tensor, factor: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Chord iterations of a block of prefixes; parameters and which of them did not settle."""
        outside = torch.arange(len(Z), device=self.device) >= at[:, None]
        n_stops, n_parameters = len(at), self.n_outputs * Z.shape[1]
        penalty = self._penalty(present)
        residual = self._residual(start[:1], Z, y, present[:1])[0]
        # First step: all stops share the rows of the first, and the gradients grow by running sums.
        first = int(at[0])
        new = torch.cumsum(residual[first:, :, None] * Z[first:, None, :], dim=0)
        shared = (residual[:first].T @ Z[:first])[None]
        gradients = torch.cat([shared, shared + new])[at - first]
        theta = start.clone()
        before = torch.full((n_stops,), np.inf, dtype=torch.float64, device=self.device)
        open_ = torch.ones(n_stops, dtype=torch.bool, device=self.device)
        failed = torch.zeros_like(open_)
        gradients = gradients + penalty * theta
        for _ in range(CHORD_STEPS):
            flat = gradients.reshape(-1, n_parameters)
            steps = torch.cholesky_solve(flat.T, factor).T
            decrement = (flat * steps).sum(1)
            active = torch.nonzero(open_)[:, 0]
            theta[active] -= steps.reshape(len(active), self.n_outputs, -1)
            # Not shrinking: the Hessian is too far from the minimum's.
            failed[active] = ~(decrement <= 0.9 * before[active])
            before[active] = decrement
            open_[active] = (decrement > self.tol) & ~failed[active]
            active = torch.nonzero(open_)[:, 0]
            if len(active) == 0:
                break
            residual = self._residual(theta[active], Z, y, present[active])
            residual.masked_fill_(outside[active][:, :, None], 0.0)
            gradients = torch.einsum("bmk,mq->bkq", residual, Z) + penalty[active] * theta[active]
        return theta, open_ | failed

    def _factor(
        self, Z: Tensor, y: Tensor, theta: Tensor, present: Tensor, weights: Tensor | None = None
    ) -> Tensor:
        """Cholesky factor [K q, K q] of the Hessian at one point, of rows of weights [m] or of 1."""
        q = Z.shape[1]
        if self.n_outputs == 1:
            p = torch.sigmoid(Z @ theta[0])
            hessian = Z.T @ ((p * (1 - p))[:, None] * Z)
        else:
            p = self._softmax(theta[None], Z, present)[0]
            of_row = torch.ones_like(p[:, 0]) if weights is None else weights
            blocks = torch.zeros(
                self.n_outputs, q, self.n_outputs, q, dtype=Z.dtype, device=self.device
            )
            for k in range(self.n_outputs):
                for c in range(k, self.n_outputs):
                    weight = of_row * p[:, k] * ((1.0 if k == c else 0.0) - p[:, c])
                    blocks[k, :, c] = Z.T @ (weight[:, None] * Z)
                    blocks[c, :, k] = blocks[k, :, c]
            hessian = blocks.reshape(self.n_outputs * q, -1)
        penalty = self._penalty(present)[0].expand(self.n_outputs, -1).reshape(-1)
        return _cholesky(self._held(hessian, penalty, len(Z)))

    def _held(self, hessian: Tensor, penalty: Tensor, n_rows: int) -> Tensor:
        """A Hessian [..., k q, k q] of the losses with the penalty [k q], and what keeps it regular."""
        q = self.Z.shape[1]
        diagonal = hessian.diagonal(dim1=-2, dim2=-1)
        diagonal.mul_(1 + JITTER).add_(penalty)
        diagonal[..., q - 1 :: q] += FREE_INTERCEPT * n_rows + 1e-12
        return hessian

    # Any coalitions -------------------------------------------------------------------------------

    def _solve(self, inside: Tensor, present: Tensor) -> Tensor:
        """Minimum [B, K, q] for memberships [B, n]; large coalitions start from that of all rows."""
        theta = self._zeros(len(inside))
        large = inside.sum(1) >= LARGE_SHARE * len(self.y)
        if self.n_outputs == 1 or self.n_outputs * self.Z.shape[1] > MAX_HESSIAN or not bool(large.any()):
            return self._minimise(self.Z, self.y, inside, present, theta)
        everybody = self._everybody()
        for some, is_near in ((torch.nonzero(large)[:, 0], True), (torch.nonzero(~large)[:, 0], False)):
            start, factor = theta[some], None
            if is_near:
                start = torch.where(present[some][:, :, None], everybody, 0.0)
                factor = self._factor(
                    self.Z, self.y, everybody[0], torch.ones_like(present[:1]), inside[some].mean(0)
                )
            theta[some] = self._minimise(self.Z, self.y, inside[some], present[some], start, factor)
        return theta

    def _everybody(self) -> Tensor:
        """Minimum [1, K, q] for all rows."""
        if self._all_rows is None:
            inside = torch.ones(1, len(self.y), dtype=torch.float64, device=self.device)
            present = torch.ones(1, self.n_classes, dtype=torch.bool, device=self.device)
            # Two threads may both work it out: to the same bits.
            self._all_rows = self._minimise(self.Z, self.y, inside, present, self._zeros(1))
        return self._all_rows

    def _minimise(
        self,
        Z: Tensor,
        y: Tensor,
        inside: Tensor,
        present: Tensor,
        theta: Tensor,
        factor: Tensor | None = None,
    ) -> Tensor:
        """Minimum [B, K, q] for memberships ``inside`` float64 [B, m], from ``theta``.

        ``factor`` is that of a Hessian nearby, if there is one.
        """
        q = Z.shape[1]
        newton = self.n_outputs == 1 and len(Z) * q * (q + 1) // 2 <= BATCH_CELLS
        if newton:
            step = max(1, BATCH_CELLS // (4 * (len(Z) + q**2)))
        else:
            step = max(1, BATCH_CELLS // (4 * self.n_outputs * (len(Z) + HISTORY * q)))
            precondition = self._preconditioner(Z, inside, factor)
        parts = []
        for k in range(0, len(inside), step):
            batch = inside[k : k + step], present[k : k + step], theta[k : k + step]
            if newton:
                parts.append(self._newton(Z, y, *batch))
            else:
                parts.append(self._lbfgs(Z, y, *batch, precondition))
        solution = torch.cat(parts) if parts else theta
        trained = present.sum(1) > 1
        return torch.where(trained[:, None, None], solution, 0.0)

    def _newton(
        self, Z: Tensor, y: Tensor, inside: Tensor, present: Tensor, theta: Tensor
    ) -> Tensor:
        """Newton's method with step halving, two classes."""
        q = Z.shape[1]
        i, j = torch.triu_indices(q, q, device=self.device)
        products = Z[:, i] * Z[:, j]
        target = y.double()
        theta = theta[:, 0].clone()
        open_ = torch.nonzero(present.sum(1) > 1)[:, 0]
        step = torch.zeros_like(theta)
        length = torch.ones(len(theta), dtype=Z.dtype, device=self.device)
        loss = torch.full((len(theta),), np.inf, dtype=Z.dtype, device=self.device)
        finished = torch.zeros(len(theta), dtype=torch.bool, device=self.device)
        for _ in range(self.max_iter):
            if len(open_) == 0:
                break
            tried = theta[open_] + length[open_, None] * step[open_]
            mine = inside[open_]
            logits = tried @ Z.T
            new = ((torch.nn.functional.softplus(logits) - target * logits) * mine).sum(1)
            new += 0.5 * (self.penalty * tried * tried).sum(1)
            better = new <= loss[open_] + 1e-12 * loss[open_].abs().clamp(max=1e300)
            short = ~better & (length[open_] < 1e-8)
            length[open_[~better]] *= 0.5
            go = open_[better]
            theta[go] = tried[better]
            loss[go] = new[better]
            length[go] = 1.0
            ends = finished.clone()
            ends[open_[short]] = True
            done = go[finished[go]]
            go_on = ~finished[go]
            p = torch.sigmoid(logits[better][go_on])
            go = go[go_on]
            if len(go):
                weights = inside[go]
                gradient = ((p - target) * weights) @ Z + self.penalty * theta[go]
                curvature = (p * (1 - p) * weights) @ products
                hessian = torch.zeros(len(go), q, q, dtype=Z.dtype, device=self.device)
                hessian[:, i, j] = curvature
                hessian[:, j, i] = curvature
                factor = _cholesky(self._held(hessian, self.penalty, 0))
                direction = torch.cholesky_solve(gradient[:, :, None], factor)[:, :, 0]
                step[go] = -direction
                finished[go] = (gradient * direction).sum(1) <= self.tol
            # The step that was found small enough is still taken, in the next round.
            drop = torch.zeros(len(theta), dtype=torch.bool, device=self.device)
            drop[done] = True
            drop |= ends & ~finished
            open_ = open_[~drop[open_]]
        if len(open_):
            self._warn(int(inside[open_[0]].sum()))
        return theta[:, None]

    def _preconditioner(
        self, Z: Tensor, inside: Tensor, factor: Tensor | None
    ) -> Callable[[Tensor], Tensor]:
        """From gradients [B, K, q] to steps: by a Hessian nearby, or by a bound on all of them."""
        if factor is None:
            bound = (0.25 if self.n_outputs == 1 else 0.5) * (Z.T @ (inside.mean(0)[:, None] * Z))
            factor = _cholesky(self._held(bound, self.penalty, len(Z)))
        width, lower = len(factor), factor

        def precondition(gradient: Tensor) -> Tensor:
            return torch.cholesky_solve(gradient.reshape(-1, width).T, lower).T.reshape(gradient.shape)

        return precondition

    def _lbfgs(
        self,
        Z: Tensor,
        y: Tensor,
        inside: Tensor,
        present: Tensor,
        theta: Tensor,
        precondition: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """L-BFGS with Armijo steps; what it leaves unfinished goes to Newton's method, one by one."""
        penalty, solution = self._penalty(present), theta.clone()
        trained = present.sum(1) > 1
        # The problems still worked on; of those that settled among them ``live`` is False.
        some = torch.nonzero(trained)[:, 0]
        theta, live = solution[some], trained[some]
        mine = inside[some], present[some], penalty[some]
        loss, gradient = self._loss(theta, Z, y, *mine)
        history: list[tuple[Tensor, Tensor, Tensor]] = []
        for _ in range(10 * self.max_iter):
            direction = -_two_loop(gradient, history, precondition)
            slope = (direction * gradient).sum((1, 2))
            live &= -slope > self.tol * 0.01
            n_live = int(live.sum())
            if n_live == 0:
                break
            if n_live < STILL_WORTH_IT * len(live):
                solution[some] = theta
                some, theta, loss, gradient, direction, slope = (
                    part[live] for part in (some, theta, loss, gradient, direction, slope)
                )
                mine = inside[some], present[some], penalty[some]
                history = [(s[live], change[live], usable[live]) for s, change, usable in history]
                live = live[live]
            length = torch.where(live, 1.0, 0.0).to(Z.dtype)
            for _ in range(40):
                tried = theta + length[:, None, None] * direction
                new, new_gradient = self._loss(tried, Z, y, *mine)
                bad = live & ~(new <= loss + 1e-4 * length * slope + 1e-13 * loss.abs())
                if not bool(bad.any()):
                    break
                length = torch.where(bad, 0.5 * length, length)
            # A line along which nothing is gained within rounding: that problem is as good as it gets.
            length = torch.where(bad, 0.0, length)
            live &= ~bad
            s = length[:, None, None] * direction
            tried = theta + s
            if bool(bad.any()):
                new, new_gradient = self._loss(tried, Z, y, *mine)
            history.append((s, new_gradient - gradient, live.clone()))
            history = history[-HISTORY:]
            theta, loss, gradient = tried, new, new_gradient
        solution[some] = theta
        theta = solution
        _, gradient = self._loss(theta, Z, y, inside, present, penalty)
        # The preconditioner bounds the Hessian from above, and where probabilities are 0 or 1 it is far above:
        # the slope then says little of what is left to gain.
        curvature = self._curvature(theta, Z, inside, present) + penalty
        curvature[..., -1] += FREE_INTERCEPT
        left = (gradient.square() / curvature).sum((1, 2))
        for b in torch.nonzero(trained & ~(left <= self.tol))[:, 0].tolist():
            members = inside[b] > 0
            theta[b] = self._newton_alone(Z[members], y[members], present[b : b + 1], theta[b : b + 1])[0]
        return theta

    def _newton_alone(self, Z: Tensor, y: Tensor, present: Tensor, theta: Tensor) -> Tensor:
        """Newton's method with step halving for one problem [1, K, q] on all rows of ``Z``."""
        if theta.numel() > MAX_HESSIAN:
            self._warn(len(Z))
            return theta
        penalty = self._penalty(present)
        inside = torch.ones(1, len(Z), dtype=Z.dtype, device=self.device)
        loss, gradient = self._loss(theta, Z, y, inside, present, penalty)
        for _ in range(self.max_iter):
            factor = self._factor(Z, y, theta[0], present)
            step = torch.cholesky_solve(gradient.reshape(-1, 1), factor).reshape(theta.shape)
            decrement = float((step * gradient).sum())
            length = 1.0
            while length > 1e-8:
                tried = theta - length * step
                new, new_gradient = self._loss(tried, Z, y, inside, present, penalty)
                if float(new) <= float(loss) - 1e-4 * length * decrement + 1e-13 * abs(float(loss)):
                    theta, loss, gradient = tried, new, new_gradient
                    break
                length *= 0.5
            if decrement <= self.tol or length <= 1e-8:
                return theta
        self._warn(len(Z))
        return theta

    def _warn(self, n_rows: int) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"utility 'logistic': a fit on {n_rows:,} rows did not settle in max_iter={self.max_iter} "
                "steps; standardise the columns, or raise max_iter.",
                stacklevel=2,
            )

    def _loss(
        self, theta: Tensor, Z: Tensor, y: Tensor, inside: Tensor, present: Tensor, penalty: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Loss [B] and gradient [B, K, q]."""
        logits = self._logits(theta, Z)
        if self.n_outputs == 1:
            losses = torch.nn.functional.softplus(logits[:, 0]) - y.double() * logits[:, 0]
            residual = torch.sigmoid(logits) - y.double()
        else:
            logits.masked_fill_(~present[:, :, None], -np.inf)
            of_label = logits.gather(1, y.expand(len(theta), 1, -1))[:, 0]
            most = logits.amax(1)
            residual = logits.sub_(most[:, None]).exp_()
            total = residual.sum(1)
            # Of rows outside the label may be a class that the coalition has not met.
            losses = torch.where(inside > 0, most + torch.log(total) - of_label, 0.0)
            residual /= total[:, None]
            residual -= torch.nn.functional.one_hot(y, self.n_classes).T.double()
        residual *= inside[:, None]
        loss = (losses * inside).sum(1) + 0.5 * (penalty * theta * theta).sum((1, 2))
        # One product for all problems: a batch of small ones takes several times as long.
        gradient = (residual.reshape(-1, len(Z)) @ Z).reshape(theta.shape) + penalty * theta
        return loss, gradient

    def _logits(self, theta: Tensor, Z: Tensor) -> Tensor:
        """[B, K, m] of parameters [B, K, q]."""
        return (theta.reshape(-1, Z.shape[1]) @ Z.T).reshape(*theta.shape[:2], len(Z))

    def _curvature(self, theta: Tensor, Z: Tensor, inside: Tensor, present: Tensor) -> Tensor:
        """Diagonal of the Hessian of the losses, [B, K, q]."""
        if self.n_outputs == 1:
            p = torch.sigmoid(theta[:, 0] @ Z.T)[:, :, None]
        else:
            p = self._softmax(theta, Z, present)
        return torch.einsum("bmk,mq->bkq", p * (1 - p) * inside[:, :, None], Z.square())

    # Predictions ----------------------------------------------------------------------------------

    def _residual(self, theta: Tensor, Z: Tensor, y: Tensor, present: Tensor) -> Tensor:
        """Predicted probability less target, [B, m, K]."""
        if self.n_outputs == 1:
            return (torch.sigmoid(theta[:, 0] @ Z.T) - y.double())[:, :, None]
        return self._softmax(theta, Z, present) - torch.nn.functional.one_hot(y, self.n_classes)

    def _softmax(self, theta: Tensor, Z: Tensor, present: Tensor) -> Tensor:
        logits = self._logits(theta, Z).masked_fill_(~present[:, :, None], -np.inf)
        return torch.softmax(logits, dim=1).transpose(1, 2)

    def _predict(self, theta: Tensor, present: Tensor) -> Tensor:
        """Probabilities [B, n_val, C]; 0 for classes that the coalition has not met."""
        if self.n_outputs > 1:
            return self._softmax(theta, self.Z_val, present)
        second = torch.sigmoid(theta[:, 0] @ self.Z_val.T)
        # With one class alone nothing was trained.
        second = torch.where(present[:, 1:2], second, 0.0)
        second = torch.where(present[:, :1], second, 1.0)
        return torch.stack([1 - second, second], dim=2)

    def _score(self, theta: Tensor, present: Tensor) -> Values:
        step = max(1, BATCH_CELLS // (len(self.labels_val) * self.n_classes))
        scores = []
        for k in range(0, len(theta), step):
            some, there = theta[k : k + step], present[k : k + step]
            if self.metric.needs == "probabilities":
                predictions = self._predict(some, there)
            elif self.n_outputs == 1:
                predictions = (some[:, 0] @ self.Z_val.T) > 0
                predictions = (predictions | ~there[:, :1]) & there[:, 1:2]
            else:
                predictions = self._softmax(some, self.Z_val, there).argmax(2)
            scores.append(
                self.metric.scores(predictions.cpu().numpy(), self.labels_val, self.n_classes)
            )
        return np.concatenate(scores)

    def _present(self, coalitions: Sequence[Indices]) -> Tensor:
        """Which classes each coalition has, bool [B, C]."""
        counts = np.array(
            [np.bincount(self.labels[rows], minlength=self.n_classes) for rows in coalitions]
        )
        return torch.as_tensor(counts > 0, device=self.device)

    def _penalty(self, present: Tensor) -> Tensor:
        """Penalty [B, 1, q].  Two classes of several make a binary problem, of one weight vector: as a
        softmax of two, w/2 and -w/2, it is penalised twice as much."""
        if self.n_outputs == 1:
            return self.penalty.expand(len(present), 1, -1)
        twice = torch.where(present.sum(1) == 2, 2.0, 1.0).to(self.penalty.dtype)
        return twice[:, None, None] * self.penalty

    def _zeros(self, n: int) -> Tensor:
        return torch.zeros(
            n, self.n_outputs, self.Z.shape[1], dtype=torch.float64, device=self.device
        )

    def _rows(self, X: NDArray[np.float64]) -> Tensor:
        with_intercept = np.column_stack([X, np.ones(len(X))])
        return torch.as_tensor(with_intercept, device=self.device)


def _cholesky(matrices: Tensor) -> Tensor:
    """Factors of positive definite matrices [..., q, q]; one that rounding has made indefinite is held more."""
    factor, failed = torch.linalg.cholesky_ex(matrices)
    share = JITTER
    while bool(failed.any()) and share < 1:
        share *= 1e3
        diagonal = torch.diag_embed(matrices.diagonal(dim1=-2, dim2=-1) * share)
        again, failed_again = torch.linalg.cholesky_ex(matrices + diagonal)
        still = failed > 0
        factor = torch.where(still[..., None, None], again, factor)
        failed = torch.where(still, failed_again, failed)
    return factor


def _two_loop(
    gradient: Tensor,
    history: list[tuple[Tensor, Tensor, Tensor]],
    precondition: Callable[[Tensor], Tensor],
) -> Tensor:
    """The L-BFGS product of inverse Hessian and gradient, problem by problem."""
    g = gradient.clone()
    kept = []
    for s, change, live in reversed(history):
        curvature = (s * change).sum((1, 2))
        usable = live & (curvature > 1e-300)
        rho = torch.where(usable, 1.0 / torch.where(usable, curvature, 1.0), 0.0)
        alpha = rho * (s * g).sum((1, 2))
        g = g - alpha[:, None, None] * change
        kept.append((s, change, rho, alpha))
    g = precondition(g)
    for s, change, rho, alpha in reversed(kept):
        beta = rho * (change * g).sum((1, 2))
        g = g + (alpha - beta)[:, None, None] * s
    return g


def _classes_met(labels: NDArray[np.int64], n_classes: int) -> Indices:
    """Number of distinct labels among the first 1, 2, ... rows."""
    first = np.full(n_classes, len(labels))
    np.minimum.at(first, labels, np.arange(len(labels)))
    return np.searchsorted(np.sort(first), np.arange(len(labels)), side="right")


def _matrix(features: Any) -> NDArray[np.float64]:
    """Features as float64 [n, d]."""
    if issparse(features):
        if features.shape[0] * features.shape[1] > LARGEST_DENSE_CELLS:
            raise ValueError(
                f"utility 'logistic' works on dense rows, and X of shape {features.shape} is too large for "
                "that; reduce it first (TruncatedSVD)."
            )
        features = features.toarray()
    rows = np.asarray(features, dtype=np.float64)
    return rows.reshape(len(rows), -1)
