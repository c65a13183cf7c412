import dataclasses
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from hcdv import HCDV, ValuationResult, baselines
from hcdv._archive import read_archive, write_archive
from hcdv.datasets import flip_labels, load_breast_cancer, load_digits


@pytest.fixture(scope="module")
def result():
    data = load_digits(n=300, n_val=50, n_test=50)
    return HCDV(random_state=0, n_permutations=8).fit(data.X, data.y).result_


def test_ranking_and_frame_agree(result):
    order = result.ranking()
    assert order.dtype == np.int64
    assert (np.diff(result.values[order]) >= 0).all()
    frame = result.to_frame()
    assert list(frame["rank"].to_numpy()[order]) == list(range(300))
    np.testing.assert_array_equal(frame["value"], result.values)
    assert {"id", "value", "std_error", "rank", "label", "part_kernel"} <= set(frame.columns)


@pytest.mark.parametrize("quota", ["leaf", "class", "global"])
@pytest.mark.parametrize("fraction", [0.0, 0.3, 1 / 3, 1.0])
def test_selection_has_the_exact_size(result, quota, fraction):
    chosen = result.select(fraction, quota)
    assert len(chosen) == round(fraction * 300)
    assert (np.diff(chosen) > 0).all()


def test_quotas_do_what_they_say(result):
    leaf = result.hierarchy.leaf_of_point()
    chosen = result.select(0.3, floor=None)
    taken = np.bincount(np.unique(leaf, return_inverse=True)[1][chosen])
    sizes = np.unique(leaf, return_counts=True)[1]
    assert (np.abs(taken - 0.3 * sizes) < 1).all()
    chosen = result.select(0.3, "global", floor=None)
    assert result.values[chosen].min() >= np.delete(result.values, chosen).max()
    by_class = result.select(0.3, "class")
    for label in np.unique(result.labels):
        share = (result.labels[by_class] == label).sum() / (result.labels == label).sum()
        assert abs(share - 0.3) < 0.05


def test_rows_that_are_worth_something_are_drawn_by_lot(result):
    values, labels = result.values, result.labels
    for fraction in (0.1, 0.5, 0.98):
        chosen = np.isin(np.arange(300), result.select(fraction))
        for mine in (labels == label for label in np.unique(labels)):
            assert abs((chosen & mine).sum() - fraction * mine.sum()) < 1
            # No row below the floor while one above is left out; below it the highest.
            left_out = values[mine & ~chosen].max(initial=-np.inf)
            assert values[mine & chosen].min() >= min(result._floors("auto")[mine][0], left_out)
    draws = [result.select(0.1, "global", 0.0, random_state=seed) for seed in range(400)]
    share = np.bincount(np.concatenate(draws), minlength=300) / 400
    assert (share[values < 0] == 0).all()
    expected = 30 / (values >= 0).sum()
    assert np.abs(share[values >= 0] - expected).max() < 5 * (expected / 400) ** 0.5


def test_the_floor_of_a_rare_label():
    data = load_breast_cancer(n=300, n_val=50, n_test=50)
    model = HCDV(utility=[("kernel", 1.0), ("fit", 0.5), ("knn", 1.0)], contrast=0.2, n_permutations=4)
    result = model.fit(data.X, data.y, data.X_val, data.y_val).result_
    assert result.likelihoods == ("kernel", "fit")
    share = (data.y == 0).mean()  # the rarer one
    floors = result._floors("auto")
    np.testing.assert_allclose(floors[data.y == 0], 2 * 1.5 * np.log(2 * share) / 300)
    np.testing.assert_array_equal(floors[data.y == 1], 0.0)
    np.testing.assert_allclose(result.reweight(fit=0.0)._floors("auto"), floors / 1.5)
    assert (dataclasses.replace(result, likelihoods=())._floors("auto") == 0).all()


