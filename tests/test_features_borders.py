"""What lies within a border of one colour, against a slow twin, and of photographs that were given one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dataaudit.features.borders import inner_box
from dataaudit.features.descriptor import SIDE, describe, squashed, squashed_inner
from pictures import photo


def slowly(cells: np.ndarray) -> tuple[int, int, int, int] | None:
    """Line by line, from each side: those within 8 levels of the middle of the outermost one; 16 cells must be left."""
    size = len(cells)
    left, top, right, bottom = 0, 0, size, size

    def depth(lines: list[list[list[int]]]) -> int:
        colour = [(min(cell[channel] for cell in lines[0]) + max(cell[channel] for cell in lines[0])) / 2 for channel in range(3)]
        for number, line in enumerate(lines):
            if any(abs(cell[channel] - colour[channel]) > 8 for cell in line for channel in range(3)):
                return number
        return len(lines)

    for _ in range(2):
        rows = [cells[y, left:right].tolist() for y in range(top, bottom)]
        above, below = depth(rows), depth(rows[::-1])
        if bottom - top - above - below >= 16:
            top, bottom = top + above, bottom - below
        columns = [cells[top:bottom, x].tolist() for x in range(left, right)]
        before, behind = depth(columns), depth(columns[::-1])
        if right - left - before - behind >= 16:
            left, right = left + before, right - behind
    left, top = (0 if first < 2 else first for first in (left, top))
    right, bottom = (size if last > size - 2 else last for last in (right, bottom))
    return None if (left, top, right, bottom) == (0, 0, size, size) else (left, top, right, bottom)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, 30), min_size=4, max_size=4),
    st.integers(0, 12),
    st.booleans(),
)
def test_it_finds_what_looking_line_by_line_finds(seed, depths, noise, two_colours):
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (SIDE, SIDE, 3))
    colours = rng.integers(0, 256, (2, 3)) if two_colours else np.repeat(rng.integers(0, 256, (1, 3)), 2, axis=0)
    left, top, right, bottom = depths
    cells[:, :left], cells[:, SIDE - right :] = colours[0], colours[0]
    cells[:top], cells[SIDE - bottom :] = colours[1], colours[1]
    cells = np.clip(cells + rng.integers(-noise, noise + 1, cells.shape), 0, 255).astype(np.uint8)
    assert inner_box(cells) == slowly(cells)


@pytest.mark.parametrize("colour", ["black", "white", "teal"])
@pytest.mark.parametrize("border", [(30, 0, 30, 0), (0, 45, 0, 45), (25, 25, 25, 25), (0, 0, 60, 0)])
@pytest.mark.parametrize("quality", [None, 40])
def test_a_photograph_within_a_border_is_described_as_without_it(colour, border, quality):
    picture = photo(3, (180, 140))
    framed = ImageOps.expand(picture, border, colour)
    if quality is not None:
        noise = np.random.default_rng(0).normal(0, 3, (*framed.size[::-1], 3))
        file = io.BytesIO()
        Image.fromarray(np.clip(np.asarray(framed) + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
        framed = Image.open(file).convert("RGB")
    inner = squashed_inner(framed, squashed(framed))
    assert inner is not None
    alone, within, whole = describe([squashed(picture), inner, squashed(framed)]).astype(np.float32)
    assert alone @ within > 0.88
    assert alone @ within > alone @ whole


def test_most_pictures_have_none():
    flat, narrow = Image.new("RGB", (90, 70), "navy"), ImageOps.expand(photo(1, (160, 120)), 2, "white")
    speck = ImageOps.expand(photo(2, (40, 40)), 200, "white")
    for picture in (*(photo(seed, (160, 120)) for seed in range(10)), flat, narrow, speck):
        assert squashed_inner(picture, squashed(picture)) is None
