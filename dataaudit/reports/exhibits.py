"""Evidence made visible: what the page shows of a finding, ready for the template."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, ClassVar, Final, assert_never

from dataaudit.domain import ComparisonEvidence, CopyEvidence, CopyPair, FileEvidence, GroupEvidence, TableEvidence
from dataaudit.reports.names import prose, shown
from dataaudit.reports.outline import origin
from dataaudit.wording import likeness, percent, region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataaudit.domain import Finding, Measurements, Relation, Severity
    from dataaudit.reports.outline import Block
    from dataaudit.reports.pictures import Album, Thumbnail

LIMIT: Final = 24
"""Exhibits a rule shows at most: pairs, files, groups, tables or tests. All the others are in report.json."""
INFO_LIMIT: Final = 8
"""Exhibits that a rule of severity *info* shows at most."""
FEWEST: Final = 4
PAGE_LIMIT: Final = 240
"""Exhibits a page shows, but that each rule may show ``FEWEST``: of at most four pictures of about 8 kB each, so that the page
stays under about 8 MB, whatever was found."""
CARRIERS: Final = 6
"""Pictures a test shows of those that carry what it found."""
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
    words: str
    """Split and label; of a picture that was made for the report: what it shows."""
    path: str = ""
    """Empty for a picture that was made."""
    alt: str = ""
    box: tuple[float, float, float, float] | None = None
    """Left, top, width and height, in per cent of the picture: where it differs from the other."""


@dataclass(frozen=True, slots=True)
class PairExhibit:
    """Two pictures side by side; then the first laid onto the second, and where they differ."""

    kind: ClassVar[str] = "pair"
    figures: tuple[Figure, ...]
    message: str
    """The finding's own sentence, with the pair it speaks of; empty for the further pairs of the group."""
    relation: str
    """How the two differ, where no message says it: ``exact: same bytes``, ``transformed: mirrored · similarity 0.97``."""
    verdict: str
    crosses: str
    """What the pair crosses: ``train ↔ val``, ``cat ≠ dog``; empty inside one split and class."""


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
    """A statistical test: names and values, and the pictures that carry what it found."""

    kind: ClassVar[str] = "test"
    figures: tuple[Figure, ...]
    message: str
    facts: tuple[tuple[str, str], ...]


Exhibit = PairExhibit | FileExhibit | GroupExhibit | TableExhibit | TestExhibit


