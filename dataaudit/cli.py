"""The command line: options → ``Config`` → one call → render → exit. Nothing is decided here."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dataaudit import __version__
from dataaudit.errors import CacheWarning, DataAuditError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dataaudit.config import Config
    from dataaudit.domain import Measurements, Report, Rule, SelfTest
    from dataaudit.fixers.apply import Mode
    from dataaudit.pipeline import Observer

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


class Commands(click.Group):
    """Turns our errors into messages and exit codes."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; an error a user can act on is one message on stderr and its exit code."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", CacheWarning)
                warnings.showwarning = warn  # type: ignore[assignment]  # it takes any further argument
                return super().invoke(ctx)
        except DataAuditError as error:
            click.echo(f"dataaudit: {error.slug}: {one_line(str(error))}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.filename is not None or error.errno not in {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG}:
                raise
            click.echo(f"dataaudit: the output could not be written ({error.strerror}); make room, or write elsewhere.", err=True)
            leave_unwritten()
            ctx.exit(3)
        except KeyboardInterrupt as interrupt:
            click.echo(" ".join(["dataaudit: interrupted.", *getattr(interrupt, "__notes__", ())]), err=True)
            ctx.exit(130)


def leave_unwritten() -> None:
    """Forget what is left in the buffer of stdout: Python would try to write it at the end, and fail again."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warn(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Show a warning on stderr: one line each."""
    name = "cache" if issubclass(category, CacheWarning) else category.__name__
    click.echo(f"dataaudit: {name}: {one_line(str(message))}", err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dataaudit")
def main() -> None:
    """Audit an image-classification dataset before training, and emit the correction."""


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--dataset", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The dataset the files belong to.")
@click.option("--index", type=click.Path(path_type=Path), help="Check against this index file; its dataset need not be here.")
@options(CONFIG_OPTIONS, FAIL_OPTIONS)
def check(
    paths: tuple[Path, ...], dataset: Path | None, index: Path | None, fail_on: str, require: tuple[str, ...], **given: object
) -> None:
    """Check the staged images (or PATHS) against their dataset: the pre-commit check."""
    config = configured(given)
    with progress(quiet=bool(given["quiet"])) as observe:
        if index is None:
            from dataaudit.check import check as check_files  # noqa: PLC0415

            outcome = check_files(paths, dataset, config, observe)
        else:
            from dataaudit.against import check_against  # noqa: PLC0415

            outcome = check_against(paths, dataset, index, config, observe)
    for note in outcome.notes:
        click.echo(f"dataaudit: {one_line(note)}", err=True)
    for line in outcome.lines:
        click.echo(one_line(line))
    sys.exit(max((exit_code(report, fail_on, require) for report in outcome.reports), default=0))


@main.command()
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


@main.group(name="cache")
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


@main.command()
@click.argument("code")
def explain(code: str) -> None:
    """Say what a rule means, why it matters and what to do."""
    from dataaudit.reports.rules import explain as explain_rule  # noqa: PLC0415

    rule = next((rule for rule in known_rules() if rule.code == code.upper() or rule.name == code.lower()), None)
    if rule is None:
        message = f"there is no rule {code!r}. `dataaudit rules` lists them all."
        raise UsageError(message)
    click.echo(explain_rule(rule), nl=False)


@main.command()
@click.option("--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
def rules(form: str) -> None:
    """List every rule."""
    from dataaudit.reports.rules import markdown_table, text_table  # noqa: PLC0415

    click.echo((markdown_table if form == "markdown" else text_table)(known_rules()), nl=False)


# ------------------------------------------------------------------------------------- translation


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


def known_recall(saved: Path | None, measurements: Measurements, config: Config) -> SelfTest | None:
    """Read the self-test that ``--selftest`` names."""
    if saved is None:
        return None
    from dataaudit.selftest.saved import load  # noqa: PLC0415

    return load(saved, measurements.fingerprint(), config)


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
    from dataaudit.reports import FORMATS as RENDERERS  # noqa: PLC0415
    from dataaudit.reports import text  # noqa: PLC0415
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
