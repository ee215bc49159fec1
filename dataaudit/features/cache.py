"""The cache: what was measured of a content is not measured again. It never changes an answer.

- *Content* is the key: SHA-256 of the file's bytes, and of all that decides what is measured of them (:func:`version_key`):
  ``FEATURE_VERSION``, the code of this package, the versions of the decoders, the machine, ``max_pixels``, ``transformed``.
  Failures that the content is to blame for are kept too; a timeout, a crash or a lack of memory is not.
- *The fast path* knows a file by (device, inode, size, mtime, ctime) and does not open it. A file that was changed within two
  seconds of being looked at is not entered (git's racy-timestamp rule): another change in the same tick would not show.
- Every row carries a check sum, so that a rotten byte is measured anew and not believed.
- No path is stored, so any name will do. Rows that were not used for the longest time go first when the limit is reached,
  those of other versions before them.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sqlite3
import stat
import sys
import time
from dataclasses import dataclass, fields
from functools import cache as once
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from dataaudit.domain import Failure, FeatureTable
from dataaudit.features import snapshot
from dataaudit.features.store import Store, folder, sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from dataaudit.config import Config

__all__ = ["Cache", "Piece", "Recall", "holds", "packages", "recall", "version_key"]

_STATUS: Final = attrgetter("st_mode", "st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_NO_STATUS: Final = (0,) * 6
_KIND: Final = 0o170000  # the bits of a mode that say what a file is (stat.S_IFMT has them as a function)
_LOOKED_AT: Final = 4096  # files whose status is held as Python's numbers at a time
_RACY_NS: Final = 2_000_000_000  # the coarsest clock of a file system in use (FAT's)
_DAY: Final = 86_400
_STALE_DAYS: Final = 7  # how old a row's last use may read, so that a warm run writes next to nothing
_PRUNED_TO: Final = 0.8
_NOT_MEASURING: Final = frozenset(
    (
        "cache.py",
        "mapped.py",
        "snapshot.py",
        "store.py",
        "embeddings.py",
        "keras_model.py",
        "keras_process.py",
        "model_outputs.py",
        "signature.py",
    )
)
_ASKED: Final = 4_096  # files that the database is asked for at once: bounds the memory that their rows take
_BEHIND: Final = 20  # a twentieth of the files that a snapshot does not know is what it may lack
_LOST: Final = frozenset({"timeout", "memory", "crash"})
_PACKAGES: Final = ("numpy", "onnxruntime", "opencv", "pillow", "simplejpeg")

_ASKED_TABLE: Final = "asked (number, device, inode, size, mtime_ns, ctime_ns)"
_KNOWN: Final = """
SELECT a.number, c.id, c.used, c.row FROM temp.asked AS a
CROSS JOIN files AS f ON f.device = a.device AND f.inode = a.inode
    AND f.size = a.size AND f.mtime_ns = a.mtime_ns AND f.ctime_ns = a.ctime_ns
CROSS JOIN contents AS c ON c.version = (SELECT id FROM versions WHERE key = ?) AND c.sha256 = f.sha256
ORDER BY a.number"""
_KEEP_VERSION: Final = "INSERT OR IGNORE INTO versions (key, columns) VALUES (?, ?)"
_KEEP_CONTENT: Final = """
INSERT INTO contents (version, sha256, used, row) VALUES ((SELECT id FROM versions WHERE key = ?), ?, ?, ?)
ON CONFLICT DO UPDATE SET used = excluded.used, row = excluded.row
WHERE used < excluded.used OR row IS NOT excluded.row"""
_PRUNE_CONTENTS: Final = """
DELETE FROM contents WHERE id IN (
    SELECT id FROM contents ORDER BY version IS (SELECT id FROM versions WHERE key = ?), used, id LIMIT ?)"""
_BY_USE: Final = ("pairs", "nominations", "outputs")  # tables of which what was not used for longest goes first
_KEEP_FILE: Final = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Recall:
    """Where a worker looks a content up that it has read and hashed."""

    database: Path
    key: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What is known of some rows of a catalog."""

    rows: NDArray[np.intp]
    table: FeatureTable
    places: NDArray[np.intp] | None = None
    """Where in the table each row is; None: the table has them in their order, and no others."""

    def failures(self) -> list[tuple[int, Failure]]:
        """Return the rows that could not be measured, and why."""
        if self.table.failures.count(None) == len(self.table):
            return []
        places = range(len(self.rows)) if self.places is None else self.places.tolist()
        found = ((row, self.table.failures[place]) for row, place in zip(self.rows.tolist(), places, strict=True))
        return [(row, failure) for row, failure in found if failure is not None]


