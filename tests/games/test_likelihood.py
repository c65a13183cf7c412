"""Widths and weights by likelihood, against the same written out row by row."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from hcdv import HCDV
from hcdv.affinity import kernel_affinity
from hcdv.datasets import flip_labels, make_synthetic
from hcdv.diagnostics import diagnose
from hcdv.encoder import Contrastive
from hcdv.engine import Threads
from hcdv.games import EvidenceGame, Kernel, MultiFidelity
from hcdv.games.likelihood import WIDTHS, Ballots, likeliest_weights, likeliest_width, voters_asked

PRIOR = 0.1


@pytest.fixture(scope="module")
def noisy():
    data = make_synthetic(n=400, n_val=150, n_test=10)
    y, is_flipped = flip_labels(data.y, 0.15, random_state=1)
    return data, y, is_flipped


def blobs(n, d=3, n_classes=3, spread=1.0, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    centres = 3.0 * generator.normal(size=(n_classes, d))
    return (centres[labels] + spread * generator.normal(size=(n, d))).astype(np.float32), labels


def shares_by_hand(affinity, labels, voter, prior_share, n_classes, width):
    weights = affinity.to_scipy().toarray()[:, voter].astype(float)
    votes = np.array([(weights[labels == c] ** (1 / width**2)).sum() for c in range(n_classes)])
    votes += max(prior_share * votes.sum(), 1e-6) / n_classes
    return np.log(votes / votes.sum())


@pytest.mark.parametrize("own", [True, False])
def test_shares_of_votes_are_those_counted_by_hand(own):
    X, labels = blobs(90)
    X_val, _ = blobs(31, seed=1)
    affinity = kernel_affinity(X, None if own else X_val, threads=Threads(1))
    asked = np.arange(0, affinity.n_voters, 4)
    ballots = Ballots.of(affinity, labels, asked, 3)
    shares = ballots.log_shares(PRIOR)
    by_width = {
        width: [shares_by_hand(affinity, labels, voter, PRIOR, 3, width) for voter in asked]
        for width in WIDTHS
    }
    np.testing.assert_allclose(shares, by_width[1.0], rtol=1e-5)
    np.testing.assert_allclose(np.exp(shares).sum(axis=1), 1.0)
    theirs = np.arange(len(asked)) % 3
    for width, own_shares in zip(WIDTHS, ballots.own_log_shares(theirs, PRIOR), strict=True):
        expected = np.array(by_width[width])[np.arange(len(asked)), theirs]
        np.testing.assert_allclose(own_shares, expected, rtol=1e-5)


def test_votes_are_looked_at_in_pieces(monkeypatch):
    X, labels = blobs(80)
    affinity = kernel_affinity(X, threads=Threads(1))
    asked = np.arange(80)
    whole = Ballots.of(affinity, labels, asked, 3)
    monkeypatch.setattr("hcdv.games.likelihood.PIECE", 7)
    pieces = Ballots.of(affinity, labels, asked, 3)
    for name in ("start", "label", "weight"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))


def test_nobody_votes_on_a_row_alone():
    affinity = kernel_affinity(np.zeros((1, 2), np.float32), threads=Threads(1))
    shares = Ballots.of(affinity, np.zeros(1, np.int64), np.arange(1), 4).log_shares(PRIOR)
    np.testing.assert_allclose(shares, -np.log(4))
    assert Ballots.of(affinity, np.zeros(1, np.int64), np.arange(0), 4).log_shares(PRIOR).shape == (0, 4)


@pytest.mark.parametrize(
    ("n", "n_classes", "asked"), [(0, 2, 0), (7, 2, 7), (10**7, 2, 10_000), (10**7, 10**4, 100)]
)
def test_few_enough_voters_are_asked_evenly(n, n_classes, asked):
    voters = voters_asked(n, n_classes)
    assert len(voters) == asked == len(np.unique(voters))
    if asked:
        assert voters[0] == 0
        assert n - voters[-1] <= -(-n // asked)


@pytest.mark.parametrize("factor", [0.5, 0.5**0.5, 1.0, 2.0])
def test_a_kernel_widened_is_the_wider_kernel(factor):
    X, _ = blobs(120)
    affinity = kernel_affinity(X, threads=Threads(1))
    wide = affinity.widened(factor)
    np.testing.assert_allclose(wide.bandwidth, affinity.bandwidth * factor)
    assert wide.width == factor
    source = np.repeat(np.arange(120), np.diff(affinity.indptr))
    d2 = ((X[source].astype(float) - X[affinity.indices].astype(float)) ** 2).sum(axis=1)
    exact = np.exp(-2.0 * d2 / wide.bandwidth[affinity.indices] ** 2)
    seen = wide.weights > 1e-30  # smaller ones lose digits in float32, or are 0
    np.testing.assert_allclose(wide.weights[seen], exact[seen], rtol=1e-4)


@pytest.mark.parametrize(("gap", "chosen"), [(0.15, min), (4.0, max)])
def test_the_width_follows_the_scale_of_the_labels(gap, chosen):
    """Labels that change within a few rows want a narrow kernel, noise on large regions a wide one."""
    generator = np.random.default_rng(0)
    line = np.sort(generator.uniform(0, 12, 900)).astype(np.float32)
    labels = (line // gap).astype(np.int64) % 2
    if chosen is max:
        labels = np.where(generator.random(900) < 0.3, 1 - labels, labels)
    affinity = kernel_affinity(line[:, None], threads=Threads(1))
    ballots = Ballots.of(affinity, labels, np.arange(900), 2)
    scores = ballots.own_log_shares(labels, PRIOR)
    assert likeliest_width(scores) == chosen(WIDTHS) == WIDTHS[int(np.argmax(scores.mean(axis=1)))]


def test_the_usual_width_stays_where_labels_say_nothing():
    X, _ = blobs(300)
    labels = np.random.default_rng(3).integers(2, size=300)
    few = np.arange(1)
    affinity = kernel_affinity(X, threads=Threads(1))
    assert likeliest_width(Ballots.of(affinity, labels, few, 2).own_log_shares(labels[few], PRIOR)) == 1.0
    # One label everywhere: nothing to tell widths apart but the prior.
    one = np.zeros(300, np.int64)
    assert likeliest_width(Ballots.of(affinity, one, np.arange(300), 2).own_log_shares(one, PRIOR)) == 1.0


def experts(m, n_classes, sharpness, seed=0):
    """Experts that see the labels through more or less noise: log shares [S, m, C] and the labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(n_classes, size=m)
    right = np.eye(n_classes)[labels]
    logits = [s * right + generator.normal(size=right.shape) for s in sharpness]
    return log_softmax(np.array(logits), axis=2), labels


