"""The options that commands share, and their translation into a ``Config``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dataaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataaudit.config import Config
    from dataaudit.domain import Rule


F = TypeVar("F", bound="Callable[..., Any]")


def known_codes(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Return the codes of ``--require`` in capitals.

    Raises:
        UsageError: if there is no such rule; to ignore it would be to pass what was not checked.
    """
    codes = tuple(code.strip().upper() for code in given)
    known = {rule.code for rule in known_rules()} if codes else set()
    for code in codes:
        if code not in known:
            message = f"--require {code}: there is no such rule. `dataaudit rules` lists them all."
            raise UsageError(message)
    return codes


FORMATS = ("text", "json", "html", "markdown")


CONFIG_OPTIONS = (
    click.option("--manifest", metavar="FILE", help="CSV or JSONL with path,label[,split][,group]; relative to DATASET."),
    click.option("--group-by", metavar="HOW", help="Groups: regex:R, column:NAME, file:CSV:COLUMN; or inferred."),
    click.option("--role", "roles", multiple=True, metavar="NAME=ROLE", help="Take folder NAME for train, val or test."),
    click.option("--manifest-hashes", metavar="FILE", help="Compare with digests written down: sha256sum's, or path,sha256."),
    click.option("--integrity", type=click.Choice(["usual", "deep"]), help="deep: decode strictly as well; twice as long."),
    click.option(
        "--keras-split", type=float, metavar="X", help="Audit the split that validation_split=X, seed=N draws in Keras."
    ),
    click.option("--seed", type=int, metavar="N", help="random_state of the split (and Keras's, with --keras-split); default 0."),
    click.option("--follow-links", is_flag=True, default=None, help="Descend into linked directories, each once."),
    click.option("--jobs", type=int, metavar="N", help="Worker processes; default: one a core."),
    click.option("--transformed/--no-transformed", default=None, help="Look for cropped, rotated … copies; default: yes."),
    click.option("--select", metavar="CODES", help="Run only these codes or prefixes, comma separated."),
    click.option("--ignore", metavar="CODES", help="Do not report these codes or prefixes, comma separated."),
    click.option("--descriptor", metavar="FILE", help="Your Keras model (.keras) in place of the built-in copy descriptor."),
    click.option("--embeddings", metavar="FILE", help="Your model's: .npy in path order, .npz with paths, or the .keras model."),
    click.option("--pred-probs", metavar="FILE", help="Your model's out-of-sample class probabilities, likewise."),
    click.option("--val-accuracy", type=float, metavar="X", help="The validation accuracy (0 to 1) a model reached."),
    click.option("--config", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="TOML file of options."),
    click.option("--quiet", is_flag=True, help="No progress on stderr."),
    click.option("--no-cache", "cache", flag_value=False, default=None, help="Use nothing of earlier runs, and keep nothing."),
    click.option("--cache-dir", metavar="DIR", help="Where; default: $DATAAUDIT_CACHE_DIR, or the user's cache folder."),
    click.option("--paranoid", is_flag=True, default=None, help="Read and hash every file, whatever its time stamps say."),
)


SPLIT_OPTIONS = (
    click.option("--ratios", metavar="T,V,E", help="Make new splits of these shares, as 0.7,0.15,0.15."),
    click.option("--remake", is_flag=True, default=None, help="Make new splits although the dataset has some."),
    click.option("--previous", metavar="PLAN", help="Go on from an earlier plan: what it placed stays, new copies follow."),
    click.option("--folds", type=int, metavar="K", help="Cross-validation folds outside test."),
    click.option(
        "--offline-copies",
        type=click.Choice(["keep", "originals"]),
        help="Augmented copies on disk (DUP305): keep them (default), or leave them out for their originals.",
    ),
    click.option("--class-weight", type=click.Choice(["balanced", "effective-number", "none"]), help="Weighting method."),
)


FAIL_OPTIONS = (
    click.option("--fail-on", type=click.Choice(["error", "warning", "info", "never"]), default="error", show_default=True),
    click.option("--require", multiple=True, metavar="CODE", callback=known_codes, help="Exit 3 if this rule could not run."),
)


SELFTEST_OPTION = click.option(
    "--selftest",
    "saved",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What `dataaudit selftest DATASET --format json` printed: say how many copies may have been missed.",
)


OUTPUT_OPTIONS = (
    click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="Of stdout."),
    click.option("--report", "reports", multiple=True, metavar="FORMAT:FILE", help="Write a report to FILE as well."),
)


DATASET = click.argument("dataset", type=click.Path(path_type=Path))


def options(*groups: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    """Return a decorator that adds every option of the groups, in order."""

    def decorate(function: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorate


def known_rules() -> tuple[Rule, ...]:
    """Return every rule, by code."""
    from dataaudit.scanners import RULES  # noqa: PLC0415

    return RULES


def configured(given: Mapping[str, Any]) -> Config:
    """Return the configuration: the file's, overridden by the options that were given."""
    from dataaudit.config import Config  # noqa: PLC0415

    values = {name: value for name, value in given.items() if name not in {"config", "quiet"}}
    values["roles"] = dict(pair(role, "=", "--role NAME=train|val|test") for role in values["roles"]) or None
    for name in ("select", "ignore"):
        codes = values[name]
        values[name] = codes and tuple(code.strip().upper() for code in codes.split(",") if code.strip())
    if values.get("ratios"):
        values["ratios"] = tuple(values["ratios"].split(","))
    return Config.load(given["config"]).merged(**values)


def cached_in(cache_dir: str | None) -> Config:
    """Return the configuration with the cache where the option says."""
    from dataaudit.config import Config  # noqa: PLC0415

    return Config.load().merged(cache_dir=cache_dir)


def pair(text: str, separator: str, expected: str) -> tuple[str, str]:
    """Split an option's value in two.

    Raises:
        UsageError: if the separator is missing or a part is empty.
    """
    first, _, second = text.partition(separator)
    if not first or not second:
        message = f"found {text!r}, expected {expected}."
        raise UsageError(message)
    return first, second


def report_targets(reports: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Translate ``--report FORMAT:FILE``."""
    targets = [pair(report, ":", "--report FORMAT:FILE") for report in reports]
    for form, _ in targets:
        if form not in FORMATS:
            message = f"--report: unknown format {form!r}, expected one of {', '.join(FORMATS)}."
            raise UsageError(message)
    return [(form, Path(file)) for form, file in targets]
