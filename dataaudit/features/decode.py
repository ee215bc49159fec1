"""The measured picture: what every feature of a file is computed from. One read, one decode.

``FEATURE_VERSION`` names this definition; whoever changes what follows raises it:

1. The *first frame*, *EXIF orientation not applied*, ICC profile not applied: what TensorFlow sees. (Pillow turns a
   TIFF by its own orientation tag while loading; that is taken back. AVIF's mirror and rotation boxes are part of
   its decoding and stay.)
2. JPEG is decoded at the smallest DCT scale of 1, 1/2, 1/4, 1/8 that leaves a short side of at least 128, as much as any
   feature looks at (``views.py``). Every other format is decoded whole and box-averaged by the same factor, so that a
   PNG and its JPEG are measured at the same scale. Of 120 photos and 1,560 copies of them in 13 ways
   (PNG, JPEG 90 to 10, 64 px to 2.3 times the size, brighter, flatter, noisy, blurred, cropped to 95 %) 1 was further
   than 10 bits of 64 or 72 of 256, of the pictures decoded to a short side of 256 there were 3; the 256-bit hashes of
   the mildest copies differ by 4 bits on average (at most 26), there by 1 (10).
   Pairs that are compared, and pictures that are shown, are decoded once more, to 256.
3. 8-bit RGB. Palettes are looked up. *Alpha is composited over white*, the ground that a transparent drawing is
   flattened on for the web and on paper. CMYK, YCbCr and Lab are converted without a profile. Wide greys are *scaled,
   never clipped*: 16-bit by 1/257; 32-bit integers and floats, which name no white, as :func:`_wide_to_grey` says.
"""

from __future__ import annotations

import errno
import io
import re
import stat
import struct
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from dataaudit.engines import memory
from dataaudit.features.provenance import jpeg_coding, origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from dataaudit.domain import FailureKind

__all__ = [
    "FEATURE_VERSION",
    "FINE_SIDE",
    "FORMATS",
    "SHORT_SIDE",
    "DecodeError",
    "Picture",
    "decode",
    "load",
    "prepare",
    "read",
]

FEATURE_VERSION: Final = 10
"""The version of the measured picture and of all that is computed from it: part of every cache key."""
FORMATS: Final = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")
"""The formats that are decoded. Pillow is asked for no other: it opens text as EPS, and worse."""
SHORT_SIDE: Final = 128
"""Pixels that the short side of a measured picture keeps at least (where the file has them)."""
FINE_SIDE: Final = 256
"""The same for a picture that is shown."""

_ORIENTATION: Final = 0x0112
_EXIF_SOURCES: Final = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")  # what getexif looks at
_TIFF_UNDO: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_BAND: Final = 512  # rows; a multiple of every factor
_LFS: Final = b"version https://git-lfs.github.com/spec/"
_CUT: Final = re.compile(r"truncat|unexpected end|premature|not enough|no more data|end of file|incomplete", re.IGNORECASE)


