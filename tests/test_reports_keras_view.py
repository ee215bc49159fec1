"""What Keras will see, told in one sentence and in one table."""

from __future__ import annotations

import pytest

from dataaudit.config import Config
from dataaudit.domain import Failure, Report, Skipped, Summary
from dataaudit.features.loader import OUTCOMES
from dataaudit.reports import html, text
from dataaudit.reports.keras_view import keras_rows, keras_sentence
from dataaudit.scanners import judge
from measurements import make, rows_of

ROWS = [*rows_of({"train": {"cat": 5, "dog": 5}}), ("train/cat/x.webp", "cat", "train")]


def reported(rows=ROWS, **measured):
    measurements = make(rows, **measured)
    findings, ran, not_run = judge(measurements, Config(select=("INT",)))
    return Report(measurements, Summary("suspect", "VALIDATION SUSPECT: few.", ()), findings, ran, not_run)


def position(name):
    return [outcome.name for outcome in OUTCOMES].index(name)


def path(number, label="cat"):
    return f"train/{label}/{number:04}.jpg"


@pytest.fixture
def odd():
    return reported(
        failures={path(0): Failure("truncated", "image file is truncated"), path(1): Failure("unreadable", "bad text chunk")},
        loader={path(2): position("png-checksum"), path(3): position("bmp-palette"), path(4): position("png-checksum")},
        exif_orientation={path(0, "dog"): 6},
        mode={path(1, "dog"): "RGBA"},
        catalog={"skipped": (Skipped("train/dog/y.jpg", "dangling-link", "leads nowhere"),)},
    )


def test_an_ordinary_dataset_is_told_nothing():
    plain = reported(ROWS[:-1])
    assert keras_sentence(plain) == ""
    assert keras_rows(plain) == ()
    assert "What Keras will see" not in html.render(plain)
    assert "Keras's folder loader gives" not in text.render(plain)


def test_every_image_counts_once_and_by_the_worst(odd):
    told = keras_sentence(odd)
    assert "gives a model 3 of 11 images as they are;" in told
    assert told.endswith("left out in silence: 1; stopping model.fit: 5; as other pictures: 1; turned or altered: 2.")
    both = reported(exif_orientation={path(0): 6}, loader={path(0): position("bmp-palette")})
    assert "9 of 11 images as they are; left out in silence: 1; as other pictures: 1." in keras_sentence(both)


def test_hidden_files_that_keras_loads_are_counted_apart():
    hidden = (Skipped("train/dog/._y.jpg", "apple-double", "macOS's side file"),)
    assert keras_sentence(reported(ROWS[:-1], catalog={"skipped": hidden})).endswith(
        "gives a model 10 of 10 images as they are; hidden files loaded as well: 1."
    )


def test_the_table_says_what_each_oddity_becomes(odd):
    rows = {(row.code, row.odd): row for row in keras_rows(odd)}
    assert rows["INT117", OUTCOMES[position("png-checksum")].found].files == 2
    assert "shades of grey" in rows["INT118", "a BMP with a palette"].keras
    assert rows["INT106", ".webp, which it does not load"].example == "train/cat/x.webp"
    assert rows["INT109", "mode RGBA"].pillow == "the picture"
    assert rows["INT119", "a link to nowhere, or no file at all"].example == "train/dog/y.jpg"
    assert all(row.keras and row.pillow and row.remedy for row in rows.values())


def test_the_page_and_the_terminal_show_it(odd):
    page = html.render(odd)
    assert page.count("<h2>What Keras will see</h2>") == 1
    assert "as above" not in page
    assert keras_sentence(odd).split(";")[0].split(" ")[-1] in " ".join(text.render(odd).split())


def test_a_manifest_is_not_read_by_the_folder_loader():
    told = keras_sentence(reported(exif_orientation={path(0): 6}, catalog={"layout": "manifest"}))
    assert told.startswith("TensorFlow gives a model")
