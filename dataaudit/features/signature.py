"""The index: what a dataset's pictures are known by, without the pictures. One file, to be committed or handed on.

The file (version 1; numbers little-endian, digests as the bytes they are) is the same bytes for the same dataset:

==================  ==============================================================================================
first line          ``dataaudit-index 1``
one line of JSON    ``images`` (n), ``classes``, ``groups``, ``feature_version``, ``descriptor`` (of the network)
paths               for each, in the order of their bytes: bytes shared with the one before (1), length of the rest (2), the rest
columns             each for all images: SHA-256 (32), pixel digest (8), perceptual hash of 64 bits (8) and 256 bits (32), copy
                    descriptor in steps of 1/127 (128), contrast as a half float (2), width and height (4, 4), label, split
                    and group code (4, 1, 4), whether it was readable (1)
SHA-256             of all before it
==================  ==============================================================================================
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dataaudit.domain import NONE
from dataaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataaudit.domain import Catalog, FeatureTable

__all__ = ["MAGIC", "Signature"]

MAGIC: Final = b"dataaudit-index 1\n"
_STEP: Final = 127.0
_COLUMNS: Final = (
    ("sha256", ">u8", (4,)),
    ("pixel_digest", "<u8", ()),
    ("phash64", "<u8", ()),
    ("phash256", "<u8", (4,)),
    ("descriptor", "<i1", (128,)),
    ("contrast", "<f2", ()),
    ("width", "<i4", ()),
    ("height", "<i4", ()),
    ("label_codes", "<i4", ()),
    ("split_codes", "<i1", ()),
    ("group_codes", "<i4", ()),
    ("readable", "<u1", ()),
)


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """What is known of the pictures of a dataset: columns in path order."""

    paths: tuple[str, ...]
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    """By the names of ``_COLUMNS``; hashes of the upright picture only."""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    @classmethod
    def of(cls, catalog: Catalog, features: FeatureTable) -> Signature:
        """Return the signature of a measured dataset."""
        columns: dict[str, NDArray[Any]] = {
            "sha256": features.sha256,
            "pixel_digest": features.pixel_digest,
            "phash64": features.phash64[:, 0],
            "phash256": features.phash256[:, 0],
            "descriptor": np.clip(np.rint(features.descriptor.astype(np.float32) * _STEP), -_STEP, _STEP),
            "contrast": np.nan_to_num(features.property("contrast")),
            "width": features.width,
            "height": features.height,
            "label_codes": catalog.label_codes,
            "split_codes": catalog.split_codes,
            "group_codes": catalog.group_codes,
            "readable": features.readable,
        }
        typed = {name: columns[name].astype(kind) for name, kind, _ in _COLUMNS}
        return cls(catalog.paths, catalog.classes, catalog.groups, typed)

    @classmethod
    def merged(cls, parts: Sequence[Signature], names: Sequence[str]) -> Signature:
        """Join signatures: in whatever order, the same. A path may stand in several, if it is the same file everywhere.

        Raises:
            UsageError: if one path stands for two files, or is labelled, split or grouped in two ways.
        """
        classes = tuple(sorted({name for part in parts for name in part.classes}))
        groups = tuple(sorted({name for part in parts for name in part.groups}))
        paths = [path for part in parts for path in part.paths]
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name, _, _ in _COLUMNS}
        columns["label_codes"] = _recoded([(part.columns["label_codes"], part.classes) for part in parts], classes)
        columns["group_codes"] = _recoded([(part.columns["group_codes"], part.groups) for part in parts], groups)
        origin = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        order = sorted(range(len(paths)), key=lambda row: paths[row].encode("utf-8", "surrogateescape"))
        kept: list[int] = []
        for row in order:
            if not kept or paths[kept[-1]] != paths[row]:
                kept.append(row)
            elif any(columns[name][kept[-1]].tobytes() != columns[name][row].tobytes() for name, _, _ in _COLUMNS):
                one, other = names[origin[kept[-1]]], names[origin[row]]
                message = (
                    f"{paths[row]}: is another file, or is labelled, split or grouped otherwise, in {other} than in {one}. "
                    "Merge indexes of different files only; make the older one anew."
                )
                raise UsageError(message)
        return cls(tuple(paths[row] for row in kept), classes, groups, {name: column[kept] for name, column in columns.items()})

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        header = {
            "images": len(self),
            "classes": list(self.classes),
            "groups": list(self.groups),
            "feature_version": _feature_version(),
            "descriptor": _network(),
        }
        body = [MAGIC, json.dumps(header, sort_keys=True).encode() + b"\n", _front_coded(self.paths)]
        body += [np.ascontiguousarray(self.columns[name]).astype(kind).tobytes() for name, kind, _ in _COLUMNS]
        data = b"".join(body)
        return data + hashlib.sha256(data).digest()

    @classmethod
    def read(cls, path: Path) -> Signature:
        """Read an index file.

        Raises:
            UsageError: if it cannot be read, is damaged, or was made by a dataaudit that measures otherwise.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            message = f"{path}: cannot be read ({error.strerror}). Make an index with `dataaudit index DATASET --output FILE`."
            raise UsageError(message) from error
        if not data.startswith(MAGIC):
            message = f"{path}: is no index of this format. Make one with `dataaudit index DATASET --output FILE`."
            raise UsageError(message)
        if hashlib.sha256(data[:-32]).digest() != data[-32:]:
            message = (
                f"{path}: is damaged (its check sum does not fit): fetch it again, or make it anew. Git LFS pointers count, too."
            )
            raise UsageError(message)
        end = data.index(b"\n", len(MAGIC))
        header = json.loads(data[len(MAGIC) : end])
        if (header["feature_version"], header["descriptor"]) != (_feature_version(), _network()):
            message = f"{path}: was made by a version of dataaudit that measures pictures otherwise. Make it anew with this one."
            raise UsageError(message)
        size = int(header["images"])
        paths, place = _paths_of(data, end + 1, size)
        columns: dict[str, NDArray[Any]] = {}
        for name, kind, shape in _COLUMNS:
            count = size * int(np.prod(shape))
            columns[name] = np.frombuffer(data, kind, count, place).reshape(size, *shape)
            place += columns[name].nbytes
        return cls(paths, tuple(header["classes"]), tuple(header["groups"]), columns)

    def descriptors(self, rows: NDArray[np.intp]) -> NDArray[np.float16]:
        """Return the copy descriptors of some rows, of length 1."""
        vectors = self.columns["descriptor"][rows].astype(np.float32)
        lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        scaled: NDArray[np.float16] = (vectors / lengths).astype(np.float16)
        return scaled


