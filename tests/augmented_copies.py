"""Measurements of datasets whose copies were drawn by the formula of Keras's ``ImageDataGenerator``."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from dataaudit.domain import CopyPair, Transform
from measurements import make

SIZE = (96, 72)  # width and height, as make() has them


def keras_map(rng, *, rotation=0.0, shift=0.0, shear=0.0, zoom=0.0, flip=False, vertical=False, tilt=0.0) -> np.ndarray:
    """Return (3, 3), pixel centres of a picture to those of a copy as ``ImageDataGenerator`` draws it.

    ``keras/src/legacy/preprocessing/image.py``: apply_affine_transform builds out → in, in x and y.
    """
    theta, angle = np.radians(rng.uniform(-rotation, rotation)), np.radians(rng.uniform(-shear, shear))
    tx, ty = rng.uniform(-shift, shift) * SIZE[0], rng.uniform(-shift, shift) * SIZE[1]
    zx, zy = rng.uniform(1 - zoom, 1 + zoom, 2)
    matrix = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
    matrix = matrix @ np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    matrix = matrix @ np.array([[1, -np.sin(angle), 0], [0, np.cos(angle), 0], [0, 0, 1]])
    matrix = matrix @ np.diag([zx, zy, 1.0])
    centre = np.array([[1, 0, (SIZE[0] - 1) / 2], [0, 1, (SIZE[1] - 1) / 2], [0, 0, 1]])
    there = centre @ np.linalg.inv(matrix) @ np.linalg.inv(centre)
    if tilt:
        sides = rng.uniform(-tilt, tilt, 2) / SIZE
        there = centre @ np.array([[1, 0, 0], [0, 1, 0], [*sides, 1]]) @ np.linalg.inv(centre) @ there
    for wanted, mirror in ((flip, np.diag([-1.0, 1, 1])), (vertical, np.diag([1.0, -1, 1]))):
        if wanted and rng.random() < 0.5:
            there = centre @ mirror @ np.linalg.inv(centre) @ there
    return there


def augmented(
    pictures: int, each: int, *, seed: int = 0, chained: bool = False, mark: str = "-", leaked: int = 0, **drawn: object
):
    """Return measurements of a train split of pictures and their copies; originals are not first by name."""
    rng = np.random.default_rng(seed)
    original = "-o" if mark == "-" else ""
    rows, pairs = [], []
    for picture in range(pictures):
        rows += [(f"train/cat/{picture:04}{mark}{copy}.jpg", "cat", "train") for copy in range(each)]
        rows.append((f"train/cat/{picture:04}{original}.jpg", "cat", "train"))
    rows += [(f"val/cat/{n:03}.jpg", "cat", "val") for n in range(20)]
    links = [(f"train/cat/{n:04}{original}.jpg", f"val/cat/{n:03}.jpg") for n in range(leaked)]
    place = {path: index for index, path in enumerate(sorted(row[0] for row in rows))}
    for picture in range(pictures):
        source = place[f"train/cat/{picture:04}{original}.jpg"]
        maps = {source: np.eye(3)}
        for copy in range(each):
            maps[place[f"train/cat/{picture:04}{mark}{copy}.jpg"]] = keras_map(rng, **drawn)
        copies = [row for row in maps if row != source]
        edges = [(source, copies[0]), *pairwise(copies)] if chained else [(source, row) for row in copies]
        for edge in edges:
            a, b = sorted(edge)
            change = Transform.of_whole(maps[b] @ np.linalg.inv(maps[a]), SIZE, SIZE)
            pairs.append(CopyPair(a, b, "transformed", "proved", 0.98, 0.9, change))
    mirrored = Transform(mirrored=True)
    pairs += [CopyPair(place[a], place[b], "transformed", "proved", 0.98, 1.0, mirrored) for a, b in links]
    return make(rows, pairs)
