"""Several generators at once, on threads, told in their order: NumPy works without the interpreter's lock where it works long."""

from __future__ import annotations

import queue
import threading
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Inbox = queue.Queue[tuple[Any] | BaseException | None]
    """Pieces of one generator, each in a tuple; then None, or what it raised."""

__all__ = ["in_order"]

T = TypeVar("T")

_AHEAD: Final = 4
"""Pieces that a generator may be ahead of who takes them; a piece may be a megabyte."""


def in_order(generators: Sequence[Callable[[], Iterator[T]]], most: int) -> Iterator[T]:
    """Yield what the generators yield, one generator after the other, while the next ones are at work already.

    Args:
        generators: each is called once.
        most: threads; 1: everything runs here. The pieces and their order do not depend on it.
    """
    return _at_once(generators, most) if most > 1 else chain.from_iterable(generator() for generator in generators)


def _at_once(generators: Sequence[Callable[[], Iterator[T]]], most: int) -> Iterator[T]:
    inboxes: list[Inbox] = [queue.Queue(_AHEAD) for _ in generators]
    numbers, lock, ended = count(), threading.Lock(), threading.Event()
    begun = threading.Semaphore(2 * most)  # generators that were begun and are not yet taken to their end

    def work() -> None:
        while True:
            begun.acquire()
            with lock:
                number = next(numbers)
            if number >= len(generators) or ended.is_set():
                return
            _fill(inboxes[number], generators[number], ended)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(most)]
    try:
        for worker in workers:
            worker.start()
        for inbox in inboxes:
            while (piece := inbox.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece[0]
            begun.release()
    finally:
        ended.set()
        begun.release(most)
        for worker in workers:
            worker.join()


def _fill(inbox: Inbox, generator: Callable[[], Iterator[object]], ended: threading.Event) -> None:
    """Put what a generator yields, then None, or what it raises."""
    try:
        for piece in generator():
            if not _put(inbox, (piece,), ended):
                return
        _put(inbox, None, ended)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the pieces are taken
        _put(inbox, error, ended)


def _put(inbox: Inbox, piece: tuple[object] | BaseException | None, ended: threading.Event) -> bool:
    """Put a piece; say whether that was done: not where nobody will take it any more."""
    while not ended.is_set():
        try:
            inbox.put(piece, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