@pytest.mark.parametrize("n_classes", [2, 5])
def test_weights_are_the_maximum_of_the_penalised_likelihood(n_classes):
    shares, labels = experts(60, n_classes, [2.0, 0.3, 1.0])
    usual = np.array([1.0, 2.0, 0.5])

    def unlikelihood(weights):
        together = log_softmax(np.einsum("s,smc->mc", weights, shares), axis=1)
        return -sum(together[v, labels[v]] for v in range(60))

    unit = usual.mean()
    t = minimize_scalar(lambda t: unlikelihood(t * usual / unit), bounds=(0.1, 10), method="bounded").x

    def loss(multiples):
        return unlikelihood(t * multiples * usual / unit) + 5.0 * ((multiples - 1) ** 2).sum()

    found = usual * minimize(loss, np.ones(3), method="SLSQP", bounds=[(0, None)] * 3, tol=1e-12).x
    weights = likeliest_weights(shares, labels, usual)
    assert weights.sum() == pytest.approx(3.5)
    np.testing.assert_allclose(weights, found * 3.5 / found.sum(), rtol=1e-3)
    assert np.abs(weights - usual).max() > 0.1


def test_weights_do_not_depend_on_how_sure_all_experts_are():
    shares, labels = experts(500, 3, [2.0, 1.0])
    once = likeliest_weights(shares, labels, np.ones(2))
    np.testing.assert_allclose(likeliest_weights(3.0 * shares, labels, np.ones(2)), once, rtol=1e-3)


@pytest.mark.parametrize("unit", [1e-6, 0.01, 100.0, 1e9])
def test_weights_have_no_unit(unit):
    shares, labels = experts(500, 3, [2.0, 1.0, -0.5])
    usual = np.array([1.0, 2.0, 0.5])
    once = likeliest_weights(shares, labels, usual)
    np.testing.assert_allclose(likeliest_weights(shares, labels, unit * usual) / unit, once, rtol=1e-3)


