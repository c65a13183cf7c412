"""The terms of the embedding objective (Eq. 10), each of one mini-batch of unit vectors.

    maximise   M(S) + lambda * dispersion(S) - alpha * smoothness
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# What the uniform prior weighs, as a share of all the votes a row hears: as in the kernel game.
PRIOR_SHARE = 0.025


def confidences(
    embedded: Tensor, labels: Tensor, n_classes: int, *, temperature: float, score: str
) -> Tensor:
    """Leave-one-out confidence of each row in its label: the M of Stage III, differentiable.

    Parameters
    ----------
    embedded : float [b, d]
        Unit vectors.
    labels : int64 [b]
    n_classes : int
    temperature : float
        Rows vote with weight exp(-distance / temperature), distance the cosine distance.
    score : {"log", "share"}
        log(C p), or p, with p the share of the votes that agree with the label.

    Returns
    -------
    float [b]
    """
    return scored_votes(
        embedded, labels, embedded, labels, n_classes, temperature=temperature, score=score, are_same=True
    )


def scored_votes(
    voters: Tensor,
    labels: Tensor,
    sources: Tensor,
    source_labels: Tensor,
    n_classes: int,
    *,
    temperature: float,
    score: str,
    are_same: bool = False,
) -> Tensor:
    """Confidence of ``voters`` [v, d] by the votes of ``sources`` [b, d]; nobody votes on itself."""
    weights = torch.exp((voters @ sources.T - 1.0) / temperature)
    if are_same:
        weights = weights * ~torch.eye(len(voters), dtype=torch.bool, device=voters.device)
    agree = labels[:, None] == source_labels
    total = weights.sum(1)
    # A row that nobody reaches is left at chance.
    prior = (PRIOR_SHARE * total).detach().clamp(min=1e-12)
    share = ((weights * agree).sum(1) + prior / n_classes) / (total + prior)
    return torch.log(share * n_classes) if score == "log" else share


def dispersion(embedded: Tensor, labels: Tensor) -> Tensor:
    """Mean cosine distance of the pairs of different labels (Eq. 30); 0 where there are none."""
    cross = labels[:, None] != labels
    distance = (1.0 - embedded @ embedded.T) * cross
    return distance.sum() / cross.sum().clamp(min=1)


def smoothness(
    network: Callable[[Tensor], Tensor],
    rows: Tensor,
    embedded: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    n_partners: int,
    generator: torch.Generator,
    n_codes: int = 0,
    bounds: tuple[float, ...] | None = None,
) -> Tensor:
    """Finite-difference proxy of the squared gradients of distances to rows of other labels (Eq. 33).

    Parameters
    ----------
    network : callable
        From rows [b, ...] to unit vectors [b, d].
    rows : float [b, ...]
    embedded : float [b, d]
        ``network(rows)``.
    labels : int64 [b]
    epsilon : float
        Standard deviation of the step in each number of a row.
    n_partners : int
        m, partners drawn for each row, with replacement.
    generator : torch.Generator
        Of the direction, one for each row, and of the partners.
    n_codes : int
        Columns at the end of the rows that are codes, which no step moves.
    bounds : (float, float), optional
        Range that moved rows are clamped to, such as that of pixels.

    Returns
    -------
    float
        Mean over pairs; 0 where all labels agree.
    """
    cross = labels[:, None] != labels
    anchors = cross.any(1).nonzero().ravel()
    if not len(anchors):
        return embedded.new_zeros(())
    partners = torch.multinomial(cross[anchors].float(), n_partners, replacement=True, generator=generator)
    direction = torch.randn(rows.shape, dtype=rows.dtype, device=rows.device, generator=generator)
    if n_codes:
        direction[:, -n_codes:] = 0.0
    moved = rows + epsilon * direction
    if bounds is not None:
        moved = moved.clamp(*bounds)
    step = network(moved) - embedded
    # d is 1 less a product, so the change of distance is minus the product with the step.
    change = torch.einsum("ad,amd->am", step[anchors], embedded[partners]) / epsilon
    return change.square().mean()
