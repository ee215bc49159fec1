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

    from dataaudit.domain import CopyPair, Measurements, Transform

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

    def thumbnail(self, row: int) -> Thumbnail:
        """Return the picture of a row as it is."""
        picture = self._made(row)
        return _unshown(picture) if isinstance(picture, str) else _thumbnail(picture)

    def aligned(self, pair: CopyPair) -> Thumbnail:
        """Return picture a of a pair brought onto b, by its transform; as it is where the pair has none."""
        a, b = self._made(pair.a), self._made(pair.b)
        if isinstance(a, str) or isinstance(b, str) or pair.transform is None:
            return self.thumbnail(pair.a)
        return _thumbnail(aligned(a, pair.transform, (b.shape[1], b.shape[0])))

    def _made(self, row: int) -> NDArray[np.uint8] | str:
        if row not in self._pictures:
            self._pictures[row] = self._picture(row)
        return self._pictures[row]

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


def _unshown(problem: str) -> Thumbnail:
    return Thumbnail(None, SIDE, SIDE * 3 // 4, problem=problem)


def _thumbnail(picture: NDArray[np.uint8]) -> Thumbnail:
    height, width = picture.shape[:2]
    factor = SIDE / max(height, width)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return Thumbnail(_data_uri(picture), *size, pixelated=factor > 1)


def aligns(transform: Transform | None) -> bool:
    """Return whether bringing a picture onto its copy shows anything that the picture itself does not."""
    return transform is not None and not transform.is_slight()


def aligned(rgb: NDArray[np.uint8], transform: Transform, onto: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an (h, w, 3) picture brought onto its copy's frame; what it does not show there is white.

    Args:
        rgb: picture a.
        transform: from a to b.
        onto: width and height of b.
    """
    from PIL import Image  # noqa: PLC0415 - only where pictures are shown

    size = rgb.shape[1], rgb.shape[0]
    picture = Image.fromarray(np.ascontiguousarray(rgb[:, ::-1]) if transform.mirrored else rgb)
    forth = np.vstack([transform.matrix(size, onto), [0.0, 0.0, 1.0]])
    corner = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])  # Pillow counts from the corner of a pixel
    back = corner @ np.linalg.inv(forth) @ np.linalg.inv(corner)
    coefficients = tuple(float(round(value, 9)) for value in back[:2].ravel())
    method, sampling = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return np.asarray(picture.transform(onto, method, coefficients, sampling, fillcolor=(255, 255, 255)))


def _data_uri(rgb: NDArray[np.uint8]) -> str:
    from PIL import Image  # noqa: PLC0415

    kind = "PNG" if max(rgb.shape[:2]) <= SMALL else "JPEG"
    options = {"quality": QUALITY} if kind == "JPEG" else {}
    data = BytesIO()
    Image.fromarray(rgb).save(data, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
