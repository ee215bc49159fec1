"""JUDGE: pure generators, measurements in, findings out. No input or output, no state, no print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataaudit.domain import SEVERITIES, Finding, NotRun
from dataaudit.errors import UsageError
from dataaudit.scanners import (
    class_balance,
    drift,
    duplicates,
    integrity,
    labels,
    leakage,
    shortcuts,
    stratification,
    subjects,
    validation_power,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataaudit.config import Config
    from dataaudit.domain import Measurements, Rule

__all__ = ["RULES", "SCANNERS", "Scanner", "judge", "selected_codes"]


@dataclass(frozen=True, slots=True)
class Scanner:
    """A family of rules and the generator that judges by them.

    ``scan`` yields a :class:`~dataaudit.domain.Finding` for what it found and a :class:`~dataaudit.domain.NotRun`
    for every rule of its own that it could not run; a rule of ``rules`` for which it yields neither passed.
    """

    name: str
    rules: tuple[Rule, ...]
    scan: Callable[[Measurements, Config], Iterator[Finding | NotRun]]


SCANNERS: Final[tuple[Scanner, ...]] = (
    Scanner("integrity", integrity.RULES, integrity.scan),
    Scanner("leakage", leakage.RULES, leakage.scan),
    Scanner("subjects", subjects.RULES, subjects.scan),
    Scanner("duplicates", duplicates.RULES, duplicates.scan),
    Scanner("labels", labels.RULES, labels.scan),
    Scanner("class balance", class_balance.RULES, class_balance.scan),
    Scanner("stratification", stratification.RULES, stratification.scan),
    Scanner("validation power", validation_power.RULES, validation_power.scan),
    Scanner("drift", drift.RULES, drift.scan),
    Scanner("shortcuts", shortcuts.RULES, shortcuts.scan),
)
"""Every scanner, in the order of its codes; a new one is one module and one line here."""

RULES: Final[tuple[Rule, ...]] = tuple(
    sorted((rule for scanner in SCANNERS for rule in scanner.rules), key=lambda rule: rule.code)
)
"""Every rule, sorted by code."""


def judge(measurements: Measurements, config: Config) -> tuple[tuple[Finding, ...], tuple[Rule, ...], tuple[NotRun, ...]]:
    """Run the selected rules: the findings (worst first), the rules that ran, and those that did not, by code.

    Rules left out by ``config.select`` or ``config.ignore`` are among those that did not run. A scanner that raises fails
    with all its rules; what it had found until then stays.

    Raises:
        UsageError: if an entry of ``config.select`` or ``config.ignore`` begins no known code.
    """
    selected = frozenset(selected_codes(config))
    findings: list[Finding] = []
    not_run = {
        rule.code: NotRun(rule, "not-applicable: left out by --select or --ignore") for rule in RULES if rule.code not in selected
    }
    for scanner in SCANNERS:
        if selected.isdisjoint(rule.code for rule in scanner.rules):
            continue
        try:
            for outcome in scanner.scan(measurements, config):
                if outcome.rule.code not in selected:
                    continue
                if isinstance(outcome, NotRun):
                    not_run[outcome.rule.code] = outcome
                else:
                    findings.append(outcome)
        except Exception as error:  # noqa: BLE001 - one rule's bug must not cost the others; it is told and sets the exit code
            for rule in scanner.rules:
                if rule.code in selected:
                    not_run[rule.code] = NotRun(rule, f"failed: {type(error).__name__}: {error}")
    ran = tuple(rule for rule in RULES if rule.code not in not_run)
    return _worst_first(findings), ran, tuple(not_run[code] for code in sorted(not_run))


def selected_codes(config: Config) -> tuple[str, ...]:
    """Return the codes to run: those that an entry of ``select`` begins (all, if empty), less those of ``ignore``."""
    codes = [rule.code for rule in RULES]
    for option, entries in (("select", config.select), ("ignore", config.ignore)):
        for entry in entries:
            if not entry or not any(code.startswith(entry) for code in codes):
                message = f"--{option} {entry}: no rule has a code that begins so. Known codes: {', '.join(codes)}."
                raise UsageError(message)
    select = tuple(config.select) or ("",)
    return tuple(code for code in codes if code.startswith(select) and not code.startswith(tuple(config.ignore)))


def _worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Sort by severity, code, first sample (rows are in path order; findings of no sample first) and message."""

    def key(finding: Finding) -> tuple[int, str, tuple[int, ...], str]:
        return SEVERITIES.index(finding.rule.severity), finding.rule.code, finding.samples[:1], finding.message

    return tuple(sorted(findings, key=key))
