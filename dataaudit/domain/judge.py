"""JUDGE: rules, what they found and how it is evidenced, and the report that the reports render."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from dataaudit.domain.find import Role
    from dataaudit.domain.relate import CopyPair, Measurements

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""From the worst."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code means; written once, read by ``explain``, the README table and every report."""

    code: str
    name: str
    """A stable slug: ``exact-copy-across-splits``."""
    severity: Severity
    summary: str
    """One line, no full stop."""
    why: str
    """What it does to the training or its score."""
    remedy: str
    """What to do."""


@dataclass(frozen=True, slots=True)
class FileEvidence:
    """What is wrong with one file: what was found, what was expected."""

    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class CopyEvidence:
    """The pairs by which a copy group is known."""

    pairs: tuple[CopyPair, ...]


@dataclass(frozen=True, slots=True)
class GroupEvidence:
    """A group key and its samples per split: ``(("train", 12), ("val", 3))``."""

    key: str
    splits: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class TableEvidence:
    """Counts or shares: one row a class (or another thing), one column a split (or another thing)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]


@dataclass(frozen=True, slots=True)
class ComparisonEvidence:
    """A statistical test: what was compared, how large the effect is, and how sure."""

    test: str
    subject: str
    """What differs: ``luminance``, ``class shares``."""
    splits: tuple[str, ...]
    n: tuple[int, ...]
    """Samples compared, per split; copies counted once where the message says so."""
    statistic: float
    p_value: float
    q_value: float
    """After Benjamini–Hochberg over every test of the run that belongs to the family; equals p where it stands alone."""
    effect: float
    effect_name: str
    interval: tuple[float, float] | None = None


Evidence = FileEvidence | CopyEvidence | GroupEvidence | TableEvidence | ComparisonEvidence


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: a file (INT), a copy group (LEK, DUP, LBL), or a test (the rest)."""

    rule: Rule
    message: str
    """Stands alone: what, how much, how sure."""
    samples: tuple[int, ...]
    """Rows, ascending."""
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class NotRun:
    """A rule that did not run. It is never a pass."""

    rule: Rule
    reason: str
    """Starts with ``not-applicable``, ``too-few``, ``needs-extra`` or ``failed``, then ``: `` and the details."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the best constant answer scores: always the commonest class of the scored samples."""

    label: str
    share: float
    """0 to 1, of the scored samples that have a label."""


@dataclass(frozen=True, slots=True)
class Leak:
    """How much of one split is known from another, and what a score on it is worth."""

    split: Role
    samples: int
    leaked: int
    """Samples with a proved copy in another split."""
    honest: int
    """Samples with neither a proved copy nor a mate of their declared group in another split: *honest n*."""
    baseline: Baseline | None
    """None where the split has no labels, or the dataset fewer than two classes."""

    @property
    def share(self) -> float:
        """Leaked over samples; 0 for an empty split."""
        return self.leaked / self.samples if self.samples else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The verdict, and the numbers its sentence is made of."""

    verdict: Literal["trustworthy", "suspect", "not-trustworthy"]
    sentence: str
    leaks: tuple[Leak, ...]
    """One a split that is present, in role order."""
    notes: tuple[str, ...] = ()
    """What ``--val-accuracy`` adds, and whatever else belongs beside the verdict, one sentence each."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that the reports render. It prints no clock, host or absolute path: same input, same bytes."""

    measurements: Measurements
    summary: Summary
    findings: tuple[Finding, ...]
    """Complete, worst first: by severity, code, first sample path."""
    rules_run: tuple[Rule, ...]
    rules_not_run: tuple[NotRun, ...]

    @property
    def fingerprint(self) -> str:
        """Of the measurements: see :meth:`Measurements.fingerprint`; computed whenever it is asked for."""
        return self.measurements.fingerprint()
