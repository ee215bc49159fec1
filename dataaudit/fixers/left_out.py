"""Which samples no split can use, and why; and the words for why one sample follows another."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.domain import NONE, RELATIONS, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from dataaudit.domain import Catalog, CopyPair, Measurements

__all__ = ["Links", "conflicts", "is_utf8", "keep_once", "repeats", "unusable"]

TEST = ROLES.index("test")


def is_utf8(name: str) -> bool:
    """Return whether a name can be written as UTF-8 (it cannot where it holds surrogate-escaped bytes)."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def unusable(measurements: Measurements) -> dict[int, str]:
    """Return the rows that are left out whatever the split, with the reason.

    They could not be measured, have a name that is not UTF-8, or have no label; an unlabelled sample of test is usable.
    """
    catalog, features = measurements.catalog, measurements.features
    reasons: dict[int, str] = dict.fromkeys(
        np.flatnonzero((catalog.label_codes == NONE) & (catalog.split_codes != TEST)).tolist(), "unlabelled"
    )
    for row, failure in enumerate(features.failures):
        if failure is not None:
            reasons[row] = f"{failure.kind}: {failure.detail}"
    for row, path in enumerate(catalog.paths):
        if not is_utf8(path):
            reasons[row] = "its name is not UTF-8, so no manifest can hold it; rename it"
    return reasons


def conflicts(measurements: Measurements) -> dict[int, str]:
    """Return the rows of every proved copy group that bears two labels, with the reason (the labels, an example of each)."""
    catalog = measurements.catalog
    reasons: dict[int, str] = {}
    for rows in measurements.copies.groups():
        first: dict[int, int] = {}
        for row in rows:
            if catalog.label_codes[row] != NONE:
                first.setdefault(int(catalog.label_codes[row]), row)
        if len(first) > 1:
            named = "; ".join(f"{catalog.classes[label]} ({catalog.paths[row]})" for label, row in sorted(first.items()))
            reasons.update(dict.fromkeys(rows, f"the same picture under {len(first)} labels: {named}"))
    return reasons


class Links:
    """Says in words what links a row to one of some others."""

    def __init__(self, measurements: Measurements) -> None:
        """Index the pairs of every row."""
        self._catalog, self._copies, self._features = measurements.catalog, measurements.copies, measurements.features
        self._pairs: dict[int, list[CopyPair]] = defaultdict(list)
        for pair in measurements.copies.pairs:
            self._pairs[pair.a].append(pair)
            self._pairs[pair.b].append(pair)

    def describe(self, row: int, others: Iterable[int]) -> str:
        """Return what links ``row`` to the nearest of ``others``: a copy, a declared group, or a chain of both."""
        others = sorted(int(other) for other in others)
        among = set(others)
        direct = sorted(
            (pair.verdict != "proved", RELATIONS.index(pair.relation), other, pair.verdict)
            for pair in self._pairs[row]
            if (other := pair.b if pair.a == row else pair.a) in among
        )
        if direct:
            _, relation, other, verdict = direct[0]
            words = ("exact copy", "pixel-identical copy", "near copy", "transformed copy")[relation]
            return f"{'' if verdict == 'proved' else 'probable '}{words} of {self._catalog.paths[other]}"
        rows = np.array(others)
        digest, group = self._features.sha256[row], int(self._catalog.group_codes[row])
        same = rows[(self._features.sha256[rows] == digest).all(1) & digest.any()]
        if len(same):
            return f"exact copy of {self._catalog.paths[same[0]]}"
        together = rows[self._copies.component[rows] == self._copies.component[row]]
        if len(together):
            return f"in one copy group with {self._catalog.paths[together[0]]}"
        kin = rows[self._catalog.group_codes[rows] == group] if group != NONE else rows[:0]
        if len(kin):
            return f"same group ({self._catalog.groups[group]}) as {self._catalog.paths[kin[0]]}"
        return f"joined through copies and groups to {self._catalog.paths[others[0]]}"


def keep_once(rows: NDArray[np.int64], twin: NDArray[np.int64], keys: NDArray[np.uint64], catalog: Catalog) -> dict[int, str]:
    """Return the rows that repeat another of ``rows`` exactly, each with the reason, which names the one that is kept.

    That is one with a declared group, which would be lost with it; then the one with the smallest key, then path.
    """
    kept: dict[int, int] = {}
    repeated: dict[int, str] = {}
    twin_of, counts = np.unique(twin[rows], return_counts=True)
    several = rows[np.isin(twin[rows], twin_of[counts > 1])]
    for row in several[np.lexsort((several, keys[several], catalog.group_codes[several] == NONE))]:
        first = kept.setdefault(int(twin[row]), int(row))
        if first != row:
            repeated[int(row)] = repeats(catalog.paths[first])
    return repeated


def repeats(path: str) -> str:
    """Return the reason why an exact copy of the file at ``path`` is left out."""
    return f"exact copy of {path}, which is kept"
