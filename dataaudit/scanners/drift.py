"""DRF: do validation and test show the same kind of pictures as train?

Every property is compared between train and each other split, in the split as a whole and within each class. The whole is
compared by the ranks of the pictures *within their classes*, so that other class shares (STR601's business) are no drift.
The test is Kolmogorov–Smirnov's, the effect a standardised Wasserstein distance; Benjamini–Hochberg runs over *all* these
tests. A split is tested from ``drift_minimum`` samples on, a class from 8 a side on but with twice the effect demanded, for in
few pictures a small drift is no news. Copies count once within a split and class. Drift that a minority of the classes explains
is one finding a class; any other is one finding of the split, which names the classes that drift most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, PROPERTY_NAMES, ROLES, ComparisonEvidence, Finding, NotRun, Rule
from dataaudit.scanners.copy_groups import counted_once
from dataaudit.statistics.corrections import benjamini_hochberg
from dataaudit.statistics.drift import DriftTest, compare_distributions, compare_within_classes
from dataaudit.wording import surely

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
    drifted = [(each, q) for each, q in zip(compared, q_values, strict=True) if q < config.alpha and _matters(each, config)]
    for role in enough:
        for name in PROPERTY_NAMES:
            here = [(each, q) for each, q in drifted if each.role == role and each.property == name]
            yield from _findings(measurements, config, here, rows["train"], rows[role])


def _matters(each: _Comparison, config: Config) -> bool:
    return each.test.effect >= config.drift_effect * (1.0 if each.label == NONE else CLASS_EFFECT)


def _compare(measurements: Measurements, train: NDArray[np.intp], other: NDArray[np.intp], role: Role) -> Iterator[_Comparison]:
    """Yield the comparisons of one pair of splits: every property that varies, over all classes and within each."""
    labels = measurements.catalog.label_codes
    n_classes = len(measurements.catalog.classes)
    within = (_by_class(train, labels, n_classes), _by_class(other, labels, n_classes)) if n_classes > 1 else ()
    for name in PROPERTY_NAMES:
        whole = _compare_whole(measurements, name, role, train, other)
        if whole:
            yield whole
        for label, (a, b) in enumerate(zip(*within, strict=True)):
            first, second = _finite(measurements, name, a), _finite(measurements, name, b)
            enough = min(first.size, second.size) >= CLASS_MINIMUM
            if enough and np.ptp(np.concatenate((first, second))) > 0:
                yield _Comparison(name, role, label, (first.size, second.size), compare_distributions(first, second))


def _compare_whole(
    measurements: Measurements, name: str, role: Role, train: NDArray[np.intp], other: NDArray[np.intp]
) -> _Comparison | None:
    """Compare two splits class by class (as one class where one of them has no labels); None where nothing varies."""
    labels = measurements.catalog.label_codes
    column = measurements.features.property(name)
    a, b = train[np.isfinite(column[train])], other[np.isfinite(column[other])]
    if not a.size or not b.size or np.ptp(column[np.concatenate((a, b))]) == 0:
        return None
    labelled = bool((labels[a] != NONE).any() and (labels[b] != NONE).any())
    strata = (labels[a], labels[b]) if labelled else (np.zeros(a.size, np.int64), np.zeros(b.size, np.int64))
    test = compare_within_classes(column[a], strata[0], column[b], strata[1])
    return None if test is None else _Comparison(name, role, NONE, (a.size, b.size), test)


def _finite(measurements: Measurements, name: str, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    values = measurements.features.property(name)[rows]
    return values[np.isfinite(values)]


def _by_class(rows: NDArray[np.intp], labels: NDArray[np.int32], n_classes: int) -> list[NDArray[np.intp]]:
    order = rows[np.argsort(labels[rows], kind="stable")]
    bounds = np.searchsorted(labels[order], np.arange(n_classes + 1))
    return [order[start:stop] for start, stop in pairwise(bounds)]


def _findings(
    measurements: Measurements,
    config: Config,
    drifted: list[tuple[_Comparison, float]],
    train: NDArray[np.intp],
    other: NDArray[np.intp],
) -> Iterator[Finding]:
    """Yield the findings of one property and pair of splits: of the split, or of the classes where they explain it."""
    classes, labels = measurements.catalog.classes, measurements.catalog.label_codes
    whole = [(each, q) for each, q in drifted if each.label == NONE]
    inside = sorted(
        ((each, q) for each, q in drifted if each.label != NONE), key=lambda item: (-item[0].test.effect, item[0].label)
    )
    codes = [each.label for each, _ in inside]
    if whole and 0 < 2 * len(codes) <= np.unique(labels[other]).size:
        each = whole[0][0]
        rest = (train[~np.isin(labels[train], codes)], other[~np.isin(labels[other], codes)])
        left = _compare_whole(measurements, each.property, each.role, *rest) if rest[0].size and rest[1].size else None
        if left is None or left.test.p_value >= config.alpha or not _matters(left, config):
            whole = []
    for each, q in whole:
        named = ", ".join(repr(classes[code]) for code in codes)
        against = "train's, weighted to the same class shares" if len(classes) > 1 else "train's"
        yield _finding(each, q, each.role, against, f"; most in class {named}" if codes else "")
    for each, q in inside if not whole else ():
        yield _finding(each, q, f"class {classes[each.label]!r} of {each.role}", "train's", "")


def _finding(each: _Comparison, q: float, place: str, against: str, more: str) -> Finding:
    test = each.test
    message = (
        f"{each.property} of {place} drifts: mean {test.mean_b:.3g} against {against} {test.mean_a:.3g}, "
        f"{test.effect:.2f} standard deviations apart (n {each.n[1]} and {each.n[0]}, {surely(q)}){more}"
    )
    evidence = ComparisonEvidence(
        "Kolmogorov–Smirnov" if each.label != NONE else "Kolmogorov–Smirnov of the ranks within classes",
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
