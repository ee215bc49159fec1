"""DRF: do validation and test show the same kind of pictures as train?

Property by property (``drift_properties``), and all of them together (``drift_spaces``). Benjamini–Hochberg runs over *all* these
tests of the run, of every property, class, space and split. Copies count once within a split and class; units (copy groups,
declared groups) never pass for more evidence than they are. A split is tested from ``drift_minimum`` units on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import ROLES, NotRun, Rule
from dataaudit.scanners import drift_properties, drift_spaces
from dataaudit.scanners.copy_groups import counted_once
from dataaudit.scanners.drift_properties import DRIFT, Comparison
from dataaudit.scanners.drift_spaces import EMBEDDED, NARROW, SEPARABLE, UNCOVERED, SpaceTest
from dataaudit.statistics.copies import unit_count, units
from dataaudit.statistics.corrections import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Finding, Measurements, Role

__all__ = ["RULES", "scan", "tests"]

RULES: Final[tuple[Rule, ...]] = (DRIFT, SEPARABLE, EMBEDDED, NARROW, UNCOVERED)


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield the drifts between train and every other split."""
    others = tuple(role for role in measurements.catalog.splits if role != "train")
    if "train" not in measurements.catalog.splits or not others:
        found = " and ".join(measurements.catalog.splits)
        has = f"the dataset has only {found}" if found else "the dataset has no splits"
        yield from (NotRun(rule, f"not-applicable: {has}") for rule in RULES)
        return
    unit, rows = _rows(measurements)
    enough = _enough(rows, unit, config)
    if not enough:
        told = ", ".join(f"{role} {unit_count(unit[found])}" for role, found in rows.items())
        needed = f"{config.drift_minimum} different readable pictures a split are needed (groups counted once)"
        yield from (NotRun(rule, f"too-few: {needed}, found {told}") for rule in RULES)
        return
    if measurements.embeddings is None:
        reason = "needs-extra: --embeddings FILE, what a model of yours makes of the pictures"
        yield from (NotRun(rule, reason) for rule in (EMBEDDED, UNCOVERED))
    tested = tests(measurements, config)
    judged = list(zip(tested, benjamini_hochberg([each.p_value for each in tested]).tolist(), strict=True))
    for role in enough:
        here = [(each, q) for each, q in judged if isinstance(each, Comparison) and each.role == role]
        yield from drift_properties.findings(measurements, config, here, rows["train"], rows[role], unit)
        for each, q in judged:
            if isinstance(each, SpaceTest) and each.role == role:
                yield from drift_spaces.findings(each, q, config)


def tests(measurements: Measurements, config: Config) -> tuple[Comparison | SpaceTest, ...]:
    """Return every test that is made, before any correction, split by split; none where there is nothing to compare."""
    unit, rows = _rows(measurements)
    made: list[Comparison | SpaceTest] = []
    for role in _enough(rows, unit, config):
        made.extend(drift_properties.tests(measurements, rows["train"], rows[role], role, unit))
        made.extend(drift_spaces.tests(measurements, config, rows["train"], rows[role], role, unit))
    return tuple(made)


def _rows(measurements: Measurements) -> tuple[NDArray[np.int64], dict[Role, NDArray[np.intp]]]:
    """Return the unit of every row, and the rows of each split that count: readable, copies once."""
    catalog = measurements.catalog
    usable = counted_once(measurements) & measurements.features.readable
    rows = {role: np.flatnonzero(usable & (catalog.split_codes == ROLES.index(role))) for role in catalog.splits}
    return units(measurements.copies.component, catalog.group_codes), rows


def _enough(rows: dict[Role, NDArray[np.intp]], unit: NDArray[np.int64], config: Config) -> tuple[Role, ...]:
    """Return the splits that can be compared with train: both hold enough units."""
    large = [role for role, found in rows.items() if unit_count(unit[found]) >= config.drift_minimum]
    return tuple(role for role in large if role != "train" and "train" in large)
