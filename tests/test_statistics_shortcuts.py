"""Small models against scikit-learn's, permutations against counting them all, levels against their nominal ones."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score

from dataaudit.dedup.permutation import permutation_p, shuffled_within
from dataaudit.statistics.shortcuts import FOLDS, RIDGE, _folds, _Ridge, bins, how_well, indicators, levels


def population(n, k=3, seed=0, effect=0.0):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, k, n)
    columns = [
        bins("x", rng.normal(0, 1, n) + effect * target),
        bins("y", np.round(rng.normal(0, 1, n), 1)),
        levels("z", [("a", "b", "")[i] for i in rng.integers(0, 3, n)]),
    ]
    return indicators(columns)[0], target


def test_the_model_is_scikit_learns_ridge():
    design, target = population(300, effect=1.0)
    folds = _folds(np.arange(300), np.random.default_rng(1))
    shares = np.bincount(target) / 300
    answers = np.empty(300, int)
    for fold in range(FOLDS):
        train, held = folds != fold, folds == fold
        model = Ridge(alpha=RIDGE, fit_intercept=False).fit(design[train], np.eye(3)[target[train]] - shares)
        answers[held] = np.round(model.predict(design[held]) / shares, 9).argmax(axis=1)
    model = _Ridge(design, folds, shares)
    assert np.array_equal(model.answers(target[None])[0], answers)
    assert model.balanced_accuracy(target[None])[0] == pytest.approx(balanced_accuracy_score(target, answers))


def test_many_targets_at_once_are_each_alone():
    design, target = population(120)
    model = _Ridge(design, _folds(np.arange(120), np.random.default_rng(1)), np.bincount(target) / 120)
    shuffled = target[shuffled_within(np.zeros(120, np.int64), 4, np.random.default_rng(2))]
    assert model.balanced_accuracy(shuffled).tolist() == [model.balanced_accuracy(each[None])[0] for each in shuffled]


def test_units_are_never_torn():
    units = np.random.default_rng(0).integers(0, 40, 200)
    folds = _folds(units, np.random.default_rng(1))
    assert all(len(set(folds[units == unit])) == 1 for unit in set(units))
    assert np.bincount(folds, minlength=FOLDS).min() > 20


def test_permutations_stay_in_their_blocks():
    blocks = np.array([0, 1, 0, 2, 1, 0])
    for each in shuffled_within(blocks, 50, np.random.default_rng(0)):
        assert sorted(each) == list(range(6))
        assert np.array_equal(blocks[each], blocks)


def test_the_p_value_nears_the_exact_one():
    values = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.0])
    observed = values[:3].sum() + 3
    exact = np.mean([values[list(order[:3])].sum() >= observed for order in permutations(range(7))])
    rng = np.random.default_rng(0)

    def draw(number):
        return np.array([rng.permutation(values)[:3].sum() for _ in range(number)])

    found = [permutation_p(observed, draw)[0] for _ in range(40)]
    assert np.mean(found) == pytest.approx(exact, rel=0.15)


def test_p_is_never_zero_and_chance_is_the_mean_of_the_permuted():
    assert permutation_p(2.0, np.zeros, 99) == (0.01, 0.0)
    assert permutation_p(0.0, np.zeros, 99) == (1.0, 0.0)


def test_what_tells_nothing_alarms_at_its_level():
    """A nominal 5 %: at most 16 of 200 (of 200 draws of a fair test more are seen once in 40 tries)."""
    alarms = 0
    for seed in range(200):
        design, target = population(150, seed=seed)
        alarms += how_well(design, target, np.arange(150), np.zeros(150, np.int64), -1.0, draws=99).p_value <= 0.05
    assert 1 <= alarms <= 16


def test_mixed_and_pure_groups_alarm_at_their_level():
    """Groups share their features: a test that took rows for independent would alarm nearly always."""
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        units = np.repeat(np.arange(50), 3)
        target = np.tile(np.arange(3), 50)
        design = indicators([bins("x", np.round(rng.normal(0, 1, 50)[units] + rng.normal(0, 0.1, 150), 1))])[0]
        alarms += how_well(design, target, units, units, -1.0, draws=99).p_value <= 0.05
    assert alarms <= 16


def test_what_tells_is_found_and_never_depends_on_the_run():
    design, target = population(400, effect=2.0)
    first, second = (how_well(design, target, np.arange(400), np.zeros(400, np.int64), 0.2) for _ in range(2))
    assert first == second
    assert first.p_value < 0.001
    assert first.gain > 0.5
    assert first.chance == pytest.approx(1 / 3, abs=0.01)


def test_under_the_floor_nothing_is_drawn():
    design, target = population(100)
    telling = how_well(design, target, np.arange(100), np.zeros(100, np.int64), 0.9)
    assert (telling.p_value, telling.chance) == (1.0, pytest.approx(1 / 3))


def test_bins():
    column = bins("width", np.array([640.0, 320.0, 640.0, np.nan]), 6)
    assert [column.names[code] for code in column.codes] == ["width 640", "width 320", "width 640", "no width"]
    many = bins("x", np.arange(80.0))
    assert np.bincount(many.codes).tolist() == [9, 10, 10, 10, 10, 10, 10, 11]
    assert many.names[0] == "x 0 to 8"
    spike = bins("x", np.concatenate([np.zeros(90), np.arange(1.0, 11.0)]))
    assert spike.codes[:90].max() == 0 < spike.codes[90:].min()
    assert bins("x", np.full(3, np.nan)).codes.tolist() == [1, 1, 1]


def test_levels():
    column = levels("camera", ["A"] * 6 + [""] * 5 + ["rare"] * 4)
    assert [column.names[code] for code in column.codes[[0, 6, 11]]] == ["camera A", "no camera", "another camera"]


def test_what_chance_never_reaches_is_not_drawn_to_the_end():
    rng, drawn = np.random.default_rng(0), []

    def draw(number):
        drawn.append(number)
        return rng.normal(size=number)

    assert permutation_p(20.0, draw, 2_999)[0] == 1 / 3_000
    assert sum(drawn) < 300
    drawn.clear()
    permutation_p(4.5, draw, 2_999)
    assert sum(drawn) == 2_999
