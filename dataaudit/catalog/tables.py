"""Tables beside the pictures, CSV or JSON lines, read row by row: manifests, metadata, group files.

Strict about the table (UTF-8, one header, no ragged row), lenient about how it was saved (BOM, CRLF, quoted commas).
Bytes of a path that are not UTF-8 come through as ``os.fsdecode`` would give them, so that such names still match.
"""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Final

from dataaudit.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

__all__ = ["Cell", "Row", "columns", "key_of", "normalised", "rows"]

Cell = str | list[object] | dict[str, object]
"""A cell: text (empty where nothing is given), or a JSON list or object, which no column of ours may hold."""
Row = tuple[int, list[Cell]]
"""The line a row begins at (from 1), and its cells."""

_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_JSON_LINES: Final = (".jsonl", ".ndjson", ".json")


def columns(path: Path, name: str) -> tuple[str, ...]:
    """Return the columns of a table: its header, or the keys of its first JSON line; empty for an empty file.

    Args:
        path: The table; ``.jsonl``, ``.ndjson`` and ``.json`` are JSON lines, all else is CSV.
        name: What messages call it.

    Raises:
        ManifestError: if the file cannot be read or is no such table.
    """
    with _open(path, name) as stream:
        if _is_json(path):
            return next((tuple(record) for _, record in _records(stream, name)), ())
        return next((tuple(header) for _, header in _lines(stream, name)), ())


def rows(path: Path, name: str, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[Row]:
    """Yield the rows of a table, with their cells of the ``required``, then of the ``optional`` columns.

    Args:
        path: As in :func:`columns`.
        name: What messages call it.
        required: Columns that must be there.
        optional: Columns that read as empty where they are missing.

    Raises:
        ManifestError: if the file cannot be read, is no such table, holds no rows or lacks a required column.
    """
    empty = True
    with _open(path, name) as stream:
        for row in (_json_rows if _is_json(path) else _csv_rows)(stream, name, required, optional):
            empty = False
            yield row
    if empty:
        message = f"{name}: holds no rows. Expected one row a file, with the columns {', '.join(required)}."
        raise ManifestError(message)


def normalised(path: Cell, where: str) -> str:
    """Return a path of a table as the walk writes paths: relative, ``/`` separated, without ``.`` or doubled slashes.

    Args:
        path: The cell.
        where: The table and the line, for messages.

    Raises:
        ManifestError: if it is empty, absolute, or leaves the dataset by ``..``.
    """
    if not isinstance(path, str) or not path:
        message = f"{where}: the path is empty or not text. Expected a file's path relative to the dataset."
        raise ManifestError(message)
    if path.startswith(("/", "\\\\")) or _DRIVE.match(path):
        message = f"{where}: {path!r} is an absolute path. Paths are relative to the dataset: remove what comes before it."
        raise ManifestError(message)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        message = f"{where}: {path!r} leads out of the dataset. Paths are relative to the dataset, without '..'."
        raise ManifestError(message)
    return "/".join(parts)


def key_of(cell: Cell, where: str, column: str) -> str | None:
    """Return a cell as a name (of a class, a split, a group); None where it is empty.

    Raises:
        ManifestError: if it is a JSON list or object, or not UTF-8.
    """
    if not isinstance(cell, str):
        message = f"{where}: column {column!r} holds {json.dumps(cell)[:60]}; expected one text or number."
        raise ManifestError(message)
    if not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell):
        message = f"{where}: column {column!r} is not UTF-8. Save the table as UTF-8."
        raise ManifestError(message)
    return cell or None


def _is_json(path: Path) -> bool:
    return path.name.lower().endswith(_JSON_LINES)


def _open(path: Path, name: str) -> TextIO:
    try:
        if not path.is_file():
            message = f"{name}: no such file. Expected a CSV or JSON-lines table."
            raise ManifestError(message)
        with path.open("rb") as stream:
            if stream.read(2) in _UTF16:
                message = f"{name}: is saved as UTF-16. Save it as UTF-8."
                raise ManifestError(message)
        return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        message = f"{name}: cannot be read ({error.strerror})."
        raise ManifestError(message) from error


def _lines(stream: TextIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the non-empty records of a CSV file, cells stripped, with the line each begins at."""
    reader = csv.reader(stream, strict=True)
    begin = 1
    try:
        for record in reader:
            if record:
                yield begin, [cell.strip() for cell in record]
            begin = reader.line_num + 1
    except csv.Error as error:
        message = f'{name}, line {begin}: is not CSV ({error}). Expected comma-separated columns, quoted with ".'
        raise ManifestError(message) from error


def _csv_rows(stream: TextIO, name: str, required: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[Row]:
    lines = _lines(stream, name)
    header = next(lines, (1, []))[1]
    doubled = sorted({column for column in header if header.count(column) > 1} & {*required, *optional})
    if doubled:
        message = f"{name}: has more than one column {doubled[0]!r}. Expected each name once."
        raise ManifestError(message)
    if header:
        _require(name, required, header)
    where = [header.index(column) if column in header else -1 for column in (*required, *optional)]
    for line, record in lines:
        if len(record) != len(header):
            message = (
                f"{name}, line {line}: has {len(record)} cells, the header {len(header)}. "
                "Quote cells that hold commas, and fill every row up."
            )
            raise ManifestError(message)
        yield line, [record[index] if index >= 0 else "" for index in where]


def _records(stream: TextIO, name: str) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the objects of a JSON-lines file with their lines."""
    for line, text in enumerate(stream, 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            message = f"{name}, line {line}: is not JSON ({error}). Expected one object a line."
            raise ManifestError(message) from error
        if not isinstance(record, dict):
            message = f'{name}, line {line}: holds no JSON object. Expected one object a line, such as {{"path": …}}.'
            raise ManifestError(message)
        yield line, record


def _json_rows(stream: TextIO, name: str, required: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[Row]:
    wanted = (*required, *optional)
    seen: dict[str, None] = {}  # ordered: messages list the columns as the file does
    for line, record in _records(stream, name):
        seen.update(dict.fromkeys(record))
        yield line, [_cell(record.get(column)) for column in wanted]
    if seen:
        _require(name, required, list(seen))


def _cell(value: object) -> Cell:
    """Return a JSON value as a cell; numbers as a CSV would hold them (``3``, not ``3.0``)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (list, dict)):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


def _require(name: str, required: tuple[str, ...], found: list[str]) -> None:
    missing = [column for column in required if column not in found]
    if missing:
        message = (
            f"{name}: has no column {missing[0]!r}. Found: {', '.join(found) or 'none'}; "
            f"expected: {', '.join(required)}. (In a CSV, commas separate the columns.)"
        )
        raise ManifestError(message)
