"""Make copies with one library: ``python run.py LIBRARY JOB.json``, in the Python that has the library.

A job is a list of ``[family, source file, target without suffix, seed, another picture's file]``. The library's module stands
beside this file and has ``MAKERS``, a function by family: ``(picture, generator of random numbers, another picture) → the copy``,
a picture or the bytes of a file. A picture is written as JPEG of quality 90, or as PNG where it is tiny.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

JPEG_QUALITY = 90
TINY = 64
"""Short side, pixels, up to which a copy is written as PNG: eight-pixel JPEG blocks are no small change there."""


def write(copy: Image.Image | bytes, target: Path) -> None:
    """Write a copy beside nothing: ``target`` gets the suffix of what it is."""
    if isinstance(copy, bytes):
        target.with_suffix(".jpg" if copy.startswith(b"\xff\xd8") else ".png").write_bytes(copy)
    elif min(copy.size) <= TINY:
        copy.convert("RGB").save(target.with_suffix(".png"))
    else:
        copy.convert("RGB").save(target.with_suffix(".jpg"), quality=JPEG_QUALITY)


def main() -> None:
    """Make every copy of the job; a copy that fails ends it, with the family and the source in the message."""
    library, job = sys.argv[1:]
    makers = importlib.import_module(library).MAKERS
    for family, source, target, seed, other in json.loads(Path(job).read_text(encoding="utf-8")):
        with Image.open(source) as opened, Image.open(other) as opened_other:
            picture, another = opened.convert("RGB"), opened_other.convert("RGB")
        try:
            write(makers[family](picture, np.random.default_rng(seed), another), Path(target))
        except Exception as error:
            error.add_note(f"family {family!r}, source {source}")
            raise


if __name__ == "__main__":
    main()
