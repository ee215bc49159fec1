"""``cache``: what was measured before, looked after."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dataaudit.cli.options import cached_in
from dataaudit.cli.streams import one_line, printable, progress


@click.group(name="cache")
def cache_commands() -> None:
    """What was measured before: `info`, `clear`, `verify`."""


@cache_commands.command()
@click.option("--cache-dir", metavar="DIR", help="Where it is, if not in its usual place.")
def info(cache_dir: str | None) -> None:
    """Say where the cache is, what it holds, and how it is kept small."""
    from dataaudit import upkeep  # noqa: PLC0415

    click.echo(printable(upkeep.info(cached_in(cache_dir))), nl=False)


@cache_commands.command()
@click.option("--cache-dir", metavar="DIR", help="Where it is, if not in its usual place.")
def clear(cache_dir: str | None) -> None:
    """Empty the cache."""
    from dataaudit import upkeep  # noqa: PLC0415

    click.echo(printable(upkeep.clear(cached_in(cache_dir))), nl=False)


@cache_commands.command()
@click.argument("dataset", required=False, type=click.Path(path_type=Path))
@click.option("--cache-dir", metavar="DIR", help="Where it is, if not in its usual place.")
def verify(dataset: Path | None, cache_dir: str | None) -> None:
    """Read every row; with DATASET, measure it anew and compare. Exit 3 if anything is wrong."""
    from dataaudit import upkeep  # noqa: PLC0415

    with progress(quiet=False) as observe:
        found = upkeep.verify(cached_in(cache_dir), dataset, observe)
    for line in (*found.problems, found.sentence):
        click.echo(one_line(line))
    sys.exit(3 if found.problems else 0)
