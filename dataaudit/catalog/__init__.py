"""FIND: a dataset's folder becomes a :class:`~dataaudit.domain.Catalog`. Nothing but tables is opened."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.catalog.declared_groups import ByColumn, ByFile, GroupBy, group_keys, parse_group_by
from dataaudit.catalog.folders import Placement, Roles, check_not_wrapped, class_folders, place
from dataaudit.catalog.hashes import hash_list, read_hashes
from dataaudit.catalog.keras_split import split_as_keras
from dataaudit.catalog.manifest import METADATA_NAMES, find_manifest, find_metadata, overlay, place_listed
from dataaudit.catalog.unsupported import check_supported
from dataaudit.catalog.walk import IMAGE_ENDINGS, Tree, by_bytes, walk_tree
from dataaudit.domain import NONE, ROLES, Catalog, Skipped
from dataaudit.errors import LayoutError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dataaudit.config import Config
    from dataaudit.domain import HashList

__all__ = ["find"]

_EXPECTED = (
    "Expected DATASET/train|val|test/CLASS/image.jpg, DATASET/CLASS/image.jpg, a manifest "
    "(--manifest FILE with the columns path,label[,split][,group]) or Hugging Face's metadata.csv (file_name,label); "
    f"image names end in {' '.join(IMAGE_ENDINGS)}."
)


def find(dataset: Path, config: Config) -> Catalog:
    """List the images of a dataset, with what its layout says of each: label, split, declared group.

    Args:
        dataset: The dataset's folder.
        config: ``manifest``, ``group_by``, ``roles`` and ``follow_links`` are read.

    Returns:
        The catalog; whatever is no sample is in its ``skipped``.

    Raises:
        LayoutError: if there is no such folder, no image, or data that is not supported.
        ManifestError: if a table cannot be read or contradicts itself or the dataset.
        UsageError: if an option cannot be honoured.
    """
    roles = Roles.of(config.roles)
    group_by = parse_group_by(config.group_by)
    root = _root(dataset)
    tree = walk_tree(str(root), follow_links=config.follow_links)
    placement, read = _place(root, tree, roles, config, group_by)
    drawn = None
    if config.keras_split is not None:
        placement, drawn = split_as_keras(placement, str(root), config.keras_split, config.seed)
    if not placement.places:
        raise LayoutError(_nothing_found(dataset, tree, placement))
    if isinstance(group_by, ByFile):
        read |= _within(root, group_by.table)
    if config.manifest_hashes is not None:
        read |= _within(root, find_manifest(root, config.manifest_hashes))
    paths = by_bytes(placement.places)
    keys = group_keys(group_by, paths, placement.groups)
    skipped = sorted((*tree.skipped, *placement.skipped, *_not_images(tree, read)), key=lambda entry: os.fsencode(entry.path))
    hashes = _hashes(root, tree, placement, config, paths)
    return replace(_catalog(root, tree, placement, paths, keys, skipped), keras_split=drawn, hashes=hashes)


def _hashes(root: Path, tree: Tree, placement: Placement, config: Config, paths: list[str]) -> HashList | None:
    """Return the digests of ``--manifest-hashes``; else those that the manifest itself holds, as a plan's does."""
    given = config.manifest_hashes
    if given is not None:
        return hash_list(given, read_hashes(find_manifest(root, given), given), paths, tree.files)
    if config.manifest is None or not placement.digests:
        return None
    return hash_list(config.manifest, placement.digests, paths, tree.files)


def _root(dataset: Path) -> Path:
    try:
        root = dataset.resolve(strict=True)
        with os.scandir(root):
            return root
    except NotADirectoryError as error:
        message = f"{dataset}: is a file, not a folder. Give the dataset's folder (unpack it first, if it is an archive)."
        raise LayoutError(message) from error
    except (OSError, RuntimeError) as error:
        message = (
            f"{dataset}: cannot be listed ({getattr(error, 'strerror', None) or error}). Expected a dataset's folder. {_EXPECTED}"
        )
        raise LayoutError(message) from error


