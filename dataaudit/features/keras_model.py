"""A Keras model of the user's, run over pictures in processes of its own: TensorFlow never comes into this one.

Only Keras's own format, ``.keras``, is loaded, in safe mode. A model that cannot be used, crashes, hangs or returns anything
but finite numbers is told as :class:`~dataaudit.errors.ModelError`; what was made of other pictures is kept by the cache.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self, cast

import numpy as np

from dataaudit.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Progress = Callable[[int], None]

__all__ = ["KerasModel", "is_model", "model_digest"]

START_SECONDS: Final = 300.0
"""Seconds a process may take to import TensorFlow, load the model and try it."""
BATCH: Final = 32
"""Pictures that a process is given at a time."""
BATCH_TIMES: Final = 10.0
"""Times ``file_timeout`` that it may take over them."""
A_PROCESS: Final = 512
"""Pictures from which another process is worth its start."""
_PICTURE: Final = 256 * 256
_MODELS: Final = (".keras", ".h5", ".hdf5")


def is_model(file: str) -> bool:
    """Whether the name is a Keras model's, be it of a format that is refused."""
    return Path(file).suffix.lower() in _MODELS


def model_digest(file: str, option: str) -> str:
    """Return the SHA-256, hexadecimal, of a file that may be loaded; nothing of it is loaded here.

    Args:
        file: relative to the working directory.
        option: what it was given by, as ``--descriptor``.

    Raises:
        UsageError: if it cannot be read, is not Keras's own format, or TensorFlow is not installed.
    """
    path = Path(file)
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{option} {file}: cannot be read ({error.strerror}). Expected a model that `model.save('model.keras')` wrote."
        raise UsageError(message) from error
    if path.suffix.lower() in {".h5", ".hdf5"} or data.startswith(b"\x89HDF\r\n"):
        message = (
            f"{option} {file}: is a model in the old HDF5 format, which Keras loads without its safe mode: whoever wrote the "
            "file could run any code here (CVE-2025-9905). If you trust it, convert it once: "
            "keras.models.load_model('model.h5', compile=False).save('model.keras'); then name the new file."
        )
        raise UsageError(message)
    if path.suffix.lower() != ".keras" or not _holds_a_model(data):
        message = (
            f"{option} {file}: is no model in Keras's own format. Expected what `model.save('model.keras')` of Keras 3 writes."
        )
        raise UsageError(message)
    if find_spec("tensorflow") is None or find_spec("keras") is None:
        message = (
            f"{option} {file}: a Keras model needs TensorFlow, which is not installed here. Install it with "
            "`pip install 'dataaudit[tensorflow]'`, or go without the option."
        )
        raise UsageError(message)
    return hashlib.sha256(data).hexdigest()


def _holds_a_model(data: bytes) -> bool:
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as archive:
        return "config.json" in archive.namelist()
    return False


