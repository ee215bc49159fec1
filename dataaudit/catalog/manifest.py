"""Splits, labels and groups from a table: our manifest, or Hugging Face's ``metadata.csv|jsonl``.

A manifest decides alone: what it does not list is no sample. Metadata covers the folder it lies in (the dataset, or a
split folder); where it has no ``label`` column, labels still come from folder names and only its groups are read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dataaudit.catalog import tables
from dataaudit.catalog.folders import Place, Placement
from dataaudit.catalog.hashes import checked
from dataaudit.domain import Role, Skipped
from dataaudit.errors import LayoutError, ManifestError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from dataaudit.catalog.folders import Roles
    from dataaudit.catalog.walk import Tree

__all__ = ["METADATA_NAMES", "Metadata", "find_manifest", "find_metadata", "overlay", "place_listed"]

METADATA_NAMES: Final = ("metadata.csv", "metadata.jsonl")
_BOXES: Final = frozenset({"objects", "bbox", "bboxes", "boxes", "annotations"})


@dataclass(slots=True)
class _Listing:
    """What the tables read so far list; lines are kept so that a path listed twice is told with both."""

    places: dict[str, Place] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    lines: dict[str, tuple[str, int]] = field(default_factory=dict)
    left_out: list[Skipped] = field(default_factory=list)
    splits: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Metadata:
    """A Hugging Face metadata table that was found."""

    path: str
    """Relative to the dataset."""
    labelled: bool

    @property
    def prefix(self) -> str:
        """What the paths it covers begin with: empty, or ``train/``."""
        return self.path[: -len(self.path.rpartition("/")[2])]


def find_manifest(root: Path, given: str) -> Path:
    """Return where a manifest is: relative to the dataset, or else to the working directory.

    Raises:
        ManifestError: if it is in neither.
        UsageError: if two different files are meant.
    """
    places = [place for place in (root / given, Path.cwd() / given) if place.is_file()]
    if not places:
        message = f"{given}: no such manifest, neither in the dataset nor in the working directory."
        raise ManifestError(message)
    if len(places) > 1 and not places[0].samefile(places[1]):
        message = f"--manifest {given}: there is one in the dataset and another in the working directory. Give its absolute path."
        raise UsageError(message)
    return places[0]


def place_listed(table: Path, given: str, tree: Tree, roles: Roles, group_column: str | None) -> Placement:
    """Read a manifest and place what it lists.

    Args:
        table: Where it is.
        given: What the user called it.
        tree: The walk, which tells why a listed file is no sample.
        roles: What the ``split`` column's values mean.
        group_column: The column of group keys; None: ``group``, if there is one.

    Returns:
        The placement.

    Raises:
        ManifestError: for a table that cannot be read or contradicts itself, or if none of its files exist.
        LayoutError: for a path with two labels.
    """
    listing = _Listing()
    known = set(tree.images)
    plan = {"split", "reason"} <= set(tables.columns(table, given))
    _read(listing, _Source(table, given, "path", "", labelled=True, plan=plan, group_column=group_column), known, roles)
    name = table.name
    places = {path: there for path, there in listing.places.items() if path in known}
    if listing.places and not places:
        example = next(iter(listing.places))
        message = (
            f"{given}: none of the {len(listing.places)} files it lists is an image of the dataset; the first is {example!r}"
            f"{f', the dataset has {tree.images[0]!r}' if tree.images else ''}. Its paths must be relative to the dataset."
        )
        raise ManifestError(message)
    skipped = [*listing.left_out, *_missing(listing, tree, known)]
    skipped += [Skipped(path, "not-in-manifest", f"{name} does not list it") for path in tree.images if path not in listing.lines]
    return Placement(
        layout="manifest",
        labels_from=f"column 'label' of {name}",
        places=places,
        groups=listing.groups,
        digests=listing.digests,
        skipped=tuple(skipped),
        split_values=frozenset(listing.splits),
    )


def find_metadata(root: Path, tree: Tree, roles: Roles) -> tuple[Metadata, ...]:
    """Return the Hugging Face metadata at the top and in the split folders; a table without ``file_name`` is none.

    Raises:
        ManifestError: if a table cannot be read, or a folder has two.
        LayoutError: if a table holds boxes and no labels.
    """
    found: list[Metadata] = []
    for path in tree.others:
        folder, _, name = path.rpartition("/")
        if name not in METADATA_NAMES or "/" in folder or (folder and roles.role(folder) is None):
            continue
        columns = tables.columns(root / path, path)
        if "file_name" not in columns:
            continue
        if "label" not in columns and (boxes := sorted(_BOXES & set(columns))):
            message = f"{path}: has a column {boxes[0]!r} and no column 'label': detection data is not supported."
            raise LayoutError(message)
        if found and found[-1].path.rpartition("/")[0] == folder:
            message = f"{path}: {found[-1].path} lies beside it. Expected one of them; remove one, or give it with --manifest."
            raise ManifestError(message)
        found.append(Metadata(path, "label" in columns))
    return tuple(found)


def overlay(
    by_folders: Placement,
    metadata: Sequence[Metadata],
    root: Path,
    tree: Tree,
    roles: Roles,
    column: str | None,
) -> Placement:
    """Lay metadata over what the folder names say: its labels count, and what it covers and does not list is no sample.

    Args:
        by_folders: What the folder names say.
        metadata: What :func:`find_metadata` found.
        root: The dataset.
        tree: The walk.
        roles: What a ``split`` column's values mean; where a folder is a split, the folder counts.
        column: The column of group keys; None: ``group``, if there is one.

    Raises:
        ManifestError: for a table that cannot be read or contradicts itself.
        LayoutError: for a path with two labels.
    """
    listing = _Listing()
    known = set(tree.images)
    for table in metadata:
        source = _Source(root / table.path, table.path, "file_name", table.prefix, labelled=table.labelled, group_column=column)
        _read(listing, source, known, roles)
    missing = tuple(_missing(listing, tree, known))
    labelled = {table.prefix for table in metadata if table.labelled}
    if not labelled:
        doubt = f" ({metadata[0].path} has no column 'label')"
        skipped = (*by_folders.skipped, *missing)
        return replace(by_folders, groups=listing.groups, skipped=skipped, labels_from=by_folders.labels_from + doubt)
    places, unlisted = _covered(by_folders, listing, labelled, tree.images)
    names = sorted({table.path.rpartition("/")[2] for table in metadata if table.labelled})
    others = any(path not in listing.places for path in places)
    return Placement(
        layout="metadata",
        labels_from=f"column 'label' of {' and '.join(names)}" + (", elsewhere folder names" if others else ""),
        places=places,
        groups=listing.groups,
        skipped=(*missing, *unlisted, *(() if "" in labelled else by_folders.skipped)),
        split_folders=by_folders.split_folders,
        split_values=frozenset(listing.splits),
    )


def _covered(
    by_folders: Placement, listing: _Listing, labelled: AbstractSet[str], images: Sequence[str]
) -> tuple[dict[str, Place], list[Skipped]]:
    """Return the samples, and the images that labelled metadata covers and does not list.

    Args:
        by_folders: What the folder names say.
        listing: What the metadata says.
        labelled: What the paths that labelled metadata covers begin with.
        images: Paths of the files with an image's name.
    """
    role_of_top = dict(by_folders.split_folders)
    places: dict[str, Place] = {}
    unlisted = []
    for path in images:
        top = path.partition("/")[0] if "/" in path else ""
        if "" not in labelled and f"{top}/" not in labelled:
            if path in by_folders.places:
                places[path] = by_folders.places[path]
        elif path in listing.places:
            listed = listing.places[path]
            places[path] = Place(listed.label, role_of_top.get(top) or listed.role)
        else:
            unlisted.append(Skipped(path, "not-in-manifest", "the metadata of its folder does not list it"))
    return places, unlisted


@dataclass(frozen=True, slots=True)
class _Source:
    """A table to read, and how."""

    table: Path
    name: str
    path_column: str
    prefix: str
    labelled: bool
    group_column: str | None
    plan: bool = False
    """Whether it has our plan's columns: a row without a split, but with a reason, is left out."""


