"""The local engine: an ordered map over worker processes of this machine, any of which may die.

A small supervisor instead of a pool from a library, because a *batch* has to be taken apart when its worker dies
(pebble 5.2 knows tasks only, and waits for ever for a worker that ended with ``os._exit(0)``):

- A worker is a fresh interpreter (``python -c``), never a fork: it inherits no thread, lock or open file, does not
  import the caller's ``__main__`` (a script needs no ``if __name__ == "__main__"``), and its BLAS has one thread.
- Tasks go in by its standard input and answers come out by its standard output, length-prefixed pickles.
- *Marks*, the index of the item it has begun and when, lie in a page shared through an anonymous temporary file:
  they cost no message, survive SIGKILL, and vanish with the two processes.
"""

from __future__ import annotations

import heapq
import mmap
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Generic, Literal, Self, TypeVar

from dataaudit.engines import Lost
from dataaudit.errors import IncompleteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["LocalEngine"]

T = TypeVar("T")
R = TypeVar("R")

LOOK_AHEAD: Final = 32
"""Batches a worker may be ahead of the one that is to be yielded next: bounds the results held while one item hangs."""
START_SECONDS: Final = 60.0
"""Seconds a worker may take from receiving a batch to beginning its first item: imports on a busy machine."""
_MARK_BYTES: Final = 24
_INDEX, _TIME, _ALIVE = range(3)  # three doubles: item begun, when (monotonic clock), whether the worker came up


