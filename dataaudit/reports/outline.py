"""What every report tells, in order, before it becomes text, HTML or Markdown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataaudit.domain import NONE, ROLES, SEVERITIES
from dataaudit.reports.names import prose, shown
from dataaudit.wording import counted

if TYPE_CHECKING:
    from dataaudit.domain import Finding, Leak, Report, Rule, Sample, Severity, Skipped

UNSPLIT: Final = "unsplit"
"""How the samples without a split are named, where splits are named."""


@dataclass(frozen=True, slots=True)
class Block:
    """A rule and everything it found, by first sample path."""

    rule: Rule
    findings: tuple[Finding, ...]


def blocks(report: Report) -> tuple[Block, ...]:
    """Return one block a rule that found something: worst first, then by number: files, leaks, labels, balance."""
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        found.setdefault(finding.rule.code, []).append(finding)
    ordered = sorted(found.values(), key=_place)
    return tuple(Block(findings[0].rule, tuple(findings)) for findings in ordered)


def _place(findings: list[Finding]) -> tuple[int, str, str]:
    rule = findings[0].rule
    return SEVERITIES.index(rule.severity), rule.code[3:], rule.code


def severities(report: Report) -> dict[Severity, int]:
    """Return the number of findings of each severity, worst first, zeros included."""
    count = Counter(finding.rule.severity for finding in report.findings)
    return {severity: count[severity] for severity in SEVERITIES}


@dataclass(frozen=True, slots=True)
class Column:
    """One split of the dataset, counted."""

    name: str
    """``train``, ``val``, ``test``, or ``unsplit``."""
    samples: int
    per_class: tuple[int, ...]
    """One a class of the catalog."""
    unlabelled: int
    leak: Leak | None
    """The verdict on it; None for ``unsplit``."""


def columns(report: Report) -> tuple[Column, ...]:
    """Return the splits that hold a sample, in role order, the unsplit samples last."""
    catalog, counts = report.measurements.catalog, report.measurements.catalog.counts()
    leaks = {leak.split: leak for leak in report.summary.leaks}
    return tuple(
        Column(
            name=role or UNSPLIT,
            samples=len(rows),
            per_class=tuple(int(n) for n in counts[code]),
            unlabelled=int((catalog.label_codes[rows] == NONE).sum()),
            leak=None if role is None else leaks.get(role),
        )
        for code, role in enumerate((*ROLES, None))
        if len(rows := catalog.rows_of(role))
    )


def shown_classes(splits: tuple[Column, ...], limit: int) -> tuple[tuple[int, ...], int]:
    """Return the classes a table of at most ``limit`` rows shows, and how many it leaves out.

    All of them in class order where they fit; else the largest and the smallest, from the largest, and the number
    left out between the two halves.
    """
    totals = [sum(counts) for counts in zip(*(split.per_class for split in splits), strict=True)]
    if len(totals) <= limit:
        return tuple(range(len(totals))), 0
    by_size = sorted(range(len(totals)), key=lambda index: (-totals[index], index))
    half = limit // 2
    return (*by_size[:half], *by_size[-half:]), len(totals) - 2 * half


def inferred(report: Report) -> str:
    """Return what was inferred from the layout, in one line.

    ``3 splits (Training = train, val, test), 10 classes, 50,000 images, labels = folder names``.
    """
    catalog = report.measurements.catalog
    by_role = sorted(catalog.split_folders, key=lambda pair: (ROLES.index(pair[1]), pair[0]))
    folders = [role if folder == role else f"{shown(folder)} = {role}" for folder, role in by_role]
    named = ", ".join(folders or catalog.splits)
    splits = f"{counted(len(catalog.splits), 'split')} ({named})" if catalog.splits else "no splits"
    parts = [splits, counted(len(catalog.classes), "class", "classes"), counted(len(catalog), "image")]
    unlabelled = int((catalog.label_codes == NONE).sum())
    if unlabelled:
        parts.append(f"{unlabelled:,} of them without a label")
    if catalog.groups:
        parts.append(counted(len(catalog.groups), "declared group"))
    if catalog.keras_split:
        parts.append(f"split as Keras does (validation_split={catalog.keras_split.share:g}, seed={catalog.keras_split.seed})")
    return ", ".join([*parts, f"labels = {prose(catalog.labels_from)}"])


def not_run(report: Report) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the reasons why rules did not run, each with its codes, by first code."""
    reasons: dict[str, list[str]] = {}
    for absent in sorted(report.rules_not_run, key=lambda absent: absent.rule.code):
        reasons.setdefault(prose(absent.reason), []).append(absent.rule.code)
    return tuple((reason, tuple(codes)) for reason, codes in reasons.items())


def skipped_kinds(skipped: tuple[Skipped, ...]) -> tuple[tuple[str, int], ...]:
    """Return how many entries were skipped for each kind of reason, most first."""
    return tuple(sorted(Counter(entry.kind for entry in skipped).items(), key=lambda item: (-item[1], item[0])))


def closing(report: Report) -> str:
    """Return the line of counts that ends a report."""
    counts = severities(report)
    found = f"{counted(counts['error'], 'error')}, {counted(counts['warning'], 'warning')}, {counts['info']:,} info"
    rules = counted(len(report.rules_run), "rule") + " run"
    if report.rules_not_run:
        rules += f", {len(report.rules_not_run)} not run"
    return f"{found} in {counted(len(report.measurements.catalog), 'image')}; {rules}."


def origin(sample: Sample) -> str:
    """Return where a sample stands, ``train · cat``; ``no label`` where it has none."""
    label = "no label" if sample.label is None else shown(sample.label)
    return f"{sample.split or UNSPLIT} · {label}"
