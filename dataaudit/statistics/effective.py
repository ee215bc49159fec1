"""How many samples are there really? Copies, group mates and crowded classes count for less than they seem to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["design_effect", "effective_number"]


def design_effect(values: ArrayLike, units: ArrayLike, samples: ArrayLike) -> NDArray[np.float64]:
    """Return by how much the variance of each sample's mean grows because rows of a unit are alike, (samples,), at least 1.

    ``1 + (Σm² / n - 1) · ρ`` for units of m rows, with ρ the intraclass correlation as the analysis of variance estimates it:
    units are compared within samples, never across. Donner, Birkett, Buck (1981), American Journal of Epidemiology 114:906.

    Args:
        values: (n,) finite values.
        units: (n,) the number of each row's unit, from 0.
        samples: (n,) which sample a row belongs to, from 0, none empty; a unit with rows in two samples counts as two units.
    """
    x, sample = np.asarray(values, np.float64), np.asarray(samples, np.int64)
    unit = np.asarray(units, np.int64)
    used, of_row = np.unique(sample * (int(unit.max()) + 1) + unit, return_inverse=True)
    m = np.bincount(of_row).astype(np.float64)
    of = used // (int(unit.max()) + 1)
    n_of = np.bincount(of, m)
    sizes = np.bincount(of, m * m) / n_of
    correlation = _correlation(x, of_row, m, of) if m.size < x.size else 0.0
    effect: NDArray[np.float64] = 1.0 + (sizes - 1.0) * correlation
    return effect


def _correlation(x: NDArray[np.float64], of_row: NDArray[np.intp], m: NDArray[np.float64], of: NDArray[np.int64]) -> float:
    """Return the intraclass correlation, 0 to 1, of rows ``x`` in units of ``m`` rows in the samples ``of``; 1 where unknown."""
    n_of = np.bincount(of, m)
    spare = m.size - n_of.size
    if spare < 1:
        return 1.0
    sums = np.bincount(of_row, x)
    means = sums / m
    centre = (np.bincount(of, sums) / n_of)[of]
    between = float((m * (means - centre) ** 2).sum()) / spare
    within = float(((x - means[of_row]) ** 2).sum()) / (x.size - m.size)
    typical = (x.size - float((np.bincount(of, m * m) / n_of).sum())) / spare
    spread = between + (typical - 1) * within
    return min(1.0, max(0.0, (between - within) / spread)) if spread > 0 else 1.0


def effective_number(counts: ArrayLike, beta: float | None = None) -> NDArray[np.float64]:
    """Return E_c = (1 − βⁿ) / (1 − β) of each class's n samples, shape (classes,): its effective number of samples.

    The expected volume that n samples cover where each new one lies, with a probability that grows as they crowd, inside what
    is covered already. Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019, eq. 2.

    Args:
        counts: (classes,) samples of each class.
        beta: in [0, 1); None is their (N − 1) / N with N the samples in all.
    """
    n = np.asarray(counts, np.float64)
    total = float(n.sum())
    rest = 1.0 - beta if beta is not None else 1.0 / max(total, 1.0)
    if rest >= 1.0:
        return np.minimum(n, 1.0)
    effective: NDArray[np.float64] = -np.expm1(n * np.log1p(-rest)) / rest
    return effective
