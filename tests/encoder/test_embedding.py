"""Any embedding of the user's in place of the encoder."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hcdv import HCDV
from hcdv.datasets import flip_labels, load_digits

DATA = load_digits(n=400, n_val=100, n_test=100, random_state=0)
Y, IS_FLIPPED = flip_labels(DATA.y, 0.15, random_state=0)


def fit(encoder, X=DATA.X, X_val=DATA.X_val, **options):
    return HCDV(encoder=encoder, n_permutations=8, random_state=0, **options).fit(X, Y, X_val, DATA.y_val)


@pytest.mark.parametrize(
    "encoder",
    [PCA(20), make_pipeline(StandardScaler(), PCA(20)), NeighborhoodComponentsAnalysis(16, max_iter=5)],
    ids=["pca", "pipeline", "supervised"],
)
def test_transformers_are_cloned_and_fitted(encoder):
    model = fit(encoder)
    assert roc_auc_score(IS_FLIPPED, -model.values_) > 0.97
    assert not hasattr(encoder, "n_features_in_")
    np.testing.assert_array_equal(fit(encoder).values_, model.values_)
    assert model.encoder_.transform(DATA.X[:3]).shape[0] == 3


def test_callables_and_texts():
    words = np.array([" ".join(f"p{j}" for j in np.flatnonzero(row > 8)) for row in DATA.X], dtype=object)
    words_val = [" ".join(f"p{j}" for j in np.flatnonzero(row > 8)) for row in DATA.X_val]
    vectoriser = TfidfVectorizer().fit(words)
    model = fit(lambda texts: vectoriser.transform(texts).toarray(), words, words_val)
    assert roc_auc_score(IS_FLIPPED, -model.values_) > 0.9
    # A sparse matrix out of a transformer will do.
    np.testing.assert_allclose(
        roc_auc_score(IS_FLIPPED, -fit(TfidfVectorizer(), list(words), words_val).values_),
        roc_auc_score(IS_FLIPPED, -model.values_),
        atol=0.03,
    )


def test_a_trained_module_stays_as_it_is():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.Dropout(0.5)).train()
    model = fit(module, DATA.X.reshape(len(DATA.X), -1), DATA.X_val.reshape(len(DATA.X_val), -1))
    assert module.training
    assert model.encoder_.transform(DATA.X[:5].reshape(5, -1)).shape == (5, 8)


def test_what_is_no_embedding_is_refused():
    with pytest.raises(ValueError, match="encoder must be one of"):
        fit(PCA)
    with pytest.raises(ValueError, match="one vector per row, got 3 for 400 rows of X"):
        fit(lambda rows: np.zeros((3, 2)))
    with pytest.raises(ValueError, match="the embedding of X has 800 NaN"):
        fit(lambda rows: np.full((len(rows), 2), np.nan))
    with pytest.raises(ValueError, match="must be 2-dimensional"):
        fit(lambda rows: np.zeros(len(rows)))
