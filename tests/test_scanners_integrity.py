from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from dataaudit.catalog import walk
from dataaudit.config import Config
from dataaudit.domain import Failure, Skipped
from dataaudit.features.loader import OUTCOMES
from dataaudit.scanners import integrity, judge
from dataaudit.scanners.keras_folders import KERAS_ENDINGS
from measurements import make, rows_of


def position(outcome):
    return [each.name for each in OUTCOMES].index(outcome)


ROWS = rows_of({"train": {"cat": 2, "dog": 2}})
PATH = "train/cat/0000.jpg"


def codes(measurements):
    return [(finding.rule.code, finding.samples) for finding in judge(measurements, Config(select=("INT",)))[0]]


def test_ordinary_files_are_silent():
    assert codes(make(ROWS)) == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unreadable", "INT101"),
        ("truncated", "INT102"),
        ("too-many-pixels", "INT103"),
        ("timeout", "INT104"),
        ("memory", "INT104"),
        ("crash", "INT104"),
    ],
)
def test_failures(kind, code):
    found = judge(make(ROWS, failures={PATH: Failure(kind, "what Pillow said")}), Config(select=("INT",)))[0]
    assert [(finding.rule.code, finding.samples) for finding in found] == [(code, (0,))]
    assert PATH in found[0].message
    assert "what Pillow said" in found[0].message


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("exif_orientation", 6, "INT108"),
        ("mode", "I;16", "INT109"),
        ("mode", "CMYK", "INT109"),
        ("mode", "RGBA", "INT109"),
        ("frames", 12, "INT109"),
        ("width", 31, "INT111"),
        ("height", 8, "INT111"),
    ],
)
def test_odd_pictures(column, value, code):
    assert codes(make(ROWS, **{column: {PATH: value}})) == [(code, (0,))]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.name)
def test_what_tensorflow_makes_of_a_file_that_pillow_reads(outcome):
    expected = {"rejected": "INT117", "misread": "INT118", "altered": "INT109"}.get(outcome.effect)
    found = judge(make(ROWS, loader={PATH: OUTCOMES.index(outcome)}), Config(select=("INT",)))[0]
    assert [(finding.rule.code, finding.samples) for finding in found] == ([(expected, (0,))] if expected else [])
    assert all(outcome.found in finding.message and outcome.sees in finding.message for finding in found)


@pytest.mark.parametrize(("column", "code"), [("zeroed", "INT120"), ("trailing", "INT121")])
def test_damage_and_bytes_behind_the_picture(column, code):
    assert codes(make(ROWS, **{column: {PATH: 512}})) == [(code, (0,))]
    refused = make(ROWS, **{column: {PATH: 512}}, loader={PATH: position("jpeg-no-end")})
    assert codes(refused) == [("INT117", (0,))]


def test_what_tensorflow_refuses_is_told_once():
    webp = {"format": {PATH: "WEBP"}, "mode": {PATH: "RGBA"}, "loader": {PATH: position("webp-alpha")}}
    assert [code for code, _ in codes(make(ROWS, **webp))] == ["INT117", "INT107"]
    tiff = {"format": {PATH: "TIFF"}, "loader": {PATH: position("format")}}
    assert [code for code, _ in codes(make(ROWS, **tiff))] == ["INT105", "INT107"]


@pytest.mark.parametrize(("outcome", "told"), [("ok", True), ("png-data", False), ("not-looked-at", False)])
def test_a_file_that_only_tensorflow_reads_is_told_so(outcome, told):
    measured = make(ROWS, failures={PATH: Failure("unreadable", "bad")}, sha256={}, loader={})
    features = replace(measured.features, loader=np.full(len(ROWS), position(outcome), np.uint8))
    (finding,) = judge(replace(measured, features=features), Config(select=("INT101",)))[0]
    assert ("TensorFlow reads it all the same" in finding.message) is told


@pytest.mark.parametrize(
    ("column", "value"), [("exif_orientation", 1), ("mode", "L"), ("mode", "P"), ("mode", "1"), ("frames", 1), ("width", 32)]
)
def test_usual_pictures(column, value):
    assert codes(make(ROWS, **{column: {PATH: value}})) == []


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jpeg", "JPEG", []),
        ("a.PNG", "PNG", []),
        ("a.png", "JPEG", ["INT107"]),
        ("a.webp", "WEBP", ["INT106"]),
        ("a.jfif", "JPEG", ["INT106"]),
        ("a.tif", "TIFF", ["INT105", "INT106"]),
        ("a.jpg", "AVIF", ["INT105", "INT107"]),
        ("noextension", "JPEG", ["INT106", "INT107"]),
    ],
)
def test_formats_and_extensions(name, content, expected):
    path = f"train/cat/{name}"
    found = codes(make([(path, "cat", "train")], format={path: content}))
    assert sorted(code for code, _ in found) == expected


