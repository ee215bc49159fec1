"""MEASURE: catalog → feature table. One read and one decode a file, in the engine's workers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import PROPERTY_NAMES, Failure, FeatureTable
from dataaudit.engines import Lost
from dataaudit.features import mapped
from dataaudit.features.cache import Piece, recall
from dataaudit.features.descriptor import DIMENSIONS, describe
from dataaudit.features.keypoints import COUNT, WIDTH, local_features
from dataaudit.features.provenance import REGIONS, colours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog
    from dataaudit.engines import Engine
    from dataaudit.features.cache import Cache, Recall
    from dataaudit.features.decode import Picture
    from dataaudit.features.views import Thumbnails

    _Rows = slice | NDArray[np.intp]

__all__ = ["BATCH", "measure"]

_BLOCK: Final = 4096
_LONG: Final = 64
BATCH: Final = 32
"""Files a batch: enough to pay for the batch's round trip, few enough that a death costs little to redo."""


def measure(
    catalog: Catalog,
    config: Config,
    engine: Engine,
    progress: Callable[[int, int], None] | None = None,
    cache: Cache | None = None,
) -> FeatureTable:
    """Measure every sample of ``catalog``; row i of the table is row i of the catalog.

    A file that cannot be measured, or whose worker was lost, is a row with a ``Failure``; it disturbs no other row.

    Args:
        catalog: what to measure.
        config: ``max_pixels`` applies; without ``transformed`` the descriptors are left 0.
        engine: runs the batches; the table does not depend on it.
        progress: called with the numbers of files just done, and of files just found unreadable.
        cache: what it knows is not measured again; what is measured is kept in it, batch by batch. It never changes the table.
    """
    tell = progress or (lambda _files, _unreadable: None)
    whole = _Whole(len(catalog))
    unknown = np.ones(len(catalog), bool)
    later: list[Piece] = []  # what lies in a snapshot's file: it is put in its place while the first batch is measured
    for piece in () if cache is None else cache.known(catalog.root, catalog.paths):
        if piece.places is None:
            whole.put(piece)
        else:
            later.append(piece)
        unknown[piece.rows] = False
        tell(len(piece.rows), len(piece.failures()))
        del piece
    rows = np.flatnonzero(unknown)
    function = partial(
        _measure_batch,
        root=catalog.root,
        max_pixels=config.max_pixels,
        described=config.transformed,
        where=None if cache is None else cache.recall,
    )
    done = 0
    try:
        paths = catalog.paths if len(rows) == len(catalog) else [catalog.paths[row] for row in rows]
        batches = engine.map_batches(function, paths, batch_size=BATCH, progress=lambda files: tell(files, 0))
        while later:
            whole.put(later.pop())  # and let go of: the snapshot's file may be replaced at the end
        for batch, result in batches:
            if isinstance(result, Lost):
                part = _table([_Row(failure=Failure(result.kind, result.detail)) for _ in batch])
            else:
                part = result
            tell(0, _unreadable(part))
            members = rows[done : done + len(batch)]
            if cache is not None:
                cache.keep(members, part)
            whole.put(Piece(members, part))
            done += len(batch)
    except KeyboardInterrupt as interrupt:
        if cache is not None and cache.store.usable:
            interrupt.add_note(f"{len(catalog) - len(rows) + done:,} of {len(catalog):,} measured are kept; run again to go on.")
        raise
    table = whole.table()
    if cache is not None:
        cache.remember(table)
    return table


def _unreadable(table: FeatureTable) -> int:
    return len(table) - table.failures.count(None)


class _Whole:
    """A table that is filled piece by piece."""

    def __init__(self, size: int) -> None:
        like = _table([])
        names = [field.name for field in fields(FeatureTable) if field.name != "failures"]
        shapes = {name: (size, *getattr(like, name).shape[1:]) for name in names}
        self._columns = {name: mapped.column(shape, getattr(like, name).dtype) for name, shape in shapes.items()}
        self._failures: list[Failure | None] = [None] * size
        self._filled = 0

    def put(self, piece: Piece) -> None:
        """Put the rows of a piece in their places."""
        places = np.arange(len(piece.rows)) if piece.places is None else piece.places
        for to, of in _runs(piece.rows, places):
            for name, column in self._columns.items():
                column[to] = getattr(piece.table, name)[of]
            self._filled += to.stop - to.start if isinstance(to, slice) else len(to)
            if self._filled >= _BLOCK:
                self._filled = 0
                for name, column in self._columns.items():
                    mapped.release(column)
                    mapped.release(getattr(piece.table, name))
        for row, failure in piece.failures():
            self._failures[row] = failure

    def table(self) -> FeatureTable:
        """Return the whole; every row was put."""
        return FeatureTable(**self._columns, failures=tuple(self._failures))


def _runs(rows: NDArray[np.intp], places: NDArray[np.intp]) -> Iterator[tuple[_Rows, _Rows]]:
    """Yield which rows come from which places: slices where both follow one another for long, which is all but always."""
    ends = np.flatnonzero((np.diff(rows) != 1) | (np.diff(places) != 1)) + 1
    if len(ends) > len(rows) // _LONG:
        for start in range(0, len(rows), _BLOCK):
            yield rows[start : start + _BLOCK], places[start : start + _BLOCK]
        return
    for first, last in pairwise([0, *ends.tolist(), len(rows)]):
        for start in range(first, last, _BLOCK):
            stop = min(start + _BLOCK, last)
            yield slice(rows[start], rows[stop - 1] + 1), slice(places[start], places[stop - 1] + 1)