class DecodeError(Exception):
    """A file that cannot be measured, and why. The detail is deterministic: no path, no memory address."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        """Make the error: ``kind`` is the slug of what went wrong, ``detail`` says it in words."""
        super().__init__(kind, detail)
        self.kind: FailureKind = kind
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def prepare() -> None:
    """Load the decoders of the usual formats."""
    Image.preinit()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The measured picture of a file, and what the file says of itself."""

    image: Image.Image
    """The measured picture, mode RGB."""
    width: int
    """Stored width in pixels, EXIF orientation not applied, before any scaling."""
    height: int
    format: str
    """One of ``FORMATS``. A JPEG with further pictures attached (MPO) is a JPEG."""
    mode: str
    """Pillow's mode of the stored picture. 16-bit colour is ``RGB`` to Pillow, 16-bit grey ``I;16``."""
    exif_orientation: int
    """EXIF tag 0x0112, 1 to 8; 0 where there is none, or a nonsensical one."""
    frames: int
    """Frames of an animation or pages of a TIFF; 1 for a still picture."""
    jpeg_coding: int = 0
    """See ``features.provenance.jpeg_coding``; 0 for other formats, as the quality."""
    jpeg_quality: int = 0
    camera: bytes = b""
    """See ``features.provenance.origin``; empty where there is none, as ``taken`` is 0."""
    taken: int = 0

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The measured picture as an array, shape (h, w, 3), 0–255; made anew at each access."""
        return np.asarray(self.image)


def load(path: Path, max_pixels: int, short_side: int = FINE_SIDE) -> Picture:
    """Read and decode the file at ``path``, to a short side of at least ``short_side``.

    Raises:
        DecodeError: if it is not a regular file, or cannot be read or decoded, or has more than ``max_pixels``.
        MemoryError: if decoding takes more memory than there is.
    """
    return decode(read(path), max_pixels, short_side)


def read(path: Path) -> bytes:
    """Read a regular file whole. Nothing else is opened: a FIFO would block for ever, a device do anything.

    Raises:
        DecodeError: if it is not a regular file or cannot be read.
        MemoryError: if it does not fit in memory.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DecodeError("unreadable", "not a regular file")
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or errno.errorcode.get(error.errno or 0, "unknown error")
        raise DecodeError("unreadable", f"cannot be read: {reason}") from error
    except ValueError as error:  # an embedded null byte, as a manifest may hold
        raise DecodeError("unreadable", "not the name of a file") from error


def decode(data: bytes, max_pixels: int, short_side: int = SHORT_SIDE) -> Picture:
    """Decode a file's bytes to its measured picture, or, with another ``short_side``, to a larger one.

    Raises:
        DecodeError: if they are no picture of a known format, are damaged, or hold more than ``max_pixels``.
        MemoryError: if decoding takes more memory than there is.
    """
    if not data:
        raise DecodeError("unreadable", "empty file (0 bytes)")
    if data.startswith(_LFS):
        raise DecodeError("unreadable", "Git LFS pointer, the picture itself was not fetched: git lfs pull")
    _refuse_big(*_webp_size(data), max_pixels)
    try:
        with _on_our_terms(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse_big(*image.size, max_pixels)
            with memory.turn(_mebibytes(image)):
                return _measured(image, short_side)
    except (DecodeError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise DecodeError(*_unidentified(data)) from error
    except Exception as error:  # Pillow's decoders raise some ten kinds, IndexError and SyntaxError among them
        text = _clean(str(error)) or type(error).__name__
        raise DecodeError("truncated" if _CUT.search(text) or _is_cut(data) else "unreadable", text) from error


@contextmanager
def _on_our_terms() -> Iterator[None]:
    """Silence Pillow's warnings and lift its pixel limit, in place of which stands ours, while one file is decoded."""
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _measured(image: Image.Image, short_side: int) -> Picture:
    width, height = image.size
    mode, name = image.mode, image.format or ""
    orientation, camera, taken = _exif(image)
    coding = jpeg_coding(image)
    frames = 1 if name in {"JPEG", "MPO"} else int(getattr(image, "n_frames", 1))
    if name in {"JPEG", "MPO"}:
        name = "JPEG"
        image.draft(None, (short_side, short_side))
    image.load()
    factor = 1 if name == "JPEG" else next((scale for scale in (8, 4, 2) if min(image.size) >= scale * short_side), 1)
    if name == "TIFF" and orientation in _TIFF_UNDO:
        picture = _to_rgb(image, _extremes(image)).transpose(_TIFF_UNDO[orientation]).reduce(factor)
        width, height = (height, width) if orientation >= 5 else (width, height)  # noqa: PLR2004 - the turned ones
    else:
        picture = _reduced(image, factor)
    return Picture(picture, width, height, name, mode, orientation, frames, *coding, camera, taken)


def _exif(image: Image.Image) -> tuple[int, bytes, int]:
    """Return the orientation, the camera and when the picture was taken; 0 and empty where unknown."""
    value, camera, taken = 0, b"", 0
    if image.format != "TIFF" and image.info.keys().isdisjoint(_EXIF_SOURCES):
        return value, camera, taken
    with suppress(Exception):  # damaged EXIF leaves a good picture good
        exif = image.getexif()
        value = exif.get(_ORIENTATION, 0)
        camera, taken = origin(exif)
    return value if isinstance(value, int) and 1 <= value <= 8 else 0, camera, taken  # noqa: PLR2004 - the tag's range


def _mebibytes(image: Image.Image) -> float:
    """Return about what decoding takes: a JPEG's coefficients, if all are kept, or the picture as it is stored."""
    pixels = image.width * image.height / 2**20
    if image.format in {"JPEG", "MPO"}:
        return 6 * pixels if image.info.get("progressive") else pixels / 2
    return pixels if image.mode in {"1", "L", "P"} else 4 * pixels


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield the picture in bands of ``_BAND`` rows, with the first row of each; a low one as it is."""
    if image.height <= _BAND:
        yield 0, image
        return
    for top in range(0, image.height, _BAND):
        yield top, image.crop((0, top, image.width, min(top + _BAND, image.height)))


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Convert to RGB and box-average, in bands: a large picture is held once, as it was decoded."""
    extremes = _extremes(image)
    if factor == 1:
        picture = _to_rgb(image, extremes)
        return picture.copy() if picture is image and image.format not in {"JPEG", "MPO"} else picture  # it wants its file
    picture = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, band in _bands(image):
        picture.paste(_to_rgb(band, extremes).reduce(factor), (0, top // factor))
    return picture


def _to_rgb(image: Image.Image, extremes: tuple[float, float]) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_wide_to_grey(np.asarray(image), *extremes)).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, layered).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _extremes(image: Image.Image) -> tuple[float, float]:
    """Return the black and the white of wide greys: 0 and 65535 of unsigned 16-bit ones; 0 and 255 of all that is not wide.

    32-bit integers and floats name no white, so their values decide: all in 0…1 (floats), 0…255 or 0…65535 are
    taken for such a scale, anything else is stretched from its least to its greatest. Not-a-number is black.
    """
    if image.mode.startswith("I;"):
        return 0.0, 65535.0
    if image.mode not in {"I", "F"}:
        return 0.0, 255.0
    ends = [(grey.min(), grey.max()) for grey in (_finite(np.asarray(band)) for _, band in _bands(image))]
    black, white = float(min(low for low, _ in ends)), float(max(high for _, high in ends))
    scales = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    fitting = next((scale for scale in scales if black >= 0 and white <= scale), None)
    return (black, white) if fitting is None else (0.0, fitting)


def _finite(values: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), nan=0.0)


def _wide_to_grey(values: NDArray[np.generic], black: float, white: float) -> NDArray[np.uint8]:
    """Scale wide greys from ``black`` and ``white`` to 0 and 255."""
    grey = (_finite(values) - black) * (255.0 / max(white - black, np.finfo(np.float64).tiny))
    return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)


