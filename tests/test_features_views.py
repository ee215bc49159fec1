"""The views against their slow obvious twins."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataaudit.features.descriptor import squashed
from dataaudit.features.views import pixel_digests, thumbnails, views
from pictures import photo


def halved(luma):
    """Means of 2×2, half rounded upwards, pixel by pixel."""
    whole = luma.astype(int)
    sums = whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]
    return (sums + 2) // 4


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 400), st.integers(1, 400))
def test_views_are_those_of_each_picture_alone(seed, width, height):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    pictures = [Image.fromarray(noise), photo(seed, (60, 50)), Image.new("RGB", (3, 2), "white")]
    seen = views([thumbnails(picture) for picture in pictures])
    for row, picture in enumerate(pictures):
        method = Image.Resampling.BOX if min(picture.size) >= 128 else Image.Resampling.BILINEAR
        assert np.array_equal(seen.luma[row], np.asarray(picture.convert("L").resize((128, 128), method)))
        assert np.array_equal(seen.colours[row], np.asarray(picture.resize((64, 64), Image.Resampling.NEAREST)))
        assert thumbnails(picture).squashed is None
        assert np.array_equal(thumbnails(picture, described=True).squashed, squashed(picture))
        assert np.array_equal(seen.half[row], halved(seen.luma[row]))
        assert np.array_equal(seen.quarter[row], halved(seen.half[row]))
        assert np.array_equal(seen.histograms[row], np.bincount(seen.luma[row].ravel(), minlength=256))


def test_digests_tell_pictures_apart():
    """Small ones by one bit of one pixel; large ones by what their averages show; all by the stored size."""
    small, large = np.asarray(photo(1, (100, 90))), np.asarray(photo(2, (300, 280)))
    changed, spotted = small.copy(), large.copy()
    changed[50, 40, 1] ^= 1
    spotted[100:103, 200:203] = 255 - spotted[100:103, 200:203]
    pictures = [Image.fromarray(pixels) for pixels in (small, changed, small.copy(), large, spotted, large.copy())]
    sizes = np.array([picture.size for picture in pictures] * 2)
    sizes[6:] *= 2
    found = pixel_digests(views([thumbnails(picture) for picture in pictures * 2]), sizes)
    assert found[0] == found[2]
    assert found[3] == found[5]
    assert len(set(found)) == 8
