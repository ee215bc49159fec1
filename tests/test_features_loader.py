"""The outcome predicted from a file's structure, against the real TensorFlow, on every animal of the zoo."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataaudit.features.loader import OUTCOMES, inspect, outcome_of
from zoo import HEIGHT, PHOTO, WIDTH, encoded, zoo

ZOO = zoo()
THOROUGH_ONLY = {"png-short-rows", "png-bad-zlib"}
"""Readable to Pillow, and damaged in a way that only inflating shows."""


def as_pillow_sees(data: bytes) -> np.ndarray | None:
    """The first frame as 8-bit RGB, alpha dropped, 16 bits scaled; None where Pillow cannot read it."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            if image.mode.startswith("I;16"):
                return np.repeat((np.asarray(image) / 257)[..., None], 3, axis=2)
            return np.asarray(image.convert("RGB"), float)
    except Exception:  # noqa: BLE001 - whatever Pillow raises
        return None


def effect_in_truth(tensorflow: np.ndarray | None, pillow: np.ndarray | None) -> str:
    if tensorflow is None:
        return "rejected"
    if pillow is None:
        return "read, by TensorFlow alone"
    # 2.5 of 255: TensorFlow decodes JPEG with the fast, less exact transform
    return "read" if pillow.shape == tensorflow.shape and np.abs(pillow - tensorflow).mean() < 2.5 else "differs"


@pytest.mark.tensorflow
def test_the_outcome_is_what_the_real_tensorflow_does_for_every_animal(keras):
    decoded = keras.answer.pictures
    assert len(ZOO) >= 180
    allowed = {
        "rejected": {"rejected"},
        "read": {"read", "altered"},
        "differs": {"misread", "altered"},
        "read, by TensorFlow alone": {"read", "altered", "misread"},
    }
    wrong = {}
    for name, data in ZOO.items():
        truth = effect_in_truth(decoded[name], as_pillow_sees(data))
        for thorough in (True, False):
            told = outcome_of(inspect(data, thorough=thorough or as_pillow_sees(data) is None).loader)
            if told.effect not in allowed[truth] and not (name in THOROUGH_ONLY and not thorough):
                wrong[name, thorough] = (truth, told.name)
    assert not wrong


@pytest.mark.tensorflow
def test_the_zoo_shows_every_outcome_and_every_effect(keras):
    decoded = keras.answer.pictures
    told = {outcome_of(inspect(data, thorough=True).loader).name for data in ZOO.values()}
    assert told == {outcome.name for outcome in OUTCOMES} - {"not-looked-at", "jpeg-xl"}
    truths = [effect_in_truth(decoded[name], as_pillow_sees(data)) for name, data in ZOO.items()]
    assert min(truths.count("read"), truths.count("rejected")) > 50
    assert truths.count("differs") >= 8


@pytest.mark.parametrize("name", sorted(THOROUGH_ONLY))
def test_what_only_inflating_shows(name):
    assert outcome_of(inspect(ZOO[name]).loader).name == "ok"
    assert outcome_of(inspect(ZOO[name], thorough=True).loader).name == "png-data"


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(ZOO)), st.integers(0, 6000), st.binary(max_size=40))
def test_no_bytes_whatever_upset_the_walks(name, at, noise):
    data = ZOO[name]
    for damaged in (data[:at], data[:at] + noise + data[at + len(noise) :], data[:8] + noise):
        found = inspect(damaged, thorough=True)
        assert 0 < found.loader < len(OUTCOMES)
        assert 0 <= found.trailing <= len(damaged)
        assert 0 <= found.zeroed <= len(damaged)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["jpeg", "png-rgb", "gif", "bmp-24", "webp", "jpeg-progressive"]), st.integers(1, 2000))
def test_a_file_that_is_cut_anywhere_is_refused(name, less):
    data = ZOO[name]
    kept = data[: max(len(data) - less, 0)]
    assert outcome_of(inspect(kept).loader).effect == "rejected" or (name == "gif" and less == 1)


@pytest.mark.parametrize("name", ["jpeg", "png-rgb", "gif-by-hand", "webp", "jpeg-restarts", "png-interlaced"])
def test_bytes_behind_the_picture_are_counted(name):
    assert inspect(ZOO[name]).trailing == 0
    assert inspect(ZOO[name] + b"PK\3\4 an archive").trailing == 15
    assert inspect(ZOO[name] + bytes(4000)).trailing == 0, "padding"


def test_further_jpegs_of_one_file_are_no_trailing_bytes():
    assert inspect(ZOO["jpeg-mpo"]).trailing == 0


LARGE = encoded(PHOTO.resize((WIDTH * 12, HEIGHT * 12)), "JPEG", quality=95)


@settings(deadline=None, max_examples=40)
@given(st.integers(4, len(LARGE) // 512 - 4), st.integers(1, 3))
def test_lost_blocks_of_a_jpeg_are_counted_and_whole_files_have_none(block, count):
    assert inspect(LARGE).zeroed == 0
    start, size = block * 512, count * 512
    damaged = LARGE[:start] + bytes(size) + LARGE[start + size :]
    assert size <= inspect(damaged).zeroed <= size + 8


def test_a_tail_of_zeros_is_counted():
    half = len(LARGE) // 2
    assert inspect(LARGE[:half] + bytes(len(LARGE) - half)).zeroed >= len(LARGE) - half - 512


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_coded_in_zeros_has_no_lost_block(level):
    flat = Image.new("L", (1600, 1200), level)
    for options in ({"optimize": True}, {"progressive": True}, {}):
        assert inspect(encoded(flat, "JPEG", **options)).zeroed == 0
    assert inspect(encoded(flat, "WEBP")).zeroed == 0
