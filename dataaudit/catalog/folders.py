"""Splits and labels from folder names: ``split/class/file``, or ``class/file``.

A top folder is a split only if *every* top folder that holds images has the name of a role; otherwise the top folders
are classes (a class may well be called ``test``). The class is the first folder below the split; what lies deeper
belongs to it, as Keras's ``image_dataset_from_directory`` has it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dataaudit.catalog.walk import is_image_name
from dataaudit.domain import ROLES, ClassFolder, Role, Skipped
from dataaudit.errors import LayoutError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dataaudit.catalog.walk import Tree

__all__ = ["ROLE_NAMES", "Place", "Placement", "Roles", "check_not_wrapped", "class_folders", "place"]

_STEMS: Final[dict[Role, tuple[str, ...]]] = {
    "train": ("train", "training", "trn", "tr"),
    "val": ("val", "valid", "validation", "validate", "dev", "development", "eval", "evaluation"),
    "test": ("test", "testing", "tst", "te", "holdout"),
}
_SUFFIXES: Final = ("", "set", "data", "dataset", "split", "images", "imgs")
ROLE_NAMES: Final[dict[str, Role]] = {
    stem + suffix: role for role, stems in _STEMS.items() for stem in stems for suffix in _SUFFIXES
}
"""Folder names that are roles, in lower case, without spaces, ``_`` and ``-``: ``Hold-out`` is ``holdout``."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Which name means which role: the table of names, and what the user said."""

    given: Mapping[str, Role]

    @staticmethod
    def of(given: Mapping[str, str]) -> Roles:
        """Check what ``--role NAME=train|val|test`` said.

        Raises:
            UsageError: if a role is not train, val or test.
        """
        checked: dict[str, Role] = {}
        for name, value in given.items():
            role = next((role for role in ROLES if role == value), None)
            if role is None:
                message = f"--role {name}={value}: {value!r} is no role. Expected one of {', '.join(ROLES)}."
                raise UsageError(message)
            checked[name.casefold()] = role
        return Roles(checked)

    def role(self, name: str) -> Role | None:
        """Return the role that a folder's name (or a manifest's split) means, in any case; None for any other name."""
        return self.given.get(name.casefold()) or ROLE_NAMES.get(re.sub(r"[\s_-]+", "", name.casefold()))

    def check_used(self, names: Iterable[str]) -> None:
        """Refuse a ``--role`` for a name that the dataset has not: most likely a slip of the pen.

        Raises:
            UsageError: if a given name is not among ``names``.
        """
        found = sorted(set(names))
        unused = sorted(set(self.given) - {name.casefold() for name in found})
        if unused:
            message = f"--role {unused[0]}=…: the dataset has no such split folder or split. Found: {_some(found)}."
            raise UsageError(message)


@dataclass(frozen=True, slots=True)
class Place:
    """What a layout says of a file."""

    label: str | None
    role: Role | None


@dataclass(frozen=True, slots=True)
class Placement:
    """What a layout says of every file."""

    layout: str
    labels_from: str
    places: dict[str, Place]
    """By path; the samples, in no order."""
    groups: dict[str, str] = field(default_factory=dict)
    """Group keys by path, where the layout names some."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path, where the layout's table has a column ``sha256``."""
    skipped: tuple[Skipped, ...] = ()
    split_folders: tuple[tuple[str, Role], ...] = ()
    split_values: frozenset[str] = frozenset()
    """The values of a ``split`` column."""


def place(images: Iterable[str], folders: Iterable[str], roles: Roles) -> Placement:
    """Infer splits and labels from folder names.

    Args:
        images: Paths of the files with an image's name.
        folders: Paths of all folders, so that split folders without images are known too.
        roles: The names of roles.

    Returns:
        The placement; images at the top, outside all folders, are in ``skipped``.
    """
    images = list(images)
    folder_of = [path.rpartition("/")[0] for path in images]
    tops = sorted({folder.partition("/")[0] for folder in set(folder_of) if folder})
    by_name = {top: roles.role(top) for top in {*tops, *(folder for folder in folders if "/" not in folder)}}
    strangers = [top for top in tops if by_name[top] is None]
    is_split = bool(tops) and not strangers
    known: dict[str, Place] = {}  # one object a folder, not one a file
    places: dict[str, Place] = {}
    skipped = []
    for path, folder in zip(images, folder_of, strict=True):
        there = known.get(folder)
        if there is None:
            if not folder:
                skipped.append(Skipped(path, "outside-layout", _STRAY.format("split folder" if is_split else "class folder")))
                continue
            top, *rest = folder.split("/", 2)
            label = (rest[0] if rest else None) if is_split else top
            there = known[folder] = Place(label, by_name[top] if is_split else None)
        places[path] = there
    split_folders = tuple((top, role) for top, role in sorted(by_name.items()) if role is not None) if is_split else ()
    labelled = any(there.label is not None for there in known.values())
    return Placement(
        layout="split/class/file" if is_split else "class/file",
        labels_from=("folder names" if labelled else "nothing: images lie directly in the split folders")
        + (_doubt(tops, by_name) or _wrapping(images, is_split=is_split)),
        places=places,
        skipped=tuple(skipped),
        split_folders=split_folders,
    )


