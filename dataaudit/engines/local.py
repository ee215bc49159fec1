"""The local engine: an ordered map over worker processes of this machine, any of which may die.

A small supervisor instead of a pool from a library, because a *batch* has to be taken apart when its worker dies
(pebble 5.2 knows tasks only, and waits for ever for a worker that ended with ``os._exit(0)``). ``worker.py`` has the
worker and how it is spoken to.
"""

from __future__ import annotations

import heapq
import pickle
import queue
import signal
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from dataaudit.engines import Lost
from dataaudit.engines.worker import Worker
from dataaudit.errors import IncompleteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["LocalEngine"]

T = TypeVar("T")
R = TypeVar("R")

LOOK_AHEAD: Final = 32
"""Batches a worker may be ahead of the one that is to be yielded next: bounds the results held while one item hangs."""


class LocalEngine:
    """An ordered map over worker processes; implements :class:`dataaudit.engines.Engine`. Use it in a ``with``.

    Workers start when they are first needed, stay warm from one map to the next, ignore SIGINT (Ctrl-C is the
    parent's to handle) and are gone when the ``with`` block ends. ``function`` must be importable by its module's
    name; what it prints is discarded. One map at a time.

    An exception that ``function`` raises is a programming error: it is raised here, with the worker's traceback as
    a note, and ends the map. A ``MemoryError`` is not: it counts as the item's death.

    What is heavier than ``memory.HEAVY`` is held by one worker at a time (:func:`dataaudit.engines.memory.turn`).

    The memory limit is one of address space (``RLIMIT_AS``), beyond what the worker holds when it has imported
    ``function``. It is set on Linux only: macOS does not honour it and Windows has none, so there an item that
    exhausts the machine is lost as ``crash``, or not at all.
    """

    def __init__(self, jobs: int = 1, item_timeout: float = 30.0, item_memory: int = 2_048) -> None:
        """Set the limits, which may be set anew until the first map; nothing is started yet.

        Args:
            jobs: worker processes; 1 isolates in one worker and gives the same results.
            item_timeout: seconds an item may take from its ``begin`` to the next one's (the last one: to the result).
            item_memory: MiB a worker may allocate.
        """
        self.jobs = jobs
        self.item_timeout = item_timeout
        self.item_memory = item_memory
        self._idle: list[Worker] = []
        self._running: dict[Worker, _Task] = {}
        self._map: _Map[Any] | None = None
        self._turns: IO[bytes] | None = None
        self._inbox: queue.SimpleQueue[tuple[Worker, bytes | None]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every worker, the busy ones by force. The engine may be used again."""
        self._kill_running()
        for worker in self._idle:
            worker.dismiss()
        while self._idle:
            worker = self._idle.pop()
            worker.reap() if worker.worked else worker.kill()
        if self._turns is not None:
            self._turns.close()
            self._turns = None

    def start(self, module: str) -> None:
        """Start a worker ahead of the first map; it imports ``module``, and calls its ``prepare``, while nobody waits for it.

        One that is there already will do.
        """
        if self._idle:
            return
        self._open_turns()
        with _uninterrupted():
            self._idle.append(Worker(self._inbox, self._turns, module))

    def _open_turns(self) -> None:
        if self._turns is None:
            self._turns = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the engine

    def map_batches(
        self,
        function: Callable[[Sequence[T], Callable[[int], None]], R],
        items: Sequence[T],
        *,
        batch_size: int,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[Sequence[T], R | Lost]]:
        """Yield ``(items of the batch, function(items, begin))`` in the order of the items.

        See :meth:`dataaudit.engines.Engine.map_batches`. The first batches are begun at once, before anything is asked for. A
        guilty item gets one second chance, alone in a fresh worker. Closing the generator kills the workers that are still
        busy for it.

        Raises:
            IncompleteError: if a worker process cannot be started.
            RuntimeError: if another map of this engine is under way.
        """
        if self._running:
            raise RuntimeError("another map of this engine is under way: finish or close it first")
        if not items:
            return iter(())
        work: _Map[R] = _Map(function, items, batch_size, progress)
        self._map = work
        results = self._begun(work)
        next(results)
        return results

    def _begun(self, work: _Map[Any]) -> Iterator[Any]:
        try:
            self._dispatch(work)
            yield None  # begun: from here on what closes the generator ends what it began
            while work.position < len(work.items):
                self._dispatch(work)
                self._collect(work)
                while (finished := work.finished.pop(work.position, None)) is not None:
                    task, outcome = finished
                    work.position = task.stop
                    yield work.items[task.start : task.stop], outcome
        finally:
            if self._map is work:  # else it was exhausted, and another has begun since
                self._kill_running()

    def _dispatch(self, work: _Map[Any]) -> None:
        """Give tasks to workers, until all are busy or too far ahead of what was yielded."""
        self._open_turns()
        horizon = work.position + LOOK_AHEAD * self.jobs * work.batch_size
        while work.pending and len(self._running) < self.jobs and work.pending[0].start < horizon:
            task = heapq.heappop(work.pending)
            items = work.items[task.start : task.stop]
            payload = pickle.dumps((work.function, items, self.item_timeout, self.item_memory))
            if task.alone and self._idle:  # a second chance is only fair in a worker without a past
                self._idle.pop().reap()
            with _uninterrupted():  # no worker that nobody knows of
                fresh = task.alone or not self._idle
                worker = Worker(self._inbox, self._turns) if fresh else self._idle.pop()
                self._running[worker] = task
            worker.give(payload, self.item_timeout)

    def _collect(self, work: _Map[Any]) -> None:
        """Wait for one message, or for an item to be overdue, and settle what that means for its task."""
        with suppress(queue.Empty):
            worker, payload = self._inbox.get(timeout=min(0.25, self.item_timeout / 4))
            if worker in self._running:  # else: the last words of a worker that was killed
                self._settle(work, worker, payload)
        if self._inbox.empty():  # an answer that has arrived is never overdue
            for worker in [worker for worker in self._running if worker.overdue]:
                self._bury(work, worker, Lost("timeout", f"took longer than {self.item_timeout:g} s"))

    def _settle(self, work: _Map[Any], worker: Worker, payload: bytes | None) -> None:
        """Settle the answer (None: the death) of a running worker."""
        if payload is None:
            worker.kill()
            if not worker.came_up:
                message = (
                    f"A worker process {worker.cause()} before it could begin; expected {sys.executable} to start dataaudit."
                )
                raise IncompleteError(message)
            self._bury(work, worker, Lost("crash", f"its worker {worker.cause()}"))
            return
        kind, value = pickle.loads(payload)  # noqa: S301 - written by our own worker
        if kind == "error":
            raise value
        if kind == "memory":
            self._bury(work, worker, Lost("memory", f"needed more than {self.item_memory} MiB"))
            return
        task = self._running.pop(worker)
        self._idle.append(worker)
        work.finish(task, value)

    def _bury(self, work: _Map[Any], worker: Worker, lost: Lost) -> None:
        """End a worker, and take its task apart or give the task's only item up."""
        worker.kill()
        task = self._running.pop(worker)
        if task.alone:
            work.finish(task, lost)
        else:
            work.divide(task, min(task.start + worker.item, task.stop - 1))

    def _kill_running(self) -> None:
        while self._running:
            worker = next(iter(self._running))
            worker.kill()
            del self._running[worker]


@dataclass(frozen=True, slots=True, order=True)
class _Task:
    """The items ``start`` to ``stop``; ``alone`` is the second chance of an item during which a worker died."""

    start: int
    stop: int
    alone: bool = False


class _Map(Generic[R]):
    """What is left to do of one map, and what is done and waits for its turn."""

    def __init__(
        self, function: Callable[..., R], items: Sequence[Any], batch_size: int, progress: Callable[[int], None] | None
    ) -> None:
        self.function, self.items, self.batch_size, self.progress = function, items, batch_size, progress
        self.position = 0
        count = len(items)
        self.pending = [_Task(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]  # a heap
        self.finished: dict[int, tuple[_Task, R | Lost]] = {}

    def finish(self, task: _Task, outcome: R | Lost) -> None:
        self.finished[task.start] = (task, outcome)
        if self.progress is not None:
            self.progress(task.stop - task.start)

    def divide(self, task: _Task, guilty: int) -> None:
        """Put the items before and after the guilty one, and that one alone, back to what is pending."""
        for part in (_Task(task.start, guilty), _Task(guilty, guilty + 1, alone=True), _Task(guilty + 1, task.stop)):
            if part.start < part.stop:
                heapq.heappush(self.pending, part)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off until the block is left; a process started in it never gets one, not even while it starts."""
    mask = getattr(signal, "pthread_sigmask", None)
    before = mask(signal.SIG_BLOCK, {signal.SIGINT}) if mask is not None else ()
    try:
        yield
    finally:
        if mask is not None:
            mask(signal.SIG_SETMASK, before)
