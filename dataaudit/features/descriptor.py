"""The copy descriptor: 128 numbers that stay nearly the same when a picture is augmented.

A small convolutional network of our own, equivariant under the eight orientations, trained by ``descriptor/train.py`` and
described in ``descriptor/MODEL_CARD.md``. It only *nominates*: what it finds alike is verified pixel by pixel. Runs in ONNX
Runtime on one thread; batches are padded to one size, so that a descriptor does not depend on its neighbours.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.engines.memory import unlimited
from dataaudit.features.borders import inner_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from PIL import Image

MODEL: Final = Path(__file__).with_name("descriptor.onnx")
SIDE: Final = 64
"""Side of the square that a picture is squashed to, pixels."""
DIMENSIONS: Final = 128
_BATCH: Final = 8  # whose planes fit the processor's cache: a tenth quicker than 32


def squashed(image: Image.Image) -> NDArray[np.uint8]:
    """Return the measured picture as the network sees it: (64, 64, 3), uint8."""
    from PIL import Image as Pillow  # noqa: PLC0415 - workers only

    method = Pillow.Resampling.BOX if min(image.size) > SIDE else Pillow.Resampling.BICUBIC
    return np.asarray(image.resize((SIDE, SIDE), method))


def squashed_inner(image: Image.Image, whole: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return what lies within the border of one colour of a measured picture likewise; None where it has no such border.

    Args:
        image: the measured picture.
        whole: what :func:`squashed` gives of it.
    """
    box = inner_box(whole)
    if box is None:
        return None
    (left, top, right, bottom), (width, height) = box, image.size
    inner = (left * width // SIDE, top * height // SIDE, -(-right * width // SIDE), -(-bottom * height // SIDE))
    return squashed(image.crop(inner))


def describe(pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> NDArray[np.float16]:
    """Return the descriptors of squashed pictures: (n, 128) float16, of length 1."""
    found = np.zeros((len(pictures), DIMENSIONS), np.float16)
    for start in range(0, len(pictures), _BATCH):
        part = pictures[start : start + _BATCH]
        batch = np.zeros((_BATCH, SIDE, SIDE, 3), np.uint8)
        batch[: len(part)] = part
        found[start : start + len(part)] = _session().run(["embedding"], {"picture": batch})[0][: len(part)]
    return found


def prepare() -> None:
    """Load the network."""
    _session()


@cache
def _session() -> InferenceSession:
    with unlimited():
        from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415 - workers only

        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return InferenceSession(MODEL.read_bytes(), options, providers=["CPUExecutionProvider"])
