"""SHA-256 digests that were written down before: by ``sha256sum``, in a table with ``path,sha256``, or in a plan's manifest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dataaudit.catalog import tables
from dataaudit.domain import HashList
from dataaudit.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["checked", "hash_list", "read_hashes"]

_SUM: Final = re.compile(r"(?P<digest>[0-9a-fA-F]{64}) [ *](?P<path>.+)")
"""A line of ``sha256sum``."""
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")


def read_hashes(table: Path, name: str) -> dict[str, str]:
    """Return the digests of a file of hashes, by path.

    Args:
        table: Where it is.
        name: What the user called it.

    Raises:
        ManifestError: if it cannot be read, is neither of the two, or holds something that is no digest.
    """
    listed: dict[str, str] = {}
    for where, path, written in _lines(table, name):
        digest = checked(written, where)
        if listed.setdefault(path, digest) != digest:
            message = f"{where}: {path!r} has two different digests. Expected one a file."
            raise ManifestError(message)
    return listed


def checked(digest: str, where: str) -> str:
    """Return a digest in lower case.

    Raises:
        ManifestError: if it is none.
    """
    if not _DIGEST.fullmatch(digest):
        message = f"{where}: {digest!r} is no SHA-256. Expected 64 hexadecimal digits."
        raise ManifestError(message)
    return digest.lower()


def _lines(table: Path, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield where a line is, its path and its digest; a plan's left-out files without a digest are passed over."""
    try:
        with table.open(encoding="utf-8", errors="surrogateescape") as file:
            first = file.readline()
    except OSError as error:
        message = f"{name}: cannot be read ({error.strerror}). Expected lines of sha256sum, or a table with path,sha256."
        raise ManifestError(message) from error
    if _SUM.match(first):
        with table.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(file, 1):
                where, match = f"{name}, line {number}", _SUM.fullmatch(line.rstrip("\r\n"))
                if match is None:
                    message = f"{where}: expected a line of sha256sum, as the first is: 64 digits, two blanks, a path."
                    raise ManifestError(message)
                yield where, tables.normalised(match["path"], where), match["digest"]
        return
    for number, (path, digest) in tables.rows(table, name, ("path", "sha256")):
        where = f"{name}, line {number}"
        if digest:
            yield where, tables.normalised(path, where), str(digest)


def hash_list(name: str, listed: Mapping[str, str], paths: Sequence[str], there: Collection[str]) -> HashList:
    """Lay listed digests beside the samples.

    Args:
        name: What the user called the list.
        listed: Digests by path.
        paths: The samples.
        there: All files of the dataset, that what is no sample is not told to be missing.

    Raises:
        ManifestError: if it lists none of the samples.
    """
    known = {*paths, *there}
    if listed and known.isdisjoint(listed):
        message = (
            f"{name}: none of its {len(listed)} files is in the dataset; the first is {next(iter(listed))!r}, the dataset has "
            f"{paths[0]!r}. Its paths must be relative to the dataset."
        )
        raise ManifestError(message)
    missing = tuple(sorted(path for path in listed if path not in known))
    return HashList(Path(name).name, tuple(listed.get(path, "") for path in paths), missing)
