"""The memory limit of a worker, and how a library is loaded in spite of it.

The limit is one of address space (``RLIMIT_AS``) beyond what the process holds already. Linux only: macOS does not honour it
and Windows has none.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_allowance: int | None = None  # MiB; of this process


def limit(mebibytes: int) -> None:
    """Allow this process ``mebibytes`` more than it holds now."""
    global _allowance  # noqa: PLW0603 - a limit is the process's
    _allowance = mebibytes
    _set(mebibytes)


@contextmanager
def unlimited() -> Iterator[None]:
    """Lift the limit for a block that loads a library: its size is not the fault of the file in hand."""
    if _allowance is None:
        yield
        return
    _set(None)
    try:
        yield
    finally:
        _set(_allowance)


def _set(mebibytes: int | None) -> None:
    try:
        import resource  # noqa: PLC0415 - Unix only

        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - pathlib costs the worker's start
            held = int(statm.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = hard if mebibytes is None else held + mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
