"""A few against all: the same nominations as by comparing everything, for the price of less."""

from __future__ import annotations

import numpy as np
import pytest

from dataaudit.dedup import few as module
from dataaudit.dedup.few import _best
from dataaudit.dedup.neighbours import NORMALISATION, UNIT, in_units, nearness
from dataaudit.dedup.vectors import Vectors


def drawn(seed: int, size: int) -> np.ndarray:
    """Unit vectors: half of them in kinds, some equal, some nearly."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(size, 128))
    vectors[: size // 2] += 3.0 * rng.normal(size=(7, 128))[rng.integers(0, 7, size // 2)]
    copies = rng.integers(0, size, size // 8)
    vectors[rng.integers(0, size, size // 8)] = vectors[copies] + rng.normal(0, 0.4, (size // 8, 128)) * rng.integers(
        0, 2, (size // 8, 1)
    )
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize(
    ("seed", "size", "count"), [(0, 900, 8), (1, 900, 64), (2, 30, 64), (3, 5, 2), (4, 2, 1), (5, 2500, 16), (6, 12, 8)]
)
@pytest.mark.parametrize("least", [-0.3, -0.05, 0.2])
def test_the_best_are_those_of_all(seed, size, count, least, monkeypatch):
    monkeypatch.setattr(module, "BACKGROUND", max(1, size * 2 // 3))
    descriptors = drawn(seed, size + 9)
    rows = np.sort(np.random.default_rng(seed).permutation(size + 9)[:size]).astype(np.int64)
    few = rows[:: max(1, size // 15)]
    whole = in_units(descriptors)
    background = whole[rows[: module.BACKGROUND]]
    near = nearness(whole, background).astype(np.float64)
    expected = []
    for row in few.tolist():
        product = whole[rows] @ whole[row]
        score = (product - NORMALISATION * (near[row] + near[rows])) / UNIT**2
        others = [(-value, other) for value, other in zip(score.tolist(), rows.tolist(), strict=True) if other != row]
        expected += [(row, other) for value, other in sorted(others)[:count] if -value >= least]
    a, b, score = _best(Vectors(descriptors, np.arange(len(descriptors)), rows), few, least, count)
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == expected
    assert (score >= least).all()


def test_little_of_the_background_is_looked_at(monkeypatch):
    descriptors = drawn(6, 20_000)
    rows, looked = np.arange(20_000), []
    monkeypatch.setattr(module, "nearness", lambda some, of: looked.append(len(some) * len(of)) or nearness(some, of))
    _best(Vectors(descriptors, rows, rows), rows[::1000], -0.05, 64)
    assert sum(looked) < 0.5 * len(rows) * module.BACKGROUND
