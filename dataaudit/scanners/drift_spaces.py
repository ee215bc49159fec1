"""DRF802 to DRF805: all properties together, and the user's embeddings.

Can a classifier tell the splits apart, is a held-out split narrower than train, does it reach all of it?

Judged on at most ``SAMPLE`` pictures of each split, drawn at random with the seed; classes that only one split has take no part.
Copies count once; units (copy groups, declared groups) are never torn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, PROPERTY_NAMES, ComparisonEvidence, Finding, Rule
from dataaudit.statistics.two_samples import (
    Design,
    coverage,
    normal_scores,
    principal_components,
    quadratic,
    separability,
    spread,
)
from dataaudit.wording import percent, surely

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Measurements, Role

__all__ = ["EMBEDDED", "NARROW", "SEPARABLE", "UNCOVERED", "SpaceTest", "findings", "tests"]

SEPARABLE: Final = Rule(
    "DRF802",
    "splits-can-be-told-apart",
    "warning",
    "A classifier can tell from the measured properties which split a picture is of",
    "Pictures of one class should look the same in both splits. What tells them apart (a camera, a session, an export) is scored "
    "along with the class.",
    "Look at the pictures shown: what have they in common? Split anew at random within sources (`dataaudit split --remake`, "
    "`--group-by` for sources that must stay whole).",
)
EMBEDDED: Final = Rule(
    "DRF803",
    "embeddings-drift",
    "warning",
    "A classifier can tell from your embeddings which split a picture is of",
    "To your own model the splits show other things, within the same classes: the score is of another task than the training.",
    "Look at the pictures shown: what have they in common? Split anew, or collect for train what validation shows.",
)
NARROW: Final = Rule(
    "DRF804",
    "spread-differs",
    "warning",
    "A split's pictures vary much less, or much more, than train's",
    "A narrow validation split is easier than what the model will meet, and its score too good; a wide one is harder.",
    "Look whether the split comes from one session or source; split anew at random within sources.",
)
UNCOVERED: Final = Rule(
    "DRF805",
    "train-not-covered",
    "warning",
    "By your embeddings, a split shows nothing like a part of train's pictures",
    "What the model learns there is never scored: a failure on it would not be seen.",
    "Look at the training pictures shown, and hold some like them out: split anew at random within sources.",
)
SAMPLE: Final = 1_000
EXAMPLES: Final = 6
NAMED: Final = 0.01
"""Fall of the AUC from which a property is named."""
_SPACE: Final = {SEPARABLE: "measured properties", EMBEDDED: "embeddings"}


@dataclass(frozen=True, slots=True, eq=False)
class SpaceTest:
    """One of the tests of a pair of splits."""

    rule: Rule
    role: Role
    n: tuple[int, int]
    sampled: bool
    statistic: float
    p_value: float
    effect: float
    effect_name: str
    matters: bool
    told: str
    """What was found, as a person reads it."""
    rows: tuple[int, ...]
    """The pictures that show it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """The pictures of two splits that are compared, shuffled."""

    rows: NDArray[np.intp]
    classes: NDArray[np.int64]
    design: Design
    n: tuple[int, int]
    sampled: bool


def tests(
    measurements: Measurements,
    config: Config,
    train: NDArray[np.intp],
    other: NDArray[np.intp],
    role: Role,
    unit: NDArray[np.int64],
) -> Iterator[SpaceTest]:
    """Yield the tests of ``role`` against train; none where too little is left to compare.

    Args:
        measurements: of the dataset.
        config: for thresholds and seed.
        train: rows of train, copies counted once, readable.
        other: likewise, of the other split.
        role: the other split.
        unit: (n,) the unit of each row.
    """
    table = measurements.features.properties
    finite = np.asarray(np.isfinite(table).all(axis=1))
    pair = _pair(measurements, config, train[finite[train]], other[finite[other]], unit)
    if pair is not None:
        scores = normal_scores(table[pair.rows], pair.classes)
        varies = np.flatnonzero(np.ptp(scores, axis=0) > 0)
        if varies.size:
            names = [PROPERTY_NAMES[column] for column in varies]
            yield _separable(SEPARABLE, *quadratic(scores[:, varies]), names, pair, role, config)
            yield _spread(scores[:, varies], names, pair, role, config)
    if measurements.embeddings is not None:
        known = np.asarray(np.isfinite(measurements.embeddings).all(axis=1))
        pair = _pair(measurements, config, train[known[train]], other[known[other]], unit)
        if pair is not None:
            points = principal_components(measurements.embeddings[pair.rows].astype(np.float64), pair.classes)
            yield _separable(EMBEDDED, points, (), [], pair, role, config)
            yield _coverage(points, pair, role, config)


