"""A transform can be turned round and put in words; taking it apart is tested where pictures are registered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.domain import CopyPair
from dataaudit.transform import Transform
from dataaudit.wording import region

TRANSFORMS = st.builds(
    Transform,
    st.booleans(),
    st.builds(lambda turns, rest: 90.0 * turns + rest, st.integers(-1, 1), st.integers(-20, 20)),  # no tie between two turns
    st.tuples(st.floats(0.8, 1.25), st.floats(0.8, 1.25)),
    st.floats(-10, 10),
    st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
    st.one_of(st.just((0.0, 0.0)), st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))),
)
SIZES = st.tuples(st.integers(100, 200), st.integers(100, 200))


@settings(deadline=None, max_examples=100)
@given(TRANSFORMS, SIZES, st.floats(0.5, 2))
def test_there_and_back(transform, a, factor):
    turned = a[::-1] if round(transform.rotation / 90) % 2 else a
    b = round(factor * turned[0]), round(factor * turned[1])
    there, back = transform.whole(a, b), transform.inverse(a, b).whole(b, a)
    inset = 0.25 if any(transform.perspective) else 0.0  # what is far away is far off
    corners = np.array([[x * a[0], y * a[1], 1] for x in (inset, 1 - inset) for y in (inset, 1 - inset)]).T
    again = back @ there @ corners
    # rounded to a tenth of a degree and a thousandth of the frame
    np.testing.assert_allclose(again / again[2], corners, atol=0.03 * max(a))


@given(TRANSFORMS, SIZES)
def test_a_box_holds_what_its_middle_becomes(transform, size):
    left, top, width, height = transform.box((0.4, 0.4, 0.2, 0.2), size, size)
    x, y, depth = transform.whole(size, size) @ [*(np.array(size) * 0.5 - 0.5), 1.0]
    inside = np.clip((np.array([x, y]) / depth + 0.5) / size, 0, 1)
    assert left - 1e-9 <= inside[0] <= left + width + 1e-9
    assert top - 1e-9 <= inside[1] <= top + height + 1e-9


@settings(deadline=None, max_examples=50)
@given(TRANSFORMS, SIZES)
def test_the_overlap_told_from_the_other_end_is_what_lies_there(transform, size):
    def shown(matrix):
        """The slow obvious twin: of a grid of points of one picture those that lie within the other."""
        points = np.array([(x, y, 1.0) for x in np.arange(0.5, 100) / 100 for y in np.arange(0.5, 100) / 100])
        points[:, :2] = points[:, :2] * size - 0.5
        there = points @ matrix.T
        depth = there[:, 2] / (matrix[2] @ [(size[0] - 1) / 2, (size[1] - 1) / 2, 1])
        at = (there[:, :2] / there[:, 2:] + 0.5) / size
        return float((((at >= 0) & (at <= 1)).all(axis=1) & (depth > 0)).mean())

    forth = transform.whole(size, size)
    pair = CopyPair(0, 1, "transformed", "proved", 1.0, shown(np.linalg.inv(forth)), transform)
    assert pair.turned_round(size, size).overlap == pytest.approx(shown(forth), abs=0.03)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0.0, 90.0, 180.0, -90.0])
def test_the_inverse_brings_the_picture_back(mirrored, rotation):
    def put(transform, picture):
        picture = np.fliplr(picture) if transform.mirrored else picture
        return np.rot90(picture, round(transform.rotation / 90))

    picture = np.arange(12).reshape(3, 4)
    transform = Transform(mirrored=mirrored, rotation=rotation)
    turned = put(transform, picture)
    back = transform.inverse((4, 3), turned.shape[::-1])
    assert (put(back, turned) == picture).all()
    assert (back.scale, back.shear, back.shift) == ((1, 1), 0, (0, 0))
    assert -180 < back.rotation <= 180


@pytest.mark.parametrize(
    ("transform", "told"),
    [
        (Transform(), "upright"),
        (Transform(mirrored=True, rotation=12.3, scale=(1.1, 1.11)), "mirrored, rotated 12°, zoomed 1.1"),
        (Transform(mirrored=True, rotation=180.0), "flipped upside down"),
        (Transform(shift=(0.08, 0.003)), "shifted 8 % right"),
        (Transform(shift=(-0.08, -0.06)), "shifted 8 % left, 6 % up"),
        (Transform(scale=(1.25, 1.0)), "cropped to 80 % × 100 %"),
        (Transform(scale=(1.25, 1.0), shift=(0.1, 0.0)), "cropped to 80 % × 100 %, shifted 10 % right"),
        (Transform(rotation=90.0, scale=(1.0, 1.5)), "rotated 90°, cropped to 100 % × 67 %"),
        (Transform(scale=(1.0, 0.75)), "filling 100 % × 75 % of the frame"),
        (Transform(scale=(1.25, 1.0), shift=(0.3, 0.0)), "zoomed 1.25 × 1, shifted 30 % right"),  # it leaves the frame
        (Transform(rotation=7.0, scale=(1.25, 1.0)), "rotated 7°, zoomed 1.25 × 1"),
        (Transform(scale=(1.25, 1.25)), "zoomed 1.25"),
        (Transform(shear=5.0), "sheared 5°"),
        (Transform(rotation=7.0, perspective=(0.0, -0.2)), "rotated 7°, in perspective"),
    ],
)
def test_in_words(transform, told):
    assert transform.describe() == told


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ((0.1, 0.1, 0.3, 0.4), "in the upper left, 12 % of the picture"),
        ((0.4, 0.0, 0.2, 0.2), "at the top, 4 % of the picture"),
        ((0.0, 0.0, 1.0, 1.0), "in the middle, 100 % of the picture"),
        ((0.98, 0.98, 0.02, 0.02), "in the lower right, < 1 % of the picture"),
    ],
)
def test_a_region_in_words(box, told):
    assert region(box) == told
