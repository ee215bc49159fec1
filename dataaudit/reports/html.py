"""The report as one page: no request leaves it, no script runs in it, every name is escaped, the pictures are inside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import dataaudit
from dataaudit.reports.exhibits import TABLE_LIMIT, Exhibit, PairExhibit, exhibits, limits
from dataaudit.reports.keras_view import keras_rows, keras_sentence
from dataaudit.reports.names import prose, shown
from dataaudit.reports.outline import (
    Block,
    Column,
    blocks,
    closing,
    columns,
    inferred,
    not_run,
    severities,
    shown_classes,
    skipped_kinds,
)
from dataaudit.reports.pictures import Album
from dataaudit.wording import counted, percent

if TYPE_CHECKING:
    from jinja2 import Template

    from dataaudit.domain import Report, Rule

CLASS_LIMIT: Final = 40
"""Classes the table of splits shows."""
SKIPPED_LIMIT: Final = 40
VERDICT_TITLE: Final = {
    "trustworthy": "Validation can be trusted",
    "suspect": "Validation is suspect",
    "not-trustworthy": "Validation cannot be trusted",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that matters, and the words around it."""

    title: str
    value: str
    notes: tuple[str, ...]
    share: float | None = None
    """Length of its bar, 0 to 1; None: no bar."""
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A count and its bar: the class's share of the split, relative to the largest share in the table."""

    count: str
    share: str
    bar: float


@dataclass(frozen=True, slots=True)
class Section:
    """One rule: what it says, and what it found."""

    rule: Rule
    count: int
    exhibits: tuple[Exhibit, ...]
    more: int
    folded: bool
    frames: int
    """Pictures side by side in its widest pair; 0: it has no pairs."""


def render(report: Report) -> str:
    """Return the report as a self-contained page, a newline at its end.

    Pictures are embedded; there are at most ``exhibits.PAGE_LIMIT`` exhibits, so that the page stays of a size that opens.
    """
    album = Album(report.measurements)
    catalog, found, splits = report.measurements.catalog, blocks(report), columns(report)
    picked, left_out = shown_classes(splits, CLASS_LIMIT)
    title, sentence = _headline(report)
    return _template().render(
        report=report,
        title=title,
        sentence=sentence,
        notes=[prose(note) for note in report.summary.notes],
        inferred=inferred(report),
        closing=closing(report),
        severities=severities(report),
        tiles=_tiles(report, splits),
        splits=splits,
        class_rows=_class_rows(catalog.classes, splits, picked),
        unlabelled=[f"{split.unlabelled:,}" for split in splits] if any(split.unlabelled for split in splits) else (),
        classes_left_out=counted(left_out, "class", "classes") if left_out else "",
        keras_sentence=keras_sentence(report),
        keras_rows=keras_rows(report),
        sections=_sections(found, album),
        not_run=not_run(report),
        skipped_kinds=skipped_kinds(catalog.skipped),
        skipped=[(shown(entry.path), prose(entry.reason)) for entry in catalog.skipped[:SKIPPED_LIMIT]],
        skipped_more=max(len(catalog.skipped) - SKIPPED_LIMIT, 0),
        table_limit=TABLE_LIMIT,
        version=dataaudit.__version__,
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only where a page is made

    environment = Environment(
        loader=PackageLoader("dataaudit.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.jinja")


def _headline(report: Report) -> tuple[str, str]:
    """Return the heading and the sentence under it: ``VERDICT: the numbers`` is cut in two, not said twice."""
    sentence = prose(report.summary.sentence)
    verdict, colon, numbers = sentence.partition(": ")
    if colon and verdict.isupper():
        return verdict.capitalize(), numbers[:1].upper() + numbers[1:]
    return VERDICT_TITLE[report.summary.verdict], sentence


def _tiles(report: Report, splits: tuple[Column, ...]) -> list[Tile]:
    catalog = report.measurements.catalog
    groups = report.measurements.copies.groups()
    images = [counted(len(catalog.classes), "class", "classes")]
    if groups:
        images.append(f"{counted(sum(map(len, groups)), 'image')} in {counted(len(groups), 'copy group')}")
    tiles = [_split_tile(split) for split in splits] if catalog.splits else []
    return [Tile("images", f"{len(catalog):,}", tuple(images)), *tiles]


def _split_tile(split: Column) -> Tile:
    if split.leak is None:
        return Tile(split.name, f"{split.samples:,}", ("images",))
    leak, held_out = split.leak, split.name != "train"
    notes = [f"{leak.leaked:,} of {counted(split.samples, 'image')} known from another split"]
    if held_out:
        notes.append(f"honest n: {leak.honest:,}")
    if held_out and leak.baseline is not None:
        notes.append(f"always “{shown(leak.baseline.label)}” scores {percent(leak.baseline.share)}")
    return Tile(split.name, f"{percent(leak.share)} leaked", tuple(notes), round(leak.share, 4), held_out and leak.leaked > 0)


def _class_rows(
    classes: tuple[str, ...], splits: tuple[Column, ...], picked: tuple[int, ...]
) -> list[tuple[str, tuple[Cell, ...]]]:
    labelled = [max(sum(split.per_class), 1) for split in splits]
    shares = {index: [split.per_class[index] / n for split, n in zip(splits, labelled, strict=True)] for index in picked}
    longest = max((share for row in shares.values() for share in row), default=0.0) or 1.0
    return [
        (
            shown(classes[index]),
            tuple(
                Cell(f"{split.per_class[index]:,}", percent(share), round(100 * share / longest, 2))
                for split, share in zip(splits, shares[index], strict=True)
            ),
        )
        for index in picked
    ]


def _sections(found: tuple[Block, ...], album: Album) -> list[Section]:
    most = limits([block.rule.severity for block in found])
    shown_of = [exhibits(block, album, limit) for block, limit in zip(found, most, strict=True)]
    return [
        Section(block.rule, len(block.findings), those, more, block.rule.severity == "info", _frames(those))
        for block, (those, more) in zip(found, shown_of, strict=True)
    ]


def _frames(those: tuple[Exhibit, ...]) -> int:
    """Return the pictures that the widest pair shows; 0 where there are no pairs."""
    return max((len(each.figures) for each in those if isinstance(each, PairExhibit)), default=0)
