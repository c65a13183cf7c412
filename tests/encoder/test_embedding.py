"""Any embedding of the user's in place of the encoder."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hcdv import HCDV
from hcdv.datasets import flip_labels, load_digits
from hcdv.encoder import Contrastive
from hcdv.encoder.embedding import learns_labels

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
    for name, wrong in (("PCA", PCA), ("Contrastive", ["identity", Contrastive]), ("PCA", [PCA, "forest"])):
        sentence = rf"^encoder must be an instance, got the class {name}; write {name}\(\)\.$"
        with pytest.raises(TypeError, match=sentence):
            fit(wrong)
    with pytest.raises(ValueError, match="one vector per row, got 3 for 400 rows of X"):
        fit(lambda rows: np.zeros((3, 2)))
    with pytest.raises(ValueError, match="the embedding of X has 800 NaN"):
        fit(lambda rows: np.full((len(rows), 2), np.nan))
    with pytest.raises(ValueError, match="must be 2-dimensional"):
        fit(lambda rows: np.zeros(len(rows)))
    with pytest.raises(ValueError, match="at least one number, got none for X"):
        fit(lambda rows: np.zeros((len(rows), 0)))


def test_what_learns_labels_is_known():
    from sklearn.decomposition import TruncatedSVD
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    for blind in (PCA(3), make_pipeline(StandardScaler(), TruncatedSVD(3)), np.asarray):
        assert not learns_labels(blind)
    learned = make_pipeline(StandardScaler(), NeighborhoodComponentsAnalysis(5))
    for supervised in (LinearDiscriminantAnalysis(), NeighborhoodComponentsAnalysis(), learned):
        assert learns_labels(supervised)


def test_rows_do_not_judge_an_embedding_of_their_labels():
    """In pure noise a supervised space explains its own labels; without others nothing is learned from it."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(200, 50)), rng.integers(0, 2, 200)
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    model = HCDV(encoder=LinearDiscriminantAnalysis(), n_permutations=4, random_state=0).fit(X, y)
    assert model.result_.weights == {"kernel": 1.0, "fit": 1.0, "contrast": 0.1}
    assert model.kernel_widths_ == {"kernel": 1.0}


def test_every_part_of_a_transformer_has_the_seed():
    from sklearn.compose import ColumnTransformer
    from sklearn.random_projection import GaussianRandomProjection

    columns = list(range(64))
    for encoder in (
        make_pipeline(StandardScaler(), GaussianRandomProjection(3)),
        ColumnTransformer([("g", GaussianRandomProjection(3), columns)]),
    ):
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        np.testing.assert_array_equal(fit(encoder).values_, fit(encoder).values_)
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_any_seed_will_do_for_a_transformer():
    from sklearn.random_projection import GaussianRandomProjection

    for seed in (None, 2**40, np.random.default_rng(0)):
        model = HCDV(encoder=GaussianRandomProjection(3), n_permutations=4, random_state=seed)
        assert np.isfinite(model.fit(DATA.X, Y).values_).all()


def test_a_fitted_encoder_is_used_as_it_is():
    before = fit("identity")
    rows = before.encoder_.transform(DATA.X)
    again = fit(before.encoder_)
    np.testing.assert_array_equal(again.encoder_.transform(DATA.X), rows)
    few = HCDV(encoder=before.encoder_, n_permutations=4, random_state=0).fit(DATA.X[:30], Y[:30])
    np.testing.assert_array_equal(few.encoder_.transform(DATA.X), rows)


FLAT, FLAT_VAL = (np.asarray(X, np.float64).reshape(len(X), -1) for X in (DATA.X, DATA.X_val))


def linear(d=64, n_dims=5):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch.nn.Linear(d, n_dims)


def test_a_module_takes_rows_however_they_lie():
    module = linear()
    plain = fit(module, FLAT, FLAT_VAL).values_
    for same in (
        np.asfortranarray(FLAT), FLAT[::-1][::-1], FLAT.astype(">f8"), FLAT.astype(np.longdouble),
        scipy.sparse.csr_matrix(FLAT),
    ):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(fit(module, same, FLAT_VAL).values_, plain)
    frame, frame_val = pd.DataFrame(FLAT).add_prefix("p"), pd.DataFrame(FLAT_VAL).add_prefix("p")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit(module, frame, frame_val)
        np.testing.assert_array_equal(model.values_, plain)
        np.testing.assert_array_equal(fit(module, frame, frame_val[frame_val.columns[::-1]]).values_, plain)
    with pytest.raises(ValueError, match="it lacks the column 'p3'"):
        model.encoder_.transform(frame_val.rename(columns={"p3": "q3"}))


def test_every_part_of_a_module_keeps_its_mode():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(64, 5), torch.nn.BatchNorm1d(5), torch.nn.Dropout())
    module.train()
    module[1].eval()
    fit(module, FLAT, FLAT_VAL)
    assert [part.training for part in module] == [True, False, True]


def test_answers_of_torch_are_made_plain():
    torch = pytest.importorskip("torch")
    module = linear()
    plain = fit(module, FLAT, FLAT_VAL).values_
    as_callable = fit(lambda X: module(torch.as_tensor(X, dtype=torch.float32)), FLAT, FLAT_VAL).values_
    np.testing.assert_allclose(as_callable, plain, atol=1e-6)
    half = torch.nn.Linear(64, 5).bfloat16()

    class Half(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = half

        def forward(self, rows):
            return self.linear(rows.bfloat16())

    assert np.isfinite(fit(Half(), FLAT, FLAT_VAL).values_).all()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda z: (z, z), "module must give a tensor, got tuple for X"),
        (lambda z: None, "module must give a tensor, got NoneType"),
        (lambda z: z.detach().numpy(), "module must give a tensor, got ndarray"),
        (lambda z: z.sum(), "one vector per row, got a single number"),
        (lambda z: z[:3], "one vector per row, got 3 for 400 rows"),
        (lambda z: z + 1j, "Complex data not supported: the embedding of X"),
    ],
)
def test_modules_that_give_no_vectors(answer, sentence):
    torch = pytest.importorskip("torch")

    class Wrong(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(64, 5)

        def forward(self, rows):
            return answer(self.linear(rows))

    with pytest.raises((ValueError, TypeError), match=sentence):
        fit(Wrong(), FLAT, FLAT_VAL)


def test_rows_that_no_module_takes():
    with pytest.raises(ValueError, match=r"module does not take rows of shape \(64,\) as X has them: mat1"):
        fit(linear(7), FLAT, FLAT_VAL)
    with pytest.raises(TypeError, match="X must hold real numbers for a torch module, got dtype complex128"):
        fit(linear(), FLAT + 1j, FLAT_VAL)
    with pytest.raises(TypeError, match="X must hold real numbers for a torch module, got dtype <U"):
        fit(linear(), FLAT.astype(str), FLAT_VAL.astype(str))
