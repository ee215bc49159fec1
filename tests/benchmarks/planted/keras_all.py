"""Copies by Keras itself: ``ImageDataGenerator`` (the classic) and the preprocessing layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    Maker = Callable[[Image.Image, np.random.Generator, Image.Image], Image.Image]

POLICY: dict[str, Any] = {
    "rotation_range": 20,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
}
"""The policy that tutorials copy from one another."""


def _picture(pixels: np.ndarray[Any, Any]) -> Image.Image:
    return Image.fromarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def _generator(**parameters: object) -> Maker:
    generator = ImageDataGenerator(**parameters)

    def make(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
        return _picture(generator.random_transform(np.asarray(picture, np.float32), seed=int(rng.integers(2**31))))

    return make


def _layers(**arguments: tuple[Any, ...]) -> Maker:
    """Return the maker that calls preprocessing layers, each by name with its arguments, in order."""

    def make(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
        pixels = np.asarray(picture, np.float32)[None]
        for name, given in arguments.items():
            layer = getattr(keras.layers, name)(*given, seed=int(rng.integers(2**31)))
            pixels = np.asarray(layer(pixels, training=True))
        return _picture(pixels[0])

    return make


MAKERS: dict[str, Maker] = {
    "rotation_range=20": _generator(rotation_range=20),
    "width_shift_range=.2": _generator(width_shift_range=0.2),
    "height_shift_range=.2": _generator(height_shift_range=0.2),
    "shear_range=20": _generator(shear_range=20),
    "zoom_range=.2": _generator(zoom_range=0.2),
    "horizontal_flip": _generator(horizontal_flip=True),
    "vertical_flip": _generator(vertical_flip=True),
    "brightness_range=(.6, 1.4)": _generator(brightness_range=(0.6, 1.4)),
    "channel_shift_range=50": _generator(channel_shift_range=50.0),
    **{f"policy, {mode}": _generator(**POLICY, fill_mode=mode) for mode in ("nearest", "reflect", "wrap", "constant")},
    "RandomRotation(20°)": _layers(RandomRotation=(20 / 360,)),
    "RandomTranslation(.2, .2)": _layers(RandomTranslation=(0.2, 0.2)),
    "RandomZoom(.3)": _layers(RandomZoom=(0.3,)),
    "RandomContrast(.5)": _layers(RandomContrast=(0.5,)),
    "policy, layers": _layers(
        RandomFlip=("horizontal",),
        RandomRotation=(20 / 360,),
        RandomTranslation=(0.2, 0.2),
        RandomZoom=(0.2,),
        RandomContrast=(0.3,),
    ),
}
