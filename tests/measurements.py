"""Measurements for the tests, built by hand: no file is read, no picture is made.

``make(rows, pairs)`` gives a consistent :class:`Measurements`: rows are put in path order, digests are equal exactly where
a pair says ``exact`` (or ``pixel``), components are those of the proved pairs, class folders follow from the paths.

    make(
        [("train/cat/1.jpg", "cat", "train"), ("val/cat/1.jpg", "cat", "val")],
        [("train/cat/1.jpg", "val/cat/1.jpg", "exact")],
    )
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.domain import (
    NONE,
    PROPERTY_NAMES,
    RELATIONS,
    ROLES,
    Catalog,
    ClassFolder,
    CopyGraph,
    CopyPair,
    Failure,
    FeatureTable,
    Measurements,
    Transform,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PAIR_DEFAULTS = {"exact": (1.0, 1.0), "pixel": (1.0, 1.0), "near": (0.98, 1.0), "transformed": (0.97, 1.0)}
"""Similarity and overlap of a pair of each relation where the test does not say."""


def rows_of(counts: Mapping[str | None, Mapping[str | None, int]]) -> list[tuple[str, str | None, str | None]]:
    """Return rows for ``{split: {label: samples}}``: ``train/cat/0007.jpg``, or ``cat/0007.jpg`` for split None."""
    return [
        ("/".join(part for part in (split, label, f"{number:04}.jpg") if part), label, split)
        for split, labels in counts.items()
        for label, samples in labels.items()
        for number in range(samples)
    ]


def folders_of(rows: Iterable[tuple]) -> tuple[ClassFolder, ...]:
    """Return the class folders that the labelled rows lie in, sorted by path."""
    found: dict[str, list] = {}
    for path, label, split, *_ in rows:
        if label is not None:
            found.setdefault(path.rsplit("/", 1)[0], [split, label, 0])[2] += 1
    return tuple(ClassFolder(path, split, label, images) for path, (split, label, images) in sorted(found.items()))


def make_catalog(rows: Sequence[tuple], *, folders: Iterable[ClassFolder] | None = None, **columns: object) -> Catalog:
    """Return a catalog of ``(path, label, split[, group])`` rows, in path order.

    ``folders`` is added to the class folders that the rows imply; ``columns`` replaces any field (``skipped=…``).
    """
    rows = sorted(((*row, None)[:4] for row in rows), key=lambda row: row[0].encode("utf-8", "surrogateescape"))
    classes = tuple(sorted({row[1] for row in rows} - {None}))
    groups = tuple(sorted({row[3] for row in rows} - {None}))
    split_layout = any(row[2] is not None for row in rows)
    fields: dict[str, object] = {
        "root": Path("/nowhere"),
        "layout": "split/class/file" if split_layout else "class/file",
        "labels_from": "folder names",
        "paths": tuple(row[0] for row in rows),
        "classes": classes,
        "groups": groups,
        "label_codes": np.array([NONE if row[1] is None else classes.index(row[1]) for row in rows], np.int32),
        "split_codes": np.array([NONE if row[2] is None else ROLES.index(row[2]) for row in rows], np.int8),
        "group_codes": np.array([NONE if row[3] is None else groups.index(row[3]) for row in rows], np.int32),
        "class_folders": tuple(sorted((*folders_of(rows), *(folders or ())), key=lambda folder: folder.path)),
        "split_folders": tuple(sorted({(row[0].split("/")[0], row[2]) for row in rows if row[2] is not None})),
    }
    return Catalog(**{**fields, **columns})


def make_pairs(catalog: Catalog, pairs: Iterable[tuple | CopyPair]) -> tuple[CopyPair, ...]:
    """Return pairs sorted by (a, b) from ``(path, path, relation[, verdict[, similarity[, transform]]])`` or CopyPairs."""
    row = {path: index for index, path in enumerate(catalog.paths)}
    made = []
    for pair in pairs:
        if isinstance(pair, CopyPair):
            made.append(pair)
            continue
        first, second, relation, *rest = pair
        verdict, similarity, transform = (*rest, *("proved", None, None)[len(rest) :])
        default, overlap = PAIR_DEFAULTS[relation]
        if transform is None:
            transform = Transform(mirrored=relation == "transformed")
        a, b = sorted((row[first], row[second]))
        made.append(CopyPair(a, b, relation, verdict, default if similarity is None else similarity, overlap, transform))
    return tuple(sorted(made, key=lambda pair: (pair.a, pair.b)))


def components(n: int, edges: Iterable[tuple[int, int]]) -> np.ndarray:
    """Return the smallest row of each row's component (the slow, obvious way)."""
    smallest = list(range(n))
    edges = list(edges)
    changed = True
    while changed:
        changed = False
        for a, b in edges:
            low = min(smallest[a], smallest[b])
            changed |= smallest[a] != low or smallest[b] != low
            smallest[a] = smallest[b] = low
    return np.array(smallest, np.int64)


