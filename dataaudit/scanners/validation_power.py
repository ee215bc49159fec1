"""VAL: what can a score on the held-out splits show, and what can it not?

Arithmetic, not a test: the interval that an accuracy would have (``--val-accuracy``, else ``assumed_accuracy``), and the smallest
difference between two runs that would be seen. Copies and declared groups count once: a model is right or wrong on all of a group
together, or nearly so. Of unsplit data the 20 % that people set aside are judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, ROLES, Finding, NotRun, Rule, TableEvidence
from dataaudit.scanners.copy_groups import counted_once
from dataaudit.statistics.copies import units
from dataaudit.statistics.power import chance_of_missing, label_ceiling, paired_difference, unpaired_difference
from dataaudit.statistics.proportions import wilson
from dataaudit.statistics.random_split import VALIDATION_SHARE
from dataaudit.wording import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Measurements

__all__ = ["POWER", "RULES", "scan"]

POWER: Final = Rule(
    "VAL701",
    "validation-power",
    "info",
    "What a score on the split can show: its interval, and the smallest difference between two runs",
    "A change of the score that is smaller than this is chance: choosing a model or an epoch by it is choosing at random.",
    "Compare runs on the same images, image by image (McNemar), not by their two scores; report the interval beside the score; "
    "hold out more images, or cross-validate (`dataaudit split --folds 5`).",
)
TOO_SMALL: Final = Rule(
    "VAL702",
    "too-small-to-measure",
    "warning",
    "The split is too small to tell a good model from a bad one",
    "So few independent images leave the accuracy open within tens of points: the score is mostly luck.",
    "Hold out more images, or cross-validate: `dataaudit split --folds 5` scores every training image once.",
)
CLASS_TOO_SMALL: Final = Rule(
    "VAL703",
    "class-too-small-to-measure",
    "info",
    "A class has too few held-out images for its recall to mean anything",
    "Its recall jumps by whole tens of points with a single image, and with it every average over classes.",
    "Do not compare models by this class's recall; hold out more of it, or cross-validate and pool the folds.",
)
MISSED: Final = Rule(
    "VAL704",
    "random-split-may-miss-a-class",
    "info",
    "A random split of this size may hold no image of some class",
    "Whoever splits anew at random (validation_split, another seed) may score a class by nothing at all.",
    "Split with stratification: `dataaudit split`.",
)
CEILING: Final = Rule(
    "VAL705",
    "label-ceiling",
    "info",
    "No model can be right on every image of the split: copies of one picture stand under several labels",
    "Whatever is answered for the picture, some of its copies are scored as wrong.",
    "Settle the label conflicts (LBL401, LBL402) before reading anything into the last points of the score.",
)
RULES: Final[tuple[Rule, ...]] = (POWER, TOO_SMALL, CLASS_TOO_SMALL, MISSED, CEILING)
WIDEST_RECALL: Final = 0.5
"""Width of a recall's interval from which nothing can be said of the class: under 9 independent images at 80 %."""
WORTH_TELLING: Final = 0.01
"""Chance of missing a class that is told."""
LISTED: Final = 5
"""Classes named in a message; the table has them all."""


