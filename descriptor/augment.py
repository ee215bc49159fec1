"""Random copies of pictures, made for a whole batch at once in TensorFlow.

Every function takes and returns pictures of shape (n, SIZE, SIZE, 3), float32, 0 to 1. Each picture of a batch draws its
own parameters. What costs much is done to a random part of the batch only.
"""
# ruff: noqa: PLR2004 - the shares and ranges of the draws stand where they are drawn

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SIZE", "Augmenter"]

SIZE: Final = 64
"""Side of a picture in pixels."""
FILL_MODES: Final = ("NEAREST", "REFLECT", "WRAP", "CONSTANT")
"""What Keras puts where a moved picture leaves a gap; a quarter of each batch has each."""

_LUMA: Final = (0.299, 0.587, 0.114)
_JPEG_LUMA: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_TO_YCC: Final = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_DIHEDRAL: Final = [[[a, 0], [0, b]] for a in (1, -1) for b in (1, -1)] + [[[0, a], [b, 0]] for a in (1, -1) for b in (1, -1)]


class Augmenter:
    """Draws random copies; the same seed gives the same sequence of draws."""

    def __init__(self, seed: int) -> None:
        """Start the sequence of draws at ``seed``."""
        self._draws = tf.random.Generator.from_seed(seed)

    def __call__(self, pictures: tf.Tensor) -> tf.Tensor:
        """Return one augmented copy of each picture."""
        copies = self._move(pictures)
        copies = self._recolour(copies)
        copies = self._partly(0.2, copies, self._blur)
        copies = self._partly(0.15, copies, self._downscale)
        copies = self._partly(0.15, copies, self._frame)
        copies = self._partly(0.55, copies, self._overlay)
        copies = self._partly(0.12, copies, self._noise)
        return tf.clip_by_value(self._partly(0.12, copies, self._jpeg), 0.0, 1.0)

    def uniform(self, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        """Draw uniformly from [low, high)."""
        return self._draws.uniform(shape, low, high)

    def chance(self, shape: tuple[int, ...], probability: float) -> tf.Tensor:
        """Draw 1.0 with ``probability``, else 0.0."""
        return tf.cast(self.uniform(shape) < probability, tf.float32)

    def _partly(self, share: float, pictures: tf.Tensor, change: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """Apply ``change`` to a random ``share`` of the batch."""
        n = pictures.shape[0]
        chosen = tf.argsort(self.uniform((n,)))[: round(share * n)]
        return tf.tensor_scatter_nd_update(pictures, chosen[:, None], change(tf.gather(pictures, chosen)))

    # ------------------------------------------------------------------------------------ geometry

    def _move(self, pictures: tf.Tensor) -> tf.Tensor:
        """One of eight orientations, then rotation, shear, zoom, shift or crop, with each of Keras's fill modes."""
        n = pictures.shape[0]
        order = tf.argsort(self.uniform((n,)))
        shuffled, maps = tf.gather(pictures, order), self._affine_maps(n)
        parts = []
        for i, mode in enumerate(FILL_MODES):
            part = slice(i * n // len(FILL_MODES), (i + 1) * n // len(FILL_MODES))
            if mode == "CONSTANT":
                ground = self._colours(n)[part]
                parts.append(ground + _warp(shuffled[part] - ground, maps[part], mode))
            else:
                parts.append(_warp(shuffled[part], maps[part], mode))
        return tf.gather(tf.concat(parts, axis=0), tf.argsort(order))

    def _affine_maps(self, n: int) -> tf.Tensor:
        """Draw n maps from output to input pixels, shape (n, 8)."""
        policy = self.chance((n,), 0.42)  # all of Keras's parameters at once
        crop = self.chance((n,), 0.25) * (1.0 - policy)
        moves = self.chance((n,), 0.88)

        def drawn(probability: float, reach: float) -> tf.Tensor:
            gate = tf.maximum(self.chance((n,), probability) * (1.0 - crop), policy) * moves
            return gate * self.uniform((n,), -reach, reach)

        angle = drawn(0.35, math.radians(30)) + crop * moves * self.chance((n,), 0.3) * self.uniform((n,), -0.5, 0.5)
        shear = drawn(0.2, math.radians(20)) * (1.0 - policy * self.chance((n,), 0.7))
        zoom = drawn(0.25, 0.45) * (1.0 - 0.6 * policy)
        letterbox = self.chance((n,), 0.12) * moves * self.uniform((n,), 0.0, 0.6)
        wide = self.chance((n,), 0.5)
        zoom_x = tf.exp(zoom + drawn(0.2, 0.22) + letterbox * wide)
        zoom_y = tf.exp(zoom + drawn(0.2, 0.22) + letterbox * (1.0 - wide))
        side, aspect = tf.sqrt(self.uniform((n,), 0.35, 1.0)), tf.exp(self.uniform((n,), -0.2, 0.2))
        crop = crop * moves
        zoom_x = tf.where(crop > 0, tf.minimum(side * aspect, 1.0), zoom_x)
        zoom_y = tf.where(crop > 0, tf.minimum(side / aspect, 1.0), zoom_y)
        shift_x = drawn(0.4, 0.5) + crop * (1.0 - zoom_x) * self.uniform((n,), -1.0, 1.0)
        shift_y = drawn(0.4, 0.5) + crop * (1.0 - zoom_y) * self.uniform((n,), -1.0, 1.0)
        # A picture that was squashed to a square turns in its own aspect, not in the square's; some are very wide or tall.
        squash = tf.exp(self.uniform((n,), -0.4, 0.4) * (1.0 + 1.5 * self.chance((n,), 0.35)))
        cos, sin, tan = tf.cos(angle), tf.sin(angle), tf.tan(shear)
        turn = tf.stack([tf.stack([cos, -sin * squash], -1), tf.stack([sin / squash, cos], -1)], -2)
        scale = tf.stack([tf.stack([zoom_x, tan * zoom_y], -1), tf.stack([tf.zeros_like(tan), zoom_y], -1)], -2)
        which = self._draws.uniform((n,), 0, len(_DIHEDRAL), dtype=tf.int32)
        orient = tf.gather(tf.constant(_DIHEDRAL, tf.float32), which)
        linear = orient @ turn @ scale
        middle = (SIZE - 1) / 2
        shift = tf.linalg.matvec(orient, tf.stack([shift_x, shift_y], -1)) * SIZE / 2
        offset = middle + shift - middle * tf.reduce_sum(linear, axis=-1)
        rows = tf.concat([linear, offset[..., None]], axis=-1)
        return tf.concat([tf.reshape(rows, (n, 6)), tf.zeros((n, 2))], axis=-1)

    # ----------------------------------------------------------------------------------- appearance

    def _colours(self, n: int) -> tf.Tensor:
        """Draw n plain colours, shape (n, 1, 1, 3): a third black, a third white or grey, a third any."""
        kind = self.uniform((n, 1, 1, 1))
        grey = tf.minimum(self.uniform((n, 1, 1, 1), 0.3, 1.7), 1.0)
        return tf.where(kind < 1 / 3, 0.0, tf.where(kind < 2 / 3, grey, self.uniform((n, 1, 1, 3))))

    def _recolour(self, pictures: tf.Tensor) -> tf.Tensor:
        """Brightness, contrast, gamma, saturation (to grey) and hue."""
        n = pictures.shape[0]
        one = (n, 1, 1)
        on = self.chance(one, 0.7)
        luma = tf.constant(_LUMA) * tf.ones((3, 1))
        saturation = 1.0 + self.chance(one, 0.5) * self.uniform(one, -0.8, 0.8)
        saturation = saturation * (1.0 - self.chance(one, 0.15))
        to_ycc = tf.constant(_TO_YCC)
        hue = self.chance(one, 0.3) * self.uniform(one, -0.9, 0.9)
        zero, cos, sin = tf.zeros(one), tf.cos(hue), tf.sin(hue)
        rows = ([zero + 1, zero, zero], [zero, cos, -sin], [zero, sin, cos])
        spin = tf.concat([tf.concat(row, axis=2) for row in rows], axis=1)
        mix = (tf.eye(3) * saturation + luma * (1.0 - saturation)) @ (tf.linalg.inv(to_ycc) @ spin @ to_ycc)
        contrast = tf.exp(on * self.uniform(one, -0.6, 0.5))
        brightness = on * self.uniform(one, -0.25, 0.25)
        flat = tf.reshape(pictures, (n, SIZE * SIZE, 3))
        flat = tf.matmul(flat, contrast * mix, transpose_b=True) + (brightness + 0.5 * (1.0 - contrast))
        flat = tf.clip_by_value(flat, 0.0, 1.0)
        gamma = on * self.uniform(one, -0.7, 0.7)
        return tf.reshape(flat + gamma * flat * (1.0 - flat), (n, SIZE, SIZE, 3))

    def _blur(self, pictures: tf.Tensor) -> tf.Tensor:
        """Gaussian blur by 0.3 to 1.8 pixels."""
        n = pictures.shape[0]
        steps = tf.range(SIZE, dtype=tf.float32)
        apart = tf.square(steps[:, None] - steps[None, :])
        kernel = tf.exp(-apart / (2.0 * tf.square(self.uniform((n, 1, 1), 0.3, 1.8))))
        kernel = kernel / tf.reduce_sum(kernel, axis=2, keepdims=True)
        down = tf.matmul(kernel, tf.reshape(pictures, (n, SIZE, SIZE * 3)))
        across = tf.matmul(kernel[:, None], tf.reshape(down, (n, SIZE, SIZE, 3)))
        return tf.reshape(across, (n, SIZE, SIZE, 3))

    def _downscale(self, pictures: tf.Tensor) -> tf.Tensor:
        """Half the pixels a side, or a third of them, and back."""
        half = pictures.shape[0] // 2
        coarse = tf.image.resize(tf.nn.avg_pool2d(pictures[:half], 2, 2, "VALID"), (SIZE, SIZE), "bilinear")
        coarser = tf.image.resize(tf.image.resize(pictures[half:], (21, 21), "area"), (SIZE, SIZE), "bilinear")
        return tf.concat([coarse, coarser], axis=0)

    def _noise(self, pictures: tf.Tensor) -> tf.Tensor:
        """Gaussian noise of up to 0.1."""
        n = pictures.shape[0]
        return pictures + self._draws.normal((n, SIZE, SIZE, 3)) * self.uniform((n, 1, 1, 1), 0.0, 0.1)

    def _jpeg(self, pictures: tf.Tensor) -> tf.Tensor:
        """What JPEG at quality 15 to 95 loses: the DCT of 8×8 blocks, quantised (chroma by twice the luma's steps)."""
        n = pictures.shape[0]
        quality = self.uniform((n, 1, 1, 1, 1, 1), 15.0, 95.0)
        factor = tf.where(quality < 50.0, 50.0 / quality, 2.0 - quality / 50.0) / 255.0
        steps = factor * tf.constant(_JPEG_LUMA, tf.float32)[None, None, None, :, :, None] * tf.constant([1.0, 2.0, 2.0])
        k, i = np.mgrid[:8, :8]
        dct = tf.constant(np.sqrt((1 + (k > 0)) / 8) * np.cos((2 * i + 1) * k * np.pi / 16), tf.float32)
        to_ycc = tf.constant(_TO_YCC)
        ycc = tf.matmul(tf.reshape(pictures, (-1, 3)), to_ycc, transpose_b=True)
        blocks = tf.reshape(ycc, (n, SIZE // 8, 8, SIZE // 8, 8, 3))
        waves = tf.einsum("ki,nyixjc,lj->nyxklc", dct, blocks, dct)
        waves = tf.round(waves / steps) * steps
        blocks = tf.einsum("ki,nyxklc,lj->nyixjc", dct, waves, dct)
        rgb = tf.matmul(tf.reshape(blocks, (-1, 3)), tf.linalg.inv(to_ycc), transpose_b=True)
        return tf.reshape(rgb, (n, SIZE, SIZE, 3))

    # ------------------------------------------------------------------------------------- overlays

    def _frame(self, pictures: tf.Tensor) -> tf.Tensor:
        """A plain border of up to 15 % on each side, drawn over the picture."""
        n = pictures.shape[0]
        margin = self.uniform((4, n, 1, 1, 1), 0.0, 0.15)
        y, x = _grid()
        inside = (x > margin[0]) & (x < 1.0 - margin[1]) & (y > margin[2]) & (y < 1.0 - margin[3])
        return tf.where(inside, pictures, self._colours(n))

    def _overlay(self, pictures: tf.Tensor) -> tf.Tensor:
        """A patch of another picture, a plain shape, or strokes as of text, over up to a third of the picture."""
        n = pictures.shape[0]
        one = (n, 1, 1, 1)
        kind = self.uniform(one)
        text, patch = kind < 0.4, kind > 0.65
        area = self.uniform(one, 0.02, 0.42) * tf.where(text, 1.5, 1.0)
        aspect = tf.exp(self.uniform(one, -0.9, 0.9) + tf.where(text, 0.5, 0.0))
        width, height = tf.minimum(tf.sqrt(area * aspect), 1.0), tf.minimum(tf.sqrt(area / aspect), 1.0)
        y, x = _grid()
        off_x = (x - width / 2 - self.uniform(one) * (1.0 - width)) / width
        off_y = (y - height / 2 - self.uniform(one) * (1.0 - height)) / height
        box = (tf.abs(off_x) < 0.5) & (tf.abs(off_y) < 0.5)
        ellipse = tf.square(off_x) + tf.square(off_y) < 0.25
        shape = tf.where((self.uniform(one) < 0.3) & ~text, ellipse, box)
        fine, coarse = self.uniform((n, 32, 32, 1)), self.uniform((n, 16, 16, 1))
        strokes = tf.where(self.uniform(one) < 0.6, _enlarged(fine, 2), _enlarged(coarse, 4)) < 0.5
        shape = shape & (strokes | ~text)
        content = tf.where(patch, tf.roll(pictures, 1, axis=0), self._colours(n))
        opacity = tf.minimum(self.uniform(one, 0.5, 1.5), 1.0)
        return tf.where(shape, pictures + opacity * (content - pictures), pictures)


def _warp(pictures: tf.Tensor, maps: tf.Tensor, fill_mode: str) -> tf.Tensor:
    """Resample each picture through its map from output to input pixels; a constant fill is 0."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=maps,
        output_shape=[SIZE, SIZE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=fill_mode,
    )


def _grid() -> tuple[tf.Tensor, tf.Tensor]:
    """Return the pixels' centres, 0 to 1: y of shape (1, SIZE, 1, 1), x of shape (1, 1, SIZE, 1)."""
    centres = (tf.range(SIZE, dtype=tf.float32) + 0.5) / SIZE
    return centres[None, :, None, None], centres[None, None, :, None]


def _enlarged(cells: tf.Tensor, factor: int) -> tf.Tensor:
    """Repeat each cell ``factor`` times each way."""
    return tf.repeat(tf.repeat(cells, factor, axis=1), factor, axis=2)
