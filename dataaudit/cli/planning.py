"""``split`` and ``apply``: a plan made and carried out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataaudit.cli.options import CONFIG_OPTIONS, DATASET, SPLIT_OPTIONS, configured, options
from dataaudit.cli.streams import printable, progress, refuse_outputs, refuse_previous

if TYPE_CHECKING:
    from dataaudit.fixers.apply import Mode


@click.command()
@DATASET
@options(CONFIG_OPTIONS, SPLIT_OPTIONS)
@click.option("--output", type=click.Path(path_type=Path), help="Write the plan folder here.")
def split(dataset: Path, output: Path | None, **given: object) -> None:
    """Plan the correct split, class weights and augmentation; touch no image."""
    from dataaudit import pipeline  # noqa: PLC0415
    from dataaudit.fixers import plan_folder  # noqa: PLC0415
    from dataaudit.reports.plan import render  # noqa: PLC0415

    config = configured(given)
    if output is not None:
        refuse_outputs([output], dataset)
        plan_folder.refuse(output, dataset)
    refuse_previous(config)
    with progress(quiet=bool(given["quiet"])) as observe:
        plan = pipeline.correct(pipeline.measure(dataset, config, observe), config)
    if output is not None:
        plan_folder.write(plan, output)
    click.echo(printable(render(plan)), nl=False)


@click.command()
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Path(path_type=Path), help="The new directory; must not exist, or be empty.")
@click.option("--mode", type=click.Choice(["copy", "hardlink", "symlink"]), default="copy", show_default=True)
@click.option("--source", type=click.Path(path_type=Path), help="The dataset, where it moved since the plan was made.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def apply(plan: Path, to: Path, mode: Mode, source: Path | None, *, quiet: bool) -> None:
    """Carry PLAN (a folder written by split or audit) out as a new tree; the source is never touched."""
    from dataaudit.fixers.apply import apply as carry_out  # noqa: PLC0415

    with progress(quiet=quiet) as observe:

        def tell(done: int, total: int) -> None:
            if observe is not None:
                observe("apply", done, total, 0)

        placed = carry_out(plan, to, mode, source=source, progress=tell)
    if not quiet:
        click.echo(f"{placed:,} files placed in {to} ({mode}).", err=True)