@dataclass(frozen=True, slots=True, eq=False)
class _HeldOut:
    """A split to be scored on, or the part of unsplit data that would be."""

    name: str
    images: int
    units: int
    """Copy groups and declared groups counted once."""
    per_class: tuple[tuple[str, int, int], ...]
    """Name, images and units of each class that has any, by name."""


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield what the held-out splits can show."""
    catalog = measurements.catalog
    labelled = np.flatnonzero(catalog.label_codes != NONE)
    splits = catalog.split_codes[labelled]
    held_out = {role: labelled[splits == ROLES.index(role)] for role in ("val", "test") if (splits == ROLES.index(role)).any()}
    if len(catalog.classes) < 2:  # noqa: PLR2004 - of one class every answer is right
        reason = f"not-applicable: of {counted(len(catalog.classes), 'class', 'classes')} every answer is right"
        yield from (NotRun(rule, reason) for rule in RULES)
        return
    if not held_out and (splits != NONE).any():
        yield from (NotRun(rule, "not-applicable: the dataset has no labelled validation or test split") for rule in RULES)
        return
    unit = units(measurements.copies.component, catalog.group_codes)
    described = (
        [_describe(measurements, role, rows, unit) for role, rows in held_out.items()]
        if held_out
        else [_imagined(measurements, labelled, unit)]
    )
    if not held_out:
        yield NotRun(TOO_SMALL, "not-applicable: the dataset has no splits, so none is too small")
    for each in described:
        yield from (finding for finding in _power(each, config) if held_out or finding.rule is POWER)
        yield from _classes(each, config)
    yield from _missed(
        measurements, {role: rows.size for role, rows in held_out.items()}, labelled[counted_once(measurements)[labelled]]
    )
    for role, rows in held_out.items():
        yield from _ceiling(measurements, role, rows)


def _describe(measurements: Measurements, role: str, rows: NDArray[np.intp], unit: NDArray[np.int64]) -> _HeldOut:
    catalog = measurements.catalog
    order = rows[np.argsort(catalog.label_codes[rows], kind="stable")]
    bounds = np.searchsorted(catalog.label_codes[order], np.arange(len(catalog.classes) + 1))
    parts = [order[start:stop] for start, stop in pairwise(bounds)]
    per_class = tuple(
        (name, int(part.size), int(np.unique(unit[part]).size))
        for name, part in zip(catalog.classes, parts, strict=True)
        if part.size
    )
    return _HeldOut(role, int(rows.size), int(np.unique(unit[rows]).size), per_class)


def _imagined(measurements: Measurements, rows: NDArray[np.intp], unit: NDArray[np.int64]) -> _HeldOut:
    """Return what a split of ``VALIDATION_SHARE`` of unsplit data would be, class by class."""
    whole = _describe(measurements, "", rows, unit)

    def part(n: int) -> int:
        return max(1, round(VALIDATION_SHARE * n))

    classes = tuple((name, part(n), part(units_of)) for name, n, units_of in whole.per_class)
    return _HeldOut(f"a validation split of {percent(VALIDATION_SHARE, 0)}", part(whole.images), part(whole.units), classes)


def _interval(config: Config, n: int) -> tuple[float, float]:
    """Return the 95 % interval that the accuracy reckoned with has on n independent images."""
    return wilson(_accuracy(config) * n, n)


def _accuracy(config: Config) -> float:
    return config.assumed_accuracy if config.val_accuracy is None else config.val_accuracy


def _power(held: _HeldOut, config: Config) -> Iterator[Finding]:
    low, high = _interval(config, held.units)
    images = counted(held.images, "image")
    if held.units < held.images:
        images += f" ({held.units:,} with copies and declared groups counted once)"
    between = f"{percent(low, 0)} to {percent(high, 0)} (95 % interval)"
    scored = f"an accuracy of {percent(_accuracy(config), 0)} on {images} means {between}"
    message = f"{held.name}: {scored}; {_told(held, config)}"
    rows = [("all", *_row(held.images, held.units, config))]
    rows += [(name, *_row(n, effective, config)) for name, n, effective in held.per_class]
    columns = ("images", "independent", "interval from", "to", "smallest difference on the same images")
    evidence = TableEvidence(columns, tuple((name, values) for name, values in rows))
    yield Finding(POWER, message, (), evidence)
    if high - low > config.widest_interval:
        wide = f"{round(100 * (high - low))} points wide, {round(100 * config.widest_interval)} are the limit"
        yield Finding(TOO_SMALL, f"{held.name}: {scored}: {wide}", (), evidence)


def _told(held: _HeldOut, config: Config) -> str:
    """Say what the smallest difference between two runs is."""
    accuracy = _accuracy(config)
    paired = paired_difference(held.units, config.assumed_disagreement)
    apart = unpaired_difference(held.units, accuracy) if 0 < accuracy < 1 else None
    if paired is None:
        return "no difference between two runs can be told from chance"
    own = f", by {_points(apart)} on images of their own" if apart is not None else ""
    disagreement = f"one run alone is right on {percent(config.assumed_disagreement, 0)} of them"
    return f"two runs must differ by {_points(paired)} to be told apart on them{own} (power 80 %, if {disagreement})"


def _points(share: float) -> str:
    points = 100 * share
    return f"{points:.1f} points" if points < 10 else f"{points:.0f} points"  # noqa: PLR2004 - two digits say enough


def _row(n: int, effective: int, config: Config) -> tuple[tuple[float, ...]]:
    low, high = _interval(config, effective)
    paired = paired_difference(effective, config.assumed_disagreement)
    return ((float(n), float(effective), low, high, float("nan") if paired is None else paired),)


def _classes(held: _HeldOut, config: Config) -> Iterator[Finding]:
    wide = [
        (high - low, name, n, effective)
        for name, n, effective in held.per_class
        for low, high in (_interval(config, effective),)
        if high - low > WIDEST_RECALL
    ]
    if not wide:
        return
    wide.sort(key=lambda item: (-item[0], item[1]))
    told = ", ".join(f"{name!r} {n}" for _, name, n, _ in wide[:LISTED]) + (" …" if len(wide) > LISTED else "")
    verb = "has" if len(wide) == 1 else "have"
    message = (
        f"{held.name}: {len(wide)} of {counted(len(held.per_class), 'class', 'classes')} {verb} too few images for a recall "
        f"({told}): its interval is more than {round(100 * WIDEST_RECALL)} points wide"
    )
    rows = tuple((name, (float(n), float(effective), width)) for width, name, n, effective in wide)
    yield Finding(CLASS_TOO_SMALL, message, (), TableEvidence(("images", "independent", "interval width"), rows))


def _missed(measurements: Measurements, sizes: dict[str, int], distinct: NDArray[np.intp]) -> Iterator[Finding]:
    """Tell which classes a random split of the size of each held-out split may lack."""
    catalog = measurements.catalog
    counts = np.bincount(catalog.label_codes[distinct], minlength=len(catalog.classes))
    imagined = {f"a validation split of {percent(VALIDATION_SHARE, 0)}": round(VALIDATION_SHARE * distinct.size)}
    for name, size in (sizes or imagined).items():
        chances = chance_of_missing(counts, min(size, distinct.size))
        missed = [(float(chances[code]), int(counts[code]), catalog.classes[code]) for code in np.flatnonzero(counts)]
        missed = sorted(entry for entry in missed if entry[0] >= WORTH_TELLING)[::-1]
        if not missed:
            continue
        whole = 1.0 - float(np.prod([1.0 - chance for chance, _, _ in missed]))
        told = ", ".join(f"{label!r} ({counted(n, 'image')}) {percent(chance, 0)}" for chance, n, label in missed[:LISTED])
        message = (
            f"a random split of the size of {name} ({counted(size, 'image')}) would lack some class with a chance of about "
            f"{percent(whole, 0)}: {told}{' …' if len(missed) > LISTED else ''}"
        )
        rows = tuple((label, (float(n), chance)) for chance, n, label in missed)
        yield Finding(MISSED, message, (), TableEvidence(("images", "chance of missing"), rows))


def _ceiling(measurements: Measurements, role: str, rows: NDArray[np.intp]) -> Iterator[Finding]:
    labels, component = measurements.catalog.label_codes, measurements.copies.component
    ceiling = label_ceiling(component[rows], labels[rows])
    if ceiling >= 1:
        return
    wrong = round((1 - ceiling) * rows.size)
    message = (
        f"no model can score above {percent(ceiling)} on {role}: copies of one picture stand under several labels there, and "
        f"{wrong} of {counted(rows.size, 'image')} must be scored as wrong"
    )
    evidence = TableEvidence(
        ("images", "must be wrong", "highest accuracy"), ((role, (float(rows.size), float(wrong), ceiling)),)
    )
    yield Finding(CEILING, message, (), evidence)
