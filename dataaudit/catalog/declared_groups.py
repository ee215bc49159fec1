"""Groups a user declares: files that belong together (a patient, a video, a sender) and must not be torn apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dataaudit.catalog import tables
from dataaudit.errors import ManifestError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["INFERRED", "ByColumn", "ByFile", "ByRegex", "GroupBy", "group_keys", "parse_group_by"]

INFERRED: Final = "inferred"
"""``--group-by inferred``: a split keeps together what ``dedup.file_groups`` infers; nothing is declared."""


@dataclass(frozen=True, slots=True)
class ByRegex:
    """The key is what a pattern finds in the path."""

    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class ByColumn:
    """The key is a column of the manifest or the metadata."""

    column: str


@dataclass(frozen=True, slots=True)
class ByFile:
    """The key is a column of another table, which has a column ``path``."""

    table: Path
    column: str


GroupBy = ByRegex | ByColumn | ByFile


def parse_group_by(text: str | None) -> GroupBy | None:
    """Read ``regex:R``, ``column:NAME`` or ``file:CSV:COLUMN``; None stays None, as does ``inferred``, which declares nothing.

    Raises:
        UsageError: if it is none of them, or the pattern is no regular expression.
    """
    if text is None or text == INFERRED:
        return None
    kind, _, rest = text.partition(":")
    if kind == "regex" and rest:
        try:
            return ByRegex(re.compile(rest))
        except re.error as error:
            message = f"--group-by {text}: {rest!r} is no regular expression ({error})."
            raise UsageError(message) from error
    if kind == "column" and rest:
        return ByColumn(rest)
    table, _, column = rest.rpartition(":")
    if kind == "file" and table and column:
        return ByFile(Path(table), column)
    message = f"--group-by {text}: expected regex:PATTERN, column:NAME, file:CSV:COLUMN, or inferred."
    raise UsageError(message)


def group_keys(by: GroupBy | None, paths: Sequence[str], listed: Mapping[str, str]) -> list[str | None]:
    """Return the group key of each path; None is a group of its own.

    Args:
        by: What the user said; None: the manifest's or metadata's ``group`` column.
        paths: The samples.
        listed: Keys by path that the manifest or the metadata gave.

    Raises:
        UsageError: if a pattern matches no path at all.
        ManifestError: if the table cannot be read, contradicts itself, or names no sample at all.
    """
    match by:
        case ByRegex(pattern):
            keys = [_found(pattern, path) for path in paths]
            if not any(key is not None for key in keys):
                message = (
                    f"--group-by regex:{pattern.pattern}: matches none of the {len(paths)} paths, such as {paths[0]!r}. "
                    "It is searched for in the path relative to the dataset."
                )
                raise UsageError(message)
            return keys
        case ByFile(table, column):
            by_path = _read(table, column, frozenset(paths))
            return [by_path.get(path) for path in paths]
        case ByColumn() | None:
            return [listed.get(path) for path in paths]


def _found(pattern: re.Pattern[str], path: str) -> str | None:
    """Return the group ``group`` of a match, else its first group, else all of it; None where there is none."""
    match = pattern.search(path)
    if match is None:
        return None
    key = match["group"] if "group" in pattern.groupindex else match[1 if pattern.groups else 0]
    return key or None


def _read(table: Path, column: str, known: frozenset[str]) -> dict[str, str]:
    keys: dict[str, str] = {}
    lines: dict[str, int] = {}
    first = ""
    for line, (cell, key_cell) in tables.rows(table, str(table), ("path", column)):
        where = f"{table}, line {line}"
        path = tables.normalised(cell, where)
        if path not in known and "\\" in path:
            path = tables.normalised(path.replace("\\", "/"), where)
        key = tables.key_of(key_cell, where, column)
        first = first or path
        if path in lines and keys.get(path) != key:
            message = (
                f"{where}: {path!r} has the group {key!r}, but line {lines[path]} says {keys.get(path)!r}. Expected one a file."
            )
            raise ManifestError(message)
        lines[path] = line
        if key is not None:
            keys[path] = key
    if known and known.isdisjoint(lines):
        message = (
            f"{table}: none of its {len(lines)} paths is an image of the dataset; the first is {first!r}, the dataset has "
            f"{min(known)!r}. Its column 'path' must be relative to the dataset."
        )
        raise ManifestError(message)
    return keys
