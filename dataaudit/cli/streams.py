"""What goes out: reports to files and stdout, progress to stderr, and the exit code."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dataaudit.config import Config
    from dataaudit.domain import Report
    from dataaudit.pipeline import Observer


def refuse_outputs(paths: Sequence[Path], dataset: Path) -> None:
    """Refuse before the work begins what could not be written after it."""
    from dataaudit.reports.write import refuse_inside  # noqa: PLC0415

    for path in paths:
        refuse_inside(path, dataset)


def refuse_previous(config: Config) -> None:
    """Refuse before the work begins an earlier plan that is none."""
    if config.previous is not None:
        from dataaudit.fixers.previous import read_previous  # noqa: PLC0415

        read_previous(config.previous)


def tell(report: Report, form: str, targets: Sequence[tuple[str, Path]]) -> None:
    """Write the files, then print to stdout, in colour where it is a terminal and NO_COLOR is not set."""
    from dataaudit.reports import text  # noqa: PLC0415
    from dataaudit.reports.formats import FORMATS as RENDERERS  # noqa: PLC0415
    from dataaudit.reports.write import write  # noqa: PLC0415

    for target_form, path in targets:
        write(RENDERERS[target_form](report), path, dataset=report.measurements.catalog.root)
    if form != "text":
        click.echo(RENDERERS[form](report), nl=False)
        return
    terminal = sys.stdout.isatty()
    width = os.get_terminal_size(sys.stdout.fileno()).columns if terminal else None
    click.echo(printable(text.render(report, width=width, colour=terminal and "NO_COLOR" not in os.environ)), nl=False)


def exit_code(report: Report, fail_on: str, require: Sequence[str]) -> int:
    """0 clean; 1 findings at or above ``fail_on``; 3 a rule failed, or one that is required did not run (beats 1)."""
    from dataaudit.domain import SEVERITIES  # noqa: PLC0415

    not_run = report.rules_not_run
    if any(skipped.reason.startswith("failed") or skipped.rule.code in require for skipped in not_run):
        return 3
    worst = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on != "never" else ()
    return int(any(finding.rule.severity in worst for finding in report.findings))


def printable(text: str) -> str:
    """Return text that any stream can encode: undecodable bytes of file names are written as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def one_line(text: str) -> str:
    """Return a sentence on one printable line: names in it may hold line ends and the terminal's control characters."""
    from dataaudit.reports.names import prose  # noqa: PLC0415

    return printable(prose(text))


@contextmanager
def progress(*, quiet: bool) -> Iterator[Observer | None]:
    """Show on stderr how far the work is, unless it is to be quiet."""
    from dataaudit.reports.progress import shown  # noqa: PLC0415

    with nullcontext() if quiet else shown(sys.stderr) as observe:
        yield observe