def test_an_expert_that_misleads_is_silenced_and_few_voters_move_little():
    shares, labels = experts(4000, 3, [2.0, -2.0])
    weights = likeliest_weights(shares, labels, np.ones(2))
    assert weights[1] < 0.01
    near = likeliest_weights(shares[:, :1], labels[:1], np.ones(2))
    assert (np.abs(near - 1.0) < 0.3).all()
    np.testing.assert_allclose(likeliest_weights(shares[:, :0], labels[:0], np.array([1.0, 2.0])), [1.0, 2.0])


def posterior(game, X, labels):
    """Coefficients and covariance of the ridge after some rows, written out."""
    rows = np.column_stack([X, np.ones(len(X))]).astype(float)
    targets = np.eye(game.n_classes)[labels] - 1.0 / game.n_classes
    covariance = np.linalg.inv(np.diag(game.precisions) + rows.T @ rows)
    return covariance @ rows.T @ targets, covariance


def log_probability(game, coefficients, covariance, x):
    row = np.append(x, 1.0).astype(float)
    spread = 2 * game.noise * (1.0 + row @ covariance @ row)
    errors = np.eye(game.n_classes) - 1.0 / game.n_classes - row @ coefficients
    return log_softmax(-(errors**2).sum(axis=1) / spread)


@pytest.mark.parametrize("leverage", [True, False])
@pytest.mark.parametrize("noise", [0.25, 0.5])
def test_what_a_ridge_foretells(leverage, noise):
    X, labels = blobs(40)
    X_val, _ = blobs(9, seed=1)
    game = EvidenceGame(X, labels, 3, noise=noise, leverage=leverage, X_val=X_val)
    asked = np.array([0, 3, 8])
    after_all = posterior(game, X, labels)
    for row, voter in zip(game.predict_validation(asked), asked, strict=True):
        np.testing.assert_allclose(row, log_probability(game, *after_all, X_val[voter]), atol=1e-8)
    asked = np.array([1, 17, 39])
    for row, point in zip(game.predict_left_out(asked), asked, strict=True):
        others = np.arange(40) != point
        after_others = posterior(game, X[others], labels[others])
        np.testing.assert_allclose(row, log_probability(game, *after_others, X[point]), atol=1e-8)


def test_a_ridge_without_validation_rows_says_so():
    X, labels = blobs(10)
    with pytest.raises(ValueError, match="no validation rows"):
        EvidenceGame(X, labels, 3).predict_validation(np.arange(1))


def fit(data, y, *, validation=True, **settings):
    model = HCDV(**{"random_state": 0, "n_permutations": 16, "weights": "likelihood", **settings})
    return model.fit(data.X, y, data.X_val, data.y_val) if validation else model.fit(data.X, y)


@pytest.mark.parametrize("validation", [True, False])
def test_learned_weights_share_out_the_sum_of_the_usual_ones(noisy, validation):
    data, y, is_flipped = noisy
    model = fit(data, y, utility=["kernel", "fit", "forest", "knn"], validation=validation)
    weights = model.result_.weights
    assert weights["knn"] == 1.0
    assert weights["contrast"] == 0.1
    learned = [weights[name] for name in ("kernel", "fit", "forest")]
    assert sum(learned) == pytest.approx(3.0)
    assert min(learned) >= 0.0
    assert max(np.abs(np.array(learned) - 1.0)) > 0.01
    assert model.kernel_widths_["kernel"] in WIDTHS
    result = model.result_
    assert result.values.sum() == pytest.approx(result.v_full - result.v_empty)
    assert roc_auc_score(is_flipped, -model.values_) > 0.85


def test_weights_are_learned_for_the_sum_that_auto_stands_for(noisy):
    data, y, _ = noisy
    auto, fixed, learned = (
        fit(data, y, weights=weights).result_ for weights in ("auto", "fixed", "likelihood")
    )
    assert fixed.weights == {"kernel": 1.0, "fit": 1.0, "contrast": 0.1}
    assert auto.weights == learned.weights != fixed.weights
    np.testing.assert_array_equal(auto.values, learned.values)
    named = fit(data, y, weights="auto", utility=["kernel", "fit"])
    assert named.result_.weights == fixed.weights
    assert named.kernel_widths_ == {"kernel": 1.0}
    np.testing.assert_array_equal(named.values_, fixed.values)