def _read(listing: _Listing, source: _Source, known: AbstractSet[str], roles: Roles) -> None:
    """Add the rows of a table to ``listing``."""
    required = (
        source.path_column,
        *(["label"] if source.labelled else []),
        *([source.group_column] if source.group_column else []),
    )
    optional = ("split", "reason", "sha256", *([] if source.group_column else ["group"]))
    shared: dict[tuple[str | None, str | None], Place] = {}  # one object a class and split, not one a row
    for line, cells in tables.rows(source.table, source.name, required, optional):
        where = f"{source.name}, line {line}"
        by_column = dict(zip((*required, *optional), cells, strict=True))
        path = _path(by_column[source.path_column], source.prefix, where, known)
        label, split = by_column.get("label", ""), tables.key_of(by_column["split"], where, "split")
        if isinstance(label, (list, dict)):
            message = f"{where}: the label of {path!r} is a list or an object. Multi-label and detection data are not supported."
            raise LayoutError(message)
        key = (tables.key_of(label, where, "label"), split)
        if key not in shared:
            shared[key] = Place(key[0], _role(split, where, roles))
        _check_once(listing, path, shared[key], source.name, line)
        if split is not None:
            listing.splits.add(split)
        reason = tables.key_of(by_column["reason"], where, "reason") if source.plan else None
        group_column = source.group_column or "group"
        group = tables.key_of(by_column[group_column], where, group_column)
        listing.lines[path] = (source.name, line)
        if group is not None:
            listing.groups[path] = group
        if by_column["sha256"]:
            listing.digests[path] = checked(str(by_column["sha256"]), where)
        if source.plan and split is None and reason is not None:
            listing.left_out.append(Skipped(path, "left-out", f"left out by {source.table.name}: {reason}"))
        else:
            listing.places[path] = shared[key]


