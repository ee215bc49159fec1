"""Confident learning against a slow twin of the paper's formulas, and on labels that were made wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.statistics.confident_learning import confident_joint, cross_validated, suspects


def chances(n, k, seed, confidence=3.0):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    logits = rng.normal(0, 1, (n, k)) + confidence * np.eye(k)[labels] * (rng.random(n) < 0.8)[:, None]
    exponents = np.exp(logits)
    return exponents / exponents.sum(axis=1, keepdims=True), labels


def slow_joint(probabilities, labels):
    """Northcutt et al. (2021), section 3.1, read literally."""
    n, k = probabilities.shape
    threshold = [np.mean([probabilities[x, j] for x in range(n) if labels[x] == j]) for j in range(k)]
    joint, best = np.zeros((k, k), int), []
    for x in range(n):
        above = [j for j in range(k) if probabilities[x, j] >= threshold[j] - 1e-6]
        best.append(max(above, key=lambda j, x=x: probabilities[x, j]) if above else -1)
        if above:
            joint[labels[x], best[-1]] += 1
    return joint, best


@settings(deadline=None, max_examples=25)
@given(st.integers(5, 60), st.integers(2, 5), st.integers(0, 10**6))
def test_the_joint_is_the_papers(n, k, seed):
    probabilities, labels = chances(n, k, seed)
    joint, best = confident_joint(probabilities, labels)
    slow, slow_best = slow_joint(probabilities, labels)
    assert np.array_equal(joint, slow)
    assert best.tolist() == slow_best
    found = suspects(probabilities, labels)
    assert sorted(found.rows) == [x for x in range(n) if best[x] not in {-1, labels[x]}]
    assert found.margin.tolist() == sorted(found.margin)
    assert 0 <= found.noise <= 1


def test_the_ranking_is_the_normalised_margin():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.45, 0.55], [0.1, 0.9]])
    found = suspects(probabilities, np.array([0, 0, 0, 1]))
    assert found.rows.tolist() == []
    labels = np.array([0, 0, 0, 1, 1])
    found = suspects(np.vstack([probabilities, [0.3, 0.7]]), labels)
    assert (found.rows.tolist(), found.suggested.tolist()) == ([1], [1])
    assert found.margin.tolist() == [pytest.approx(-0.6)]


def planted(n=300, k=3, seed=0, wrong=15):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    embeddings = (rng.normal(0, 1, (n, 16)) + 4 * np.eye(k, 16)[truth]).astype(np.float32)
    labels = truth.copy()
    swapped = rng.choice(n, wrong, replace=False)
    labels[swapped] = (labels[swapped] + 1) % k
    return embeddings, labels, truth, swapped


def test_planted_errors_are_on_the_list_with_the_right_suggestion():
    embeddings, labels, truth, swapped = planted()
    found = suspects(cross_validated(embeddings, labels, np.arange(300)), labels)
    assert len(set(found.rows) & set(swapped)) >= 10
    assert len(found.rows) <= 25
    hits = np.isin(found.rows, swapped)
    assert np.array_equal(found.suggested[hits], truth[found.rows[hits]])
    assert hits[:10].mean() >= 0.9
    assert found.noise == pytest.approx(0.05, abs=0.03)


def test_predictions_are_out_of_unit_and_the_same_twice():
    """A unit whose embeddings tell its number could be learned by heart: its mates must not be in train."""
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(60), 4)
    labels = rng.integers(0, 2, 60)[units]
    embeddings = (np.eye(60)[units] * 10 + rng.normal(0, 0.01, (240, 60))).astype(np.float32)
    first = cross_validated(embeddings, labels, units)
    assert np.array_equal(first, cross_validated(embeddings, labels, units))
    assert (first.argmax(axis=1) == labels).mean() < 0.7
    assert first.sum(axis=1) == pytest.approx(np.ones(240))


def test_it_is_cleanlabs_answer():
    """What cleanlab 2.9.0 gave: compute_confident_joint, find_label_issues(filter_by="confident_learning"), estimate_joint."""
    i, j = np.arange(60)[:, None], np.arange(3)
    labels = np.arange(60) * 7 % 11 % 3
    probabilities = (1 + (i * 7919 + j * 104729 + i * j * 31) % 97) / 97
    probabilities[np.arange(60), labels] += 0.2
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert confident_joint(probabilities, labels)[0].tolist() == [[11, 5, 5], [3, 8, 4], [1, 3, 7]]
    found = suspects(probabilities, labels)
    assert found.rows.tolist() == [
        *(14, 49, 0, 42, 22, 53, 44, 13, 2, 55, 33),
        *(11, 18, 24, 46, 3, 25, 52, 30, 8, 58),
    ]
    assert found.noise == pytest.approx(26 / 60, abs=1 / 60)  # cleanlab rounds the scaled joint to whole samples
