"""Data that is no single-label classification: told by the names of its files, only where they are unmistakable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dataaudit.catalog.walk import IMAGE_ENDINGS
from dataaudit.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataaudit.catalog.walk import Tree

__all__ = ["check_supported"]

_PICTURES: Final = ("images", "jpegimages")
_BESIDE: Final = (
    ("labels", (".txt",), "YOLO boxes"),
    ("annotations", (".xml",), "Pascal VOC boxes"),
    ("masks", IMAGE_ENDINGS, "segmentation masks"),
)
"""A folder beside ``images``, the endings of the files in it, and what they are."""
_COCO: Final = re.compile(
    r"(^|/)(annotations/(instances|person_keypoints|captions|panoptic|stuff)_[^/]*|[^/]*\.coco)\.json$", re.IGNORECASE
)


def check_supported(tree: Tree) -> None:
    """Refuse detection and segmentation data: its folders would pass for classes, and every finding would be nonsense.

    Data is refused for COCO files, or for a folder beside the pictures' folder in which at least half of the files
    bear a picture's name: ``images/a.jpg`` and ``labels/a.txt``.

    Raises:
        LayoutError: for such data; it names the kind and an example.
    """
    coco = next((path for path in tree.others if path.lower().endswith(".json") and _COCO.search(path)), None)
    if coco is not None:
        _refuse("COCO annotations", coco)
    folders = {part for folder in tree.folders for part in folder.lower().split("/")}
    if not folders.intersection(_PICTURES):
        return
    pictures = {stem for path in tree.images for stem in _stems(path, _PICTURES)}
    for name, endings, what in _BESIDE:
        if name not in folders:
            continue
        notes = [path for path in tree.files if path.lower().endswith(endings) and f"/{name}/" in f"/{path.lower()}"]
        paired = [path for path in notes if not pictures.isdisjoint(_stems(path, (name,)))]
        if paired and 2 * len(paired) >= len(notes):
            _refuse(what, paired[0])


def _stems(path: str, names: tuple[str, ...]) -> Iterable[str]:
    """Yield the path in lower case, without its ending, each folder of one of ``names`` replaced by ``*`` in turn."""
    parts = path.lower().rpartition(".")[0].split("/")
    for index, part in enumerate(parts[:-1]):
        if part in names:
            yield "/".join([*parts[:index], "*", *parts[index + 1 :]])


def _refuse(what: str, example: str) -> None:
    message = (
        f"This looks like detection or segmentation data ({what}, such as {example!r}), which is not supported: dataaudit reads "
        "one label an image. For labels of your own, list the images in a manifest (--manifest FILE: path,label[,split][,group])."
    )
    raise LayoutError(message)
