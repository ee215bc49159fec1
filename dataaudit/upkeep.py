"""The cache looked after: what it holds, emptied, put to the test."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.domain import FeatureTable
from dataaudit.engines.local import LocalEngine
from dataaudit.features import measure, snapshot
from dataaudit.features.cache import Cache, holds

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.pipeline import Observer

__all__ = ["Verified", "clear", "info", "verify"]


def info(config: Config) -> str:
    """Say where the cache is, what it holds, and how it is kept small."""
    with Cache(config) as cache:
        size = cache.store.bytes_used()
        counts = cache.store.read(
            "SELECT (SELECT count(*) FROM contents WHERE version IS (SELECT id FROM versions WHERE key = ?)), "
            "(SELECT count(*) FROM contents), (SELECT count(*) FROM files), (SELECT count(*) FROM pairs), "
            "(SELECT count(*) FROM nominations), (SELECT count(*) FROM outputs)",
            (cache.key,),
        )
        if not counts:
            return f"{cache.store.path}: there is no cache.\n"
        here, contents, files, pairs, searches, outputs = counts[0]
        damaged = len(list(cache.store.path.parent.glob(f"{cache.store.path.name}.damaged-*")))
        lines = [
            f"{cache.store.path}",
            f"  {size / 2**20:,.1f} MiB, of at most {config.cache_limit:,}; what was not used for longest goes first",
            f"  {here:,} contents measured by this version of dataaudit and its decoders, {contents - here:,} by others",
            f"  {files:,} files known by their time stamps",
            f"  {pairs:,} comparisons of two contents",
        ]
        if searches:
            lines.append(f"  what {searches:,} search{'es' * (searches > 1)} among the pictures of a dataset proposed")
        if outputs:
            lines.append(f"  {outputs:,} outputs of Keras models of yours")
        if snapshots := snapshot.sizes(cache.store.path.parent):
            lines.append(f"  snapshots of {len(snapshots):,} datasets, {sum(snapshots) / 2**20:,.1f} MiB")
        if damaged:
            lines.append(
                f"  {damaged} file{'s' if damaged > 1 else ''} of a damaged cache beside it; `dataaudit cache clear` deletes them"
            )
        return "\n".join(lines) + "\n"


def clear(config: Config) -> str:
    """Empty the cache, whoever else may be using it, and delete what is left of damaged ones."""
    with Cache(config) as cache:
        before = cache.store.bytes_used()
        tables = ("contents", "files", "pairs", "nominations", "outputs", "versions")
        cache.store.write(*((f"DELETE FROM {table}", [()]) for table in tables))  # noqa: S608
        cache.store.read("VACUUM")
        freed = before - cache.store.bytes_used() + snapshot.remove(cache.store.path.parent)
        for path in cache.store.path.parent.glob(f"{cache.store.path.name}.damaged-*"):
            with suppress(FileNotFoundError):
                freed += path.stat().st_size
                path.unlink()
        return f"{cache.store.path}: emptied, {max(freed, 0) / 2**20:,.1f} MiB freed.\n"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of the cache."""

    problems: tuple[str, ...]
    sentence: str


def verify(config: Config, dataset: Path | None, observe: Observer | None = None) -> Verified:
    """Check that the file is sound and every row whole; with a dataset, measure it anew and compare what is known of it."""
    problems: list[str] = []
    with Cache(config) as cache:
        problems += [str(text) for (text,) in cache.store.read("PRAGMA integrity_check") if text != "ok"]
        rows = 0
        for version, columns in cache.store.read("SELECT id, columns FROM versions"):
            blobs = cache.store.read("SELECT sha256, row FROM contents WHERE version = ? ORDER BY id", (version,))
            rows += len(blobs)
            broken = [digest for digest, blob in blobs if not holds(blob, json.loads(columns), digest)]
            problems += [f"the row of content {digest.hex()} is damaged; it will be measured anew" for digest in broken]
        sentence = f"{rows:,} rows read"
        if dataset is not None:
            differing, known = _measured_anew(config, dataset, cache, observe)
            problems += [f"{path}: the cache holds other values than are measured now" for path in differing]
            sentence += f"; {known:,} files of {dataset} measured anew and compared"
    return Verified(
        tuple(problems), f"{cache.store.path}: {sentence}; {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}."
    )


def _measured_anew(config: Config, dataset: Path, cache: Cache, observe: Observer | None) -> tuple[list[str], int]:
    """Return the paths of which the cache knows other values than are measured now, and the number it knows."""
    from dataaudit.catalog import find  # noqa: PLC0415 - only where a dataset is given

    catalog = find(dataset, config)
    known = list(cache.known(catalog.root, catalog.paths, quickly=False))
    done = 0

    def measured(files: int, _unreadable: int) -> None:
        nonlocal done
        done += files
        if observe is not None:
            observe("measure", done, len(catalog), 0)

    with LocalEngine(config.workers, config.file_timeout, config.file_memory) as engine:
        fresh = measure(catalog, config, engine, measured)
    differing: list[str] = []
    for piece in known:
        differs = np.zeros(len(piece.rows), bool)
        for field in fields(FeatureTable):
            if field.name != "failures":
                differs |= _unlike(getattr(piece.table, field.name), getattr(fresh, field.name)[piece.rows])
        differing += [catalog.paths[row] for row in piece.rows[differs].tolist()]
    return differing, sum(len(piece.rows) for piece in known)


def _unlike(one: NDArray[np.generic], other: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return which rows differ in a bit, (n,)."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return np.ones(len(one), bool)
    a, b = (np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1) for column in (one, other))
    unlike: NDArray[np.bool_] = np.any(a != b, axis=1)
    return unlike
