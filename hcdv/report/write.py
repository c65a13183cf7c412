"""Write a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hcdv._files import check_place, written_aside
from hcdv._validation import check_int, check_labels
from hcdv.estimator import HCDV, Explainer
from hcdv.report.features import clean, features_of
from hcdv.report.histogram import histogram
from hcdv.report.icicle import icicle
from hcdv.report.overview import class_table, figures, settings, versions
from hcdv.report.page import render, require_jinja
from hcdv.report.rows import Records, chosen_rows, others_shown
from hcdv.report.thumbnails import Thumbnails
from hcdv.result import ValuationResult

# Label issues are shown beyond ``n_rows``, up to so many times as many.
ISSUES_PER_ROW = 5


def check_report(path: str | os.PathLike[str]) -> Path:
    """``path``, if a report could be written there now: to be asked before long work.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Path

    Raises
    ------
    ImportError
        If jinja2 is missing.
    OSError
        If the folder is missing or read-only, or something other than a file stands there.
    """
    require_jinja()
    check_place(path)
    return Path(path)


def write_report(
    model_or_result: HCDV | ValuationResult,
    path: str | os.PathLike[str],
    X: Any = None,
    y: ArrayLike | None = None,
    *,
    images: Any = None,
    text_columns: list[str] | None = None,
    n_rows: int = 50,
    title: str = "What each training row is worth",
) -> Path:
    """Write one HTML file that shows values, tree and rows, and needs nothing else: no network, no other file.

    The page has a summary, the histogram of values by class, the tree coloured by value, and the lowest and
    highest rows to filter, sort, open and download as CSV.  Of a model every row shown is explained
    (:meth:`hcdv.HCDV.explain`); of a result alone, by its parts and its place in the tree.  The same input and
    versions give the same bytes.

    Parameters
    ----------
    model_or_result : HCDV or ValuationResult
        Fitted, loaded or updated.
    path : path-like
        File to write, whole or not at all; one that is there is replaced.
    X : table [n, ...], array [n, d] or list of n texts, optional
        The rows in the order of the values, as they are to be shown.  Columns beyond 30 are left out, and texts
        cut beyond 2,000 letters.
    y : [n], optional
        Labels to show; by default those that were valued.
    images : uint8, bool or float [n, h, w] or [n, h, w, c], optional
        Pictures of the rows, with c = 1, 3 or 4 channels; floats within 0..1, or else scaled from their lowest
        to their highest.  Shown at 64 x 64 pixels at most.  Needs Pillow.
    text_columns : list of str, optional
        Columns of X that hold running text; by default those of long texts.
    n_rows : int
        Rows from either end that are shown with all that is known of them; label issues, up to five times as
        many.  All rows where there are no more than that.
    title : str

    Returns
    -------
    Path

    Raises
    ------
    ValueError, TypeError
        If an argument is not what it should be.
    ImportError
        If jinja2 is missing, or Pillow where there are images.
    OSError
        If the file cannot be written.
    """
    place = check_report(path)
    n_rows = check_int(n_rows, "n_rows", 1)
    if not isinstance(title, str):
        raise TypeError(f"title must be a text, got {type(title).__name__}.")
    model, result = _parts(model_or_result)
    if not np.isfinite(result.values).all():
        odd = int((~np.isfinite(result.values)).sum())
        raise ValueError(f"model_or_result has values that are no finite numbers: {odd:,} of {len(result):,}.")
    labels = result.labels if y is None else check_labels(y, len(result), "y")
    issues = result.label_issues()
    is_issue = np.empty(len(result), bool)
    is_issue[issues["position"]] = issues["is_issue"]
    shown = chosen_rows(result.ranking(), int(is_issue.sum()), n_rows, ISSUES_PER_ROW)
    explainer = Explainer(result) if model is None else model.explainer()
    abouts = [explainer.explain(position) for position in shown.tolist()]
    needed = np.union1d(shown, others_shown(abouts))
    features = features_of(X, needed, len(result), text_columns)
    thumbnails = None if images is None else Thumbnails.of(images, needed, len(result))
    records = Records(abouts, is_issue, labels, features, thumbnails)
    page = render(
        title=clean(title),
        figures=figures(result, is_issue, labels),
        settings=settings(model, result),
        versions=versions(),
        classes=class_table(result.values, is_issue, labels),
        histogram=histogram(result.values, labels, is_issue),
        icicle=icicle(result),
        rows=records.views(),
        has_neighbours=any(about.neighbours for about in abouts),
        has_images=thumbnails is not None,
        columns=[] if features is None else features.columns,
        left_out=records.left_out(len(result), int(is_issue.sum())),
        data=records.island(),
    )
    with written_aside(place) as aside:
        aside.write_text(page, encoding="utf-8", newline="\n")
    return place


def _parts(source: Any) -> tuple[HCDV | None, ValuationResult]:
    if isinstance(source, ValuationResult):
        return None, source
    if not isinstance(source, HCDV):
        raise TypeError(
            f"model_or_result must be a fitted HCDV or a ValuationResult, got {type(source).__name__}."
        )
    if not hasattr(source, "result_"):
        raise ValueError("model_or_result is an HCDV that is not fitted yet: call fit first.")
    return source, source.result_
