"""``audit``, ``scan`` and ``selftest``: a dataset judged."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataaudit.cli.options import (
    CONFIG_OPTIONS,
    DATASET,
    FAIL_OPTIONS,
    OUTPUT_OPTIONS,
    SELFTEST_OPTION,
    SPLIT_OPTIONS,
    configured,
    options,
    report_targets,
)
from dataaudit.cli.streams import exit_code, printable, progress, refuse_outputs, refuse_previous, tell

if TYPE_CHECKING:
    from dataaudit.config import Config
    from dataaudit.domain import Measurements, SelfTest


@click.command()
@DATASET
@options(CONFIG_OPTIONS, SPLIT_OPTIONS, FAIL_OPTIONS[1:], OUTPUT_OPTIONS)
@SELFTEST_OPTION
@click.option("--output", type=click.Path(path_type=Path), default=Path("dataaudit-report"), show_default=True)
def audit(
    dataset: Path,
    form: str,
    reports: tuple[str, ...],
    output: Path,
    require: tuple[str, ...],
    saved: Path | None,
    **given: object,
) -> None:
    """Do it all: scan, plan the split, weights, augmentation and pipeline.py, reports, into --output DIR."""
    from dataaudit import pipeline  # noqa: PLC0415 - --help imports nothing heavy
    from dataaudit.fixers import plan_folder  # noqa: PLC0415
    from dataaudit.reports.plan import render  # noqa: PLC0415

    config = configured(given)
    targets = [*report_targets(reports), ("html", output / "report.html"), ("json", output / "report.json")]
    refuse_outputs([output, *(path for _, path in targets)], dataset)
    plan_folder.refuse(output, dataset)
    refuse_previous(config)
    with progress(quiet=bool(given["quiet"])) as observe:
        measurements = pipeline.measure(dataset, config, observe)
    report = pipeline.judge(measurements, config, known_recall(saved, measurements, config))
    tell(report, form, targets)  # first: where no plan can be made, the findings say why
    plan = pipeline.correct(measurements, config)
    plan_folder.write(plan, output)
    if form == "text":
        click.echo(printable(f"\n{render(plan)}\nWritten to {output}: report.html, report.json, and the plan. Next:"))
        commands = (f"dataaudit apply {output} --to NEW_DIR", f"python {output / 'pipeline.py'} --epochs 1")
        longest = max(map(len, commands))
        for command, effect in zip(
            commands, ("the corrected dataset, as a new tree", "train on the corrected split"), strict=True
        ):
            click.echo(printable(f"  {command:<{longest}}  # {effect}"))
    sys.exit(exit_code(report, "never", require))


@click.command()
@DATASET
@options(CONFIG_OPTIONS, FAIL_OPTIONS, OUTPUT_OPTIONS)
@SELFTEST_OPTION
@click.option("--output", type=click.Path(path_type=Path), help="Write report.html and report.json to this directory.")
def scan(
    dataset: Path,
    form: str,
    reports: tuple[str, ...],
    output: Path | None,
    saved: Path | None,
    fail_on: str,
    require: tuple[str, ...],
    **given: object,
) -> None:
    """Report what is wrong with DATASET; change nothing."""
    from dataaudit import pipeline  # noqa: PLC0415

    config = configured(given)
    targets = report_targets(reports)
    if output is not None:
        targets += [("html", output / "report.html"), ("json", output / "report.json")]
    refuse_outputs([path for _, path in targets], dataset)
    with progress(quiet=bool(given["quiet"])) as observe:
        measurements = pipeline.measure(dataset, config, observe)
    report = pipeline.judge(measurements, config, known_recall(saved, measurements, config))
    tell(report, form, targets)
    sys.exit(exit_code(report, fail_on, require))


@click.command()
@DATASET
@options(CONFIG_OPTIONS)
@click.option("--queries", type=click.IntRange(min=1), default=120, show_default=True, metavar="N", help="Copies to plant.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of stdout.")
def selftest(dataset: Path, queries: int, form: str, **given: object) -> None:
    """Plant copies of DATASET's own images, outside of it, and say how many of them a scan finds."""
    from dataaudit import pipeline  # noqa: PLC0415
    from dataaudit.reports.selftest import render  # noqa: PLC0415
    from dataaudit.selftest.saved import dumps  # noqa: PLC0415

    config = configured(given)
    with progress(quiet=bool(given["quiet"])) as observe:
        outcome = pipeline.selftest(dataset, config, queries=queries, seed=config.seed, observe=observe)
    click.echo(printable(dumps(outcome, config) if form == "json" else render(outcome)), nl=False)


def known_recall(saved: Path | None, measurements: Measurements, config: Config) -> SelfTest | None:
    """Read the self-test that ``--selftest`` names."""
    if saved is None:
        return None
    from dataaudit.selftest.saved import load  # noqa: PLC0415

    return load(saved, measurements.fingerprint(), config)
