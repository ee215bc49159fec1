"""DRF: do validation and test show the same kind of pictures as train?

Every property is compared between train and each other split, over all classes and within each class, by a
Kolmogorov–Smirnov test and a standardised Wasserstein distance. Benjamini–Hochberg runs over *all* these tests. A split is
tested from ``drift_minimum`` samples on, a class from 8 a side on but with twice the effect demanded, for in few pictures a
small drift is no news. Copies count once within a split and class. A property that drifts in a split is one finding, which
names the classes it drifts in; a property that drifts in some class only is one finding of that class.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, PROPERTY_NAMES, ROLES, Finding, NotRun, Rule, TestEvidence
from dataaudit.scanners.copy_groups import counted_once
from dataaudit.scanners.wording import surely
from dataaudit.statistics.corrections import benjamini_hochberg
from dataaudit.statistics.drift import DriftTest, compare_distributions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Measurements, Role

__all__ = ["RULES", "scan"]

DRIFT: Final = Rule(
    "DRF801",
    "property-drift",
    "warning",
    "A split's pictures differ from train's in a measurable property",
    "The model is scored on another kind of picture (darker, blurrier, other size or compression) than it learned from: "
    "the score mixes what it knows with how well it bears the difference.",
    "Look at both splits. If one source went to one split, split anew at random within sources; if the drift is meant, "
    "augment train with it (RandomBrightness, RandomContrast, resizing).",
)
RULES: Final[tuple[Rule, ...]] = (DRIFT,)
CLASS_MINIMUM: Final = 8
"""Samples of a class, on each side, from which drift within the class is tested."""
CLASS_EFFECT: Final = 2.0
"""Times ``drift_effect`` that drift within a class must reach."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    property: str
    role: Role
    label: int
    n: tuple[int, int]
    test: DriftTest


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield the properties that drift between train and another split, or within a class of it."""
    catalog = measurements.catalog
    others = tuple(role for role in catalog.splits if role != "train")
    if "train" not in catalog.splits or not others:
        found = f"only {' and '.join(catalog.splits)}" if catalog.splits else "no splits"
        yield NotRun(DRIFT, f"not-applicable: the dataset has {found}")
        return
    usable = counted_once(measurements) & measurements.features.readable
    rows = {role: np.flatnonzero(usable & (catalog.split_codes == ROLES.index(role))) for role in ("train", *others)}
    enough = [role for role in others if min(rows["train"].size, rows[role].size) >= config.drift_minimum]
    if not enough:
        told = ", ".join(f"{role} {found.size}" for role, found in rows.items())
        yield NotRun(DRIFT, f"too-few: {config.drift_minimum} different readable pictures a split are needed, found {told}")
        return
    compared = [each for role in enough for each in _compare(measurements, rows["train"], rows[role], role)]
    q_values = benjamini_hochberg([each.test.p_value for each in compared]).tolist()
    drifted = [
        (each, q)
        for each, q in zip(compared, q_values, strict=True)
        if q < config.alpha and each.test.effect >= config.drift_effect * (1.0 if each.label == NONE else CLASS_EFFECT)
    ]
    yield from _findings(catalog.classes, drifted)


def _compare(measurements: Measurements, train: NDArray[np.intp], other: NDArray[np.intp], role: Role) -> Iterator[_Comparison]:
    """Yield the comparisons of one pair of splits: every property that varies, over all classes and within each."""
    labels = measurements.catalog.label_codes
    n_classes = len(measurements.catalog.classes)
    populations = [(NONE, train, other)]
    if n_classes > 1:
        within = (_by_class(train, labels, n_classes), _by_class(other, labels, n_classes))
        populations += [(label, a, b) for label, (a, b) in enumerate(zip(*within, strict=True))]
    for label, a, b in populations:
        if label != NONE and min(a.size, b.size) < CLASS_MINIMUM:
            continue
        for column, name in enumerate(PROPERTY_NAMES):
            first, second = (measurements.features.properties[rows, column] for rows in (a, b))
            first, second = first[np.isfinite(first)], second[np.isfinite(second)]
            if first.size and second.size and np.ptp(np.concatenate((first, second))) > 0:
                yield _Comparison(name, role, label, (first.size, second.size), compare_distributions(first, second))


def _by_class(rows: NDArray[np.intp], labels: NDArray[np.int32], n_classes: int) -> list[NDArray[np.intp]]:
    order = rows[np.argsort(labels[rows], kind="stable")]
    bounds = np.searchsorted(labels[order], np.arange(n_classes + 1))
    return [order[start:stop] for start, stop in pairwise(bounds)]


def _findings(classes: tuple[str, ...], drifted: list[tuple[_Comparison, float]]) -> Iterator[Finding]:
    whole = {(each.role, each.property) for each, _ in drifted if each.label == NONE}
    for each, q in drifted:
        key = (each.role, each.property)
        if each.label == NONE:
            inside = [
                (one.test.effect, classes[one.label])
                for one, _ in drifted
                if one.label != NONE and (one.role, one.property) == key
            ]
            named = ", ".join(repr(name) for _, name in sorted(inside, key=lambda item: (-item[0], item[1])))
            yield _finding(each, q, each.role, f"; within class {named}" if inside else "")
        elif key not in whole:
            yield _finding(each, q, f"class {classes[each.label]!r} of {each.role}", "")


def _finding(each: _Comparison, q: float, place: str, more: str) -> Finding:
    test = each.test
    message = (
        f"{each.property} of {place} drifts from train's: mean {test.mean_b:.3g} against {test.mean_a:.3g}, "
        f"{test.effect:.2f} standard deviations apart (n {each.n[1]} and {each.n[0]}, {surely(q)}){more}"
    )
    evidence = TestEvidence(
        "Kolmogorov–Smirnov",
        each.property if each.label == NONE else f"{each.property}, {place}",
        ("train", each.role),
        each.n,
        test.statistic,
        test.p_value,
        q,
        test.effect,
        "standardised Wasserstein distance",
    )
    return Finding(DRIFT, message, (), evidence)
