from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import bootstrap, ks_2samp, rankdata, wasserstein_distance

from dataaudit.statistics.drift import (
    compare_distributions,
    compare_within_classes,
    distance_interval,
    permuted_p,
    smirnov_p,
    standardised_distance,
    within_class_ranks,
)

SAMPLE = arrays(np.float64, st.integers(1, 30), elements=st.integers(-20, 20).map(float))


@pytest.mark.filterwarnings("ignore:ks_2samp:RuntimeWarning")
@settings(deadline=None, max_examples=80)
@given(SAMPLE, SAMPLE)
def test_equals_scipy(a, b):
    test, oracle = compare_distributions(a, b), ks_2samp(a, b, method="exact")
    assert test.statistic == pytest.approx(oracle.statistic)
    if min(oracle.pvalue, test.p_value) < 0.99:  # nearer to 1 SciPy gives up and goes on asymptotically
        assert test.p_value == pytest.approx(oracle.pvalue, abs=1e-12)
    spread = np.sqrt((a.var() + b.var()) / 2 + (a.mean() - b.mean()) ** 2 / 4)
    assert test.effect == pytest.approx(wasserstein_distance(a, b) / spread if spread else 0)


@settings(deadline=None, max_examples=60)
@given(SAMPLE, SAMPLE, st.floats(0.01, 1_000), st.floats(-100, 100))
def test_effect_knows_no_unit_and_stays_in_its_range(a, b, unit, origin):
    effect = standardised_distance(a, b)
    assert 0 <= effect <= 2
    assert standardised_distance(b, a) == pytest.approx(effect)
    assert standardised_distance(a * unit + origin, b * unit + origin) == pytest.approx(effect, abs=1e-6)


def test_a_shift_is_its_size_in_standard_deviations():
    a = np.random.default_rng(0).normal(0, 1, 50_000)
    assert standardised_distance(a, a + 0.3) == pytest.approx(0.3, abs=0.01)


def test_a_change_of_spread_is_seen():
    rng = np.random.default_rng(0)
    assert standardised_distance(rng.normal(0, 1, 5_000), rng.normal(0, 3, 5_000)) > 0.5


def test_two_constants_are_finite():
    test = compare_distributions(np.full(40, 640.0), np.full(40, 320.0))
    assert (test.effect, test.statistic) == (2, 1)


def test_what_was_not_measured_is_left_out():
    assert compare_distributions([1, np.nan, 2], [1, 2]).effect == 0
    with pytest.raises(ValueError, match="finite"):
        compare_distributions([np.nan], [1])


def test_ties_make_the_test_conservative():
    rng = np.random.default_rng(5)
    p = [compare_distributions(rng.integers(0, 3, 150), rng.integers(0, 3, 80)).p_value for _ in range(300)]
    assert np.mean(np.array(p) < 0.05) <= 0.05


@pytest.mark.parametrize(("n", "m", "gap"), [(300, 80, 0.1), (2_000, 500, 0.08), (150, 70, 0.25), (101, 100, 0.15)])
def test_large_samples_are_close_to_exact(n, m, gap):
    a = np.arange(n) * 1.0
    b = np.quantile(a, np.clip(np.linspace(gap, 1 + gap, m), 0, 1)) + np.linspace(0, 1e-3, m)
    oracle = ks_2samp(a, b, method="exact")
    steps = round(oracle.statistic * n * m)
    assert smirnov_p(steps, n, m) == pytest.approx(oracle.pvalue, rel=0.25)


def test_impossible_chance_is_never_zero_for_small_samples():
    assert smirnov_p(100 * 90, 100, 90) > 0
    assert smirnov_p(0, 5, 7) == 1


@settings(deadline=None, max_examples=60)
@given(SAMPLE, st.data())
def test_ranks_equal_scipy_class_by_class(values, data):
    classes = np.array(data.draw(st.lists(st.integers(0, 3), min_size=values.size, max_size=values.size)))
    slow = np.empty(values.size)
    for code in np.unique(classes):
        inside = classes == code
        slow[inside] = (rankdata(values[inside]) - 0.5) / inside.sum()
    assert within_class_ranks(values, classes) == pytest.approx(slow)


def two_splits(rng, shift):
    """Return a bright and a dark class, mixed otherwise in the two splits; ``shift`` is added to the second split."""
    classes = (rng.choice(2, 400, p=[0.7, 0.3]), rng.choice(2, 200, p=[0.2, 0.8]))
    values = [60 + 80 * codes + rng.normal(0, 10, codes.size) for codes in classes]
    return values[0], classes[0], values[1] + shift, classes[1]