def _refuse_big(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        detail = f"{width} × {height} = {width * height} pixels, more than the {max_pixels} that are decoded"
        raise DecodeError("too-many-pixels", detail)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return the canvas size a WebP declares (0, 0: no WebP): Pillow allocates the canvas before it tells the size."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:  # noqa: PLR2004 - the longest of the headers
        return 0, 0
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case _:
            return 0, 0


_MAGIC: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"RIFF", "WEBP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)


def _unidentified(data: bytes) -> tuple[FailureKind, str]:
    for magic, name in _MAGIC:
        if data.startswith(magic):
            kind: FailureKind = "truncated" if _is_cut(data) else "unreadable"
            return kind, f"begins like a {name}, but its header cannot be read"
    return "unreadable", f"none of {', '.join(FORMATS)}: it begins with {data[:12]!r}"


def _is_cut(data: bytes) -> bool:
    """Tell whether a damaged file lacks the end that its format calls for."""
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data
    if data.startswith(b"GIF8"):
        return not data.endswith(b";")
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    if data.startswith(b"RIFF"):
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if data.startswith(b"BM"):
        return int.from_bytes(data[2:6], "little") > len(data)
    return False


def _clean(text: str) -> str:
    """Return an exception's text on one line, without the memory addresses that Pillow puts in."""
    text = re.sub(r"<[^<>]* at 0x[0-9a-fA-F]+>", "the file", text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
