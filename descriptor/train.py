"""Train the copy descriptor: a network whose outputs are close for copies of one picture and far apart for all others.

    python descriptor/train.py PICTURES.npy OUT_DIRECTORY --steps 3000

PICTURES.npy holds uint8 of shape (n, 64, 64, 3). Two copies of each picture of a batch are made (``augment.py``; the first
is the picture itself three times in ten), and the network (``model.py``) learns to tell each copy's sibling from all other
copies of the batch (InfoNCE), while KoLeo spreads the descriptors over the sphere (both as in SSCD, arXiv 2202.10261). What
is kept is a running mean of the weights. A memory of earlier batches' descriptors as further negatives drew them together.
The draws are fixed by the seed; floating-point sums over several threads are not.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from augment import Augmenter
from model import build, export

TEMPERATURE = 0.05
KOLEO_WEIGHT = 3.0
PEAK_RATE = 2e-3
WARMUP_STEPS = 100
WEIGHT_DECAY = 0.02
SAVE_EVERY = 300
"""Seconds."""
UNTOUCHED = 0.2
"""Share of the pairs whose first copy is the picture itself."""
ALIKE = 16
"""A batch is made of so many pictures that follow one another, which are of one class where they are ordered by class."""


class Trainer:
    """The network, the mean of its weights and the optimiser."""

    def __init__(self, batch: int, seed: int) -> None:
        """Start from random weights.

        Args:
            batch: pictures a step; twice as many copies are compared.
            seed: of weights and copies.
        """
        keras.utils.set_random_seed(seed)
        self.batch = batch
        self.model, self.average = build(), build()
        self.average.set_weights(self.model.get_weights())
        self.augmenter = Augmenter(seed)
        self.optimizer = keras.optimizers.AdamW(PEAK_RATE, weight_decay=WEIGHT_DECAY, clipnorm=5.0)
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self.optimizer.build(self.model.trainable_variables)

    def start(self, weights: Path) -> None:
        """Go on from the weights that :meth:`save` wrote."""
        self.model.load_weights(weights)
        self.average.load_weights(weights)

    def pairs(self, pictures: tf.Tensor) -> tf.Tensor:
        """Return two copies of each picture, shape (2 × batch, 64, 64, 3): all the first ones, then all the second ones."""
        pictures = tf.cast(pictures, tf.float32) / 255.0
        copies = self.augmenter(tf.concat([pictures, pictures], axis=0))
        untouched = self.augmenter.chance((self.batch, 1, 1, 1), UNTOUCHED) > 0
        return tf.concat([tf.where(untouched, pictures, copies[: self.batch]), copies[self.batch :]], axis=0)

    def loss(self, descriptors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return InfoNCE and KoLeo for descriptors of length 1, ordered as :meth:`pairs` orders the copies."""
        n = 2 * self.batch
        similarity = tf.matmul(descriptors, descriptors, transpose_b=True)
        others = tf.linalg.set_diag(similarity, tf.fill((n,), -4.0))
        sibling = tf.math.floormod(tf.range(n) + self.batch, n)
        contrast = tf.nn.sparse_softmax_cross_entropy_with_logits(sibling, others / TEMPERATURE)
        strangers = tf.where(tf.one_hot(sibling, n, on_value=True, off_value=False, dtype=tf.bool), -4.0, others)
        nearest = tf.sqrt(tf.maximum(2.0 - 2.0 * tf.reduce_max(strangers, axis=1), 1e-4))
        return tf.reduce_mean(contrast), -tf.reduce_mean(tf.math.log(nearest))

    @tf.function
    def step(self, pictures: tf.Tensor, decay: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Learn from one batch; return InfoNCE and KoLeo."""
        copies = tf.stop_gradient(self.pairs(pictures))
        with tf.GradientTape() as tape:
            descriptors = tf.math.l2_normalize(self.model(copies, training=True), axis=1)
            contrast, koleo = self.loss(descriptors)
            total = contrast + KOLEO_WEIGHT * koleo
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(total, variables), variables, strict=True))
        for mean, now in zip(self.average.weights, self.model.weights, strict=True):
            mean.assign(mean * decay + now * (1.0 - decay))
        return contrast, koleo

    def save(self, out: Path) -> None:
        """Write the mean of the weights, for Keras and as ONNX."""
        self.average.save_weights(out / "descriptor.weights.h5")
        export(self.average, out / "descriptor.onnx")
        export(self.average, out / "descriptor.float32.onnx", np.float32)


def rate(step: int, progress: float) -> float:
    """Return the learning rate: a linear start, then half a cosine over ``progress`` from 0 to 1."""
    return PEAK_RATE * min((step + 1) / WARMUP_STEPS, 1.0) * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0)))


def in_runs(n: int, shuffler: np.random.Generator) -> np.ndarray:
    """Return the numbers below ``n`` but for a few, int64, in shuffled runs of :data:`ALIKE`, which start elsewhere each time."""
    first = shuffler.integers(ALIKE)
    runs = np.arange(first, n - ALIKE + 1, ALIKE)
    return (shuffler.permutation(runs)[:, None] + np.arange(ALIKE)).ravel()


def train(trainer: Trainer, pictures: np.ndarray, out: Path, *, steps: int, minutes: float, seed: int) -> None:
    """Train for ``steps`` steps, or until ``minutes`` have passed; the learning rate falls to zero by whichever is first."""
    batch = trainer.batch
    order, at = np.empty(0, np.int64), 0
    shuffler = np.random.default_rng(seed)
    start = saved = time.monotonic()
    step, progress = 0, 0.0
    while progress < 1.0:
        if at + batch > len(order):
            order, at = in_runs(len(pictures), shuffler), 0
        chosen = np.sort(order[at : at + batch])
        at += batch
        trainer.optimizer.learning_rate.assign(rate(step, progress))
        decay = min(0.998, (1 + step) / (20 + step))
        contrast, koleo = trainer.step(tf.constant(pictures[chosen]), tf.constant(decay, tf.float32))
        step += 1
        now = time.monotonic()
        progress = max(step / steps, (now - start) / (60 * minutes))
        if step % 20 == 0 or progress >= 1.0:
            losses = f"contrast {contrast:.3f}, koleo {koleo:.3f}"
            print(f"{step} steps, {now - start:.0f} s, {losses}, done {progress:.1%}", flush=True)
        if now - saved > SAVE_EVERY or progress >= 1.0:
            trainer.save(out)
            saved = now
    print(f"{step * batch} pairs in {time.monotonic() - start:.0f} s; {trainer.model.count_params()} parameters", flush=True)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train the copy descriptor.")
    parser.add_argument("pictures", type=Path, help="uint8 array (n, 64, 64, 3), as .npy")
    parser.add_argument("out", type=Path, help="directory for weights and ONNX files")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this time")
    parser.add_argument("--batch", type=int, default=128, help="pictures a step")
    parser.add_argument("--start", type=Path, help="go on from these weights (.weights.h5); take another seed")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    parser.add_argument("--seed", type=int, default=20_261_122)
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    pictures = np.load(arguments.pictures, mmap_mode="r")
    if len(pictures) < arguments.batch + 2 * ALIKE:
        parser.error(
            f"{arguments.pictures} holds {len(pictures)} pictures; a batch of {arguments.batch} wants {2 * ALIKE} more than that"
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(arguments.batch, arguments.seed)
    if arguments.start is not None:
        trainer.start(arguments.start)
    train(
        trainer,
        pictures,
        arguments.out,
        steps=arguments.steps,
        minutes=arguments.minutes,
        seed=arguments.seed,
    )


if __name__ == "__main__":
    main()
