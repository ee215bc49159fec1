"""The kinds of copies that the self-test plants: what offline augmentation, resaving and cropping make of a picture.

Pillow and NumPy only. A maker takes a picture, mode RGB, and a generator of random numbers, and returns the copy.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import cos, radians, sin, tan
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable

    Maker = Callable[[Image.Image, np.random.Generator], Image.Image]

__all__ = ["FAMILIES", "Family"]

Fill = Literal["edge", "symmetric", "wrap", "constant"]
_FILLS: Final[tuple[Fill, ...]] = ("edge", "symmetric", "wrap", "constant")
"""What stands where a moved picture leaves a gap: NumPy's names of Keras's nearest, reflect, wrap and constant."""


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of copy."""

    name: str
    make: Maker
    both_sides: bool = False
    """Whether the dataset holds an augmented copy too, in place of the original."""


def _jpeg(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=int(rng.integers(30, 71)))
    return Image.open(buffer).convert("RGB")


def _resized(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    factor = rng.uniform(0.5, 0.8)
    return picture.resize(
        (_at_least_one(picture.width * factor), _at_least_one(picture.height * factor)), Image.Resampling.BILINEAR
    )


def _recoloured(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast and saturation by up to 40 % either way; one in four turns grey."""
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhancer(picture).enhance(rng.uniform(0.6, 1.4))
    return picture.convert("L").convert("RGB") if rng.uniform() < 0.25 else picture  # noqa: PLR2004 - one in four


def _blurred(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Blur of up to a 150th of the short side, then noise of up to 10 grey levels."""
    soft = picture.filter(ImageFilter.GaussianBlur(min(picture.size) / 150 * rng.uniform(0.3, 1)))
    noise = rng.normal(0.0, rng.uniform(2, 10), (*picture.size[::-1], 3))
    return Image.fromarray(np.clip(np.asarray(soft) + noise, 0, 255).astype(np.uint8))


def _flipped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return picture.transpose((Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM)[rng.integers(2)])


def _turned(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return picture.transpose((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)[rng.integers(3)])


def _rotated(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return _moved(picture, rng, angle=_either(rng, 5, 20))


def _shifted(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return _moved(picture, rng, shift=(_either(rng, 0.05, 0.2), _either(rng, 0.05, 0.2)))


def _zoomed(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    zoom = rng.uniform(1.1, 1.4) ** rng.choice([-1, 1])
    return _moved(picture, rng, zoom=(zoom, zoom))


def _sheared(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return _moved(picture, rng, shear=_either(rng, 5, 20))


def _cropped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A part of 70 to 90 % of each side."""
    width, height = (_at_least_one(side * rng.uniform(0.7, 0.9)) for side in picture.size)
    x, y = int(rng.integers(0, picture.width - width + 1)), int(rng.integers(0, picture.height - height + 1))
    return picture.crop((x, y, x + width, y + height))


def _bordered(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.expand(picture, _at_least_one(min(picture.size) * rng.uniform(0.03, 0.1)), _colour(rng))


def _covered(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """An opaque emblem, or lines of text, over a tenth to a third of the picture."""
    covered = picture.copy()
    draw = ImageDraw.Draw(covered)
    if rng.uniform() < 0.5:  # noqa: PLR2004 - one in two
        for line in range(3):
            words = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVXYZ 0123456789"), 14))
            at = (0.03 * picture.width, (0.1 + 0.28 * line) * picture.height)
            draw.text(at, words, fill=_colour(rng), font_size=0.14 * picture.height)
        return covered
    share = rng.uniform(0.1, 1 / 3) ** 0.5
    width, height = picture.width * share, picture.height * share
    x, y = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - height)
    draw.rectangle((x, y, x + width, y + height), fill=_colour(rng))
    draw.ellipse((x + width / 5, y + height / 5, x + width * 4 / 5, y + height * 4 / 5), fill=_colour(rng))
    return covered


def _holed(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Four to eight holes of 8 to 15 % of the sides, of one colour: cutout, coarse dropout."""
    holed, colour = picture.copy(), _colour(rng)
    draw = ImageDraw.Draw(holed)
    for _ in range(rng.integers(4, 9)):
        width, height = (side * rng.uniform(0.08, 0.15) for side in picture.size)
        x, y = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - height)
        draw.rectangle((x, y, x + width, y + height), fill=colour)
    return holed


def _in_perspective(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Each corner of what is shown lies up to 15 % of the sides inside the picture."""
    frame = np.array([(x, y) for x in (0, 1) for y in (0, 1)]) * picture.size
    inside = rng.uniform(0, 0.15, (4, 2)) * picture.size
    shown = np.where(frame > 0, frame - inside, inside)
    # Of x' = (ax + by + c) / (gx + hy + 1), y' = (dx + ey + f) / (gx + hy + 1), two equations a corner.
    rows = [
        (*((x, y, 1, 0, 0, 0) if axis == 0 else (0, 0, 0, x, y, 1)), -x * there[axis], -y * there[axis])
        for (x, y), there in zip(frame, shown, strict=True)
        for axis in (0, 1)
    ]
    back = np.linalg.solve(np.array(rows, np.float64), shown.ravel())
    return picture.transform(picture.size, Image.Transform.PERSPECTIVE, tuple(back.tolist()), Image.Resampling.BILINEAR)


def _policy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Every parameter of the policy that Keras tutorials use: rotation 20°, shifts .2, shear .2°, zoom .2, a flip."""
    if rng.uniform() < 0.5:  # noqa: PLR2004 - one in two
        picture = ImageOps.mirror(picture)
    shift = (rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2))
    zoom = (rng.uniform(0.8, 1.2), rng.uniform(0.8, 1.2))
    return _moved(picture, rng, angle=rng.uniform(-20, 20), shear=rng.uniform(-0.2, 0.2), zoom=zoom, shift=shift)


FAMILIES: Final[tuple[Family, ...]] = (
    Family("saved as JPEG", _jpeg),
    Family("resized", _resized),
    Family("recoloured", _recoloured),
    Family("blurred and noisy", _blurred),
    Family("mirrored or flipped", _flipped),
    Family("quarter turns", _turned),
    Family("rotated by 5–20°", _rotated),
    Family("shifted by 5–20 %", _shifted),
    Family("zoomed by 1.1–1.4", _zoomed),
    Family("sheared by 5–20°", _sheared),
    Family("cropped to 70–90 % a side", _cropped),
    Family("a border around it", _bordered),
    Family("covered by 10–33 %", _covered),
    Family("with 4–8 holes", _holed),
    Family("in perspective", _in_perspective),
    Family("full Keras policy", _policy),
    Family("full policy on both sides", _policy, both_sides=True),
)
"""In the order in which they are told."""


def _moved(
    picture: Image.Image,
    rng: np.random.Generator,
    *,
    angle: float = 0.0,
    shear: float = 0.0,
    zoom: tuple[float, float] = (1.0, 1.0),
    shift: tuple[float, float] = (0.0, 0.0),
) -> Image.Image:
    """Move a picture within its frame, about its centre; the gaps are filled in one of four ways, drawn at random.

    Args:
        picture: mode RGB.
        rng: draws the fill.
        angle: degrees.
        shear: degrees.
        zoom: factors by which the content grows along x and y.
        shift: fractions of width and height.
    """
    width, height = picture.size
    fill = _FILLS[rng.integers(len(_FILLS))]
    margins = ((height // 2, height // 2), (width // 2, width // 2), (0, 0))
    padded = Image.fromarray(np.pad(np.asarray(picture), margins, mode=fill))
    turn = np.array([[cos(radians(angle)), -sin(radians(angle))], [sin(radians(angle)), cos(radians(angle))]])
    back = turn @ np.array([[1.0, -tan(radians(shear))], [0.0, 1.0]]) @ np.diag([1 / zoom[0], 1 / zoom[1]])
    centre = np.array([width / 2, height / 2])
    offset = centre + np.array([width // 2, height // 2]) - back @ (centre + np.array(shift) * (width, height))
    (a, b), (d, e) = back.tolist()
    matrix = (a, b, float(offset[0]), d, e, float(offset[1]))
    return padded.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _either(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high) * rng.choice([-1, 1]))


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = rng.integers(0, 256, 3).tolist()
    return r, g, b


def _at_least_one(pixels: float) -> int:
    return max(1, round(pixels))
