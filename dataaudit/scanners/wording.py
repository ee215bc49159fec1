"""How numbers stand in messages."""

from __future__ import annotations

__all__ = ["counted", "percent", "surely"]

SMALLEST_TOLD = 0.0001


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a person reads it: ``62 %`` for .62 and no digits."""
    return f"{100 * share:.{digits}f} %"


def counted(n: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 image``, ``2 images``."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def surely(q_value: float) -> str:
    """Return a q-value to four decimals: ``q = 0.0031``, ``q < 0.0001``."""
    return f"q < {SMALLEST_TOLD}" if q_value < SMALLEST_TOLD else f"q = {q_value:.4f}"
