"""Decode the 64 × 64 pictures below a directory to one array, for ``train.py`` and ``evaluate.py``.

python descriptor/pack.py tiny-imagenet-200/train PICTURES.npy
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 64


def pack(directory: Path, out: Path) -> None:
    """Write the JPEGs below ``directory``, ordered by path, as uint8 (n, SIZE, SIZE, 3)."""
    paths = sorted(directory.rglob("*.JPEG"), key=lambda path: path.as_posix())
    pictures = np.empty((len(paths), SIZE, SIZE, 3), np.uint8)
    for place, path in zip(pictures, paths, strict=True):
        with Image.open(path) as image:
            place[:] = image.convert("RGB")
    np.save(out, pictures)


def main() -> None:
    """Read the command line and pack."""
    parser = argparse.ArgumentParser(description="Pack pictures for training.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    pack(arguments.directory, arguments.out)


if __name__ == "__main__":
    main()
