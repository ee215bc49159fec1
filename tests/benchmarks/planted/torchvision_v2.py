"""Copies by torchvision's transforms v2, which neither training nor tuning used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch_on_cpu import allow_torchvision

allow_torchvision()

from torchvision.transforms import v2  # noqa: E402 - after that

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from PIL import Image

    Maker = Callable[[Image.Image, np.random.Generator, Image.Image], Image.Image]

torch.set_num_threads(1)


def _by(*transforms: v2.Transform) -> Maker:
    """Return the maker that applies some transforms to a uint8 tensor, with torch's generator seeded by ours."""
    chain = v2.Compose([v2.ToImage(), *transforms, v2.ToPILImage()])

    def make(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
        torch.manual_seed(int(rng.integers(2**31)))
        return chain(picture)

    return make


def _flip_and_crop(picture: Image.Image, rng: np.random.Generator, _: Image.Image) -> Image.Image:
    """RandomResizedCrop to the picture's own size, and a flip."""
    torch.manual_seed(int(rng.integers(2**31)))
    size = (picture.height, picture.width)
    crop = v2.RandomResizedCrop(size, scale=(0.5, 0.8), ratio=(0.8 * size[1] / size[0], 1.25 * size[1] / size[0]))
    return v2.functional.horizontal_flip(crop(picture))


MAKERS: dict[str, Maker] = {
    "flip + crop": _flip_and_crop,
    "colour jitter": _by(v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.5, hue=0.1)),
    "erasing 20–33%": _by(v2.RandomErasing(p=1.0, scale=(0.2, 0.33), value=0)),
    "random affine": _by(v2.RandomAffine(20, translate=(0.1, 0.1), scale=(0.8, 1.2), shear=10)),
    "perspective": _by(v2.RandomPerspective(0.3, p=1.0)),
    "posterize": _by(v2.RandomPosterize(3, p=1.0)),
    "equalize": _by(v2.RandomEqualize(p=1.0)),
    "auto augment": _by(v2.TrivialAugmentWide()),
}
