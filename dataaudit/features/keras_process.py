"""What runs in the process of a user's Keras model, and nowhere else: TensorFlow, the model, and the pictures' bytes.

The protocol, on standard input and output; nothing is pickled. Every message is a length (8 bytes) and that many bytes.

- The parent sends paths of files, as the bytes the system knows them by, with NUL between them.
- An answer begins with a letter: ``R`` (ready; the shapes as JSON), ``A`` (an ``.npz`` of plain arrays), ``E`` (an error).

Pictures are read as ``keras.utils.image_dataset_from_directory`` reads them: ``tf.image.decode_image`` to the channels that the
model takes, then ``tf.image.resize`` (bilinear) to its size, 0 to 255. One picture is in the model at a time, on one thread: what
it makes of a picture then has the same bits whatever else is asked of it. (In a batch it does not: a matrix product's sums are
taken in another order at another row. It costs 6 to 35 % of the time.)
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Run = Callable[[NDArray[np.float32]], NDArray[np.generic]]
    """(n, h, w, c) pictures to whatever the model returns."""

__all__ = ["LEAST_KERAS", "serve"]

LEAST_KERAS: Final = (3, 13, 2)
"""Before it, safe mode can be got around (CVE-2026-1462, CVE-2025-12058, CVE-2025-9906, CVE-2025-1550)."""
USUAL_SIDE: Final = 256
"""Of a model that takes any size: what ``image_dataset_from_directory`` resizes to where it is told nothing."""
_PROBES: Final = 3
_CHANNELS: Final = (1, 3)


class _Unsuitable(Exception):  # noqa: N818 - it says what is the matter with the model
    """The model cannot be used; the text says why."""


def serve(path: str, seconds: float, *, antialias: bool) -> None:
    """Load the model, say that it is ready, and answer until the standard input ends.

    Args:
        path: of the ``.keras`` file.
        seconds: within which the parent should hear of anything; long after them the process ends by itself.
        antialias: filter before a picture is made smaller; Keras's loader does not.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    for stream in (0, 1):  # libraries talk; they must not talk into the pipes
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    _alarm(seconds)
    try:
        run, size, channels = _load(path)
        shape = _probed(run, size, channels)
    except Exception as error:  # noqa: BLE001 - whatever loading a stranger's file raises
        _send(answers, b"E" + _told(error).encode())
        return
    _alarm(0)  # the first picture may be long in coming
    _send(answers, b"R" + json.dumps({"size": size, "channels": channels, "numbers": shape}).encode())
    while (task := _receive(tasks)) is not None:
        _alarm(seconds)
        try:
            reply = b"A" + _answer(task.split(b"\0"), run, size, channels, antialias=antialias)
        except Exception as error:  # noqa: BLE001 - a layer may raise anything
            reply = b"E" + _told(error).encode()
        _alarm(0)
        _send(answers, reply)


