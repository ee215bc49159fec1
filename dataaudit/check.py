"""The pre-commit check: which files, of which dataset, and what of its findings concerns them.

A file's dataset is what ``--dataset`` says; else the folder above its split folder (``data`` of
``data/train/cat/1.jpg``), looked for up to the top of the repository. Every file of the dataset is known (the cache reads only
what changed), since a copy takes two; copies are looked for of the files that are checked, and only what concerns them is told
and decides the exit code. Statistics of the dataset are ``scan``'s to tell: no one commit made them.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dataaudit import pipeline
from dataaudit.catalog.folders import Roles
from dataaudit.catalog.walk import is_image_name
from dataaudit.domain import ComparisonEvidence, TableEvidence
from dataaudit.errors import UsageError
from dataaudit.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dataaudit.config import Config
    from dataaudit.domain import Finding, Report
    from dataaudit.engines.local import LocalEngine
    from dataaudit.pipeline import Observer

__all__ = ["File", "Outcome", "check", "concerning", "datasets_of", "files_to_check", "line", "of_files"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found: one line a finding, one report (cut down to the files checked) a dataset."""

    lines: tuple[str, ...]
    notes: tuple[str, ...]
    reports: tuple[Report, ...]


def check(
    paths: Sequence[Path],
    dataset: Path | None,
    config: Config,
    observe: Observer | None = None,
    engine: LocalEngine | None = None,
) -> Outcome:
    """Check files against their datasets.

    Args:
        paths: files, or folders: a folder that is a dataset of its own is checked as a whole. None: the staged set.
        dataset: the dataset all of them belong to; None: found for each file.
        config: how datasets are read and judged.
        observe: see :func:`dataaudit.pipeline.scan`.
        engine: see :func:`dataaudit.pipeline.measure`.

    Raises:
        UsageError: if a path does not exist, or without paths there is no git repository.
    """
    files, notes = files_to_check(paths)
    by_dataset, homeless = datasets_of(files, dataset, Roles.of(config.roles))
    if homeless:
        where, remedy = f"outside of {dataset}", ""
        if dataset is None:
            where = "in no dataset that can be recognised by its split folders"
            remedy = " Name their dataset with --dataset DIR."
        notes.append(f"{counted(len(homeless), 'image')} not checked, {where}; the first: {homeless[0]}.{remedy}")
    if not by_dataset:
        notes.append("no image to check.")
    elif engine is not None:  # a worker takes as long to start as all is found
        engine.start("dataaudit.features")
    lines, reports = [], []
    judged = of_files(config)
    for root, members in sorted(by_dataset.items()):
        compared = _Compared(observe)
        measurements = pipeline.measure(root, config, compared, members, engine)
        report = concerning(pipeline.judge(measurements, judged), members)
        reports.append(report)
        absent = sorted(members.difference(measurements.catalog.paths))
        notes.append(f"{_checked(len(members) - len(absent), len(measurements.catalog), root)}; {compared}.")
        if absent:
            notes.append(f"{counted(len(absent), 'image')} not checked, for no sample of {root}; the first: {absent[0]}.")
        lines += [line(root, report, finding, members) for finding in report.findings if finding.rule.severity != "info"]
    return Outcome(tuple(lines), tuple(notes), tuple(reports))


FAMILIES: Final = (
    *("INT", "BAL50", "LEK201", "LEK202", "LEK203", "LEK204", "LEK205", "LEK209"),
    *("DUP301", "DUP302", "DUP303", "DUP304", "LBL401", "LBL402"),
)
"""Codes, or what they begin with, of the rules that speak of files: the others, and what they import, are left to ``scan``."""


def of_files(config: Config, *, statistics: bool = True) -> Config:
    """Return the configuration with only the selected rules that speak of files; ``statistics``: and of the class folders."""
    from dataaudit.scanners import RULES, selected_codes  # noqa: PLC0415 - not for a slip in the options

    told = [code for code in selected_codes(config) if code.startswith(FAMILIES) and (statistics or not code.startswith("BAL"))]
    return config.merged(select=told, ignore=()) if told else config.merged(ignore=[rule.code for rule in RULES])


class _Compared:
    """Observes how many pairs were compared, and passes it on."""

    def __init__(self, observe: Observer | None) -> None:
        self._observe = observe
        self.pairs = 0

    def __call__(self, stage: str, done: int, total: int, found: int) -> None:
        if stage == "compare":
            self.pairs = max(self.pairs, done)
        if self._observe is not None:
            self._observe(stage, done, total, found)

    def __str__(self) -> str:
        if not self.pairs:
            return "none looks enough like another picture to be compared"
        return f"{counted(self.pairs, 'pair')} of pictures compared"


def _checked(members: int, samples: int, root: Path) -> str:
    return f"{counted(members, 'image')} checked against the {samples:,} of {root}"


