"""A snapshot: what the cache knows of all files of one dataset, in columns, beside the database.

To take 50,000 rows of the database apart costs more than all else that a check of twenty files does; a snapshot is mapped
into memory. It is written anew when it has fallen behind, holds what the database held, is trusted under the same stamps of
the files, and is not asked where it is older than a week, so that the database learns which rows are in use. One that is
damaged, or of another version, is none. It names no path.

The file: a line that names the format; the length of the header (8 bytes); the header, JSON; the columns, each at a
multiple of 64 bytes; the CRC-32 of all before it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import tempfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dataaudit.domain import Failure, FeatureTable
from dataaudit.features.mapped import release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SMALLEST", "Snapshot", "make_room", "place", "read", "remove", "sizes", "write"]

SMALLEST: Final = 4_000
"""Files of a dataset from which a snapshot is worth while."""
_MAGIC: Final = b"dataaudit-snapshot 1\n"
_ENDING: Final = ".snapshot"
_ALIGNED: Final = 64
_SUM: Final = 4
_BLOCK: Final = 4096
_READ: Final = 1 << 24
_INODE: Final = 1


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What was known of the files of a dataset."""

    stamps: NDArray[np.int64]
    """(n, 5) device, inode, size, mtime and ctime in nanoseconds."""
    table: FeatureTable
    """What was measured of them; its columns lie in the file."""

    def places(self, stamps: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which of some files, (m, 5) stamps, are known, and their rows here."""
        if not len(self.stamps) or not len(stamps):
            return np.empty(0, np.intp), np.empty(0, np.intp)
        inodes = np.ascontiguousarray(self.stamps[:, _INODE])
        order = np.argsort(inodes, kind="stable")
        place = np.searchsorted(inodes, stamps[:, _INODE], sorter=order)
        place = order[np.minimum(place, len(self.stamps) - 1)]
        known = np.flatnonzero((self.stamps[place] == stamps).all(axis=1))
        return known, place[known]


def place(folder: Path, key: bytes, root: Path) -> Path:
    """Return where the snapshot of a dataset is: its name tells the version and the dataset apart, and says neither."""
    return folder / (hashlib.sha256(key + os.fsencode(root)).hexdigest()[:32] + _ENDING)


def read(path: Path, key: bytes, since: int) -> Snapshot | None:
    """Return a snapshot; None where there is none that is whole, of this version, and written on the day ``since`` or later."""
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if _sum_of(data) != int.from_bytes(data[-_SUM:], "little") or data[: len(_MAGIC)] != _MAGIC:
            return None
        start = len(_MAGIC) + 8
        header = json.loads(data[start : start + int.from_bytes(data[len(_MAGIC) : start], "little")])
        if header["key"] != key.hex() or header["day"] < since:
            return None
        columns: dict[str, NDArray[Any]] = {
            name: np.frombuffer(data, kind, int(np.prod(shape)), offset).reshape(shape)
            for name, kind, shape, offset in header["columns"]
        }
        failures: list[Failure | None] = [None] * header["rows"]
        for row, told in header["failures"]:
            failures[row] = Failure(*told)
        return Snapshot(columns.pop("stamps"), FeatureTable(**columns, failures=tuple(failures)))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _sum_of(data: mmap.mmap) -> int:
    """Return the check sum of all but the end of a file, piece by piece, so that it is not held."""
    whole: NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    found = 0
    for start in range(0, len(whole) - _SUM, _READ):
        found = zlib.crc32(whole[start : min(start + _READ, len(whole) - _SUM)].data, found)
        release(whole)
    return found


def write(path: Path, key: bytes, day: int, snapshot: Snapshot, rows: NDArray[np.intp]) -> bool:
    """Write a snapshot of some of the rows of a table, in place of an older one; say whether that went well."""
    columns = {field.name: getattr(snapshot.table, field.name) for field in fields(FeatureTable) if field.name != "failures"}
    columns["stamps"] = snapshot.stamps
    failures = [(row, snapshot.table.failures[old]) for row, old in enumerate(rows.tolist())]
    header: dict[str, Any] = {
        "key": key.hex(),
        "day": day,
        "rows": len(rows),
        "failures": [(row, (failure.kind, failure.detail)) for row, failure in failures if failure is not None],
        "columns": [(name, column.dtype.str, (len(rows), *column.shape[1:]), 10**15) for name, column in columns.items()],
    }
    offset = _aligned(len(_MAGIC) + 8 + len(json.dumps(header)))  # no true offset is longer than the ones it was reckoned with
    header["columns"], told = [], header["columns"]
    for name, kind, shape, _ in told:
        header["columns"].append((name, kind, shape, offset))
        offset = _aligned(offset + np.dtype(kind).itemsize * int(np.prod(shape)))
    text = json.dumps(header).encode()
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=_ENDING + "-", delete=False) as file:
            try:
                checked = 0
                for part in _parts(text, header["columns"], columns, rows):
                    file.write(part)
                    checked = zlib.crc32(part, checked)
                file.write(checked.to_bytes(_SUM, "little"))
            except BaseException:
                os.unlink(file.name)  # noqa: PTH108 - a name
                raise
        os.replace(file.name, path)  # noqa: PTH105 - a name
    except OSError:
        return False
    return True


def make_room(folder: Path, most: int, size: int) -> bool:
    """Delete the oldest snapshots until another of ``size`` bytes makes no more than ``most`` of them; say whether it can."""
    found = _all(folder)
    left = sum(taken for _, taken, _ in found)
    for _, taken, path in found:
        if size > most or left + size <= most:
            break
        with suppress(OSError):
            path.unlink()
        left -= taken
    return size <= most


def sizes(folder: Path) -> list[int]:
    """Return the bytes of each snapshot."""
    return [taken for _, taken, _ in _all(folder)]


def remove(folder: Path) -> int:
    """Delete all snapshots; return how many bytes they took."""
    freed = 0
    for _, taken, path in _all(folder):
        with suppress(OSError):
            path.unlink()
            freed += taken
    return freed


def _all(folder: Path) -> list[tuple[int, int, Path]]:
    """Return when each was written, its bytes and its path, the oldest first."""
    found = []
    for path in folder.glob(f"*{_ENDING}*"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, path))
    return sorted(found)


def _parts(text: bytes, told: list[Any], columns: dict[str, NDArray[Any]], rows: NDArray[np.intp]) -> Iterator[bytes]:
    """Yield the bytes of a file, but for its check sum."""
    yield (head := _MAGIC + len(text).to_bytes(8, "little") + text)
    filled = len(head)
    for name, kind, shape, offset in told:
        yield bytes(offset - filled)
        for start in range(0, len(rows), _BLOCK):
            yield np.ascontiguousarray(columns[name][rows[start : start + _BLOCK]]).tobytes()
            release(columns[name])
        filled = offset + np.dtype(kind).itemsize * int(np.prod(shape))


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNED) * _ALIGNED
