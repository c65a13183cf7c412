"""OpenDataVal's experiments run HCDV by its name and get HCDV's values."""

import numpy as np
import pytest

pytest.importorskip(
    "opendataval.dataval",
    reason="OpenDataVal is not installed (docs/integrations.md says how)",
    exc_type=ImportError,
)

import torch
from opendataval.dataloader import DataFetcher
from opendataval.dataval import DataEvaluator, RandomEvaluator
from opendataval.experiment import ExperimentMediator
from opendataval.experiment.exper_methods import noisy_detection
from opendataval.model.api import ClassifierSkLearnWrapper
from sklearn.linear_model import LogisticRegression

from hcdv.integrations.opendataval import HCDV
from tests.integrations.rows import DATA, IS_FLIPPED, NOISY, quick

ONE_HOT = np.eye(2, dtype=np.float32)
X, X_VAL = DATA.X.astype(np.float32), DATA.X_val.astype(np.float32)
QUICK = {"n_permutations": 8, "n_jobs": 1}


@pytest.fixture(scope="module")
def values():
    return quick().fit(X, NOISY, X_VAL, DATA.y_val).values_


@pytest.fixture
def fetcher():
    made = DataFetcher.from_data_splits(
        X, ONE_HOT[NOISY], X_VAL, ONE_HOT[DATA.y_val], X_VAL, ONE_HOT[DATA.y_val], one_hot=True, random_state=0
    )
    made.noisy_train_indices = np.flatnonzero(IS_FLIPPED)
    return made


def test_an_experiment_by_name(fetcher, values, capsys):
    make = DataEvaluator.Evaluators["hcdv"]
    model = ClassifierSkLearnWrapper(LogisticRegression, 2)
    experiment = ExperimentMediator(fetcher, model, metric_name="accuracy")
    experiment.compute_data_values([make(random_state=0, **QUICK), RandomEvaluator(random_state=0)])
    ours, _ = experiment.data_evaluators
    np.testing.assert_array_equal(ours.data_values, values)
    scores = experiment.evaluate(noisy_detection).kmeans_f1
    assert scores["HCDV(random_state=0, n_permutations=8, n_jobs=1)"] > scores.iloc[1]
    assert "Elapsed time HCDV" in capsys.readouterr().out


def test_step_by_step(values):
    evaluator = HCDV(0, **QUICK)
    tensors = [torch.tensor(rows) for rows in (X, ONE_HOT[NOISY], X_VAL, ONE_HOT[DATA.y_val])]
    found = evaluator.input_data(*tensors).train_data_values(batch_size=7, epochs=1).evaluate_data_values()
    np.testing.assert_array_equal(found, values)
    assert evaluator.model.result_.efficiency_gap < 1e-12


def test_rows_of_a_dataset_and_an_embedding(values):
    class Rows(torch.utils.data.Dataset):
        def __init__(self, rows):
            self.rows = rows

        def __len__(self):
            return len(self.rows)

        def __getitem__(self, i):
            return torch.tensor(self.rows[i])

    class Halved:
        def predict(self, rows):
            return torch.stack([rows[i] for i in range(len(rows))])[:, :4]

    labels = (torch.tensor(ONE_HOT[NOISY]), torch.tensor(ONE_HOT[DATA.y_val]))
    plain = HCDV(0, **QUICK).input_data(Rows(X), labels[0], Rows(X_VAL), labels[1]).train_data_values()
    np.testing.assert_array_equal(plain.evaluate_data_values(), values)
    embedded = HCDV(0, embedding_model=Halved(), **QUICK)
    embedded.input_data(Rows(X), labels[0], Rows(X_VAL), labels[1]).train_data_values()
    by_hand = quick().fit(X[:, :4], NOISY, X_VAL[:, :4], DATA.y_val)
    np.testing.assert_array_equal(embedded.evaluate_data_values(), by_hand.values_)


@pytest.mark.parametrize("labels", [torch.zeros(120, 1), torch.zeros(120), torch.rand(120, 2)])
def test_a_regression_is_refused(labels):
    with pytest.raises(ValueError, match="y_train must be one-hot labels of a classification"):
        HCDV(0).input_data(torch.tensor(X), labels, torch.tensor(X_VAL), torch.tensor(ONE_HOT[DATA.y_val]))
