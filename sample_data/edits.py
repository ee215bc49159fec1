"""How a picture becomes its planted copy, and the list of the copies planted."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from crops import SIDE
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

QUALITY = 85
"""JPEG quality of every picture unless a fault says otherwise."""


@dataclass(frozen=True)
class Edit:
    """What turns a picture into its planted copy: the encoded copy, its ending, and how source and copy are related."""

    how: str
    relation: str
    encode: Callable[[bytes], bytes]
    ending: str = ".jpg"
    transform: dict[str, Any] | None = None


# ----------------------------------------------------------------------------------------- the edits


def opened(data: bytes) -> Image.Image:
    """Return the decoded picture."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture


def encoded(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Return the picture as the bytes of a file; JPEG at ``QUALITY`` unless told."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": QUALITY} | options if kind in {"JPEG", "WEBP"} else options))
    return buffer.getvalue()


def transform_of(
    *, mirrored: bool = False, rotation: float = 0, scale: float = 1, shear: float = 0, shift: tuple[float, float] = (0, 0)
) -> dict[str, Any]:
    """Return a transform as the report contract writes it (mirror, rotate ccw, scale, shear, shift)."""
    return {
        "mirrored": mirrored,
        "rotation": float(rotation),
        "scale": [float(scale)] * 2,
        "shear": float(shear),
        "shift": [float(part) for part in shift],
    }


EXACT = Edit("the same bytes", "exact", bytes)
COMMENT = Edit(
    "a JPEG comment added: other bytes, same pixels", "pixel", lambda data: data[:2] + b"\xff\xfe\x00\x08edited" + data[2:]
)
PNG = Edit("saved as PNG: other bytes, same pixels", "pixel", lambda data: encoded(opened(data), "PNG", optimize=True), ".png")
SMALL = Edit("resized to 80 × 80", "near", lambda data: encoded(opened(data).resize((80, 80), Image.Resampling.LANCZOS)))
BRIGHT = Edit("brightened by 20 %", "near", lambda data: encoded(opened(data).point(lambda value: min(255, round(value * 1.2)))))
GREY = Edit("turned grey", "near", lambda data: encoded(opened(data).convert("L")))


def requantised(quality: int) -> Edit:
    """Save again at a lower JPEG quality."""
    return Edit(f"saved again at JPEG quality {quality}", "near", lambda data: encoded(opened(data), quality=quality))


def turned(rotation: int, *, mirrored: bool = False) -> Edit:
    """Mirror left-right if asked, then turn counter-clockwise by a multiple of 90 degrees."""

    def encode(data: bytes) -> bytes:
        picture = opened(data)
        if mirrored:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return encoded(picture.rotate(rotation))

    how = "mirrored" * mirrored + ", " * (mirrored and rotation != 0) + f"rotated {rotation}° counter-clockwise" * (rotation != 0)
    degrees = 180 - (180 - rotation) % 360  # in (-180, 180]
    return Edit(how, "transformed", encode, transform=transform_of(mirrored=mirrored, rotation=degrees))


def warped(how: str, *, rotation: float = 0, scale: float = 1, shear: float = 0, shift: tuple[float, float] = (0, 0)) -> Edit:
    """Rotate, scale, shear, shift about the centre; what comes in from outside repeats the border, as Keras' ``nearest``.

    In coordinates about the centre, x right and y down: x' = x·cos r + y·sin r, y' = −x·sin r + y·cos r; both times
    ``scale``; x'' = x' + y'·tan shear; plus ``shift`` times the side.
    """
    turn, lean = np.deg2rad(rotation), np.tan(np.deg2rad(shear))
    turning = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    forward = np.array([[1.0, lean], [0.0, 1.0]]) @ (scale * turning)
    backward = np.linalg.inv(forward)

    def encode(data: bytes) -> bytes:
        pixels = np.asarray(opened(data))
        padded = Image.fromarray(np.pad(pixels, ((SIDE, SIDE), (SIDE, SIDE), (0, 0)), mode="edge"))
        centre = np.array([SIDE / 2, SIDE / 2])
        offset = centre + SIDE - backward @ (centre + np.array(shift) * SIDE)
        rows = np.column_stack([backward, offset])
        return encoded(padded.transform((SIDE, SIDE), Image.Transform.AFFINE, tuple(rows.ravel()), Image.Resampling.BICUBIC))

    return Edit(how, "transformed", encode, transform=transform_of(rotation=rotation, scale=scale, shear=shear, shift=shift))