def test_other_class_shares_alone_are_no_drift():
    rng = np.random.default_rng(4)
    a, _, b, _ = two_splits(rng, 0)
    assert compare_distributions(a, b).p_value < 1e-10
    p = np.array([compare_within_classes(*two_splits(rng, 0)).p_value for _ in range(200)])
    assert (p < 0.05).mean() <= 0.08


def test_drift_within_the_classes_is_seen_and_measured():
    test = compare_within_classes(*two_splits(np.random.default_rng(4), -10))
    assert test.p_value < 1e-6
    assert 0.5 < test.effect < 1
    assert test.mean_b - test.mean_a == pytest.approx(-10, abs=2)


def test_of_one_class_both_ways_agree():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 60), rng.normal(0.4, 1, 30)
    one, other = compare_distributions(a, b), compare_within_classes(a, np.zeros(60), b, np.zeros(30))
    assert (other.statistic, other.p_value, other.mean_a) == (one.statistic, one.p_value, pytest.approx(one.mean_a))


def test_classes_of_one_side_take_no_part():
    assert compare_within_classes([1.0], [0], [2.0], [1]) is None
    assert compare_within_classes([1.0, 9.0], [0, 2], [1.0], [0]).mean_a == 1


def test_groups_take_their_share_of_the_evidence():
    rng = np.random.default_rng(8)
    p_plain, p_grouped = [], []
    for _ in range(80):
        units = np.repeat(np.arange(80), 5)
        values = rng.normal(size=80)[units] + 0.5 * rng.normal(size=400)
        a, b = values[:250], values[250:]
        p_plain.append(compare_distributions(a, b).p_value)
        p_grouped.append(compare_distributions(a, b, (units[:250], units[250:])).p_value)
    assert (np.array(p_plain) < 0.05).mean() > 0.2
    assert (np.array(p_grouped) < 0.05).mean() <= 0.12


def test_rows_of_their_own_are_tested_as_before():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=40), rng.normal(size=30)
    alone = compare_distributions(a, b, (np.arange(40), np.arange(40, 70)))
    assert alone == compare_distributions(a, b)
    assert alone.effective == (40, 30)


def test_the_interval_covers_the_distance():
    rng = np.random.default_rng(1)
    truth = standardised_distance(rng.normal(0, 1, 200_000), rng.normal(0.5, 1, 200_000))
    covered, widths = 0, []
    for seed in range(120):
        a, b = rng.normal(0, 1, 300), rng.normal(0.5, 1, 150)
        low, high = distance_interval(a, b, (300, 150), seed)
        covered += low <= truth <= high
        widths.append(high - low)
    assert covered >= 105
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.sqrt(1 / 300 + 1 / 150), rel=0.25)
    assert distance_interval(np.ones(9), np.ones(9), (9, 9)) == (0, 0)
    assert distance_interval(np.zeros(9), np.ones(9), (9, 9)) == (2, 2)


def test_whole_units_are_exchanged():
    rng = np.random.default_rng(0)
    units_a, units_b = np.repeat(np.arange(20), 5), np.repeat(np.arange(20, 30), 5)
    values = rng.permutation(30)[np.concatenate((units_a, units_b))] + rng.random(150)
    ranks = np.searchsorted(np.sort(values), values)
    distances = []
    for _ in range(2_000):  # the slow twin
        chosen = np.isin(np.concatenate((units_a, units_b)), rng.permutation(30)[:10])
        distances.append(ks_2samp(values[~chosen], values[chosen]).statistic)
    exact = np.mean(np.array(distances) >= ks_2samp(values[:100], values[100:]).statistic - 1e-9)
    assert permuted_p(ranks, units_a, units_b) == pytest.approx(exact, abs=0.06)


def test_units_whose_likeness_no_mean_shows_do_not_alarm():
    """Two senders sent many pictures, of all kinds; the others one each, all alike. An analysis of variance sees no likeness."""
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sizes = rng.permutation([30, 30, *[1] * 38])
        unit = np.repeat(np.arange(40), sizes)
        x = np.where(sizes[unit] > 1, 1.0, 0.05) * rng.normal(size=unit.size)
        a = unit < 28
        alarms += compare_distributions(x[a], x[~a], (unit[a], unit[~a])).p_value <= 0.05
    assert alarms <= 16


def test_the_interval_is_scipys_basic_bootstrap():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=90), rng.normal(0.8, 1.3, size=70)
    oracle = bootstrap(
        (a, b), standardised_distance, vectorized=False, method="basic", n_resamples=499, rng=np.random.default_rng(0)
    )
    assert distance_interval(a, b, (90, 70)) == pytest.approx(tuple(oracle.confidence_interval), abs=0.06)
