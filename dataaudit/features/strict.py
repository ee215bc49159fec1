"""Strict decoding, on request (``--integrity deep``): what libjpeg warns of, and what inflating a PNG shows.

Pillow and TensorFlow both decode a JPEG whose coded pixels are damaged, and say nothing: what follows the damage is grey, shifted
or discoloured. libjpeg knows, and says so to whoever asks; simplejpeg asks. It costs about as much as measuring the files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.engines import Lost
from dataaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dataaudit.domain import Catalog, FeatureTable
    from dataaudit.engines import Engine

__all__ = ["COMPLAINTS", "Complaint", "decode_strictly", "require"]

_BATCH: Final = 32
_CHECKED: Final = ("JPEG", "PNG")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a strict decoder says of a file."""

    name: str
    pattern: str
    """Part of libjpeg's message."""
    words: str
    """Empty where nothing is wrong."""


COMPLAINTS: Final = (
    Complaint("not-looked-at", "", ""),
    Complaint("none", "", ""),
    Complaint("not-checkable", "Could not determine subsampling level", ""),
    Complaint("ends-early", "premature end", "the coded pixels end before the picture does"),
    Complaint("bad-code", "Huffman code", "a code that no table of the file explains"),
    Complaint("extra-bytes", "extraneous bytes", "bytes that belong to nothing among the coded pixels"),
    Complaint("restart", "instead of RST", "a restart marker out of its order"),
    Complaint("progression", "progress", "scans that do not follow one another"),
    Complaint("other", "", "a warning of libjpeg's"),
    Complaint("png-data", "", "pixel data that do not inflate to the whole picture"),
)
"""``FeatureTable.strict`` holds positions in this tuple: new ones are added at the end."""

_NAMES: Final = [complaint.name for complaint in COMPLAINTS]


def require() -> None:
    """Make sure that simplejpeg is there.

    Raises:
        UsageError: if it is not.
    """
    try:
        import simplejpeg  # noqa: F401, PLC0415 - an optional extra
    except ImportError as error:
        message = "--integrity deep: simplejpeg is not installed. Install it: pip install 'dataaudit[integrity]'."
        raise UsageError(message) from error


def decode_strictly(
    catalog: Catalog, features: FeatureTable, engine: Engine, progress: Callable[[int], None] | None = None
) -> FeatureTable:
    """Return the table with its column ``strict`` filled, and with ``loader`` as inflating shows it, for JPEG and PNG files.

    Args:
        catalog: Where the files are.
        features: Their measurements; files that could not be measured are not looked at again.
        engine: Runs the batches.
        progress: Called with the number of files just done.
    """
    rows = np.flatnonzero(features.readable & np.isin(features.format, _CHECKED))
    paths = [catalog.paths[row] for row in rows.tolist()]
    codes: list[tuple[int, int]] = []
    for batch, result in engine.map_batches(partial(_examine, root=catalog.root), paths, batch_size=_BATCH, progress=progress):
        codes += [(0, 0)] * len(batch) if isinstance(result, Lost) else result
    strict, loader = features.strict.copy(), features.loader.copy()
    found: NDArray[np.uint8] = np.array(codes, np.uint8).reshape(-1, 2)
    strict[rows] = found[:, 0]
    loader[rows] = np.where(found[:, 1] > 0, found[:, 1], loader[rows])
    return replace(features, strict=strict, loader=loader)


def _examine(paths: Sequence[str], begin: Callable[[int], None], *, root: Path) -> list[tuple[int, int]]:
    """Return the positions of complaint and loader's outcome of each file (0: unchanged). Runs in a worker."""
    from dataaudit.features.decode import DecodeError, read  # noqa: PLC0415

    codes = []
    for index, path in enumerate(paths):
        begin(index)
        try:
            codes.append(_complaint(read(root / path)))
        except DecodeError:  # it was there a moment ago; the measurement stands
            codes.append((0, 0))
    return codes


def _complaint(data: bytes) -> tuple[int, int]:
    from dataaudit.features.loader import inspect, outcome_of  # noqa: PLC0415

    if not data.startswith(b"\xff\xd8"):
        outcome = inspect(data, thorough=True).loader
        return _NAMES.index("png-data" if outcome_of(outcome).name == "png-data" else "none"), outcome
    import simplejpeg  # noqa: PLC0415 - an optional extra

    try:
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, strict=True)
    except ValueError as error:
        return _position(str(error)), 0
    return _NAMES.index("none"), 0


def _position(message: str) -> int:
    """Return the complaint that a message of libjpeg's is."""
    matching = (index for index, each in enumerate(COMPLAINTS) if each.pattern and each.pattern in message)
    return next(matching, _NAMES.index("other"))