_STRAY: Final = (
    "an image at the top of the dataset, beside the folders; no folder says what it is. "
    "Move it into a {}, or list it in a manifest (--manifest)"
)


def _doubt(tops: list[str], roles: Mapping[str, Role | None]) -> str:
    """Return what a person should know where some top folders have the names of splits and others have not."""
    splits = [top for top in tops if roles[top] is not None]
    strangers = [top for top in tops if roles[top] is None]
    if not splits or not strangers:
        return ""
    return (
        f" ({_some(splits)} may be meant as splits, but {_some(strangers)} hold{'s' if len(strangers) == 1 else ''} images too, "
        f"so every top folder is a class; if they are splits, name the others, --role NAME=train|val|test, or move them away)"
    )


def _wrapping(images: list[str], *, is_split: bool) -> str:
    """Return what a person should know where the one class looks like a folder around all classes."""
    if is_split or len({path.partition("/")[0] for path in images}) != 1:
        return ""
    inner = sorted({path.split("/", 2)[1] if path.count("/") > 1 else "" for path in images})
    if len(inner) == 1 or "" in inner:
        return ""
    top = images[0].partition("/")[0]
    return f" (all images lie in {top!r}; if the folders in it, {_some(inner)}, are the classes, give that folder instead)"


def check_not_wrapped(placement: Placement, roles: Roles) -> None:
    """Refuse a dataset whose splits lie one folder deeper, as archives unpack: the splits would pass for classes.

    Raises:
        LayoutError: if all images lie in one top folder, and all its folders that hold images have names of roles.
    """
    tops = {path.partition("/")[0] for path in placement.places}
    if len(tops) != 1 or placement.layout != "class/file":
        return
    inner = {path.split("/", 2)[1] if path.count("/") > 1 else "" for path in placement.places}
    if len(inner) > 1 and all(roles.role(name) for name in inner):
        (top,) = tops
        message = (
            f"All images lie in {top!r}, and the splits {_some(sorted(inner))} in that. Give that folder instead: DATASET/{top}."
        )
        raise LayoutError(message)


def class_folders(tree: Tree, placement: Placement) -> tuple[ClassFolder, ...]:
    """List what Keras would take for classes: all non-hidden folders and links to folders in each split (or the dataset).

    Hidden folders and other phantoms are listed too.

    Phantoms count the files with an image's name in them, all others their samples.
    """
    holders: dict[str, Role | None] = dict(placement.split_folders) if placement.split_folders else {"": None}
    depth = 1 if placement.split_folders else 0
    counts: Counter[str] = Counter()
    for folder, files in Counter([path.rpartition("/")[0] for path in placement.places]).items():
        counts["/".join(folder.split("/", depth + 1)[: depth + 1])] += files
    inside = ("/".join(entry.path.split("/", depth + 1)[: depth + 1]) for entry in tree.skipped if is_image_name(entry.path))
    phantom_counts = Counter(inside)
    walked = set(tree.folders)
    linked = tuple(path for path in tree.folder_links if path not in walked)
    found = [
        ClassFolder(path, holders[holder], name, phantom_counts[path] if phantom else counts[path], phantom, path in linked)
        for paths, phantom in ((tree.folders, False), (linked, False), (tree.phantoms, True))
        for path in paths
        for holder, _, name in (path.rpartition("/"),)
        if holder in holders
    ]
    return tuple(sorted(found, key=lambda folder: os.fsencode(folder.path)))


def _some(names: list[str], limit: int = 5) -> str:
    """Return names in quotes, the first few of many."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(map(repr, names[:limit])) or "none") + more
