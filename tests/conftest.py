"""Shared fixtures: the committed sample data, scanned once."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataaudit import Config, pipeline
from keras_trees import make, plant
from tensorflow_oracle import Answer, ask

FLAT = tuple(f"{label}/{number:02}.jpg" for label, count in (("ant", 9), ("bee", 31), ("cow", 22)) for number in range(count))
ODD_FLAT = (*FLAT, "bee/._03.jpg", "bee/x/y.png", "cow/z.webp", "cow/.h/q.gif", "dog -> bee", "note.txt", "eel/", ".hid/1.jpg")
SPLITS = ((0.2, 0), (0.2, 1), (0.25, 2**32 - 1))
"""Shares and seeds that both flat folders are split by."""

_CACHE = tempfile.TemporaryDirectory(prefix="dataaudit-")
os.environ["DATAAUDIT_CACHE_DIR"] = _CACHE.name  # no test reads or writes the user's cache; what tests start inherits this one

SAMPLES = Path(__file__).parents[1] / "sample_data"


@dataclass(frozen=True)
class Asked:
    """Folders that Keras was asked about, and what it said."""

    answer: Answer
    trees: dict[str, Path]
    """By name: ``keras_trees.TREES``."""
    flat: tuple[Path, Path]
    """An unsplit folder, and one with odd entries."""


@pytest.fixture(scope="session")
def keras(tmp_path_factory) -> Asked:
    """Ask TensorFlow and Keras, once, all that the tests want to know of them."""
    pytest.importorskip("keras")
    root = tmp_path_factory.mktemp("keras")
    trees = plant(root)
    flat = root / "flat", root / "odd flat"
    for folder, entries in zip(flat, (FLAT, ODD_FLAT), strict=True):
        for entry in entries:
            make(folder, entry)
    folders = [str(top) for tree in trees.values() for top in (tree, *tree.iterdir()) if top.is_dir()]
    folders += map(str, flat)
    splits = [(str(folder), share, seed) for folder in flat for share, seed in SPLITS]
    return Asked(ask(folders, splits, tmp_path_factory.mktemp("asked")), trees, flat)


@pytest.fixture(scope="session")
def faulty() -> Path:
    return SAMPLES / "dataset"


@pytest.fixture(scope="session")
def clean() -> Path:
    return SAMPLES / "clean"


@pytest.fixture(scope="session")
def answers() -> dict:
    return json.loads((SAMPLES / "answers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def faulty_report(faulty):
    return pipeline.scan(faulty, Config(jobs=2))


@pytest.fixture(scope="session")
def clean_report(clean):
    return pipeline.scan(clean, Config(jobs=2))
