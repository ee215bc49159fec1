"""Copies by ImageMagick's ``convert``, which neither training nor tuning used."""

from __future__ import annotations

import io
import math
import os
import shutil
import subprocess
from functools import partial
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    Maker = Callable[[Image.Image, np.random.Generator, Image.Image], Image.Image | bytes]

CONVERT = next((name for name in ("convert-im6.q16", "magick") if shutil.which(name)), "convert")
"""The program itself, where ``convert`` may be a wrapper around it."""
OUTSIDE = ("black", "white", "edge")
"""What is put where a moved picture leaves a gap."""


def convert(picture: Image.Image, *operations: str, to: str = "ppm") -> bytes:
    """Run ``convert`` on a picture and return the file it makes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PPM")
    command = [CONVERT, "-limit", "thread", "1", "ppm:-", *operations, f"{to}:-"]
    return subprocess.run(command, input=buffer.getvalue(), capture_output=True, check=True, env=os.environ).stdout


def converted(picture: Image.Image, *operations: str) -> Image.Image:
    """Run ``convert`` on a picture and return the picture it makes."""
    return Image.open(io.BytesIO(convert(picture, *operations))).convert("RGB")


def _plain(picture: Image.Image, rng: np.random.Generator, _: Image.Image, choices: tuple[tuple[str, ...], ...]) -> Image.Image:
    return converted(picture, *choices[rng.integers(len(choices))])


def _jpeg(picture: Image.Image, _: np.random.Generator, __: Image.Image, quality: int) -> bytes:
    return convert(picture, "-quality", str(quality), to="jpeg")


def _noise(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
    return converted(picture, "-seed", str(rng.integers(2**31)), "-attenuate", "0.6", "+noise", "Gaussian")


def _blur(picture: Image.Image, _: np.random.Generator, __: Image.Image) -> Image.Image:
    return converted(picture, "-blur", f"0x{max(0.5, min(picture.size) / 160):.2f}")


def _moved(picture: Image.Image, rng: np.random.Generator, scale: float, angle: float, shift: tuple[float, float]) -> Image.Image:
    (w, h), (x, y) = picture.size, shift
    srt = f"{w / 2},{h / 2} {scale} {angle} {w / 2 + x * w},{h / 2 + y * h}"
    return converted(picture, "-virtual-pixel", OUTSIDE[rng.integers(len(OUTSIDE))], "-distort", "SRT", srt)


def _sign(rng: np.random.Generator) -> int:
    return int(rng.choice([-1, 1]))


def _rotation(picture: Image.Image, rng: np.random.Generator, _: Image.Image, degrees: float) -> Image.Image:
    return _moved(picture, rng, 1.0, degrees * _sign(rng), (0.0, 0.0))


def _zoom(picture: Image.Image, rng: np.random.Generator, _: Image.Image, factor: float) -> Image.Image:
    return _moved(picture, rng, factor, 0.0, (0.0, 0.0))


def _shift(picture: Image.Image, rng: np.random.Generator, _: Image.Image, share: float) -> Image.Image:
    return _moved(picture, rng, 1.0, 0.0, (share * _sign(rng), share * _sign(rng)))


def _shear(picture: Image.Image, rng: np.random.Generator, _: Image.Image, degrees: float) -> Image.Image:
    tangent = math.tan(math.radians(degrees)) * _sign(rng)
    matrix = f"1,0,{tangent:.5f},1,{-tangent * picture.height / 2:.3f},0"
    return converted(picture, "-virtual-pixel", OUTSIDE[rng.integers(len(OUTSIDE))], "-distort", "AffineProjection", matrix)


def _crop(picture: Image.Image, rng: np.random.Generator, _: Image.Image, side: float) -> Image.Image:
    w, h = (round(length * side) for length in picture.size)
    x, y = rng.integers(0, picture.width - w + 1), rng.integers(0, picture.height - h + 1)
    return converted(picture, "-crop", f"{w}x{h}+{x}+{y}", "+repage")


def _border(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
    r, g, b = rng.integers(0, 256, 3)
    return converted(picture, "-bordercolor", f"rgb({r},{g},{b})", "-border", "10%x10%")


def _logo(picture: Image.Image, rng: np.random.Generator, _: Image.Image, area: float) -> Image.Image:
    """Put an opaque emblem over ``area`` of the picture."""
    w, h = (round(length * area**0.5) for length in picture.size)
    x, y = int(rng.integers(0, picture.width - w + 1)), int(rng.integers(0, picture.height - h + 1))
    fill, ink = (f"rgb({r},{g},{b})" for r, g, b in rng.integers(0, 256, (2, 3)))
    box = f"rectangle {x},{y} {x + w},{y + h}"
    emblem = f"ellipse {x + w // 2},{y + h // 2} {w // 3},{h // 3} 0,360"
    return converted(picture, "-fill", fill, "-draw", box, "-fill", ink, "-draw", emblem)


MAKERS: dict[str, Maker] = {
    **{f"jpeg {quality}": partial(_jpeg, quality=quality) for quality in (30, 50, 75, 95)},
    "half size": partial(_plain, choices=(("-resize", "50%"),)),
    "96 px": partial(_plain, choices=(("-resize", "96x96^"),)),
    "noise": _noise,
    "blur": _blur,
    "grey": partial(_plain, choices=(("-colorspace", "Gray"),)),
    "brightness": partial(_plain, choices=(("-modulate", "60"), ("-modulate", "150"), ("-gamma", "0.6"), ("-gamma", "1.7"))),
    "contrast": partial(_plain, choices=(("-brightness-contrast", "0x40"), ("-brightness-contrast", "0x-40"))),
    "colour": partial(_plain, choices=(("-modulate", "100,170,110"), ("-modulate", "100,40,88"))),
    "flips": partial(_plain, choices=(("-flop",), ("-flip",))),
    "quarter turns": partial(_plain, choices=(("-rotate", "90"), ("-rotate", "180"), ("-rotate", "270"))),
    **{f"rotation {degrees}°": partial(_rotation, degrees=degrees) for degrees in (5, 15, 20)},
    **{f"crop {side}% a side": partial(_crop, side=side / 100) for side in (90, 80, 70)},
    **{f"shift {share}%": partial(_shift, share=share / 100) for share in (10, 20)},
    "zoom in 1.4": partial(_zoom, factor=1.4),
    "zoom out 1.4": partial(_zoom, factor=1 / 1.4),
    **{f"shear {degrees}°": partial(_shear, degrees=degrees) for degrees in (10, 20)},
    "border 10%": _border,
    "logo 15%": partial(_logo, area=0.15),
    "logo 33%": partial(_logo, area=0.33),
}
