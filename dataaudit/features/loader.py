"""What ``tf.io.decode_image(channels=3, expand_animations=False)``, which Keras's folder loader calls, makes of a file's bytes.

TensorFlow is not asked: its decoders (JPEG, PNG, GIF, BMP, WebP; version 2.21) refuse or misread files by their *structure*, and
that is walked here in microseconds. ``tests/test_features_loader.py`` compares every outcome with the real TensorFlow's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from dataaudit.features.containers import Walk, walk_gif, walk_jpeg, walk_png

__all__ = ["OUTCOMES", "READ", "Inspection", "Outcome", "inspect", "outcome_of"]

Effect = Literal["unknown", "read", "altered", "misread", "rejected"]
"""``read``: as Pillow reads it. ``altered``: otherwise, in a way that seldom matters. ``misread``: a wrong picture, in silence.
``rejected``: TensorFlow raises, and ``model.fit`` stops."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that TensorFlow makes of a file."""

    name: str
    """A stable slug."""
    effect: Effect
    found: str
    """What is odd about the file; empty where nothing is."""
    sees: str
    """What the model gets."""


_STOPS: Final = "nothing: TensorFlow refuses the file, and model.fit stops"

OUTCOMES: Final = (
    Outcome("not-looked-at", "unknown", "", "not known"),
    Outcome("ok", "read", "", "the picture"),
    Outcome("jpeg-no-end", "rejected", "a JPEG without its end marker: cut off, or its end overwritten with zeros", _STOPS),
    Outcome("jpeg-cut", "rejected", "a JPEG that ends in its header", _STOPS),
    Outcome("jpeg-header", "rejected", "a JPEG whose header libjpeg refuses", _STOPS),
    Outcome("jpeg-coding", "rejected", "a 12-bit, lossless, hierarchical or two-channel JPEG", _STOPS),
    Outcome("jpeg-cmyk", "misread", "a CMYK JPEG without Adobe's marker", "the negative of what Pillow and most viewers show"),
    Outcome("png-no-end", "rejected", "a PNG without its end (IEND): cut off", _STOPS),
    Outcome("png-checksum", "rejected", "a PNG with a bad checksum: bytes were changed after it was written", _STOPS),
    Outcome("png-header", "rejected", "a PNG whose header chunks are missing, doubled or impossible", _STOPS),
    Outcome("png-chunk", "rejected", "a PNG with a chunk no standard knows (Apple's CgBI, Fireworks' …)", _STOPS),
    Outcome("png-data", "rejected", "a PNG whose pixel data are damaged or incomplete", _STOPS),
    Outcome("gif-data", "rejected", "a GIF without one whole frame", _STOPS),
    Outcome("gif-palette", "rejected", "a GIF without a palette", _STOPS),
    Outcome("gif-index", "rejected", "a GIF that uses colours beyond its palette", _STOPS),
    Outcome("gif-transparent", "altered", "a GIF with a transparent colour", "black where it is transparent"),
    Outcome(
        "gif-canvas",
        "altered",
        "a GIF whose first frame does not fill its screen",
        "the frame alone, on black",
    ),
    Outcome("bmp-cut", "rejected", "a BMP that ends before its pixels do", _STOPS),
    Outcome("bmp-trailing", "rejected", "a BMP with bytes behind its pixels (TensorFlow wants the exact length)", _STOPS),
    Outcome("bmp-bits", "rejected", "a BMP with 1, 2, 4 or 16 bits a pixel", _STOPS),
    Outcome("bmp-compressed", "rejected", "a compressed (RLE) BMP", _STOPS),
    Outcome("bmp-header", "rejected", "a BMP with an OS/2 or impossible header", _STOPS),
    Outcome("bmp-palette", "misread", "a BMP with a palette", "the numbers of the colours as shades of grey"),
    Outcome("bmp-masks", "misread", "a BMP with channels in another order than blue, green, red", "the channels exchanged"),
    Outcome("webp-alpha", "rejected", "a WebP with an alpha channel, where three channels are asked for", _STOPS),
    Outcome("webp-animated", "rejected", "an animated WebP, where three channels are asked for", _STOPS),
    Outcome("webp-data", "rejected", "a WebP that is cut off or damaged", _STOPS),
    Outcome("jpeg-xl", "unknown", "a JPEG XL", "the picture from TensorFlow 2.21 on, if it has three channels"),
    Outcome("format", "rejected", "in a format that TensorFlow does not know", _STOPS),
)
"""What can become of a file. ``FeatureTable.loader`` holds positions in this tuple: new ones are added at the end."""

READ: Final = tuple(code for code, outcome in enumerate(OUTCOMES) if outcome.effect in {"read", "altered"})
"""The positions of what TensorFlow reads, and reads rightly or nearly so."""

_CODES: Final = {outcome.name: code for code, outcome in enumerate(OUTCOMES)}


class Inspection(NamedTuple):
    """What the structure of a file says."""

    loader: int
    """Position in ``OUTCOMES``."""
    trailing: int = 0
    """Bytes behind the picture, but for zeros and for further JPEGs (MPO); 0 where its end is not known."""
    zeroed: int = 0
    """Bytes of coded pixels that lie in zeroed blocks of a disk, or in a tail of zeros in place of the end."""


def outcome_of(code: int) -> Outcome:
    """Return what position ``code`` of ``OUTCOMES`` means."""
    return OUTCOMES[code]


def inspect(data: bytes, *, thorough: bool = False) -> Inspection:
    """Look at a file's structure; no pixel is decoded.

    Args:
        data: The file.
        thorough: Also inflate PNGs, which finds damage that checksums do not show.
    """
    walk = _walk(data, thorough=thorough)
    return Inspection(_CODES[walk.outcome], _trailing(data, walk), _zeroed(data, walk))