def _alarm(seconds: float) -> None:
    """End the process if nothing happens for much longer than its parent waits: the parent may be gone."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds)


def _load(path: str) -> tuple[Run, tuple[int, int], int]:
    """Return the model as a function, the height and width that it takes, and its channels.

    Raises:
        _Unsuitable: if it takes something else than one picture, or Keras is too old to be safe.
    """
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
    import keras  # noqa: PLC0415 - this is the process for it
    import tensorflow as tf  # noqa: PLC0415

    found = tuple(int(part) for part in keras.__version__.split(".")[:3] if part.isdigit())
    if found < LEAST_KERAS:
        least = ".".join(map(str, LEAST_KERAS))
        message = f"found Keras {keras.__version__}, expected {least} or later, whose safe mode is not known to be got around"
        raise _Unsuitable(message)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    model = keras.saving.load_model(path, safe_mode=True, compile=False)
    inputs, outputs = (getattr(model, name, None) or [] for name in ("inputs", "outputs"))
    if len(inputs) != 1 or len(outputs) != 1:
        message = f"found {len(inputs)} inputs and {len(outputs)} outputs, expected one picture in and one row of numbers out"
        raise _Unsuitable(message)
    shape = tuple(inputs[0].shape)
    if len(shape) != 4 or shape[3] not in _CHANNELS or shape[0] not in {None, 1}:  # noqa: PLR2004 - batch, height, width, channels
        message = f"found an input of shape {shape}, expected (None, height, width, 3), or 1 channel for grey"
        raise _Unsuitable(message)
    size, channels, kind = (shape[1] or USUAL_SIDE, shape[2] or USUAL_SIDE), int(shape[3]), inputs[0].dtype

    def one_by_one(pictures: Any) -> Any:  # noqa: ANN401 - TensorFlow's
        def output(picture: Any) -> Any:  # noqa: ANN401
            return tf.cast(model(tf.cast(picture[None], kind), training=False)[0], tf.float32)

        return tf.map_fn(output, pictures, parallel_iterations=1, fn_output_signature=tf.float32)

    traced: Any = tf.function(one_by_one, input_signature=[tf.TensorSpec((None, *size, channels), tf.float32)])
    return lambda pictures: np.asarray(traced(pictures)), size, channels


def _probed(run: Run, size: tuple[int, int], channels: int) -> int:
    """Run the model on noise, and return how many numbers it makes of a picture.

    Raises:
        _Unsuitable: if these are no rows of finite numbers.
    """
    noise = np.random.default_rng(0).uniform(0, 255, (_PROBES, *size, channels)).astype(np.float32)
    found = run(noise)
    if found.ndim != 2 or not found.shape[1]:  # noqa: PLR2004 - a row a picture
        message = (
            f"its output for {_PROBES} pictures has the shape {found.shape}, expected ({_PROBES}, numbers). Of a feature map "
            "take the mean first: keras.layers.GlobalAveragePooling2D()"
        )
        raise _Unsuitable(message)
    if not np.isfinite(found).all():
        message = (
            "its output for pictures of noise (0 to 255) is not finite, expected numbers. Has it been trained, and saved whole?"
        )
        raise _Unsuitable(message)
    return int(found.shape[1])


def _answer(paths: list[bytes], run: Run, size: tuple[int, int], channels: int, *, antialias: bool) -> bytes:
    """Return an ``.npz``: the files' SHA-256 (n, 32), which of them TensorFlow reads (n,), and the output of these."""
    import tensorflow as tf  # noqa: PLC0415

    pictures, digests, read = [], np.zeros((len(paths), 32), np.uint8), np.zeros(len(paths), bool)
    for number, path in enumerate(paths):
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - bytes, whatever the encoding
                data = file.read()
            digests[number] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
            decoded = tf.image.decode_image(data, channels=channels, expand_animations=False)
            pictures.append(tf.image.resize(decoded, size, method="bilinear", antialias=antialias).numpy())
        except tf.errors.ResourceExhaustedError:  # this machine's want of memory, not the picture's fault
            raise
        except (OSError, tf.errors.OpError):
            continue
        read[number] = True
    rows = run(np.stack(pictures)) if pictures else np.zeros((0, 0), np.float32)
    buffer = io.BytesIO()
    np.savez(buffer, digests=digests, read=read, rows=rows)
    return buffer.getvalue()


def _told(error: Exception) -> str:
    """Return an error in a line."""
    text = str(error) if isinstance(error, _Unsuitable) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:600]


def _send(stream: IO[bytes], payload: bytes) -> None:
    try:
        stream.write(len(payload).to_bytes(8, "little") + payload)
        stream.flush()
    except OSError:  # the parent has gone
        sys.exit(1)


def _receive(stream: IO[bytes]) -> bytes | None:
    prefix = stream.read(8)
    return stream.read(int.from_bytes(prefix, "little")) if len(prefix) == 8 else None  # noqa: PLR2004 - the length of the prefix
