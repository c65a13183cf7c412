"""The data sets of Tables 1 and 2, each with the model that is trained on the chosen rows (Appendix C)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from hcdv import datasets
from hcdv.datasets import Dataset, flip_labels

# Networks trained on each choice of rows: the mean of their scores counts, which chance moves less.
N_HEADS = 3

Score = Callable[[Dataset, np.ndarray, int], float]


@dataclass(frozen=True)
class Task:
    """A data set, and how well a model does that was trained on some of its rows.

    Attributes
    ----------
    metric : str
        What ``score`` returns, as the table's head says it.
    load : split -> Dataset
    score : (data, rows, seed) -> float
        Of the test rows, by a model trained on these rows from scratch; validation rows stop it early.
    utility : str
        What MCDS, GS and Data Banzhaf train on coalitions.
    is_cheap : bool
        Whether the values of other methods are also tried under HCDV's rule of selection.
    """

    metric: str
    load: Callable[[int], Dataset]
    score: Score
    utility: str
    is_cheap: bool = True

    def noisy(self, split: int, noise: float) -> tuple[Dataset, np.ndarray]:
        """The split with a share of its training labels flipped, and which ones; bool [n]."""
        data = self.load(split)
        if not noise:
            return data, np.zeros(len(data.y), bool)
        y, is_flipped = flip_labels(data.y, noise, random_state=1000 + split)
        return replace(data, y=y), is_flipped


def network_auc(data: Dataset, rows: np.ndarray, seed: int) -> float:
    """Small network on numeric columns, test AUC."""
    from bench._wide_and_deep import auc

    held_out = (data.X_val, data.y_val, data.X_test, data.y_test)
    return float(np.mean([auc(data.X[rows], data.y[rows], *held_out, seed=seed + k) for k in range(N_HEADS)]))


def boosted_balanced_accuracy(data: Dataset, rows: np.ndarray, seed: int) -> float:
    """Gradient boosting on mixed columns, classes weighted alike as the metric does; balanced accuracy."""
    everything = pd.concat([data.X, data.X_val, data.X_test])
    columns = everything.astype(dict.fromkeys(everything.select_dtypes(exclude="number"), "category"))
    n, n_val = len(data.y), len(data.y_val)
    X, X_val, X_test = columns.iloc[:n].iloc[rows], columns.iloc[n : n + n_val], columns.iloc[n + n_val :]
    model = HistGradientBoostingClassifier(
        categorical_features="from_dtype", class_weight="balanced", early_stopping=True, random_state=seed
    )
    model.fit(X, data.y[rows], X_val=X_val, y_val=data.y_val)
    return float(balanced_accuracy_score(data.y_test, model.predict(X_test)))


def convnet_accuracy(data: Dataset, rows: np.ndarray, seed: int) -> float:
    """The ConvNet of the augmentation experiment, on images of 28 x 28."""
    from bench.paper._convnet import accuracy

    X, X_val, X_test = (np.asarray(part).reshape(-1, 28, 28) for part in (data.X, data.X_val, data.X_test))
    return accuracy(X[rows], data.y[rows], X_val, data.y_val, X_test, data.y_test, seed=seed)


def click_auc(data: Dataset, rows: np.ndarray, seed: int) -> float:
    """Wide & Deep with hashed categories, test AUC."""
    from bench.paper._clicks import auc

    return float(np.mean([auc(data, rows, seed=seed + k) for k in range(N_HEADS)]))


def logistic_accuracy(data: Dataset, rows: np.ndarray, seed: int) -> float:
    """Logistic regression, test accuracy."""
    scaler = StandardScaler().fit(data.X[rows])
    model = LogisticRegression(max_iter=300).fit(scaler.transform(data.X[rows]), data.y[rows])
    return float(model.score(scaler.transform(data.X_test), data.y_test))


def digits(split: int) -> Dataset:
    return datasets.load_digits(n=400, n_val=150, n_test=600, random_state=split)


def synthetic(split: int) -> Dataset:
    return datasets.make_synthetic(random_state=split)


def small_synthetic(split: int) -> Dataset:
    return datasets.make_synthetic(n=400, n_val=150, n_test=600, random_state=split)


def adult(split: int) -> Dataset:
    return datasets.load_adult(n_val=2000, random_state=split)


def fashion(n: int | None) -> Callable[[int], Dataset]:
    return lambda split: datasets.load_fashion_mnist(n=n, n_val=1000, random_state=split)


def criteo(split: int) -> Dataset:
    return datasets.load_criteo(n_val=2000, random_state=split)


def generated_clicks(n: int) -> Callable[[int], Dataset]:
    return lambda split: datasets.make_ctr(n, random_state=split)


SYNTHETIC = Task("AUC", synthetic, network_auc, "logistic")
ADULT = Task("balanced accuracy", adult, boosted_balanced_accuracy, "ridge")
CRITEO = Task("AUC", criteo, click_auc, "ridge")

# What each scale measures.  Of Fashion-MNIST a laptop retrains the ConvNet on 30% of 10,000 images (and values
# 60,000 once, for Table 2); the others take what the paper took, as far as the data are at hand.
TASKS: dict[str, dict[str, Task]] = {
    "ci": {
        "synthetic": replace(SYNTHETIC, load=small_synthetic),
        "digits": Task("accuracy", digits, logistic_accuracy, "ridge"),
    },
    "laptop": {
        "synthetic": SYNTHETIC,
        "adult": ADULT,
        "fashion": Task("accuracy", fashion(10_000), convnet_accuracy, "ridge", is_cheap=False),
        "criteo": CRITEO,
    },
    "gpu": {
        "synthetic": SYNTHETIC,
        "adult": ADULT,
        "fashion": Task("accuracy", fashion(None), convnet_accuracy, "ridge", is_cheap=False),
        "criteo": CRITEO,
    },
}
TASKS["paper"] = TASKS["gpu"]
