"""DRF801: each measured property of a held-out split against train's, as a whole and within each class.

The whole is compared by the ranks of the pictures *within their classes*, so that other class shares (STR601's business) are no
drift. The test is Kolmogorov–Smirnov's, with sample sizes divided by the design effect where units (declared groups, copies
under two labels) hold several pictures; the effect is a standardised Wasserstein distance. A class is tested from 8 units a side
on, with twice the effect demanded, for in few pictures a small drift is no news. Drift that a minority of the classes explains is
one finding a class, or one with a table of more than ``TOLD_ALONE`` classes; any other is one finding of the split, which
names the classes that drift most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, PROPERTY_NAMES, ComparisonEvidence, Finding, Rule, TableEvidence
from dataaudit.statistics.copies import unit_count
from dataaudit.statistics.drift import (
    DriftTest,
    compare_distributions,
    compare_within_classes,
    distance_interval,
    ranks_within_classes,
)
from dataaudit.wording import surely

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Measurements, Role

__all__ = ["DRIFT", "Comparison", "findings", "tests"]

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
CLASS_MINIMUM: Final = 8
"""Units of a class, on each side, from which drift within the class is tested."""
CLASS_EFFECT: Final = 2.0
"""Times ``drift_effect`` that drift within a class must reach."""
TOLD_ALONE: Final = 3
"""Classes of one property and split that drift and are each told; more are one finding."""
EXAMPLES: Final = 6
"""Pictures shown that carry a drift."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One property, of one split against train, over all classes (label -1) or within one."""

    name: str
    """Of the property."""
    role: Role
    label: int
    n: tuple[int, int]
    test: DriftTest

    @property
    def p_value(self) -> float:
        """Before any correction."""
        return self.test.p_value


@dataclass(frozen=True, slots=True, eq=False)
class _Splits:
    """Rows of train and of another split, copies counted once, readable; and the unit of every row of the catalogue."""

    train: NDArray[np.intp]
    other: NDArray[np.intp]
    role: Role
    unit: NDArray[np.int64]
    clustered: bool
    """Whether some unit has two of a split's rows."""


def tests(
    measurements: Measurements, train: NDArray[np.intp], other: NDArray[np.intp], role: Role, unit: NDArray[np.int64]
) -> Iterator[Comparison]:
    """Yield the comparisons of one pair of splits: every property that varies, over all classes and within each.

    Args:
        measurements: of the dataset.
        train: rows of train, copies counted once, readable.
        other: likewise, of the other split.
        role: the other split.
        unit: (n,) the unit of each row.
    """
    splits = _splits(train, other, role, unit)
    labels = measurements.catalog.label_codes
    n_classes = len(measurements.catalog.classes)
    within = (_by_class(train, labels, n_classes), _by_class(other, labels, n_classes)) if n_classes > 1 else ()
    for name in PROPERTY_NAMES:
        whole = _compare_whole(measurements, name, splits)
        if whole:
            yield whole
        column = measurements.features.property(name)
        for label, (a, b) in enumerate(zip(*within, strict=True)):
            found = _compare(column, a[np.isfinite(column[a])], b[np.isfinite(column[b])], splits)
            if found:
                yield Comparison(name, role, label, *found)


def _splits(train: NDArray[np.intp], other: NDArray[np.intp], role: Role, unit: NDArray[np.int64]) -> _Splits:
    clustered = any(unit_count(unit[rows]) < rows.size for rows in (train, other))
    return _Splits(train, other, role, unit, clustered)


def _compare(
    column: NDArray[np.float32], a: NDArray[np.intp], b: NDArray[np.intp], splits: _Splits
) -> tuple[tuple[int, int], DriftTest] | None:
    """Compare the rows of one class; None where they are too few or do not vary."""
    if min(a.size, b.size) < CLASS_MINIMUM:
        return None
    units = (splits.unit[a], splits.unit[b]) if splits.clustered else None
    if units is not None and min(np.unique(each).size for each in units) < CLASS_MINIMUM:
        return None
    first, second = column[a], column[b]
    if first.min() == first.max() == second.min() == second.max():
        return None
    return (a.size, b.size), compare_distributions(first, second, units)


