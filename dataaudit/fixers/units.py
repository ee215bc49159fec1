"""What is placed as a whole, in an order that only contents decide.

Names, roots and row numbers never order anything here: rows are ordered by a keyed hash of their bytes, units by
the smallest key of their members, classes by the smallest key of theirs. So renaming a file, a folder or a class
changes nothing in which contents go where. Only between identical files does the path decide, and there it
cannot matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.dedup.components import components, first_of_equal
from dataaudit.domain import NONE, ROLES
from dataaudit.statistics.copies import one_of_each
from dataaudit.statistics.copies import units as independent
from dataaudit.statistics.shares import samples_per_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.domain import Catalog, FeatureTable, Measurements

__all__ = ["Counted", "Units", "join", "row_keys", "twins"]


def row_keys(features: FeatureTable, seed: int) -> NDArray[np.uint64]:
    """Return the keyed hash of each file's content: BLAKE2b of its SHA-256, keyed by the seed.

    Args:
        features: the table; only the digests are read.
        seed: any whole number from 0; another seed gives an unrelated order.

    Returns:
        (n,) 64-bit keys; identical files have the same key.
    """
    salt = blake2b(f"dataaudit split {seed}".encode(), digest_size=32).digest()
    octets = features.sha256.astype(">u8").tobytes()
    digests = (blake2b(octets[start : start + 32], key=salt, digest_size=8).digest() for start in range(0, len(octets), 32))
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def twins(measurements: Measurements) -> NDArray[np.int64]:
    """Return, for each row, the smallest row that shows exactly the same picture (same bytes or same pixels), shape (n,)."""
    edges = [(pair.a, pair.b) for pair in measurements.copies.pairs if pair.relation in {"exact", "pixel"}]
    features = measurements.features
    return _joined(len(measurements.catalog), _edges(edges), _same_bytes(features, np.any(features.sha256, axis=1)))


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The labelled samples of a planned split that STR601 counts: copies once."""

    rows: NDArray[np.int64]
    """(m,) ascending."""
    labels: NDArray[np.int32]
    """(m,) their label codes, below ``classes``."""
    units: NDArray[np.int64] | None
    """(m,) number of each one's unit (``statistics.copies.units``); None where no kept row has a declared group."""
    classes: int

    @classmethod
    def of(
        cls, measurements: Measurements, codes: NDArray[np.int8], twin: NDArray[np.int64], keys: NDArray[np.uint64]
    ) -> Counted:
        """Find them; whole units may change their split afterwards.

        Copy groups are joined anew, by the proved pairs of pictures that some split keeps: a scan of the result will do so.

        Args:
            measurements: the dataset.
            codes: (n,) planned split codes; -1 is left out.
            twin: (n,) as :func:`twins` gives it.
            keys: (n,) as :func:`row_keys` gives them; of the rows of a copy group the one with the smallest key is counted.
        """
        catalog = measurements.catalog
        alive = np.isin(twin, twin[codes != NONE])
        proved = [
            (twin[pair.a], twin[pair.b])
            for pair in measurements.copies.pairs
            if pair.verdict == "proved" and alive[pair.a] and alive[pair.b]
        ]
        copies = _joined(len(twin), _edges(proved), np.stack([np.arange(len(twin)), twin]))
        rows = np.flatnonzero((codes != NONE) & (catalog.label_codes != NONE))
        rows = one_of_each(rows[np.argsort(keys[rows], kind="stable")], copies, codes, catalog.label_codes)
        groups = np.where(codes == NONE, np.int32(NONE), catalog.group_codes)  # who is left out joins nothing
        unit = independent(copies, groups)[rows] if (groups != NONE).any() else None
        return cls(rows, catalog.label_codes[rows], unit, len(catalog.classes))

    def table(self, codes: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return samples per split and label code, shape (3, classes), of rows that are planned as ``codes``, (n,), says."""
        return samples_per_class(self.labels, codes[self.rows], len(ROLES), self.classes)


def join(measurements: Measurements, *, inferred: bool = False) -> NDArray[np.int64]:
    """Return, for each row, the smallest row of the unit it is placed with, shape (n,).

    A unit is a component of the union of: proved copies, probable copies, identical files, declared groups; if ``inferred``, of
    the groups and neighbours that names and times tell (``measurements.subjects``) too. Files that could not be read join nothing
    by content; they still belong to their declared group.
    """
    catalog, copies = measurements.catalog, measurements.copies
    readable = measurements.features.readable
    edges = [(pair.a, pair.b) for pair in copies.pairs if readable[pair.a] and readable[pair.b]]
    rows = np.flatnonzero(readable & (copies.component != np.arange(len(catalog))))
    proved = np.stack([rows, copies.component[rows]])
    same = _same_bytes(measurements.features, readable & np.any(measurements.features.sha256, axis=1))
    told = list(_inferred(measurements)) if inferred else []
    return _joined(len(catalog), _edges(edges), proved, same, _same_code(catalog.group_codes), *told)


def _inferred(measurements: Measurements) -> Iterator[NDArray[np.int64]]:
    """Yield the edges of what seems to be of one subject."""
    if measurements.subjects is not None:
        for group in measurements.subjects.groups:
            yield _same_code(group.codes)
        for pairs in measurements.subjects.neighbours:
            yield np.stack([pairs.a, pairs.b])


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The units of the kept rows in key order: unit 0 has the smallest key. Classes are ranked by content, too."""

    rows: NDArray[np.int64]
    """(m,) kept rows, unit by unit, inside a unit by key."""
    starts: NDArray[np.int64]
    """(u + 1,) unit ``i`` owns ``rows[starts[i]:starts[i + 1]]``."""
    keys: NDArray[np.uint64]
    """(u,) smallest key of the unit's rows."""
    owners: NDArray[np.int64]
    """(z,) unit of each (unit, class) entry, ascending."""
    ranks: NDArray[np.int64]
    """(z,) class rank of each entry, ascending inside a unit."""
    counts: NDArray[np.int64]
    """(z,) samples of the entry."""
    entry_starts: NDArray[np.int64]
    """(u + 1,) unit ``i`` owns the entries ``entry_starts[i]:entry_starts[i + 1]``."""
    classes: NDArray[np.int64]
    """(k,) label code of each class rank; only classes that have a kept row."""

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.keys)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(u,) samples of each unit."""
        return np.diff(self.starts)

    def table(self, parts: NDArray[np.int8], count: int) -> NDArray[np.int64]:
        """Return samples per part and class rank, shape (count, k); units of part -1 are not counted."""
        table = np.zeros((count, len(self.classes)), np.int64)
        placed = parts[self.owners] >= 0
        np.add.at(table, (parts[self.owners[placed]], self.ranks[placed]), self.counts[placed])
        return table

    def presence(self, parts: NDArray[np.int8], count: int) -> NDArray[np.int64]:
        """Return units per part and class rank, shape (count, k)."""
        table = np.zeros((count, len(self.classes)), np.int64)
        placed = parts[self.owners] >= 0
        np.add.at(table, (parts[self.owners[placed]], self.ranks[placed]), 1)
        return table

    def spread(self, parts: NDArray[np.int8], length: int) -> NDArray[np.int8]:
        """Return the part of every catalog row, shape (length,); -1 where the row is not kept."""
        codes = np.full(length, NONE, np.int8)
        codes[self.rows] = np.repeat(parts, self.sizes)
        return codes

    @classmethod
    def of(cls, catalog: Catalog, unit_of_row: NDArray[np.int64], keys: NDArray[np.uint64], kept: NDArray[np.bool_]) -> Units:
        """Build the table of the units that hold the kept rows.

        Args:
            catalog: for the labels.
            unit_of_row: (n,) as :func:`join` gives it.
            keys: (n,) as :func:`row_keys` gives them.
            kept: (n,) rows to place; each must be labelled.
        """
        rows = np.flatnonzero(kept)
        rows = rows[np.argsort(keys[rows], kind="stable")]
        at = np.arange(len(rows))
        first = np.empty(len(keys), np.int64)  # of each unit's rows, where the one with the smallest key stands
        first[unit_of_row[rows[::-1]]] = at[::-1]
        leads = first[unit_of_row[rows]]
        unit = (np.cumsum(leads == at) - 1)[leads]
        order = np.argsort(unit, kind="stable")  # where most units are single rows, nearly sorted as it is
        rows, unit = rows[order], unit[order]
        count = int(unit[-1]) + 1 if len(unit) else 0
        classes, rank = _class_ranks(catalog.label_codes[rows], keys[rows])
        entries, counts = np.unique(unit * max(1, len(classes)) + rank, return_counts=True)
        owners, ranks = np.divmod(entries, max(1, len(classes)))
        starts = _starts(unit, count)
        return cls(
            rows=rows,
            starts=starts,
            keys=keys[rows[starts[:-1]]],
            owners=owners,
            ranks=ranks,
            counts=counts,
            entry_starts=_starts(owners, count),
            classes=classes,
        )


def _class_ranks(labels: NDArray[np.int32], keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank the classes by the smallest key of their rows: label code of each rank, and the rank of each row."""
    present = np.bincount(labels) > 0
    smallest = np.full(len(present), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, labels, keys)
    codes = np.flatnonzero(present)
    codes = codes[np.argsort(smallest[codes], kind="stable")]
    rank = np.empty(len(present), np.int64)
    rank[codes] = np.arange(len(codes))
    return codes, rank[labels]


def _starts(owners: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return where the entries of each of ``count`` owners begin, and where the last one's end; ``owners`` is sorted."""
    return np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=count))])


def _edges(pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(pairs, np.int64).reshape(-1, 2).T


def _same_code(codes: NDArray[np.int32] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Edges that chain the rows of one code; -1 chains nothing."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] != NONE]
    linked = codes[order[1:]] == codes[order[:-1]]
    return np.stack([order[:-1][linked], order[1:][linked]]).astype(np.int64)


def _same_bytes(features: FeatureTable, valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Edges that join the valid rows with the same SHA-256."""
    first = first_of_equal(features.sha256, valid)
    again = np.flatnonzero(first != np.arange(len(first)))
    return np.stack([first[again], again])


def _joined(rows: int, *edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the smallest row of each row's component, shape (rows,); edges are (2, any)."""
    a, b = np.concatenate(edges, axis=1)
    return components(rows, a, b)
