import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer, ErrorbarContainer

from hcdv import HCDV
from hcdv.plot import group_std_error, payout_bars
from hcdv.tasks import marketplace_payouts
from tests.plot.results import HOSTILE, result_of, texts, with_tree

VALUES = {"ann": 6.0, "bob": -1.0, "cid": 3.0, "dot": 1.0}


def widths(axes):
    (bars,) = [c for c in axes.containers if isinstance(c, BarContainer)]
    return [bar.get_width() for bar in bars]


def intervals(axes):
    """By place of the bar: the two ends of its interval."""
    lines = [c for c in axes.containers if isinstance(c, ErrorbarContainer)]
    if not lines:
        return {}
    (segments,) = lines[0].lines[2]
    return {int(a[1]): (a[0], b[0]) for a, b in segments.get_segments()}


def test_bars_are_amounts_from_the_highest():
    axes = payout_bars(marketplace_payouts(VALUES, total="100", currency="EUR"))
    assert widths(axes) == [60, 30, 10, 0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["ann", "cid", "dot", "bob"]
    shown = texts(axes)
    assert {"60.00", "30.00", "10.00", "0.00  (value below 0)"} <= set(shown)
    assert axes.get_xlabel() == "payout, EUR (of 100.00 in all)"
    assert not intervals(axes)


def test_intervals_at_the_price_of_a_unit():
    errors = pd.Series({"bob": 0.5, "ann": 0.2, "cid": 0.1, "dot": 0.3})
    axes = payout_bars(marketplace_payouts(VALUES, total="100"), errors)
    # 10 a unit: 6 + 3 + 1 share 100.  Bob gets nothing, however his value varies.
    expected = {0: (60, 0.2), 1: (30, 0.1), 2: (10, 0.3)}
    found = intervals(axes)
    assert set(found) == set(expected)
    for place, (amount, error) in expected.items():
        assert found[place] == pytest.approx((amount - 19.6 * error, amount + 19.6 * error))
    assert "95% intervals" in axes.get_xlabel()
    # With a minimum those above it share the rest: 80 over 9.
    paid = marketplace_payouts(VALUES, total="100", minimum="10")
    low, high = intervals(payout_bars(paid, errors))[0]
    assert high - low == pytest.approx(2 * 1.96 * 0.2 * 80 / 9, rel=1e-3)
    assert set(intervals(payout_bars(paid, errors))) == {0, 1}
    # Where losers pay, all amounts follow the values: 100 over 9.
    paid = marketplace_payouts(VALUES, total="100", nonnegative=False)
    low, high = intervals(payout_bars(paid, errors))[3]
    assert high - low == pytest.approx(2 * 1.96 * 0.5 * 100 / 9, rel=1e-3)


def test_many_sellers_and_hostile_names():
    values = {name: 100.0 + k for k, name in enumerate(HOSTILE)} | {f"s{k:03d}": 1.0 for k in range(100)}
    axes = payout_bars(marketplace_payouts(values, total=1000, currency="$x_{"))
    assert len(widths(axes)) == 20
    assert sum(widths(axes)) == pytest.approx(1000)
    shown = texts(axes)
    assert {"$a_{b$", "_hidden", "two lines", "85 others", "payout, $x_{ (of 1,000.00 in all)"} <= set(shown)


@pytest.mark.parametrize(("values", "total"), [({"a": 1.0}, 5), ({"a": -1.0}, 5), ({"a": 1.0, "b": 1.0}, 0)])
def test_edge_cases(values, total):
    axes = payout_bars(marketplace_payouts(values, total=total), pd.Series(0.1, index=list(values)))
    assert sum(widths(axes)) == total
    texts(axes)


def test_errors_of_groups_are_those_of_their_nodes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4))
    y = (X[:, 0] > 0).astype(int)
    seller = rng.choice(["x", "y", "z"], 90)
    model = HCDV(n_permutations=8, random_state=0, n_jobs=1, keep_chains=True).fit(X, y, groups=seller)
    errors = group_std_error(model.result_, seller)
    assert list(errors.index) == list(pd.unique(seller))
    # Again from the pairs of chains themselves.
    weights = np.array(list(model.result_.weights.values()))
    pairs = np.array([weights @ marginals for marginals in model._live.chains.points])
    in_data = np.empty_like(pairs)
    in_data[:, model._live.position] = pairs
    for name, error in errors.items():
        sums = in_data[:, seller == name].sum(axis=1)
        assert error == pytest.approx(sums.std(ddof=1) / np.sqrt(len(sums)), rel=1e-9)
    # One group is the root, whose value is known.
    assert group_std_error(model.result_, np.zeros(90)).iloc[0] == pytest.approx(0.0, abs=1e-12)
    paid = marketplace_payouts(model.result_, seller, "100")
    assert len(intervals(payout_bars(paid, errors))) == (paid.values > 0).sum() > 0


def test_errors():
    paid = marketplace_payouts(VALUES, total="100")
    for wrong in ("much", -1.0):
        with pytest.raises(ValueError, match="std_error must hold numbers of at least 0"):
            payout_bars(paid, pd.Series(wrong, index=list(VALUES)))
    with pytest.raises(ValueError, match="one entry for each seller, got several"):
        payout_bars(paid, pd.Series(1.0, index=[*VALUES, "ann"]))
    with pytest.raises(TypeError, match=r"got HCDV: pass model\.result_"):
        group_std_error(HCDV(), [0])
    with pytest.raises(ValueError, match="std_error has no entry for seller 'bob'"):
        payout_bars(paid, pd.Series({"ann": 1.0}))
    with pytest.raises(TypeError, match="std_error must be a pandas Series by seller"):
        payout_bars(paid, [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(TypeError, match="payouts must be what marketplace_payouts gave"):
        payout_bars(VALUES)
    plain = with_tree([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="no standard errors of nodes"):
        group_std_error(plain, [0, 0, 1, 1])
    with pytest.raises(ValueError, match="no standard errors of nodes"):
        group_std_error(result_of([1.0]), [0])
    sure = with_tree([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1], node_std_error=np.array([0.0, 0.1, 0.2]))
    assert group_std_error(sure, ["b", "b", "a", "a"]).to_dict() == {"b": 0.1, "a": 0.2}
    with pytest.raises(ValueError, match=r"group \w is no node of the tree; pass groups=by to fit"):
        group_std_error(sure, ["b", "a", "b", "a"])
    with pytest.raises(ValueError, match=r"group \w is no node of the tree"):
        group_std_error(sure, ["b", "a", "a", "a"])
    with pytest.raises(ValueError, match="by must name the group of each of 4 rows"):
        group_std_error(sure, ["b"])
    with pytest.raises(ValueError, match="by has 1 rows without a group"):
        group_std_error(sure, ["b", "b", "a", None])
    unsure = with_tree([1.0, 2.0], [0, 1], node_std_error=np.full(3, np.inf))
    with pytest.raises(ValueError, match="too few chains were walked for standard errors, which take 4"):
        group_std_error(unsure, [0, 1])
