from __future__ import annotations

import base64
import json
from io import BytesIO

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image, ImageOps

from dataaudit import pipeline
from dataaudit.config import Config
from dataaudit.domain import DIHEDRAL, Failure, Transform
from dataaudit.reports import json as json_report
from dataaudit.reports.pictures import SIDE, Album, aligned, difference, overlay, reached
from measurements import make
from pictures import photo, save

PATHS = ("big.jpg", "bad.jpg", "gone.jpg", "tiny.png", "turned.jpg")


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    root = tmp_path_factory.mktemp("dataset")
    save(photo(1, (400, 300)), root / "big.jpg", quality=95)
    save(photo(2, (24, 32)), root / "tiny.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    save(photo(3, (400, 300)), root / "turned.jpg", exif=exif)
    (root / "bad.jpg").write_bytes(b"\xff")
    failures = {"bad.jpg": Failure("crash", "")}
    cells = {"width": {"big.jpg": 400, "turned.jpg": 400}, "height": {"big.jpg": 300, "turned.jpg": 300}}
    return Album(make([(path, "cat", None) for path in PATHS], catalog={"root": root}, failures=failures, **cells))


def opened(thumbnail):
    return Image.open(BytesIO(base64.b64decode(thumbnail.uri.partition(",")[2])))


def row(path):
    return sorted(PATHS).index(path)


def test_a_big_picture_is_made_small(album):
    found = album.thumbnail(row("big.jpg"))
    assert (found.width, found.height, found.pixelated) == (SIDE, 120, False)
    assert opened(found).size == (SIDE, 120)
    assert opened(found).format == "JPEG"
    expected = np.asarray(photo(1, (400, 300)).resize((SIDE, 120), Image.Resampling.LANCZOS), float)
    assert np.abs(np.asarray(opened(found), float) - expected).mean() < 6
    assert len(found.uri) < 20_000


def test_a_tiny_picture_is_kept_lossless_and_shown_large(album):
    found = album.thumbnail(row("tiny.png"))
    assert (found.width, found.height, found.pixelated) == (120, SIDE, True)
    assert np.array_equal(np.asarray(opened(found)), np.asarray(photo(2, (24, 32))))


def test_exif_orientation_is_not_applied(album):
    assert opened(album.thumbnail(row("turned.jpg"))).size == (SIDE, 120)


def test_what_cannot_be_shown_says_why(album):
    assert (album.thumbnail(row("bad.jpg")).uri, album.thumbnail(row("bad.jpg")).problem) == (None, "crash")
    assert album.thumbnail(row("gone.jpg")).problem == "changed since it was measured"


def test_a_file_that_has_grown_is_not_decoded(album):
    grown = make([(path, "cat", None) for path in PATHS], catalog={"root": album.measurements.catalog.root})  # 96 × 72, it says
    assert Album(grown).thumbnail(row("big.jpg")).problem == "changed since it was measured"


@pytest.mark.parametrize("orientation", range(DIHEDRAL))
def test_aligned_is_mirror_then_turn(orientation):
    picture = photo(5, (30, 20))
    quarters = orientation % 4
    rotation = 90.0 * quarters if quarters <= 2 else -90.0
    transform = Transform(mirrored=orientation >= 4, rotation=rotation)
    expected = (ImageOps.mirror(picture) if orientation >= 4 else picture).rotate(90 * quarters, expand=True)
    assert np.array_equal(aligned(np.asarray(picture), transform, expected.size), np.asarray(expected))
    assert reached(np.asarray(picture), transform, expected.size).all()


def test_a_zoomed_and_shifted_picture_is_brought_onto_its_copy():
    picture = np.asarray(photo(5, (300, 200)))
    zoomed = aligned(picture, Transform(scale=(1.5, 1.5), shift=(0.1, 0.0)), (150, 100))
    window = np.asarray(photo(5, (300, 200)).crop((30, 33, 230, 167)).resize((150, 100)), float)
    assert np.abs(zoomed[10:90, 20:140].astype(float) - window[10:90, 20:140]).mean() < 12
    away = aligned(picture, Transform(shift=(0.5, 0.0)), (300, 200))
    assert (away[:, :149] == 255).all()


def test_aligned_agrees_with_the_transforms_that_are_found(tmp_path):
    picture = photo(7, (320, 260))
    save(picture, tmp_path / "train" / "cat" / "0.png")
    for orientation in range(1, DIHEDRAL):
        turned = (ImageOps.mirror(picture) if orientation >= 4 else picture).rotate(90 * (orientation % 4), expand=True)
        save(turned, tmp_path / "val" / "cat" / f"{orientation}.png")
    measurements = pipeline.measure(tmp_path, Config(jobs=1))
    album = Album(measurements)
    pairs = [pair for pair in measurements.copies.pairs if measurements.catalog.paths[pair.a].startswith("train")]
    assert len({pair.transform for pair in pairs}) == DIHEDRAL - 1
    for pair in pairs:
        first, second = (np.asarray(opened(shown), float) for shown in (album.overlay(pair), album.thumbnail(pair.b)))
        assert np.abs(first - second).mean() < 4
        assert np.ptp(np.asarray(opened(album.difference(pair)), int), axis=2).mean() < 1


def test_a_copy_in_perspective_is_laid_on_its_source_told_in_json_and_remembered(tmp_path):
    for seed in range(6):
        save(photo(seed, (320, 260)), tmp_path / "set" / "train" / "cat" / f"{seed}.png")
    back = (0.85, 0.02, 12, 0.01, 0.84, 15, 0.0004, -0.0005)
    tilted = photo(3, (320, 260)).transform((320, 260), Image.Transform.PERSPECTIVE, back, Image.Resampling.BICUBIC)
    save(tilted, tmp_path / "set" / "val" / "cat" / "3.png")
    config = Config(jobs=1, cache_dir=str(tmp_path / "cache"))
    runs = [pipeline.measure(tmp_path / "set", config) for _ in range(2)]
    (pair,) = runs[0].copies.pairs
    assert runs[1].copies.pairs == (pair,)
    assert max(map(abs, pair.transform.perspective)) > 0.02
    album = Album(runs[0])
    first, second = (np.asarray(opened(shown), float) for shown in (album.overlay(pair), album.thumbnail(pair.b)))
    assert np.abs(first - second).mean() < 6  # twice resampled
    contents = json.loads(json_report.render(pipeline.judge(runs[0], config)))
    Draft202012Validator(json_report.schema()).validate(contents)
    assert contents["copies"][0]["transform"]["perspective"] == list(pair.transform.perspective)
    contents["copies"][0]["transform"]["perspective"] = "some"
    assert not Draft202012Validator(json_report.schema()).is_valid(contents)


def laid(picture: np.ndarray, other: np.ndarray, transform: Transform) -> tuple:
    size = other.shape[1], other.shape[0]
    return aligned(picture, transform, size), other, reached(picture, transform, size)


def test_one_picture_stays_sharp_under_the_other_and_shows_no_difference():
    whole = np.asarray(photo(8, (180, 140)))
    first, second = whole[20:120, 20:150], whole[20:120, 33:163]  # 130 × 100, shifted by a tenth
    a, b, shown = laid(first, second, Transform(shift=(-0.1, 0.0)))
    assert np.array_equal(overlay(a, b, shown)[shown], second[shown])
    assert shown.mean() == pytest.approx(0.9, abs=0.02)
    assert np.ptp(difference(a, b, shown), axis=2).max() == 0  # grey all over


def test_what_differs_is_coloured_and_brightness_is_no_difference():
    second = np.asarray(photo(9, (120, 90)))
    first = np.clip(second.astype(float) * 0.7 + 40, 0, 255)
    first[50:70, 80:100] = 255 - first[50:70, 80:100]
    coloured = np.ptp(difference(first.astype(np.uint8), second, np.ones((90, 120), bool)), axis=2) > 60
    inside = np.zeros_like(coloured)
    inside[48:72, 78:102] = True
    assert coloured[inside].mean() > 0.3
    assert not coloured[~inside].any()


def test_outside_the_overlap_nothing_is_compared():
    picture = np.asarray(photo(10, (60, 60)))
    none = np.zeros((60, 60), bool)
    assert np.ptp(difference(picture, 255 - picture, none), axis=2).max() == 0