def _walk(data: bytes, *, thorough: bool) -> Walk:  # noqa: PLR0911 - one a format
    """Sort a file out by its first bytes, as TensorFlow's ``ClassifyFileFormat`` does."""
    if data.startswith(b"\xff\xd8\xff"):
        return walk_jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return walk_png(data, thorough=thorough)
    if data.startswith(b"GIF8"):
        return walk_gif(data)
    if data.startswith(b"BM"):
        return _bmp(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP" and len(data) > 12:  # noqa: PLR2004 - RIFF's header
        return _webp(data)
    if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")):
        return Walk("jpeg-xl")
    return Walk("format")


# ---------------------------------------------------------------------------------------------- BMP

_BITFIELDS: Final = (3, 6)
_BGR: Final = (0xFF0000, 0xFF00, 0xFF)
_CORE_HEADER: Final = 12
_READ_BITS: Final = (8, 24, 32)


def _bmp(data: bytes) -> Walk:  # noqa: PLR0911 - one a way to be refused
    """Follow ``DecodeBmpV2``: it reads offset, width, height and depth, believes no other field, and wants the exact length."""
    if len(data) < 32:  # noqa: PLR2004 - what TensorFlow asks for
        return Walk("bmp-cut")
    offset, width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (10, 18, 22))
    bits, kind = data[28] | data[29] << 8, int.from_bytes(data[14:18], "little")
    compression = data[30] | data[31] << 8
    if kind <= _CORE_HEADER or width <= 0 or not height or offset < 0 or width * abs(height) >= (1 << 31) // 8:
        return Walk("bmp-header")
    if bits not in _READ_BITS:
        return Walk("bmp-bits")
    row = (bits // 8 * width + 3) // 4 * 4
    end = offset + row * abs(height)
    if end != len(data):
        if compression not in {0, *_BITFIELDS}:
            return Walk("bmp-compressed", offset)
        return Walk("bmp-cut" if end > len(data) else "bmp-trailing", offset, end)
    if bits == 8 and not _is_grey_ramp(data, 14 + kind, offset, width, row):  # noqa: PLR2004 - a byte is an index
        return Walk("bmp-palette", offset, end)
    if bits == 32 and compression in _BITFIELDS:  # noqa: PLR2004 - bits a pixel
        masks = tuple(int.from_bytes(data[at : at + 4], "little") for at in (54, 58, 62))
        return Walk("ok" if masks == _BGR else "bmp-masks", offset, end)
    return Walk("ok", offset, end)


def _is_grey_ramp(data: bytes, palette: int, offset: int, width: int, row: int) -> bool:
    """Whether every index that is used stands for the grey of the same value."""
    if row == width:
        used = set(data[offset:])
    else:
        used = {index for start in range(offset, len(data), row) for index in data[start : start + width]}
    entries = {index: data[palette + 4 * index : palette + 4 * index + 3] for index in used if palette + 4 * index + 3 <= offset}
    return len(entries) == len(used) and all(colour == bytes((index,) * 3) for index, colour in entries.items())


# --------------------------------------------------------------------------------------------- WebP


def _webp(data: bytes) -> Walk:
    """Follow ``WebPGetFeatures``: flags of the first chunk, and a length that the file keeps."""
    end = 8 + int.from_bytes(data[4:8], "little")
    kind, length = data[12:16], int.from_bytes(data[16:20], "little")
    if end > len(data) or len(data) < 30 or 20 + length > end:  # noqa: PLR2004 - the longest of the headers
        return Walk("webp-data")
    if kind == b"VP8X":
        if data[20] & 0x02:
            return Walk("webp-animated", 30, end)
        return Walk("webp-alpha" if data[20] & 0x10 else "ok", 30, end)
    if kind == b"VP8L":
        return Walk("webp-alpha" if data[24] & 0x10 else "ok", 25, end)
    return Walk("ok" if kind == b"VP8 " else "webp-data", 30, end)


# ----------------------------------------------------------------------------------------- the tail

_BLOCK: Final = 512
"""Bytes of a disk's block."""
_NOTHING: Final = bytes(_BLOCK)
_SLACK: Final = 4
"""Zeros that coded pixels may have beside a zeroed block by chance."""


def _trailing(data: bytes, walk: Walk) -> int:
    if walk.end is None or walk.end >= len(data):
        return 0
    if data.startswith(b"\xff\xd8") and data[walk.end : walk.end + 3] == b"\xff\xd8\xff":
        return 0
    return len(data[walk.end :].rstrip(b"\0"))


def _zeroed(data: bytes, walk: Walk) -> int:
    """Count zeros of lost blocks among the coded pixels of a JPEG or WebP.

    A flat picture may be coded in long runs of zeros too; those do not begin and end where blocks of a disk do.
    """
    if not walk.coded or data[0] not in b"\xffR":
        return 0
    if walk.end is None:
        kept = data.rstrip(b"\0")
        tail = len(data) - max(len(kept), walk.coded)
        data, lost = kept, tail if tail >= _BLOCK else 0
    else:
        data, lost = data[: walk.end], 0
    first = -(-walk.coded // _BLOCK) * _BLOCK
    heads = data[first::_BLOCK]
    block = heads.find(0)
    while block >= 0:
        start = at = first + block * _BLOCK
        while data[at : at + _BLOCK] == _NOTHING:
            at += _BLOCK
        if at > start:
            before = _BLOCK - len(data[start - _BLOCK : start].rstrip(b"\0"))
            rest = data[at : at + _BLOCK]
            behind = len(rest) - len(rest.lstrip(b"\0"))
            if before <= _SLACK and behind <= _SLACK:
                lost += at + behind - start
        block = heads.find(0, max((at - first) // _BLOCK, block + 1))
    return lost