def test_a_floor_of_ones_own(result):
    median = float(np.median(result.values))
    best = np.sort(result.ranking()[150:])
    np.testing.assert_array_equal(result.select(0.5, "global", floor=median), best)
    assert (result.values[result.select(0.3, floor=float(result.values.min()))] < median).any()
    np.testing.assert_array_equal(result.select(0.5, "global", floor=1e9), best)
    for floor, error, sentence in [
        ("high", ValueError, "floor must be 'auto', a number or None, got 'high'"),
        (np.nan, ValueError, "floor must be a finite number"),
        (True, TypeError, "floor must be a number, got True"),
    ]:
        with pytest.raises(error, match=sentence):
            result.select(0.3, floor=floor)


def test_of_scores_the_upper_cluster_is_drawn_from():
    values = np.array([0.9, 0.1, 0.8, 1.0, 0.2, 0.95])
    scores = ValuationResult(
        values=values, ids=np.arange(6), parts={}, weights={}, v_empty=0.0, v_full=values.sum(),
        n_evaluations=0, n_permutations=0, stopped_by="exact", has_game=False,
    )  # fmt: skip
    drawn = {tuple(scores.select(1 / 3, "global", random_state=seed)) for seed in range(100)}
    assert {row for pair in drawn for row in pair} == {0, 2, 3, 5} and len(drawn) == 6
    np.testing.assert_array_equal(scores.select(5 / 6, "global"), [0, 2, 3, 4, 5])
    alike = dataclasses.replace(scores, values=np.ones(6))
    assert len(alike.select(0.5, "global")) == 3
    endless = dataclasses.replace(scores, values=np.append(values[:5], np.inf))
    np.testing.assert_array_equal(endless.select(4 / 6, "global"), [0, 2, 3, 5])


def test_labels_of_mixed_kinds():
    labels = np.array(["a", 1, None, 1, "a", float("nan")], object)
    result = ValuationResult(
        values=np.arange(6.0), ids=np.arange(6), parts={}, weights={}, v_empty=0.0, v_full=15.0,
        n_evaluations=0, n_permutations=0, stopped_by="exact", labels=labels,
    )  # fmt: skip
    assert len(result.select(0.5, "class")) == len(result.select(0.5, "class", floor=None)) == 3


def test_label_issues_lists_the_lowest_first(result):
    issues = result.label_issues()
    assert list(issues.columns) == ["id", "value", "is_issue", "rank", "position"]
    assert (np.diff(issues["value"]) >= 0).all()
    flagged = issues["is_issue"].to_numpy()
    assert flagged[0]
    np.testing.assert_array_equal(result.ids[issues["position"]], issues["id"])
    assert "300 rows" in repr(result)
    assert len(repr(result.hierarchy)) < 200
    assert (np.diff(flagged.astype(int)) <= 0).all()


def test_label_issues_of_scores_that_are_never_negative():
    data = load_breast_cancer()
    y, is_flipped = flip_labels(data.y, 0.1, random_state=0)
    issues = baselines.out_of_fold_confidence(data.X, y, random_state=0).label_issues()
    flagged = issues.position[issues.is_issue]
    assert 0.5 * is_flipped.sum() <= len(flagged) <= 2 * is_flipped.sum()
    assert is_flipped[flagged].mean() > 0.5
    # Values of a game have a 0, and what is above is no issue.
    values = baselines.knn_shapley(data.X, y, data.X_val, data.y_val).label_issues()
    assert (values.value[values.is_issue] < 0).all()


def test_parts_add_up(result):
    total = sum(weight * result.parts[name] for name, weight in result.weights.items())
    np.testing.assert_allclose(total, result.values, atol=1e-15)


def test_summary_names_the_essentials(result):
    text = result.summary()
    for word in ("300 rows", "efficiency gap", "kernel", "chains", "negative"):
        assert word in text


DIGITS = load_digits(n=120, n_val=60, n_test=50)


