"""Walks through JPEG, PNG and GIF files: what TensorFlow's decoder says of their structure, and where the picture ends.

No pixel is decoded. Each walk returns a name of ``loader.OUTCOMES`` and the offset behind the picture, or None where it has no
end. What is accepted was measured on TensorFlow 2.21 (libjpeg-turbo, libpng, giflib), file by file: ``tests/zoo.py``.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Walk", "walk_gif", "walk_jpeg", "walk_png"]


class Walk(NamedTuple):
    """What a walk found."""

    outcome: str
    """A key of ``loader.OUTCOMES``."""
    coded: int = 0
    """Offset of the first byte of coded pixels."""
    end: int | None = None
    """Offset behind the picture's last byte; None where the file has no end, or none that is known."""


# --------------------------------------------------------------------------------------------- JPEG

_SOF_READ: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Baseline, extended and progressive, Huffman or arithmetic; not lossless, not hierarchical."""
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE: Final = frozenset({0x00, 0x01, *range(0xD0, 0xD8)})
"""Markers without a length: TEM, RST0 to RST7; and no marker at all."""
_DQT: Final = 0xDB
_SOS: Final = 0xDA
_EOI: Final = 0xD9
_APP14: Final = 0xEE
_END: Final = b"\xff\xd9"
_LARGEST: Final = 1 << 29
"""Samples (width × height × components) from which TensorFlow refuses a JPEG, and pixels from which it refuses a PNG."""


def walk_jpeg(data: bytes) -> Walk:
    """Walk the segments of a JPEG up to its first scan, then look for the end marker."""
    frame, tables, adobe = b"", False, False
    for marker, start, stop in _segments(data):
        if marker in _SOF:
            if frame or marker not in _SOF_READ:
                return Walk("jpeg-coding")
            frame = data[start:stop]
        elif marker == _DQT:
            tables = True
        elif marker == _APP14:
            adobe = adobe or data.startswith(b"Adobe", start)
        elif marker == _EOI:  # before any scan
            return Walk("jpeg-header")
        elif marker == _SOS:
            # Most files end with the marker; to look for it in front of other bytes costs a look at every byte.
            end = len(data) if data.endswith(_END) else data.find(_END, stop) + 2
            return _scan(_frame(frame, tables=tables, adobe=adobe), stop, end)
    return Walk("jpeg-cut")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each whole segment, where its body begins and ends, up to the first scan or the end marker."""
    at = data.find(b"\xff", 2)
    while 0 <= at < len(data) - 3:
        marker, start, stop = data[at + 1], at + 4, at + 2 + (data[at + 2] << 8 | data[at + 3])
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            at += 1
        elif marker in _ALONE:
            at = data.find(b"\xff", at + 2)
        elif marker == _EOI:
            yield marker, at + 2, at + 2
            return
        elif stop > len(data):
            return
        else:
            yield marker, start, stop
            if marker == _SOS:
                return
            at = data.find(b"\xff", stop)


def _scan(outcome: str, coded: int, end: int) -> Walk:
    if end < coded:  # none was found
        return Walk("jpeg-no-end" if outcome in {"ok", "jpeg-cmyk"} else outcome, coded)
    return Walk(outcome, coded, end)


def _frame(frame: bytes, *, tables: bool, adobe: bool) -> str:
    """Judge a frame header: precision, height, width and, for each component, its sampling."""
    if len(frame) < 6 or not tables or len(frame) < 6 + 3 * frame[5]:  # noqa: PLR2004 - bytes of a frame header
        return "jpeg-header"
    precision, height, width, count = frame[0], frame[1] << 8 | frame[2], frame[3] << 8 | frame[4], frame[5]
    if precision != 8 or count not in {1, 3, 4}:  # noqa: PLR2004 - bits
        return "jpeg-coding"
    samplings = [(each >> 4, each & 15) for each in frame[7 : 7 + 3 * count : 3]]
    if not width or not height or width * height * count >= _LARGEST:
        return "jpeg-header"
    if not all(1 <= side <= 4 for pair in samplings for side in pair):  # noqa: PLR2004 - the standard's range
        return "jpeg-header"
    return "jpeg-cmyk" if count == 4 and not adobe else "ok"  # noqa: PLR2004 - cyan, magenta, yellow, black


