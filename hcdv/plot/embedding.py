"""Where rows lie, and which of them are worth least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcdv._random import generator
from hcdv._validation import check_int, check_matrix
from hcdv.plot import style
from hcdv.tasks._values import values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Points beside the lowest ones: more of them only cover each other.
MOST_POINTS = 5000
# Colours span the values drawn between these quantiles.
QUANTILES = (0.02, 0.98)


def embedding_map(
    values: Any, embedding: ArrayLike, *, n_lowest: int = 50, ax: Axes | None = None
) -> Axes:
    """Rows in two dimensions, coloured by value, with the lowest ones marked.

    Parameters
    ----------
    values : ValuationResult or float [n]
    embedding : float [n, d]
        Where rows lie: ``model.encoder_.transform(X)`` is the space in which they vote, and two columns of
        your own (t-SNE, UMAP) are drawn as they are.  More than two are projected to their first two principal
        components.
    n_lowest : int
        Rows to mark, all of them if there are fewer.  They are drawn whatever n is; of more than 5,000 others,
        a random 5,000, the same in every call.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError, TypeError
        If lengths differ, or something is no finite number.
    """
    worth = values_of(values)
    n_lowest = min(check_int(n_lowest, "n_lowest", 1), len(worth))
    points = check_matrix(embedding, "embedding", dtype=np.float32)
    if len(points) != len(worth):
        raise ValueError(f"embedding has {len(points)} rows for {len(worth)} values.")
    if points.shape[1] == 0:
        raise ValueError("embedding must have at least one column, got none.")
    lowest = np.argsort(worth, kind="stable")[:n_lowest]
    others = np.setdiff1d(np.arange(len(worth)), lowest, assume_unique=True)
    n_others = len(others)
    if n_others > MOST_POINTS:
        others = np.sort(generator(0, "map").choice(others, MOST_POINTS, replace=False))
    shown = np.concatenate([others, lowest])
    plane, labels = _plane(points[shown])

    axes = style.axes_or_new(ax, (6.4, 4.8))
    from matplotlib.lines import Line2D

    cut = len(others)
    if cut:
        low, high = np.quantile(worth[others], QUANTILES).tolist()
        colours = style.value_colours(low, high)
        axes.scatter(
            plane[:cut, 0], plane[:cut, 1], c=colours.to_rgba(worth[others]), s=9.0, linewidths=0.0,
            rasterized=True,
        )  # fmt: skip
        style.colour_scale(axes, colours, worth[others], "value of a row{}")
    marks = axes.scatter(
        plane[cut:, 0], plane[cut:, 1], marker="o", s=34.0, facecolors="none", edgecolors=style.INK,
        linewidths=1.3, rasterized=len(lowest) > MOST_POINTS,
    )  # fmt: skip
    names = [f"lowest {n_lowest:,} of {len(worth):,} rows"]
    artists: list[Any] = [marks]
    if cut:
        artists.append(Line2D([], [], color=style.QUIET, marker="o", markersize=3.0, linestyle=""))
        names.append(f"{n_others:,} others" + (f", of which {cut:,} are drawn" if cut < n_others else ""))
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    style.tidy(axes, "Where the rows lie, and the lowest values")
    style.legend(axes, artists, names, loc="best")
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def _plane(points: NDArray[np.float32]) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Two coordinates of each point, float64 [k, 2], and what they are."""
    plane = np.zeros((len(points), 2))
    if points.shape[1] <= 2:
        plane[:, : points.shape[1]] = points
        return plane, ("first coordinate", "second coordinate" if points.shape[1] == 2 else "")
    from sklearn.decomposition import PCA

    shares = [0.0, 0.0]
    if np.ptp(points, axis=0).any():
        # The picture has no scale, and squares of what is very large or small have no place in float32.
        points = points / np.abs(points).max()
        pca = PCA(min(2, len(points)), svd_solver="full" if len(points) < 10 else "auto", random_state=0)
        plane[:, : pca.n_components] = pca.fit_transform(points)
        shares[: pca.n_components] = pca.explained_variance_ratio_.tolist()
    first, second = (f"{share:.0%} of the variance)" for share in shares)
    return plane, (f"principal component 1 ({first}", f"principal component 2 ({second}")