class Cache:
    """The cache as one run sees it. Use it in a ``with``."""

    def __init__(self, config: Config) -> None:
        """Open the cache that ``config`` names."""
        self._paranoid = config.paranoid
        self._limit = config.cache_limit * 2**20
        self.key = version_key(config.max_pixels, transformed=config.transformed)
        self._stamps, self._trusted = np.empty((0, 5), np.int64), np.empty(0, bool)
        self._snapshot: tuple[Path, int] | None = None
        self._columns: np.dtype[np.void] | None = None
        self.today = int(time.time()) // _DAY
        self._wrote = False
        self.settled = time.time_ns() - _RACY_NS
        """Files changed before this, nanoseconds since 1970, and not after, are what this run finds them to be."""
        self.store = Store(folder(config.cache_dir))
        for (columns,) in self.store.read("SELECT columns FROM versions WHERE key = ?", (self.key,)):
            self._columns = _columns_of(columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._wrote:
            self._prune()
        self.store.close()

    @property
    def recall(self) -> Recall | None:
        """Where workers look contents up; None where there is nothing to be found."""
        if self._columns is None or not self.store.usable:
            return None
        return Recall(self.store.path.absolute(), self.key)

    def known(self, root: Path, paths: Sequence[str], *, quickly: bool = True) -> Iterator[Piece]:
        """Yield what is known of the files without opening them, ``quickly``: by a snapshot, too; remember the stamps of all."""
        self._stamps, self._trusted = _stamps(root, paths)
        if self._paranoid or not self.store.usable:
            return
        asked = np.flatnonzero(self._trusted)
        if quickly and len(paths) >= snapshot.SMALLEST:
            path = snapshot.place(self.store.path.parent, self.key, root)
            seen = snapshot.read(path, self.key, self.today - _STALE_DAYS)
            if seen is not None and _layout(seen.table) == self._columns:
                known, places = seen.places(self._stamps[asked])
                yield Piece(asked[known], seen.table, places)
                asked = np.delete(asked, known)
            self._snapshot = path, len(asked)
        for start in range(0, len(asked), _ASKED):
            yield from self._known(asked[start : start + _ASKED])

    def _known(self, rows: NDArray[np.intp]) -> list[Piece]:
        """Return what the database knows of some rows of the catalog."""
        if self._columns is None:
            return []
        asked = ((row, *stamp) for row, stamp in zip(rows.tolist(), self._stamps[rows].tolist(), strict=True))
        found: list[tuple[int, int, int, bytes]] = self.store.join(_ASKED_TABLE, asked, _KNOWN, (self.key,))
        self.touch("contents", [(number, used) for _, number, used, _ in found])
        whole, records, failures = _whole([blob for *_, blob in found], self._columns)
        kept = np.array([row for row, *_ in found], np.intp)[whole]
        return [Piece(kept, _table_of(records, failures))] if len(kept) else []

    def remember(self, table: FeatureTable) -> None:
        """Write a snapshot of the whole catalog, as it was measured, if the one there is has fallen behind."""
        if self._snapshot is None:
            return
        path, unknown = self._snapshot
        if unknown <= len(table) // _BEHIND:
            return
        lasting = self._trusted & np.any(table.sha256, axis=1)
        lasting[[row for row, failure in enumerate(table.failures) if failure is not None and failure.kind in _LOST]] = False
        rows = np.flatnonzero(lasting)
        if snapshot.make_room(path.parent, self._limit // 4, len(rows) * _layout(table).itemsize):
            snapshot.write(path, self.key, self.today, snapshot.Snapshot(self._stamps, table), rows)

    def keep(self, rows: NDArray[np.intp], table: FeatureTable) -> None:
        """Store what was measured of some rows of the catalog: the results of a batch, in one transaction."""
        named = [index for index in range(len(rows)) if table.sha256[index].any()]
        if not named or not self.store.usable:
            return
        contents = table.sha256.astype(">u8")
        digests = {index: contents[index].tobytes() for index in named}
        lasting = [index for index in named if (failure := table.failures[index]) is None or failure.kind not in _LOST]
        self._columns = columns = _layout(table)
        blobs = _packed(table)
        trusted = [index for index in lasting if self._trusted[rows[index]]]
        self.write(
            (_KEEP_VERSION, [(self.key, _text_of(columns))]),
            (_KEEP_CONTENT, [(self.key, digests[index], self.today, blobs[index]) for index in lasting]),
            (_KEEP_FILE, [(*self._stamps[rows[index]].tolist(), digests[index]) for index in trusted]),
        )

    def touch(self, table: str, used: Sequence[tuple[int, int]]) -> None:
        """Note that rows of a table, (number, day of last use), are used."""
        stale = [(self.today, number) for number, day in used if day < self.today - _STALE_DAYS]
        if stale:
            self.write((f"UPDATE {table} SET used = ? WHERE id = ?", stale))  # noqa: S608 - our own names

    def write(self, *statements: tuple[str, Sequence[Sequence[object]]]) -> None:
        """Run statements, each for many rows, in one transaction."""
        self._wrote |= self.store.write(*statements)

    def _prune(self) -> None:
        """Delete the least used tenth again and again until what is stored fits."""
        if self.store.bytes_used() <= self._limit:
            return
        while self.store.usable and self.store.bytes_used() > _PRUNED_TO * self._limit:
            counts = [self.store.read(f"SELECT count(*) FROM {table}") for table in ("contents", *_BY_USE)]  # noqa: S608 - our own
            most = [found[0][0] if found else 0 for found in counts]
            if not any(most):
                break
            contents, *others = (count // 10 + 1 for count in most)
            self.store.write(
                (
                    _PRUNE_CONTENTS,
                    [(self.key, contents)],
                ),
                *(
                    (f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY used, id LIMIT ?)", [(oldest,)])  # noqa: S608
                    for table, oldest in zip(_BY_USE, others, strict=True)
                ),
                ("DELETE FROM files WHERE sha256 NOT IN (SELECT sha256 FROM contents)", [()]),
            )
        self.store.read("PRAGMA incremental_vacuum")


def version_key(max_pixels: int, *, transformed: bool = True) -> bytes:
    """Return the SHA-256 of all that decides what is measured of a content."""
    from PIL import _imaging  # noqa: PLC0415 - quick: not Pillow's Image

    libraries = {name: str(getattr(_imaging, name)) for name in sorted(vars(_imaging)) if name.endswith("_version")}
    told = {
        "code": _code(),
        "max_pixels": max_pixels,
        "transformed": transformed,
        "packages": packages(_PACKAGES),
        "libraries": libraries,
    }
    told["machine"] = [platform.machine(), sys.byteorder]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).digest()


@once
def _code() -> str:
    """Return a digest of the code that measures, the descriptor's network and ``FEATURE_VERSION`` included."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in {".py", ".onnx"} and path.name not in _NOT_MEASURING:
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@once
def packages(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names and versions of packages, whose names begin so, as they are installed; their import would cost a second."""
    found: dict[str, str] = {}
    for place in map(Path, sys.path):
        if place.is_dir():
            for entry in os.scandir(place):
                name = entry.name.lower()
                package = next((package for package in names if name.startswith(package)), None)
                if package is not None and name.endswith((".dist-info", ".egg-info")):
                    found.setdefault(name.partition("-")[0], name)
    return tuple(sorted(found.values()))


def _stamps(root: Path, paths: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return device, inode, size, mtime and ctime of each file, (n, 5), and which can be trusted: of regular files, not new."""
    latest = time.time_ns() - _RACY_NS
    stamps, trusted = np.zeros((len(paths), 5), np.int64), np.zeros(len(paths), bool)
    for start in range(0, len(paths), _LOOKED_AT):
        some = slice(start, start + _LOOKED_AT)
        found = _statuses(root, paths[some])
        stamps[some] = found[:, 1:]
        trusted[some] = (found[:, 0] & _KIND == stat.S_IFREG) & (stamps[some, 3:] < latest).all(axis=1)
    return stamps, trusted


def _statuses(root: Path, paths: Sequence[str]) -> NDArray[np.int64]:
    """Return mode, device, inode, size, mtime and ctime of each file; zeros of one that has none."""
    found: list[int] = []
    for path in paths:
        try:
            found += _STATUS(os.stat(f"{root}/{path}"))  # noqa: PTH116 - a Path object each would cost more than the call
        except (OSError, ValueError):
            found += _NO_STATUS
    try:
        return np.array(found, np.int64).reshape(-1, len(_NO_STATUS))
    except OverflowError:
        return np.array(_signed(found), np.int64).reshape(-1, len(_NO_STATUS))


def _signed(found: list[int]) -> list[int]:
    """Return device and inode, unsigned, as SQLite holds them; zeros of a file with a longer one (ReFS) or an odd time."""
    signed: list[int] = []
    for start in range(0, len(found), len(_NO_STATUS)):
        mode, device, inode, *others = found[start : start + len(_NO_STATUS)]
        device, inode = (number - (1 << 64) if 1 << 63 <= number < 1 << 64 else number for number in (device, inode))
        status = mode, device, inode, *others
        signed += status if all(-(1 << 63) <= number < 1 << 63 for number in status) else _NO_STATUS
    return signed


# ------------------------------------------------------------------------------------- rows as bytes


def _layout(table: FeatureTable) -> np.dtype[np.void]:
    """Return a row of the table as a structured type: whatever columns it has, in their order."""
    columns = [(field.name, getattr(table, field.name)) for field in fields(FeatureTable) if field.name != "failures"]
    return np.dtype([(name, column.dtype, column.shape[1:]) for name, column in columns])


def _text_of(columns: np.dtype[np.void]) -> str:
    parts = [(name, columns[name]) for name in columns.names or ()]
    return json.dumps([[name, part.base.str, list(part.shape)] for name, part in parts])


def _columns_of(text: str) -> np.dtype[np.void] | None:
    """Return the type that was stored; None where it is not that of the table we know."""
    named = [(name, kind, tuple(shape)) for name, kind, shape in json.loads(text)]
    expected = [field.name for field in fields(FeatureTable) if field.name != "failures"]
    return np.dtype(named) if [name for name, _, _ in named] == expected else None


def _packed(table: FeatureTable) -> list[bytes]:
    """Return each row as bytes: its columns, its failure as JSON if it has one, and the check sum of both."""
    columns = _layout(table)
    records = np.zeros(len(table), columns)
    for name in columns.names or ():
        records[name] = getattr(table, name)
    told = (b"" if failure is None else json.dumps([failure.kind, failure.detail]).encode() for failure in table.failures)
    return [sealed(record.tobytes() + text) for record, text in zip(records, told, strict=True)]


def _whole(
    blobs: Sequence[bytes], columns: np.dtype[np.void]
) -> tuple[NDArray[np.intp], NDArray[np.void], tuple[Failure | None, ...]]:
    """Return which of the blobs are whole, their records and their failures."""
    size = columns.itemsize
    bodies = {index: body for index, blob in enumerate(blobs) if (body := unsealed(blob)) is not None and len(body) >= size}
    records = np.frombuffer(b"".join([body[:size] for body in bodies.values()]), columns)
    told = (body[size:] for body in bodies.values())
    failures = tuple(Failure(*json.loads(text)) if text else None for text in told)
    return np.array(list(bodies), np.intp), records, failures


def holds(blob: bytes, columns: Sequence[tuple[str, str, Sequence[int]]], sha256: bytes) -> bool:
    """Return whether a row is whole, and is the content's: ``columns`` as they are stored in ``versions``."""
    layout = np.dtype([(name, kind, tuple(shape)) for name, kind, shape in columns])
    whole, records, _ = _whole([blob], layout)
    return bool(len(whole)) and records[0]["sha256"].astype(">u8").tobytes() == sha256


def _table_of(records: NDArray[np.void], failures: tuple[Failure | None, ...]) -> FeatureTable:
    columns = {name: np.ascontiguousarray(records[name]) for name in records.dtype.names or ()}
    return FeatureTable(**columns, failures=failures)


# ------------------------------------------------------------------------------------------- workers


def recall(where: Recall, sha256: bytes) -> FeatureTable | None:
    """Return what is known of a content, as a table of one row; None where nothing is, or the cache fails. In a worker."""
    try:
        connection, columns = _reader(where)
        query = "SELECT row FROM contents WHERE version = (SELECT id FROM versions WHERE key = ?) AND sha256 = ?"
        found = connection.execute(query, (where.key, sha256)).fetchone()
    except (sqlite3.Error, TypeError, ValueError):
        return None
    if found is None or columns is None:
        return None
    whole, records, failures = _whole([found[0]], columns)
    return _table_of(records, failures) if len(whole) else None


@once
def _reader(where: Recall) -> tuple[sqlite3.Connection, np.dtype[np.void] | None]:
    connection = sqlite3.connect(f"{where.database.as_uri()}?mode=ro", uri=True, timeout=1.0, isolation_level=None)
    (columns,) = connection.execute("SELECT columns FROM versions WHERE key = ?", (where.key,)).fetchone()
    return connection, _columns_of(columns)
