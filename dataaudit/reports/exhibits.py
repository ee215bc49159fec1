"""Evidence made visible: what the page shows of a finding, ready for the template."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar, Final, assert_never

from dataaudit.domain import ComparisonEvidence, CopyEvidence, CopyPair, FileEvidence, GroupEvidence, TableEvidence
from dataaudit.reports.names import prose, shown
from dataaudit.reports.outline import origin
from dataaudit.reports.pictures import aligns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataaudit.domain import Finding, Measurements, Relation
    from dataaudit.reports.outline import Block
    from dataaudit.reports.pictures import Album, Thumbnail

LIMIT: Final = 24
"""Exhibits a rule shows: pairs, files, groups, tables or tests. All the others are in report.json."""
TABLE_LIMIT: Final = 40
"""Rows a table of evidence shows."""
SAME: Final[dict[Relation, str]] = {
    "exact": "same bytes",
    "pixel": "same pixels",
    "near": "same view",
    "transformed": "another view",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture and the words under it."""

    thumbnail: Thumbnail
    path: str
    origin: str
    """Split and label."""
    turned: str = ""
    """How it was turned, for the picture that is a copy's other half made upright."""


@dataclass(frozen=True, slots=True)
class PairExhibit:
    """Two pictures side by side, and the first of them aligned with the second where it was turned."""

    kind: ClassVar[str] = "pair"
    figures: tuple[Figure, ...]
    relation: str
    """And how the two differ: ``exact: same bytes``, ``transformed: mirrored``."""
    verdict: str
    similarity: str
    """Empty where it is 1 by definition."""
    crosses: str
    """What the pair crosses: ``train ↔ val``, ``cat ≠ dog``; empty inside one split and class."""
    group: str
    """How many files show the picture, where there are more than these two."""


@dataclass(frozen=True, slots=True)
class FileExhibit:
    """One file: what was found and what was expected."""

    kind: ClassVar[str] = "file"
    figures: tuple[Figure, ...]
    message: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class GroupExhibit:
    """A group and how its samples lie in the splits; a picture of each split."""

    kind: ClassVar[str] = "group"
    figures: tuple[Figure, ...]
    message: str
    key: str
    splits: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class TableExhibit:
    """A table of numbers; each cell has its text and its share of the largest number of its column, 0 to 1."""

    kind: ClassVar[str] = "table"
    message: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class TestExhibit:
    """A statistical test: names and values."""

    kind: ClassVar[str] = "test"
    message: str
    facts: tuple[tuple[str, str], ...]


Exhibit = PairExhibit | FileExhibit | GroupExhibit | TableExhibit | TestExhibit


def exhibits(block: Block, album: Album) -> tuple[tuple[Exhibit, ...], int]:
    """Return at most ``LIMIT`` exhibits of a rule, and how many more there are.

    Of copy groups, the pair that matters most of every group comes first, then the second of every group, and so on.
    """
    measurements = album.measurements
    pairs = _pairs(block.findings, measurements)
    others = [finding for finding in block.findings if not isinstance(finding.evidence, CopyEvidence)]
    shown_pairs = [_pair(pair, finding, album) for pair, finding in pairs[:LIMIT]]
    shown_others = [_exhibit(finding, album) for finding in others[: LIMIT - len(shown_pairs)]]
    return (*shown_pairs, *shown_others), len(pairs) + len(others) - len(shown_pairs) - len(shown_others)


def _pairs(findings: Sequence[Finding], measurements: Measurements) -> list[tuple[CopyPair, Finding]]:
    def inside(pair: CopyPair) -> bool:
        return _crosses(pair, measurements) == ""

    of_each = [
        [(pair, finding) for pair in sorted(finding.evidence.pairs, key=inside)]
        for finding in findings
        if isinstance(finding.evidence, CopyEvidence)
    ]
    return [each for rank in zip_longest(*of_each) for each in rank if each is not None]


