"""MEASURE: what is known of each file, one row a sample."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

PROPERTY_NAMES: Final = (
    "luminance",
    "contrast",
    "sharpness",
    "saturation",
    "colourfulness",
    "entropy",
    "aspect",
    "megapixels",
    "bits_per_pixel",
)
"""The columns of ``FeatureTable.properties``; their formulas stand in ``features/properties.py``."""

DIHEDRAL: Final = 8
"""Orientations of a picture. Orientation ``k`` is: mirror left-right if ``k >= 4``, then rotate
counter-clockwise by ``90 · (k % 4)`` degrees."""

FailureKind = Literal["unreadable", "truncated", "too-many-pixels", "timeout", "memory", "crash"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file could not be measured."""

    kind: FailureKind
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """What was measured of each file: one row a sample, one NumPy column a feature.

    A row whose ``failures`` entry is set keeps its digest and ``loader`` where the bytes could be read; every other column
    of it holds zeros (properties: NaN).
    """

    sha256: NDArray[np.uint64]
    """(n, 4) SHA-256 of the file's bytes, big-endian words; zeros where the file could not be read."""
    pixel_digest: NDArray[np.uint64]
    """(n,) first 64 bits of the SHA-256 of the measured picture's pixels and size and of the stored size; not of the stored
    mode: a palette PNG and an RGB PNG that decode to the same pixels are the same to Keras."""
    phash64: NDArray[np.uint64]
    """(n, 8) 64-bit perceptual hash of the measured picture in each of its eight orientations."""
    phash256: NDArray[np.uint64]
    """(n, 8, 4) 256-bit perceptual hash, likewise."""
    edge_hashes: NDArray[np.uint64]
    """(n, 4) 64-bit perceptual hashes of strips along the top, right, bottom and left edge; 0 where a strip is nearly plain."""
    descriptor: NDArray[np.float16]
    """(n, 128) copy descriptor of the measured picture, of length 1; much the same for all eight orientations."""
    inner_descriptor: NDArray[np.float16]
    """(n, 128) likewise, of what lies within its border of one colour (``features.borders``); zeros where it has none."""
    keypoints: NDArray[np.uint8]
    """(n, 80, 18) local features of the measured picture: x, y and 128 bits each; zeros where it has fewer corners."""
    properties: NDArray[np.float32]
    """(n, len(PROPERTY_NAMES)) statistics of the measured picture."""
    width: NDArray[np.int32]
    """(n,) stored width in pixels, EXIF orientation not applied."""
    height: NDArray[np.int32]
    file_bytes: NDArray[np.int64]
    """(n,) length of the file in bytes."""
    format: NDArray[np.str_]
    """(n,) ``<U5``: ``JPEG PNG GIF BMP WEBP TIFF AVIF``, or empty."""
    mode: NDArray[np.str_]
    """(n,) ``<U8``: Pillow's mode of the stored picture (``L``, ``RGB``, ``P``, ``CMYK``, ``I;16`` …)."""
    exif_orientation: NDArray[np.uint8]
    """(n,) EXIF tag 0x0112, 1 to 8; 0 where there is none."""
    frames: NDArray[np.int32]
    """(n,) frames of the file (1: a still picture)."""
    jpeg_coding: NDArray[np.uint64]
    """(n,) digest of a JPEG's quantisation tables, chroma sampling and progression; 0 for other formats."""
    jpeg_quality: NDArray[np.uint8]
    """(n,) libjpeg's quality of 1 to 100 that fits the quantisation table best; 0 for other formats."""
    camera: NDArray[np.bytes_]
    """(n,) ``S32``: make and model of the EXIF data, or empty."""
    taken: NDArray[np.int64]
    """(n,) EXIF DateTimeOriginal by the camera's own clock, seconds since 1970; 0 where there is none."""
    colours: NDArray[np.uint8]
    """(n, 17, 3) mean R, G, B of the whole, the edges and the corners, outer and inner: ``features.provenance.REGIONS``."""
    edge_spread: NDArray[np.uint8]
    """(n, 8) standard deviation of the grey along the top, right, bottom and left edge, outer and inner."""
    loader: NDArray[np.uint8]
    """(n,) what TensorFlow makes of the file: a position in ``features.loader.OUTCOMES``; 0: not known. Set for failures too."""
    trailing: NDArray[np.int64]
    """(n,) bytes behind the end of the picture."""
    zeroed: NDArray[np.int64]
    """(n,) bytes of coded pixels that were overwritten with zeros."""
    strict: NDArray[np.uint8]
    """(n,) what a strict decoder says: a position in ``features.strict.COMPLAINTS``; 0 without ``--integrity deep``."""
    failures: tuple[Failure | None, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.failures)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(n,) whether the file was measured."""
        return np.array([failure is None for failure in self.failures], bool)

    def property(self, name: str) -> NDArray[np.float32]:
        """Return one column of ``properties``, shape (n,)."""
        column: NDArray[np.float32] = self.properties[:, PROPERTY_NAMES.index(name)]
        return column

    def hex_digest(self, row: int) -> str:
        """Return the SHA-256 of row ``row`` as 64 hexadecimal digits; empty where the file could not be read."""
        words = self.sha256[row]
        return words.astype(">u8").tobytes().hex() if words.any() else ""

    def hex_digests(self) -> Iterator[str]:
        """Yield what :meth:`hex_digest` returns of each row; of many, in a tenth of the time."""
        text = self.sha256.astype(">u8").tobytes().hex()
        for row, known in enumerate(np.any(self.sha256, axis=1).tolist()):
            yield text[64 * row : 64 * row + 64] if known else ""

    @staticmethod
    def concat(parts: Sequence[FeatureTable]) -> FeatureTable:
        """Join tables row-wise; associative, so an engine may build them in parts of any size.

        Raises:
            ValueError: if ``parts`` is empty.
        """
        columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(FeatureTable)}
        failures = tuple(chain.from_iterable(columns.pop("failures")))
        return FeatureTable(**{name: np.concatenate(column) for name, column in columns.items()}, failures=failures)
