"""What the real TensorFlow and Keras say, asked in one process of their own: importing them is slow, and loud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SCRIPT = """
import json, os, sys
import numpy as np
question = json.load(open(sys.argv[1]))
sys.path[:0] = question["path"]
import keras
import tensorflow as tf
from keras.src.utils.dataset_utils import index_directory
from zoo import zoo

pictures = {}
for name, data in zoo().items():
    try:
        pictures[name] = tf.image.decode_image(tf.constant(data), channels=3, expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError as error:
        pictures[name] = np.zeros((0, 0, 3), np.uint8)
np.savez(question["pictures"], **pictures)

endings = keras.src.utils.image_dataset_utils.ALLOWLIST_FORMATS
listings = {}
for folder in question["folders"]:
    paths, _, names = index_directory(folder, "inferred", endings, shuffle=False, verbose=False)
    listings[folder] = [names, [os.path.relpath(path, folder) for path in paths]]

parts = []
for folder, share, seed in question["splits"]:
    for subset in ("training", "validation"):
        part = keras.utils.image_dataset_from_directory(folder, validation_split=share, subset=subset, seed=seed, verbose=False)
        parts.append([os.path.relpath(path, folder) for path in part.file_paths])
json.dump({"listings": listings, "parts": parts, "endings": endings}, open(question["answer"], "w"))
"""


@dataclass(frozen=True)
class Answer:
    """What was said."""

    pictures: dict[str, np.ndarray | None]
    """By name of the zoo's animals; None where TensorFlow refuses."""
    listings: dict[str, tuple[list[str], list[str]]]
    """By folder: class names, and the files relative to it, unshuffled."""
    parts: dict[tuple[str, float, int], tuple[set[str], set[str]]]
    """By folder, share and seed: the files of training and validation."""
    endings: tuple[str, ...]


def ask(folders: list[str], splits: list[tuple[str, float, int]], scratch: Path) -> Answer:
    """Ask about every animal of the zoo, some folders and some splits."""
    here = Path(__file__).parent
    question, answer, pictures = scratch / "question.json", scratch / "answer.json", scratch / "pictures.npz"
    asked = {"path": [str(here), str(here.parent)], "folders": folders, "splits": splits}
    question.write_text(json.dumps({**asked, "answer": str(answer), "pictures": str(pictures)}))
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(question)], capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(answer.read_text())
    halves = [set(part) for part in told["parts"]]
    with np.load(pictures) as found:
        decoded = {name: found[name] if found[name].size else None for name in found.files}
    return Answer(
        decoded,
        {folder: (names, paths) for folder, (names, paths) in told["listings"].items()},
        {tuple(split): pair for split, pair in zip(splits, zip(halves[::2], halves[1::2], strict=True), strict=True)},
        tuple(told["endings"]),
    )
