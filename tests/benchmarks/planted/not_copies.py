"""Pictures that look alike and are no copies: what a careless search would report. No family here has a copy in it."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Callable

    Maker = Callable[[Image.Image, np.random.Generator, Image.Image], Image.Image]

WIDTH, HEIGHT = 400, 300


def _one_logo(picture: Image.Image, _: np.random.Generator, __: Image.Image) -> Image.Image:
    """Another picture each time, but always the same emblem over a third of it."""
    marked = picture.copy()
    w, h = marked.size
    draw, box = ImageDraw.Draw(marked), (0.2 * w, 0.2 * h, 0.78 * w, 0.78 * h)
    draw.rectangle(box, fill=(250, 250, 250))
    pattern = np.random.default_rng(7)
    for x, y, size, *colour in pattern.integers(0, 255, (60, 6)).tolist():
        left, top = (0.22 + 0.5 * x / 255) * w, (0.22 + 0.5 * y / 255) * h
        draw.ellipse((left, top, left + size * w / 5000, top + size * h / 4000), fill=tuple(colour))
    return marked


def _text_page(_: Image.Image, rng: np.random.Generator, __: Image.Image) -> Image.Image:
    """A page of random words, the same margins and lines each time."""
    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(page)
    letters = list(string.ascii_lowercase)
    for line in range(15):
        words = ("".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(9))
        draw.text((20, 15 + 18 * line), " ".join(words)[:56], fill=(20, 20, 20), font_size=13)
    return page


def _grating(_: Image.Image, rng: np.random.Generator, __: Image.Image) -> Image.Image:
    """Two crossed gratings of random periods."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(2 * np.pi * (axis / rng.uniform(8, 40) + rng.uniform())) for axis in (x, y)]
    return Image.fromarray((127 + 60 * (waves[0] + waves[1])).astype(np.uint8)).convert("RGB")


MAKERS: dict[str, Maker] = {
    "not copies: one logo": _one_logo,
    "not copies: text pages": _text_page,
    "not copies: gratings": _grating,
}
