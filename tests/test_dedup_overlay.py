"""Copies that are partly covered: found around what covers them; a frame or a logo that pictures share makes no copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.dedup import align, overlay, relate, verify, windows
from dataaudit.dedup.calibrate import Thresholds
from dataaudit.dedup.overlay import Covered, located
from dataaudit.dedup.verify import Answer, Question, answer
from dataaudit.engines.local import LocalEngine
from dataaudit.features import measure
from pictures import photo, save

if TYPE_CHECKING:
    from pathlib import Path

    from dataaudit.domain import Catalog, CopyGraph

THRESHOLDS = Thresholds.of(Config())


def test_little_that_is_alike_around_a_region_proves_nothing():
    """Two subjects on one floor: registered by the floor, of which each covers much."""
    around = Covered((0.2, 0.1, 0.6, 0.55), 0.33, ((0.2, 0.1, 0.6, 0.55),), 0.99, 0.97, 0.5, 0.9, located=True)
    verdicts = [
        THRESHOLDS.verdict(Answer(0.9, 0.1, (99, 99), overlap=overlap, registered=True, covered=around))
        for overlap in (0.72, 0.8)
    ]
    assert verdicts == ["probable", "proved"]


def test_what_is_alike_but_for_a_region_must_be_the_same_around_it():
    """Two motorbikes of one make, the same studio and another tank; the bounds are what a registration is asked, and closer."""
    box = (0.3, 0.3, 0.3, 0.2)
    verdicts = [
        THRESHOLDS.verdict(
            Answer(
                0.95,
                0.85,
                (99, 99),
                registered=True,
                located=True,
                covered=Covered(box, 0.06, (box,), *found, 0.7, 0.9, located=True),
            )
        )
        for found in ((0.982, 0.958), (0.995, 0.967), (0.987, 0.98), (0.989, 0.969), (0.95, 0.9))
    ]
    assert verdicts == ["probable", "probable", "probable", "proved", "probable"]
    verdicts = [
        THRESHOLDS.verdict(
            Answer(0.9, 0.1, (99, 99), registered=True, covered=Covered(box, 0.06, (box,), *found, 0.7, 0.9, located=True))
        )
        for found in ((0.965, 0.9), (0.95, 0.9))
    ]
    assert verdicts == ["probable", None]
    assert THRESHOLDS.verdict(Answer(0.972, 0.925, (99, 99), registered=True, located=True)) == "proved"


def covered(image: Image.Image, box: tuple[float, float, float, float], patch: Image.Image | str) -> Image.Image:
    """Put ``patch`` (a picture or a colour) over the box: left, top, width, height in fractions."""
    width, height = image.size
    left, top = round(box[0] * width), round(box[1] * height)
    size = round(box[2] * width), round(box[3] * height)
    image = image.copy()
    image.paste(Image.new("RGB", size, patch) if isinstance(patch, str) else patch.resize(size), (left, top))
    return image


def asked(a: Image.Image, b: Image.Image, folder: Path, orientations: tuple[int, ...] = ()) -> Answer:
    paths = [save(image, folder / name) for image, name in ((a, "a.png"), (b, "b.png"))]
    return answer(
        Question(
            paths[0],
            paths[1],
            orientations,
            align=True,
            enough=THRESHOLDS.proved,
            enough_registered=THRESHOLDS.registered_proved,
            max_pixels=10**8,
        )
    )


@pytest.mark.parametrize("box", [(0.3, 0.2, 0.5, 0.6), (0.0, 0.0, 0.55, 0.6), (0.35, 0.4, 0.6, 0.5)])
@pytest.mark.parametrize("patch", ["black", photo(77)])
def test_a_copy_is_proved_around_what_covers_a_third_of_it(tmp_path, box, patch):
    picture = photo(5, (320, 240))
    turned = picture.rotate(8, Image.Resampling.BICUBIC).crop((30, 30, 290, 210))
    found = asked(
        turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT), covered(picture.crop((20, 20, 300, 220)), box, patch), tmp_path
    )
    assert found.covered is not None
    assert THRESHOLDS.verdict(found) == "proved"
    np.testing.assert_allclose(found.covered.region, box, atol=0.12)


@pytest.mark.parametrize(("size", "wide"), [(32, 0.5), (240, 0.6)])
def test_what_leaves_a_narrow_rim_is_no_obstacle(tmp_path, size, wide):
    rng, proved = np.random.default_rng(1), 0
    for seed in range(20):
        picture = photo(seed, (240, 240)).resize((size, size), Image.Resampling.BOX)
        left, top = rng.uniform(0.15, 0.27, 2)
        over = covered(picture, (left, top, wide, wide), photo(100 + seed, (64, 64)))
        proved += THRESHOLDS.verdict(asked(picture, over, tmp_path / str(seed), (0,))) == "proved"
    assert proved >= 17  # with large windows only, of which a tenth had to be untouched: none of 32 px, half of 240 px


def test_holes_all_over_a_copy_are_no_obstacle_and_those_around_a_logo_are(tmp_path):
    rng, proved = np.random.default_rng(2), 0
    for seed in range(20):
        picture = photo(seed, (320, 240))
        holes = picture
        for left, top in rng.uniform(0, 0.87, (6, 2)):
            holes = covered(holes, (left, top, 0.13, 0.13), "black")
        found = asked(picture, holes, tmp_path / str(seed), (0,))
        proved += THRESHOLDS.verdict(found) == "proved"
    assert proved >= 19  # 12, if the box around all holes may be no larger than a region
    other = covered(photo(30, (320, 240)), (0.3, 0.3, 0.4, 0.4), photo(31, (64, 64)))
    same = covered(photo(32, (320, 240)), (0.3, 0.3, 0.4, 0.4), photo(31, (64, 64)))
    assert THRESHOLDS.verdict(asked(other, same, tmp_path / "logo", (0,))) is None


@pytest.mark.parametrize("size", [120, 320])
def test_what_is_written_all_over_a_copy_is_left_out(tmp_path, monkeypatch, size):
    proved = {True: 0, False: 0}
    for seed in range(10):
        picture = photo(seed, (size, size * 3 // 4))
        written = picture.copy()
        draw = ImageDraw.Draw(written)
        for top in (0.05, 0.25, 0.45):
            draw.text((0.05 * size, top * size), "SAMPLE 012345", fill="white", font_size=0.08 * size)
        for reading in (True, False):
            with monkeypatch.context() as patch:
                if not reading:
                    patch.setattr(verify, "find_marks", lambda *_: None)
                found = asked(picture, written, tmp_path / f"{seed}-{reading}", (0,))
            proved[reading] += THRESHOLDS.verdict(found) == "proved"
    assert proved[True] >= 9, proved
    assert proved[False] <= 5, proved


def test_marks_are_what_stands_out_and_look_alikes_have_none():
    rng = np.random.default_rng(0)
    band = rng.normal(0, 10, (128, 128)).astype(np.float32)
    other = 0.7 * band + rng.normal(0, 0.3, band.shape).astype(np.float32)
    other[40:44, 20:100] += 60
    expected = np.zeros(band.shape, bool)
    expected[38:46, 18:102] = True  # two pixels wider
    shown = np.ones_like(band)
    found = overlay.find_marks((band, other), shown)
    assert (found == expected).mean() > 0.999
    alike = 0.7 * band + rng.normal(0, 3, band.shape).astype(np.float32)
    assert overlay.find_marks((band, alike), shown).mean() < 0.01
    assert overlay.find_marks((np.zeros_like(band), other), shown) is None


def test_the_parts_of_a_mask_are_those_that_touch():
    mask = np.array([[1, 1, 0, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 1, 1]], bool)
    parts = list(overlay._parts(mask))
    assert sorted(part.sum() for part in parts) == [1, 2, 2, 3]
    assert (np.sum(parts, axis=0) == mask).all()


def test_a_copy_that_is_nowhere_covered_says_so(tmp_path):
    picture = photo(5, (320, 240))
    assert asked(picture, picture.rotate(8, Image.Resampling.BICUBIC), tmp_path).covered is None
    assert asked(picture, picture.resize((200, 150)), tmp_path, (0,)).covered is None


def test_one_logo_on_two_pictures_makes_no_copy(tmp_path):
    logo, box = photo(99, (200, 200)), (0.2, 0.2, 0.6, 0.6)
    found = asked(covered(photo(1, (320, 240)), box, logo), covered(photo(2, (320, 240)), box, logo), tmp_path, (0,))
    assert THRESHOLDS.verdict(found) is None


def related(root: Path) -> tuple[Catalog, CopyGraph]:
    config = Config(cache=False)
    catalog = find(root, config)
    with LocalEngine(jobs=1, item_timeout=60, item_memory=2048) as engine:
        return catalog, relate(catalog, measure(catalog, config, engine), config, engine)


@pytest.mark.parametrize(("label", "verdict"), [("good", "proved"), ("defect", "probable")])
def test_under_another_label_a_picture_with_a_change_is_no_more_than_probable(tmp_path, label, verdict):
    for seed in range(8):
        save(photo(seed, (320, 240)), tmp_path / f"good/{seed}.png")
    save(photo(50, (320, 240)), tmp_path / "defect/other.png")
    save(covered(photo(3, (320, 240)), (0.6, 0.1, 0.25, 0.3), "red"), tmp_path / label / "x.png")
    catalog, graph = related(tmp_path)
    assert [({catalog.paths[pair.a], catalog.paths[pair.b]}, pair.verdict) for pair in graph.pairs] == [
        ({"good/3.png", f"{label}/x.png"}, verdict)
    ]
    np.testing.assert_allclose(graph.pairs[0].differs, (0.6, 0.1, 0.25, 0.3), atol=0.1)


def test_copies_with_holes_at_their_own_places_share_no_frame(tmp_path):
    rng = np.random.default_rng(4)
    for seed in range(8):
        save(photo(seed, (320, 240)), tmp_path / f"a/{seed}.png")
    for copy in range(3):
        holes = photo(3, (320, 240))
        for left, top in rng.uniform(0, 0.87, (6, 2)):
            holes = covered(holes, (left, top, 0.13, 0.13), "black")
        save(holes, tmp_path / f"a/3-{copy}.png")
    catalog, graph = related(tmp_path)
    found = {frozenset((catalog.paths[pair.a], catalog.paths[pair.b])) for pair in graph.pairs if pair.verdict == "proved"}
    assert {frozenset(("a/3.png", f"a/3-{copy}.png")) for copy in range(3)} <= found


def test_forms_that_were_filled_in_share_a_frame(tmp_path):
    form = photo(200, (320, 240))
    for seed in range(4):
        filled = form
        for number, (left, top) in enumerate(((0.1, 0.1), (0.45, 0.1), (0.75, 0.15), (0.1, 0.6), (0.45, 0.7), (0.75, 0.65))):
            filled = covered(filled, (left, top, 0.15, 0.15), photo(10 * seed + number, (48, 36)))
        save(filled, tmp_path / f"a/{seed}.png")
    for seed in range(110, 116):
        save(photo(seed, (320, 240)), tmp_path / f"b/{seed}.png")
    _, graph = related(tmp_path)
    assert not [pair for pair in graph.pairs if pair.verdict == "proved"]


def test_coarse_details_tell_nothing_of_pictures_of_a_kind(tmp_path):
    """Where look-alikes raise the thresholds, and where those are measured, only fine details count."""
    rng, base = np.random.default_rng(0), np.asarray(photo(7, (256, 256)), np.float64)
    files = [
        save(Image.fromarray(np.clip(base + rng.normal(0, 42, base.shape), 0, 255).astype(np.uint8)), tmp_path / f"{n}.png")
        for n in range(2)
    ]
    told = [
        answer(Question(*files, (0,), align, THRESHOLDS.proved, THRESHOLDS.registered_proved, 10**8)) for align in (True, False)
    ]
    assert THRESHOLDS.verdict(told[0]) == "proved"
    assert 0.85 < told[1].median < 0.95


def test_a_frame_around_different_contents_makes_no_copies(tmp_path):
    frame, box = photo(200, (320, 240)), (0.25, 0.25, 0.5, 0.5)
    for seed in range(4):
        save(covered(frame, box, photo(seed, (160, 120))), tmp_path / f"a/{seed}.png")
    for seed in range(10, 16):
        save(photo(seed, (320, 240)), tmp_path / f"b/{seed}.png")
    _, graph = related(tmp_path)
    assert not graph.pairs
    assert graph.calibration is not None
    assert graph.calibration.framed == 6


def test_a_copy_of_a_framed_picture_is_still_told(tmp_path):
    frame, box = photo(200, (320, 240)), (0.25, 0.25, 0.5, 0.5)
    for seed in range(3):
        save(covered(frame, box, photo(seed, (160, 120))), tmp_path / f"a/{seed}.png")
    save(covered(frame, box, photo(0, (160, 120))), tmp_path / "a/copy.jpg", quality=80)
    for seed in range(10, 16):
        save(photo(seed, (320, 240)), tmp_path / f"b/{seed}.png")
    catalog, graph = related(tmp_path)
    assert [[catalog.paths[row] for row in group] for group in graph.groups()] == [["a/0.png", "a/copy.jpg"]]


@pytest.mark.parametrize("how", ["touching", "only"])
@pytest.mark.parametrize(("label", "verdict"), [("a", "proved"), ("b", "probable")])
def test_twins_are_no_strangers_that_share_a_frame_where_only_some_pictures_are_asked_about(tmp_path, how, label, verdict):
    for seed in range(12):
        save(photo(seed, (240, 200)), tmp_path / f"a/{seed:02}.png")
    save(photo(50, (240, 200)), tmp_path / "b/other.png")
    save(photo(3, (240, 200)).resize((200, 160)), tmp_path / "a/twin.jpg", quality=80)
    save(covered(photo(3, (240, 200)), (0.3, 0.3, 0.45, 0.4), photo(99, (120, 120))), tmp_path / label / "covered.png")
    config = Config(cache=False)
    catalog = find(tmp_path, config)
    asked = np.array([path.endswith("covered.png") for path in catalog.paths])
    with LocalEngine(jobs=1, item_timeout=60, item_memory=2048) as engine:
        features = measure(catalog, config, engine)
        graph = relate(catalog, features, config, engine, **{how: asked if how == "touching" else np.flatnonzero(asked)})
    found = {frozenset((catalog.paths[pair.a], catalog.paths[pair.b])): pair.verdict for pair in graph.pairs}
    assert found == {
        frozenset(("a/03.png", "a/twin.jpg")): "proved",
        frozenset(("a/03.png", f"{label}/covered.png")): verdict,
        frozenset(("a/twin.jpg", f"{label}/covered.png")): verdict,
    }
    assert len(graph.pairs) == len(found)
    assert graph.calibration is not None
    assert graph.calibration.framed == 0


def bars(seed: int) -> Image.Image:
    """Two dark bars at the sides, and between them a picture of its own."""
    picture = Image.new("RGB", (320, 320), "white")
    for left, right in ((30, 70), (250, 290)):
        picture.paste("black", (left, 0, right, 320))
    return covered(picture, (0.4, 0.3, 0.25, 0.4), photo(seed, (80, 80)))


def test_parallel_lines_around_what_differs_prove_nothing(tmp_path):
    """They are alike wherever they run: nothing says that it is the same place of them. Nor does a whole picture of them."""
    lines = [covered(Image.new("RGB", (320, 320), "white"), (0.1, 0.0, width, 1.0), "black") for width in (0.2, 0.205)]
    whole = asked(*lines, tmp_path / "lines", (0,))
    assert whole.reaches(THRESHOLDS.proved)
    assert not whole.located
    assert THRESHOLDS.verdict(whole) == "probable"
    found = asked(bars(1), bars(2), tmp_path, (0,))
    assert found.covered is not None
    assert found.covered.median > 0.988
    assert found.covered.quartile > 0.968
    assert not found.covered.located
    assert THRESHOLDS.verdict(found) == "probable"
    picture = photo(1, (320, 240))
    photographs = asked(picture, covered(picture, (0.4, 0.3, 0.25, 0.4), photo(2)), tmp_path / "photographs", (0,))
    assert photographs.covered is not None
    assert photographs.covered.located
    assert THRESHOLDS.verdict(photographs) == "proved"


@pytest.mark.parametrize(
    ("side", "windows", "median", "registered", "enough"),
    [
        (26, 20, 0.95, True, True),
        (26, 19, 0.999, False, False),
        (24, 109, 0.989, False, False),
        (24, 110, 0.95, False, True),
        (24, 159, 0.989, True, False),
        (24, 160, 0.95, True, True),
        (24, 20, 0.99, True, True),
        (24, 19, 1.0, False, False),
    ],
)
def test_what_little_a_tiny_picture_shows_must_be_the_same(side, windows, median, registered, enough):
    corners = np.zeros(side * side, bool)
    corners[:windows] = True
    assert located(corners.reshape(side, side), median, registered=registered) is enough


def stroke(seed: int) -> Image.Image:
    """A slanted stroke of 28 px, white on black, as a one is written."""
    rng = np.random.default_rng(seed)
    picture = Image.new("L", (112, 112))
    slant, width = rng.uniform(8, 12), int(rng.integers(9, 13))
    ImageDraw.Draw(picture).line([(56 + slant, 18 + rng.uniform(0, 4)), (56 - slant, 94 - rng.uniform(0, 4))], "white", width)
    return picture.resize((28, 28), Image.Resampling.LANCZOS).convert("RGB")


def test_strokes_as_alike_as_copies_are_not_proved_to_be_one_another():
    strokes = [np.asarray(stroke(seed).convert("L").resize((64, 64), Image.Resampling.LANCZOS), np.float32) for seed in range(12)]
    told = [verify.compare(a, b) for number, a in enumerate(strokes) for b in strokes[:number]]
    alike = [one for one in told if one.reaches(THRESHOLDS.proved) and one.median < 0.99]
    assert len(alike) >= 3
    assert {THRESHOLDS.verdict(one) for one in alike} == {"probable"}
    assert THRESHOLDS.verdict(verify.compare(strokes[0], strokes[0])) == "proved"


def test_a_curved_stroke_holds_more_than_lines_to_most_large_windows_and_is_not_proved():
    def nearly(picture: Image.Image) -> tuple[Answer, float]:
        square = np.asarray(picture.convert("L").resize((64, 64), Image.Resampling.LANCZOS), np.float32)
        shifted = (square + np.roll(square, 1, 1)) / 2
        seen = windows.compared(shifted, square, None, 0.6)
        large = windows.corners(seen.bands[1], None)[seen.counted & (seen.correlation > 0.9)]
        return verify.compare(shifted, square, registered=True), large.mean()

    letter = Image.new("L", (112, 112))
    ImageDraw.Draw(letter).arc([26, 20, 86, 92], 30, 330, "white", 12)
    for picture, verdict in ((letter, "probable"), (photo(4, (112, 112)), "proved")):
        told, large = nearly(picture)
        assert told.reaches(THRESHOLDS.registered_proved)
        assert told.median < 0.99
        assert large > 0.5
        assert THRESHOLDS.verdict(told) == verdict


def test_strokes_in_one_frame_are_not_proved_to_be_one_another(tmp_path):
    framed = [Image.new("RGB", (38, 38), (128, 128, 128)) for _ in range(6)]
    for seed, picture in enumerate(framed):
        picture.paste(stroke(seed), (5, 5))
    told = [asked(framed[a], framed[b], tmp_path / f"{a}-{b}", (0,)) for a in range(6) for b in range(a)]
    assert {THRESHOLDS.verdict(one) for one in told if one.median < 0.99} <= {"probable", None}
    assert sum(one.reaches(THRESHOLDS.proved) for one in told) >= 3


@pytest.mark.parametrize(("seed", "rim"), [(5, 0.07), (6, 0.07), (6, 0.09), (7, 0.07), (8, 0.09)])
def test_the_fill_at_the_rim_of_a_copy_does_not_speak_against_it(tmp_path, seed, rim, monkeypatch):
    """Brought onto its source, the reflected rim of a copy lies over what the source shows there."""
    picture = photo(seed, (320, 240))
    part = np.asarray(picture.rotate(8, Image.Resampling.BICUBIC).crop((50, 40, 270, 200)))
    edges = [(round(rim * length),) * 2 for length in part.shape[:2]]
    copy = Image.fromarray(np.pad(part, [*edges, (0, 0)], mode="reflect"))
    found = asked(copy, picture, tmp_path / "copy", (0,))
    assert THRESHOLDS.verdict(found) == "proved"
    assert found.overlap < 0.7
    monkeypatch.setattr(verify, "_MOST_OF_IT", 2.0)
    monkeypatch.setattr(verify, "_DEGRADED", 2.0)
    assert THRESHOLDS.verdict(asked(copy, picture, tmp_path / "again", (0,))) != "proved"


@pytest.mark.parametrize("degrees", [0, 10, 20])
def test_where_a_picture_of_lines_ends_is_no_corner_of_it(degrees):
    lines = np.zeros((128, 128), np.float32)
    lines[:, 20:45] = lines[:, 80:100] = 255.0
    turned = cv2.getRotationMatrix2D((64, 64), degrees, 1.0)
    whole = cv2.warpAffine(lines, turned, (128, 128), borderMode=cv2.BORDER_REFLECT)
    angle = np.deg2rad(degrees)
    along = np.float64([[1, 0, 20 * np.sin(angle)], [0, 1, 20 * np.cos(angle)], [0, 0, 1]])
    moved, shown = align.warp(whole, along, 128)
    found = verify.compare(moved, whole, align.inner(shown))
    assert found.reaches(THRESHOLDS.registered_proved)
    assert not found.located


def padded(picture: Image.Image, share: float, fill: object) -> Image.Image:
    """A picture in the middle of a plain canvas of 320 × 240, of whose sides it takes a share."""
    canvas = Image.new("RGB", (320, 240), fill)
    small = picture.resize((round(320 * share), round(240 * share)))
    canvas.paste(small, ((320 - small.width) // 2, (240 - small.height) // 2))
    return canvas


def test_two_pictures_in_one_border_are_no_copies_and_copies_in_it_are(tmp_path):
    proved, told = 0, []
    for seed in range(24):
        share, fill = (0.55, 0.62, 0.7, 0.78)[seed % 4], ("white", "black", (128, 128, 128), (210, 50, 50))[seed // 4 % 4]
        pictures = [padded(photo(number, (320, 240)), share, fill) for number in (seed, seed + 100)]
        told.append(THRESHOLDS.verdict(asked(*pictures, tmp_path / f"{seed}-strangers", (0,))))
        save(pictures[0], tmp_path / f"{seed}.jpg", quality=60)
        with Image.open(tmp_path / f"{seed}.jpg") as copy:
            proved += THRESHOLDS.verdict(asked(pictures[0], copy.convert("RGB"), tmp_path / f"{seed}-copies", (0,))) == "proved"
    assert told == [None] * 24
    assert proved == 24


@pytest.mark.parametrize("sides", [(0, 0, 0, 0), (20, 0, 0, 0), (0, 17, 30, 0), (12, 9, 20, 40), (2, 0, 0, 1)])
def test_the_content_of_a_square_lies_within_its_plain_border(sides):
    left, top, right, bottom = sides
    rng = np.random.default_rng(1)
    picture = rng.uniform(0, 255, (128, 128)).astype(np.float32)
    border = np.ones((128, 128), bool)
    border[top : 128 - bottom, left : 128 - right] = False
    picture[border] = 200 + rng.uniform(-3, 3, border.sum())
    left, top, right, bottom = (width + 4 if width > 2 else 0 for width in sides)  # its edge is seen from a few pixels beside it
    expected = np.zeros((128, 128))
    expected[top : 128 - bottom, left : 128 - right] = 1
    np.testing.assert_array_equal(windows.content(picture), expected)
    assert windows.content(np.full((64, 64), 7, np.float32)).all()
