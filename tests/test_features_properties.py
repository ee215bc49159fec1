"""Every statistic against its slow obvious twin."""

from __future__ import annotations

import colorsys
import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from dataaudit.domain import PROPERTY_NAMES
from dataaudit.features.decode import decode
from dataaudit.features.properties import colour_statistics, luma_statistics, properties, sharpness
from dataaudit.features.views import COLOUR_SIDE, thumbnails, views
from pictures import photo


def measured(picture, name="PNG"):
    buffer = io.BytesIO()
    picture.save(buffer, name)
    found = decode(buffer.getvalue(), 10**8)
    sizes = np.array([[found.width, found.height, len(buffer.getvalue())]])
    return dict(zip(PROPERTY_NAMES, properties(views([thumbnails(found.image)]), sizes)[0].tolist(), strict=True))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 120), st.integers(1, 120))
def test_luma_statistics_are_those_of_the_pixels(seed, width, height):
    luma = photo(seed, (width, height)).convert("L") if min(width, height) > 2 else Image.new("L", (width, height), seed % 256)
    values = np.asarray(luma).astype(float).ravel()
    mean, deviation, entropy = (column[1] for column in luma_statistics(np.array([[1] * 256, luma.histogram()])))
    _, counts = np.unique(values, return_counts=True)
    assert mean == pytest.approx(values.mean())
    assert deviation == pytest.approx(values.std(), abs=1e-9)
    assert entropy == pytest.approx(-sum(count / len(values) * math.log2(count / len(values)) for count in counts), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_colour_statistics_are_those_of_the_definitions(seed):
    rgb = np.asarray(photo(seed, (20, 15)))
    saturation, colourfulness = (column[1] for column in colour_statistics(np.stack([255 - rgb, rgb])))
    assert saturation == pytest.approx(
        np.mean([colorsys.rgb_to_hsv(*pixel)[1] for pixel in rgb.reshape(-1, 3) / 255.0]), abs=2**-16
    )
    red, green, blue = np.moveaxis(rgb.astype(float), 2, 0)
    rg, yb = red - green, 0.5 * (red + green) - blue
    spread, offset = math.hypot(rg.std(), yb.std()), math.hypot(rg.mean(), yb.mean())
    assert colourfulness == pytest.approx(spread + 0.3 * offset)


def test_sharpness_is_that_of_the_definition():
    luma = np.asarray(photo(4, (30, 20)).convert("L")).astype(float)
    laplacian = [
        luma[y - 1, x] + luma[y + 1, x] + luma[y, x - 1] + luma[y, x + 1] - 4 * luma[y, x]
        for y in range(1, len(luma) - 1)
        for x in range(1, luma.shape[1] - 1)
    ]
    lumas = np.stack([luma.astype(np.uint8), 255 - luma.astype(np.uint8)])
    assert sharpness(lumas) == pytest.approx([math.log2(1 + np.var(laplacian))] * 2)


def test_the_sizes_are_those_of_the_file():
    found = measured(photo(0, (1200, 600)))
    assert found["aspect"] == 2.0
    assert found["megapixels"] == pytest.approx(0.72)
    assert found["bits_per_pixel"] > 1


def test_a_flat_picture_is_flat():
    found = measured(Image.new("RGB", (50, 40), (90, 90, 90)))
    assert found["luminance"] == 90
    assert [found[name] for name in ("contrast", "sharpness", "saturation", "colourfulness", "entropy")] == [0] * 5


def test_pure_red_is_saturated_and_black_is_not():
    assert measured(Image.new("RGB", (8, 8), "red"))["saturation"] == 1
    assert measured(Image.new("RGB", (8, 8), "black"))["saturation"] == 0


def test_blur_lowers_sharpness_and_size_hardly_moves_it():
    picture = photo(7, (900, 800))
    sharp = measured(picture)["sharpness"]
    assert measured(picture.filter(ImageFilter.GaussianBlur(9)))["sharpness"] < sharp - 0.5
    assert measured(picture.resize((450, 400), Image.Resampling.LANCZOS))["sharpness"] == pytest.approx(sharp, abs=0.5)


def test_the_colour_sample_speaks_for_the_picture():
    for seed in range(5):
        picture = photo(seed, (400, 300))
        found = measured(picture)
        (saturation,), (colourfulness,) = colour_statistics(np.asarray(picture)[None])
        assert found["saturation"] == pytest.approx(saturation, rel=0.05)
        assert found["colourfulness"] == pytest.approx(colourfulness, rel=0.05)


def test_tiny_pictures_have_all_properties():
    for size in ((1, 1), (1, 300), (2, 3), (COLOUR_SIDE, 1)):
        assert all(math.isfinite(value) for value in measured(Image.new("RGB", size, (1, 2, 3))).values())
