from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from hcdv import HCDV
from hcdv.datasets import flip_labels, make_synthetic
from hcdv.tasks import PlantedFlips, detect_label_noise, plant_flips

TRUTH = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], bool)
VALUES = np.array([-9.0, -8.0, -7.5, 0.5, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7])


def test_two_means_and_its_scores_by_hand():
    noise = detect_label_noise(VALUES, is_flipped=TRUTH)
    # The lower cluster is the first three rows, two of which are wrong; one wrong row is missed.
    assert noise.two_means.tolist() == [True] * 3 + [False] * 9
    assert noise.two_means_threshold == -7.5
    scores = noise.two_means_scores
    assert (scores.n_issues, scores.precision, scores.recall) == (3, 2 / 3, 2 / 3)
    assert scores.f1 == pytest.approx(2 / 3)
    assert scores.false_discovery_rate == pytest.approx(1 / 3)
    # Of 3 x 9 pairs the wrong row stands lower in 9 + 9 + 8.
    assert noise.roc_auc == pytest.approx(26 / 27)
    assert (noise.k, noise.precision_at_k, noise.n_flipped) == (3, 2 / 3, 3)
    assert detect_label_noise(VALUES, is_flipped=TRUTH, k=2).precision_at_k == 1.0


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    truth = rng.random(400) < 0.2
    values = rng.normal(size=400) + 1.5 - 4.0 * truth
    noise = detect_label_noise(values, is_flipped=truth.astype(int), alpha=0.3)
    assert 0 < noise.scores.false_discovery_rate < 0.3 and 0 < noise.scores.recall < 1
    for scores, chosen in ((noise.scores, noise.is_issue), (noise.two_means_scores, noise.two_means)):
        assert scores.precision == pytest.approx(precision_score(truth, chosen))
        assert scores.recall == pytest.approx(recall_score(truth, chosen))
        assert scores.f1 == pytest.approx(f1_score(truth, chosen))
        assert scores.false_discovery_rate == pytest.approx(1 - precision_score(truth, chosen))
    assert noise.roc_auc == pytest.approx(roc_auc_score(truth, -values))


def planted_uniform(share, n_classes=2, m=20_000):
    """Planted flips where wrong labels, a ``share`` of the rows, take the lowest places."""
    rng = np.random.default_rng(0)
    back = share / (n_classes - 1)
    # Right rows fill (share, 1], wrong ones [0, share]: wholly apart, so that pi is the share itself.
    came_back = rng.random(m) < back
    places = np.where(came_back, share + (1 - share) * rng.random(m), share * rng.random(m))
    return PlantedFlips(np.maximum(places, 1e-6), n_classes, 1, 0.1)


@pytest.mark.parametrize(("share", "n_classes"), [(0.05, 2), (0.2, 2), (0.3, 2), (0.2, 10)])
def test_planted_flips_give_share_and_probabilities_back(share, n_classes):
    planted = planted_uniform(share, n_classes)
    assert planted.share_mislabelled() == pytest.approx(share, rel=0.03)
    probability = planted.probability((np.arange(1000) + 1) / 1000)
    assert (np.diff(probability) <= 1e-12).all()
    lowest = round(0.9 * share * 1000)
    np.testing.assert_allclose(probability[:lowest], 1.0, atol=0.05)
    np.testing.assert_allclose(probability[round(1.1 * share * 1000) :], 0.0, atol=0.05)


def test_labels_that_tell_nothing_give_every_row_the_same_chance():
    # Two classes, planted flips spread like all rows: half of the labels could be wrong.
    planted = PlantedFlips((np.arange(1000) + 1) / 1000, 2, 1, 0.1)
    assert planted.share_mislabelled() == pytest.approx(0.5)
    np.testing.assert_allclose(planted.probability(np.array([0.01, 0.5, 1.0])), 0.5, atol=0.01)


