"""The contrastive space: it explains rows it has not seen, and does not learn flipped labels by heart."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

torch = pytest.importorskip("torch")

from hcdv import HCDV  # noqa: E402
from hcdv.datasets import flip_labels, make_synthetic  # noqa: E402
from hcdv.encoder import Contrastive, make_encoder  # noqa: E402
from hcdv.encoder.contrastive._space import _judged_by_some  # noqa: E402

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
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        np.testing.assert_array_equal(fit(BOTH, n_jobs=1).values_, runs[0])
    finally:
        torch.set_num_threads(usual)
    assert not np.array_equal(fit(BOTH, random_state=1).values_, runs[0])


def test_games_are_played_in_both_spaces():
    result = fit(BOTH, weights="fixed").result_
    assert result.weights == {
        "kernel": 1.0, "fit": 1.0, "kernel_contrastive": 0.5, "fit_contrastive": 0.5, "contrast": 0.1
    }  # fmt: skip
    assert result.efficiency_gap < 1e-12
    alone = fit("identity", weights="fixed").result_
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
    code = (
        "import sys, numpy as np; from hcdv import HCDV; X = np.random.default_rng(0).normal(size=(40, 3));"
        "HCDV(n_permutations=2, random_state=0).fit(X, X[:, 0] > 0); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def space_of(X, y, recipe, X_val=None, y_val=None, seed=0):
    encoder = make_encoder(X, recipe)
    encoder.fit_spaces(X, y, seed=seed, X_val=X_val, y_val=y_val)
    return encoder.space_


@pytest.mark.parametrize("n_single", [0, 1, 3])
def test_labels_at_random_are_not_learned_whoever_judges(n_single):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 50)), rng.integers(0, 2, 300)
    y[:n_single] = 2 + np.arange(n_single)
    history = np.array(space_of(X, y, Contrastive()).history)
    assert len(history) < 12 and history.max() < history[0] + 0.1


def test_every_class_of_two_rows_is_judged_and_single_rows_stay():
    labels = np.array([0] * 1000 + [1] * 30 + [2] * 2 + [3])
    rows = np.arange(len(labels), dtype=np.float32)[:, None]
    split = _judged_by_some(rows, labels, seed=0)
    np.testing.assert_array_equal(np.bincount(split.labels), [900, 27, 1, 1])
    np.testing.assert_array_equal(np.bincount(split.labels_judging), [100, 3, 1])
    together = np.concatenate([split.rows, split.rows_judging]).ravel()
    np.testing.assert_array_equal(np.sort(together), rows.ravel())
    alone = _judged_by_some(rows[:3], np.arange(3), seed=0)
    assert len(alone.rows) == 3 and alone.rows_judging is None


def test_rows_that_judge_each_other_do_not_vote_for_themselves():
    X = np.random.default_rng(0).normal(size=(40, 5))
    history = space_of(X, np.arange(40), Contrastive(max_epochs=1)).history
    # Nobody shares a label: all that agrees is the prior.
    assert history[0] == pytest.approx(np.log(0.025 / 1.025), abs=1e-3)


def test_the_order_of_the_rows_does_not_silence_a_class():
    rng = np.random.default_rng(0)
    y = np.arange(8192) % 2
    X = rng.normal(size=(8192, 4)) + y[:, None]
    history = space_of(X, y, Contrastive(max_epochs=1), X[:500], y[:500]).history
    assert history[1] > 0.2


def test_a_network_s_own_draws_are_seeded_and_the_user_s_left_alone():
    def dropping(p):
        return torch.nn.Sequential(torch.nn.Linear(p, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 4))

    recipe = Contrastive(network=dropping, max_epochs=2)
    histories = []
    for other in (1, 2):
        torch.manual_seed(other)
        before = torch.get_rng_state()
        histories.append(space_of(DATA.X, Y, recipe, DATA.X_val, DATA.y_val).history)
        assert torch.equal(torch.get_rng_state(), before)
    assert histories[0] == histories[1]


def test_dropout_is_no_slope():
    """A network that does not look at its rows has no slope, whatever it drops."""

    class Blind(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.answer = torch.nn.Parameter(torch.ones(6))
            self.dropout = torch.nn.Dropout(0.5)

        def forward(self, rows):
            return self.dropout(self.answer + 0.0 * rows[:, :1] + torch.arange(6.0))

    smooth, rough = (
        space_of(DATA.X, Y, Contrastive(network=lambda p: Blind(), smoothness=alpha, max_epochs=3)).history
        for alpha in (1e3, 0.0)
    )
    assert smooth == pytest.approx(rough, abs=1e-6)


def test_a_module_that_a_function_gives_is_left_alone():
    module = torch.nn.Linear(DATA.X.shape[1], 4)
    before = module.weight.detach().clone()
    first = space_of(DATA.X, Y, Contrastive(network=lambda p: module, max_epochs=2))
    z = first.transform(DATA.X[:5].astype(np.float32))
    space_of(DATA.X, Y, Contrastive(network=lambda p: module, max_epochs=2), seed=1)
    np.testing.assert_array_equal(first.transform(DATA.X[:5].astype(np.float32)), z)
    assert torch.equal(module.weight, before)


def test_what_cannot_be_trained_is_said():
    with pytest.raises(ValueError, match="y is needed: the contrastive space"):
        make_encoder(DATA.X, "contrastive").fit(DATA.X)
    with pytest.raises(ValueError, match="network must have parameters"):
        space_of(DATA.X, Y, Contrastive(network=lambda p: torch.nn.Identity()))
    with pytest.raises(ValueError, match=r"epsilon must be at least 0\.01 with precision='bfloat16'"):
        Contrastive(precision="bfloat16", epsilon=1e-3)
    texts = np.array(["a", "b", "c", "d", "e"])[Y]
    once, texts_val = Contrastive(max_epochs=1), np.array(list("abcde"))[DATA.y_val]
    by_text = space_of(DATA.X, texts, once, DATA.X_val, texts_val)
    assert by_text.history == space_of(DATA.X, Y, once, DATA.X_val, DATA.y_val).history


def test_without_patience_the_last_epoch_is_kept():
    patient = fit(Contrastive(max_epochs=12, patience=12, learning_rate=0.03)).encoder_.space_
    last = fit(Contrastive(max_epochs=12, patience=None, learning_rate=0.03)).encoder_.space_
    assert last.history == patient.history
    best = int(np.argmax(patient.history))
    assert 0 < best < 12
    shorter = fit(Contrastive(max_epochs=best, patience=None, learning_rate=0.03)).encoder_.space_
    rows = DATA.X.astype(np.float32)
    np.testing.assert_array_equal(shorter.transform(rows), patient.transform(rows))
    assert not np.array_equal(last.transform(rows), patient.transform(rows))
    with pytest.raises(ValueError, match="patience must be"):
        Contrastive(patience=0)
