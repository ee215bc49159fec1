"""report.json: the contract other programs read. Complete, ASCII, stable; keys may be added, never changed."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, assert_never, cast

import dataaudit
from dataaudit.domain import ComparisonEvidence, CopyEvidence, FileEvidence, GroupEvidence, TableEvidence
from dataaudit.reports.outline import columns, severities

if TYPE_CHECKING:
    from dataaudit.domain import CopyPair, Evidence, Finding, Leak, Measurements, Report, Transform

FORMAT_VERSION: Final = 1
DIGITS: Final = 6
"""Significant digits of a float: more would be noise, and would not be the same bytes on every machine."""

LISTS: Final = frozenset({"findings", "copies", "groups", "skipped"})
"""The members that may be long: one line an entry."""

Value = dict[str, Any]
"""A JSON object."""


def render(report: Report) -> str:
    """Return the report as ASCII JSON, a newline at its end; ``report.schema.json`` describes it.

    Indented by 2, but that a finding, a pair, a group or a skipped entry is one line: two reports can be compared
    line by line, and 100,000 findings take a third of the bytes and of the time.
    """
    members = (f"  {json.dumps(key)}: {_member(key, value)}" for key, value in contents(report).items())
    return "{\n" + ",\n".join(members) + "\n}\n"


def schema() -> Value:
    """Return the JSON Schema (draft 2020-12) of what :func:`render` returns."""
    from importlib.resources import files  # noqa: PLC0415 - only where it is asked for

    return cast("Value", json.loads(files(__package__).joinpath("report.schema.json").read_text(encoding="utf-8")))


def contents(report: Report) -> Value:
    """Return the report as the values that :func:`render` writes."""
    measurements = report.measurements
    catalog = measurements.catalog
    return {
        "format_version": FORMAT_VERSION,
        "tool": {"name": "dataaudit", "version": dataaudit.__version__},
        "dataset": _dataset(report),
        "summary": _summary(report),
        "findings": [_finding(finding, measurements) for finding in report.findings],
        "copies": [_copy(pair, measurements) for pair in measurements.copies.pairs],
        "groups": [[catalog.paths[row] for row in group] for group in measurements.copies.groups()],
        "skipped": [{"path": entry.path, "reason": entry.reason, "kind": entry.kind} for entry in catalog.skipped],
        "rules_run": sorted(rule.code for rule in report.rules_run),
        "rules_not_run": [
            {"code": absent.rule.code, "reason": absent.reason}
            for absent in sorted(report.rules_not_run, key=lambda absent: absent.rule.code)
        ],
    }


def _member(key: str, value: object) -> str:
    if key in LISTS and isinstance(value, list) and value:
        lines = ",\n".join(f"    {json.dumps(entry, allow_nan=False)}" for entry in value)
        return f"[\n{lines}\n  ]"
    return json.dumps(value, indent=2, allow_nan=False).replace("\n", "\n  ")


def _dataset(report: Report) -> Value:
    catalog = report.measurements.catalog
    return {
        "layout": catalog.layout,
        "labels_from": catalog.labels_from,
        "samples": len(catalog),
        "classes": list(catalog.classes),
        "fingerprint": report.fingerprint,
        "keras_split": None if catalog.keras_split is None else asdict(catalog.keras_split),
        "splits": {
            split.name: {
                "samples": split.samples,
                "unlabelled": split.unlabelled,
                "per_class": dict(zip(catalog.classes, split.per_class, strict=True)),
            }
            for split in columns(report)
        },
    }


def _summary(report: Report) -> Value:
    summary = report.summary
    return {
        "verdict": summary.verdict,
        "sentence": summary.sentence,
        "notes": list(summary.notes),
        "leaked": {leak.split: _leak(leak) for leak in summary.leaks},
        "findings": dict(severities(report)),
    }


def _leak(leak: Leak) -> Value:
    baseline = leak.baseline
    return {
        "samples": leak.samples,
        "leaked": leak.leaked,
        "share": _number(leak.share),
        "honest": leak.honest,
        "baseline": None if baseline is None else {"label": baseline.label, "share": _number(baseline.share)},
    }


def _finding(finding: Finding, measurements: Measurements) -> Value:
    rule = finding.rule
    digest = measurements.features.hex_digest
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity,
        "message": finding.message,
        "samples": [{**_sample(row, measurements), "sha256": digest(row) or None} for row in finding.samples],
        "evidence": _evidence(finding.evidence, measurements),
    }


def _evidence(evidence: Evidence, measurements: Measurements) -> Value:
    match evidence:
        case FileEvidence():
            return {"kind": "file", "found": evidence.found, "expected": evidence.expected}
        case CopyEvidence():
            return {"kind": "copies", "pairs": [_copy(pair, measurements) for pair in evidence.pairs]}
        case GroupEvidence():
            return {"kind": "group", "key": evidence.key, "splits": dict(evidence.splits)}
        case TableEvidence():
            rows = [{"name": name, "values": [_number(value) for value in values]} for name, values in evidence.rows]
            return {"kind": "table", "columns": list(evidence.columns), "rows": rows}
        case ComparisonEvidence():
            return _test(evidence)
        case _:
            assert_never(evidence)


def _test(evidence: ComparisonEvidence) -> Value:
    return {
        "kind": "test",
        "test": evidence.test,
        "subject": evidence.subject,
        "splits": list(evidence.splits),
        "n": [int(n) for n in evidence.n],
        "statistic": _number(evidence.statistic),
        "p_value": _number(evidence.p_value),
        "q_value": _number(evidence.q_value),
        "effect": _number(evidence.effect),
        "effect_name": evidence.effect_name,
        "interval": None if evidence.interval is None else [_number(end) for end in evidence.interval],
    }


def _copy(pair: CopyPair, measurements: Measurements) -> Value:
    return {
        "a": _sample(pair.a, measurements),
        "b": _sample(pair.b, measurements),
        "relation": pair.relation,
        "verdict": pair.verdict,
        "similarity": _number(pair.similarity),
        "overlap": _number(pair.overlap),
        "transform": None if pair.transform is None else _transform(pair.transform),
        "differs": None if pair.differs is None else [_number(part) for part in pair.differs],
    }


def _transform(transform: Transform) -> Value:
    perspective = {"perspective": [_number(part) for part in transform.perspective]}
    return {
        "mirrored": bool(transform.mirrored),
        "rotation": _number(transform.rotation),
        "scale": [_number(factor) for factor in transform.scale],
        "shear": _number(transform.shear),
        "shift": [_number(shift) for shift in transform.shift],
        **(perspective if any(transform.perspective) else {}),
    }


def _sample(row: int, measurements: Measurements) -> Value:
    sample = measurements.catalog[row]
    return {"path": sample.path, "split": sample.split, "label": sample.label}


def _number(value: float) -> float | int | None:
    """Return a whole number as it is, any other rounded to ``DIGITS``; None for what is not finite."""
    value = float(value)  # NumPy's scalars are no JSON
    if not math.isfinite(value):
        return None
    if value.is_integer():
        return int(value)
    return float(f"{value:.{DIGITS}g}")
