"""What each small model of the SHC rules is allowed to see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import ROLES, Rule
from dataaudit.scanners import shortcut_rules as rules
from dataaudit.statistics.shortcuts import LEVEL_MINIMUM, Column, bins, levels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from dataaudit.domain import Measurements

    Sees = Callable[[Measurements, NDArray[np.int64], NDArray[np.int64]], Sequence[Column]]
    """From the measurements, the rows that are looked at, and the target of each."""

__all__ = ["SIGHTS", "Sight"]

TOKENS: Final = 32
"""Words of file names that are looked for, the most frequent."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Sight:
    """One small model: the rule it judges, what it is called, what it sees."""

    rule: Rule
    subject: str
    """``The … alone tells the class``."""
    sees: Sees
    content: bool = False
    """Whether the object itself may decide it too, so that more is asked before it is told."""
    beyond: Sees | None = None
    """What it must tell more than."""
    beyond_name: str = ""


def _file_size(measurements: Measurements, rows: NDArray[np.int64], _target: NDArray[np.int64]) -> list[Column]:
    features = measurements.features
    kilobytes, per_pixel = features.file_bytes[rows] / 1000, features.property("bits_per_pixel")[rows].astype(np.float64)
    return [bins("kB", kilobytes), bins("bits per pixel", per_pixel)]


def _encoding(measurements: Measurements, rows: NDArray[np.int64], _target: NDArray[np.int64]) -> list[Column]:
    features = measurements.features
    quality = features.jpeg_quality[rows].astype(np.float64)
    coding = [f"{code & 0xFFFF:04x}" if code else "" for code in features.jpeg_coding[rows].tolist()]
    return [
        levels("format", features.format[rows].tolist()),
        levels("mode", features.mode[rows].tolist()),
        bins("JPEG quality", np.where(quality > 0, quality, np.nan)),
        levels("JPEG tables", coding),
    ]


def _resolution(measurements: Measurements, rows: NDArray[np.int64], _target: NDArray[np.int64]) -> list[Column]:
    features = measurements.features
    width, height = features.width[rows].astype(np.float64), features.height[rows].astype(np.float64)
    return [
        bins("width", width, 6),
        bins("height", height, 6),
        bins("aspect", width / height),
        bins("megapixels", width * height / 1e6),
    ]


def _camera(measurements: Measurements, rows: NDArray[np.int64], _target: NDArray[np.int64]) -> list[Column]:
    features = measurements.features
    names = [name.decode("ascii", "replace") for name in features.camera[rows].tolist()]
    turned = [str(each) if each else "" for each in features.exif_orientation[rows].tolist()]
    return [levels("camera", names), levels("EXIF orientation", turned)]


def _border(measurements: Measurements, rows: NDArray[np.int64], _target: NDArray[np.int64]) -> list[Column]:
    return _ring(measurements, rows, 1, 0)


def _inner(measurements: Measurements, rows: NDArray[np.int64], _target: NDArray[np.int64]) -> list[Column]:
    return _ring(measurements, rows, 9, 4)


def _ring(measurements: Measurements, rows: NDArray[np.int64], colour: int, edge: int) -> list[Column]:
    """Return the edges and corners that begin at these columns of ``colours`` and ``edge_spread``."""
    colours = measurements.features.colours[rows, colour : colour + 8].astype(np.float64)
    spread = measurements.features.edge_spread[rows, edge : edge + 4].astype(np.float64)
    frame, corners = colours[:, :4].mean(axis=1), colours[:, 4:].mean(axis=2)
    return [
        *(bins(f"{name} of the edges", frame[:, channel]) for channel, name in enumerate(("red", "green", "blue"))),
        *(bins(f"grey of the {name} corner", corners[:, index]) for index, name in enumerate(_CORNERS)),
        bins("least spread along an edge", spread.min(axis=1)),
        bins("greatest spread along an edge", spread.max(axis=1)),
    ]


_CORNERS: Final = ("top left", "top right", "bottom right", "bottom left")


def _colour(measurements: Measurements, rows: NDArray[np.int64], _target: NDArray[np.int64]) -> list[Column]:
    whole = measurements.features.colours[rows, 0].astype(np.float64)
    return [bins(name, whole[:, channel]) for channel, name in enumerate(("red", "green", "blue"))]


def _name(measurements: Measurements, rows: NDArray[np.int64], _target: NDArray[np.int64]) -> list[Column]:
    """Words and shapes of the base names; words of class names and of roles are left out, for they say nothing new."""
    catalog = measurements.catalog
    known = {word for name in (*catalog.classes, *ROLES) for word in _WORD.findall(name.casefold())}
    whole = [name.casefold() for name in catalog.classes if len(name) > 1]
    words, shapes = [], []
    for row in rows.tolist():
        stem = catalog.paths[row].rpartition("/")[2].rpartition(".")[0].casefold()
        for name in whole:
            stem = stem.replace(name, "")
        words.append(frozenset(_WORD.findall(stem)) - known)
        shapes.append(_NUMBER.sub("#", _WORD.sub("a", stem)))
    counts: dict[str, int] = {}
    for found in words:
        for word in found:
            counts[word] = counts.get(word, 0) + 1
    frequent = sorted((word for word in counts if counts[word] >= LEVEL_MINIMUM), key=lambda word: (-counts[word], word))
    has = [
        Column(np.array([word in found for found in words], np.int64), (f"no {word!r} in the name", f"{word!r} in the name"))
        for word in frequent[:TOKENS]
    ]
    return [*has, levels("name like", shapes)]


def _order(measurements: Measurements, rows: NDArray[np.int64], _target: NDArray[np.int64]) -> list[Column]:
    """Return the last number of each name; nothing where numbers come again: then each folder counts from the beginning.

    Whether they do must not depend on the target: asked of numbers that two *targets* share, it would select what differs.
    """
    found = [_NUMBER.findall(measurements.catalog.paths[row].rpartition("/")[2].rpartition(".")[0]) for row in rows.tolist()]
    numbers = np.array([float(each[-1][-15:]) if each else np.nan for each in found])
    known = numbers[np.isfinite(numbers)]
    if len(known) < len(rows) / 2 or len(known) - len(np.unique(known)) > _AGAIN * len(known):
        return []
    return [bins("number", numbers, 7)]


_AGAIN: Final = 0.05
"""Share of the numbers that may come again in one series."""

SIGHTS: Final[tuple[Sight, ...]] = (
    Sight(rules.ENCODING, "encoding (format, mode, JPEG settings)", _encoding),
    Sight(rules.RESOLUTION, "resolution", _resolution),
    Sight(rules.CAMERA, "camera (EXIF)", _camera),
    Sight(rules.FILE_SIZE, "file size", _file_size, content=True),
    Sight(rules.BORDER, "border (edges and corners)", _border, beyond=_inner, beyond_name="the same of the inner half"),
    Sight(rules.COLOUR, "mean colour", _colour, content=True),
    Sight(rules.NAME, "wording of the file names", _name),
    Sight(rules.ORDER, "number in the file name", _order),
)
"""Every small model. The first two come before the file size, which they explain."""
