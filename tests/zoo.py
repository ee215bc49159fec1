"""A zoo of odd picture files, all made by code: Pillow, and bytes written by hand.

``ZOO`` maps a name to a file's bytes; what Keras makes of each stands in ``test_features_loader.py``.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from pictures import photo

WIDTH, HEIGHT = 48, 36
PHOTO = photo(7, (WIDTH, HEIGHT))
GREY = PHOTO.convert("L")


def encoded(picture: Image.Image, form: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


# ---------------------------------------------------------------------------------------------- PNG

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes = b"", crc: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def png(
    rows: bytes, depth: int, colour: int, *before: bytes, width: int = WIDTH, height: int = HEIGHT, interlace: int = 0
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return SIGNATURE + chunk(b"IHDR", header) + b"".join(before) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")


def filtered(lines: np.ndarray) -> bytes:
    """Rows of bytes, each behind a filter byte of 0."""
    return b"".join(b"\0" + line.tobytes() for line in np.ascontiguousarray(lines))


def pngs() -> dict[str, bytes]:
    plain = encoded(PHOTO, "PNG")
    parts = chunks(plain)
    idat = b"".join(body for kind, body in parts if kind == b"IDAT")
    head = SIGNATURE + chunk(b"IHDR", parts[0][1])
    half, end = len(idat) // 2, chunk(b"IEND")
    grey16 = np.asarray(GREY, np.uint16) * 257
    rgb = np.asarray(PHOTO)
    alpha = PHOTO.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(PHOTO.size))
    bits = np.packbits(np.asarray(GREY) > 128, axis=1)
    two = np.unpackbits(np.asarray(GREY)[:, ::4, None] >> 6, axis=2)[..., 6:].reshape(HEIGHT, -1)
    four = chunk(b"PLTE", bytes(range(12)))
    palette = PHOTO.quantize(64)
    raw = zlib.decompress(idat)
    short = zlib.compress(raw[: len(raw) // 2])
    frames = [photo(seed, (WIDTH, HEIGHT)) for seed in (7, 8, 9)]
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "png-rgb": plain,
        "png-grey": encoded(GREY, "PNG"),
        "png-palette": encoded(palette, "PNG"),
        "png-palette-transparent": encoded(palette, "PNG", transparency=3),
        "png-1-bit": encoded(PHOTO.convert("1"), "PNG"),
        "png-1-bit-by-hand": png(filtered(bits), 1, 0),
        "png-2-bit-palette": png(filtered(np.packbits(two, axis=1)), 2, 3, four, width=WIDTH // 4),
        "png-grey-alpha": encoded(PHOTO.convert("LA"), "PNG"),
        "png-rgba": encoded(alpha, "PNG"),
        "png-rgb-key": encoded(PHOTO, "PNG", transparency=(1, 2, 3)),
        "png-grey-16": encoded(Image.fromarray(grey16), "PNG"),
        "png-rgb-16": png(filtered((rgb.astype(">u2") * 257).reshape(HEIGHT, -1)), 16, 2),
        "png-interlaced": _interlaced(rgb),
        "png-animated": encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "png-exif-turned": encoded(PHOTO, "PNG", exif=exif),
        "png-trailing": plain + b"rest of the disk" * 9,
        "png-many-idat": head + b"".join(chunk(b"IDAT", idat[at : at + 99]) for at in range(0, len(idat), 99)) + chunk(b"IEND"),
        "png-no-iend": plain[:-12],
        "png-cut-in-iend": plain[:-3],
        "png-iend-bad-crc": plain[:-1] + b"\0",
        "png-idat-bad-crc": head + chunk(b"IDAT", idat, crc=1) + chunk(b"IEND"),
        "png-ihdr-bad-crc": SIGNATURE + chunk(b"IHDR", parts[0][1], crc=1) + chunk(b"IDAT", idat) + chunk(b"IEND"),
        "png-text-bad-crc": head + chunk(b"tEXt", b"Comment\0hello", crc=1) + chunk(b"IDAT", idat) + chunk(b"IEND"),
        "png-text-bad-crc-after": head + chunk(b"IDAT", idat) + chunk(b"tEXt", b"Comment\0hello", crc=1) + chunk(b"IEND"),
        "png-plte-bad-crc": _replaced(encoded(palette, "PNG"), b"PLTE", crc=1),
        "png-no-plte": _replaced(encoded(palette, "PNG"), b"PLTE", drop=True),
        "png-no-idat": head + chunk(b"IEND"),
        "png-half-idat": head + chunk(b"IDAT", idat[:half]) + chunk(b"IEND"),
        "png-cut-in-half": plain[: len(plain) // 2],
        "png-cut-in-header": plain[:20],
        "png-signature-only": SIGNATURE,
        "png-short-rows": head + chunk(b"IDAT", short) + chunk(b"IEND"),
        "png-bad-zlib": head + chunk(b"IDAT", idat[:half] + bytes(len(idat) - half)) + chunk(b"IEND"),
        "png-bad-adler": head + chunk(b"IDAT", idat[:-1] + bytes([idat[-1] ^ 255])) + chunk(b"IEND"),
        "png-unknown-critical": head + chunk(b"ABCD", b"x") + chunk(b"IDAT", idat) + chunk(b"IEND"),
        "png-unknown-ancillary": head + chunk(b"abCd", b"x") + chunk(b"IDAT", idat) + chunk(b"IEND"),
        "png-apple": SIGNATURE + chunk(b"CgBI", b"P\0 \2") + chunk(b"IHDR", parts[0][1]) + chunk(b"IDAT", idat) + chunk(b"IEND"),
        "png-bad-depth": png(filtered(rgb.reshape(HEIGHT, -1)), 3, 2),
        "png-bad-colour": png(filtered(rgb.reshape(HEIGHT, -1)), 8, 5),
        "png-zero-wide": png(b"", 8, 2, width=0),
        "png-two-ihdr": head + chunk(b"IHDR", parts[0][1]) + chunk(b"IDAT", idat) + chunk(b"IEND"),
        "png-text-line-ends": plain.replace(b"\r\n", b"\n", 1),
        "png-bad-filter": png(b"\x09" + raw[1:], 8, 2),
        "png-trns-too-long": png(filtered(np.asarray(palette) % 4), 8, 3, four, chunk(b"tRNS", bytes(9))),
        "png-gap-in-idat": head + chunk(b"IDAT", idat[:half]) + chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", idat[half:]) + end,
        "png-index-beyond-palette": png(filtered(np.asarray(palette)), 8, 3, chunk(b"PLTE", bytes(range(30)))),
        "png-bad-iccp": head + chunk(b"iCCP", b"x\0\0junk") + chunk(b"IDAT", idat) + chunk(b"IEND"),
        "png-length-beyond-end": head + struct.pack(">I", len(idat) + 500) + b"IDAT" + idat,
        "png-extra-rows": head + chunk(b"IDAT", zlib.compress(raw + bytes(99))) + chunk(b"IEND"),
    }  # fmt: skip


def _replaced(data: bytes, kind: bytes, crc: int | None = None, *, drop: bool = False) -> bytes:
    kept = [(name, body) for name, body in chunks(data) if not (drop and name == kind)]
    return SIGNATURE + b"".join(chunk(name, body, crc if name == kind else None) for name, body in kept)


def _interlaced(rgb: np.ndarray) -> bytes:
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = b"".join(filtered(rgb[y::dy, x::dx].reshape(len(rgb[y::dy]), -1)) for y, x, dy, dx in passes)
    return png(rows, 8, 2, interlace=1)


# ---------------------------------------------------------------------------------------------- BMP


def bmp(
    pixels: np.ndarray,
    bits: int,
    *,
    palette: bytes = b"",
    compression: int = 0,
    height: int = HEIGHT,
    width: int = WIDTH,
    header: int = 40,
    masks: bytes = b"",
    tail: bytes = b"",
    declared: int | None = None,
) -> bytes:
    """A BMP of rows of bytes (bottom first), each padded to four."""
    rows = b"".join(line.tobytes() + bytes(-len(line.tobytes()) % 4) for line in np.ascontiguousarray(pixels))
    offset = 14 + header + len(masks) + len(palette)
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(rows), 2835, 2835, len(palette) // 4, 0)
    info += bytes(header - 40)
    size = offset + len(rows) if declared is None else declared
    return b"BM" + struct.pack("<IHHI", size, 0, 0, offset) + info + masks + palette + rows + tail


def bmps() -> dict[str, bytes]:
    bgr = np.asarray(PHOTO)[::-1, :, ::-1]
    indexed = PHOTO.quantize(200)
    indices = np.asarray(indexed)[::-1]
    table = np.frombuffer(bytes(indexed.getpalette()), np.uint8).reshape(-1, 3)
    table = np.vstack([table, np.zeros((256 - len(table), 3), np.uint8)])
    coloured = np.column_stack([table[:, ::-1], np.zeros(256, np.uint8)]).tobytes()
    ramp = bytes(value for level in range(256) for value in (level, level, level, 0))
    grey = np.asarray(GREY)[::-1]
    four = np.column_stack([bgr.reshape(-1, 3), np.full(HEIGHT * WIDTH, 255, np.uint8)]).reshape(HEIGHT, -1)
    rgbx = np.dstack([bgr[..., ::-1], np.full((HEIGHT, WIDTH), 255, np.uint8)]).reshape(HEIGHT, -1)
    five = ((bgr[..., 2].astype("<u2") >> 3) << 10) | ((bgr[..., 1].astype("<u2") >> 3) << 5) | (bgr[..., 0] >> 3)
    nibbles = (grey[:, ::2] & 0xF0) | (grey[:, 1::2] >> 4)
    ramp16 = bytes(value for level in range(16) for value in (level * 17, level * 17, level * 17, 0))
    runs = b"".join(b"".join(bytes([1, value]) for value in line) + b"\0\0" for line in grey.tolist()) + b"\0\1"
    flat = bgr.reshape(HEIGHT, -1)
    usual = bmp(flat, 24)
    rle = np.frombuffer(runs, np.uint8)[None]
    core = struct.pack("<IHHIIHHHH", 26 + len(usual) - 54, 0, 0, 26, 12, WIDTH, HEIGHT, 1, 24)
    masks_bgr, masks_rgb = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF), struct.pack("<III", 0xFF, 0xFF00, 0xFF0000)
    return {
        "bmp-24": usual,
        "bmp-24-pillow": encoded(PHOTO, "BMP"),
        "bmp-24-odd-width": encoded(photo(7, (45, 36)), "BMP"),
        "bmp-24-top-down": bmp(flat[::-1], 24, height=-HEIGHT),
        "bmp-32": bmp(four, 32),
        "bmp-32-rgba-pillow": encoded(PHOTO.convert("RGBA"), "BMP"),
        "bmp-32-bitfields": bmp(four, 32, compression=3, masks=masks_bgr),
        "bmp-32-swapped-bitfields": bmp(rgbx, 32, compression=3, masks=masks_rgb),
        "bmp-32-swapped-with-alpha": bmp(rgbx, 32, compression=3, masks=masks_rgb + struct.pack("<I", 0xFF000000)),
        "bmp-v4": bmp(flat, 24, header=108),
        "bmp-v5": bmp(flat, 24, header=124),
        "bmp-os2": b"BM" + core + usual[54:],
        "bmp-8-grey-ramp": bmp(grey, 8, palette=ramp),
        "bmp-8-grey-pillow": encoded(GREY, "BMP"),
        "bmp-8-palette": bmp(indices, 8, palette=coloured),
        "bmp-8-palette-pillow": encoded(indexed, "BMP"),
        "bmp-8-reversed-ramp": bmp(255 - grey, 8, palette=bytes(reversed(ramp[:-1])) + b"\0"),
        "bmp-8-short-ramp": bmp(grey >> 4, 8, palette=ramp16),
        "bmp-8-rle": bmp(rle, 8, palette=ramp, compression=1),
        "bmp-4": bmp(nibbles, 4, palette=ramp16),
        "bmp-1": bmp(np.packbits(grey > 128, axis=1), 1, palette=b"\0\0\0\0\xff\xff\xff\0"),
        "bmp-1-pillow": encoded(PHOTO.convert("1"), "BMP"),
        "bmp-16-555": bmp(five, 16),
        "bmp-16-bitfields": bmp(five, 16, compression=3, masks=struct.pack("<III", 0x7C00, 0x3E0, 0x1F)),
        "bmp-two-bytes-more": bmp(flat, 24, tail=b"\0\0"),
        "bmp-trailing": bmp(flat, 24, tail=b"more" * 20),
        "bmp-cut-by-one": usual[:-1],
        "bmp-cut-in-half": usual[: len(usual) // 2],
        "bmp-wrong-declared-size": bmp(flat, 24, declared=0),
        "bmp-header-only": usual[:54],
        "bmp-30-bytes": usual[:30],
        "bmp-zero-wide": bmp(flat, 24, width=0),
        "bmp-zero-high": bmp(flat, 24, height=0),
    }


# ---------------------------------------------------------------------------------------------- GIF


def gif_frame(
    indices: np.ndarray, left: int = 0, top: int = 0, *, palette: bytes = b"", bits: int = 7, interlaced: bool = False
) -> bytes:
    """An image block whose LZW codes are never longer than at the start: the table is cleared in time."""
    height, width = indices.shape
    clear, size = 1 << bits, bits + 1
    codes: list[int] = []
    for at, value in enumerate(indices.reshape(-1).tolist()):
        if at % (clear - 2) == 0:
            codes.append(clear)
        codes.append(value)
    codes.append(clear + 1)
    stream = np.packbits(
        np.array([code >> bit & 1 for code in codes for bit in range(size)], np.uint8), bitorder="little"
    ).tobytes()
    blocks = b"".join(bytes([len(stream[at : at + 255])]) + stream[at : at + 255] for at in range(0, len(stream), 255))
    flags = (0x80 | (len(palette) // 3).bit_length() - 2 if palette else 0) | (0x40 if interlaced else 0)
    return b"," + struct.pack("<HHHHB", left, top, width, height, flags) + palette + bytes([bits]) + blocks + b"\0"


def gif(*frames: bytes, size: tuple[int, int] = (WIDTH, HEIGHT), palette: bytes | None = None, end: bytes = b";") -> bytes:
    colours = (
        bytes(value for level in range(128) for value in (level * 2, 255 - level * 2, level)) if palette is None else palette
    )
    flags = 0x80 | ((len(colours) // 3).bit_length() - 2) if colours else 0
    return b"GIF89a" + struct.pack("<HHBBB", *size, flags, 0, 0) + colours + b"".join(frames) + end


def gifs() -> dict[str, bytes]:
    plain = encoded(PHOTO.quantize(128), "GIF")
    frames = [photo(seed, (WIDTH, HEIGHT)).quantize(64) for seed in (7, 8, 9)]
    indices = np.asarray(GREY) >> 1
    whole = gif_frame(indices)
    clear = b"!\xf9\x04\x01\0\0" + bytes([int(indices[0, 0])]) + b"\0"
    ramp = bytes(value for level in range(128) for value in (level * 2, level * 2, level * 2))
    rows = [*range(0, HEIGHT, 8), *range(4, HEIGHT, 8), *range(2, HEIGHT, 4), *range(1, HEIGHT, 2)]
    return {
        "gif": plain,
        "gif-87a": plain.replace(b"GIF89a", b"GIF87a"),
        "gif-animated": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "gif-animated-cut": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])[:-800],
        "gif-transparent": encoded(PHOTO.quantize(64), "GIF", transparency=5),
        "gif-by-hand": gif(whole),
        "gif-interlaced": gif(gif_frame(indices[rows], interlaced=True)),
        "gif-local-palette": gif(gif_frame(indices, palette=ramp), palette=b""),
        "gif-no-palette": gif(whole, palette=b""),
        "gif-clear-corner": gif(clear + whole),
        "gif-comment": gif(b"!\xfe\x05hello\0" + whole),
        "gif-screen-larger": gif(whole, size=(WIDTH + 20, HEIGHT + 10)),
        "gif-screen-smaller": gif(whole, size=(WIDTH - 8, HEIGHT - 6)),
        "gif-screen-zero": gif(whole, size=(0, 0)),
        "gif-frame-inset": gif(gif_frame(indices[:20, :30], 9, 8)),
        "gif-second-frame-larger": gif(gif_frame(indices[:20, :30]), whole),
        "gif-second-frame-smaller": gif(whole, gif_frame(indices[:20, :30], 5, 5)),
        "gif-no-trailer": gif(whole, end=b""),
        "gif-trailing": gif(whole, end=b";and more" * 5),
        "gif-cut-in-frame": gif(whole)[:-400],
        "gif-cut-in-header": plain[:9],
        "gif-no-frame": gif(),
        "gif-index-beyond-palette": gif(whole, palette=ramp[: 64 * 3]),
        "gif-zero-wide-frame": gif(gif_frame(indices[:, :0])),
    }


# --------------------------------------------------------------------------------------------- JPEG


def patched(data: bytes, marker: int, change) -> bytes:
    """Apply ``change`` to the body of the first segment of a marker, its length included."""
    at = 2
    while data[at + 1] != marker:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    body = change(bytearray(data[at + 4 : at + 2 + length]))
    return data[: at + 2] + struct.pack(">H", len(body) + 2) + bytes(body) + data[at + 2 + length :]


def _renamed(data: bytes, old: int, new: int) -> bytes:
    return data.replace(bytes([0xFF, old]), bytes([0xFF, new]), 1)


def _without(data: bytes, marker: int) -> bytes:
    while True:
        at = 2
        while data[at + 1] not in (marker, 0xDA):
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xDA:
            return data
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def jpegs() -> dict[str, bytes]:
    plain = encoded(PHOTO, "JPEG", quality=92)
    scan = plain.index(b"\xff\xda")
    middle = (scan + len(plain)) // 2
    full = encoded(PHOTO, "JPEG", quality=92, subsampling=0)
    ink = encoded(PHOTO.convert("CMYK"), "JPEG", quality=92)
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [photo(seed, (WIDTH, HEIGHT)) for seed in (7, 8)]

    def set_at(position: int, value: int):
        def change(body: bytearray) -> bytearray:
            body[position] = value
            return body

        return change

    two = patched(full, 0xC0, lambda body: body[:5] + b"\2" + body[6:12])
    frame = plain.index(b"\xff\xc0")
    return {
        "jpeg": plain,
        "jpeg-grey": encoded(GREY, "JPEG"),
        "jpeg-progressive": encoded(PHOTO, "JPEG", progressive=True),
        "jpeg-optimised": encoded(PHOTO, "JPEG", optimize=True),
        "jpeg-444": full,
        "jpeg-restarts": encoded(PHOTO, "JPEG", restart_marker_blocks=2),
        "jpeg-cmyk-adobe": ink,
        "jpeg-cmyk-plain": _without(ink, 0xEE),
        "jpeg-ycck": patched(encoded(PHOTO.convert("CMYK"), "JPEG", quality=95), 0xEE, set_at(11, 2)),
        "jpeg-rgb-stored": encoded(PHOTO, "JPEG", keep_rgb=True, quality=95),
        "jpeg-exif-turned": encoded(PHOTO, "JPEG", exif=exif),
        "jpeg-mpo": encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]),
        "jpeg-trailing": plain + b"and more" * 50,
        "jpeg-no-jfif": _without(plain, 0xE0),
        "jpeg-no-eoi": plain[:-2],
        "jpeg-half-eoi": plain[:-1],
        "jpeg-zeros-for-eoi": plain[:-2] + bytes(600),
        "jpeg-cut-in-half": plain[:middle],
        "jpeg-cut-in-half-with-eoi": plain[:middle] + b"\xff\xd9",
        "jpeg-zero-tail": plain[:middle] + bytes(len(plain) - middle),
        "jpeg-progressive-cut": encoded(PHOTO, "JPEG", progressive=True)[:-300],
        "jpeg-cut-in-header": plain[:100],
        "jpeg-soi-only": b"\xff\xd8\xff\xe0",
        "jpeg-no-soi": plain[2:],
        "jpeg-leading-newline": b"\n" + plain,
        "jpeg-no-huffman": _without(plain, 0xC4),
        "jpeg-no-quantisation": _without(plain, 0xDB),
        "jpeg-arithmetic": _renamed(plain, 0xC0, 0xC9),
        "jpeg-extended": _renamed(plain, 0xC0, 0xC1),
        "jpeg-lossless": _renamed(plain, 0xC0, 0xC3),
        "jpeg-hierarchical": _renamed(plain, 0xC0, 0xC5),
        "jpeg-12-bit": patched(_renamed(plain, 0xC0, 0xC1), 0xC1, set_at(0, 12)),
        "jpeg-two-components": patched(two, 0xDA, lambda body: b"\2" + body[1:5] + body[7:]),
        "jpeg-zero-high": patched(plain, 0xC0, lambda body: body[:1] + b"\0\0" + body[3:]),
        "jpeg-zero-wide": patched(plain, 0xC0, lambda body: body[:3] + b"\0\0" + body[5:]),
        "jpeg-two-sof": plain[:frame] + plain[frame : frame + 19] + plain[frame:],
        "jpeg-tables-only": plain[:scan] + b"\xff\xd9",
        "jpeg-garbage-in-scan": plain[:middle] + b"\x12\x34\x56" * 9 + plain[middle + 27 :],
        "jpeg-garbage-between-markers": plain[:20] + bytes(5) + plain[20:],
        "jpeg-fill-bytes": plain[:20] + b"\xff\xff\xff" + plain[20:],
        "jpeg-segment-too-long": patched(plain, 0xE0, lambda body: body)[:4] + b"\xff\xf0" + plain[6:],
        "jpeg-sampling-5": patched(plain, 0xC0, set_at(7, 0x51)),
    }  # fmt: skip


# ------------------------------------------------------------------------------------ WebP, and rest


def webps() -> dict[str, bytes]:
    clear = PHOTO.copy()
    clear.putalpha(Image.linear_gradient("L").resize(PHOTO.size))
    opaque = PHOTO.copy()
    opaque.putalpha(255)
    frames = [photo(seed, (WIDTH, HEIGHT)) for seed in (7, 8, 9)]
    plain = encoded(PHOTO, "WEBP", quality=92)
    icc = encoded(PHOTO, "WEBP", quality=92, icc_profile=b"a profile" * 20)
    return {
        "webp": plain,
        "webp-lossless": encoded(PHOTO, "WEBP", lossless=True),
        "webp-rgba": encoded(clear, "WEBP", quality=92),
        "webp-rgba-lossless": encoded(clear, "WEBP", lossless=True),
        "webp-opaque-rgba": encoded(opaque, "WEBP", quality=92),
        "webp-opaque-rgba-lossless": encoded(opaque, "WEBP", lossless=True, exact=True),
        "webp-extended": icc,
        "webp-extended-alpha-flag": icc[:20] + bytes([icc[20] | 0x10]) + icc[21:],
        "webp-animated": encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "webp-trailing": plain + b"and more" * 9,
        "webp-cut": plain[: len(plain) // 2],
        "webp-lossless-cut": encoded(PHOTO, "WEBP", lossless=True)[:-900],
        "webp-cut-by-one": plain[:-1],
        "webp-cut-in-header": plain[:25],
        "webp-riff-size-small": plain[:4] + struct.pack("<I", 40) + plain[8:],
        "webp-riff-size-large": plain[:4] + struct.pack("<I", len(plain) + 50) + plain[8:],
        "riff-not-webp": b"RIFF" + struct.pack("<I", 60) + b"WAVE" + bytes(52),
    }


def others() -> dict[str, bytes]:
    return {
        "tiff": encoded(PHOTO, "TIFF"),
        "tiff-jpeg": encoded(PHOTO, "TIFF", compression="jpeg"),
        "avif": encoded(PHOTO, "AVIF"),
        "ico": encoded(PHOTO, "ICO"),
        "ppm": encoded(PHOTO, "PPM"),
        "jpeg-2000": encoded(PHOTO, "JPEG2000"),
        "heic": b"\0\0\0\x18ftypheic" + bytes(40),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "html": b"<!DOCTYPE html><title>404 Not Found</title>",
        "text": b"not a picture",
        "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "empty": b"",
        "one-byte": b"\xff",
        "zeros": bytes(4096),
        "apple-double": b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(60),
        "zip": b"PK\3\4" + bytes(60),
    }


def zoo() -> dict[str, bytes]:
    """Return every animal by name."""
    return {**pngs(), **bmps(), **gifs(), **jpegs(), **webps(), **others()}
