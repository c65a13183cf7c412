"""Diagnoses of fitted models: what must hold holds, and what is broken is said to be."""

import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier

from hcdv import HCDV, Hierarchy
from hcdv._random import derive_seed
from hcdv.allocation import Literal, chains
from hcdv.datasets import flip_labels, make_synthetic
from hcdv.diagnostics import Diagnosis, Line, diagnose
from hcdv.diagnostics.axioms import choose
from hcdv.diagnostics.bounds import tiling
from hcdv.diagnostics.copies import with_copies
from hcdv.diagnostics.repeats import Players, repeat
from hcdv.diagnostics.setting import setting_of
from hcdv.game import coalitions_from_chains, stops_by_chain
from hcdv.shapley import winter_exact
from tests.trees import random_tree

DATA = make_synthetic(n=150, n_val=50, n_test=10, random_state=0)
Y, _ = flip_labels(DATA.y, 0.15, random_state=0)
ROWS = (DATA.X, Y, DATA.X_val, DATA.y_val)
ALONE = (DATA.X, Y, None, None)


def fit(rows=ROWS, **parameters):
    parameters = {"utility": "kernel", "n_permutations": 8, "random_state": 0, "n_jobs": 1, **parameters}
    return HCDV(**parameters).fit(*rows)


def lines(model, rows=ROWS, **options):
    """Lines by the beginning of their statement."""
    return Lines(diagnose(model, *rows, **{"n_repeats": 4, **options}).lines)


class Lines:
    def __init__(self, found):
        self.found = found

    def __call__(self, statement, word=""):
        return [line for line in self.found if line.statement.startswith(statement) and word in line.quantity]

    def holds(self, statement, word=""):
        found = self(statement, word)
        assert found, f"no line {statement}"
        return all(line.holds for line in found)


@pytest.fixture(scope="module")
def model():
    return fit(utility="auto")


@pytest.mark.parametrize(
    ("rows", "parameters"),
    [
        (ROWS, {"utility": "auto"}),
        (ALONE, {"utility": "auto"}),
        (ALONE, {"utility": [("forest", 2.0), ("evidence", 0.5)], "contrast": 0.3}),
        (ROWS, {"utility": "knn", "contrast": 0.0}),
        (ROWS, {"allocation": "level", "utility": "kernel"}),
        (ROWS, {"allocation": Literal("sibling", "additive")}),
        (ROWS, {"allocation": Literal("sibling", "proportional", "uniform"), "utility": "knn"}),
        (ROWS, {"utility": DecisionTreeClassifier(max_depth=2, random_state=0)}),
        (ROWS, {"utility": len}),
    ],
)
@pytest.mark.filterwarnings("ignore:at .* nodes the paper's denominator was near zero")
def test_the_model_is_played_again(rows, parameters):
    model = fit(rows, **parameters)
    setting = setting_of(model, *rows)
    again = setting.play(0)
    order = model.hierarchy_.order
    np.testing.assert_allclose(again.points, model.values_[order], atol=1e-12)
    np.testing.assert_allclose(again.nodes, model.result_.node_values, atol=1e-12)


def test_all_promises_are_kept(model):
    diagnosis = diagnose(model, *ROWS, n_repeats=6)
    assert diagnosis.holds
    statements = {line.statement.split(",")[0].split(" (")[0] for line in diagnosis.lines}
    assert statements >= {
        "Theorem 1", "Theorem 2", "Prop. 1", "Prop. 2.1", "Prop. 2.2", "Prop. 3", "Prop. 4.1", "Prop. 4.2",
    }  # fmt: skip
    found = Lines(diagnosis.lines)
    assert found("Theorem 1 (")[0].measured < 1e-12 < found("Theorem 1 (")[0].bound
    tree = model.hierarchy_
    assert len(found("Prop. 1", "level 1, 8 nodes")) == 2
    assert found("Prop. 1", f"level {tree.depth}, {len(tree.leaves)} nodes")
    assert [line.measured for line in found("Prop. 2.2")] == [0.0]
    assert [line.measured for line in found("Prop. 4.2")] == [0.0]
    assert found("Exact Shapley values", "8 top nodes")[0].measured > 0
    assert 0.8 < found("std_error")[0].measured <= 1
    copies = found("Identical rows")[0]
    assert copies.holds is None and 0 < copies.measured < copies.bound
    # The same seed says the same, another one nearly.
    assert diagnose(model, *ROWS, n_repeats=6).lines == diagnosis.lines
    assert diagnose(model, *ROWS, n_repeats=6, random_state=1).lines != diagnosis.lines


