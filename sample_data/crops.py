"""The photographs, their disjoint crops, and how crops are shared out over the splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SIDE = 96
"""Width and height of every picture in pixels."""
CONTRAST = 12.0
"""Crops whose luminance varies less (standard deviation, 0–255) are not used."""
FLAT = 2.5
"""Crops under this contrast are flat: two of the temple's sky become the blank pictures."""
LIKENESS = 0.8
"""A crop that correlates more than this with an earlier one, in any of the eight orientations, is not used."""


@dataclass(frozen=True)
class Photograph:
    """One source: the class it stands for, the file inside the package, and the side of its crops in pixels."""

    label: str
    package: str
    file: str
    sha256: str
    cell: int


PHOTOGRAPHS = (
    Photograph(
        "astronaut", "skimage", "data/astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5", 48
    ),
    Photograph("cat", "skimage", "data/chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb", 42),
    Photograph("coffee", "skimage", "data/coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7", 48),
    Photograph(
        "galaxies",
        "skimage",
        "data/hubble_deep_field.jpg",
        "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
        64,
    ),
    Photograph(
        "temple", "sklearn", "datasets/images/china.jpg", "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29", 52
    ),
)
"""In the order of the class names."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A square of a photograph: its box (left, top, right, bottom) in the photograph's pixels, and the picture."""

    photograph: Photograph
    box: tuple[int, int, int, int]
    picture: Image.Image

    def statistics(self) -> NDArray[np.float64]:
        """Return mean and deviation of luminance, mean saturation and log sharpness, shape (4,)."""
        luma = np.asarray(self.picture.convert("L"), float)
        edges = np.diff(luma, axis=0)[:, 1:] ** 2 + np.diff(luma, axis=1)[1:] ** 2
        saturation = np.asarray(self.picture.convert("HSV"), float)[..., 1]
        return np.array([luma.mean(), luma.std(), saturation.mean(), np.log1p(edges.mean())])


def photograph_path(photograph: Photograph) -> Path:
    """Return where the package keeps the photograph, after checking that it is the one the answers were written for.

    Raises:
        SystemExit: if the package or the file is missing, or the file is another one.
    """
    spec = find_spec(photograph.package)
    if spec is None or not spec.submodule_search_locations:
        message = f"{photograph.package} is not installed; install scikit-image and scikit-learn."
        raise SystemExit(message)
    path = Path(spec.submodule_search_locations[0]) / photograph.file
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != photograph.sha256:
        message = (
            f"{path}: not the photograph expected. It is known to ship in scikit-image 0.26 and scikit-learn 1.9: install those."
        )
        raise SystemExit(message)
    return path


@cache
def all_crops() -> dict[str, tuple[list[Crop], list[Crop]]]:
    """Return for each class, in the order of the class names, the crops that may be used, and the flat ones."""
    seen: list[NDArray[np.float64]] = []
    scarcest_first = sorted(PHOTOGRAPHS, key=lambda photograph: (photograph.label != "cat", photograph.label))
    found = {photograph.label: cut(photograph, seen) for photograph in scarcest_first}
    return dict(sorted(found.items()))


def cut(photograph: Photograph, seen: list[NDArray[np.float64]]) -> tuple[list[Crop], list[Crop]]:
    """Return the crops of a photograph's grid that may be used, in reading order, and its flat ones.

    The grid's cells touch and never overlap; left-over border is shared out. A cell is used if it has contrast and
    does not look like a crop of any photograph that was ``seen`` earlier, to which it is added.
    """
    with Image.open(photograph_path(photograph)) as image:
        photo = image.convert("RGB")
    cell = photograph.cell
    crops: list[Crop] = []
    flat: list[Crop] = []
    for top in range(photo.height % cell // 2, photo.height - cell + 1, cell):
        for left in range(photo.width % cell // 2, photo.width - cell + 1, cell):
            box = (left, top, left + cell, top + cell)
            patch = photo.crop(box)
            crop = Crop(photograph, box, patch.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
            contrast = float(np.asarray(patch.convert("L"), float).std())
            if contrast < FLAT:
                flat.append(crop)
            if contrast < CONTRAST:
                continue
            small = np.asarray(patch.convert("L").resize((16, 16), Image.Resampling.BOX), float)
            small = (small - small.mean()) / np.linalg.norm(small - small.mean())
            views = [np.rot90(side, turns) for side in (small, small[:, ::-1]) for turns in range(4)]
            if all(float(np.sum(view * other)) < LIKENESS for view in views for other in seen):
                seen.append(small)
                crops.append(crop)
    return crops, flat


def shared_out(crops: list[Crop], sizes: tuple[int, ...], rng: np.random.Generator) -> Iterator[list[Crop]]:
    """Yield ``sizes`` crops for train, val and test: of 400 random draws the one whose splits differ least.

    Re-randomisation (Morgan and Rubin 2012): without it, one class in twenty would drift by chance.
    """
    if len(crops) < sum(sizes):
        message = f"{crops[0].photograph.file}: {len(crops)} crops can be used, {sum(sizes)} are needed; take smaller cells."
        raise SystemExit(message)
    values = np.array([crop.statistics() for crop in crops])
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    bounds = np.cumsum([0, *sizes])
    draws = [rng.permutation(len(crops)) for _ in range(400)]

    def imbalance(order: NDArray[np.int64]) -> float:
        means = [values[order[start:end]].mean(axis=0) for start, end in pairwise(bounds)]
        return float(np.ptp(means, axis=0).max())

    best = min(draws, key=imbalance)
    for start, end in pairwise(bounds):
        yield [crops[row] for row in best[start:end]]
