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
SMALL: Final = 64
"""Pictures whose long side is at most this many pixels are kept lossless: JPEG would smear what one wants to see."""

DIFFERS: Final = (14.0, 60.0)
"""Steps of brightness (of 255) from which a difference is coloured, and from which it is coloured in full."""
HEAT: Final = (214, 30, 110)


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
    _pictures: dict[int, NDArray[np.uint8] | str] = field(default_factory=dict)

    def thumbnail(self, row: int) -> Thumbnail:
        """Return the picture of a row as it is."""
        picture = self._made(row)
        return _unshown(picture) if isinstance(picture, str) else _thumbnail(picture)

    def overlay(self, pair: CopyPair) -> Thumbnail | None:
        """Return picture a brought onto b by the pair's transform, half of each; None where either cannot be shown."""
        laid = self._laid(pair)
        return None if laid is None else _thumbnail(overlay(*laid))

    def difference(self, pair: CopyPair) -> Thumbnail | None:
        """Return where the two differ once a is brought onto b; None where either cannot be shown."""
        laid = self._laid(pair)
        return None if laid is None else _thumbnail(difference(*laid))

    def _laid(self, pair: CopyPair) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]] | None:
        a, b = self._made(pair.a), self._made(pair.b)
        if isinstance(a, str) or isinstance(b, str) or pair.transform is None:
            return None
        onto = b.shape[1], b.shape[0]
        return aligned(a, pair.transform, onto), b, reached(a, pair.transform, onto)

    def _made(self, row: int) -> NDArray[np.uint8] | str:
        if row not in self._pictures:
            self._pictures[row] = self._picture(row)
        return self._pictures[row]

    def _picture(self, row: int) -> NDArray[np.uint8] | str:
        """Return the measured picture, made small, or why there is none."""
        from PIL import Image  # noqa: PLC0415 - only where pictures are shown

        from dataaudit.features import decode  # noqa: PLC0415

        catalog, features = self.measurements.catalog, self.measurements.features
        failure = features.failures[row]
        if failure is not None:
            return failure.kind
        pixels = int(features.width[row]) * int(features.height[row])
        try:
            rgb = decode.load(catalog.root / catalog.paths[row], pixels).rgb
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


def aligned(rgb: NDArray[np.uint8], transform: Transform, onto: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an (h, w, 3) picture brought onto its copy's frame; what it does not show there is white.

    Args:
        rgb: picture a.
        transform: from a to b.
        onto: width and height of b.
    """
    return _brought(rgb, transform, onto, (255, 255, 255))


def reached(rgb: NDArray[np.uint8], transform: Transform, onto: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (h, w) where :func:`aligned` shows the picture."""
    return np.asarray(_brought(np.full_like(rgb, 255), transform, onto, (0, 0, 0))[..., 0] > 250)  # noqa: PLR2004 - not the mixed rim


def overlay(a: NDArray[np.uint8], b: NDArray[np.uint8], shown: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return half of a and half of b where both show something, and b, paled, elsewhere; each (h, w, 3), 0 to 255.

    What is the same picture stays sharp; what is not shows double.

    Args:
        a: brought onto b already.
        b: the other picture.
        shown: (h, w), where a shows something.
    """
    both = (a.astype(np.float32) + b) / 2
    paled = 200 + (b.astype(np.float32) - 200) * 0.3
    return np.rint(np.where(shown[..., None], both, paled)).astype(np.uint8)


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8], shown: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return b, grey and paled, coloured where a differs once brightness and contrast are equal; as :func:`overlay`."""
    luma = [picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) for picture in (a, b)]
    apart = np.zeros(shown.shape, np.float32)
    if shown.any():
        (mean_a, spread_a), (mean_b, spread_b) = [(float(one[shown].mean()), float(one[shown].std())) for one in luma]
        gain = min(max(spread_b / max(spread_a, 1.0), 0.4), 2.5)
        apart = _smoothed(np.where(shown, np.abs((luma[0] - mean_a) * gain + mean_b - luma[1]), 0))
    heat = np.clip((apart - DIFFERS[0]) / (DIFFERS[1] - DIFFERS[0]), 0, 1)[..., None]
    grey = np.where(shown, 205 + (luma[1] - 128) * 0.3, 128 + (luma[1] - 128) * 0.15)[..., None]
    return np.asarray(np.rint(np.clip(grey * (1 - heat) + heat * np.array(HEAT, np.float32), 0, 255)), np.uint8)


def _smoothed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of 3 × 3 pixels: a line that lies half a pixel off is no difference."""
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    windows = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.asarray(np.mean(windows, axis=0), np.float32)


def _brought(
    rgb: NDArray[np.uint8], transform: Transform, onto: tuple[int, int], fill: tuple[int, int, int]
) -> NDArray[np.uint8]:
    from PIL import Image  # noqa: PLC0415 - only where pictures are shown

    size = rgb.shape[1], rgb.shape[0]
    picture = Image.fromarray(np.ascontiguousarray(rgb[:, ::-1]) if transform.mirrored else rgb)
    corner = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])  # Pillow counts from the corner of a pixel
    back = corner @ np.linalg.inv(transform.matrix(size, onto)) @ np.linalg.inv(corner)
    coefficients = tuple(float(round(value, 9)) for value in (back / back[2, 2]).ravel()[:8])
    return np.asarray(
        picture.transform(onto, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR, fillcolor=fill)
    )


def _data_uri(rgb: NDArray[np.uint8]) -> str:
    from PIL import Image  # noqa: PLC0415

    kind = "PNG" if max(rgb.shape[:2]) <= SMALL else "JPEG"
    options = {"quality": QUALITY} if kind == "JPEG" else {}
    data = BytesIO()
    Image.fromarray(rgb).save(data, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
