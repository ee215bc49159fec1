"""Writes a report: late, to a temporary name beside its place, then in one step; a failure leaves no ruin."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dataaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def write(text: str | bytes, path: Path, *, dataset: Path) -> None:
    """Write ``text`` to ``path`` (characters as UTF-8), making its folders; what stood there before is replaced in one step.

    A path that is a device or a pipe (``/dev/stdout``) is written to as it is.

    Raises:
        UsageError: if ``path`` lies in the dataset, is a directory, or cannot be written.
    """
    target = refuse_inside(path, dataset)
    if target.is_dir():
        message = f"{path}: is a directory, a file was expected. Name a file in it."
        raise UsageError(message)
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, data)
    except OSError as error:
        message = f"{path}: cannot be written ({error.strerror or error}). Choose a place where you may write."
        raise UsageError(message) from error


def refuse_inside(path: Path, dataset: Path) -> Path:
    """Return ``path`` with its links resolved, if it lies outside the dataset.

    Folders are compared by identity, so that neither a link nor another spelling leads in.

    Raises:
        UsageError: if ``path`` is the dataset or lies in it.
    """
    target = path.resolve()
    if any(_same(folder, dataset) for folder in _and_parents(target)):
        message = f"{path}: lies in the dataset {dataset}, which is never written to. Choose a place outside of it."
        raise UsageError(message)
    return target


def _replace(target: Path, data: bytes) -> None:
    part = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _and_parents(path: Path) -> Iterable[Path]:
    return (path, *path.parents)


def _same(folder: Path, dataset: Path) -> bool:
    try:
        return folder.samefile(dataset)
    except OSError:  # one of them does not exist (yet)
        return False
