"""Power and effective sizes, against statsmodels, SciPy, exact enumeration and published numbers."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, f_oneway, hypergeom
from statsmodels.stats.proportion import power_proportions_2indep

from dataaudit.statistics.effective import design_effect, effective_number
from dataaudit.statistics.power import (
    chance_of_missing,
    label_ceiling,
    paired_difference,
    paired_power,
    unpaired_difference,
    unpaired_power,
)


@pytest.mark.parametrize("n", [30, 100, 2_000])
@pytest.mark.parametrize(("accuracy", "difference"), [(0.8, 0.05), (0.95, 0.1), (0.6, 0.3)])
def test_unpaired_power_equals_statsmodels(n, accuracy, difference):
    # statsmodels counts the other tail as well, which matters only where there is hardly any power
    oracle = power_proportions_2indep(difference, accuracy - difference, n, return_results=False)
    assert unpaired_power(difference, n, accuracy) == pytest.approx(oracle, abs=0.008)


@pytest.mark.parametrize(
    ("larger", "smaller", "n"), [(0.35, 0.25, 328), (0.5, 0.4, 388), (0.9, 0.8, 199), (0.95, 0.9, 435), (0.7, 0.5, 93)]
)
def test_unpaired_sizes_as_published(larger, smaller, n):
    """n a group for power .8 at .05, as any table of the uncorrected formula has it (Fleiss 1981; Machin et al. 2009)."""
    assert unpaired_power(larger - smaller, n + 1.5, larger) >= 0.8
    assert unpaired_power(larger - smaller, n - 1.5, larger) <= 0.8


def mcnemar_exactly(difference, n, disagreement):
    """Return the power of the uncorrected McNemar test by adding up every outcome."""
    better = (disagreement + difference) / 2 / disagreement
    total = 0.0
    for discordant in range(1, n + 1):
        wins = np.arange(discordant + 1)
        rejects = (2 * wins - discordant) ** 2 / discordant >= 3.841459
        total += binom.pmf(discordant, n, disagreement) * binom.pmf(wins, discordant, better)[rejects].sum()
    return total


@pytest.mark.parametrize(
    ("n", "disagreement", "difference"), [(200, 0.1, 0.06), (500, 0.1, 0.04), (300, 0.3, 0.09), (80, 0.2, 0.13)]
)
def test_paired_power_agrees_with_adding_up_every_outcome(n, disagreement, difference):
    assert paired_power(difference, n, disagreement) == pytest.approx(mcnemar_exactly(difference, n, disagreement), abs=0.04)


@settings(deadline=None, max_examples=50)
@given(st.integers(20, 100_000), st.floats(0.55, 0.99), st.floats(0.02, 0.4))
def test_the_smallest_difference_has_just_the_power(n, accuracy, disagreement):
    unpaired, paired = unpaired_difference(n, accuracy), paired_difference(n, disagreement)
    assert unpaired_power(unpaired, n, accuracy) == pytest.approx(0.8, abs=1e-6)
    assert paired_power(paired, n, max(paired, disagreement)) == pytest.approx(0.8, abs=1e-6)
    assert paired_difference(4 * n, disagreement) <= paired


def test_of_too_few_no_difference_can_be_shown():
    assert unpaired_difference(2, 0.8) is None
    assert paired_difference(2, 0.1) is None


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=5).filter(any), st.floats(0, 1))
def test_the_chance_of_missing_equals_scipy(sizes, share):
    drawn = round(share * sum(sizes))
    oracle = [hypergeom.pmf(0, sum(sizes), size, drawn) for size in sizes]
    assert chance_of_missing(sizes, drawn) == pytest.approx(oracle, abs=1e-9)


def test_no_more_can_be_drawn_than_there_is():
    with pytest.raises(ValueError, match="0 to 5"):
        chance_of_missing([2, 3], 6)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=9))
def test_no_answer_by_picture_beats_the_ceiling(samples):
    pictures, labels = map(np.array, zip(*samples, strict=True))
    slow = sum(max(np.sum((pictures == picture) & (labels == label)) for label in range(3)) for picture in set(pictures))
    assert label_ceiling(pictures, labels) == slow / len(samples)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
def test_the_design_effect_is_that_of_the_simulated_mean(correlation):
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 9, 150)
    units = np.repeat(np.arange(150), sizes)
    told, means = [], []
    for _ in range(200):
        values = np.sqrt(correlation) * rng.normal(size=150)[units] + np.sqrt(1 - correlation) * rng.normal(size=units.size)
        told.append(design_effect(values, units, np.zeros(units.size, int))[0])
        means.append(values.mean())
    assert np.mean(told) == pytest.approx(np.var(means) * units.size, rel=0.25)


def test_samples_that_differ_are_no_likeness_of_units():
    rng = np.random.default_rng(2)
    units = np.repeat(np.arange(100), 4)
    samples = (units >= 50).astype(int)
    values = rng.normal(size=400) + 5 * samples
    assert (design_effect(values, units, samples) < 1.4).all()
    assert design_effect(values, units, np.zeros(400, int))[0] > 3


def test_design_effects_by_hand():
    assert design_effect([1.0, 2.0, 3.0], [0, 1, 2], [0, 0, 1]).tolist() == [1, 1]
    assert design_effect([1.0, 2.0, 3.0], [0, 0, 0], [0, 0, 0]).tolist() == [3]
    assert design_effect([1.0, 1.0, 5.0, 5.0, 2.0, 4.0], [0, 0, 1, 1, 2, 3], [0, 0, 0, 0, 1, 1]) == pytest.approx([2, 1], abs=0.5)


def test_the_effective_number_as_cui_et_al_have_it():
    assert effective_number([1, 10, 10_000], 0.0) == pytest.approx([1, 1, 1])
    assert effective_number([5, 0], 0.999) == pytest.approx([sum(0.999**i for i in range(5)), 0])
    assert effective_number([60, 40]) == pytest.approx([(1 - 0.99**60) / 0.01, (1 - 0.99**40) / 0.01])
    assert effective_number([0, 0]) == pytest.approx([0, 0])


def test_a_draw_misses_a_class_as_often_as_all_draws_say():
    sizes, drawn = [2, 3, 1], 2
    rows = np.repeat(np.arange(3), sizes)
    draws = list(combinations(rows, drawn))
    slow = [np.mean([label not in draw for draw in draws]) for label in range(3)]
    assert chance_of_missing(sizes, drawn) == pytest.approx(slow)


def test_the_design_effect_follows_from_scipys_analysis_of_variance():
    """Of units of m rows each, ρ = (F - 1) / (F - 1 + m), and the effect is 1 + (m - 1) ρ."""
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(30), 4)
    x = rng.normal(size=30)[units] + rng.normal(size=120)
    ratio = f_oneway(*x.reshape(30, 4)).statistic
    assert design_effect(x, units, np.zeros(120)).item() == pytest.approx(1 + 3 * (ratio - 1) / (ratio - 1 + 4))