class KerasModel:
    """The model, ready in a process, and in more where there are many pictures. Use it in a ``with``."""

    def __init__(self, file: str, *, antialias: bool, processes: int, file_timeout: float) -> None:
        """Start the first process.

        Args:
            file: that :func:`model_digest` has accepted.
            antialias: see :func:`dataaudit.features.keras_process.serve`.
            processes: that may run at a time; the output does not depend on it.
            file_timeout: seconds a file may take; a batch may take ``BATCH_TIMES`` as long.

        Raises:
            ModelError: if the model cannot be used.
        """
        self._file, self._antialias, self._processes = file, antialias, processes
        self._seconds = BATCH_TIMES * file_timeout
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._all: list[_Process] = []
        first = self._started()
        self.size: tuple[int, int] = first.size
        """Height and width that the pictures are resized to."""
        self.numbers = first.numbers
        """That the model makes of a picture."""
        self._idle.put(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            process.end()

    def outputs(self, paths: Sequence[Path]) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.float32]]]:
        """Yield, batch by batch in order, where a batch begins, the files' SHA-256 (n, 32) and the output (n, numbers).

        A row of NaN is a file that TensorFlow cannot read.

        Raises:
            ModelError: if the model crashes, hangs, or returns something else than finite numbers.
        """
        batch = max(1, min(BATCH, BATCH * _PICTURE // (self.size[0] * self.size[1])))
        starts = range(0, len(paths), batch)
        while len(self._all) < min(self._processes, 1 + len(paths) // A_PROCESS):
            self._idle.put(self._started())
        with ThreadPoolExecutor(len(self._all)) as pool:
            waiting = []
            try:
                for start in starts:
                    waiting.append(pool.submit(self._asked, paths[start : start + batch]))
                    if len(waiting) > 2 * len(self._all):
                        yield (start - batch * (len(waiting) - 1), *waiting.pop(0).result())
                while waiting:
                    yield (starts[-len(waiting)], *waiting.pop(0).result())
            except BaseException:
                for future in waiting:
                    future.cancel()
                for process in self._all:
                    process.end()
                raise

    def _started(self) -> _Process:
        process = _Process(self._file, self._seconds, antialias=self._antialias)
        self._all.append(process)
        try:
            process.begin()
        except BaseException:
            process.end()
            raise
        return process

    def _asked(self, paths: Sequence[Path]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        process = self._idle.get()
        where = f"while it looked at {paths[0].name!r}" + (f" to {paths[-1].name!r}" if len(paths) > 1 else "")
        try:
            kind, payload = process.asked(b"\0".join(map(os.fsencode, paths)), self._seconds, where)
        finally:
            self._idle.put(process)
        if kind != b"A":
            message = f"{self._file}: the model failed {where}: {payload.decode()}. Try it on these files in Keras."
            raise ModelError(message)
        with np.load(io.BytesIO(payload), allow_pickle=False) as answer:
            digests, read, rows = answer["digests"], answer["read"], answer["rows"]
        found = np.full((len(paths), self.numbers), np.nan, np.float32)
        if read.any():
            if rows.shape != (int(read.sum()), self.numbers):
                shape = (int(read.sum()), self.numbers)
                message = f"{self._file}: the model returned an array of shape {rows.shape} {where}, expected {shape}."
                raise ModelError(message)
            if not (finite := np.isfinite(rows).all(axis=1)).all():
                guilty = paths[int(np.flatnonzero(read)[np.argmin(finite)])]
                message = f"{self._file}: the model's output for {guilty} is not finite, expected numbers for every picture."
                raise ModelError(message)
            found[read] = rows
        return digests, found


class _Process:
    """One process of the model, as this one sees it."""

    def __init__(self, file: str, seconds: float, *, antialias: bool) -> None:
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from dataaudit.features.keras_process import serve; "
            f"serve({str(Path(file).absolute())!r}, {max(seconds, START_SECONDS)!r}, antialias={antialias!r})"
        )
        self._file, self._talk = file, tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own code
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._talk,
            env=os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        )
        self._tasks, self._answers = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self._overdue = False
        self.size, self.numbers = (0, 0), 0

    def begin(self) -> None:
        """Wait until the model is loaded.

        Raises:
            ModelError: if it cannot be used.
        """
        kind, payload = self._heard(START_SECONDS, "while it was loaded")
        if kind != b"R":
            message = (
                f"{self._file}: cannot be used: {payload.decode()}. Expected a model of Keras's own layers, saved with "
                "`model.save('model.keras')`, that makes one row of numbers of a picture (0 to 255)."
            )
            raise ModelError(message)
        told = json.loads(payload)
        self.size, self.numbers = (int(told["size"][0]), int(told["size"][1])), int(told["numbers"])

    def asked(self, task: bytes, seconds: float, where: str) -> tuple[bytes, bytes]:
        """Send a task and return the kind and the payload of the answer."""
        with suppress(OSError):  # one that has died is found out by its silence
            self._tasks.write(len(task).to_bytes(8, "little") + task)
            self._tasks.flush()
        return self._heard(seconds, where)

    def _heard(self, seconds: float, where: str) -> tuple[bytes, bytes]:
        with self._watched(seconds):
            prefix = self._answers.read(8)
            payload = self._answers.read(int.from_bytes(prefix, "little")) if len(prefix) == 8 else b""  # noqa: PLR2004
        if payload:
            return payload[:1], payload[1:]
        self._process.kill()
        code = self._process.wait()
        if self._overdue:
            message = (
                f"{self._file}: the model gave no answer within {seconds:g} s {where}. A larger file_timeout gives it longer."
            )
        else:
            message = (
                f"{self._file}: the model's process {_cause(code)} {where}{self._last_words()}. Try it on these files in Keras."
            )
        raise ModelError(message)

    @contextmanager
    def _watched(self, seconds: float) -> Iterator[None]:
        def kill() -> None:
            self._overdue = True
            self._process.kill()

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _last_words(self) -> str:
        with suppress(OSError, ValueError):
            self._talk.seek(max(0, self._talk.seek(0, os.SEEK_END) - 4096))
            lines = self._talk.read().decode(errors="replace").split("\n")
            words = next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")
            return f" (its last words: {words[:200]})" if words else ""
        return ""

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for stream in (self._tasks, self._answers, self._talk):
            with suppress(OSError):
                stream.close()


def _cause(code: int) -> str:
    """Say in words how a process ended."""
    with suppress(ValueError):
        return f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
