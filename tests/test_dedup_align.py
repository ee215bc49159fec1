"""Registration: a known warp is found again, named in the terms of the report, and compared only where it shows something."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from dataaudit.config import Config
from dataaudit.dedup import align, verify
from dataaudit.dedup.align import FEW, MANY, Registration, View, register, register_by_corners, resized
from dataaudit.dedup.calibrate import Thresholds
from dataaudit.dedup.verify import Question, answer
from dataaudit.domain import Transform
from pictures import photo, save


def compose(transform: Transform, a: tuple[int, int], b: tuple[int, int]) -> np.ndarray:
    """The slow obvious twin of ``Transform.named``: rotate, scale, shear, shift about the centre, frame onto frame; perspective.

    Returns (3, 3), pixels of a (mirrored already, if it is to be) to pixels of b.
    """
    theta = math.radians(transform.rotation)
    turns = round(transform.rotation / 90) % 4
    turned = (a[1], a[0]) if turns % 2 else a
    rest = theta - turns * math.pi / 2

    def rotation(angle):
        return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])

    frame = np.diag([b[0] / turned[0], b[1] / turned[1]])
    scale = np.diag(transform.scale)
    shear = np.array([[1, math.tan(math.radians(transform.shear))], [0, 1]])
    linear = shear @ scale @ rotation(rest) @ frame @ rotation(turns * math.pi / 2)
    centre_a = np.array([(a[0] - 1) / 2, (a[1] - 1) / 2])
    centre_b = np.array([(b[0] - 1) / 2 + transform.shift[0] * b[0], (b[1] - 1) / 2 + transform.shift[1] * b[1]])
    affine = np.vstack([np.hstack([linear, (centre_b - linear @ centre_a)[:, None]]), [0, 0, 1]])
    x, y = transform.perspective[0] / b[0], transform.perspective[1] / b[1]  # depth grows so much a pixel; b's centre stays
    middle_x, middle_y = (b[0] - 1) / 2, (b[1] - 1) / 2
    there, back = (np.array([[1, 0, sign * middle_x], [0, 1, sign * middle_y], [0, 0, 1]]) for sign in (-1, 1))
    return back @ np.array([[1, 0, 0], [0, 1, 0], [x, y, 1]]) @ there @ affine


def put(matrix, points):
    """Return where a map takes points, (2, n), to."""
    there = matrix @ np.vstack([points, np.ones(points.shape[1])])
    return there[:2] / there[2]


TRANSFORMS = st.builds(
    Transform,
    st.booleans(),
    st.builds(lambda turns, rest: 90.0 * turns + rest, st.integers(-1, 2), st.floats(-25, 25)),  # no tie between two turns
    st.tuples(st.floats(0.75, 1.3), st.floats(0.75, 1.3)),
    st.floats(-15, 15),
    st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
    st.one_of(st.just((0.0, 0.0)), st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))),
)


@settings(deadline=None, max_examples=200)
@given(TRANSFORMS, st.tuples(st.integers(40, 400), st.integers(40, 400)), st.floats(0.5, 2))
def test_named_undoes_compose(transform, size, factor):
    turned = size[::-1] if round(transform.rotation / 90) % 2 else size
    b = (round(turned[0] * factor), round(turned[1] * factor))
    matrix = compose(transform, size, b)
    named = Transform.named(matrix, size, b, mirrored=transform.mirrored)
    again = compose(named, size, b)
    np.testing.assert_allclose(named.matrix(size, b), again, atol=1e-9)
    inset = 0.25 if any(transform.perspective) else 0.0  # what is far away is far off
    corners = np.array(size)[:, None] * np.array([[inset, 1 - inset, inset, 1 - inset], [inset, inset, 1 - inset, 1 - inset]])
    # what is named is rounded to a tenth of a degree and a thousandth of the frame
    np.testing.assert_allclose(put(again, corners), put(matrix, corners), atol=0.012 * max(*b, *size) * max(transform.scale))
    assert named.mirrored == transform.mirrored


@given(st.floats(0.2, 5), st.floats(0.2, 5), st.floats(0.2, 5))
def test_resizing_both_pictures_alike_keeps_the_map_of_their_frames(x, y, z):
    matrix = np.array([[0.9, 0.1, 3.0], [-0.1, 1.1, -2.0], [0.001, -0.002, 1.0]])
    there = resized(matrix, (x, y), (z, x))
    np.testing.assert_allclose(resized(there, (1 / x, 1 / y), (1 / z, 1 / x)), matrix, atol=1e-9)


def warped(picture, transform: Transform, *, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    pixels = np.asarray(picture)[:, ::-1] if transform.mirrored else np.asarray(picture)
    matrix = compose(transform, picture.size, picture.size)
    return cv2.warpPerspective(np.ascontiguousarray(pixels), matrix, picture.size, borderMode=border)


NAMED = [
    Transform(False, 12.0, (1.1, 1.1), 0.0, (0.0, 0.0)),
    Transform(True, -18.0, (1.0, 1.0), 0.0, (0.0, 0.0)),
    Transform(False, 0.0, (1.0, 1.0), 0.0, (0.2, -0.1)),
    Transform(False, 0.0, (0.8, 1.2), 0.0, (0.0, 0.0)),
    Transform(True, 7.0, (1.2, 0.9), 10.0, (-0.1, 0.1)),
    Transform(False, 100.0, (1.0, 1.0), 0.0, (0.0, 0.0)),
]


@pytest.mark.parametrize("transform", NAMED, ids=Transform.describe)
@pytest.mark.parametrize("border", [cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT, cv2.BORDER_WRAP, cv2.BORDER_CONSTANT])
def test_an_augmented_copy_is_proved_and_its_transform_named(tmp_path, transform, border):
    picture = photo(21, (240, 240))
    save(picture, tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "b.jpg"), warped(picture, transform, border=border)[:, :, ::-1])
    told = answer(Question(tmp_path / "a.png", tmp_path / "b.jpg", (), True, (0.95, 0.85), (0.97, 0.92), 10**8))
    assert told.reaches((0.95, 0.85)), told
    assert told.transform.mirrored == transform.mirrored
    assert told.transform.rotation == pytest.approx(transform.rotation, abs=1.0)
    assert told.transform.scale == pytest.approx(transform.scale, abs=0.03)
    assert told.transform.shear == pytest.approx(transform.shear, abs=2.0)
    assert told.transform.shift == pytest.approx(transform.shift, abs=0.02)
    assert 0.4 < told.overlap <= 1.0


IN_PERSPECTIVE = [
    Transform(perspective=(0.25, 0.0)),
    Transform(mirrored=True, rotation=8.0, perspective=(-0.2, 0.2)),
    Transform(rotation=90.0, scale=(0.9, 0.9), perspective=(0.1, -0.3)),
]


@pytest.mark.parametrize("transform", IN_PERSPECTIVE, ids=Transform.describe)
@pytest.mark.parametrize("size", [(240, 240), (48, 48)])
def test_a_copy_in_perspective_is_proved_and_named(tmp_path, transform, size):
    save(photo(21, size), tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "b.png"), warped(photo(21, size), transform)[:, :, ::-1])
    question = Question(tmp_path / "a.png", tmp_path / "b.png", (), True, (0.95, 0.85), (0.97, 0.92), 10**8)
    told = answer(question)
    assert told.settles(question), told
    assert told.transform.mirrored == transform.mirrored
    assert told.transform.rotation == pytest.approx(transform.rotation, abs=1.5)
    assert told.transform.perspective == pytest.approx(transform.perspective, abs=0.04)
    assert "in perspective" in told.transform.describe()


def test_a_map_with_its_horizon_in_the_picture_is_not_believed():
    for depth in (0.0, 0.004, 1 / 99, 0.02):  # a pixel: nothing, some perspective, the horizon at the edge, half way in
        matrix = np.array([[1.0, 0, 0], [0, 1.0, 0], [-depth, 0, 1.0]])
        with np.errstate(all="raise"):
            assert align._believable(matrix, (100, 80)) == (depth < 0.01)


def test_a_crop_and_both_sides_augmented_are_proved(tmp_path):
    for seed in range(6):
        picture = photo(seed, (240, 200))
        save(picture.crop((30, 20, 200, 180)), tmp_path / "crop.jpg")
        save(picture, tmp_path / "whole.png")
        cv2.imwrite(str(tmp_path / "one.jpg"), warped(picture, NAMED[0])[:, :, ::-1])
        cv2.imwrite(str(tmp_path / "two.jpg"), warped(picture, NAMED[4])[:, :, ::-1])
        for a, b in (("whole.png", "crop.jpg"), ("crop.jpg", "whole.png"), ("one.jpg", "two.jpg")):
            told = answer(Question(tmp_path / a, tmp_path / b, (), True, (0.95, 0.85), (0.97, 0.92), 10**8))
            assert told.reaches((0.95, 0.85)), (seed, a, b, told)
        assert answer(Question(tmp_path / "whole.png", tmp_path / "crop.jpg", (), True, (1, 1), (1, 1), 10**8)).overlap > 0.97
        assert answer(Question(tmp_path / "crop.jpg", tmp_path / "whole.png", (), True, (1, 1), (1, 1), 10**8)).overlap < 0.65


def test_a_tiny_copy_that_was_interpolated_three_times_is_proved(tmp_path):
    rng, proved = np.random.default_rng(0), 0
    for seed in range(40):  # as Keras's layers rotate, shift and zoom, one after the other
        picture = photo(seed, (160, 160)).resize((32, 32), Image.Resampling.BOX)
        copy = picture.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR)
        zoom, shift = rng.uniform(0.85, 1.15), rng.uniform(-4, 4, 2)
        for map_back in ((1, 0, shift[0], 0, 1, shift[1]), (zoom, 0, 16 * (1 - zoom), 0, zoom, 16 * (1 - zoom))):
            copy = copy.transform(copy.size, Image.Transform.AFFINE, map_back, Image.Resampling.BILINEAR)
        files = save(picture, tmp_path / f"{seed}.png"), save(copy, tmp_path / f"{seed}-copy.png")
        told = answer(Question(*files, (), True, (0.95, 0.85), (0.97, 0.92), 10**8))
        proved += Thresholds.of(Config()).verdict(told) == "proved"
    assert proved >= 28  # 24 by the band of large pictures


def test_a_guessed_orientation_is_asked_what_a_registration_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "_DEGRADED", 2.0)
    picture = photo(5, (240, 200))
    grain = np.random.default_rng(0).normal(0, 55, (200, 240, 3))
    noisy = Image.fromarray(np.clip(np.asarray(picture, np.float64) + grain, 0, 255).astype(np.uint8))
    files = save(picture, tmp_path / "a.png"), save(noisy, tmp_path / "b.png")
    thresholds = Thresholds.of(Config())
    named, guessed = (
        answer(Question(*files, (0,), False, thresholds.proved, thresholds.registered_proved, 10**8, guess))
        for guess in (False, True)
    )
    assert named.reaches((0.95, 0.85)), named
    assert not named.reaches((0.97, 0.92)), named
    assert (thresholds.verdict(named), thresholds.verdict(guessed)) == ("proved", "probable")


@pytest.mark.parametrize("worsen", ["noise", "blur"])
def test_a_copy_whose_fine_details_are_gone_is_proved_by_coarse_ones(tmp_path, monkeypatch, worsen):
    rng, proved = np.random.default_rng(0), {True: 0, False: 0}
    for seed in range(10):
        picture = photo(seed, (240, 240))
        copy = Image.fromarray(warped(picture, Transform(rotation=10.0, scale=(1.1, 1.1))))
        if worsen == "blur":
            copy = copy.filter(ImageFilter.GaussianBlur(3.5))
        else:
            copy = Image.fromarray(np.clip(np.asarray(copy) + rng.normal(0, 45, (240, 240, 3)), 0, 255).astype(np.uint8))
        files = save(picture, tmp_path / f"{seed}.png"), save(copy, tmp_path / f"{seed}-copy.png")
        for coarse in (True, False):
            monkeypatch.setattr(verify, "_DEGRADED", 0.9 if coarse else 2.0)
            told = answer(Question(*files, (), True, (0.95, 0.85), (0.97, 0.92), 10**8))
            proved[coarse] += Thresholds.of(Config()).verdict(told) == "proved"
    assert proved[True] >= 8, proved
    assert proved[False] <= 5, proved


def test_unrelated_pictures_cannot_be_registered_well(tmp_path):
    paths = [save(photo(seed, (200, 160)), tmp_path / f"{seed}.png") for seed in range(10)]
    for number, a in enumerate(paths):
        for b in paths[:number]:
            assert not answer(Question(a, b, (0, 4), True, (0.95, 0.85), (0.97, 0.92), 10**8)).reaches((0.8, 0.5))


def test_a_flat_picture_has_no_features():
    flat, other = View(np.full((90, 120), 128, np.uint8)), View(np.asarray(photo(1, (120, 90)).convert("L")))
    assert len(flat.features(FEW, mirrored=False)[0]) == 0
    assert register(flat, other) is None
    assert register_by_corners(flat, other) is None


@pytest.mark.parametrize("transform", NAMED, ids=Transform.describe)
@pytest.mark.parametrize("size", [(300, 220), (48, 60)])
def test_corners_give_the_map_that_was_applied(transform, size):
    picture = photo(21, size)
    a, b = (View(np.asarray(image.convert("L"))) for image in (picture, Image.fromarray(warped(picture, transform))))
    found = register_by_corners(a, b)
    assert found is not None
    assert found.mirrored == transform.mirrored
    expected = resized(compose(transform, size, size), *(2 * [(a.size[0] / size[0], a.size[1] / size[1])]))
    frame = np.array([[x, y, 1] for x in (0.2, 0.8) for y in (0.2, 0.8)]) * [*a.size, 1]
    assert np.abs(frame @ (found.matrix - expected).T)[:, :2].max() < 6  # pixels of 128, before any refinement


def test_what_corners_bring_together_needs_no_finer_features(tmp_path, monkeypatch):
    files = save(photo(2, (240, 200)), tmp_path / "a.png"), save(photo(2, (240, 200)).rotate(9), tmp_path / "b.png")
    monkeypatch.setattr(align, "register", lambda *_: pytest.fail("finer features were looked for"))
    told = answer(Question(*files, (), True, (0.95, 0.85), (0.97, 0.92), 10**8))
    assert told.reaches((0.97, 0.92))
    assert told.transform.rotation == pytest.approx(9, abs=0.5)


def test_few_corners_prove_nothing(tmp_path, monkeypatch):
    files = save(photo(2, (240, 200)), tmp_path / "a.png"), save(photo(2, (240, 200)).rotate(9), tmp_path / "b.png")
    few = register_by_corners(*(View(np.asarray(Image.open(file).convert("L"))) for file in files))
    monkeypatch.setattr(align, "register_by_corners", lambda *_: replace(few, inliers=9))
    monkeypatch.setattr(align, "register", lambda *_: None)
    assert not answer(Question(*files, (), True, (0.95, 0.85), (0.97, 0.92), 10**8)).registered


@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(0.5, 2.0), st.integers(8, 512), st.integers(8, 512))
def test_maps_are_as_far_apart_as_the_corner_they_bring_furthest(x, y, zoom, width, height):
    one, other = Registration(np.eye(3), False, 9), Registration(np.array([[zoom, 0, x], [0, zoom, y], [0, 0, 1.0]]), False, 9)
    corners = [(u, v) for u in (0, width - 1) for v in (0, height - 1)]
    furthest = max(math.dist((u, v), (zoom * u + x, zoom * v + y)) for u, v in corners)
    assert align.apart(one, other, (width, height)) == pytest.approx(furthest)
    assert align.apart(one, replace(other, mirrored=True), (width, height)) == math.inf


@pytest.mark.parametrize(("shift", "asked"), [(3.0, 1), (20.0, 2)])
def test_a_map_that_finer_features_find_again_is_not_refined_again(tmp_path, monkeypatch, shift, asked):
    files = save(photo(2, (240, 200)), tmp_path / "a.png"), save(photo(7, (240, 200)), tmp_path / "b.png")
    moved = {FEW: 0.0, MANY: shift}
    brought = []
    monkeypatch.setattr(align, "register_by_corners", lambda *_: None)
    monkeypatch.setattr(align, "register", lambda *given: Registration(np.eye(3) + np.eye(3, k=2) * moved[given[2]], False, 20))
    monkeypatch.setattr(align, "register_in_perspective", lambda *_, **__: None)
    monkeypatch.setattr(verify, "_brought_together", lambda *given, **_: brought.append(given[2]))
    assert not answer(Question(*files, (), True, (0.95, 0.85), (0.97, 0.92), 10**8)).registered
    assert len(brought) == asked


@pytest.mark.parametrize("detail", [FEW, MANY])
def test_the_features_of_the_mirror_image_are_found_without_it(detail):
    luma = np.asarray(photo(3, (180, 128)).convert("L"))
    derived, seen = (
        View(luma).features(detail, mirrored=True),
        View(np.ascontiguousarray(luma[:, ::-1])).features(detail, mirrored=False),
    )
    nearest = (derived[1] @ seen[1].T).argmax(axis=1)
    similarity = np.einsum("nd,nd->n", derived[1], seen[1][nearest])
    distance = np.linalg.norm(derived[0] - seen[0][nearest], axis=1)
    assert np.median(similarity) > 0.98
    assert np.mean(distance < 1.5) > 0.8
