"""SELF-TEST: would copies of *these* pictures be found? Plant some whose source is known, search, and count.

Each picture is copied once at most, so that no planted copy helps to find another. Copies are written to a temporary
folder, never into the dataset; they are searched for, each under its source's label, among all pictures of the dataset by the
very stages that a scan runs; of the pairs that no planted copy is part of only those are verified whose pictures are alike to
one but for a region. Truth is the source, never the verifier.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup import relate
from dataaudit.dedup.vectors import by_content
from dataaudit.domain import NONE, FamilyRecall, FeatureTable, SelfTest, Stranger
from dataaudit.engines import Lost
from dataaudit.errors import UsageError
from dataaudit.features import measure
from dataaudit.selftest.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.dedup.own_descriptor import Describe
    from dataaudit.domain import Catalog, CopyGraph, Measurements, Verdict
    from dataaudit.engines import Engine

    Progress = Callable[[str, int, int, int], None]
    """Called with (stage, done, total, found); stages: ``plant``, ``measure`` and ``compare``, whose found are copies."""

__all__ = ["FAMILIES", "run"]

_BATCH: Final = 8
_TINY: Final = 64  # short side, pixels, up to which a copy is saved as PNG: JPEG's blocks of eight are no small change there
_QUALITY: Final = 90


@dataclass(frozen=True, slots=True)
class _Planting:
    """One copy to be made."""

    source: Path
    target: Path
    """Without a suffix."""
    family: int
    seed: tuple[int, ...]


def run(
    measurements: Measurements,
    config: Config,
    engine: Engine,
    describe: Describe,
    *,
    queries: int,
    seed: int,
    progress: Progress | None = None,
) -> SelfTest:
    """Plant copies of a dataset's pictures, search for them, and count what is found.

    Args:
        measurements: of the dataset as it is, its own copies included.
        config: the search's thresholds, as in a scan.
        engine: makes, measures and verifies.
        describe: puts the user's descriptors in the place of the built-in ones, where there are such.
        queries: copies to plant, over all families; fewer where the dataset has fewer pictures.
        seed: of the draw of pictures and of what is done to them.
        progress: called as the work goes on.

    Raises:
        UsageError: if there are fewer than two pictures to make copies of.
    """
    watch = progress or (lambda _stage, _done, _total, _found: None)
    drawn = _drawn(measurements, queries, seed)
    with tempfile.TemporaryDirectory(prefix="dataaudit-selftest-") as name:
        sources, families, files = _planted(measurements, drawn, Path(name), config, engine, seed, watch)
        catalog, kept = _catalog(measurements, sources, families, files)
        planted = len(files)
        watch("measure", 0, planted, 0)
        measured = measure(_only(catalog, len(kept)), config, engine)
        watch("measure", planted, planted, 0)
        features = FeatureTable.concat([_rows(measurements.features, kept), measured])
        touching = np.arange(len(catalog)) >= len(kept)
        searched, search, _ = describe(catalog, features, watch)
        copies = relate(catalog, searched, search, engine, lambda *counts: watch("compare", *counts), touching=touching)
    return _counted(measurements, copies, kept, sources, families, seed)


def _drawn(measurements: Measurements, queries: int, seed: int) -> list[int]:
    """Draw readable pictures, one of each copy group, in an order that only their content and the seed decide."""
    readable = np.flatnonzero(measurements.features.readable)
    leaders = readable[np.unique(measurements.copies.component[readable], return_index=True)[1]]
    if len(leaders) < 2:  # noqa: PLR2004 - one to copy, one to be unlike it
        message = f"{len(leaders)} readable pictures: at least two are needed to plant a copy among others."
        raise UsageError(message)
    ordered = leaders[by_content(measurements.features, leaders)]
    drawn: list[int] = np.random.default_rng(seed).permutation(ordered)[:queries].tolist()
    return drawn


def _planted(
    measurements: Measurements, drawn: Sequence[int], folder: Path, config: Config, engine: Engine, seed: int, watch: Progress
) -> tuple[list[int], list[int], list[Path]]:
    """Make the copies; return source row, family and file of each. A picture whose worker was lost has none."""
    catalog = measurements.catalog
    plantings: list[_Planting] = []
    rows: list[int] = []
    for number, row in enumerate(drawn):
        family = number % len(FAMILIES)
        for side in range(1 + FAMILIES[family].both_sides):
            key = (seed, family, side, int(measurements.features.sha256[row, 0]))
            plantings.append(_Planting(catalog.root / catalog.paths[row], folder / f"{len(plantings):06d}", family, key))
            rows.append(row)
    done = 0
    made: list[Path | None] = []
    for batch, result in engine.map_batches(partial(_make_all, max_pixels=config.max_pixels), plantings, batch_size=_BATCH):
        made += [None] * len(batch) if isinstance(result, Lost) else result
        done += len(batch)
        watch("plant", done, len(plantings), 0)
    both = Counter(row for row, file in zip(rows, made, strict=True) if file is not None)
    whole = [
        (row, planting.family, file)
        for row, planting, file in zip(rows, plantings, made, strict=True)
        if file is not None and both[row] == 1 + FAMILIES[planting.family].both_sides
    ]
    return [row for row, _, _ in whole], [family for _, family, _ in whole], [file for _, _, file in whole]


def _make_all(plantings: Sequence[_Planting], begin: Callable[[int], None], *, max_pixels: int) -> list[Path | None]:
    """Make and write a batch of copies; None where the source cannot be decoded (any more). Runs in a worker."""
    from dataaudit.features.decode import DecodeError, load  # noqa: PLC0415 - Pillow is the workers' business

    files: list[Path | None] = []
    for number, planting in enumerate(plantings):
        begin(number)
        try:
            picture = load(planting.source, max_pixels).image
        except DecodeError:
            files.append(None)
            continue
        copy = FAMILIES[planting.family].make(picture, np.random.default_rng(planting.seed)).convert("RGB")
        file = planting.target.with_suffix(".png" if min(copy.size) <= _TINY else ".jpg")
        copy.save(file, quality=_QUALITY)  # a PNG has none
        files.append(file)
    return files


def _catalog(
    measurements: Measurements, sources: Sequence[int], families: Sequence[int], files: Sequence[Path]
) -> tuple[Catalog, NDArray[np.int64]]:
    """Return the dataset with the planted files, each under its source's label, behind it, and the dataset's rows that are in it.

    Of pictures that are planted on both sides the original, and its copies, are left out.
    """
    component = measurements.copies.component
    replaced = [component[row] for row, family in zip(sources, families, strict=True) if FAMILIES[family].both_sides]
    kept = np.flatnonzero(~np.isin(component, replaced))
    catalog, absent = measurements.catalog, np.full(len(files), NONE)
    return replace(
        catalog,
        paths=(*(catalog.paths[row] for row in kept), *map(str, files)),  # root / an absolute path is that path
        label_codes=np.concatenate([catalog.label_codes[kept], catalog.label_codes[list(sources)]]),
        split_codes=np.concatenate([catalog.split_codes[kept], absent.astype(np.int8)]),
        group_codes=np.concatenate([catalog.group_codes[kept], absent.astype(np.int32)]),
    ), kept


def _only(catalog: Catalog, start: int) -> Catalog:
    """Return the rows of a catalog from ``start`` on."""
    codes = {name: getattr(catalog, name)[start:] for name in ("label_codes", "split_codes", "group_codes")}
    return replace(catalog, paths=catalog.paths[start:], **codes)


def _rows(features: FeatureTable, rows: NDArray[np.int64]) -> FeatureTable:
    columns = {name: getattr(features, name) for name in FeatureTable.__dataclass_fields__}
    failures = columns.pop("failures")
    return FeatureTable(**{name: column[rows] for name, column in columns.items()}, failures=tuple(failures[row] for row in rows))


def _counted(
    measurements: Measurements,
    copies: CopyGraph,
    kept: NDArray[np.int64],
    sources: Sequence[int],
    families: Sequence[int],
    seed: int,
) -> SelfTest:
    """Judge the pairs by the sources: a pair of one source is found, a pair of two is a stranger."""
    source_of = [*kept.tolist(), *sources]
    component = measurements.copies.component
    known = {(pair.a, pair.b) for pair in measurements.copies.pairs}
    verdicts: dict[int, Verdict] = {}
    strangers = []
    for pair in copies.pairs:
        if pair.b < len(kept):
            continue
        a, b = sorted((source_of[pair.a], source_of[pair.b]))
        if component[a] == component[b]:
            unit = int(component[b])
            verdicts[unit] = "proved" if "proved" in (pair.verdict, verdicts.get(unit)) else "probable"
        elif (a, b) not in known:
            strangers.append((pair, families[pair.b - len(kept)]))
    told = dict(zip(sources, families, strict=True))
    tally = Counter((family, verdicts.get(int(component[row]), "missed")) for row, family in told.items())
    paths = measurements.catalog.paths
    return SelfTest(
        fingerprint=measurements.fingerprint(),
        samples=len(measurements.catalog),
        seed=seed,
        families=tuple(
            FamilyRecall(
                family.name,
                sum(tally[number, verdict] for verdict in ("proved", "probable", "missed")),
                tally[number, "proved"],
                tally[number, "probable"],
            )
            for number, family in enumerate(FAMILIES)
        ),
        strangers=tuple(
            Stranger(FAMILIES[family].name, paths[source_of[pair.b]], paths[source_of[pair.a]], pair.verdict, pair.similarity)
            for pair, family in strangers
        ),
    )