@dataclass(frozen=True, slots=True)
class File:
    """A file to be checked."""

    path: Path
    within: Path
    """The folder that its dataset is looked for in: the repository, the folder that was named, the working directory."""
    fallback: Path | None = None
    """Its dataset, where no split folder tells."""


def files_to_check(paths: Sequence[Path]) -> tuple[list[File], list[str]]:
    """Return the images among the paths, or among what is staged, and what is to be said of them."""
    return (_given(paths), []) if paths else _staged()


def _given(paths: Sequence[Path]) -> list[File]:
    files: list[File] = []
    for path in paths:
        if not path.exists():
            message = f"{path}: no such file or directory. Name image files, or folders of them."
            raise UsageError(message)
        if path.is_dir():
            files += [File(item, path, path) for item in sorted(path.rglob("*")) if item.is_file()]
        else:
            files.append(File(path, _top(path)))
    return [file for file in files if is_image_name(file.path.name)]


def _top(path: Path) -> Path:
    """Return the folder that a named file's dataset is looked for in: its repository; without one, everything above it."""
    above = _absolute(path).parents
    return next((folder for folder in above if (folder / ".git").exists()), above[-1])


def _staged() -> tuple[list[File], list[str]]:
    top = Path(_git("rev-parse", "--show-toplevel")[0])
    staged = [top / name for name in _git("diff", "--cached", "--name-only", "-z", "--diff-filter=ACMRT", top=top)]
    images = [file for file in staged if is_image_name(file.name)]
    differing = {top / name for name in _git("diff", "--name-only", "-z", top=top)} & set(images)
    notes = [
        f"{file}: differs from what is staged; the file in the working tree was checked."
        if file.is_file()
        else f"{file}: is staged, but is not in the working tree: not checked. Restore or unstage it."
        for file in sorted(differing)
    ]
    return [File(file, top) for file in images if file.is_file()], notes


def _git(*command: str, top: Path | None = None) -> list[str]:
    """Run git and return its output, split at NUL (or the end of the line)."""
    try:
        done = subprocess.run(["git", *command], cwd=top, capture_output=True, check=True)  # noqa: S603, S607 - git is found as the user's shell finds it
    except FileNotFoundError as error:
        message = "git was not found; without PATHS the staged files are checked. Install git, or name files to check."
        raise UsageError(message) from error
    except subprocess.CalledProcessError as error:
        message = (
            f"git {command[0]}: {error.stderr.decode(errors='replace').strip()}. "
            "Without PATHS the staged files of the repository are checked: run it in one, or name files to check."
        )
        raise UsageError(message) from error
    text = done.stdout.decode("utf-8", "surrogateescape")
    return [name for name in (text.split("\0") if "-z" in command else text.splitlines()) if name]


def datasets_of(files: Iterable[File], dataset: Path | None, roles: Roles) -> tuple[dict[Path, set[str]], list[Path]]:
    """Return the paths to check of each dataset, relative to it, and the files of none."""
    by_dataset: dict[Path, set[str]] = {}
    homeless = []
    for file in files:
        root, place = dataset or _dataset_of(file, roles), _absolute(file.path)
        if root is None or not place.is_relative_to(_absolute(root)):
            homeless.append(file.path)
        else:
            by_dataset.setdefault(root, set()).add(place.relative_to(_absolute(root)).as_posix())
    return by_dataset, homeless


def _absolute(path: Path) -> Path:
    """Return a path from the root, without ``..``; links are kept."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps ``..``, Path.resolve follows links


def _dataset_of(file: File, roles: Roles) -> Path | None:
    """Return the folder above the topmost folder, below ``file.within``, whose name is a split's."""
    place, within = _absolute(file.path), _absolute(file.within)
    folders = [folder for folder in place.parents if folder.is_relative_to(within) and folder != within]
    splits = [folder.parent for folder in reversed(folders) if roles.role(folder.name) is not None]
    return splits[0] if splits else file.fallback


def concerning(report: Report, members: set[str]) -> Report:
    """Return the report with only what a commit answers for: findings about a file it adds, and facts about no file.

    A statistic about the dataset (rare class, drift) is ``scan``'s to tell: no one commit made it.
    """
    paths = report.measurements.catalog.paths

    def kept(finding: Finding) -> bool:
        if not finding.samples:
            return finding.rule.severity == "error"
        return not isinstance(finding.evidence, TableEvidence | ComparisonEvidence) and any(
            paths[row] in members for row in finding.samples
        )

    return replace(report, findings=tuple(filter(kept, report.findings)))


def line(root: Path, report: Report, finding: Finding, members: set[str]) -> str:
    """Return a finding as one line that begins with the first of its files that are checked."""
    paths = [report.measurements.catalog.paths[row] for row in finding.samples]
    first = next((path for path in paths if path in members), "")
    return f"{root / first}: {finding.rule.code} {finding.rule.severity}: {finding.message}"
