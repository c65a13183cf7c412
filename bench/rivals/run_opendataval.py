"""OpenDataVal's methods, for bench.peers (see _worker.py)."""

from __future__ import annotations

import sys
import types
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np
from _worker import Answer, Arrays, Method, serve


class EmptyModules(MetaPathFinder, Loader):
    """Stands in for packages that OpenDataVal imports for image and text sets, where they are not installed."""

    NAMES = ("torchvision", "transformers")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in self.NAMES else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__getattr__ = empty_class  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def empty_class(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


# Behind all other finders, so that real packages are found first.
sys.meta_path.append(EmptyModules())

import torch  # noqa: E402
from opendataval.dataval import BetaShapley, DataBanzhaf, DataOob, DataShapley, KNNShapley  # noqa: E402
from opendataval.dataval.margcontrib.sampler import MonteCarloSampler, TMCSampler  # noqa: E402
from opendataval.metrics import accuracy  # noqa: E402
from opendataval.model.api import ClassifierSkLearnWrapper  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "logistic": (LogisticRegression, {"max_iter": 200}),
    "tree": (DecisionTreeClassifier, {}),
}


class Counted(ClassifierSkLearnWrapper):
    """A scikit-learn classifier that counts its fits, those of its clones too."""

    n_fits = 0

    def fit(self, *args: Any, **options: Any) -> Any:
        Counted.n_fits += 1
        return super().fit(*args, **options)


def tensors(arrays: Arrays) -> tuple[torch.Tensor, ...]:
    """Rows as float32, labels as one-hot rows: what OpenDataVal takes."""
    one_hot = torch.eye(int(arrays["y"].max()) + 1)
    X, X_val = (torch.tensor(arrays[name], dtype=torch.float32) for name in ("X", "X_val"))
    return X, one_hot[arrays["y"]], X_val, one_hot[arrays["y_val"]]


def knn(arrays: Arrays, options: dict[str, Any]) -> Answer:
    valuation = KNNShapley(k_neighbors=options["k"], random_state=0)
    valuation.input_data(*tensors(arrays)).train_data_values()
    return valuation.evaluate_data_values(), {}


def with_model(make: Any) -> Method:
    """A method that fits models; ``options["number"]`` models or permutations."""

    def run(arrays: Arrays, options: dict[str, Any]) -> Answer:
        Counted.n_fits = 0
        kind, parameters = MODELS[options.get("model", "logistic")]
        valuation = make(options["number"], options["seed"])
        model = Counted(kind, int(arrays["y"].max()) + 1, **parameters)
        valuation.input_model_metric(model, accuracy)
        valuation.input_data(*tensors(arrays)).train_data_values()
        return np.asarray(valuation.evaluate_data_values()), {"n_evaluations": Counted.n_fits}

    return run


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(
        "opendataval",
        {
            "KNN-Shapley": knn,
            "Data-OOB": with_model(lambda number, seed: DataOob(number, random_state=seed)),
            "permutations": with_model(
                lambda number, seed: DataShapley(MonteCarloSampler(number, random_state=seed))
            ),
            "TMC": with_model(lambda number, seed: DataShapley(TMCSampler(number, random_state=seed))),
            "Beta(16, 1)": with_model(
                lambda number, seed: BetaShapley(TMCSampler(number, random_state=seed), alpha=16, beta=1)
            ),
            "Banzhaf": with_model(lambda number, seed: DataBanzhaf(number, random_state=seed)),
        },
    )