def matters(each: Comparison, config: Config) -> bool:
    """Say whether a drift is worth a person's time, however sure it is."""
    return each.test.effect >= config.drift_effect * (1.0 if each.label == NONE else CLASS_EFFECT)


def _compare_whole(measurements: Measurements, name: str, splits: _Splits, leave: Sequence[int] = ()) -> Comparison | None:
    """Compare two splits class by class (as one class where one of them has no labels); None where nothing varies.

    Args:
        measurements: of the dataset.
        name: of the property.
        splits: the rows.
        leave: label codes of classes that are left out.
    """
    column = measurements.features.property(name)
    a, b = _rows(measurements, column, splits.train, leave), _rows(measurements, column, splits.other, leave)
    if not a.size or not b.size or np.ptp(column[np.concatenate((a, b))]) == 0:
        return None
    units = (splits.unit[a], splits.unit[b]) if splits.clustered else None
    codes = _strata(measurements, a, b)
    test = compare_within_classes(column[a], codes[0], column[b], codes[1], units)
    return None if test is None else Comparison(name, splits.role, NONE, (a.size, b.size), test)


def _rows(
    measurements: Measurements, column: NDArray[np.float32], rows: NDArray[np.intp], leave: Sequence[int]
) -> NDArray[np.intp]:
    kept = rows[np.isfinite(column[rows])]
    return kept[~np.isin(measurements.catalog.label_codes[kept], leave)] if len(leave) else kept


