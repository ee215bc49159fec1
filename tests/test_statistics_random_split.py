from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom

from dataaudit.statistics.random_split import expected_leak


def simulated(sizes, n, draws=4_000):
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(n), [*sizes, *[1] * (n - sum(sizes))] + [0] * (n - len(sizes) - (n - sum(sizes))))
    m = round(0.2 * n)
    shares = []
    for _ in range(draws):
        order = rng.permutation(n)
        val, train = group[order[:m]], group[order[m:]]
        shares.append(np.isin(val, train).mean())
    return np.mean(shares), np.std(shares) / np.sqrt(draws)


@pytest.mark.parametrize(("sizes", "n"), [([2], 10), ([2] * 20, 100), ([5, 3, 2, 2], 60), ([30], 50), ([12] * 5, 60)])
def test_equals_the_simulation(sizes, n):
    mean, error = simulated(sizes, n)
    assert expected_leak(sizes, n) == pytest.approx(mean, abs=4 * error + 1e-9)


def test_pairs_by_hand():
    # of 10, two are drawn: a drawn twin's mate is among the other 9, of which one is drawn
    assert expected_leak([2], 10) == pytest.approx(2 / 10 * (1 - 1 / 9))


def test_singles_leak_nothing_and_larger_groups_leak_more():
    assert expected_leak([1] * 50, 50) == expected_leak([], 50) == 0
    assert expected_leak([2] * 6, 50) < expected_leak([3] * 4, 50) < expected_leak([12], 50)


def test_too_few_to_split():
    assert expected_leak([2], 2) == 0


def test_more_members_than_samples():
    with pytest.raises(ValueError, match="at most 3"):
        expected_leak([2, 2], 3)


def test_a_pictures_mates_are_all_drawn_as_often_as_scipy_says():
    sizes, n, m = [1, 2, 2, 3, 7], 50, 10
    torn = sum(size * (1 - hypergeom(n - 1, size - 1, m - 1).pmf(size - 1)) for size in sizes)
    assert expected_leak(sizes, n) == pytest.approx(torn / n)