def _exhibit(finding: Finding, album: Album) -> Exhibit:
    evidence, message = finding.evidence, prose(finding.message)
    match evidence:
        case CopyEvidence():
            return _pair(evidence.pairs[0], finding, album)
        case FileEvidence():
            figures = tuple(_figure(row, album) for row in finding.samples[:1])
            return FileExhibit(figures, message, prose(evidence.found), prose(evidence.expected))
        case GroupEvidence():
            return GroupExhibit(_one_a_split(finding, album), message, shown(evidence.key), evidence.splits)
        case TableEvidence():
            return _table(evidence, message)
        case ComparisonEvidence():
            return TestExhibit(message, _facts(evidence))
        case _:
            assert_never(evidence)


def _pair(pair: CopyPair, finding: Finding, album: Album) -> PairExhibit:
    transform, figures = pair.transform, [_figure(pair.a, album), _figure(pair.b, album)]
    words = "" if transform is None or transform.describe() == "upright" else transform.describe()
    if transform is not None and aligns(transform) and figures[0].thumbnail.uri:
        first = figures[0]
        figures.insert(1, Figure(album.aligned(pair), first.path, first.origin, words))
    return PairExhibit(
        tuple(figures),
        f"{pair.relation}: {words or SAME[pair.relation]}",
        pair.verdict,
        _likeness(pair),
        _crosses(pair, album.measurements),
        f"{len(finding.samples):,} files show it" if len(finding.samples) > 2 else "",  # noqa: PLR2004 - a pair
    )


def _likeness(pair: CopyPair) -> str:
    if pair.relation in {"exact", "pixel"}:
        return ""
    overlap = f"overlap {pair.overlap:.0%} · " if pair.overlap < 0.99 else ""  # noqa: PLR2004 - it would read 100 %
    return f"{overlap}similarity {pair.similarity:.3f}"


def _crosses(pair: CopyPair, measurements: Measurements) -> str:
    a, b = measurements.catalog[pair.a], measurements.catalog[pair.b]
    parts = [] if a.split == b.split else [f"{a.split or 'unsplit'} ↔ {b.split or 'unsplit'}"]
    if a.label is not None and b.label is not None and a.label != b.label:
        parts.append(f"{shown(a.label)} ≠ {shown(b.label)}")
    return ", ".join(parts)


def _figure(row: int, album: Album) -> Figure:
    sample = album.measurements.catalog[row]
    return Figure(album.thumbnail(row), shown(sample.path), origin(sample))


def _one_a_split(finding: Finding, album: Album) -> tuple[Figure, ...]:
    catalog = album.measurements.catalog
    first = {int(catalog.split_codes[row]): row for row in reversed(finding.samples)}
    return tuple(_figure(row, album) for _, row in sorted(first.items()))


def _table(evidence: TableEvidence, message: str) -> TableExhibit:
    largest = [
        max((abs(values[column]) for _, values in evidence.rows if math.isfinite(values[column])), default=0.0)
        for column in range(len(evidence.columns))
    ]
    rows = tuple(
        (shown(name), tuple((_number(value), _of(value, most)) for value, most in zip(values, largest, strict=True)))
        for name, values in evidence.rows[:TABLE_LIMIT]
    )
    return TableExhibit(message, tuple(map(prose, evidence.columns)), rows, max(len(evidence.rows) - TABLE_LIMIT, 0))


def _of(value: float, most: float) -> float:
    return round(abs(value) / most, 4) if most and math.isfinite(value) else 0.0


def _facts(evidence: ComparisonEvidence) -> tuple[tuple[str, str], ...]:
    counted = ", ".join(f"{split} {n:,}" for split, n in zip(evidence.splits, evidence.n, strict=True))
    effect = _number(evidence.effect)
    if evidence.interval is not None:
        effect += f" ({_number(evidence.interval[0])} to {_number(evidence.interval[1])})"
    return (
        ("what", prose(evidence.subject)),
        ("test", prose(evidence.test)),
        ("samples", counted),
        (prose(evidence.effect_name), effect),
        ("q", _probability(evidence.q_value)),
    )


def _probability(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"  # noqa: PLR2004 - smaller ones say no more to a person


def _number(value: float) -> str:
    """Return a count with separators, any other number with three significant digits, ``–`` for none."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"