def _pair(
    measurements: Measurements, config: Config, train: NDArray[np.intp], other: NDArray[np.intp], unit: NDArray[np.int64]
) -> _Pair | None:
    labels = measurements.catalog.label_codes
    labelled = bool((labels[train] != NONE).any() and (labels[other] != NONE).any())
    if labelled:
        shared = np.intersect1d(labels[train], labels[other])
        train, other = train[np.isin(labels[train], shared)], other[np.isin(labels[other], shared)]
    rng = np.random.default_rng(config.seed)
    sampled = max(train.size, other.size) > SAMPLE
    first, second = (rng.permutation(rows)[:SAMPLE] for rows in (train, other))
    if min(np.unique(unit[first]).size, np.unique(unit[second]).size) < config.drift_minimum:
        return None
    rows = rng.permutation(np.concatenate((first, second)))
    classes = np.unique(labels[rows], return_inverse=True)[1] if labelled else np.zeros(rows.size, np.int64)
    design = Design.of(np.isin(rows, second), classes, unit[rows], config.seed)
    return _Pair(rows, classes.astype(np.int64), design, (first.size, second.size), sampled)


def _separable(
    rule: Rule,
    features: NDArray[np.float64],
    groups: tuple[tuple[int, ...], ...],
    names: list[str],
    pair: _Pair,
    role: Role,
    config: Config,
) -> SpaceTest:
    found = separability(features, groups, pair.design, config.seed)
    heavy = sorted(zip(found.importance, names, strict=True), key=lambda item: (-item[0], item[1]))
    named = [name for fall, name in heavy if fall > NAMED][:3]
    told = (
        f"{role}'s pictures can be told from train's by their {_SPACE[rule]}: of two pictures of one class, one of each split, a "
        f"classifier that saw neither names {role}'s {percent(found.auc, 0)} of the time (chance is 50 %)"
    )
    told += f", mostly by {' and '.join(named)}" if named else ""
    of_role = np.flatnonzero(pair.design.second > 0)
    typical = of_role[np.argsort(-found.scores[of_role], kind="stable")[:EXAMPLES]]
    return _test(
        rule, role, pair, found.auc, found.p_value, "AUC", matters=found.auc >= config.separable, told=told, rows=typical
    )


def _spread(scores: NDArray[np.float64], names: list[str], pair: _Pair, role: Role, config: Config) -> SpaceTest:
    found = spread(scores, pair.design)
    narrow = found.ratio < 1
    ratios = [(ratio, name) for ratio, name in zip(found.ratios, names, strict=True) if np.isfinite(ratio)]
    ratio, name = (min(ratios) if narrow else max(ratios)) if ratios else (1.0, "")
    told = (
        f"{role}'s pictures vary {'less' if narrow else 'more'} than train's: within classes their measured properties scatter "
        f"{percent(found.ratio, 0)} as widely, {name} {percent(ratio, 0)}; it is {'easier' if narrow else 'harder'} than train"
    )
    matters = found.ratio <= config.spread_ratio or found.ratio >= 1 / config.spread_ratio
    far = np.linalg.norm(scores, axis=1)
    of_role = np.flatnonzero(pair.design.second > 0)
    typical = of_role[np.argsort(far[of_role] if narrow else -far[of_role], kind="stable")[:EXAMPLES]]
    return _test(NARROW, role, pair, found.ratio, found.p_value, "ratio of the spreads", matters=matters, told=told, rows=typical)


def _coverage(points: NDArray[np.float64], pair: _Pair, role: Role, config: Config) -> SpaceTest:
    found = coverage(points, pair.design)
    told = (
        f"{role} reaches only part of train: by your embeddings, {percent(found.covered, 0)} of the training pictures have one "
        f"of {role} among their {found.neighbours} nearest, where {percent(found.expected, 0)} are expected"
    )
    share = found.covered / found.expected
    return _test(
        UNCOVERED,
        role,
        pair,
        found.covered,
        found.p_value,
        "covered, of what is expected",
        effect=share,
        matters=share <= config.coverage,
        told=told,
        rows=found.missed[:EXAMPLES],
    )


def _test(
    rule: Rule,
    role: Role,
    pair: _Pair,
    statistic: float,
    p_value: float,
    effect_name: str,
    *,
    matters: bool,
    told: str,
    rows: NDArray[np.intp],
    effect: float | None = None,
) -> SpaceTest:
    shown = tuple(sorted(int(row) for row in pair.rows[rows]))
    return SpaceTest(
        rule,
        role,
        pair.n,
        pair.sampled,
        statistic,
        p_value,
        statistic if effect is None else effect,
        effect_name,
        matters,
        told,
        shown,
    )


def findings(tested: SpaceTest, q_value: float, config: Config) -> Iterator[Finding]:
    """Yield the finding of a test that is sure and matters."""
    if q_value >= config.alpha or not tested.matters:
        return
    drawn = f"; judged on a random {SAMPLE:,} at most of each" if tested.sampled else ""
    message = f"{tested.told} (n {tested.n[1]} and {tested.n[0]}, {surely(q_value)}{drawn})"
    evidence = ComparisonEvidence(
        "permutation test within classes, units kept whole",
        _SUBJECT[tested.rule],
        ("train", tested.role),
        tested.n,
        tested.statistic,
        tested.p_value,
        q_value,
        tested.effect,
        tested.effect_name,
    )
    yield Finding(tested.rule, message, tested.rows, evidence)


_SUBJECT: Final = {
    SEPARABLE: "all measured properties",
    EMBEDDED: "embeddings",
    NARROW: "spread of the measured properties",
    UNCOVERED: "coverage of train",
}
