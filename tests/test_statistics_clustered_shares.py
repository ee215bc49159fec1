from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, chi2_contingency
from statsmodels.regression.linear_model import OLS

from dataaudit.statistics.clustered_shares import (
    Clusters,
    _chi_square,
    _counts,
    compared,
    permutation_p,
    shares_design_effect,
    total_variation_interval,
)
from dataaudit.statistics.shares import compare_shares


def clustered(rng, units=60, size=6, pure=1.0, classes=3):
    """Return classes, units and splits of a split by unit; a unit's rows are of one class, but for a share of them."""
    sizes = rng.integers(1, size + 1, units)
    unit = np.repeat(np.arange(units), sizes)
    own = rng.integers(0, classes, units)[unit]
    label = np.where(rng.random(unit.size) < pure, own, rng.integers(0, classes, unit.size))
    return label, unit, (rng.random(units) < 0.4)[unit]


def test_the_statistic_is_pearsons():
    label, unit, second = clustered(np.random.default_rng(0))
    clusters = Clusters(label, unit, second)
    totals = np.bincount(label).astype(float)
    found = _chi_square(_counts(clusters, clusters.second[:, None], 3), totals)
    table = [np.bincount(label[side], minlength=3) for side in (second, ~second)]
    assert found[0] == pytest.approx(chi2_contingency(table, correction=False).statistic)


def test_of_single_rows_it_is_the_plain_test():
    rng = np.random.default_rng(1)
    label, second = rng.choice(3, 150, p=[0.5, 0.3, 0.2]), rng.random(150) < 0.3
    clusters = Clusters(label, np.arange(150), second)
    assert clusters.single
    assert shares_design_effect(clusters) == pytest.approx(1)
    plain = compare_shares(np.bincount(label[second], minlength=3), np.bincount(label[~second], minlength=3))
    assert permutation_p(clusters) == pytest.approx(plain.p_value, abs=0.05)


@pytest.mark.parametrize("pure", [1.0, 0.5])
def test_groups_that_go_together_are_no_evidence(pure):
    rng = np.random.default_rng(2)
    drawn = [clustered(rng, pure=pure) for _ in range(80)]
    p = np.array([permutation_p(Clusters(*each), seed) for seed, each in enumerate(drawn)])
    plain = [
        compare_shares(np.bincount(label[second], minlength=3), np.bincount(label[~second], minlength=3)).p_value
        for label, _, second in drawn
    ]
    assert (p < 0.05).sum() <= 11  # of 80: 12 would come by chance once in 1,000 times
    assert (np.array(plain) < 0.05).sum() > (p < 0.05).sum()


def test_neither_numbers_nor_rows_nor_names_have_a_say():
    rng = np.random.default_rng(3)
    for _ in range(5):
        label, unit, second = clustered(rng, pure=0.7)
        rows, units, names = rng.permutation(label.size), rng.permutation(unit.max() + 1), rng.permutation(3)
        first = permutation_p(Clusters(label, unit, second))
        assert 1 / 2_000 < first < 1
        assert permutation_p(Clusters(names[label[rows]], units[unit[rows]], second[rows])) == first


def test_classes_that_are_equally_many_are_told_apart_by_their_clusters():
    """Two classes of one size, half in each split; the one in clusters of two, the other in clusters of four."""
    rng = np.random.default_rng(6)
    for _ in range(5):
        sizes = rng.permutation([2] * 8 + [4] * 4 + [3] * 6)
        unit = np.repeat(np.arange(sizes.size), sizes)
        of_size = {2: 0, 4: 1, 3: 2}
        label = np.array([of_size[size] for size in sizes])[unit]
        rank = np.array([np.flatnonzero(sizes[: place + 1] == sizes[place]).size for place in range(sizes.size)])
        second = (rank % 2 == 0)[unit]
        first = permutation_p(Clusters(label, unit, second))
        assert permutation_p(Clusters(np.array([1, 0, 2])[label], unit, second)) == first


def slow_counts(clusters, second, k):
    counts = np.zeros((k, second.shape[1]))
    for label, cluster in zip(clusters.label, clusters.cluster, strict=True):
        counts[label] += second[cluster]
    return counts


def test_counts_are_those_of_a_loop():
    rng = np.random.default_rng(7)
    for _ in range(5):
        label, unit, second = clustered(rng, pure=0.5)
        clusters = Clusters(2 * label, unit, second)  # no sample of every other class
        draws = rng.permuted(np.repeat(clusters.second[:, None], 7, axis=1), axis=0)
        assert (_counts(clusters, draws, 5) == slow_counts(clusters, draws, 5)).all()