class LocalEngine:
    """An ordered map over worker processes; implements :class:`dataaudit.engines.Engine`. Use it in a ``with``.

    Workers start when they are first needed, stay warm from one map to the next, ignore SIGINT (Ctrl-C is the
    parent's to handle) and are gone when the ``with`` block ends. ``function`` must be importable by its module's
    name; what it prints is discarded. One map at a time.

    An exception that ``function`` raises is a programming error: it is raised here, with the worker's traceback as
    a note, and ends the map. A ``MemoryError`` is not: it counts as the item's death.

    The memory limit is one of address space (``RLIMIT_AS``), beyond what the worker holds when it has imported
    ``function``. It is set on Linux only: macOS does not honour it and Windows has none, so there an item that
    exhausts the machine is lost as ``crash``, or not at all.
    """

    def __init__(self, jobs: int, item_timeout: float, item_memory: int) -> None:
        """Set the limits; nothing is started yet.

        Args:
            jobs: worker processes; 1 isolates in one worker and gives the same results.
            item_timeout: seconds an item may take from its ``begin`` to the next one's (the last one: to the result).
            item_memory: MiB a worker may allocate.
        """
        self.jobs = jobs
        self.item_timeout = item_timeout
        self.item_memory = item_memory
        self._idle: list[_Worker] = []
        self._running: dict[_Worker, _Task] = {}
        self._inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]] = queue.SimpleQueue()

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
            self._idle.pop().reap()

    def map_batches(
        self,
        function: Callable[[Sequence[T], Callable[[int], None]], R],
        items: Sequence[T],
        *,
        batch_size: int,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[Sequence[T], R | Lost]]:
        """Yield ``(items of the batch, function(items, begin))`` in the order of the items.

        See :meth:`dataaudit.engines.Engine.map_batches`. A guilty item gets one second chance, alone in a fresh
        worker. Closing the generator kills the workers that are still busy for it.

        Raises:
            IncompleteError: if a worker process cannot be started.
            RuntimeError: if another map of this engine is under way.
        """
        if self._running:
            raise RuntimeError("another map of this engine is under way: finish or close it first")
        state: _Map[R] = _Map(len(items), batch_size)
        try:
            while state.position < len(items):
                self._dispatch(state, function, items)
                self._collect(state, progress)
                while (finished := state.finished.pop(state.position, None)) is not None:
                    task, outcome = finished
                    state.position = task.stop
                    yield items[task.start : task.stop], outcome
        finally:
            self._kill_running()

    def _dispatch(self, state: _Map[R], function: Callable[..., R], items: Sequence[T]) -> None:
        horizon = state.position + LOOK_AHEAD * self.jobs * state.batch_size
        while state.pending and len(self._running) < self.jobs and state.pending[0].start < horizon:
            task = heapq.heappop(state.pending)
            payload = pickle.dumps((function, items[task.start : task.stop]))
            if task.alone and self._idle:  # a second chance is only fair in a worker without a past
                stale = self._idle.pop()
                stale.dismiss()
                stale.reap()
            worker = (
                self._idle.pop() if self._idle and not task.alone else _Worker(self._inbox, self.item_timeout, self.item_memory)
            )
            self._running[worker] = task
            worker.give(payload)

    def _collect(self, state: _Map[R], progress: Callable[[int], None] | None) -> None:
        """Wait for one message, or for an item to be overdue, and settle what that means for its task."""
        with suppress(queue.Empty):
            worker, payload = self._inbox.get(timeout=min(0.25, self.item_timeout / 4))
            if worker in self._running:  # else: the last words of a worker that was killed
                done = self._settle(state, worker, payload)
                if done and progress is not None:
                    progress(done)
        if self._inbox.empty():  # an answer that has arrived is never overdue
            for worker in [worker for worker in self._running if worker.overdue(self.item_timeout)]:
                worker.kill()
                done = state.bury(self._running.pop(worker), worker, "timeout", f"took longer than {self.item_timeout:g} s")
                if done and progress is not None:
                    progress(done)

    def _settle(self, state: _Map[R], worker: _Worker, payload: bytes | None) -> int:
        """Settle the answer (None: the death) of a running worker; return the number of items it finishes."""
        if payload is None:
            worker.kill()
            if not worker.mark[_ALIVE]:
                message = (
                    f"A worker process {worker.cause()} before it could begin; expected {sys.executable} to start dataaudit."
                )
                raise IncompleteError(message)
            return state.bury(self._running.pop(worker), worker, "crash", f"its worker {worker.cause()}")
        kind, value = pickle.loads(payload)  # noqa: S301 - written by our own worker
        if kind == "error":
            raise value
        if kind == "memory":
            worker.kill()
            return state.bury(self._running.pop(worker), worker, "memory", f"needed more than {self.item_memory} MiB")
        task = self._running.pop(worker)
        self._idle.append(worker)
        state.finished[task.start] = (task, value)
        return task.stop - task.start

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

    def __init__(self, count: int, batch_size: int) -> None:
        self.batch_size = batch_size
        self.position = 0
        self.pending = [_Task(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]  # a heap
        self.finished: dict[int, tuple[_Task, R | Lost]] = {}

    def bury(self, task: _Task, worker: _Worker, kind: Literal["timeout", "memory", "crash"], detail: str) -> int:
        """Take the task of a dead worker apart, or give its only item up; return the number of items that finishes."""
        if task.alone:
            self.finished[task.start] = (task, Lost(kind, detail))
            return 1
        guilty = min(task.start + max(int(worker.mark[_INDEX]), 0), task.stop - 1)
        parts = (_Task(task.start, guilty), _Task(guilty, guilty + 1, alone=True), _Task(guilty + 1, task.stop))
        for part in parts:
            if part.start < part.stop:
                heapq.heappush(self.pending, part)
        return 0


class _Worker:
    """A worker process as the parent sees it: a pipe in, a thread that reads the pipe out, the marks."""

    def __init__(self, inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]], item_timeout: float, item_memory: int) -> None:
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; import dataaudit.engines.local as local; "
            f"local._serve({item_timeout!r}, {item_memory!r})"
        )
        environment = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with tempfile.TemporaryFile() as page:
            page.truncate(_MARK_BYTES)
            self.mark = memoryview(mmap.mmap(page.fileno(), _MARK_BYTES)).cast("d")
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own code
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=page, env=environment
            )
        self._given = 0.0
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()

    def _read(self, inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]]) -> None:
        payload: bytes | None = b""
        while payload is not None:
            payload = _receive(self._pipe(self._process.stdout))
            inbox.put((self, payload))

    @staticmethod
    def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
        if stream is None:  # pragma: no cover - Popen was asked for pipes
            raise RuntimeError("a worker without pipes")
        return stream

    def give(self, payload: bytes) -> None:
        """Send a task; a worker that has died meanwhile is found out by its reader."""
        self.mark[_INDEX], self.mark[_TIME] = -1.0, 0.0
        self._given = time.monotonic()
        with suppress(OSError):
            _send(self._pipe(self._process.stdin), payload)

    def overdue(self, item_timeout: float) -> bool:
        """Tell whether the item it has begun (or, before the first, the batch) has taken too long."""
        begun = self.mark[_TIME]
        limit = begun + item_timeout if begun else self._given + max(START_SECONDS, item_timeout)
        return time.monotonic() > limit

    def cause(self) -> str:
        """Say in words how the process ended."""
        code = self._process.returncode
        if code >= 0:
            return f"ended with exit code {code}"
        with suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
        return f"was killed by signal {-code}"

    def dismiss(self) -> None:
        """Ask an idle worker to end: its standard input closes."""
        with suppress(OSError):
            self._pipe(self._process.stdin).close()

    def kill(self) -> None:
        """End the process at once (one that has ended keeps its exit code) and release what it held."""
        if self._reader.is_alive():
            self._process.kill()
        self.reap()

    def reap(self) -> None:
        """Wait for the end of the process, by force after five seconds, and release its pipes and its thread."""
        self.dismiss()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._pipe(self._process.stdout).close()


