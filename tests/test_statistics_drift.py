from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp, wasserstein_distance

from dataaudit.statistics.drift import compare_distributions, smirnov_p, standardised_distance

SAMPLE = arrays(np.float64, st.integers(1, 30), elements=st.integers(-20, 20).map(float))


@pytest.mark.filterwarnings("ignore:ks_2samp:RuntimeWarning")
@settings(deadline=None, max_examples=80)
@given(SAMPLE, SAMPLE)
def test_equals_scipy(a, b):
    test, oracle = compare_distributions(a, b), ks_2samp(a, b, method="exact")
    assert (test.statistic, test.p_value) == (pytest.approx(oracle.statistic), pytest.approx(min(1, oracle.pvalue), abs=1e-12))
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