@dataclass(slots=True)
class _Row:
    """What one file gave; hashes, descriptors and local features of a batch are made together, so what they need waits here."""

    failure: Failure | None = None
    known: FeatureTable | None = None
    """What the cache knows of the content; nothing else of the row counts then."""
    sha256: bytes = bytes(32)
    seen: Thumbnails | None = None
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
    strict: int = 0


def prepare() -> None:
    """Import and load all that a batch needs. In a worker, ahead of the first."""
    from dataaudit.features import (  # noqa: PLC0415 - the workers' business
        decode,
        descriptor,
        hashes,  # noqa: F401
        keypoints,
        loader,  # noqa: F401
        properties,  # noqa: F401
        views,  # noqa: F401
    )

    decode.prepare()
    descriptor.prepare()
    keypoints.prepare()


def _measure_batch(
    paths: Sequence[str],
    begin: Callable[[int], None],
    *,
    root: Path,
    max_pixels: int,
    described: bool = True,
    where: Recall | None = None,
) -> FeatureTable:
    """Measure the files of a batch, but for those whose content is known. Runs in a worker."""
    rows = []
    for index, path in enumerate(paths):
        begin(index)
        rows.append(_measure_file(root / path, max_pixels, where, described=described))
    measured = [index for index, row in enumerate(rows) if row.known is None]
    pieces = [Piece(np.array([index]), row.known) for index, row in enumerate(rows) if row.known is not None]
    table = _table([rows[index] for index in measured])
    if not pieces:
        return table
    whole = _Whole(len(rows))
    for piece in (*pieces, Piece(np.array(measured, np.intp), table)):
        whole.put(piece)
    return whole.table()


def _measure_file(path: Path, max_pixels: int, where: Recall | None, *, described: bool) -> _Row:
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
    _describe(row, picture, len(data), described=described)
    return row


def _describe(row: _Row, picture: Picture, file_bytes: int, *, described: bool) -> None:
    from dataaudit.features.views import thumbnails  # noqa: PLC0415

    row.seen = thumbnails(picture.image, described=described)
    row.width, row.height, row.file_bytes = picture.width, picture.height, file_bytes
    row.format, row.mode = picture.format, picture.mode
    row.exif_orientation, row.frames = picture.exif_orientation, picture.frames
    row.jpeg_coding, row.jpeg_quality, row.camera, row.taken = (
        picture.jpeg_coding,
        picture.jpeg_quality,
        picture.camera,
        picture.taken,
    )


def _table(rows: Sequence[_Row]) -> FeatureTable:
    """Turn the rows of a batch into columns."""
    words = np.frombuffer(b"".join(row.sha256 for row in rows), ">u8").astype(np.uint64).reshape(-1, 4)
    table = FeatureTable(
        sha256=words,
        pixel_digest=np.zeros(len(rows), np.uint64),
        phash64=np.zeros((len(rows), 8), np.uint64),
        phash256=np.zeros((len(rows), 8, 4), np.uint64),
        edge_hashes=np.zeros((len(rows), 4), np.uint64),
        descriptor=np.zeros((len(rows), DIMENSIONS), np.float16),
        inner_descriptor=np.zeros((len(rows), DIMENSIONS), np.float16),
        keypoints=np.zeros((len(rows), COUNT, WIDTH), np.uint8),
        properties=np.full((len(rows), len(PROPERTY_NAMES)), np.nan, np.float32),
        colours=np.zeros((len(rows), len(REGIONS), 3), np.uint8),
        edge_spread=np.zeros((len(rows), 8), np.uint8),
        failures=tuple(row.failure for row in rows),
        **{name: np.array([getattr(row, name) for row in rows], dtype) for name, dtype in _PLAIN.items()},
    )
    measured = [(index, row.seen) for index, row in enumerate(rows) if row.seen is not None]
    if measured:
        places, pictures = map(list, zip(*measured, strict=True))
        _look_at(table, places, pictures)
        squashed = [picture.squashed for picture in pictures if picture.squashed is not None]
        if squashed:
            inner = [(place, picture.inner) for place, picture in zip(places, pictures, strict=True) if picture.inner is not None]
            described = describe([*squashed, *(seen for _, seen in inner)])
            table.descriptor[places] = described[: len(places)]
            table.inner_descriptor[[place for place, _ in inner]] = described[len(places) :]
            table.keypoints[places] = local_features(
                [picture.corner_view for picture in pictures if picture.corner_view is not None]
            )
    return table


def _look_at(table: FeatureTable, places: list[int], pictures: list[Thumbnails]) -> None:
    """Fill in, at these places, what is cheaply computed from the pictures' views."""
    from dataaudit.features.hashes import edge_hashes, phashes  # noqa: PLC0415
    from dataaudit.features.properties import properties  # noqa: PLC0415
    from dataaudit.features.views import pixel_digests, views  # noqa: PLC0415

    seen = views(pictures)
    sizes = np.stack([table.width[places], table.height[places], table.file_bytes[places]], axis=1).astype(np.int64)
    size = max(BATCH, len(places))
    table.phash64[places] = phashes(seen.quarter, size)[..., 0]
    table.phash256[places] = phashes(seen.half, size)
    table.edge_hashes[places] = edge_hashes(seen.luma, size)
    table.properties[places] = properties(seen, sizes)
    table.pixel_digest[places] = pixel_digests(seen, sizes)
    table.colours[places], table.edge_spread[places] = colours(seen.colours)


_PLAIN: Final[dict[str, DTypeLike]] = {
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
    "strict": np.uint8,
}
"""The columns that are one plain value a row, and their types."""
