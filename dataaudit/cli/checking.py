"""``check`` and ``index``: the files of a commit."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dataaudit.cli.options import CONFIG_OPTIONS, FAIL_OPTIONS, configured, options
from dataaudit.cli.streams import exit_code, one_line, progress, refuse_outputs


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--dataset", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The dataset the files belong to.")
@click.option("--index", type=click.Path(path_type=Path), help="Check against this index file; its dataset need not be here.")
@options(CONFIG_OPTIONS, FAIL_OPTIONS)
def check(
    paths: tuple[Path, ...], dataset: Path | None, index: Path | None, fail_on: str, require: tuple[str, ...], **given: object
) -> None:
    """Check the staged images (or PATHS) against their dataset: the pre-commit check."""
    with progress(quiet=bool(given["quiet"])) as observe:
        if index is None:
            from dataaudit.engines.local import LocalEngine  # noqa: PLC0415

            with LocalEngine() as engine:
                if paths:
                    engine.start("dataaudit.features")  # ahead of all else, for it takes as long
                config = configured(given)
                engine.jobs, engine.item_timeout, engine.item_memory = config.workers, config.file_timeout, config.file_memory
                from dataaudit.check import check as check_files  # noqa: PLC0415

                outcome = check_files(paths, dataset, config, observe, engine)
        else:
            from dataaudit.against import check_against  # noqa: PLC0415

            outcome = check_against(paths, dataset, index, configured(given), observe)
    for note in outcome.notes:
        click.echo(f"dataaudit: {one_line(note)}", err=True)
    for line in outcome.lines:
        click.echo(one_line(line))
    sys.exit(max((exit_code(report, fail_on, require) for report in outcome.reports), default=0))


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="DATASET|INDEX...", type=click.Path(path_type=Path))
@options(CONFIG_OPTIONS)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The index file to write.")
def index(sources: tuple[Path, ...], output: Path, **given: object) -> None:
    """Write what a dataset's pictures are known by, without them, for `check --index`; merge indexes."""
    from dataaudit.against import make_index  # noqa: PLC0415

    config = configured(given)
    refuse_outputs([output], sources[0])
    with progress(quiet=bool(given["quiet"])) as observe:
        images, size = make_index(sources, output, config, observe)
    if not given["quiet"]:
        click.echo(f"{output}: {images:,} images in {size / 2**20:,.1f} MiB.", err=True)
