"""Where a file came from: checked against Pillow and libjpeg themselves, and slow twins."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dataaudit.features.decode import decode
from dataaudit.features.descriptor import squashed
from dataaudit.features.provenance import REGIONS, colours, jpeg_quality
from pictures import photo


def jpeg(picture=None, **options):
    stream = io.BytesIO()
    (picture or photo(1)).save(stream, "JPEG", **options)
    return decode(stream.getvalue(), 10**6)


def test_the_quality_of_every_table_that_libjpeg_writes():
    for quality in range(2, 101):
        assert jpeg(quality=quality).jpeg_quality == quality


def test_the_quality_of_odd_tables():
    assert jpeg_quality([1] * 64) == 100
    assert jpeg_quality([255] * 64) == 1


def test_the_coding_tells_tables_sampling_and_progression_apart_and_nothing_else():
    plain = jpeg(quality=80)
    assert plain.jpeg_coding != 0
    assert jpeg(photo(2), quality=80).jpeg_coding == plain.jpeg_coding
    changed = ({"quality": 81}, {"subsampling": 0}, {"progressive": True})
    others = {jpeg(**{"quality": 80, **options}).jpeg_coding for options in changed}
    assert len(others | {plain.jpeg_coding}) == 4


def test_other_formats_have_no_coding():
    stream = io.BytesIO()
    photo(1).save(stream, "PNG")
    picture = decode(stream.getvalue(), 10**6)
    assert (picture.jpeg_coding, picture.jpeg_quality, picture.camera, picture.taken) == (0, 0, b"", 0)


def exif_of(make=None, model=None, taken=None):
    exif = Image.Exif()
    exif.update({tag: value for tag, value in ((0x010F, make), (0x0110, model)) if value is not None})
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    return exif


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", b"Canon EOS 5D"),
        ("NIKON CORPORATION", "D90", b"NIKON CORPORATION D90"),
        (None, "D90", b"D90"),
        ("Make", None, b"Make"),
        ("a\nb ", "x" * 40, b"a b " + b"x" * 28),
        (None, None, b""),
    ],
)
def test_the_camera(make, model, camera):
    assert jpeg(exif=exif_of(make, model)).camera == camera


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970:01:01 00:00:01", 1), ("2020:02:29 12:00:00", 1582977600), ("0000:00:00 00:00:00", 0), ("yesterday", 0), (None, 0)],
)
def test_the_time(text, seconds):
    assert jpeg(exif=exif_of("C", "M", text)).taken == seconds


def test_damaged_exif_leaves_the_picture_and_what_was_read_before():
    data = io.BytesIO()
    photo(1).save(data, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\xff")
    assert decode(data.getvalue(), 10**6).camera == b""


def slow_ring(pixels):
    boxes = [pixels[0], pixels[:, -1], pixels[-1], pixels[:, 0]]
    corners = [pixels[:8, :8], pixels[:8, -8:], pixels[-8:, -8:], pixels[-8:, :8]]
    means = [np.floor(box.reshape(-1, 3).mean(axis=0) + 0.5) for box in boxes + corners]
    return means, [np.rint(box.mean(axis=1).std()) for box in boxes]


def slow_colours(image):
    pixels = np.asarray(image, np.float64)
    outer, inner = slow_ring(pixels), slow_ring(pixels[16:48, 16:48])
    whole = np.floor(pixels.reshape(-1, 3).mean(axis=0) + 0.5)
    assert len(REGIONS) == 1 + len(outer[0]) + len(inner[0])
    return np.array([whole, *outer[0], *inner[0]]), np.array(outer[1] + inner[1])


def test_colours_and_edges_against_a_slow_twin():
    pictures = np.stack([squashed(photo(seed, (80 + seed, 70))) for seed in range(6)])
    means, spread = colours(pictures)
    for picture, mean, deviation in zip(pictures, means, spread, strict=True):
        twin = slow_colours(picture)
        assert np.array_equal(mean, twin[0])
        assert np.array_equal(deviation, twin[1])


def test_a_frame_is_seen():
    picture = photo(1, (128, 128))
    framed = Image.new("RGB", (136, 136), (255, 0, 0))
    framed.paste(picture, (4, 4))
    means, spread = colours(squashed(framed)[None])
    assert means[0, 1:5].tolist() == [[255, 0, 0]] * 4
    assert spread[0, :4].tolist() == [0, 0, 0, 0]
    assert spread[0, 4:].min() > 0
