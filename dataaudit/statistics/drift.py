"""Do two splits hold the same kind of pictures? One property at a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["DriftTest", "compare_distributions", "standardised_distance"]

EXACT_UNTIL: Final = 10_000
"""Product of the two sample sizes up to which the exact null distribution is used; beyond it the asymptotic one."""


@dataclass(frozen=True, slots=True)
class DriftTest:
    """How two samples of one property compare."""

    statistic: float
    """Kolmogorov–Smirnov distance, 0 to 1: the largest gap between the two distribution functions."""
    p_value: float
    effect: float
    """Standardised Wasserstein distance, 0 to 2; see :func:`standardised_distance`."""
    mean_a: float
    mean_b: float


def standardised_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the Wasserstein-1 distance over the standard deviation of the two samples mixed in equal parts, 0 to 2.

    For a mere shift of δ standard deviations it is δ (Cohen's d) while δ is small; unlike d it also sees a change of spread
    or shape, and it stays finite where both samples are constant (then 2 for different constants). 0 where nothing varies.

    Args:
        a: (n,) finite values.
        b: (m,) finite values.
    """
    values = np.sort(np.concatenate((a, b)))
    gaps = np.diff(values)
    below_a = np.searchsorted(np.sort(a), values[:-1], side="right") / a.size
    below_b = np.searchsorted(np.sort(b), values[:-1], side="right") / b.size
    distance = float((np.abs(below_a - below_b) * gaps).sum())
    spread = sqrt((float(a.var()) + float(b.var())) / 2 + (float(a.mean()) - float(b.mean())) ** 2 / 4)
    return min(2.0, distance / spread) if spread > 0 else 0.0


def compare_distributions(a: ArrayLike, b: ArrayLike) -> DriftTest:
    """Compare two samples of one property: Kolmogorov–Smirnov test and standardised Wasserstein distance.

    Ties (aspect ratios, sizes) make the test conservative, never liberal.

    Args:
        a: (n,) values; those that are not finite are left out.
        b: (m,) likewise.

    Raises:
        ValueError: if a sample has no finite value.
    """
    from scipy.stats import ks_2samp  # noqa: PLC0415 - heavy, and only the drift scanner needs it

    first, second = _finite(a), _finite(b)
    method: Literal["exact", "asymp"] = "exact" if first.size * second.size <= EXACT_UNTIL else "asymp"
    result = ks_2samp(first, second, method=method)
    return DriftTest(
        float(result.statistic),
        min(1.0, max(0.0, float(result.pvalue))),
        standardised_distance(first, second),
        float(first.mean()),
        float(second.mean()),
    )


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    column = np.asarray(values, np.float64).ravel()
    column = column[np.isfinite(column)]
    if not column.size:
        raise ValueError("expected at least one finite value in each sample")
    return column
