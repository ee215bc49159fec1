"""The memory of the workers: the limit of each, and the turn that they take with what is heavy; and the heap of the main process.

The limit is one of address space (``RLIMIT_AS``) beyond what the process holds already. Linux only: macOS does not honour it
and Windows has none.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAVY: Final = 96
"""MiB from which something is heavy: of all the workers of an engine one at a time holds such a thing."""
_POLL_SECONDS: Final = 0.005
_ARENA_MAX: Final = -8  # glibc's M_ARENA_MAX
_allowance: int | None = None  # MiB; of this process
_turn: tuple[int, Callable[[], None]] | None = None  # the file that is locked, and what to call while waiting; of this process


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


def take_turns(descriptor: int, waiting: Callable[[], None]) -> None:
    """Let this process take turns with those that share the file; ``waiting`` is called again and again while it waits."""
    global _turn  # noqa: PLW0603 - it is the process's
    _turn = descriptor, waiting


@contextmanager
def turn(mebibytes: float) -> Iterator[None]:
    """Wait, before a block that takes that much memory, until no other worker is in one, if it is heavy.

    The lock is the kernel's: it goes with a worker that dies. Where there is none (Windows, no worker) nobody waits.
    """
    if _turn is None or mebibytes < HEAVY:
        yield
        return
    import fcntl  # noqa: PLC0415 - Unix only, as are turns

    descriptor, waiting = _turn
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            waiting()
            time.sleep(_POLL_SECONDS)
    waiting()
    try:
        yield
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)


def share_one_heap() -> None:
    """Let all threads of this process allocate from one heap.

    glibc gives each thread one of its own, and what is freed stays there: the main process of a search among 10,000 pictures
    holds at most 175 MiB with them, 126 without, and takes as long. Elsewhere nothing is done.
    """
    _tell_glibc("mallopt", _ARENA_MAX, 1)


def give_back() -> None:
    """Give the system back what this process has freed: glibc keeps it, and what is allocated next may not fit into it.

    Elsewhere nothing is done.
    """
    _tell_glibc("malloc_trim", 0)


def _tell_glibc(function: str, *arguments: int) -> None:
    import ctypes  # noqa: PLC0415 - NumPy's, too

    with suppress(AttributeError, OSError, TypeError):  # another C library, Windows
        getattr(ctypes.CDLL(None), function)(*arguments)


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
