"""Two samples in many dimensions, against scikit-learn, SciPy and slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, pearson3, rankdata, skew
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import PolynomialFeatures

from dataaudit.statistics.two_samples import (
    FOLDS,
    Design,
    coverage,
    expected_coverage,
    neighbours_for,
    normal_scores,
    principal_components,
    quadratic,
    separability,
    spread,
    tail_p,
    within_class_auc,
)


def drawn(seed=0, n=160, classes=3, groups=None):
    """Return values (n, 4), samples, classes and units; units of several rows lie in one sample, as a split by group has it."""
    rng = np.random.default_rng(seed)
    unit = np.arange(n) if groups is None else np.sort(rng.integers(0, groups, n))
    second = rng.random(n)[np.unique(unit, return_index=True)[1]][np.unique(unit, return_inverse=True)[1]] < 0.4
    kind = rng.integers(0, classes, n)
    shared = rng.normal(size=(n, 4))[unit] if groups else 0
    return rng.normal(size=(n, 4)) + kind[:, None] + shared, second, kind, unit


def test_the_auc_of_one_class_equals_scikit_learn():
    rng = np.random.default_rng(0)
    scores, second = rng.normal(size=(80, 5)), (rng.random((80, 5)) < 0.3).astype(float)
    oracle = [roc_auc_score(second[:, column], scores[:, column]) for column in range(5)]
    assert within_class_auc(scores, second, np.zeros(80, np.int64)) == pytest.approx(oracle)


def test_the_auc_counts_pairs_of_one_class_only():
    values, second, kind, _ = drawn()
    scores = values[:, 0]
    pairs = [(i, j) for i in np.flatnonzero(second) for j in np.flatnonzero(~second) if kind[i] == kind[j]]
    slow = np.mean([scores[i] > scores[j] for i, j in pairs])
    assert within_class_auc(scores[:, None], second[:, None].astype(float), kind)[0] == pytest.approx(slow)
    assert within_class_auc(scores[:, None], np.zeros((160, 1)), kind)[0] == 0.5


def test_the_design_keeps_classes_and_units():
    _, second, kind, unit = drawn(groups=40)
    design = Design.of(second, kind, unit, seed=3, permutations=50)
    assert len(np.unique(np.stack([unit, design.folds]), axis=1).T) == np.unique(unit).size
    assert set(np.unique(design.folds)) == set(range(FOLDS))
    for mine in (np.flatnonzero(unit == number) for number in np.unique(unit)):
        assert (design.permuted[mine] == design.permuted[mine[:1]]).all()
    _, alone, kind, _ = drawn()
    single = Design.of(alone, kind, np.arange(160), seed=3, permutations=50)
    for number in range(3):
        assert (single.permuted[kind == number].sum(axis=0) == alone[kind == number].sum()).all()
    assert (np.ptp(single.permuted, axis=1) > 0).mean() > 0.9
    again = Design.of(alone, kind, np.arange(160), seed=3, permutations=50)
    np.testing.assert_array_equal(single.permuted, again.permuted)


@pytest.mark.parametrize("columns", [4, 300])
def test_the_out_of_fold_scores_equal_scikit_learns_ridge(columns):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(120, columns))
    second = x[:, 0] + rng.normal(size=120) > 0.3
    design = Design.of(second, np.zeros(120), np.arange(120), seed=0, permutations=9)
    found = separability(x, [], design, seed=0)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    for fold in range(FOLDS):
        inside = design.folds == fold
        base = second[~inside].mean()
        oracle = Ridge(alpha=columns, fit_intercept=False).fit(scaled[~inside], second[~inside] - base)
        assert found.scores[inside] == pytest.approx(oracle.predict(scaled[inside]) + base, abs=1e-6)


def test_what_separates_is_named():
    values, second, kind, unit = drawn(n=400)
    values[second, 2] += 1.5
    scores = normal_scores(values, kind)
    features, groups = quadratic(scores)
    found = separability(features, groups, Design.of(second, kind, unit, seed=0), seed=0)
    assert found.auc > 0.75
    assert found.p_value < 1e-6
    assert int(np.argmax(found.importance)) == 2
    assert found.importance[2] > 5 * abs(found.importance[0])
    assert found.scores[second].mean() > found.scores[~second].mean()


@pytest.mark.parametrize("groups", [None, 30])
def test_levels_hold_whatever_the_groups_and_the_class_mix(groups):
    p_values = []
    for seed in range(60):
        values, second, kind, unit = drawn(seed, n=120, groups=groups)
        scores = normal_scores(values, kind)
        design = Design.of(second, kind, unit, seed=seed, permutations=99)
        p_values.append(
            (
                separability(quadratic(scores)[0], [], design, 0).p_value,
                spread(scores, design).p_value,
                coverage(scores, design).p_value,
            )
        )
    assert ((np.array(p_values) < 0.05).sum(axis=0) <= 9).all()  # of 60: 10 would come by chance once in 1,000 times
    assert (np.array(p_values).mean(axis=0) > 0.35).all()


def test_a_narrow_sample_is_seen_and_measured():
    values, second, kind, unit = drawn(n=400)
    scores = normal_scores(values, kind)
    scores[second] *= 0.6
    found = spread(scores, Design.of(second, kind, unit, seed=0))
    assert found.ratio == pytest.approx(0.6, abs=0.08)
    assert found.p_value < 1e-4
    assert found.ratios == pytest.approx(scores[second].std(axis=0) / scores[~second].std(axis=0))


def test_what_does_not_vary_has_no_spread():
    design = Design.of(np.arange(40) < 20, np.zeros(40), np.arange(40), seed=0)
    assert spread(np.zeros((40, 2)), design).p_value == 1


def test_coverage_equals_a_slow_twin():
    values, second, kind, unit = drawn(n=90)
    found = coverage(values, Design.of(second, kind, unit, seed=0))
    first = values[~second]
    own = NearestNeighbors(n_neighbors=found.neighbours + 1).fit(first).kneighbors(first)[0][:, -1]
    nearest = NearestNeighbors(n_neighbors=1).fit(values[second]).kneighbors(first)[0][:, 0]
    assert found.covered == pytest.approx(np.mean(nearest < own))
    assert found.missed.tolist() == np.flatnonzero(~second)[nearest >= own].tolist()


def test_an_unreached_part_is_seen():
    rng = np.random.default_rng(0)
    values = np.concatenate((rng.normal(size=(200, 3)), rng.normal(size=(60, 3)) + 9))
    second = np.arange(260) < 100
    found = coverage(values, Design.of(second, np.zeros(260), np.arange(260), seed=0))
    assert found.covered < 0.7
    assert found.p_value < 1e-4
    assert set(range(200, 260)) <= set(found.missed.tolist())


def test_expected_coverage_is_what_samples_of_one_population_have():
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(60):
        second = rng.permutation(120) < 40
        seen.append(coverage(rng.normal(size=(120, 2)), Design.of(second, np.zeros(120), np.arange(120), 0, 2)).covered)
    assert np.mean(seen) == pytest.approx(expected_coverage(80, 40, neighbours_for(80, 40)), abs=0.01)
    assert expected_coverage(2, 1, 1) == 0.5
    assert neighbours_for(1, 5) == 1


def test_tails():
    null = np.random.default_rng(0).normal(size=999)
    assert tail_p(0.0, null) == pytest.approx((1 + (null >= 0).sum()) / 1000)
    fitted = pearson3.sf(5.0, skew(null), null.mean(), null.std(ddof=1))
    assert tail_p(5.0, null) == pytest.approx(max(fitted, norm.sf((5 - null.mean()) / null.std(ddof=1))))
    flat = np.linspace(-1, 1, 399)
    assert tail_p(4.0, flat) == pytest.approx(norm.sf(4 / flat.std(ddof=1)))
    assert tail_p(1.0, np.ones(99)) == 1
    assert tail_p(2.0, np.ones(99)) == 0.01


def test_a_skewed_tail_is_not_promised_to_be_normal():
    """Of an exponential distribution e⁻⁸ lies beyond 8, which is seven deviations above its mean."""
    found = [tail_p(8.0, np.random.default_rng(seed).exponential(size=399)) for seed in range(50)]
    assert np.exp(-8) / 5 < np.median(found) < np.exp(-8) * 5
    assert min(found) > 100 * norm.sf(7.0)


def test_the_fitted_tail_is_near_and_on_the_safe_side_of_many_permutations():
    values, second, kind, unit = drawn(seed=1, n=200)
    values[second] += 0.4
    x = normal_scores(values, kind)
    few, many = (separability(x, [], Design.of(second, kind, unit, 0, draws), 0).p_value for draws in (399, 20_000))
    assert 1e-4 < many < 0.02
    assert many / 2 < few < 10 * many


def test_normal_scores_equal_scipy_class_by_class():
    values, _, kind, _ = drawn()
    slow = np.empty_like(values)
    for number in range(3):
        mine = kind == number
        slow[mine] = norm.ppf((rankdata(values[mine], axis=0) - 0.5) / mine.sum())
    assert normal_scores(values, kind) == pytest.approx(slow)


def test_products_and_squares_by_hand():
    made, takes = quadratic(np.array([[2.0, 3.0]]))
    assert made.tolist() == [[2, 3, 4, 9, 6]]
    assert takes == ((0, 2, 4), (1, 3, 4))


def test_principal_components_keep_the_distances_of_what_is_left_of_the_classes():
    values, _, kind, _ = drawn()
    kept = principal_components(values, kind, most=4)
    centred = values - np.array([values[kind == number].mean(axis=0) for number in range(3)])[kind]
    assert kept @ kept.T == pytest.approx(centred @ centred.T)
    assert principal_components(values, kind, most=2) == pytest.approx(kept[:, :2])


def test_products_and_squares_are_scikit_learns():
    x = np.random.default_rng(0).normal(size=(20, 4))
    made, _ = quadratic(x)
    slow = PolynomialFeatures(2, include_bias=False).fit_transform(x)
    assert np.sort(made, axis=1) == pytest.approx(np.sort(slow, axis=1))


def test_of_one_class_the_components_are_scikit_learns():
    x = np.random.default_rng(0).normal(size=(40, 6)) * np.arange(1, 7)
    found = principal_components(x, np.zeros(40, np.int64), most=3)
    assert np.abs(found) == pytest.approx(np.abs(PCA(3).fit_transform(x)))