# ---------------------------------------------------------------------------------------------- PNG

_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits a channel that each colour type may have."""
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTED: Final = 3
_CRITICAL: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced PNG: first column and row, and the steps, of each pass."""


def walk_png(data: bytes, *, thorough: bool = False) -> Walk:
    """Walk the chunks of a PNG, checking those that libpng stops at.

    Args:
        data: The file.
        thorough: Also inflate the pixels, as libpng does: costs about a third of decoding them.
    """
    seen: list[bytes] = []
    pieces: list[bytes] = []
    coded = 0
    for kind, start, stop in _chunks(data):
        wrong = _wrong_chunk(data, kind, start, stop, seen)
        if wrong:
            return Walk(wrong, coded)
        if kind == b"IDAT":
            coded = coded or start
            pieces.append(data[start:stop] if thorough else b"")
        elif kind == b"IEND":
            damaged = thorough and not _inflates(data[16:29], pieces)
            return Walk("png-data" if damaged else "ok", coded, stop + 4)
        seen.append(kind)
    return Walk("png-no-end", coded)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each whole chunk, and where its body begins and ends."""
    start = 16
    while start <= len(data):
        stop = start + int.from_bytes(data[start - 8 : start - 4], "big")
        if stop + 4 > len(data):
            return
        yield data[start - 4 : start], start, stop
        start = stop + 12


def _wrong_chunk(data: bytes, kind: bytes, start: int, stop: int, seen: list[bytes]) -> str | None:
    """Return the outcome of a chunk that libpng stops at; of ancillary chunks it drops what is damaged."""
    if kind[0] & 0x20:
        return None if seen else "png-header"
    if kind not in _CRITICAL:
        return "png-chunk"
    if zlib.crc32(data[start - 4 : stop]) != int.from_bytes(data[stop : stop + 4], "big"):
        return "png-checksum"
    if kind == b"IHDR":
        out_of_order = bool(seen) or not _png_header(data[start:stop])
    elif kind == b"IDAT":
        if b"IDAT" in seen[:-1] and seen[-1] != b"IDAT":
            return "png-data"
        out_of_order = not seen or (data[25] == _PALETTED and b"PLTE" not in seen)
    else:
        out_of_order = not seen or (kind == b"IEND" and b"IDAT" not in seen)
    return "png-header" if out_of_order else None


def _png_header(header: bytes) -> bool:
    if len(header) != 13:  # noqa: PLR2004 - bytes of IHDR
        return False
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    depth, colour, compression, filtering, interlace = header[8:13]
    usual = not compression and not filtering and interlace <= 1 and depth in _DEPTHS.get(colour, ())
    return usual and width > 0 and height > 0 and width * height < _LARGEST


def _inflates(header: bytes, pieces: list[bytes]) -> bool:
    """Whether the pixels inflate to all their rows, each with a known filter."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits = header[8] * _CHANNELS[header[9]]
    passes = _PASSES if header[12] else ((0, 0, 1, 1),)
    shapes = [(-(-(height - y) // dy), 1 + (-(-(width - x) // dx) * bits + 7) // 8) for x, y, dx, dy in passes if x < width]
    needed = sum(rows * line for rows, line in shapes if rows > 0)
    raw = _first(b"".join(pieces), needed)
    start = 0
    for rows, line in shapes:
        if rows > 0:
            filters = raw[start : start + rows * line : line]
            if len(filters) < rows or max(filters) > 4:  # noqa: PLR2004 - the last filter type
                return False
            start += rows * line
    return len(raw) == needed


def _first(stream: bytes, length: int) -> bytes:
    """Inflate ``length`` bytes; none where that fails, or the stream has no end. Behind them libpng only warns of errors."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(stream, length)
    except zlib.error:
        return b""
    try:
        while not inflater.eof and inflater.unconsumed_tail:
            inflater.decompress(inflater.unconsumed_tail, 1 << 20)
    except zlib.error:
        return raw
    return raw if inflater.eof else b""


# ---------------------------------------------------------------------------------------------- GIF


class _Frame(NamedTuple):
    left: int
    top: int
    width: int
    height: int
    colours: int
    """Entries of the palette that holds for it; 0: none."""
    code_bits: int
    """LZW's least code size."""


def walk_gif(data: bytes) -> Walk:
    """Walk the blocks of a GIF: TensorFlow places the first frame on a black canvas as large as the largest frame."""
    if len(data) < 13:  # noqa: PLR2004 - signature and screen descriptor
        return Walk("gif-data")
    screen = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    general = 2 << (data[10] & 7) if data[10] & 0x80 else 0
    frames, transparent, end = _frames(data, 13 + 3 * general, general)
    if not frames:
        return Walk("gif-data")
    first = frames[0]
    if not first.width or not first.height:
        return Walk("gif-data")
    if not first.colours:
        return Walk("gif-palette")
    canvas = max(frame.width for frame in frames), max(frame.height for frame in frames)
    outcome = "gif-transparent" if transparent else "ok"
    seen = max(screen[0], first.left + first.width), max(screen[1], first.top + first.height)
    if canvas != seen or (first.left, first.top, first.width, first.height) != (0, 0, *canvas):
        outcome = "gif-canvas"
    if 1 << first.code_bits > first.colours:
        outcome = "gif-index" if _beyond(data, first.colours) else outcome
    return Walk(outcome, 0, end)


def _frames(data: bytes, at: int, general: int) -> tuple[list[_Frame], bool, int | None]:
    """Return the frames that are complete, whether the first has a transparent colour, and where the file's trailer ends."""
    frames: list[_Frame] = []
    transparent = False
    while at < len(data):
        introducer = data[at]
        if introducer == 0x3B:  # the trailer  # noqa: PLR2004
            return frames, transparent, at + 1
        if introducer == 0x21:  # an extension  # noqa: PLR2004
            if data[at + 1 : at + 2] == b"\xf9" and not frames and data[at + 3 : at + 4]:
                transparent = bool(data[at + 3] & 1)
            at = _blocks_end(data, at + 2)
        elif introducer == 0x2C and at + 11 <= len(data):  # an image descriptor  # noqa: PLR2004
            left, top, width, height = (data[i] | data[i + 1] << 8 for i in range(at + 1, at + 9, 2))
            local = 2 << (data[at + 9] & 7) if data[at + 9] & 0x80 else 0
            start = at + 10 + 3 * local
            code_bits = data[start] if start < len(data) else 0
            at = _blocks_end(data, start + 1)
            if at >= 0:
                frames.append(_Frame(left, top, width, height, local or general, code_bits))
        else:
            break
        if at < 0:
            break
    return frames, transparent, None


def _blocks_end(data: bytes, at: int) -> int:
    """Return the offset behind a chain of sub-blocks; -1 where the file ends in it."""
    while at < len(data):
        length = data[at]
        at += 1 + length
        if not length:
            return at
    return -1


def _beyond(data: bytes, colours: int) -> bool:
    """Whether the first frame uses an index that its palette lacks; rare enough that Pillow may decode it again."""
    import io  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    try:
        with Image.open(io.BytesIO(data), formats=("GIF",)) as image:
            greatest = int(np.asarray(image).max())
    except Exception:  # noqa: BLE001 - as in decode: Pillow raises some ten kinds
        return True
    return greatest >= colours
