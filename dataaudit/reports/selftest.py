"""A self-test in words, for the terminal: recall by kind of copy, and what was taken for a copy and is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataaudit.reports.names import prose, shown
from dataaudit.reports.terminal import open_console, paragraph, styled, written
from dataaudit.statistics.proportions import wilson
from dataaudit.wording import counted, likeness, percent

if TYPE_CHECKING:
    from dataaudit.domain import SelfTest

EXAMPLES: Final = 10
"""False pairs that are named; the rest are in the JSON."""


def render(selftest: SelfTest, *, width: int | None = None) -> str:
    """Return the self-test as text, a newline at its end; the first line is what was found of how many."""
    from rich import box  # noqa: PLC0415 - only where text is rendered
    from rich.table import Table  # noqa: PLC0415

    console = open_console(width)
    console.print(styled(prose(sentence(selftest))), soft_wrap=True)
    console.print()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("kind of copy")
    for column in ("planted", "proved", "probable", "found", "95 % interval"):
        table.add_column(column, justify="right")
    for family in selftest.families:
        counts = (str(family.planted), str(family.proved), str(family.probable))
        if not family.planted:
            table.add_row(family.family, "0", "–", "–", "–", "not measured")
            continue
        low, high = wilson(family.found, family.planted)
        found = percent(family.found / family.planted, 0)
        table.add_row(family.family, *counts, found, f"{percent(low, 0)} to {percent(high, 0)}")
    console.print(table)
    for stranger in selftest.strangers[:EXAMPLES]:
        text = (
            f"a copy ({stranger.family}) of {shown(stranger.source)} was taken for {shown(stranger.other)}: {stranger.verdict}, "
        )
        paragraph(console, prose(text + f"similarity {likeness(stranger.similarity)}"), 2, mark="- ")
    if len(selftest.strangers) > EXAMPLES:
        paragraph(console, f"… and {len(selftest.strangers) - EXAMPLES:,} more, in the JSON.", 2)
    if selftest.strangers:
        paragraph(console, "Look at these: either the search is wrong, or they are copies that the audit does not know of.", 0)
    return written(console)


def sentence(selftest: SelfTest) -> str:
    """Return what a self-test found, in one sentence."""
    low, high = wilson(selftest.found, selftest.planted) if selftest.planted else (0.0, 1.0)
    proved = sum(family.proved for family in selftest.families)
    return (
        f"{selftest.found} of {counted(selftest.planted, 'planted copy', 'planted copies')} found among "
        f"{counted(selftest.samples, 'image')} ({percent(low, 0)} to {percent(high, 0)}, 95 % Wilson interval), {proved} of them "
        f"proved; {counted(len(selftest.strangers), 'false pair')}."
    )
