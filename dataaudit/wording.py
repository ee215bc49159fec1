"""How numbers stand in sentences, in findings and in reports alike."""

from __future__ import annotations

__all__ = ["counted", "likeness", "percent", "region", "surely"]

SMALLEST_TOLD = 0.0001


def percent(share: float, digits: int = 1) -> str:
    """Return a share (0 to 1) as ``15.5 %``, ``62 %``; never ``0 %`` or ``100 %`` for what is not quite so."""
    unit = 10.0**-digits
    if 0 < share < unit / 200:
        return f"< {unit:g} %"
    if 1 - unit / 200 <= share < 1:
        return f"> {100 - unit:g} %"
    text = f"{100 * share:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if digits else text) + " %"


def counted(n: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 image``, ``2 images``, ``50,000 images``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def surely(q_value: float) -> str:
    """Return a q-value to four decimals: ``q = 0.0031``, ``q < 0.0001``."""
    return f"q < {SMALLEST_TOLD}" if q_value < SMALLEST_TOLD else f"q = {q_value:.4f}"


def likeness(similarity: float) -> str:
    """Return a similarity (0 to 1) to two decimals, to three where two would read 1.00: ``0.97``, ``0.998``, ``> 0.999``."""
    if similarity < 0.995:  # noqa: PLR2004 - it does not read 1.00
        return f"{similarity:.2f}"
    return f"{similarity:.3f}" if similarity < 0.9995 else "> 0.999"  # noqa: PLR2004 - likewise


_PLACES = (
    ("in the upper left", "at the top", "in the upper right"),
    ("on the left", "in the middle", "on the right"),
    ("in the lower left", "at the bottom", "in the lower right"),
)


def region(box: tuple[float, float, float, float]) -> str:
    """Return where a box lies in a picture, and how large it is: ``in the upper left, 12 % of the picture``.

    Args:
        box: left, top, width and height, in fractions of the picture.
    """
    left, top, width, height = box
    column, row = (min(max(int(3 * (start + size / 2)), 0), 2) for start, size in ((left, width), (top, height)))
    return f"{_PLACES[row][column]}, {percent(width * height, 0)} of the picture"
