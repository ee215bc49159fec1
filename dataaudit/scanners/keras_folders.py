"""What Keras's ``image_dataset_from_directory`` loads from a dataset of class folders, told from the catalog alone.

From every sub-folder that is not hidden, and from all that lies in it, it loads whatever has one of five endings: hidden files,
files in hidden folders below, dangling links and pipes too (``iter_valid_files``, ``keras/src/utils/dataset_utils.py``, 3.15).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dataaudit.domain import Catalog

__all__ = ["KERAS_ENDINGS", "class_folder", "files_of_classes", "is_loaded"]

KERAS_ENDINGS: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
"""Endings that it loads, in any case."""
_UNREAD: Final = frozenset({"directory-link", "missing"})
"""Kinds of skipped entries that are no files, or not there."""


def class_folder(catalog: Catalog, path: str) -> str | None:
    """Return the folder that Keras would take for the class of a file; None where it takes none, or a hidden one."""
    depth = 1 if catalog.split_folders or catalog.layout.startswith("split/") else 0
    parts = path.split("/", depth + 1)
    if len(parts) < depth + 2 or parts[depth].startswith("."):
        return None
    return "/".join(parts[: depth + 1])


def is_loaded(catalog: Catalog, path: str) -> bool:
    """Whether Keras loads a file (or tries to): by its ending, and a class folder above it."""
    return path.lower().endswith(KERAS_ENDINGS) and class_folder(catalog, path) is not None


def files_of_classes(catalog: Catalog) -> Counter[str]:
    """Return how many files Keras loads from each class folder; what lies behind links to folders is not counted."""
    skipped = (entry.path for entry in catalog.skipped if entry.kind not in _UNREAD)
    folders = Counter([path.rpartition("/")[0] for path in (*catalog.paths, *skipped) if path.lower().endswith(KERAS_ENDINGS)])
    counts: Counter[str] = Counter()
    for folder, files in folders.items():  # the name of a file does not change its class
        if (of_class := class_folder(catalog, f"{folder}/" if folder else "")) is not None:
            counts[of_class] += files
    return counts
