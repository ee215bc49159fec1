"""Thumbnails as data URIs: the measured picture, small, inside the page.

Only files that were measured under time and memory limits are decoded here, with the same decoder; EXIF orientation
is not applied, because neither the measurement nor TensorFlow applies it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.domain import Measurements, Transform

SIDE: Final = 160
"""Pixels of the long side of a thumbnail, stored and shown."""
QUALITY: Final = 82
SMALL: Final = 96
"""Pictures whose long side is at most this many pixels are kept lossless: JPEG would smear what one wants to see."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture to embed: its data URI, and the size to show it at; or no picture, and why."""

    uri: str | None
    width: int
    height: int
    pixelated: bool = False
    """Whether it is shown larger than it is."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Album:
    """The thumbnails of one report: each file is decoded once."""

    measurements: Measurements
    max_pixels: int
    _pictures: dict[int, NDArray[np.uint8] | str] = field(default_factory=dict)

    def thumbnail(self, row: int, turned: Transform | None = None) -> Thumbnail:
        """Return the picture of a row as it is, or mirrored and turned by quarters as ``turned`` says."""
        if row not in self._pictures:
            self._pictures[row] = self._picture(row)
        picture = self._pictures[row]
        if isinstance(picture, str):
            return Thumbnail(None, SIDE, SIDE * 3 // 4, problem=picture)
        if turned is not None:
            picture = aligned(picture, turned)
        height, width = picture.shape[:2]
        factor = SIDE / max(height, width)
        size = max(round(width * factor), 1), max(round(height * factor), 1)
        return Thumbnail(_data_uri(picture), *size, pixelated=factor > 1)

    def _picture(self, row: int) -> NDArray[np.uint8] | str:
        """Return the measured picture, made small, or why there is none."""
        from PIL import Image  # noqa: PLC0415 - only where pictures are shown

        from dataaudit.features import decode  # noqa: PLC0415

        catalog, failure = self.measurements.catalog, self.measurements.features.failures[row]
        if failure is not None:
            return failure.kind
        try:
            rgb = decode.load(catalog.root / catalog.paths[row], self.max_pixels).rgb
        except (decode.DecodeError, OSError):  # it could be read a moment ago
            return "changed since it was measured"
        picture = Image.fromarray(rgb)
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        return np.asarray(picture)


def aligns(transform: Transform | None) -> bool:
    """Return whether a transform is one of the seven turns and mirrorings that :func:`aligned` can show."""
    if transform is None or transform.scale != (1.0, 1.0) or transform.shear or transform.shift != (0.0, 0.0):
        return False
    return transform.rotation % 90 == 0 and bool(transform.mirrored or transform.rotation)


def aligned(rgb: NDArray[np.uint8], transform: Transform) -> NDArray[np.uint8]:
    """Return an (h, w, 3) picture mirrored left-right if the transform says so, then turned counter-clockwise."""
    mirrored = rgb[:, ::-1] if transform.mirrored else rgb
    return np.ascontiguousarray(np.rot90(mirrored, round(transform.rotation / 90) % 4))


def _data_uri(rgb: NDArray[np.uint8]) -> str:
    from PIL import Image  # noqa: PLC0415

    kind = "PNG" if max(rgb.shape[:2]) <= SMALL else "JPEG"
    options = {"quality": QUALITY} if kind == "JPEG" else {}
    data = BytesIO()
    Image.fromarray(rgb).save(data, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