@pytest.mark.parametrize(
    ("method", "options", "said", "silent"),
    [
        ("random_values", {}, [], ["v(all)", "chains", "negative", "weights"]),
        ("out_of_fold_confidence", {"n_folds": 2}, [], ["v(all)", "evaluations", "negative"]),
        ("data_oob", {"n_estimators": 30},
         ["30 evaluations (stopped by n_estimators), median standard error"], ["v(all)", "chains"]),
        ("knn_shapley", {}, ["efficiency gap"], ["chains", "evaluations", "standard error"]),
        ("leave_one_out", {"utility": "knn"}, ["v(all)", "sum of values", "weights: knn 1"],
         ["chains", "efficiency gap", "standard error"]),
        ("data_banzhaf", {"utility": "knn", "n_samples": 80}, ["sum of values", "80 evaluations (stopped by"],
         ["chains", "efficiency gap"]),
        ("stratified_shapley", {"utility": "knn", "n_samples": 480},
         ["480 evaluations (stopped by n_samples), median standard error", "efficiency gap"], ["chains"]),
        ("du_shapley", {"utility": "knn", "groups": "label"}, ["200 evaluations (stopped by n_draws)\n"],
         ["chains", "standard error"]),
        ("data_shapley", {"utility": "knn", "n_permutations": 2},
         ["2 chains (stopped by n_permutations), too few for a standard error (that takes 4)"], ["inf"]),
        ("data_shapley", {"utility": "knn", "n_permutations": 4}, ["4 chains", "standard error"], ["inf"]),
    ],
)  # fmt: skip
def test_summary_says_what_means_something(method, options, said, silent, tmp_path):
    from hcdv import baselines

    X, X_val = DIGITS.X.reshape(120, -1), DIGITS.X_val.reshape(60, -1)
    found = getattr(baselines, method)(X, DIGITS.y, X_val, DIGITS.y_val, random_state=0, **options)
    text = found.summary()
    assert text.startswith("120 rows") and "values: min" in text
    for words in said:
        assert words in text
    for words in silent:
        assert words not in text
    found.save(tmp_path / "values.hcdv")
    assert ValuationResult.load(tmp_path / "values.hcdv").summary() == text


def test_files_from_before_scores_were_told_from_games(result, tmp_path):
    path = tmp_path / "values.hcdv"
    result.save(path)
    arrays, meta = read_archive(path, kind="result", version=1)
    write_archive(path, arrays, {name: fact for name, fact in meta.items() if name != "has_game"})
    assert ValuationResult.load(path).has_game
    write_archive(path, arrays, {**meta, "has_game": "no"})
    with pytest.raises(ValueError, match="has_game is neither true nor false"):
        ValuationResult.load(path)


def test_save_and_load(result, tmp_path):
    result.save(tmp_path / "values.hcdv")
    again = ValuationResult.load(tmp_path / "values.hcdv")
    np.testing.assert_array_equal(again.values, result.values)
    np.testing.assert_array_equal(again.std_error, result.std_error)
    np.testing.assert_array_equal(again.ids, result.ids)
    assert dict(again.weights) == dict(result.weights)
    assert list(again.parts) == list(result.parts)
    assert again.likelihoods == result.likelihoods == ("kernel", "fit")
    np.testing.assert_array_equal(again.select(0.3), result.select(0.3))
    np.testing.assert_array_equal(
        again.reweight(contrast=0.5).values, result.reweight(contrast=0.5).values
    )
    assert again.summary() == result.summary()


def test_bad_requests(result):
    with pytest.raises(ValueError, match=r"fraction must lie in \[0, 1\]"):
        result.select(1.5)
    with pytest.raises(ValueError, match="quota must be one of"):
        result.select(0.3, "node")
    bare = ValuationResult(
        values=np.arange(3.0), ids=np.arange(3), parts={}, weights={}, v_empty=0.0, v_full=3.0,
        n_evaluations=0, n_permutations=0, stopped_by="exact",
    )  # fmt: skip
    with pytest.raises(ValueError, match="needs a tree"):
        bare.select(0.3)
    with pytest.raises(ValueError, match="no parts"):
        bare.reweight(kernel=1)
    np.testing.assert_array_equal(bare.select(1 / 3, "global", floor=None), [2])


