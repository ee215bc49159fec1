"""Run dataaudit's own stages on planted copies, and judge the answer by the ids of the sources."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import psutil

from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.dedup import relate
from dataaudit.dedup.candidates import nominate
from dataaudit.domain import FeatureTable
from dataaudit.engines.local import LocalEngine
from dataaudit.features import measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from planted.families import Family

    from dataaudit.domain import CopyGraph


@dataclass(frozen=True, slots=True)
class Copy:
    """A planted picture: how it is made, and where it is."""

    source: Path
    target: Path
    """Without a suffix: whoever makes it decides on that."""
    seed: int
    other: Path
    """Another picture, for those makers that want one."""

    @property
    def number(self) -> int:
        """The id of the source."""
        return int(self.source.stem)

    @property
    def side(self) -> str:
        """``train`` or ``val``."""
        return self.target.parent.name

    @property
    def file(self) -> Path:
        """The file that was made."""
        return next(path for suffix in (".jpg", ".png") if (path := self.target.with_suffix(suffix)).exists())


@dataclass(frozen=True, slots=True)
class FalsePair:
    """Two pictures of different sources that were called copies."""

    a: Path
    b: Path
    verdict: str
    similarity: float
    overlap: float


@dataclass(frozen=True, slots=True)
class Searched:
    """What came of one family."""

    family: Family
    files: tuple[Path, ...]
    """Every picture searched; their stems are the ids of the sources."""
    pairs_of_truth: tuple[tuple[int, int], ...]
    """Indices into ``files``: what should be found; empty where there are no copies."""
    proved: int
    probable: int
    """Truths found as probable only."""
    nominated: int
    """Truths that a nominator proposed (or whose digests are equal)."""
    false_pairs: tuple[FalsePair, ...]

    def line(self) -> str:
        """Say it in a line, while the others are still running."""
        n = len(self.pairs_of_truth)
        found = f"proved {self.proved}/{n}, probable {self.probable}, nominated {self.nominated}, " if n else ""
        return f"{self.family.name}: {found}false {len(self.false_pairs)}"


class Searcher:
    """Searches family after family among the same gallery, which is measured once. Use it in a ``with``."""

    def __init__(self, gallery: Sequence[Path], jobs: int) -> None:
        """Measure the gallery and relate it to itself."""
        self._config = Config(jobs=jobs)
        self._engine = LocalEngine(jobs, self._config.file_timeout, self._config.file_memory)
        self.gallery = tuple(gallery)
        self._measured(gallery[: 64 * jobs])  # the workers start and import
        self._features, self.index_seconds = self._measured(gallery)
        self.gallery_pairs, self.gallery_seconds = self._gallery_pairs()
        self.search_seconds, self.queries = 0.0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def search(self, plans: Mapping[Family, Sequence[Copy]]) -> list[Searched]:
        """Search the planted copies of some families at once: each source is copied for one of them only."""
        made = {(copy.side, copy.number): (family, copy.file) for family, plan in plans.items() for copy in plan}
        among_others = all(family.copies for family in plans)
        train = dict(enumerate(self.gallery)) if among_others else {}
        train |= {number: file for (side, number), (_, file) in made.items() if side == "train"}
        val = {number: file for (side, number), (_, file) in made.items() if side == "val"}
        with _dataset(train.values(), val.values()) as root:
            catalog = find(root, self._config)
            rows = [(path.split("/")[0], int(Path(path).stem)) for path in catalog.paths]
            files = tuple((train if side == "train" else val)[number] for side, number in rows)
            features = self._features_of(files)
            new = np.array([row in made for row in rows])
            start = _cpu_seconds()
            copies = relate(catalog, features, self._config, self._engine, touching=new)
            self.search_seconds += _cpu_seconds() - start
        self.queries += sum(family.copies for family, _ in made.values())
        found = _Found(rows, files, copies, self._nominated(features))
        return [found.of(family, plan, self.alike) for family, plan in plans.items()]

    @property
    def alike(self) -> frozenset[frozenset[int]]:
        """Ids of the gallery's own pairs."""
        return frozenset(frozenset((int(pair.a.stem), int(pair.b.stem))) for pair in self.gallery_pairs)

    def _gallery_pairs(self) -> tuple[tuple[FalsePair, ...], float]:
        start = _cpu_seconds()
        with _dataset(self.gallery, ()) as root:
            copies = relate(find(root, self._config), self._features, self._config, self._engine)
        pairs = tuple(
            FalsePair(self.gallery[pair.a], self.gallery[pair.b], pair.verdict, pair.similarity, pair.overlap)
            for pair in copies.pairs
        )
        return pairs, _cpu_seconds() - start

    def _measured(self, files: Sequence[Path]) -> tuple[FeatureTable, float]:
        """Measure files, in their order; and the CPU time of it, workers included."""
        with _dataset(files, ()) as root:
            catalog = find(root, self._config)
            start = _cpu_seconds()
            features = measure(catalog, self._config, self._engine)
            seconds = _cpu_seconds() - start
        row_of = {Path(path).name: row for row, path in enumerate(catalog.paths)}
        return _taken(features, [row_of[file.name] for file in files]), seconds

    def _features_of(self, files: Sequence[Path]) -> FeatureTable:
        """Return the features of files, in their order; what is not of the gallery is measured."""
        parts, row_of = [self._features], {file: row for row, file in enumerate(self.gallery)}
        for side in ("train", "val"):  # of one source there may be two, and they have one name
            new = [file for file in files if file.parent.name == side]
            if new:
                row_of |= {file: row + sum(map(len, parts)) for row, file in enumerate(new)}
                parts.append(self._measured(new)[0])
        return _taken(FeatureTable.concat(parts), [row_of[file] for file in files])

    def _nominated(self, features: FeatureTable) -> set[tuple[int, int]]:
        rows = np.flatnonzero(features.readable)
        found = nominate(features, rows, self._config)
        return set(zip(found.a.tolist(), found.b.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a search of several families found."""

    rows: list[tuple[str, int]]
    """Side and id of the source, a row."""
    files: tuple[Path, ...]
    copies: CopyGraph
    nominated: set[tuple[int, int]]

    def of(self, family: Family, plan: Sequence[Copy], alike: frozenset[frozenset[int]]) -> Searched:
        """Return what of it concerns the copies of one family; ``alike``: ids of pictures that are alike from the start."""
        sources = {copy.number for copy in plan}
        if family.shows_another:
            alike |= {frozenset((copy.number, int(copy.other.stem))) for copy in plan}
        row_of = {row: number for number, row in enumerate(self.rows)}
        truth = tuple((row_of["train", source], row_of["val", source]) for source in sorted(sources)) if family.copies else ()
        found, component = {(pair.a, pair.b) for pair in self.copies.pairs}, self.copies.component
        proved = sum(component[a] == component[b] for a, b in truth)
        probable = sum(component[a] != component[b] and (a, b) in found for a, b in truth)
        wrong = tuple(
            FalsePair(self.files[pair.a], self.files[pair.b], pair.verdict, pair.similarity, pair.overlap)
            for pair in self.copies.pairs
            if len(ids := frozenset((self.rows[pair.a][1], self.rows[pair.b][1]))) > 1
            and ids not in alike
            and self.rows[pair.b][1] in sources
        )
        return Searched(family, self.files, truth, proved, probable, len((self.nominated | found) & set(truth)), wrong)


class _dataset:  # noqa: N801 - a context manager, used as a function
    """A temporary tree ``train/all/…``, ``val/all/…`` of hard links."""

    def __init__(self, train: Iterable[Path], val: Iterable[Path]) -> None:
        self._files = {"train": list(train), "val": list(val)}

    def __enter__(self) -> Path:
        first = next(file for files in self._files.values() for file in files)
        self._root = Path(tempfile.mkdtemp(prefix="dataset-", dir=first.parents[2]))  # the same file system
        for side, files in self._files.items():
            (self._root / side / "all").mkdir(parents=True)
            for file in files:
                os.link(file, self._root / side / "all" / file.name)
        return self._root

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._root)


def _taken(features: FeatureTable, rows: Sequence[int]) -> FeatureTable:
    """Return some rows of a table, in their order."""
    index: NDArray[np.int64] = np.array(rows, np.int64)
    columns = {field.name: getattr(features, field.name) for field in fields(FeatureTable)}
    failures = columns.pop("failures")
    return FeatureTable(
        **{name: column[index] for name, column in columns.items()}, failures=tuple(failures[row] for row in rows)
    )


def _cpu_seconds() -> float:
    """CPU time so far of this process and of the workers, which live as long as the searcher."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)
