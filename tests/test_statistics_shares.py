from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, fisher_exact

from dataaudit.statistics.corrections import benjamini_hochberg
from dataaudit.statistics.shares import compare_shares, differences, total_variation

COUNTS = st.lists(st.integers(0, 400), min_size=2, max_size=8).filter(any)


@settings(deadline=None, max_examples=80)
@given(st.integers(2, 6).flatmap(lambda k: st.tuples(*[st.lists(st.integers(30, 400), min_size=k, max_size=k)] * 2)))
def test_chi_square_equals_scipy(counts):
    test, oracle = compare_shares(*counts), chi2_contingency(np.array(counts), correction=False)
    assert test.method == "chi-square"
    assert (test.statistic, test.p_value) == (pytest.approx(oracle.statistic), pytest.approx(oracle.pvalue, abs=1e-12))
    assert test.cramers_v == pytest.approx(np.sqrt(oracle.statistic / np.sum(counts)))


@pytest.mark.parametrize("table", [[[8, 2], [1, 5]], [[3, 9], [6, 2]], [[12, 1], [5, 6]]])
def test_small_counts_agree_with_the_exact_test(table):
    test = compare_shares(*table)
    assert test.method == "Monte-Carlo"
    assert test.p_value == pytest.approx(fisher_exact(table).pvalue, abs=0.025)


@settings(deadline=None, max_examples=30)
@given(COUNTS, st.randoms())
def test_order_of_classes_and_splits_changes_no_effect(counts, random):
    other = counts[:]
    random.shuffle(other)
    forth, back = compare_shares(counts, other), compare_shares(other[::-1], counts[::-1])
    assert forth.total_variation == pytest.approx(back.total_variation)
    assert forth.statistic == pytest.approx(back.statistic)
    assert 0 <= forth.total_variation <= 1
    assert 0 <= forth.cramers_v <= 1 + 1e-12


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=6), st.randoms())
def test_a_simulated_p_does_not_know_the_order_of_the_classes(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    if all(any(column) for column in zip(*pairs, strict=True)):
        assert compare_shares(*zip(*pairs, strict=True)) == compare_shares(*zip(*shuffled, strict=True))


def test_differences_are_sure_and_large():
    train, other, same, few = [100, 100], [80, 20], [52, 48], [5, 1]
    found = differences(train, [other, same, few, [0, 0]], alpha=0.05, least=0.1)
    assert [difference is not None for difference in found] == [True, False, False, False]
    p = [compare_shares(train, counts).p_value for counts in (other, same, few)]
    assert found[0].q_value == benjamini_hochberg(p)[0]
    assert differences(train, [other], alpha=0.05, least=0.31) == (None,)
    assert differences([0, 0], [other], alpha=0.05, least=0.1) == (None,)


def test_total_variation_by_hand():
    assert total_variation([50, 50], [80, 20]) == pytest.approx(0.3)
    assert total_variation([1, 0], [0, 7]) == 1


def test_one_class_cannot_differ():
    assert compare_shares([5, 0], [9, 0]).method == "trivial"


@pytest.mark.parametrize(("a", "b"), [([1, 2], [1]), ([0, 0], [1, 1]), ([1, -1], [1, 1])])
def test_impossible_counts_are_refused(a, b):
    with pytest.raises(ValueError, match="none empty"):
        compare_shares(a, b)


def test_monte_carlo_holds_its_level():
    rng = np.random.default_rng(3)
    totals = np.array([30, 12, 6, 4, 3])
    draws = rng.multivariate_hypergeometric(totals, 15, size=150)
    p = np.array([compare_shares(draw, totals - draw, seed).p_value for seed, draw in enumerate(draws)])
    assert (p < 0.05).mean() <= 0.1
    assert (p < 0.5).mean() >= 0.35