def test_what_shares_out_below_a_model_learns_among_itself(noisy):
    data, y, _ = noisy
    utility = MultiFidelity("ridge", "auto", resolution=1)
    ratios = {}
    for weights in ("auto", "fixed"):
        # What shares out is brought to the unit of what is shared: only the ratio is left.
        found = fit(data, y, weights=weights, utility=utility).result_.weights
        assert found["ridge"] == 1.0
        ratios[weights] = found["kernel"] / found["fit"]
    assert ratios["fixed"] == pytest.approx(1.0)
    assert ratios["auto"] == pytest.approx(
        fit(data, y).result_.weights["kernel"] / fit(data, y).result_.weights["fit"]
    )


def test_weights_given_are_where_learning_starts(noisy):
    data, y, _ = noisy
    weights = fit(data, y, utility=[("kernel", 3.0), ("fit", 1.0), ("forest", 0.0)]).result_.weights
    assert weights["forest"] == 0.0
    assert weights["kernel"] + weights["fit"] == pytest.approx(4.0)


def test_who_foretells_the_labels_gains_weight():
    """One column in eighty matters: the forest finds it, distances do not."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(900, 80))
    y = (np.abs(X[:, 0]) > 0.7).astype(int)
    rows, trusted = slice(0, 600), slice(600, None)
    model = HCDV(utility=["kernel", "forest"], weights="likelihood", n_permutations=4, random_state=0)
    weights = model.fit(X[rows], y[rows], X[trusted], y[trusted]).result_.weights
    assert weights["forest"] > 1.5 > 0.5 > weights["kernel"]


def test_the_same_bits_for_any_number_of_threads(noisy):
    data, y, _ = noisy
    one, other = (
        fit(data, y, utility=["kernel", "fit", "forest"], n_jobs=n_jobs) for n_jobs in (1, 2)
    )
    assert one.result_.weights == other.result_.weights
    np.testing.assert_array_equal(one.values_, other.values_)


@pytest.mark.parametrize("settings", [{"validation": False}, {"validation_weight": 0.0}])
def test_rows_do_not_judge_a_space_that_has_seen_their_labels(noisy, settings):
    pytest.importorskip("torch")
    data, y, _ = noisy
    beside = ["identity", Contrastive(max_epochs=2)]
    weights = fit(data, y, encoder=beside, **settings).result_.weights
    assert weights["kernel_contrastive"] == weights["fit_contrastive"] == 0.5
    assert weights["kernel"] != 1.0
    alone = fit(data, y, encoder=Contrastive(max_epochs=2), **settings)
    assert alone.result_.weights == {"kernel": 1.0, "fit": 1.0, "contrast": 0.1}
    assert alone.kernel_widths_ == {"kernel": 1.0}


def test_validation_rows_judge_every_space(noisy):
    pytest.importorskip("torch")
    data, y, _ = noisy
    weights = fit(data, y, encoder=["identity", Contrastive(max_epochs=2)]).result_.weights
    assert weights["kernel_contrastive"] != 0.5
    terms = [weight for name, weight in weights.items() if name != "contrast"]
    assert sum(terms) == pytest.approx(3.0)


def test_a_width_asked_for_is_the_kernels_own(noisy):
    data, y, _ = noisy
    usual = fit(data, y, utility="kernel", weights="fixed")
    same = fit(data, y, utility=Kernel(width=1.0), weights="fixed")
    np.testing.assert_array_equal(usual.values_, same.values_)
    narrow = fit(data, y, utility=Kernel(width=0.5), weights="fixed")
    assert narrow.kernel_widths_ == {"kernel": 0.5}
    assert not np.array_equal(usual.values_, narrow.values_)
    assert fit(data, y, utility="fit").kernel_widths_ == {}


def test_a_fitted_model_can_be_diagnosed(noisy):
    data, y, _ = noisy
    for utility in ("auto", MultiFidelity("evidence", "auto", resolution=1)):
        model = fit(data, y, utility=utility, weights="auto")
        # Diagnosis refuses a model that it cannot play again to the same total.
        assert "16 permutations" in str(diagnose(model, data.X, y, data.X_val, data.y_val))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"weights": "learned"}, "weights must be"),
        ({"weights": None}, "weights must be"),
        ({"weights": [1.0, 2.0]}, "weights must be"),
    ],
)
def test_other_weights_are_refused(noisy, settings, sentence):
    data, y, _ = noisy
    with pytest.raises((ValueError, TypeError), match=sentence):
        fit(data, y, **settings)


@pytest.mark.parametrize("width", [0.0, 0.1, 5.0, -1.0, float("nan"), "wide", None])
def test_other_widths_are_refused(width):
    with pytest.raises((ValueError, TypeError), match="width"):
        Kernel(width=width)
