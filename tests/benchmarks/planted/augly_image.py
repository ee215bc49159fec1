"""Copies by AugLy, which neither training nor tuning used: what happens to pictures on social networks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import augly.image as augly

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from PIL import Image

    Maker = Callable[[Image.Image, np.random.Generator, Image.Image], Image.Image]


def _text(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
    """Three lines across the picture, in letters of an eighth of its height."""
    lines = [rng.integers(1, 500, 16).tolist() for _ in range(3)]
    return augly.overlay_text(
        picture,
        text=lines,
        font_size=0.12,
        color=tuple(rng.integers(0, 256, 3).tolist()),
        x_pos=0.02,
        y_pos=rng.uniform(0.05, 0.4),
    )


def _patch(picture: Image.Image, rng: np.random.Generator, other: Image.Image, area: float) -> Image.Image:
    """Another picture over ``area`` of this one, opaque."""
    side = area**0.5
    width, height = round(picture.width * side), round(picture.height * side)
    return augly.overlay_image(
        picture,
        other.resize((width, height)),
        overlay_size=side,
        x_pos=rng.uniform(0, 1 - side),
        y_pos=rng.uniform(0, 1 - side),
        max_visible_opacity=1.0,
    )


def _emoji(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
    return augly.overlay_emoji(picture, emoji_size=0.4, x_pos=rng.uniform(0, 0.6), y_pos=rng.uniform(0, 0.6))


def _square(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
    return augly.pad_square(picture, color=tuple(rng.integers(0, 256, 3).tolist()))


def _screenshot(picture: Image.Image, _: np.random.Generator, __: Image.Image) -> Image.Image:
    return augly.overlay_onto_screenshot(picture)


def _stripes(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
    return augly.overlay_stripes(
        picture, line_width=0.3, line_density=0.3, line_angle=float(rng.integers(0, 90)), line_opacity=0.6
    )


def _aspect(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
    return augly.change_aspect_ratio(picture, ratio=picture.width / picture.height * float(rng.choice([0.7, 1.4])))


MAKERS: dict[str, Maker] = {
    "text": _text,
    "patch 20%": partial(_patch, area=0.2),
    "patch 33%": partial(_patch, area=1 / 3),
    "emoji 40%": _emoji,
    "padded to a square": _square,
    "screenshot": _screenshot,
    "stripes": _stripes,
    "aspect": _aspect,
    "not copies: one screenshot frame": _screenshot,
}
