"""MEASURE: catalog → feature table. One read and one decode a file, in the engine's workers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import PROPERTY_NAMES, Failure, FeatureTable
from dataaudit.engines import Lost
from dataaudit.features.cache import Recalled, recall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog
    from dataaudit.engines import Engine
    from dataaudit.features.cache import Cache, Recall
    from dataaudit.features.decode import Picture

__all__ = ["BATCH", "measure"]

BATCH: Final = 32
"""Files a batch: enough to pay for the batch's round trip, few enough that a death costs little to redo."""


def measure(
    catalog: Catalog,
    config: Config,
    engine: Engine,
    progress: Callable[[int], None] | None = None,
    cache: Cache | None = None,
) -> FeatureTable:
    """Measure every sample of ``catalog``; row i of the table is row i of the catalog.

    A file that cannot be measured, or whose worker was lost, is a row with a ``Failure``; it disturbs no other row.

    Args:
        catalog: what to measure.
        config: ``max_pixels`` applies.
        engine: runs the batches; the table does not depend on it.
        progress: called with the number of files just done.
        cache: what it knows is not measured again; what is measured is kept in it, batch by batch. It never changes the table.
    """
    known = Recalled(np.empty(0, np.intp), None) if cache is None else cache.known(catalog.root, catalog.paths)
    if progress is not None and len(known.rows):
        progress(len(known.rows))
    rows = np.setdiff1d(np.arange(len(catalog)), known.rows, assume_unique=True)
    function = partial(
        _measure_batch, root=catalog.root, max_pixels=config.max_pixels, where=None if cache is None else cache.recall
    )
    pieces = [] if known.table is None else [(known.rows, known.table)]
    done = 0
    try:
        paths = catalog.paths if len(rows) == len(catalog) else [catalog.paths[row] for row in rows]
        for batch, result in engine.map_batches(function, paths, batch_size=BATCH, progress=progress):
            if isinstance(result, Lost):
                part = _table([_Row(failure=Failure(result.kind, result.detail)) for _ in batch])
            else:
                part = result
            members = rows[done : done + len(batch)]
            if cache is not None:
                cache.keep(members, part)
            pieces.append((members, part))
            done += len(batch)
    except KeyboardInterrupt as interrupt:
        if cache is not None and cache.store.usable:
            interrupt.add_note(f"{len(known.rows) + done:,} of {len(catalog):,} measured are kept; run again to go on.")
        raise
    return _joined(len(catalog), pieces)


def _joined(size: int, pieces: list[tuple[NDArray[np.intp], FeatureTable]]) -> FeatureTable:
    """Put the rows of every piece in their places; the pieces are used up, which halves the memory it takes."""
    like = pieces[0][1] if pieces else _table([])
    names = [field.name for field in fields(FeatureTable) if field.name != "failures"]
    columns = {name: np.empty((size, *getattr(like, name).shape[1:]), getattr(like, name).dtype) for name in names}
    failures: list[Failure | None] = [None] * size
    while pieces:
        rows, part = pieces.pop()
        for name, column in columns.items():
            column[rows] = getattr(part, name)
        for row, failure in zip(rows.tolist(), part.failures, strict=True):
            failures[row] = failure
    return FeatureTable(**columns, failures=tuple(failures))


@dataclass(slots=True)
class _Row:
    """What one file gave; the hashes and descriptors of a batch are made together, so what they need waits here."""

    failure: Failure | None = None
    known: FeatureTable | None = None
    """What the cache knows of the content; nothing else of the row counts then."""
    sha256: bytes = bytes(32)
    pixel_digest: int = 0
    lumas: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None
    squashed: NDArray[np.uint8] | None = None
    properties: tuple[float, ...] = (np.nan,) * len(PROPERTY_NAMES)
    width: int = 0
    height: int = 0
    file_bytes: int = 0
    format: str = ""
    mode: str = ""
    exif_orientation: int = 0
    frames: int = 0
    jpeg_coding: int = 0
    jpeg_quality: int = 0
    camera: bytes = b""
    taken: int = 0
    loader: int = 0
    trailing: int = 0
    zeroed: int = 0


def _measure_batch(
    paths: Sequence[str], begin: Callable[[int], None], *, root: Path, max_pixels: int, where: Recall | None = None
) -> FeatureTable:
    """Measure the files of a batch, but for those whose content is known. Runs in a worker."""
    rows = []
    for index, path in enumerate(paths):
        begin(index)
        rows.append(_measure_file(root / path, max_pixels, where))
    measured = [index for index, row in enumerate(rows) if row.known is None]
    pieces = [(np.array([index]), row.known) for index, row in enumerate(rows) if row.known is not None]
    return _joined(len(rows), [*pieces, (np.array(measured, np.intp), _table([rows[index] for index in measured]))])