def make_features(
    catalog: Catalog,
    pairs: Sequence[CopyPair] = (),
    *,
    failures: Mapping[str, Failure] | None = None,
    properties: Mapping[str, object] | None = None,
    **cells: Mapping[str, object],
) -> FeatureTable:
    """Return features: every file its own picture but for exact and pixel pairs; 96 × 72 RGB JPEG unless told.

    ``failures`` maps a path to its failure; ``properties`` maps a property's name to a column (n,) in path order; any other
    column takes ``{path: value}``: ``format={"train/cat/1.jpg": "TIFF"}``.
    """
    n = len(catalog)
    failed = [(failures or {}).get(path) for path in catalog.paths]
    closeness = [RELATIONS.index(pair.relation) for pair in pairs]
    same_bytes = components(n, [(pair.a, pair.b) for pair, rank in zip(pairs, closeness, strict=True) if rank == 0])
    same_pixels = components(n, [(pair.a, pair.b) for pair, rank in zip(pairs, closeness, strict=True) if rank <= 1])
    digests = [hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest() for path in catalog.paths]
    words = np.array([np.frombuffer(digest, ">u8") for digest in digests], np.uint64).reshape(n, 4)
    rng = np.random.default_rng(0)
    table = rng.normal(100, 15, (n, len(PROPERTY_NAMES))).astype(np.float32)
    for name, constant in (("aspect", 96 / 72), ("megapixels", 96 * 72 / 1e6)):
        table[:, PROPERTY_NAMES.index(name)] = constant
    for name, column in (properties or {}).items():
        table[:, PROPERTY_NAMES.index(name)] = column
    columns: dict[str, np.ndarray] = {
        "sha256": words[same_bytes],
        "pixel_digest": words[same_pixels, 3],
        "phash64": rng.integers(0, 2**64, (n, 8), np.uint64),
        "phash256": rng.integers(0, 2**64, (n, 8, 4), np.uint64),
        "edge_hashes": np.zeros((n, 4), np.uint64),
        "descriptor": np.random.default_rng(1).normal(0, 128**-0.5, (n, 128)).astype(np.float16),
        "inner_descriptor": np.zeros((n, 128), np.float16),
        "keypoints": np.repeat(np.random.default_rng(4).integers(1, 240, (1, 80, 18), np.uint8), n, axis=0),
        "properties": table,
        "width": np.full(n, 96, np.int32),
        "height": np.full(n, 72, np.int32),
        "file_bytes": np.full(n, 5_000, np.int64),
        "format": np.full(n, "JPEG", "<U5"),
        "mode": np.full(n, "RGB", "<U8"),
        "exif_orientation": np.zeros(n, np.uint8),
        "frames": np.ones(n, np.int32),
        "jpeg_coding": np.ones(n, np.uint64),
        "jpeg_quality": np.full(n, 90, np.uint8),
        "camera": np.zeros(n, "S32"),
        "taken": np.zeros(n, np.int64),
        "colours": np.random.default_rng(2).integers(0, 256, (n, 17, 3), np.uint8),
        "edge_spread": np.random.default_rng(3).integers(0, 60, (n, 8), np.uint8),
        "loader": np.ones(n, np.uint8),
        "trailing": np.zeros(n, np.int64),
        "zeroed": np.zeros(n, np.int64),
        "strict": np.zeros(n, np.uint8),
    }
    for name, values in cells.items():
        for path, value in values.items():
            columns[name][catalog.paths.index(path)] = value
    for row, failure in enumerate(failed):
        if failure is not None:
            for name, column in columns.items():
                if name != "sha256":
                    column[row] = np.nan if name == "properties" else column.dtype.type()
    return FeatureTable(**columns, failures=tuple(failed))


def make(
    rows: Sequence[tuple],
    pairs: Iterable[tuple | CopyPair] = (),
    *,
    not_compared: Iterable[str] = (),
    folders: Iterable[ClassFolder] | None = None,
    catalog: Mapping[str, object] | None = None,
    **features: object,
) -> Measurements:
    """Return measurements of ``(path, label, split[, group])`` rows and ``(path, path, relation, …)`` pairs.

    ``catalog`` replaces fields of the catalog, ``folders`` adds class folders; all else goes to :func:`make_features`.
    """
    found = make_catalog(rows, folders=folders, **(catalog or {}))
    related = make_pairs(found, pairs)
    joined = components(len(found), [(pair.a, pair.b) for pair in related if pair.verdict == "proved"])
    flat = np.isin(np.array(found.paths), list(not_compared)) if len(found) else np.zeros(0, bool)
    return Measurements(found, make_features(found, related, **features), CopyGraph(related, joined, flat))