def limits(severities: Sequence[Severity]) -> tuple[int, ...]:
    """Return how many exhibits each rule may show, for rules of these severities."""
    share = max(FEWEST, PAGE_LIMIT // max(len(severities), 1))
    return tuple(min(share, INFO_LIMIT if severity == "info" else LIMIT) for severity in severities)


def exhibits(block: Block, album: Album, limit: int = LIMIT) -> tuple[tuple[Exhibit, ...], int]:
    """Return at most ``limit`` exhibits of a rule, and how many more there are.

    Of copy groups, the pair that matters most of every group comes first, then the second of every group, and so on.
    """
    pairs = _pairs(block.findings, album.measurements, limit)
    others = [finding for finding in block.findings if not isinstance(finding.evidence, CopyEvidence)]
    every = len(others) + sum(len(each.evidence.pairs) for each in block.findings if isinstance(each.evidence, CopyEvidence))
    shown_pairs = [_pair(pair, message, album) for pair, message in pairs]
    shown_others = [_exhibit(finding, album) for finding in others[: limit - len(shown_pairs)]]
    return (*shown_pairs, *shown_others), every - len(shown_pairs) - len(shown_others)


def _pairs(findings: Sequence[Finding], measurements: Measurements, limit: int) -> list[tuple[CopyPair, str]]:
    """Return at most ``limit`` pairs, and the message of those that their finding speaks of."""
    of_each = []
    for finding in findings[:limit]:  # each has a pair
        if isinstance(finding.evidence, CopyEvidence):
            first, *rest = finding.evidence.pairs
            crossing_first = sorted(rest, key=lambda pair: _crosses(pair, measurements) == "")
            of_each.append([(first, prose(finding.message)), *((pair, "") for pair in crossing_first)])
    return list(islice((each for rank in zip_longest(*of_each) for each in rank if each is not None), limit))


def _exhibit(finding: Finding, album: Album) -> Exhibit:
    evidence, message = finding.evidence, prose(finding.message)
    match evidence:
        case CopyEvidence():
            return _pair(evidence.pairs[0], message, album)
        case FileEvidence():
            figures = tuple(_figure(row, album) for row in finding.samples[:1])
            return FileExhibit(figures, message, prose(evidence.found), prose(evidence.expected))
        case GroupEvidence():
            return GroupExhibit(_one_a_split(finding, album), message, shown(evidence.key), evidence.splits)
        case TableEvidence():
            return _table(evidence, message)
        case ComparisonEvidence():
            return TestExhibit(tuple(_figure(row, album) for row in finding.samples[:CARRIERS]), message, _facts(evidence))
        case _:
            assert_never(evidence)


def _pair(pair: CopyPair, message: str, album: Album) -> PairExhibit:
    pair = album.measurements.scored_last(pair)
    words = "" if pair.transform is None or pair.transform.is_slight() else pair.transform.describe()
    figures = [_figure(pair.a, album), replace(_figure(pair.b, album), box=_box(pair))]
    if pair.relation in {"near", "transformed"}:
        figures += _compared(pair, words, album)
    return PairExhibit(
        tuple(figures),
        message,
        "" if message else " · ".join([f"{pair.relation}: {words or SAME[pair.relation]}", *_likeness(pair)]),
        pair.verdict,
        _crosses(pair, album.measurements),
    )


def _compared(pair: CopyPair, words: str, album: Album) -> Iterator[Figure]:
    """Yield the first picture laid onto the second, where it was transformed, and where the two differ."""
    first, second = (shown(album.measurements.catalog.paths[row]) for row in (pair.a, pair.b))
    laid = album.overlay(pair) if words else None
    if laid is not None:
        yield Figure(laid, "the first laid on the second, half and half", alt=f"{first}, {words}, half-transparent on {second}")
    apart = album.difference(pair)
    if apart is not None:
        where = "" if pair.differs is None else f": {region(pair.differs)}"
        yield Figure(
            apart, f"coloured where the two differ{where}", alt=f"where {first} and {second} differ{where}", box=_box(pair)
        )


def _box(pair: CopyPair) -> tuple[float, float, float, float] | None:
    if pair.differs is None:
        return None
    left, top, width, height = (round(100 * part, 2) for part in pair.differs)
    return left, top, width, height


def _likeness(pair: CopyPair) -> list[str]:
    if pair.relation in {"exact", "pixel"}:
        return []
    told = [f"overlap {percent(pair.overlap, 0)}"] * (pair.overlap < 0.99)  # noqa: PLR2004 - it would read 100 %
    told.append(f"similarity {likeness(pair.similarity)}")
    return told if pair.differs is None else [*told, f"differs {region(pair.differs)}"]


def _crosses(pair: CopyPair, measurements: Measurements) -> str:
    catalog = measurements.catalog
    a, b = (catalog[row] for row in sorted((pair.a, pair.b), key=lambda row: int(catalog.split_codes[row])))
    parts = [] if a.split == b.split else [f"{a.split or 'unsplit'} ↔ {b.split or 'unsplit'}"]
    if a.label is not None and b.label is not None and a.label != b.label:
        parts.append(f"{shown(a.label)} ≠ {shown(b.label)}")
    return ", ".join(parts)


def _figure(row: int, album: Album) -> Figure:
    sample = album.measurements.catalog[row]
    words, path = origin(sample), shown(sample.path)
    return Figure(album.thumbnail(row), words, path, alt=f"{path} ({words})")


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
