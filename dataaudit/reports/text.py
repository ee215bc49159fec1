"""The report for a terminal: the verdict first, then the worst first, and never more than a screen or two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataaudit.reports.keras_view import keras_sentence
from dataaudit.reports.names import prose, shown
from dataaudit.reports.outline import (
    Block,
    Column,
    blocks,
    closing,
    columns,
    inferred,
    not_run,
    shown_classes,
    skipped_kinds,
)
from dataaudit.reports.terminal import open_console, paragraph, styled, written
from dataaudit.wording import counted, percent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from dataaudit.domain import Report

FULL_BLOCKS: Final = 6
"""Rules told with examples and remedy; those after them, and every *info*, get one line each."""
TABLE_ROWS: Final = 12
BAR: Final = 24
"""Columns of the longest bar."""
VERDICT_STYLE: Final = {"trustworthy": "bold green", "suspect": "bold yellow", "not-trustworthy": "bold red"}
SEVERITY_STYLE: Final = {"error": "bold red", "warning": "bold yellow", "info": "cyan"}
_INDENT: Final = 2
_HANG: Final = 9
"""Columns before the text of a block: its widest severity, and the space around it."""


def render(report: Report, *, width: int | None = None, colour: bool = False, examples: int = 3) -> str:
    """Return the report as text, a newline at its end.

    Args:
        report: what to tell.
        width: columns of the terminal; None where there is none: 100, and the verdict stays on one line, so that
            ``head -1`` is the verdict.
        colour: whether to use ANSI colours (the caller knows of ``NO_COLOR`` and of the stream).
        examples: findings shown of each rule; all others are in report.json.
    """
    console = open_console(width, colour=colour)
    sentence = styled(prose(report.summary.sentence), VERDICT_STYLE[report.summary.verdict])
    console.print(sentence, soft_wrap=width is None)
    for note in report.summary.notes:
        paragraph(console, prose(note), 0)
    console.print()
    paragraph(console, inferred(report), 0)
    console.print()
    _table(console, report)
    seen = keras_sentence(report)
    if seen:
        paragraph(console, seen, 0)
        console.print()
    _findings(console, report, examples)
    _remainder(console, report)
    return written(console)


def _table(console: Console, report: Report) -> None:
    """Print samples per class and split; a bar a class shows its size in all splits together."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    splits = columns(report)
    classes = report.measurements.catalog.classes
    picked, left_out = shown_classes(splits, TABLE_ROWS)
    totals = {index: sum(split.per_class[index] for split in splits) for index in picked}
    longest = max(totals.values(), default=0)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("class", footer=_footer("all images", splits, "leaked"), overflow="ellipsis", no_wrap=True, max_width=32)
    for split in splits:
        table.add_column(split.name, footer=_footer(f"{split.samples:,}", splits, _leaked(split)), justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="cyan")
    for number, index in enumerate(picked):
        if left_out and number == len(picked) // 2:
            table.add_row(styled(f"… {counted(left_out, 'class', 'classes')} between", "dim"))
        bar = "█" * max(round(BAR * totals[index] / longest), 1) if totals[index] else ""
        table.add_row(styled(shown(classes[index])), *(_count(split.per_class[index]) for split in splits), bar)
    if any(split.unlabelled for split in splits):
        table.add_row(styled("(no label)", "dim"), *(_count(split.unlabelled) for split in splits), "")
    console.print(table)
    console.print()


def _footer(first: str, splits: tuple[Column, ...], second: str) -> Text:
    return styled(f"{first}\n{second}" if any(split.leak for split in splits) else first)


def _leaked(split: Column) -> str:
    return "" if split.leak is None else percent(split.leak.share)


def _count(count: int) -> Text:
    return styled(f"{count:,}") if count else styled("–", "dim")


def _findings(console: Console, report: Report, examples: int) -> None:
    found = blocks(report)
    if not found:
        console.print(styled("Nothing found.", "green"))
        console.print()
        return
    full = [block for block in found if block.rule.severity != "info"][:FULL_BLOCKS]
    brief = [block for block in found if block not in full]
    for block in full:
        _full(console, block, examples)
        console.print()
    for block in brief:
        _heading(console, block)
    if brief:
        paragraph(console, "'dataaudit explain CODE' says why each matters and what to do", _HANG, style="dim")
        console.print()


def _heading(console: Console, block: Block) -> None:
    rule, count = block.rule, f"{len(block.findings):,} ×"
    line = styled(f"{rule.severity:<{_HANG}}", SEVERITY_STYLE[rule.severity])
    line.append(rule.code, "bold").append(f"  {rule.name}")
    line.truncate(console.width - len(count) - 1, overflow="ellipsis", pad=True)
    console.print(line.append(f" {count}", "bold"), no_wrap=True)


def _full(console: Console, block: Block, examples: int) -> None:
    _heading(console, block)
    most = 2 if len(block.findings) > 1 else 5  # one that stands alone says all that it has to say
    for finding in block.findings[:examples]:
        paragraph(console, prose(finding.message), _HANG, mark="· ", most=most)
    rest = len(block.findings) - examples
    if rest > 0:
        paragraph(console, f"… and {rest:,} more (see report.json)", _HANG, style="dim")
    paragraph(console, block.rule.remedy, _HANG, mark="→ ", style="green", most=3)


def _remainder(console: Console, report: Report) -> None:
    reasons = not_run(report)
    if reasons:
        paragraph(console, f"Not run, and so not passed: {counted(len(report.rules_not_run), 'rule')}", 0, style="bold")
        for reason, codes in reasons:
            style = "bold red" if reason.startswith("failed") else ""
            paragraph(console, f"{' '.join(codes)}  {reason}", _INDENT, style=style, most=3)
        console.print()
    skipped = report.measurements.catalog.skipped
    if skipped:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in skipped_kinds(skipped))
        paragraph(console, f"Not samples: {kinds} (listed in report.json)", 0)
    paragraph(console, closing(report), 0, style="bold")