def test_a_damaged_file_gives_one_sentence(result, tmp_path):
    path = tmp_path / "values.hcdv"
    result.save(path)
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), max(1, len(data) // 60)):
        broken = bytearray(data)
        broken[at] ^= 0xFF
        path.write_bytes(broken)
        refused = None
        try:
            again = ValuationResult.load(path)
        except ValueError as error:
            refused = str(error)
        # A byte that zip does not use may change nothing; any other is noticed.
        assert "\n" not in refused if refused else np.array_equal(again.values, result.values)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError):
        ValuationResult.load(path)


def tree_arrays(order, start, stop, parent, first_child, n_children, level_start):
    return {f"tree_{name}": np.array(array) for name, array in locals().items()}


ARRAYS_THAT_DO_NOT_FIT = [
    ({"values": np.zeros(3)}, "its tree is not over its 3 values"),
    ({"values": np.zeros((300, 1))}, "values has shape"),
    ({"values": np.full(300, "a")}, "values has dtype <U1, expected float64"),
    ({"values": np.full(300, np.nan)}, "values has 300 entries that are no finite"),
    ({"values": None}, "its tree is not over"),
    ({"ids": None}, "ids is missing"),
    ({"ids": np.arange(3)}, r"ids has shape \(3,\), expected \(300,\)"),
    ({"ids": np.zeros((300, 2))}, "ids has shape"),
    ({"labels": np.arange(3)}, "labels has shape"),
    ({"std_error": np.zeros(3)}, "std_error has shape"),
    ({"std_error": np.full(300, np.nan)}, "std_error has 300"),
    ({"node_values": np.zeros(1)}, "node_values has shape"),
    ({"point_mean": np.zeros((3, 5))}, "point_mean has shape"),
    ({"point_comoment": np.zeros((1, 300))}, "point_comoment has shape"),
    ({"point_comoment": None}, "point_comoment is missing"),
    ({"node_mean": None}, "node_mean is missing"),
    ({"part_bounds": np.zeros(3)}, "part_bounds has shape"),
    ({"point_mean": None, "point_comoment": None}, "part_0 is missing"),
    ({"stranger": np.zeros(300)}, "an array 'stranger' that no result has"),
    ({"tree_stranger": np.zeros(300)}, "stranger"),
    ({"tree_order": None}, "its tree is not over"),
    ({"tree_parent": None}, "parent"),
    ({"tree_order": np.arange(300.0)}, "order must be a 1-dimensional array of integers"),
    (tree_arrays(np.arange(30), [0], [30], [-1], [-1], [0], [0, 1]), "its tree is not over its 300"),
]

FACTS_THAT_DO_NOT_FIT = [
    ({"weights": {"kernel": 1.0}}, "weights are no list"),
    ({"weights": [["kernel", 1.0]]}, r"part_bounds has shape \(2, 3\), expected \(2, 1\)"),
    ({"weights": [["kernel", 1.0]] * 3}, "two weights have one name"),
    ({"weights": [["kernel", 10**400]] * 3}, "the weight of 'kernel' is no finite number"),
    ({"v_full": None}, "v_full is no finite number"),
    ({"v_full": True}, "v_full is no finite number"),
    ({"v_full": 10**400}, "v_full is no finite number"),
    ({"v_empty": "0"}, "v_empty is no finite number"),
    ({"n_permutations": 1e300}, "n_permutations is no whole number"),
    ({"n_evaluations": -1}, "n_evaluations is no whole number"),
    ({"count": 0}, "count is no whole number from 1"),
    ({"count": 10**400}, "count is no whole number"),
    ({"count": [[1]]}, "count is no whole number"),
    ({"stopped_by": 3}, "stopped_by is no text"),
]


def rewritten(path, arrays=None, facts=None):
    """The file at ``path`` with other content (None: without) and right checksums."""
    old, meta = read_archive(path, kind="result", version=1)
    merged = {name: a for name, a in (old | (arrays or {})).items() if a is not None}
    write_archive(path, merged, meta | (facts or {}))