PLANTS: tuple[tuple[str, str, str, tuple[str, ...], Edit], ...] = (
    ("LEK201", "coffee", "train", ("val/coffee",), EXACT),
    ("LEK201", "temple", "train", ("val/temple", "test/temple"), EXACT),
    ("LEK201", "astronaut", "train", ("val/astronaut",), PNG),
    ("LEK201", "galaxies", "train", ("val/galaxies",), COMMENT),
    ("LEK202", "coffee", "train", ("val/coffee",), requantised(50)),
    ("LEK202", "astronaut", "train", ("val/astronaut",), SMALL),
    ("LEK202", "temple", "train", ("val/temple",), BRIGHT),
    ("LEK202", "coffee", "train", ("val/coffee",), GREY),
    ("LEK202", "galaxies", "train", ("test/galaxies",), requantised(60)),
    ("LEK203", "astronaut", "train", ("val/astronaut",), turned(0, mirrored=True)),
    ("LEK203", "coffee", "train", ("val/coffee",), turned(90)),
    ("LEK203", "galaxies", "train", ("val/galaxies",), turned(180)),
    ("LEK203", "temple", "train", ("val/temple",), turned(270)),
    ("LEK203", "astronaut", "train", ("val/astronaut",), turned(90, mirrored=True)),
    ("LEK203", "coffee", "train", ("test/coffee",), turned(0, mirrored=True)),
    ("DUP301", "galaxies", "train", ("train/galaxies", "train/galaxies"), EXACT),
    ("DUP301", "astronaut", "train", ("train/astronaut",), EXACT),
    ("DUP302", "temple", "train", ("train/temple",), SMALL),
    ("DUP302", "coffee", "train", ("train/coffee",), requantised(50)),
    ("DUP302", "temple", "val", ("val/temple",), requantised(60)),
    ("DUP303", "galaxies", "train", ("train/galaxies",), turned(0, mirrored=True)),
    ("DUP303", "astronaut", "train", ("train/astronaut",), turned(90)),
    ("LBL401", "astronaut", "train", ("train/temple",), EXACT),
    ("LBL401", "coffee", "train", ("train/astronaut",), COMMENT),
    ("LBL402", "temple", "train", ("train/coffee",), requantised(60)),
    ("warped", "temple", "train", ("val/temple",), warped("rotated 8° counter-clockwise", rotation=8)),
    ("warped", "coffee", "train", ("val/coffee",), warped("rotated 12° clockwise", rotation=-12)),
    ("warped", "astronaut", "train", ("val/astronaut",), warped("rotated 15° counter-clockwise", rotation=15)),
    ("warped", "galaxies", "train", ("val/galaxies",), warped("the middle 80 %, enlarged", scale=1.25)),
    ("warped", "temple", "train", ("val/temple",), warped("an off-centre 70 %, enlarged", scale=1 / 0.7, shift=(0.15, -0.1))),
    ("warped", "astronaut", "train", ("val/astronaut",), warped("shifted and zoomed in", scale=1.1, shift=(0.1, -0.08))),
    ("warped", "coffee", "train", ("val/coffee",), warped("shifted and zoomed out", scale=0.9, shift=(-0.12, 0.1))),
    ("warped", "temple", "train", ("val/temple",), warped("sheared 10°", shear=10)),
    (
        "warped",
        "astronaut",
        "train",
        ("val/astronaut",),
        warped("rotated, zoomed, sheared and shifted", rotation=-10, scale=1.1, shear=6, shift=(0.06, 0.05)),
    ),
)
"""The planted copies: rule code (``warped``: LEK203 too), class and split of the source, where copies go, edit."""
