"""Stopping rules: what they ask for, when they answer, and how they combine."""

import numpy as np
import pytest

from hcdv.stopping import AllOf, AnyOf, Look, RankStability, StandardError, TimeBudget, needs_halves


def look(n=64, seconds=0.0, values=(1.0, 2.0, 3.0), error=0.1, other=None):
    values = np.asarray(values, float)
    other = values if other is None else np.asarray(other, float)
    return Look(
        n, seconds, lambda: values, lambda: np.full(len(values), error), lambda: (values, other)
    )


def test_standard_error_is_relative_to_the_mean_value():
    assert StandardError(0.05)(look(error=0.1)) == "std_error"
    assert StandardError(0.049)(look(error=0.1)) is None


def test_nobody_looks_at_values_too_early_or_between_looks():
    for n in (8, 62):
        assert StandardError(1.0)(look(n)) is None
        assert RankStability(-1.0)(look(n)) is None


def test_rank_stability_compares_halves():
    assert RankStability(0.99)(look(values=[1, 2, 3, 4], other=[10, 20, 30, 40])) == "rank_stability"
    assert RankStability(0.99)(look(values=[1, 2, 3, 4], other=[1, 2, 4, 3])) is None
    # Spearman of (1,2,3,4) and (1,2,4,3) is 0.8.
    assert RankStability(0.8)(look(values=[1, 2, 3, 4], other=[1, 2, 4, 3])) == "rank_stability"
    assert RankStability(0.9)(look(values=[0, 0, 0], other=[0, 0, 0])) == "rank_stability"
    assert RankStability(0.1)(look(values=[0, 0, 0], other=[0, 1, 2])) is None


def test_ties_count_as_midranks():
    from scipy.stats import spearmanr

    a, b = np.array([1.0, 1, 2, 3, 3]), np.array([2.0, 1, 2, 5, 4])
    expected = spearmanr(a, b).statistic
    assert RankStability(expected - 1e-9)(look(values=a, other=b)) == "rank_stability"
    assert RankStability(expected + 1e-9)(look(values=a, other=b)) is None


def test_time_budget_looks_after_every_pair():
    assert TimeBudget(10)(look(2, seconds=10.5)) == "time_budget"
    assert TimeBudget(10)(look(2, seconds=9.5)) is None


def test_rules_combine():
    tight, loose = StandardError(0.01), StandardError(0.5)
    assert (tight | loose)(look()) == "std_error"
    assert (tight & loose)(look()) is None
    assert (loose & RankStability(0.9))(look()) == "std_error+rank_stability"
    assert (tight | TimeBudget(1))(look(seconds=2)) == "time_budget"
    assert needs_halves(tight | RankStability()) and needs_halves(tight & RankStability())
    assert not needs_halves(tight | TimeBudget(1)) and not needs_halves(None)
    assert not needs_halves(lambda look: None)


@pytest.mark.parametrize(
    ("rule", "argument"),
    [(StandardError, -1.0), (RankStability, 1.5), (TimeBudget, float("nan")), (TimeBudget, "soon")],
)
def test_bad_parameters_are_refused(rule, argument):
    with pytest.raises((ValueError, TypeError)):
        rule(argument)


@pytest.mark.parametrize("wrong", [60, None, "soon", TimeBudget])
def test_only_rules_combine(wrong):
    for combine in (lambda: StandardError(0.1) | wrong, lambda: StandardError(0.1) & wrong):
        with pytest.raises(TypeError, match=r"rules must be stopping rules such as StandardError\(0.05\), got"):
            combine()


@pytest.mark.parametrize("kind", [AllOf, AnyOf])
def test_no_rule_is_none(kind):
    with pytest.raises(ValueError, match="at least one stopping rule"):
        kind(())
