"""The cache's file: one SQLite database that any number of runs share, and that may fail at any moment without harm.

Whatever goes wrong costs time, never an answer: a damaged file is moved aside and begun anew, a folder that cannot be written
leaves the run without a cache, and each says so once, as a :class:`~dataaudit.errors.CacheWarning`.
"""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dataaudit.errors import CacheWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["FILE", "Store", "folder", "sealed", "unsealed"]

T = TypeVar("T")

FILE: Final = "cache-1.sqlite"
"""The number is the schema's: another schema is another file."""
_BUSY_SECONDS: Final = 30.0
_SUM: Final = 4  # bytes
_RESIDUE: Final = 0x2144DF1C
"""CRC-32 of any bytes followed by their own CRC-32, little-endian."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH})
"""Result codes of a damaged file; ``SQLITE_ERROR`` is a table or column that is not there."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS versions (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, columns TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS contents (
    id INTEGER PRIMARY KEY, version INTEGER NOT NULL, sha256 BLOB NOT NULL, used INTEGER NOT NULL,
    row BLOB NOT NULL, failure TEXT, UNIQUE (version, sha256));
CREATE TABLE IF NOT EXISTS files (
    device INTEGER, inode INTEGER, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    sha256 BLOB NOT NULL, PRIMARY KEY (device, inode)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pairs (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL, answer TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS nominations (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL, row BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outputs (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL, row BLOB NOT NULL);
"""


def folder(given: str | None) -> Path:
    """Return the cache's folder: the one given, else ``DATAAUDIT_CACHE_DIR``, else the user's cache folder."""
    named = given or os.environ.get("DATAAUDIT_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_path  # noqa: PLC0415 - only where nothing else names it

    return user_cache_path("dataaudit", appauthor=False)


def sealed(body: bytes) -> bytes:
    """Return bytes with their CRC-32, little-endian, behind them."""
    return body + zlib.crc32(body).to_bytes(_SUM, "little")


def unsealed(row: bytes) -> bytes | None:
    """Return what :func:`sealed` was given; None where a byte is not as it was."""
    return row[:-_SUM] if len(row) >= _SUM and zlib.crc32(row) == _RESIDUE else None


class Store:
    """The open database; every method is harmless when it is not there. Use it from one thread."""

    def __init__(self, directory: Path) -> None:
        """Open, or make, the database in ``directory``."""
        self.path = directory / FILE
        self._connection: sqlite3.Connection | None = None
        self._try(self._open, None)

    @property
    def usable(self) -> bool:
        """Whether there is a database."""
        return self._connection is not None

    def close(self) -> None:
        """Close the database; the store is not usable any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def read(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none where they cannot be had."""
        return self._try(lambda connection: connection.execute(statement, parameters).fetchall(), [])

    def write(self, *statements: tuple[str, Iterable[Sequence[object]]]) -> bool:
        """Run statements, each for many rows, in one transaction that is there as a whole or not at all."""
        work = [(statement, tuple(rows)) for statement, rows in statements]

        def run(connection: sqlite3.Connection) -> bool:
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, rows in work:
                    connection.executemany(statement, rows)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            return True

        return self._try(run, False)  # noqa: FBT003 - what it returns

    def join(
        self, table: str, rows: Iterable[Sequence[object]], query: str, parameters: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query that joins a temporary table: ``table`` is its ``name (column, …)``, ``rows`` its rows."""
        rows = tuple(rows)

        def run(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            name, columns = table.split(" ", 1)
            connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
            connection.execute(f"CREATE TEMP TABLE {table}")
            marks = ", ".join("?" * (columns.count(",") + 1))
            connection.execute("BEGIN")
            try:
                connection.executemany(f"INSERT INTO temp.{name} VALUES ({marks})", rows)  # noqa: S608 - our own names
                return connection.execute(query, parameters).fetchall()
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

        return self._try(run, [])

    def bytes_used(self) -> int:
        """Return the size of what is stored, in bytes; free pages do not count."""
        pages = self.read(
            "SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)"
        )
        size = self.read("PRAGMA page_size")
        return int(pages[0][0]) * int(size[0][0]) if pages and size else 0

    def _open(self, _: object = None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        self._connection = connection
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts for a new file
        _to_write_ahead(connection)
        connection.execute("PRAGMA synchronous = NORMAL")  # the machine's fall may cost the last batches, never the file
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.executescript(_SCHEMA)

    def _try(self, action: Callable[[Any], T], otherwise: T, *, mended: bool = False) -> T:
        """Act on the connection. A damaged file is replaced and the action done again; else ``otherwise`` is returned."""
        if self._connection is None and action != self._open:
            return otherwise
        try:
            return action(self._connection)
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code is None:  # not the file's fault, but ours
                raise
            self.close()
            if mended or code & 0xFF not in _DAMAGED:
                self._do_without(error)
            elif self._begin_anew(error) and action != self._open:
                return self._try(action, otherwise, mended=True)
        except OSError as error:
            self.close()
            self._do_without(error)
        return otherwise

    def _begin_anew(self, error: sqlite3.Error) -> bool:
        """Move a damaged file aside, with the files that belong to it, and make a new one; say whether that went well."""
        number = 1
        while (aside := self.path.with_name(f"{FILE}.damaged-{number}")).exists():
            number += 1
        try:
            self.path.rename(aside)
            for ending in ("-wal", "-shm"):  # after the database: SQLite never takes a log without one for a log
                with suppress(FileNotFoundError):
                    self.path.with_name(FILE + ending).rename(aside.with_name(aside.name + ending))
            message = f"the cache was damaged ({error}); it was moved to {aside}, which you may delete, and is begun anew."
            warnings.warn(CacheWarning(message), stacklevel=2)
            self._open()
        except (OSError, sqlite3.Error) as again:
            self.close()
            self._do_without(again)
        return self.usable

    def _do_without(self, error: Exception) -> None:
        message = (
            f"{self.path}: {error}; going on without the cache. --cache-dir DIR names another place, --no-cache asks for none."
        )
        warnings.warn(CacheWarning(message), stacklevel=2)


def _to_write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log. While another run does the same, SQLite says *busy* without waiting."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:  # recovering is busy, too
                raise
            time.sleep(0.05)
        else:
            return
