"""The measured picture, and the zoo of odd files."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from dataaudit.features.decode import FORMATS, SHORT_SIDE, DecodeError, decode, load
from pictures import photo

LIMIT = 10_000_000
PHOTO = photo(1)
GREY = np.asarray(PHOTO.convert("L")).astype(int)


def encoded(picture, name, **options):
    buffer = io.BytesIO()
    picture.save(buffer, name, **options)
    return buffer.getvalue()


def luma(picture):
    return np.asarray(picture.image.convert("L")).astype(int)


def failure(data, max_pixels=LIMIT):
    with pytest.raises(DecodeError) as caught:
        decode(data, max_pixels)
    assert "0x0" not in caught.value.detail
    assert caught.value.detail.isprintable()
    return caught.value


# ----------------------------------------------------------------------------------------- what can be read

MODES = {
    "JPEG": ("L", "RGB", "CMYK", "YCbCr"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "WEBP": ("L", "RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16", "I;16B"),
    "AVIF": ("L", "RGB", "RGBA"),
}


def in_mode(mode):
    if mode.startswith("I;16"):
        wide = Image.fromarray((GREY * 257).astype(np.uint16))
        return wide if mode == "I;16" else wide.convert("I").convert(mode)
    return PHOTO.convert(mode)


@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name in FORMATS for mode in MODES[name]])
def test_every_mode_of_every_format_shows_the_picture(name, mode):
    picture = decode(encoded(in_mode(mode), name), LIMIT)
    assert (picture.format, picture.width, picture.height, picture.frames) == (name, 96, 72, 1)
    assert picture.exif_orientation == 0
    assert picture.rgb.shape == (72, 96, 3)
    assert picture.rgb.dtype == np.uint8
    if mode == "1":  # dithered: right only on the whole
        assert abs(luma(picture).mean() - GREY.mean()) < 5
    else:
        assert np.abs(luma(picture) - GREY).mean() < (12 if mode == "P" else 6)


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(name):
    ramp = np.linspace(0, 65535, 256 * 16).round().astype(np.uint16).reshape(16, 256)
    picture = decode(encoded(Image.fromarray(ramp), name), LIMIT)
    assert picture.mode == "I;16"
    assert np.array_equal(picture.rgb[..., 1], np.rint(ramp / 257).astype(np.uint8))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 255.0), (0.0, 65535.0), (-7.0, 1e6)])
def test_floats_without_a_named_white_use_the_scale_they_fit(low, high):
    ramp = np.linspace(low, high, 4096, dtype=np.float32).reshape(64, 64)
    picture = decode(encoded(Image.fromarray(ramp), "TIFF"), LIMIT)
    expected = np.rint(np.linspace(0, 255, 4096).reshape(64, 64))
    assert np.abs(picture.rgb[..., 0].astype(int) - expected).max() <= 1


def test_floats_that_are_no_numbers_are_black():
    values = np.full((8, 8), 0.5, np.float32)
    values[0, 0] = np.nan
    picture = decode(encoded(Image.fromarray(values), "TIFF"), LIMIT)
    assert picture.rgb[0, 0].tolist() == [0, 0, 0]
    assert picture.rgb[4, 4].tolist() == [128, 128, 128]


def test_alpha_is_composited_over_white():
    layered = np.zeros((4, 3, 4), np.uint8)
    layered[..., 0] = 200
    layered[:, 1, 3], layered[:, 2, 3] = 128, 255
    left, middle, right = decode(encoded(Image.fromarray(layered), "PNG"), LIMIT).rgb[0].astype(int)
    assert left.tolist() == [255, 255, 255]
    assert np.abs(middle - [227, 127, 127]).max() <= 1
    assert right.tolist() == [200, 0, 0]


def test_a_transparent_palette_entry_is_white():
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.paste(0, (0, 0, 4, 8))
    rgb = decode(encoded(palette, "PNG", transparency=0), LIMIT).rgb
    assert rgb[0, 0].tolist() == [255, 255, 255]
    assert rgb[0, 7].tolist() == [40, 50, 60]


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_is_measured_and_the_frames_are_counted(name):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    picture = decode(encoded(frames[0], name, save_all=True, append_images=frames[1:]), LIMIT)
    assert picture.frames == 3
    assert np.abs(picture.rgb.astype(int) - [255, 0, 0]).max() < 12


def test_pictures_attached_to_a_jpeg_do_not_animate_it():
    picture = decode(encoded(PHOTO, "MPO", save_all=True, append_images=[photo(2)]), LIMIT)
    assert (picture.format, picture.frames) == ("JPEG", 1)


@pytest.mark.parametrize("orientation", range(9))
@pytest.mark.parametrize(
    ("name", "options"), [("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
def test_exif_orientation_is_told_and_not_applied(name, options, orientation):
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    picture = decode(encoded(PHOTO, name, exif=exif, **options), LIMIT)
    plain = decode(encoded(PHOTO, name, **options), LIMIT)
    assert picture.exif_orientation == orientation
    assert (picture.width, picture.height) == (96, 72)
    assert np.array_equal(picture.rgb, plain.rgb)


@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0"],
)
def test_damaged_exif_leaves_a_good_picture_good(exif):
    assert decode(encoded(PHOTO, "JPEG", exif=exif), LIMIT).exif_orientation == 0


@pytest.mark.parametrize(
    ("size", "factor"),
    [
        ((255, 350), 1),
        ((256, 350), 2),
        ((350, 511), 2),
        ((512, 550), 4),
        ((1024, 1025), 8),
        ((2049, 300), 2),
        ((100, 4000), 1),
    ],
)
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_big_pictures_are_measured_at_a_short_side_of_at_least_128(name, size, factor):
    picture = decode(encoded(Image.new("RGB", size, "teal"), name), LIMIT)
    assert (picture.width, picture.height) == size
    assert picture.image.size == tuple(-(-side // factor) for side in size)
    assert min(picture.image.size) >= min(SHORT_SIDE, *size)
    finer = decode(encoded(Image.new("RGB", size, "teal"), name), LIMIT, 2 * SHORT_SIDE)
    assert min(finer.image.size) >= min(2 * SHORT_SIDE, *size)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I", "I;16", "F"])
@pytest.mark.parametrize("size", [(260, 1027), (515, 1536), (130, 600)])
def test_bands_give_what_the_whole_picture_gives(mode, size, monkeypatch):
    rng = np.random.default_rng(3)
    if mode in {"I", "I;16", "F"}:
        values = rng.integers(0, 60_000, size[::-1])
        picture = Image.fromarray(values.astype({"I": np.int32, "I;16": np.uint16, "F": np.float32}[mode]))
    else:
        bands = len(Image.new(mode, (1, 1)).getbands())
        picture = Image.fromarray(rng.integers(0, 256, (*size[::-1], 4), np.uint8), "RGBA").convert(
            "RGBA" if bands != 1 else "RGB"
        )
        picture = picture.convert(mode)
    data = encoded(picture, "TIFF" if mode in {"I", "F"} else "PNG")
    banded = decode(data, LIMIT).rgb
    monkeypatch.setattr("dataaudit.features.decode._BAND", 1 << 20)
    assert np.array_equal(banded, decode(data, LIMIT).rgb)


def test_a_big_png_and_its_jpeg_are_measured_alike():
    big = photo(5, (1100, 1050))
    jpeg, png = (decode(encoded(big, name, **options), LIMIT) for name, options in (("JPEG", {"quality": 95}), ("PNG", {})))
    assert jpeg.image.size == png.image.size
    assert np.abs(luma(jpeg) - luma(png)).mean() < 2


# ------------------------------------------------------------------------------------------- what cannot


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_called_so(name, kept):
    data = encoded(PHOTO, name)
    if name == "AVIF" and kept < 0.9:
        kept = 0.97  # its first bytes hold the index: cut there, it is told as unreadable
    assert failure(data[: int(len(data) * kept)]).kind == "truncated"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORMATS), st.floats(0, 1), st.integers(0, 255), st.booleans())
def test_damage_anywhere_is_a_picture_or_a_decode_error(name, where, value, cut):
    data = bytearray(encoded(PHOTO.resize((24, 18)), name))
    place = int(where * (len(data) - 1))
    data[place] = value
    damaged = bytes(data[: place + 1] if cut else data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            decode(damaged, LIMIT)
        except DecodeError as error:
            kind, detail = error.kind, error.detail
        else:
            kind, detail = "unreadable", "no failure: the damage shows, if anywhere, in the picture"
    assert kind in {"unreadable", "truncated", "too-many-pixels"}
    assert detail.isprintable()
    assert " at 0x" not in detail


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "empty file (0 bytes)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "Git LFS pointer"),
        (b"<html>not a picture</html>", "it begins with b'<html>not a '"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "it begins with b'%!PS"),
        (b"\xff\xd8\xff", "begins like a JPEG"),
        (b"\0" * 4096, "none of JPEG, PNG"),
    ],
)
def test_what_is_no_picture_says_what_it_is(data, detail):
    error = failure(data)
    assert detail in error.detail
    assert error.kind == ("truncated" if data.startswith(b"\xff\xd8") else "unreadable")


def png_header(width, height):
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT" + b"\0" * 20
    )


def webp_header(width, height):
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def with_size(name, width, height):
    """Return a small real file whose header claims another size."""
    data = bytearray(encoded(Image.new("RGB", (16, 16)), name))
    if name == "GIF":
        data[6:10] = struct.pack("<HH", width, height)
    elif name == "BMP":
        data[18:26] = struct.pack("<ii", width, height)
    else:
        place = data.index(b"\xff\xc0")
        data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [png_header(60000, 60000), webp_header(16383, 16383), *(with_size(name, 60000, 60000) for name in ("GIF", "BMP", "JPEG"))],
    ids=["PNG", "WEBP", "GIF", "BMP", "JPEG"],
)
def test_a_bomb_is_refused_by_its_header(data):
    error = failure(data)
    assert error.kind == "too-many-pixels"
    assert f"more than the {LIMIT}" in error.detail


def test_the_limit_is_ours_and_pillows_is_left_as_it_was(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(encoded(PHOTO, "PNG"), 96 * 72).width == 96
    assert failure(encoded(PHOTO, "PNG"), 96 * 72 - 1).kind == "too-many-pixels"
    assert Image.MAX_IMAGE_PIXELS == 100
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_webp_of_each_kind_tells_its_size():
    for options in ({"lossless": True}, {"lossless": False}, {"lossless": False, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}):
        error = failure(encoded(PHOTO, "WEBP", **options), 96 * 72 - 1)
        assert error.detail.startswith("96 × 72 = 6912 pixels")


def test_the_details_do_not_change_from_run_to_run():
    data = encoded(PHOTO, "PNG")[:300]
    assert failure(data).detail == failure(bytes(bytearray(data))).detail


# ------------------------------------------------------------------------------------------------ on disk


def test_load_reads_a_file(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(PHOTO, "PNG"))
    assert np.array_equal(load(tmp_path / "a.png", LIMIT).rgb, np.asarray(PHOTO))


def test_what_is_not_a_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo.jpg")  # opening it would block for ever
    (tmp_path / "link.jpg").symlink_to(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("fifo.jpg", "link.jpg", "folder.jpg"):
        with pytest.raises(DecodeError, match="not a regular file"):
            load(tmp_path / name, LIMIT)


def test_a_missing_file_is_told_without_its_path(tmp_path):
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name in ("missing.jpg", "loop.jpg", "null\0byte.jpg"):
        with pytest.raises(DecodeError) as caught:
            load(tmp_path / name, LIMIT)
        assert caught.value.kind == "unreadable"
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("module", ["features.decode", "features.hashes", "features.properties", "dedup.verify", "dedup.align"])
def test_what_a_worker_runs_imports_nothing_heavy(module):
    code = f"import sys, dataaudit.{module}; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in subprocess.check_output([sys.executable, "-c", code], text=True).split()}
    assert not loaded & {"scipy", "sklearn", "tensorflow", "imagehash", "pydantic", "click"}