def split_of(clusters_of_class, second):
    """Return labels, splits and units: of each class so many clusters of 20, in train or in the split ``second``."""
    label = np.repeat(np.arange(len(clusters_of_class[0])), np.sum(clusters_of_class, axis=0))
    parts = [np.repeat([0, second], [train, other]) for train, other in zip(*clusters_of_class, strict=True)]
    units = np.arange(label.size)
    return (np.repeat(column, 20) for column in (label.astype(np.int32), np.concatenate(parts).astype(np.int8), units))


def test_what_differs_is_what_whole_groups_bear_out():
    options = {"classes": 2, "alpha": 0.05, "least": 0.05}
    label, split, unit = split_of([[30, 30], [4, 16]], 1)
    found = compared(label, split, unit, others=(1, 2), **options)
    assert list(found) == [1], "no sample is in test"
    (each,) = found.values()
    assert each.single.q_value < each.difference.q_value < 0.05
    assert each.difference.q_value == each.difference.test.p_value == permutation_p(each.clusters)
    assert [counts.tolist() for counts in each.counts] == [[600, 600], [80, 320]]
    label, split, unit = split_of([[6, 6], [1, 3]], 2)
    found = compared(label, split, unit, others=(1, 2), **options)[2]
    assert found.single is not None
    assert found.difference is None
    assert compared(label, split, None, others=(2,), **options)[2].difference == found.single
    assert compared(label, split, unit, others=(1, 2), wanted=(1,), **options)[2].clusters is None, "nobody asked"
    assert compared(label[:0], split[:0], unit[:0], others=(1, 2), **options) == {}


def test_the_corrected_chi_square_agrees_with_the_permutation(monkeypatch):
    rng = np.random.default_rng(4)
    drawn = [Clusters(*clustered(rng, units=300)) for _ in range(12)]
    slow = [permutation_p(each) for each in drawn]
    monkeypatch.setattr("dataaudit.statistics.clustered_shares.MOST_CLUSTERS", 0)
    assert [permutation_p(each) for each in drawn] == pytest.approx(slow, abs=0.12)


def test_the_design_effect_by_hand():
    clusters = Clusters(np.repeat([0, 1, 0, 1], [4, 4, 2, 2]), np.repeat([0, 1, 2, 3], [4, 4, 2, 2]), np.repeat([0, 1, 0, 1], 3))
    sizes = np.bincount(clusters.cluster)
    assert shares_design_effect(clusters) == pytest.approx((sizes**2).sum() / 12)
    assert shares_design_effect(Clusters([0, 0], [0, 0], [0, 0])) == 1


def test_the_interval_covers_the_truth():
    rng = np.random.default_rng(5)
    shares = np.array([0.5, 0.3, 0.2]), np.array([0.35, 0.35, 0.3])
    truth, covered = 0.15, 0
    for seed in range(150):
        a, b = (rng.multinomial(n, share) for n, share in zip((400, 200), shares, strict=True))
        low, high = total_variation_interval(a, b, seed=seed)
        covered += low <= truth <= high
    assert covered >= 134  # 0.95 · 150 less three standard deviations
    wide = total_variation_interval([80, 20], [50, 50], 4.0)
    narrow = total_variation_interval([80, 20], [50, 50])
    assert wide[0] < narrow[0] < 0.3 < narrow[1] < wide[1]


def test_the_interval_is_scipys_basic_bootstrap():
    a, b = np.repeat([0, 1, 2], [60, 30, 10]), np.repeat([0, 1, 2], [20, 20, 20])

    def distance(first, second):
        return np.abs(np.bincount(first, minlength=3) / first.size - np.bincount(second, minlength=3) / second.size).sum() / 2

    oracle = bootstrap((a, b), distance, vectorized=False, method="basic", n_resamples=999, rng=np.random.default_rng(0))
    found = total_variation_interval(np.bincount(a), np.bincount(b))
    assert found == pytest.approx(tuple(oracle.confidence_interval), abs=0.02)


def test_the_design_effect_is_that_of_statsmodels_cluster_robust_variance():
    """Of two classes: the robust variance of the mean of an indicator, over that of as many independent rows."""
    label, unit, second = clustered(np.random.default_rng(2), units=80)
    label = np.minimum(label, 1)
    clusters = Clusters(label, unit, second)
    fitted = OLS(label.astype(float), np.ones(label.size)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters.cluster, "use_correction": False}
    )
    share = label.mean()
    assert shares_design_effect(clusters) == pytest.approx(fitted.cov_params().item() / (share * (1 - share) / label.size))
