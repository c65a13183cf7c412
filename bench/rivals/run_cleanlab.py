"""cleanlab's methods, for bench.peers (see _worker.py)."""

from __future__ import annotations

from typing import Any

from _worker import Answer, Arrays, serve
from cleanlab.data_valuation import data_shapley_knn
from cleanlab.rank import get_label_quality_scores
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict


def label_quality(arrays: Arrays, options: dict[str, Any]) -> Answer:
    """The recipe of its documentation: self-confidence of out-of-fold probabilities."""
    seed = options["seed"]
    model = {
        "logistic": LogisticRegression(max_iter=200),
        "forest": RandomForestClassifier(200, random_state=seed, n_jobs=1),
    }[options["model"]]
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    p = cross_val_predict(model, arrays["X"], arrays["y"], cv=folds, method="predict_proba")
    return get_label_quality_scores(arrays["y"], p), {"n_evaluations": 5}


def knn(arrays: Arrays, options: dict[str, Any]) -> Answer:
    """Its own game: every training row is a query too, and only its k nearest are looked at."""
    return data_shapley_knn(arrays["y"], features=arrays["X"], k=options["k"]), {}


if __name__ == "__main__":
    serve("cleanlab", {"label quality": label_quality, "KNN values": knn})
