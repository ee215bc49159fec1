"""Pictures for the tests: photo-like, cheap, deterministic, each seed unlike every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


def photo(seed: int, size: tuple[int, int] = (96, 72), mean: float = 128.0) -> Image.Image:
    """Return an RGB picture of ``size`` (width, height) with a photo's 1/f spectrum and its own edges and colours."""
    rng = np.random.default_rng(seed)
    width, height = size
    fx, fy = np.fft.rfftfreq(width)[None, :], np.fft.fftfreq(height)[:, None]
    amplitude = 1.0 / np.maximum(np.hypot(fx, fy), 1.0 / max(size)) ** 1.3
    luma = np.fft.irfft2(amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape)), s=(height, width))
    luma = (luma - luma.mean()) / luma.std() * 40.0
    y, x = np.mgrid[:height, :width]
    for _ in range(4):  # hard edges, as objects have
        cx, cy, r = rng.random() * width, rng.random() * height, (0.1 + 0.25 * rng.random()) * min(size)
        luma = np.where(np.hypot(x - cx, (y - cy) * (0.6 + rng.random())) < r, luma + rng.normal(0, 45), luma)
    tint = rng.normal(0, 18, 3)
    chroma = rng.normal(0, 0.25, 3)
    rgb = mean + luma[..., None] * (1 + chroma) + tint
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8), "RGB")


def save(picture: Image.Image, path: Path, **options: object) -> Path:
    """Write ``picture`` to ``path``, making its folders; the format follows the ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path
