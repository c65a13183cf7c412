"""The contrastive space: it explains rows it has not seen, and does not learn flipped labels by heart."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

torch = pytest.importorskip("torch")

from hcdv import HCDV  # noqa: E402
from hcdv.datasets import flip_labels, make_synthetic  # noqa: E402
from hcdv.encoder import Contrastive, make_encoder  # noqa: E402

DATA = make_synthetic(n=600, n_val=200, n_test=10, random_state=0)
Y, IS_FLIPPED = flip_labels(DATA.y, 0.15, random_state=0)
BOTH = ["identity", "contrastive"]


def fit(encoder, **options):
    options = {"n_permutations": 8, "random_state": 0, **options}
    return HCDV(encoder=encoder, **options).fit(DATA.X, Y, DATA.X_val, DATA.y_val)


def test_training_explains_rows_it_has_not_seen():
    space = fit("contrastive").encoder_.space_
    history = np.array(space.history)
    assert history.max() > history[0] + 0.1
    assert len(history) <= 1 + space.recipe.max_epochs
    # It is left at its best epoch, some epochs of patience before the end.
    assert history.argmax() == len(history) - 1 - space.recipe.patience


def test_vectors_have_length_1_and_new_rows_are_mapped_alike():
    model = fit("contrastive")
    z = model.encoder_.transform(DATA.X)
    assert z.shape == (600, 32) and z.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(model.encoder_.transform(DATA.X[5:7]), z[5:7], atol=1e-6)


def test_same_seed_same_bits_for_any_number_of_threads():
    runs = [fit(BOTH, n_jobs=jobs).values_ for jobs in (1, 3)]
    np.testing.assert_array_equal(*runs)
    torch.set_num_threads(2)
    np.testing.assert_array_equal(fit(BOTH, n_jobs=1).values_, runs[0])
    assert not np.array_equal(fit(BOTH, random_state=1).values_, runs[0])


def test_games_are_played_in_both_spaces():
    result = fit(BOTH).result_
    assert result.weights == {
        "kernel": 1.0, "fit": 1.0, "kernel_contrastive": 0.5, "fit_contrastive": 0.5, "contrast": 0.1
    }  # fmt: skip
    assert result.efficiency_gap < 1e-12
    alone = fit("identity").result_
    np.testing.assert_array_equal(result.parts["kernel"], alone.parts["kernel"])
    np.testing.assert_array_equal(
        result.reweight(kernel_contrastive=0.0, fit_contrastive=0.0).values, alone.values
    )
    named = fit(BOTH, utility=[("knn", 2.0), ("forest", 1.0)]).result_
    assert list(named.weights) == ["knn", "forest", "knn_contrastive", "contrast"]
    assert named.weights["knn_contrastive"] == 1.0


def test_flips_are_found_and_not_learned_by_heart():
    def auc(model):
        return roc_auc_score(IS_FLIPPED, -model.values_)

    stopped = auc(fit("contrastive"))
    assert stopped > 0.9
    to_the_end = Contrastive(max_epochs=60, patience=60, smoothness=0.0)
    # The best epoch is kept, however long training goes on.
    assert auc(fit(to_the_end)) > stopped - 0.03
    assert auc(fit(BOTH)) > auc(fit("identity")) - 0.01


def test_without_validation_rows_some_rows_stand_in():
    model = HCDV(encoder="contrastive", n_permutations=4, random_state=0).fit(DATA.X, Y)
    assert len(model.encoder_.space_.history) > 1
    few = HCDV(encoder="contrastive", n_permutations=4, random_state=0, utility="fit")
    assert few.fit(DATA.X[:6], [0, 1, 2, 0, 1, 1]).result_.efficiency_gap < 1e-12


def test_tables_and_wide_rows():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=200), "b": rng.choice(list("xyz"), 200)})
    y = (table["b"] == "x").to_numpy() ^ (rng.random(200) < 0.1)
    model = HCDV(encoder=BOTH, n_permutations=4, random_state=0).fit(table, y)
    assert list(model.result_.weights) == [
        "forest", "fit", "kernel_contrastive", "fit_contrastive", "contrast"
    ]  # fmt: skip
    wide = rng.normal(size=(100, 90))
    HCDV(encoder="contrastive", n_permutations=4, random_state=0).fit(wide, wide[:, 0] > 0)


def test_a_network_of_one_s_own():
    recipe = Contrastive(network=lambda p: torch.nn.Linear(p, 3), max_epochs=2)
    model = fit(["identity", recipe])
    assert model.encoder_.spaces(DATA.X).others["contrastive"].shape == (600, 3)
    diverging = Contrastive(learning_rate=1e30)
    with pytest.raises(ValueError, match="the encoder's training gave nan"):
        fit(diverging)


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        ("pca", ValueError, "encoder must be one of 'auto', 'identity', 'contrastive'"),
        (["contrastive", "identity"], ValueError, "a list of encoders must be 'identity' or an embedding"),
        (["identity"], ValueError, "a list of encoders must be 'identity' or an embedding"),
        (["identity", "forest", "forest"], ValueError, "must name each learned space once"),
    ],
)
def test_unknown_encoders_are_named(encoder, error, message):
    with pytest.raises(error, match=message):
        fit(encoder)


@pytest.mark.parametrize(
    "options",
    [{"n_dims": 0}, {"smoothness": -1.0}, {"score": "odds"}, {"batch_size": 1}, {"temperature": 0.0}],
)
def test_recipes_are_checked(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Contrastive(**options)


def test_checkpoint_and_stopping_work_as_ever(tmp_path):
    kept = fit(BOTH, checkpoint=tmp_path / "run").values_
    np.testing.assert_array_equal(fit(BOTH, checkpoint=tmp_path / "run").values_, kept)
    with pytest.raises(ValueError, match="checkpoint"):
        fit("identity", checkpoint=tmp_path / "run")


def test_the_identity_does_not_import_torch_for_it():
    assert make_encoder(DATA.X, "auto").others == ()
