"""The literal allocations and the paper's preset, through the facade."""

import numpy as np
import pytest

from hcdv import HCDV, ValuationResult
from hcdv.allocation import Literal
from hcdv.datasets import make_synthetic

DATA = make_synthetic(n=200, n_val=60, n_test=10, random_state=0)


def fit(model):
    return model.fit(DATA.X, DATA.y, DATA.X_val, DATA.y_val)


@pytest.mark.parametrize("normalise", ["safe", "additive"])
@pytest.mark.parametrize("mode", ["sibling", "weights", "level"])
def test_values_add_up_in_the_order_of_the_rows(mode, normalise, tmp_path):
    model = fit(HCDV(allocation=Literal(mode, normalise), n_permutations=8, random_state=0))
    result = model.result_
    assert result.efficiency_gap < 1e-12
    sums = model.hierarchy_.node_sums(model.values_)
    leaves = model.hierarchy_.leaves
    np.testing.assert_allclose(sums[leaves], result.node_values[leaves], atol=1e-12)
    if mode != "level":
        np.testing.assert_allclose(sums, result.node_values, atol=1e-12)
    result.save(tmp_path / "values")
    again = ValuationResult.load(tmp_path / "values")
    np.testing.assert_array_equal(again.values, result.values)
    assert set(again.parts) == set(result.parts)
    np.testing.assert_array_equal(again.estimated_leaves, result.estimated_leaves)
    if normalise != "additive" or mode == "weights":
        assert not result.parts
        with pytest.raises(ValueError, match="no parts to reweight"):
            result.reweight(contrast=0.0)
        return
    total = sum(result.weights[name] * part for name, part in result.parts.items())
    np.testing.assert_allclose(total, result.values, atol=1e-12)
    other = fit(
        HCDV(contrast=0.7, allocation=Literal(mode, normalise), n_permutations=8, random_state=0)
    ).result_
    for weighed in (result.reweight(contrast=0.7), again.reweight(contrast=0.7)):
        np.testing.assert_allclose(weighed.values, other.values, atol=1e-12)
        np.testing.assert_allclose(weighed.node_values, other.node_values, atol=1e-12)
        assert weighed.efficiency_gap < 1e-12


def test_leaves_that_were_sampled_are_named():
    small = fit(HCDV(allocation="sibling", leaf_size=5, n_permutations=8, random_state=0)).result_
    assert len(small.estimated_leaves) == 0 and "sampled" not in small.summary()
    model = fit(HCDV(allocation="sibling", leaf_size=40, n_permutations=2, random_state=0))
    leaves = model.result_.estimated_leaves
    assert len(leaves) and np.isin(leaves, model.hierarchy_.leaves).all()
    assert f"{len(leaves)} leaves were too large for exact values" in model.result_.summary()


def test_a_loss_handed_down_by_weights_is_pointed_out():
    def size(rows):
        return -float(len(rows))

    with pytest.warns(UserWarning, match="splits a loss here"):
        fit(HCDV(utility=size, contrast=0, allocation="weights", n_permutations=2, random_state=0))


def test_names_mean_the_safe_exact_form_and_threads_do_not_matter():
    named = fit(HCDV(allocation="sibling", n_permutations=8, random_state=0, n_jobs=1))
    literal = Literal("sibling", "safe", "exact")
    spelt = fit(HCDV(allocation=literal, n_permutations=8, random_state=0, n_jobs=3))
    np.testing.assert_array_equal(named.values_, spelt.values_)


def test_denominators_near_zero_are_reported_once():
    # Rows of one label alone in a leaf have no dispersion: psi is 0 for all of them.
    model = HCDV(
        utility=lambda rows: 0.0, contrast=1.0, dispersion="normalised", n_permutations=4,
        allocation=Literal("sibling", "proportional"), random_state=0,
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"at \d+ nodes the paper's denominator was near zero") as caught:
        fit(model)
    assert len([w for w in caught if "denominator" in str(w.message)]) == 1
    assert model.result_.efficiency_gap < 1e-9


def test_the_papers_preset():
    pytest.importorskip("torch", reason="the paper's encoder needs torch")
    model = HCDV.paper(K=(4, 16), M=16, T=4, utility="knn", random_state=0)
    assert model.branching == [4, 4] and model.leaf_size == 16 and model.n_permutations == 4
    assert model.allocation == Literal("level", "proportional", "exact")
    assert (model.dispersion, model.contrast, model.validation_weight) == ("normalised", 1.0, 0.0)
    fit(model)
    assert model.hierarchy_.n_children[0] == 4
    assert model.hierarchy_.sizes[model.hierarchy_.leaves].max() <= 16
    assert model.result_.efficiency_gap < 1e-9
    assert model.result_.v_empty == 0.5
    with pytest.raises(ValueError, match=r"each of which divides the next, got \(16, 40\)"):
        HCDV.paper(K=(16, 40))


def test_what_goes_with_chains_only_is_refused(tmp_path):
    for option in ({"tol": 0.1}, {"checkpoint": tmp_path / "run"}):
        with pytest.raises(ValueError, match="goes with chains, that is allocation='winter', only"):
            fit(HCDV(allocation="level", **option))
    with pytest.raises(ValueError, match="allocation must be one of 'winter', 'sibling', 'weights', 'level'"):
        fit(HCDV(allocation="owen"))
    with pytest.raises(ValueError, match="normalise must be one of"):
        Literal("sibling", normalise="none")


def test_a_torch_module_values_the_upper_nodes():
    torch = pytest.importorskip("torch", reason="modules need torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(DATA.X.shape[1], 2)

        def forward(self, rows):
            return self.layer(rows)

    model = fit(HCDV(utility=Net, n_permutations=2, random_state=0))
    assert model.result_.efficiency_gap < 1e-12
    assert "down to level" in model.result_.fidelity["module"]
