"""Write ``pipeline.py``: the tf.data and Keras code that belongs to a plan, as a person would keep it."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from textwrap import wrap
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from dataaudit.domain import NONE
from dataaudit.features.loader import READ

if TYPE_CHECKING:
    from dataaudit.domain import AugmentationLayer, AugmentationPlan, Measurements, Plan, SplitPlan

__all__ = ["choose_decoder", "render"]

_TENSORFLOW: Final = '''def decode(path):
    """Return one picture as Keras would load it: three channels, resized; EXIF orientation is not applied."""
    picture = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    picture = tf.image.resize(picture, IMAGE_SIZE)
    return tf.ensure_shape(picture, (*IMAGE_SIZE, 3))'''

_PILLOW: Final = '''def open_picture(path):
    """Return the first frame of a file as RGB; 16-bit pictures are scaled, not clipped; EXIF is not applied."""
    with Image.open(path.decode()) as image:
        if image.mode.startswith("I;16"):
            return np.repeat((np.asarray(image) // 257).astype(np.uint8)[..., None], 3, axis=2)
        return np.asarray(image.convert("RGB"))


def decode(path):
    """Return one picture: three channels, resized. Pillow reads it, for TensorFlow cannot read every file of this plan."""
    picture = tf.numpy_function(open_picture, [path], tf.uint8)
    picture.set_shape((None, None, 3))
    picture = tf.image.resize(picture, IMAGE_SIZE)
    return tf.ensure_shape(picture, (*IMAGE_SIZE, 3))'''

_SURE: Final = ("GIF", "JPEG", "PNG")
"""Formats that every TensorFlow from 2.17 on decodes; others not every one does."""


def render(plan: Plan) -> str:
    """Return the text of ``pipeline.py``."""
    pillow = plan.decoder == "pillow"
    template = files("dataaudit.fixers").joinpath("templates/pipeline.py.template").read_text(encoding="utf-8")
    return Template(template).substitute(
        needs_pillow=", Pillow" if pillow else "",
        imports="import numpy as np\nimport tensorflow as tf\nfrom PIL import Image" if pillow else "import tensorflow as tf",
        decode=_PILLOW if pillow else _TENSORFLOW,
        image_size=repr(plan.augmentation.image_size),
        seed=plan.split.seed,
        layers=_layers(plan.augmentation),
    )


def choose_decoder(measurements: Measurements, split: SplitPlan) -> Literal["tensorflow", "pillow"]:
    """Return Pillow where a placed file, whatever its name says, is one that some TensorFlow refuses or misreads."""
    placed, features = split.split_codes != NONE, measurements.features
    sure = np.isin(features.format, _SURE) & np.isin(features.loader, READ)
    return "tensorflow" if sure[placed].all() else "pillow"


def _layers(augmentation: AugmentationPlan) -> str:
    lines: list[str] = []
    for position, layer in enumerate(augmentation.layers):
        lines += _comment(layer.evidence)
        lines.append(f"            {_call(layer, position)},")
    for name, reason in augmentation.left_out:
        lines += _comment(f"No {name}: {reason}")
    return "\n".join(lines)


def _call(layer: AugmentationLayer, position: int) -> str:
    arguments = [f"{name}={value!r}" for name, value in layer.arguments]
    return f"keras.layers.{layer.layer}({', '.join([*arguments, f'seed=seed + {position}'])})"


def _comment(text: str) -> list[str]:
    """Return comment lines; the text may hold class names, so nothing in it may end a line or be unprintable."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return [f"            # {line}" for line in wrap(" ".join(printable.split()), 105)]
