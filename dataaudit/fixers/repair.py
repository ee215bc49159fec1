"""Repair the splits a dataset has: test frozen, the fewest moves elsewhere.

In this order: what a unit of test holds leaves train and val; identical copies inside train are kept once; a unit that
straddles train and val goes where fewer samples move; where val is missing, or empty by now, it is carved out of train; an
absent class is given to val; class shares are restored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, ROLES
from dataaudit.fixers.left_out import Links, conflicts, keep_once, repeats, unusable
from dataaudit.fixers.offline import originals_only
from dataaudit.fixers.remake import allocate, give_absent
from dataaudit.fixers.stratify import restore, val_differs
from dataaudit.fixers.units import Counted, Units

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Measurements

__all__ = ["Draft", "Straddling", "balance", "by_unit", "clear_test_units", "repair"]

CARVED: Final = 0.15
"""Share of train that becomes val where there is none: what new splits give it."""
TRAIN, VAL, TEST = (ROLES.index(role) for role in ("train", "val", "test"))


@dataclass(slots=True)
class Draft:
    """A split in the making: the code of every row, why rows changed, what could not be done."""

    codes: NDArray[np.int8]
    """(n,) planned split codes; -1 is left out."""
    reasons: dict[int, str] = field(default_factory=dict)
    impossible: list[str] = field(default_factory=list)

    def leave_out(self, rows: dict[int, str]) -> None:
        """Take rows out of every split, with their reasons."""
        for row, reason in rows.items():
            self.codes[row] = NONE
            self.reasons[row] = reason


def repair(
    measurements: Measurements, config: Config, unit_of_row: NDArray[np.int64], twin: NDArray[np.int64], keys: NDArray[np.uint64]
) -> Draft:
    """Return the repaired splits.

    Args:
        measurements: a dataset with splits.
        config: thresholds and the seed.
        unit_of_row: (n,) as ``units.join`` gives it.
        twin: (n,) as ``units.twins`` gives it.
        keys: (n,) as ``units.row_keys`` gives them.
    """
    catalog = measurements.catalog
    draft = Draft(catalog.split_codes.copy())
    draft.leave_out(dict.fromkeys((int(row) for row in catalog.rows_of(None)), "no split in the dataset"))
    bad = unusable(measurements)
    draft.leave_out(bad)
    lost = sum(catalog.split_codes[row] == TEST for row in bad)
    if lost:
        draft.impossible.append(f"Test is frozen, but {lost} of its files cannot be used and are left out.")
    _leave_out_conflicts(draft, measurements)
    links = Links(measurements)
    clear_test_units(draft, unit_of_row, links)
    train = np.flatnonzero(draft.codes == TRAIN)
    draft.leave_out(keep_once(train, twin, keys, catalog))
    if config.offline_copies == "originals":
        draft.leave_out(originals_only(measurements, (draft.codes == TRAIN) | (draft.codes == VAL)))
    straddling = Straddling(measurements, draft, unit_of_row, twin, keys)
    straddling.settle(links)
    if not (draft.codes == VAL).any():
        _carve(draft, measurements, unit_of_row, keys)
    balance(draft, measurements, config, unit_of_row, twin, keys)
    return draft


def _leave_out_conflicts(draft: Draft, measurements: Measurements) -> None:
    conflicting = {row: reason for row, reason in conflicts(measurements).items() if draft.codes[row] != NONE}
    draft.leave_out({row: reason for row, reason in conflicting.items() if draft.codes[row] != TEST})
    frozen = sorted(row for row in conflicting if draft.codes[row] == TEST)
    if frozen:
        first = measurements.catalog.paths[frozen[0]]
        draft.impossible.append(
            f"Test is frozen, so {len(frozen)} of its samples whose picture also bears another label stay (the first: {first})."
        )


def clear_test_units(draft: Draft, unit_of_row: NDArray[np.int64], links: Links) -> None:
    """Leave out of train and val what belongs to a unit of test, which is frozen."""
    test = np.flatnonzero(draft.codes == TEST)
    others = np.flatnonzero((draft.codes == TRAIN) | (draft.codes == VAL))
    touching = others[np.isin(unit_of_row[others], unit_of_row[test])]
    members = by_unit(test[np.isin(unit_of_row[test], unit_of_row[touching])], unit_of_row)
    draft.leave_out({int(row): f"{links.describe(int(row), members[int(unit_of_row[row])])}, in test" for row in touching})
    if len(touching):
        draft.impossible.append(
            f"Test is frozen, so {len(touching)} samples of train and val that belong with pictures of test are left out; "
            "new splits (--remake) would keep them."
        )


def _carve(draft: Draft, measurements: Measurements, unit_of_row: NDArray[np.int64], keys: NDArray[np.uint64]) -> None:
    """Make the val split that is missing: a stratified part of train, units whole."""
    units = Units.of(measurements.catalog, unit_of_row, keys, draft.codes == TRAIN)
    if len(units) > 1:
        parts = allocate(units, (1.0 - CARVED, CARVED))  # in the order of the codes: train, val
        draft.codes[units.rows] = np.repeat(parts, units.sizes)
        for unit in np.flatnonzero(parts == VAL):
            _explain(draft, units, int(unit), f"val would be empty: {100 * CARVED:g} % of train are made one")


def by_unit(rows: Iterable[np.int64], unit_of_row: NDArray[np.int64]) -> dict[int, list[int]]:
    """Return the rows of each unit, in their order."""
    members: dict[int, list[int]] = {}
    for row in rows:
        members.setdefault(int(unit_of_row[row]), []).append(int(row))
    return members


class Straddling:
    """The units with samples in train and in val, and where each goes."""

    def __init__(
        self,
        measurements: Measurements,
        draft: Draft,
        unit_of_row: NDArray[np.int64],
        twin: NDArray[np.int64],
        keys: NDArray[np.uint64],
    ) -> None:
        """Find them; the arrays are those of :func:`repair`."""
        self.catalog, self.draft, self.twin, self.keys = measurements.catalog, draft, twin, keys
        in_train, in_val = np.zeros((2, len(unit_of_row)), bool)  # units; one is called by one of its rows
        in_train[unit_of_row[draft.codes == TRAIN]] = True
        in_val[unit_of_row[draft.codes == VAL]] = True
        straddling = (in_train & in_val)[unit_of_row] & (draft.codes != NONE)
        self.units = Units.of(self.catalog, unit_of_row, keys, straddling)
        whole = Units.of(self.catalog, unit_of_row, keys, (draft.codes == TRAIN) | (draft.codes == VAL))
        self.rank = {int(code): rank for rank, code in enumerate(whole.classes)}
        self.wanted = np.array([self._counts(np.flatnonzero(draft.codes == split)) for split in (TRAIN, VAL)])
        self.held = self.wanted - np.array(
            [self._counts(self.units.rows[draft.codes[self.units.rows] == split]) for split in (TRAIN, VAL)]
        )

    def settle(self, links: Links) -> None:
        """Send each unit where fewer samples move; among equals, where train or val has lost the larger share of the class."""
        tied: list[tuple[int, NDArray[np.int64]]] = []
        for unit in range(len(self.units)):
            rows = self.units.rows[self.units.starts[unit] : self.units.starts[unit + 1]]
            in_train, in_val = (int((self.draft.codes[rows] == split).sum()) for split in (TRAIN, VAL))
            if in_train == in_val:
                tied.append((unit, rows))
            else:
                self._send(rows, TRAIN if in_train > in_val else VAL, links)
        for unit, rows in tied:
            counts = self._counts(rows)
            missing = (self.wanted - self.held) / np.maximum(self.wanted, 1)
            train, val = (float((missing[split] * counts).sum()) for split in (TRAIN, VAL))
            even = TRAIN if int(self.units.keys[unit]) % 2 else VAL
            self._send(rows, even if train == val else TRAIN if train > val else VAL, links)

    def _send(self, rows: NDArray[np.int64], target: int, links: Links) -> None:
        staying = [int(row) for row in rows if self.draft.codes[row] == target]
        groups = self.catalog.group_codes
        of_a_group_last = sorted(staying, key=lambda row: (groups[row] != NONE, -row))  # the last stands for its doubles
        shown = {int(self.twin[row]): row for row in of_a_group_last}
        for row in rows:
            if self.draft.codes[row] == target:
                continue
            double = shown.setdefault(int(self.twin[row]), int(row))
            if double != row and (groups[row] == NONE or groups[double] != NONE):
                self.draft.leave_out({int(row): repeats(self.catalog.paths[double])})
                continue
            if double != row:  # the moving one has a declared group, which would be lost with it
                self.draft.leave_out({double: repeats(self.catalog.paths[row])})
                shown[int(self.twin[row])] = int(row)
            self.draft.codes[row] = target
            self.draft.reasons[int(row)] = f"{links.describe(int(row), staying)}, in {ROLES[target]}"
        self.held[target] += self._counts(rows[self.draft.codes[rows] == target])

    def _counts(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        codes, counts = np.unique(self.catalog.label_codes[rows], return_counts=True)
        table = np.zeros(len(self.rank), np.int64)
        table[[self.rank[int(code)] for code in codes]] = counts
        return table


def balance(
    draft: Draft,
    measurements: Measurements,
    config: Config,
    unit_of_row: NDArray[np.int64],
    twin: NDArray[np.int64],
    keys: NDArray[np.uint64],
    movable: NDArray[np.bool_] | None = None,
) -> None:
    """Give val the classes it lacks and restore its class shares, by whole units, until neither changes anything.

    Args:
        draft: changed in place.
        measurements: with the splits as they were.
        config: thresholds and the seed.
        unit_of_row: (n,) as ``units.join`` gives it.
        twin: (n,) as ``units.twins`` gives it.
        keys: (n,) as ``units.row_keys`` gives them.
        movable: (n,) rows whose units may move; None: all.
    """
    pool = (draft.codes == TRAIN) | (draft.codes == VAL)
    units = Units.of(measurements.catalog, unit_of_row, keys, pool)
    before = draft.codes[units.rows[units.starts[:-1]]]
    if not (before == TRAIN).any() or not (before == VAL).any():
        return
    free, parts = _without_twins(units, twin), before
    if movable is not None:
        free &= movable[units.rows[units.starts[:-1]]]
    counted = Counted.of(measurements, draft.codes, twin, keys)
    once = np.zeros(len(pool), bool)
    once[counted.rows] = True
    lean = Units.of(measurements.catalog, unit_of_row, keys, pool & once)  # the same units in the same order, copies once

    def differs(parts: NDArray[np.int8]) -> bool:
        return val_differs(counted, np.where(pool, units.spread(parts, len(pool)), draft.codes), config)

    while True:
        given = give_absent(units, parts, (TRAIN, VAL), free)
        _explain_given(draft, units, parts, given, measurements)
        restored = restore(lean, given, free, differs, config)
        for unit in np.flatnonzero(given != restored):
            _explain(draft, units, int(unit), "moved to bring val's class shares back to train's")
        if (restored == parts).all():
            break
        parts = restored
    moved = units.spread(parts, len(draft.codes))
    draft.codes[units.rows] = moved[units.rows]
    stays = pool & (draft.codes == measurements.catalog.split_codes)
    draft.reasons = {row: reason for row, reason in draft.reasons.items() if not stays[row]}
    _tell(draft, units, parts, measurements)
    if differs(parts):
        draft.impossible.append("The class shares of train and val still differ: no exchange of whole units brings them closer.")


def _without_twins(units: Units, twin: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(u,) units in which no picture comes twice; the others stay where they are, or train would get a picture twice."""
    owner = np.repeat(np.arange(len(units)), units.sizes)
    _, first, counts = np.unique(twin[units.rows], return_index=True, return_counts=True)
    movable = np.ones(len(units), bool)
    movable[owner[first[counts > 1]]] = False
    return movable