# ------------------------------------------------------------------------------- in the worker process


def _serve(item_timeout: float, item_memory: int) -> None:
    """Answer tasks until the standard input closes. Runs in the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    mark = memoryview(mmap.mmap(2, _MARK_BYTES)).cast("d")
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):  # decoders written in C talk; they must not talk into the pipes or the terminal
        os.dup2(silence, descriptor)
    mark[_ALIVE] = 1.0
    alarm = getattr(signal, "setitimer", None)

    def begin(index: int) -> None:
        if alarm is not None:  # should the parent die first, no hanging worker is left behind
            alarm(signal.ITIMER_REAL, 2 * item_timeout + START_SECONDS)
        mark[_INDEX], mark[_TIME] = float(index), time.monotonic()

    limited = False
    while (task := _receive(tasks)) is not None:
        try:
            function, items = pickle.loads(task)  # noqa: S301 - written by our own parent
            if not limited:  # after the import of the function's module, whose size is not the item's fault
                _limit_memory(item_memory)
                limited = True
            payload = pickle.dumps(("done", function(items, begin)))
        except MemoryError:
            payload = pickle.dumps(("memory", None))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
            payload = _pickled_error(error)
        if alarm is not None:
            alarm(signal.ITIMER_REAL, 0)
        try:
            _send(answers, payload)
        except OSError:  # the parent has gone
            os._exit(1)


def _pickled_error(error: Exception) -> bytes:
    note = "".join(["in a worker process:\n", *traceback.format_exception(error)])
    error.add_note(note)
    with suppress(Exception):  # exceptions may refuse either way
        payload = pickle.dumps(("error", error))
        pickle.loads(payload)  # noqa: S301 - written one line above
        return payload
    return pickle.dumps(("error", RuntimeError(note)))


def _limit_memory(mebibytes: int) -> None:
    try:
        import resource  # noqa: PLC0415 - Unix only

        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - pathlib costs the worker's start
            held = int(statm.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = held + mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _send(stream: Any, payload: bytes) -> None:  # noqa: ANN401 - IO[bytes] of either end
    stream.write(len(payload).to_bytes(8, "little"))
    stream.write(payload)
    stream.flush()


def _receive(stream: Any) -> bytes | None:  # noqa: ANN401 - IO[bytes] of either end
    """Read one payload; None where the stream ends, be it in the middle of one."""
    size = stream.read(8)
    if len(size) < 8:  # noqa: PLR2004 - the length of the prefix
        return None
    payload: bytes = stream.read(int.from_bytes(size, "little"))
    return payload if len(payload) == int.from_bytes(size, "little") else None