def test_the_promise_is_kept_where_it_can_be_checked():
    # Overlapping humps of known shape: wrong labels at -2, right ones at +1, 20% wrong; 30 draws.
    rates, found, shares = [], [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth = rng.random(1000) < 0.2
        values = rng.normal(np.where(truth, -2.0, 1.0))
        others = np.sort(rng.normal(np.where(rng.random(900) < 0.2, -2.0, 1.0)))
        flips = rng.normal(np.where(rng.random(300) < 0.2, 1.0, -2.0))  # two classes: some come back right
        places = np.maximum(np.searchsorted(others, flips, side="right") / 900, 1 / 900)
        noise = detect_label_noise(values, is_flipped=truth, planted=PlantedFlips(places, 2, 3, 0.1))
        rates.append(noise.scores.false_discovery_rate)
        found.append(noise.scores.recall)
        shares.append(noise.estimated_share)
    assert np.mean(rates) < 0.11
    assert np.mean(found) > 0.7
    assert np.mean(shares) == pytest.approx(0.2, abs=0.03)


def test_the_expected_share_is_that_of_the_issues():
    planted = planted_uniform(0.2)
    values = np.random.default_rng(0).normal(size=500)
    for alpha in (0.0, 0.05, 0.2, 1.0):
        noise = detect_label_noise(values, planted=planted, alpha=alpha)
        expected = (1 - noise.probability[noise.is_issue]).mean() if noise.is_issue.any() else 0.0
        assert noise.expected_fdr == pytest.approx(expected)
        assert noise.expected_fdr <= alpha + 1e-9
        lowest = np.sort(values)[: noise.is_issue.sum()]
        np.testing.assert_array_equal(np.sort(values[noise.is_issue]), lowest)
    assert noise.is_issue.all()


def test_equal_values_are_decided_alike():
    values = np.repeat([-3.0, -1.0, 1.0, 2.0], [40, 60, 200, 200])
    noise = detect_label_noise(values, planted=planted_uniform(0.15), alpha=0.05)
    for value in np.unique(values):
        assert len(np.unique(noise.is_issue[values == value])) == 1
        assert len(np.unique(noise.probability[values == value])) == 1
    assert noise.is_issue[values == -3.0].all()
    assert not noise.is_issue[values == -1.0].any()


def test_values_alone_find_two_clear_humps_and_say_what_they_are_worth():
    rng = np.random.default_rng(3)
    truth = rng.random(600) < 0.15
    values = np.where(truth, rng.normal(-5, 0.7, 600), rng.normal(1.5, 0.3, 600))
    noise = detect_label_noise(values, is_flipped=truth)
    assert noise.calibration == "mixture"
    assert noise.scores.recall > 0.95
    assert noise.scores.false_discovery_rate < 0.12
    assert noise.estimated_share == pytest.approx(0.15, abs=0.03)
    assert (np.diff(noise.probability[np.argsort(values)]) <= 1e-12).all()
    assert "From values alone" in str(noise)
    assert "From values alone" not in str(detect_label_noise(values, planted=planted_uniform(0.15)))


@pytest.mark.parametrize("values", [np.full(20, 0.3), np.full(20, -0.3), np.linspace(-5, -1, 20)])
def test_where_nothing_stands_out_nothing_is_called_wrong(values):
    noise = detect_label_noise(values)
    assert not noise.is_issue.any()
    assert noise.expected_fdr == 0.0
    assert not noise.probability.any()


def test_a_truth_of_one_kind():
    noise = detect_label_noise(VALUES, is_flipped=np.zeros(12, bool))
    assert np.isnan(noise.roc_auc)
    assert np.isnan(noise.two_means_scores.recall)
    assert noise.two_means_scores.false_discovery_rate == 1.0
    assert (noise.k, noise.precision_at_k) == (1, 0.0)
    assert "0 labels are wrong" in str(noise)


def test_frame_and_text(fitted, iris):
    noise = detect_label_noise(fitted)
    frame = noise.to_frame()
    assert list(frame) == ["position", "id", "label", "value", "probability", "is_issue", "two_means"]
    np.testing.assert_array_equal(frame["value"], np.sort(fitted.values))
    np.testing.assert_array_equal(frame["label"], np.asarray(iris.y)[frame["position"]])
    assert f"{len(fitted)} rows" in str(noise)
    assert "label" not in detect_label_noise(fitted.values).to_frame()
    named = detect_label_noise(fitted.values, ["a"] * len(fitted)).to_frame()
    assert set(named["label"]) == {"a"}
    with pytest.raises(ValueError, match="read-only"):
        noise.probability[0] = 1.0


@pytest.fixture(scope="module")
def synthetic():
    data = make_synthetic(n=400, n_val=100, n_test=50, random_state=0)
    return data, *flip_labels(data.y, 0.2, random_state=1)


def test_planting_with_the_model(synthetic):
    data, y, truth = synthetic
    model = HCDV(random_state=0, n_permutations=8, n_jobs=1)
    planted = plant_flips(model, data.X, y, data.X_val, data.y_val, n_repeats=2)
    assert len(planted.places) == 80
    assert not hasattr(model, "result_")
    assert planted.places[0] > 0 and planted.places[-1] <= 1 and (np.diff(planted.places) >= 0).all()
    # Flipped labels stand low: half of them below three rows in ten.
    assert np.median(planted.places) < 0.3
    values = model.fit(data.X, y, data.X_val, data.y_val).result_
    noise = detect_label_noise(values, is_flipped=truth, planted=planted)
    assert noise.estimated_share == pytest.approx(0.2, abs=0.08)
    assert noise.scores.false_discovery_rate < 0.25
    again = plant_flips(model, data.X, y, data.X_val, data.y_val, n_repeats=2)
    np.testing.assert_array_equal(planted.places, again.places)
    other = plant_flips(model, data.X, y, data.X_val, data.y_val, n_repeats=2, random_state=1)
    assert not np.array_equal(planted.places, other.places)


def test_planting_with_any_method_and_what_is_a_place():
    seen = []

    def value(X, y, X_val, y_val):
        seen.append(y)
        assert X_val is None and y_val is None
        return np.where(y == labels, X[:, 0], -1.0)  # wrong labels below all, by a known margin

    labels = np.array(["a", "b"] * 50)
    X = np.random.default_rng(0).random((100, 1))
    planted = plant_flips(value, X, labels, fraction=0.2, n_repeats=3)
    assert [int((y != labels).sum()) for y in seen] == [20, 20, 20]
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(planted.places, np.full(60, 1 / 80))
    assert planted.n_classes == 2


def test_a_class_of_one_row_is_not_flipped_away():
    labels = np.array([0] * 30 + [1] * 30 + [2])
    seen = []

    def value(X, y, X_val, y_val):
        seen.append(len(np.unique(y)))
        return np.arange(61.0)

    plant_flips(value, np.zeros((61, 1)), labels, fraction=0.3, n_repeats=5)
    assert seen == [3] * 5
    with pytest.raises(ValueError, match="takes its last one"):
        plant_flips(value, np.zeros((2, 1)), [0, 1], fraction=0.5)


BAD = {
    "NaN": (([1.0, np.nan] * 10,), {}, ValueError, "NaN"),
    "no values": (([],), {}, ValueError, "at least one value"),
    "two columns": ((np.zeros((4, 2)),), {}, ValueError, "1-dimensional"),
    "few rows": (([1.0, 2.0],), {}, ValueError, "at least 10"),
    "labels": ((VALUES, [0, 1]), {}, ValueError, "2 labels for 12 rows"),
    "truth too short": ((VALUES, None, [True]), {}, ValueError, "is_flipped must have shape (12,)"),
    "truth in words": ((VALUES, None, ["no"] * 12), {}, TypeError, "is_flipped must hold True or False"),
    "alpha": ((VALUES,), {"alpha": 1.5}, ValueError, "alpha"),
    "k without truth": ((VALUES,), {"k": 3}, ValueError, "k goes with is_flipped"),
    "k too large": ((VALUES, None, TRUTH), {"k": 13}, ValueError, "k must be at least 1 and at most 12"),
    "planted": ((VALUES,), {"planted": 0.1}, TypeError, "planted must come from plant_flips"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    arguments, options, kind, sentence = BAD[case]
    with pytest.raises(kind) as caught:
        detect_label_noise(*arguments, **options)
    assert sentence in str(caught.value)


def test_bad_plants():
    X, y = np.zeros((20, 1)), [0, 1] * 10

    def value(X, y, X_val, y_val):
        return np.zeros(3)

    with pytest.raises(ValueError, match="3 values for 20 rows"):
        plant_flips(value, X, y)
    with pytest.raises(ValueError, match="not a single one"):
        plant_flips(value, X, y, fraction=0.01)
    with pytest.raises(ValueError, match="at least 2 classes"):
        plant_flips(value, X, [1] * 20)
    with pytest.raises(TypeError, match="model must be an HCDV or a function"):
        plant_flips("hcdv", X, y)


def test_values_of_nothing_are_not_called_wrong():
    # As leave-one-out gives them of an accuracy: most are exactly 0.
    rng = np.random.default_rng(0)
    values = rng.choice([-0.01, 0.0, 0.01], p=[0.06, 0.8, 0.14], size=200)
    noise = detect_label_noise(values, alpha=0.1)
    assert not noise.is_issue[values >= 0].any()
    assert noise.estimated_share < 0.2


@pytest.mark.parametrize("size", [1e-310, 1.0, 1e100])
def test_one_hump_of_values_holds_no_wrong_labels(size):
    values = np.random.default_rng(0).normal(size=60) * size
    assert not detect_label_noise(values).is_issue.any()


@pytest.mark.parametrize(
    ("model", "y", "said"),
    [
        (HCDV, [0, 1] * 10, r"model must be an object such as HCDV\(\), got the class HCDV"),
        (HCDV(), None, "y must be the labels of the rows, got NoneType"),
    ],
)
def test_planting_needs_an_object_and_labels(model, y, said):
    with pytest.raises((TypeError, ValueError), match=said):
        plant_flips(model, np.zeros((20, 2)), y)


def test_a_result_without_all_values_is_refused(fitted):
    broken = replace(fitted, values=np.where(np.arange(len(fitted.values)) == 3, np.nan, fitted.values))
    with pytest.raises(ValueError, match="values has 1 NaN"):
        detect_label_noise(broken)