@pytest.mark.parametrize(("arrays", "message"), ARRAYS_THAT_DO_NOT_FIT)
def test_a_file_whose_arrays_do_not_fit_together_is_refused(result, tmp_path, arrays, message):
    path = tmp_path / "values.hcdv"
    result.save(path)
    rewritten(path, arrays=arrays)
    with pytest.raises(ValueError, match=f"^{path} is not a complete result file: .*{message}"):
        ValuationResult.load(path)


@pytest.mark.parametrize(("facts", "message"), FACTS_THAT_DO_NOT_FIT)
def test_a_file_whose_facts_make_no_sense_is_refused(result, tmp_path, facts, message):
    path = tmp_path / "values.hcdv"
    result.save(path)
    rewritten(path, facts=facts)
    with pytest.raises(ValueError, match=f"^{path} is not a complete result file: .*{message}"):
        ValuationResult.load(path)


@pytest.mark.parametrize("number", ["Infinity", "NaN"])
@pytest.mark.parametrize("name", ["n_permutations", "v_full"])
def test_numbers_that_only_python_reads_in_json_are_refused(result, tmp_path, name, number):
    path = tmp_path / "values.hcdv"
    result.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    meta = json.loads(members["meta.json"]) | {name: float(number)}
    members["meta.json"] = json.dumps(meta).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    with pytest.raises(ValueError, match=f"{name} is no (finite|whole) number"):
        ValuationResult.load(path)


def test_a_hierarchy_of_countless_children_is_refused_at_once(result, tmp_path):
    path = tmp_path / "values.hcdv"
    result.save(path)
    rewritten(path, arrays={"tree_n_children": np.full(result.hierarchy.n_nodes, 2**40)})
    with pytest.raises(ValueError, match="n_children does not count"):
        ValuationResult.load(path)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (pd.MultiIndex.from_product([["a", "b"], [0, 1]]), "('a', 0)"),
        (pd.Index([1, "a", None, 2.5], dtype=object), "1"),
        (pd.interval_range(0, 4), "(0, 1]"),
        (pd.period_range("2020", periods=4, freq="D"), "2020-01-01"),
    ],
)
def test_ids_of_any_kind_are_saved_as_text(tmp_path, index, text):
    bare = exact_result(np.arange(4.0), ids=np.asarray(index))
    bare.save(tmp_path / "values.hcdv")
    again = ValuationResult.load(tmp_path / "values.hcdv")
    assert again.ids[0] == text
    assert again.ids.tolist() == [str(item) for item in index]


def exact_result(values, ids):
    return ValuationResult(
        values=values, ids=ids, parts={"knn": values}, weights={"knn": 1.0}, v_empty=0.0,
        v_full=float(values.sum()), n_evaluations=0, n_permutations=0, stopped_by="exact",
    )  # fmt: skip


def test_arrays_are_read_only_and_not_copied(result, tmp_path):
    result.save(tmp_path / "values.hcdv")
    for one in (result, ValuationResult.load(tmp_path / "values.hcdv"), result.reweight(contrast=1)):
        arrays = {f.name: getattr(one, f.name) for f in dataclasses.fields(one)}
        moments = [arrays.pop("point_moments"), arrays.pop("node_moments")]
        arrays |= one.parts | {"mean": moments[0].mean, "comoment": moments[1].comoment}
        frozen = [a for a in arrays.values() if isinstance(a, np.ndarray)]
        assert len(frozen) == 12
        for array in frozen:
            with pytest.raises(ValueError, match="read-only"):
                array[...] = array
    mine = np.arange(4.0)
    bare = exact_result(mine, np.arange(4))
    assert np.shares_memory(bare.values, mine)
    mine[0] = 5.0  # the caller's own array stays writable
    frame = bare.to_frame()
    frame.loc[0, "value"] = 99.0
    assert bare.values[0] == 5.0