def _recoded(parts: Sequence[tuple[NDArray[Any], tuple[str, ...]]], names: tuple[str, ...]) -> NDArray[np.int32]:
    """Return codes into ``names`` for codes into each part's own."""
    place = {name: code for code, name in enumerate(names)}
    tables = [np.array([*(place[name] for name in own), NONE], np.int32) for _, own in parts]  # code -1 is the last
    return np.concatenate([table[codes] for table, (codes, _) in zip(tables, parts, strict=True)])


def _front_coded(paths: Sequence[str]) -> bytes:
    parts, before = [], b""
    for path in (path.encode("utf-8", "surrogateescape") for path in paths):
        limit = min(len(before), len(path), 255)
        shared = next((place for place in range(limit) if before[place] != path[place]), limit)
        parts.append(struct.pack("<BH", shared, len(path) - shared) + path[shared:])
        before = path
    return b"".join(parts)


def _paths_of(data: bytes, place: int, count: int) -> tuple[tuple[str, ...], int]:
    paths, before = [], b""
    for _ in range(count):
        shared, rest = data[place], data[place + 1] | data[place + 2] << 8
        before = before[:shared] + data[place + 3 : place + 3 + rest]
        paths.append(before.decode("utf-8", "surrogateescape"))
        place += 3 + rest
    return tuple(paths), place


def _feature_version() -> int:
    from dataaudit.features.decode import FEATURE_VERSION  # noqa: PLC0415 - Pillow's business

    return FEATURE_VERSION


@cache
def _network() -> str:
    return hashlib.sha256(Path(__file__).with_name("descriptor.onnx").read_bytes()).hexdigest()[:16]