def _measure_file(path: Path, max_pixels: int, where: Recall | None) -> _Row:
    from dataaudit.features.decode import DecodeError, decode, read  # noqa: PLC0415 - Pillow is the workers' business
    from dataaudit.features.loader import inspect  # noqa: PLC0415

    row, data = _Row(), None
    try:
        data = read(path)
        row.sha256 = hashlib.sha256(data).digest()
        row.known = None if where is None else recall(where, row.sha256)
        if row.known is not None:
            return row
        picture = decode(data, max_pixels)
    except DecodeError as error:
        row.failure = Failure(error.kind, error.detail)
        row.loader = 0 if data is None else inspect(data, thorough=error.kind != "too-many-pixels").loader
        return row
    row.loader, row.trailing, row.zeroed = inspect(data)
    _describe(row, picture, len(data))
    return row


def _describe(row: _Row, picture: Picture, file_bytes: int) -> None:
    from dataaudit.features.descriptor import squashed  # noqa: PLC0415
    from dataaudit.features.hashes import square_lumas  # noqa: PLC0415
    from dataaudit.features.properties import properties  # noqa: PLC0415

    luma = picture.image.convert("L")
    row.lumas, row.squashed = square_lumas(luma), squashed(picture.image)
    row.properties = properties(picture, luma, file_bytes)
    row.pixel_digest = _pixel_digest(picture)
    row.width, row.height, row.file_bytes = picture.width, picture.height, file_bytes
    row.format, row.mode = picture.format, picture.mode
    row.exif_orientation, row.frames = picture.exif_orientation, picture.frames
    row.jpeg_coding, row.jpeg_quality, row.camera, row.taken = (
        picture.jpeg_coding,
        picture.jpeg_quality,
        picture.camera,
        picture.taken,
    )


def _pixel_digest(picture: Picture) -> int:
    """Return 64 bits of SHA-256 over the stored size, the measured size and the measured pixels."""
    image = picture.image
    head = f"{picture.width} {picture.height} {image.width} {image.height} ".encode()
    digest = hashlib.sha256(head)
    digest.update(image.tobytes())
    return int.from_bytes(digest.digest()[:8], "big")


def _table(rows: Sequence[_Row]) -> FeatureTable:
    """Turn the rows of a batch into columns, and make their hashes and descriptors."""
    from dataaudit.features.descriptor import DIMENSIONS, describe  # noqa: PLC0415
    from dataaudit.features.hashes import phashes  # noqa: PLC0415
    from dataaudit.features.provenance import REGIONS, colours  # noqa: PLC0415

    means, spread = np.zeros((len(rows), len(REGIONS), 3), np.uint8), np.zeros((len(rows), 4), np.uint8)
    descriptor = np.zeros((len(rows), DIMENSIONS), np.float16)
    phash64, phash256 = np.zeros((len(rows), 8), np.uint64), np.zeros((len(rows), 8, 4), np.uint64)
    measured = [index for index, row in enumerate(rows) if row.lumas is not None]
    lumas = [row.lumas for row in rows if row.lumas is not None]
    if lumas:
        phash64[measured] = phashes([small for small, _ in lumas], max(BATCH, len(lumas)))[..., 0]
        phash256[measured] = phashes([large for _, large in lumas], max(BATCH, len(lumas)))
        squashed = [row.squashed for row in rows if row.squashed is not None]
        descriptor[measured] = describe(squashed)
        means[measured], spread[measured] = colours(np.stack(squashed))
    words = np.frombuffer(b"".join(row.sha256 for row in rows), ">u8").astype(np.uint64).reshape(-1, 4)
    return FeatureTable(
        sha256=words,
        phash64=phash64,
        phash256=phash256,
        descriptor=descriptor,
        properties=np.array([row.properties for row in rows], np.float32).reshape(-1, len(PROPERTY_NAMES)),
        colours=means,
        edge_spread=spread,
        failures=tuple(row.failure for row in rows),
        **{name: np.array([getattr(row, name) for row in rows], dtype) for name, dtype in _PLAIN.items()},
    )


_PLAIN: Final[dict[str, DTypeLike]] = {
    "pixel_digest": np.uint64,
    "width": np.int32,
    "height": np.int32,
    "file_bytes": np.int64,
    "format": "<U5",
    "mode": "<U8",
    "exif_orientation": np.uint8,
    "frames": np.int32,
    "jpeg_coding": np.uint64,
    "jpeg_quality": np.uint8,
    "camera": "S32",
    "taken": np.int64,
    "loader": np.uint8,
    "trailing": np.int64,
    "zeroed": np.int64,
}
"""The columns that are one plain value a row, and their types."""