@pytest.mark.parametrize(
    ("rows", "parameters"),
    [
        (ALONE, {"utility": "auto"}),
        (ALONE, {"utility": "forest"}),
        (ROWS, {"utility": ["kernel", "evidence"], "contrast": 0.0, "dispersion": "sum"}),
        (ROWS, {"leaf_size": 500}),
        (ROWS, {"branching": 2, "leaf_size": 100, "n_permutations": 2}),
    ],
)
def test_chains_keep_every_promise(rows, parameters):
    assert diagnose(fit(rows, **parameters), *rows, n_repeats=4).holds


def test_repeats_are_right_about_the_long_run():
    """Their mean comes near the exact Winter value, as near as their errors say."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(14, 3)), np.arange(14) % 2
    model = HCDV(utility="fit", contrast=0.2, branching=3, leaf_size=3, n_permutations=8, random_state=0)
    model.fit(X, y)
    setting = setting_of(model, X, y, None, None)
    seen = repeat(setting, 40, 0)
    order, bounds = np.arange(14), np.arange(15)
    exact = winter_exact(lambda masks: setting.value(order, bounds, masks), setting.tree)
    error = seen.points.std(axis=0, ddof=1) / np.sqrt(40)
    assert (np.abs(seen.points.mean(axis=0) - exact) < 4.5 * error + 1e-15).all()
    np.testing.assert_allclose(seen.top, setting.tree.node_sums(exact)[tiling(setting.tree, 1)], atol=1e-12)
    # Errors against the mean, put right, are as large as errors against the truth.
    ratio = np.sqrt((seen.players[-1].errors ** 2).mean() / ((seen.points - exact) ** 2).mean())
    assert 0.9 < ratio < 1.1


def test_errors_of_players():
    values = np.array([[1.0, 5.0], [3.0, 5.0]])
    np.testing.assert_allclose(Players("", 1, values).errors, [[-np.sqrt(2), 0], [np.sqrt(2), 0]])
    known = Players("", 1, values, reference=np.array([1.0, 4.0]))
    np.testing.assert_allclose(known.errors, [[0, 1], [2, 1]])


def test_retrained_models():
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    model = fit(utility=tree, n_permutations=4, branching=4)
    found = lines(model, n_repeats=3)
    level = int(model.result_.fidelity["DecisionTreeClassifier"].split("level ")[1][0])
    assert found.holds("Theorem 1") and found.holds("Prop. 1") and found.holds("Theorem 2 (")
    assert found.holds("Prop. 2.1") and found.holds("Prop. 2.2") and found.holds("Prop. 3")
    # A row that no model looks at has its share of its node's value all the same.
    assert found("Prop. 4.2")[0].measured > 1e-4
    assert f"below level {level} every row has its share" in found("Prop. 4.2")[0].note
    # In [0, 1], and a tenth of the dispersion.
    assert "v ranges over 1." in found("Prop. 1", "level 1")[0].note


def test_logistic_regression():
    pytest.importorskip("torch", reason="utility 'logistic' needs torch")
    found = lines(fit(utility="logistic", n_permutations=4, branching=4), n_repeats=3)
    for statement in ("Theorem 1", "Prop. 1", "Theorem 2 (", "Prop. 2.1", "Prop. 2.2", "Prop. 3", "Prop. 4.1"):
        assert found.holds(statement)


def test_callables_have_no_range_and_no_copies():
    model = fit(utility=lambda rows: float(np.sqrt(len(rows))))
    found = lines(model)
    assert found.holds("Prop. 1") and len(found("Prop. 1", "level 1")) == 1
    assert "spread" in found("Prop. 1", "level 1")[0].note
    assert not found("Identical rows")
    literal = lines(fit(utility=lambda rows: float(np.sqrt(len(rows))), allocation="level", branching=20))
    unknown = [line for line in literal("Prop. 1") if line.bound is None]
    assert unknown and all(line.holds is None and "not known" in line.note for line in unknown)


@pytest.mark.filterwarnings("ignore:at .* nodes the paper's denominator was near zero")
@pytest.mark.parametrize("mode", ["sibling", "level", "weights"])
def test_literal_modes_break_what_they_break(mode):
    additive = lines(fit(allocation=Literal(mode, "additive")))
    safe = lines(fit(allocation=Literal(mode, "safe"), branching=20))
    for found in (additive, safe):
        assert found.holds("Theorem 1 (") and found.holds("Theorem 1, Step 2")
        assert found.holds("Prop. 1") and found.holds("Theorem 2 (")
        assert found.holds("Prop. 4.1, symmetry")
        assert found("Algorithm 1, line 9")[0].measured > 1e-6
        # Shares by the number of rows go to dummies too.
        assert found("Prop. 4.2")[0].measured > 1e-6
    if mode == "level":
        step = additive("Theorem 1, Step 1")[0]
        assert step.holds is None and step.measured > 1e-6
    else:
        assert additive.holds("Theorem 1, Step 1")
    if mode != "weights":
        assert additive.holds("Prop. 3")
    assert not safe.holds("Prop. 3")


@pytest.mark.filterwarnings("ignore:at .* nodes the paper's denominator was near zero")
def test_even_splits_of_leaves_are_a_leaf_error():
    exact, uniform = (
        lines(fit(allocation=Literal("sibling", "proportional", leaf)))("Theorem 1 (")[0]
        for leaf in ("exact", "uniform")
    )
    assert "even splits" in uniform.note and "even splits" not in exact.note
    assert uniform.bound > exact.bound + 0.01


def test_results_that_do_not_add_up_are_found(model):
    broken = fit(utility="auto")
    values = model.values_ + 1e-3
    broken.result_ = replace(model.result_, values=values)
    found = lines(broken)
    assert not found.holds("Theorem 1 (") and not found.holds("Theorem 1, Step 2")
    assert found.holds("Theorem 1, Step 1")
    nodes = model.result_.node_values.copy()
    nodes[3] += 1e-3
    broken.result_ = replace(model.result_, node_values=nodes)
    assert not lines(broken).holds("Theorem 1, Step 1")


def test_a_sampler_without_chance_is_found(monkeypatch):
    real = chains.sample_chain

    def always_the_same(*arrays_seed_chain_and_out):
        tree, out = arrays_seed_chain_and_out[:7], arrays_seed_chain_and_out[9:]
        real(*tree, 0, 0, *out)

    monkeypatch.setattr(chains, "sample_chain", always_the_same)
    found = lines(fit())
    assert not found.holds("Prop. 1", "level 1")


def test_a_selection_of_the_wrong_rows_is_found(model, monkeypatch):
    kind = type(model.result_)
    def lowest(self, share, quota, floor):
        return self.ranking()[: round(share * len(self))]

    monkeypatch.setattr(kind, "select", lowest)
    assert not lines(model).holds("Theorem 2 (")


def test_an_allocation_that_goes_by_place_is_found(model, monkeypatch):
    from hcdv.diagnostics import setting

    walk = setting.walk_chains

    def tilted(*args, **options):
        moments, reason = walk(*args, **options)
        for part in (moments.points, moments.nodes):
            part.mean += 0.1 * np.arange(part.mean.shape[1])
        return moments, reason

    monkeypatch.setattr(setting, "walk_chains", tilted)
    found = lines(model)
    assert not found.holds("Prop. 2.1") and not found.holds("Prop. 2.2")
    assert not found.holds("Prop. 4.1, symmetry") and not found.holds("Prop. 4.2")
    assert not found.holds("Prop. 3")


class _Moody:
    """A score that is another one each time it is asked."""

    def __init__(self, n):
        self.n_points, self.v_empty = n, 0.0
        self.rng = np.random.default_rng(0)

    def chains(self, orders, stops):
        stops = stops_by_chain(orders, stops)
        return stops / self.n_points + 0.01 * self.rng.normal(size=stops.shape) * (stops % self.n_points > 0)

    def coalitions(self, order, bounds, masks):
        return coalitions_from_chains(self, order, bounds, masks)


@dataclass(frozen=True)
class _MoodyUtility:
    name: str = "moody"

    def game(self, rows, *, seed, threads, device, cache=None):
        return _Moody(rows.n_points)

    def chain_seconds(self, rows, n_stops):
        return 0.0


def test_a_utility_that_is_no_function_of_the_coalition_is_found():
    assert not lines(fit(utility=[_MoodyUtility(), "kernel"])).holds("Prop. 3")


@pytest.mark.filterwarnings("ignore:utility=.* without validation rows")
def test_tables_sparse_rows_and_text_labels():
    frame = pd.DataFrame(DATA.X[:60]).add_prefix("x")
    frame["town"] = np.where(DATA.X[:60, 0] > 0, "Oslo", "Bergen")
    labels = np.array(["no", "yes"])[Y[:60]]
    frame.index = [f"row {k}" for k in range(60)]
    model = HCDV(n_permutations=4, random_state=0, n_jobs=1).fit(frame, labels)
    assert lines(model, (frame, pd.Series(labels), None, None), n_repeats=2)("Identical rows")
    sparse = csr_array(np.abs(DATA.X[:60]))
    rows = (sparse, Y[:60], None, None)
    model = HCDV(
        utility=DecisionTreeClassifier(max_depth=1, random_state=0), n_permutations=2, random_state=0, n_jobs=1
    )
    model.fit(*rows)
    assert lines(model, rows, n_repeats=2).holds("Theorem 1")


def test_a_constant_utility():
    found = lines(fit(utility=lambda rows: 1.0, contrast=0.0), n_repeats=2)
    assert all(line.holds is not False for line in found.found)
    assert all(line.measured == 0.0 for line in found.found if line.statement != "std_error")


@pytest.mark.filterwarnings("ignore:at .* nodes the paper's denominator was near zero")
def test_the_papers_preset():
    pytest.importorskip("torch", reason="the paper's encoder needs torch")
    model = HCDV.paper(K=(4, 8), M=30, T=4, utility="knn", n_jobs=1, random_state=0).fit(*ROWS)
    found = lines(model, n_repeats=3)
    assert found.holds("Theorem 1 (") and found.holds("Prop. 1") and found.holds("Theorem 2 (")
    assert found("Prop. 1", "150 rows")[0].measured > 0  # 30 rows of a leaf are sampled


def test_without_a_seed_the_games_must_be_the_same():
    assert lines(fit(random_state=None), n_repeats=2).holds("Theorem 1")
    generator = np.random.default_rng(0)
    assert lines(fit(random_state=generator), n_repeats=2).holds("Theorem 1")


def test_threads_do_not_matter():
    one, three = (diagnose(fit(n_jobs=n), *ROWS, n_repeats=2) for n in (1, 3))
    assert one.lines == three.lines


def test_copies_stand_beside_their_rows():
    rng = np.random.default_rng(0)
    for _ in range(20):
        n = int(rng.integers(2, 40))
        tree = random_tree(rng, n)
        places = np.sort(rng.choice(n, int(rng.integers(1, n + 1)), replace=False))
        longer = with_copies(tree, places).validate()
        leaf, before = longer.leaf_of_point(), tree.leaf_of_point()
        np.testing.assert_array_equal(leaf[:n], before)
        np.testing.assert_array_equal(leaf[n:], before[tree.order[places]])


def test_who_is_probed():
    rng = np.random.default_rng(0)
    trees = [random_tree(rng, int(rng.integers(1, 60))) for _ in range(60)]
    trees.append(Hierarchy.from_labels([np.zeros(2)]))
    probed = 0
    for tree in trees:
        tree = tree.sorted()
        for level in range(tree.depth + 1):
            chosen = choose(tree, level)
            points = [*chosen.pairs.ravel(), *chosen.dummies]
            leaf = tree.leaf_of_point()
            if chosen.twins is not None:
                one, two = chosen.twins
                assert one != two and tree.parent[one] == tree.parent[two]
                assert chosen.dummy not in (one, two)
                for node in (one, two, chosen.dummy):
                    points += range(tree.start[node], tree.stop[node])
                probed += 1
            assert len(set(points)) == len(points)
            for (a, b), c in zip(chosen.pairs, chosen.dummies, strict=True):
                assert leaf[a] == leaf[b] == leaf[c]
    assert probed > 20


def test_the_table():
    shown = Diagnosis(
        (
            Line("Theorem 1", "gap", 0.5, 2.0, True, "[bold]text"),
            Line("Theorem 1", "other", 2.0, 1.0, False),
            Line("Shapley", "no promise", 3.0),
        ),
        "winter", 10, 3, 8, 4, 0.05,
    )  # fmt: skip
    assert not shown.holds
    text = str(shown).splitlines()
    assert text[0] == "10 rows, 3 nodes, allocation winter, 8 permutations, 4 repeats, delta 0.05"
    assert text[2].split() == ["Theorem", "1", "gap", "0.5", "2", "4x", "yes", "[bold]text"]
    assert text[3].split() == ["other", "2", "1", "0.5x", "NO"]
    assert text[4].split() == ["Shapley", "no", "promise", "3"]
    assert repr(shown) == str(shown)
    frame = shown.to_frame()
    assert frame["looseness"].tolist()[:2] == [4.0, 0.5] and np.isnan(frame["looseness"][2])
    assert frame["holds"].tolist() == [True, False, None]
    assert Line("", "", 0.0, 1.0).looseness == np.inf
    assert np.isnan(Line("", "", 0.0, 0.0).looseness)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"n_repeats": 1}, ValueError, "n_repeats must be at least 2, got 1"),
        ({"delta": 0.0}, ValueError, "delta must lie strictly between 0 and 1"),
        ({"fraction": 1.5}, ValueError, "fraction must lie in"),
        ({"random_state": -1}, ValueError, "random_state must lie in"),
        ({"y": DATA.y}, ValueError, "y must hold the labels that the model was fitted on; some differ"),
        ({"y": Y[:-1]}, ValueError, "y has 149 labels for 150 rows"),
        ({"X": DATA.X**3 + 1}, ValueError, "must be what the model was fitted on"),
        ({"X_val": None, "y_val": None}, ValueError, "must be what the model was fitted on"),
        ({"model": HCDV()}, NotFittedError, "must be fitted before it can be diagnosed"),
        ({"model": DecisionTreeClassifier()}, TypeError, "must be a fitted HCDV, got DecisionTreeClassifier"),
        ({"model": None}, TypeError, "must be a fitted HCDV, got NoneType"),
    ],
)
def test_bad_arguments(model, options, error, sentence):
    arguments = dict(model=model, X=DATA.X, y=Y, X_val=DATA.X_val, y_val=DATA.y_val)
    with pytest.raises(error, match=sentence):
        diagnose(**{**arguments, **options})


def test_nothing_imports_torch_and_the_model_stays(model):
    before = model.values_.copy()
    diagnose(model, *ROWS, n_repeats=2)
    np.testing.assert_array_equal(model.values_, before)
    assert model.utility == "auto" and model.n_permutations == 8
    code = (
        "import sys, hcdv; from hcdv.datasets import load_iris; d = load_iris();"
        "m = hcdv.HCDV(random_state=0, n_permutations=2).fit(d.X, d.y);"
        "hcdv.diagnostics.diagnose(m, d.X, d.y, n_repeats=2); print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_repeats_do_not_walk_the_models_chains(model):
    assert derive_seed(0, "repeat", 0) != 0
    setting = setting_of(model, *ROWS)
    assert not np.allclose(repeat(setting, 2, 0).points, model.values_[model.hierarchy_.order])


def test_docstring_examples():
    import doctest

    from hcdv.diagnostics import bounds

    assert doctest.testmod(bounds).failed == 0
    assert doctest.testmod(sys.modules["hcdv.diagnostics.diagnose"]).failed == 0