def _explain_given(
    draft: Draft, units: Units, before: NDArray[np.int8], after: NDArray[np.int8], measurements: Measurements
) -> None:
    absent = units.presence(before, 2) == 0
    for unit in np.flatnonzero(before != after):
        ranks = units.ranks[units.entry_starts[unit] : units.entry_starts[unit + 1]]
        lacking = [int(units.classes[rank]) for rank in ranks if absent[after[unit], rank]]
        names = ", ".join(measurements.catalog.classes[code] for code in sorted(lacking))
        _explain(draft, units, int(unit), f"{ROLES[after[unit]]} had no sample of class {names}")


def _explain(draft: Draft, units: Units, unit: int, reason: str) -> None:
    for row in units.rows[units.starts[unit] : units.starts[unit + 1]]:
        draft.reasons[int(row)] = reason


def _tell(draft: Draft, units: Units, parts: NDArray[np.int8], measurements: Measurements) -> None:
    """Say which classes could not be put right."""
    present = units.presence(parts, 2)
    for split in (TRAIN, VAL):
        for rank in np.flatnonzero(present[split] == 0):
            name = measurements.catalog.classes[int(units.classes[rank])]
            count = int(present[:, rank].sum())
            why = (
                "it has a single unit" if count == 1 else "none of its units can move without tearing or emptying something else"
            )
            draft.impossible.append(f"{ROLES[split]} has no sample of class {name}: {why}.")
