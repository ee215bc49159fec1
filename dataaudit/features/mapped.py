"""A column too large to be held lies in a file without a name, mapped into memory: only what is looked at takes memory.

Where the folder for temporary files is itself in memory, point TMPDIR at a disk.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["column", "release", "some_of"]

HELD: Final = 2**19
"""Bytes up to which a column is held."""
_READ: Final = 2**22
"""Bytes of a column in a file, about, whose rows are read before they are let go of …"""
_FEWEST: Final = 64
"""… and the fewest rows: to look at one brings in 64 KiB or 2 MiB around it (Linux), which are held until they are let go of."""


def column(shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
    """Return a new array; a large one lies in a file, unless there is no room for it."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    if size > HELD:
        try:
            with tempfile.TemporaryFile(prefix="dataaudit-") as file:
                if hasattr(os, "posix_fallocate"):  # to run out of room later would kill the process
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                return np.frombuffer(mmap.mmap(file.fileno(), size), kind).reshape(shape)
        except OSError:
            pass
    return np.empty(shape, kind)


def some_of(array: NDArray[Any], rows: NDArray[np.int64], chosen: slice | list[int] = slice(None)) -> NDArray[Any]:
    """Return some rows of a column, or what is ``chosen`` of each, copied; of one in a file a part at a time, as they lie."""
    found = np.empty((len(rows), *array[:0, chosen].shape[1:]), array.dtype)
    order = np.argsort(rows)
    size = max(_FEWEST, len(rows) * _READ // max(1, array.nbytes))
    for start in range(0, len(rows), size):
        part = order[start : start + size]
        found[part] = array[rows[part]][:, chosen]
        release(array)
    return found


def release(array: NDArray[Any]) -> None:
    """Let go of the memory that holds what was looked at of a mapped array; it is read again when it is looked at again."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