def _place(root: Path, tree: Tree, roles: Roles, config: Config, group_by: GroupBy | None) -> tuple[Placement, set[str]]:
    """Return what the layout says of the images, and the tables of the dataset that were read for it."""
    column = group_by.column if isinstance(group_by, ByColumn) else None
    tops = {folder for folder in tree.folders if "/" not in folder}
    if config.manifest is not None:
        table = find_manifest(root, config.manifest)
        placement = place_listed(table, config.manifest, tree, roles, column)
        roles.check_used({*tops, *placement.split_values})
        return placement, _within(root, table)
    metadata = find_metadata(root, tree, roles)
    if column is not None and not metadata:
        message = f"--group-by column:{column}: there is no manifest or metadata to have columns. Give --manifest FILE."
        raise UsageError(message)
    placement = place(tree.images, tree.folders, roles)
    if metadata:
        placement = overlay(placement, metadata, root, tree, roles, column)
    if placement.layout != "metadata":
        check_supported(tree)
        check_not_wrapped(placement, roles)
    roles.check_used({*tops, *placement.split_values})
    return placement, {table.path for table in metadata}


def _within(root: Path, table: Path) -> set[str]:
    """Return a table's path as the walk writes it, where it lies in the dataset."""
    real = table.resolve()
    return {real.relative_to(root).as_posix()} if real.is_relative_to(root) else set()


def _not_images(tree: Tree, read: Iterable[str]) -> Iterable[Skipped]:
    """Yield the files that have no image's name, but for the tables that were read."""
    tables = frozenset(read)
    for path in tree.others:
        if path in tables:
            continue
        if path.rpartition("/")[2] in METADATA_NAMES:
            reason = "not read: metadata counts at the top or in a split folder, with a column 'file_name', without --manifest"
        else:
            reason = "its name does not end as an image's"
        yield Skipped(path, "not-an-image", reason)


def _nothing_found(dataset: Path, tree: Tree, placement: Placement) -> str:
    """Return what to say of a dataset without samples: what was found instead, and what was expected."""
    images = len(tree.images)
    if images and placement.layout.endswith("class/file"):
        found = f"{images} images lie directly in it, and none in a class folder, so nothing says what they show"
    elif images:
        found = f"has {images} images, but the {placement.layout} leaves none of them in"
    else:
        endings = Counter(os.path.splitext(path)[1].lower() or "no ending" for path in tree.files)  # noqa: PTH122 - strings
        kinds = Counter(entry.kind for entry in tree.skipped)
        told = [f"{count} × {name}" for name, count in (*endings.most_common(5), *kinds.most_common(5))]
        found = f"has no images; found {', '.join(told) if told else 'nothing at all'}"
        if kinds["directory-link"]:
            found += " (linked folders are followed with --follow-links)"
    return f"{dataset}: {found}. {_EXPECTED}"


def _catalog(
    root: Path, tree: Tree, placement: Placement, paths: list[str], keys: list[str | None], skipped: Iterable[Skipped]
) -> Catalog:
    places = [placement.places[path] for path in paths]
    classes = tuple(sorted({there.label for there in set(places) if there.label is not None}))
    groups = tuple(sorted({key for key in keys if key is not None}))
    label_of = {name: code for code, name in enumerate(classes)}
    group_of = {key: code for code, key in enumerate(groups)}
    by_folders = placement.layout.endswith("class/file")
    return Catalog(
        root=root,
        layout=placement.layout,
        labels_from=placement.labels_from,
        paths=tuple(paths),
        classes=classes,
        groups=groups,
        label_codes=np.array([NONE if there.label is None else label_of[there.label] for there in places], np.int32),
        split_codes=np.array([NONE if there.role is None else ROLES.index(there.role) for there in places], np.int8),
        group_codes=np.array([NONE if key is None else group_of[key] for key in keys], np.int32),
        skipped=tuple(skipped),
        class_folders=class_folders(tree, placement) if by_folders else (),
        split_folders=placement.split_folders,
        outside_links=tuple(path for path in tree.outside_links if path in placement.places),
    )