def _path(cell: tables.Cell, prefix: str, where: str, known: AbstractSet[str]) -> str:
    path = prefix + tables.normalised(cell, where)
    if "\\" in path and path not in known:  # written on Windows
        slashed = prefix + tables.normalised(path[len(prefix) :].replace("\\", "/"), where)
        return slashed if slashed in known else path
    return path


def _role(split: str | None, where: str, roles: Roles) -> Role | None:
    role = None if split is None else roles.role(split)
    if split is not None and role is None:
        message = f"{where}: the split {split!r} is unknown. Expected train, val or test; or say --role {split}=train|val|test."
        raise ManifestError(message)
    return role


def _check_once(listing: _Listing, path: str, there: Place, name: str, line: int) -> None:
    if path not in listing.lines:
        return
    first_name, first_line = listing.lines[path]
    before = listing.places.get(path)
    both = f"line {first_line}" if first_name == name else f"{first_name}, line {first_line},"
    if before is not None and before.label != there.label:
        message = (
            f"{name}, line {line}: {path!r} has the label {there.label!r}; {both} says {before.label!r}. "
            "Multi-label data is not supported: expected one label a file."
        )
        raise LayoutError(message)
    message = f"{name}, line {line}: {path!r} is listed already by {both}. Expected each file once."
    raise ManifestError(message)


def _missing(listing: _Listing, tree: Tree, known: AbstractSet[str]) -> Iterable[Skipped]:
    """Yield what is listed and neither a sample nor told by the walk or as not an image."""
    absent = [path for path in listing.places if path not in known]
    if not absent:
        return
    told: Mapping[str, Skipped] = {entry.path: entry for entry in tree.skipped}
    there = set(tree.files)
    for path in absent:
        if path in told or path in there:
            continue
        name, line = listing.lines[path]
        where = f"listed by {os.path.basename(name)}, line {line}"  # noqa: PTH119 - a name of the user's, not a Path
        above = _above(path, told)
        if above is None:
            yield Skipped(path, "missing", f"{where}; the dataset has no such file")
        else:
            yield Skipped(path, above.kind, f"{where}; not looked at, for {above.path!r} is skipped: {above.reason}")


def _above(path: str, told: Mapping[str, Skipped]) -> Skipped | None:
    """Return the skipped folder that a path lies in, if any."""
    folder = path
    while folder := folder.rpartition("/")[0]:
        if folder in told:
            return told[folder]
    return None
