"""One worker process: what they say to each other, the parent's hold on it, and what runs in it.

- A worker is a fresh interpreter (``python -c``), never a fork: it inherits no thread, lock or open file, does not
  import the caller's ``__main__`` (a script needs no ``if __name__ == "__main__"``), and its BLAS has one thread.
- Tasks, with their limits, go in by its standard input and answers come out by its standard output, length-prefixed pickles.
- *Marks*, the index of the item it has begun and when, lie in a page shared through an anonymous temporary file:
  they cost no message, survive SIGKILL, and vanish with the two processes.
"""

from __future__ import annotations

import importlib
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final, cast

from dataaudit.engines import memory

if TYPE_CHECKING:
    import queue

__all__ = ["Worker", "serve"]

START_SECONDS: Final = 60.0
"""Seconds a worker may take from receiving a batch to beginning its first item: imports on a busy machine."""
_MARK_BYTES: Final = 24
_INDEX, _TIME, _ALIVE = range(3)  # three doubles: item begun, when (monotonic clock), whether the worker came up


def _send(stream: IO[bytes], payload: bytes) -> None:
    stream.write(len(payload).to_bytes(8, "little"))
    stream.write(payload)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    """Read one payload; None where the stream ends, be it in the middle of one."""
    prefix = stream.read(8)
    if len(prefix) < 8:  # noqa: PLR2004 - the length of the prefix
        return None
    size = int.from_bytes(prefix, "little")
    payload = stream.read(size)
    return payload if len(payload) == size else None


# ------------------------------------------------------------------------------- in the parent process


class Worker:
    """A worker process as the parent sees it: a pipe in, a thread that reads the pipe out, the marks."""

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[Worker, bytes | None]],
        turns: IO[bytes] | None = None,
        prepared: str | None = None,
    ) -> None:
        """Start the process; its answers, and None at its end, are put into ``inbox``.

        The workers that share the file ``turns`` take turns with what is heavy (:func:`dataaudit.engines.memory.turn`).
        ``prepared`` is a module that it prepares before the first task.
        """
        shared = None if turns is None or os.name == "nt" else turns.fileno()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from dataaudit.engines.worker import serve; serve({shared!r}, {prepared!r})"
        )
        environment = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with tempfile.TemporaryFile() as page:
            page.truncate(_MARK_BYTES)
            self._mark = memoryview(mmap.mmap(page.fileno(), _MARK_BYTES)).cast("d")
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own code
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=page,
                env=environment,
                pass_fds=() if shared is None else (shared,),
            )
        self._tasks, self._answers = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self._item_timeout = self._given = 0.0
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()

    def _read(self, inbox: queue.SimpleQueue[tuple[Worker, bytes | None]]) -> None:
        payload: bytes | None = b""
        while payload is not None:
            payload = _receive(self._answers)
            inbox.put((self, payload))

    def give(self, payload: bytes, item_timeout: float) -> None:
        """Send a task, each of whose items may take so many seconds; a worker that has died meanwhile is found out by its reader.

        ``payload`` is pickled: the function, its items, ``item_timeout``, the MiB the worker may allocate (the first counts).
        """
        self._mark[_INDEX], self._mark[_TIME] = -1.0, 0.0
        self._given, self._item_timeout = time.monotonic(), item_timeout
        with suppress(OSError):
            _send(self._tasks, payload)

    @property
    def came_up(self) -> bool:
        """Whether the process ever began to serve."""
        return bool(self._mark[_ALIVE])

    @property
    def worked(self) -> bool:
        """Whether it was ever given a task; else it may be in the middle of its start."""
        return bool(self._given)

    @property
    def item(self) -> int:
        """Index, within its batch, of the item it has begun last; the first before that."""
        return max(int(self._mark[_INDEX]), 0)

    @property
    def overdue(self) -> bool:
        """Whether the item it has begun (or, before the first, the batch) has taken too long."""
        begun = self._mark[_TIME]
        limit = begun + self._item_timeout if begun else self._given + max(START_SECONDS, self._item_timeout)
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
            self._tasks.close()

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
        self._answers.close()


# ------------------------------------------------------------------------------- in the worker process


class _Marks:
    """What the worker tells its parent through the shared page; and an alarm, so that it does not outlive its parent hanging."""

    def __init__(self, page: memoryview[float]) -> None:
        self._page = page
        self.item_timeout = 0.0
        self._alarm = getattr(signal, "setitimer", None)

    def begin(self, index: int) -> None:
        """Begin an item."""
        self._page[_INDEX] = float(index)
        self.wait()

    def wait(self) -> None:
        """Begin the item's time anew: until now it waited for others."""
        if self._alarm is not None:
            self._alarm(signal.ITIMER_REAL, 2 * self.item_timeout + START_SECONDS)
        self._page[_TIME] = time.monotonic()

    def rest(self) -> None:
        """The task is done."""
        if self._alarm is not None:
            self._alarm(signal.ITIMER_REAL, 0)


def serve(turns: int | None = None, prepared: str | None = None) -> None:
    """Answer tasks until the standard input closes: ``done`` and the result, ``memory``, or ``error`` and the exception.

    ``prepared`` is imported, and its ``prepare`` called, before the first task; what fails there fails again in a task.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    mark = memoryview(mmap.mmap(2, _MARK_BYTES)).cast("d")
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):  # decoders written in C talk; they must not talk into the pipes or the terminal
        os.dup2(silence, descriptor)
    mark[_ALIVE] = 1.0
    marks = _Marks(mark)
    if turns is not None:
        memory.take_turns(turns, marks.wait)
    if prepared is not None:
        with suppress(Exception):
            importlib.import_module(prepared).prepare()
    limited = False
    while (task := _receive(tasks)) is not None:
        try:
            function, items, marks.item_timeout, item_memory = pickle.loads(task)  # noqa: S301 - written by our own parent
            if not limited:  # after the import of the function's module, whose size is not the item's fault
                memory.limit(item_memory)
                limited = True
            payload = pickle.dumps(("done", function(items, marks.begin)))
        except MemoryError:
            payload = pickle.dumps(("memory", None))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
            payload = _pickled_error(error)
        marks.rest()
        try:
            _send(answers, payload)
        except OSError:  # the parent has gone
            os._exit(1)
    os._exit(0)  # all is sent; what libraries tidy up at their end would keep the parent waiting a tenth of a second


def _pickled_error(error: Exception) -> bytes:
    note = "".join(["in a worker process:\n", *traceback.format_exception(error)])
    error.add_note(note)
    with suppress(Exception):  # exceptions may refuse either way
        payload = pickle.dumps(("error", error))
        pickle.loads(payload)  # noqa: S301 - written one line above
        return payload
    return pickle.dumps(("error", RuntimeError(note)))