def _strata(measurements: Measurements, a: NDArray[np.intp], b: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    labels = measurements.catalog.label_codes.astype(np.int64)
    labelled = bool((labels[a] != NONE).any() and (labels[b] != NONE).any())
    return (labels[a], labels[b]) if labelled else (np.zeros(a.size, np.int64), np.zeros(b.size, np.int64))


def _by_class(rows: NDArray[np.intp], labels: NDArray[np.int32], n_classes: int) -> list[NDArray[np.intp]]:
    order = rows[np.argsort(labels[rows], kind="stable")]
    bounds = np.searchsorted(labels[order], np.arange(n_classes + 1))
    return [order[start:stop] for start, stop in pairwise(bounds)]


def findings(
    measurements: Measurements,
    config: Config,
    tested: Sequence[tuple[Comparison, float]],
    train: NDArray[np.intp],
    other: NDArray[np.intp],
    unit: NDArray[np.int64],
) -> Iterator[Finding]:
    """Yield the findings of one pair of splits, a property after the other.

    Args:
        measurements: of the dataset.
        config: for the thresholds.
        tested: what :func:`tests` gave of the pair, each with its q-value.
        train: as :func:`tests` had it.
        other: likewise.
        unit: likewise.
    """
    drifted = [(each, q) for each, q in tested if q < config.alpha and matters(each, config)]
    if drifted:
        splits = _splits(train, other, drifted[0][0].role, unit)
        for name in PROPERTY_NAMES:
            yield from _findings(measurements, config, [(each, q) for each, q in drifted if each.name == name], splits)


def _findings(
    measurements: Measurements, config: Config, drifted: list[tuple[Comparison, float]], splits: _Splits
) -> Iterator[Finding]:
    """Yield the findings of one property and pair of splits: of the split, or of the classes where they explain it."""
    classes, labels = measurements.catalog.classes, measurements.catalog.label_codes
    whole = [(each, q) for each, q in drifted if each.label == NONE]
    inside = sorted(
        ((each, q) for each, q in drifted if each.label != NONE), key=lambda item: (-item[0].test.effect, item[0].label)
    )
    codes = [each.label for each, _ in inside]
    if whole and 0 < 2 * len(codes) <= np.unique(labels[splits.other]).size:
        left = _compare_whole(measurements, whole[0][0].name, splits, codes)
        if left is None or left.test.p_value >= config.alpha or not matters(left, config):
            whole = []
    for each, q in whole:
        against = "train's, weighted to the same class shares" if len(classes) > 1 else "train's"
        most = f"; most in class {_first(measurements, codes)}" if codes else ""
        yield _finding(measurements, config, splits, each, q, (each.role, against, most))
    if whole:
        return
    if len(inside) > TOLD_ALONE:
        yield _table(measurements, config, splits, inside)
        return
    for each, q in inside:
        place = f"class {classes[each.label]!r} of {each.role}"
        yield _finding(measurements, config, splits, each, q, (place, "train's", ""))


def _first(measurements: Measurements, codes: Sequence[int]) -> str:
    named = ", ".join(repr(measurements.catalog.classes[code]) for code in codes[:TOLD_ALONE])
    return f"{named} and {len(codes) - TOLD_ALONE} more" if len(codes) > TOLD_ALONE else named


def _table(measurements: Measurements, config: Config, splits: _Splits, inside: Sequence[tuple[Comparison, float]]) -> Finding:
    """Tell the drift within many classes of one property and split; the classes come with the largest effect first."""
    classes, (most, _) = measurements.catalog.classes, inside[0]
    compared = np.unique(measurements.catalog.label_codes[splits.other]).size
    message = (
        f"{most.name} drifts within {len(inside)} of {compared} classes of {most.role}, most in {classes[most.label]!r}: mean "
        f"{most.test.mean_b:.3g} against train's {most.test.mean_a:.3g}, {most.test.effect:.2f} standard deviations apart (n "
        f"{most.n[1]} and {most.n[0]}); then {_first(measurements, [each.label for each, _ in inside[1:]])} (all "
        f"{surely(max(q for _, q in inside))})"
    )
    columns = ("mean in train", f"mean in {most.role}", "standard deviations apart", "q")
    rows = tuple((classes[each.label], (each.test.mean_a, each.test.mean_b, each.test.effect, q)) for each, q in inside)
    _, shown = _carriers(measurements, config, splits, most)
    return Finding(DRIFT, message, shown, TableEvidence(columns, rows))


def _finding(
    measurements: Measurements, config: Config, splits: _Splits, each: Comparison, q: float, words: tuple[str, str, str]
) -> Finding:
    test, (place, against, more) = each.test, words
    interval, shown = _carriers(measurements, config, splits, each)
    alike = "" if test.effective[1] > each.n[1] - 1 else f", worth {test.effective[1]:.0f} independent ones"
    message = (
        f"{each.name} of {place} drifts: mean {test.mean_b:.3g} against {against} {test.mean_a:.3g}, "
        f"{test.effect:.2f} standard deviations apart (95 % interval {interval[0]:.2f} to {interval[1]:.2f}; "
        f"n {each.n[1]}{alike} and {each.n[0]}, {surely(q)}){more}"
    )
    evidence = ComparisonEvidence(
        "Kolmogorov–Smirnov" if each.label != NONE else "Kolmogorov–Smirnov of the ranks within classes",
        each.name if each.label == NONE else f"{each.name}, {place}",
        ("train", each.role),
        each.n,
        test.statistic,
        test.p_value,
        q,
        test.effect,
        "standardised Wasserstein distance",
        interval,
    )
    return Finding(DRIFT, message, shown, evidence)


def _carriers(
    measurements: Measurements, config: Config, splits: _Splits, each: Comparison
) -> tuple[tuple[float, float], tuple[int, ...]]:
    """Return the interval of the effect, and the pictures of the split that lie farthest on the side it drifts to."""
    column = measurements.features.property(each.name).astype(np.float64)
    labels = measurements.catalog.label_codes
    a, b = (rows[np.isfinite(column[rows])] for rows in (splits.train, splits.other))
    if each.label != NONE:
        a, b = a[labels[a] == each.label], b[labels[b] == each.label]
    codes = _strata(measurements, a, b)
    ranked = ranks_within_classes(column[a], codes[0], column[b], codes[1])
    if ranked is None:
        return (0.0, 0.0), ()
    ranks_a, ranks_b, _, in_b = ranked
    compared = (ranks_a, ranks_b) if each.label == NONE else (column[a], column[b])
    interval = distance_interval(*compared, each.test.effective, config.seed)
    side = float(ranks_b.mean()) - float(ranks_a.mean())
    carried = np.sign(side) * ranks_b if abs(side) > abs(each.test.statistic) / 2 else np.abs(ranks_b - 0.5)
    return interval, tuple(sorted(int(row) for row in b[in_b][np.argsort(-carried, kind="stable")[:EXAMPLES]]))