def test_flat_pictures():
    flat = {"contrast": np.where(np.arange(len(ROWS)) == 0, 2.0, 40.0)}
    assert codes(make(ROWS, not_compared=[PATH], properties=flat)) == [("INT110", (0,))]


def test_a_picture_with_too_little_texture_to_be_compared_is_not_called_blank():
    assert codes(make(ROWS, not_compared=[PATH])) == []


@pytest.mark.parametrize("kind", ["irregular", "dangling-link", "link-loop", "no-permission"])
@pytest.mark.parametrize("path", ["train/cat/odd.jpg", "train/cat/deep/odd.GIF"])
def test_what_keras_cannot_read_and_will_try_to_is_a_warning(kind, path):
    found = judge(make(ROWS, catalog={"skipped": (Skipped(path, kind, "a reason"),)}), Config(select=("INT",)))[0]
    assert [(finding.rule.code, finding.rule.severity) for finding in found] == [("INT119", "warning")]


@pytest.mark.parametrize("kind", ["irregular", "dangling-link", "link-loop", "directory-link", "no-permission"])
@pytest.mark.parametrize("path", ["train/cat/odd", "train/odd.jpg", "odd.jpg", "train/.cat/odd.jpg"])
def test_other_skipped_entries_are_info(kind, path):
    skipped = (Skipped(path, kind, "a reason"), Skipped("notes.txt", "not-an-image", "a text"))
    found = judge(make(ROWS, catalog={"skipped": skipped}), Config(select=("INT",)))[0]
    assert [(finding.rule.code, finding.rule.severity) for finding in found] == [("INT112", "info")]


@pytest.mark.parametrize(
    ("path", "loaded"),
    [
        ("train/cat/._x.jpg", True),
        ("train/cat/._x.txt", False),
        ("train/cat/.ipynb_checkpoints/x.jpg", True),
        ("train/._x.jpg", False),
        ("train/.hidden/x.jpg", False),
        (".x.jpg", False),
    ],
)
def test_hidden_images(path, loaded):
    found = codes(make(ROWS, catalog={"skipped": (Skipped(path, "apple-double", "macOS's side file"),)}))
    assert found == ([("INT116", ())] if loaded else [])


def test_links_out_of_the_dataset():
    assert codes(make(ROWS, catalog={"outside_links": (PATH,)})) == [("INT113", (0,))]


@pytest.mark.parametrize(
    ("paths", "collide"),
    [
        (["train/cat/a.jpg", "train/cat/A.jpg"], True),
        (["train/Cat/a.jpg", "train/cat/b.jpg"], True),
        (["train/cat/\u00e9.jpg", "train/cat/e\u0301.jpg"], True),
        (["train/cat/a.jpg", "train/dog/A.jpg"], False),
        (["train/cat/a.jpg", "train/cat/a.png"], False),
    ],
)
def test_colliding_names(paths, collide):
    found = codes(
        make([(path, "cat", "train") for path in paths], format={path: "PNG" for path in paths if path.endswith("png")})
    )
    assert found == ([("INT114", (0, 1))] if collide else [])


def test_names_that_are_not_utf8():
    assert codes(make([*ROWS, ("train/cat/caf\udce9.jpg", "cat", "train")])) == [("INT115", (2,))]


def test_exif_words_are_those_of_pillow():
    stored = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    turned = {
        "upright": lambda a: a,
        "mirrored left-right": np.fliplr,
        "turned by 180°": lambda a: np.rot90(a, 2),
        "mirrored top-bottom": np.flipud,
        "mirrored along its main diagonal": np.transpose,
        "turned by 90° clockwise": lambda a: np.rot90(a, -1),
        "mirrored along its other diagonal": lambda a: np.rot90(a, 2).T,
        "turned by 90° counter-clockwise": np.rot90,
    }
    for tag, words in enumerate(integrity.ORIENTATIONS, 1):
        picture = stored.copy()
        picture.getexif()[0x0112] = tag
        assert (np.asarray(ImageOps.exif_transpose(picture)) == turned[words](np.asarray(stored))).all(), words


@pytest.mark.tensorflow
def test_keras_loads_what_we_say(keras):
    assert sorted(keras.answer.endings) == sorted(KERAS_ENDINGS) == sorted(walk.KERAS_ENDINGS)


def test_an_image_beside_the_class_folders_is_never_loaded():
    beside = [*ROWS, ("train/x.jpg", None, "train")]
    assert codes(make(beside, catalog={"split_folders": (("train", "train"), ("val", "val"))})) == [("INT106", (4,))]
    alone = [*ROWS, ("test/x.jpg", None, "test")]
    assert codes(make(alone, catalog={"split_folders": (("train", "train"), ("test", "test"))})) == []
