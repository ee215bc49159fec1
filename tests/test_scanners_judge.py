"""judge: what runs, what does not, in which order; and what every rule owes its reader."""

from __future__ import annotations

import re

import pytest

from dataaudit import scanners
from dataaudit.config import Config
from dataaudit.domain import SEVERITIES, FileEvidence, Finding, NotRun
from dataaudit.errors import UsageError
from dataaudit.scanners import RULES, SCANNERS, Scanner, judge
from measurements import make, rows_of

MEASUREMENTS = make(
    rows_of({"train": {"cat": 60, "dog": 10}, "val": {"cat": 20, "dog": 20}}),
    [("train/cat/0000.jpg", "val/cat/0000.jpg", "exact"), ("train/dog/0000.jpg", "val/cat/0001.jpg", "near")],
    exif_orientation={"train/cat/0003.jpg": 6},
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_reads_well(rule):
    assert re.fullmatch(r"(INT1|LEK2|DUP3|LBL4|BAL5|STR6|VAL7|DRF8|SHC9)\d\d", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|[a-z]+", rule.name)
    assert rule.severity in SEVERITIES
    assert not rule.summary.endswith(".")
    assert "\n" not in rule.summary
    assert rule.why.endswith((".", ")."))
    assert rule.remedy.endswith((".", "`."))


def test_codes_and_names_are_unique_and_sorted():
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_statistics_are_never_errors():
    assert all(rule.severity != "error" for rule in RULES if rule.code.startswith(("STR", "DRF", "DUP", "VAL", "SHC")))


def test_every_rule_ran_or_tells_why_not():
    findings, ran, not_run = judge(MEASUREMENTS, Config())
    assert sorted([rule.code for rule in ran] + [entry.rule.code for entry in not_run]) == [rule.code for rule in RULES]
    assert {finding.rule.code for finding in findings} <= {rule.code for rule in ran}
    assert all(re.match(r"(not-applicable|too-few|needs-extra|failed): \S", entry.reason) for entry in not_run)


def test_worst_first():
    findings, _, _ = judge(MEASUREMENTS, Config())
    keys = [
        (SEVERITIES.index(f.rule.severity), f.rule.code, MEASUREMENTS.catalog.paths[f.samples[0]] if f.samples else "")
        for f in findings
    ]
    assert keys == sorted(keys)
    assert [finding.rule.code for finding in findings][:3] == ["LBL402", "LEK201", "LEK202"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"select": ("LEK",)}, {"LEK201", "LEK202"}),
        ({"select": ("LEK201", "INT")}, {"LEK201", "INT108"}),
        ({"select": ("LEK",), "ignore": ("LEK202",)}, {"LEK201"}),
        ({"ignore": ("LEK", "LBL", "BAL", "STR", "INT", "DRF", "SHC", "VAL")}, set()),
    ],
)
def test_select_and_ignore(options, expected):
    findings, ran, not_run = judge(MEASUREMENTS, Config(**options))
    assert {finding.rule.code for finding in findings} == expected
    left_out = {entry.rule.code for entry in not_run if "left out" in entry.reason}
    assert left_out.isdisjoint(rule.code for rule in ran)
    assert {"DUP301"} & left_out or "DUP301" in {rule.code for rule in ran}


@pytest.mark.parametrize("options", [{"select": ("XYZ",)}, {"ignore": ("LEK9",)}, {"select": ("",)}])
def test_unknown_codes_are_refused(options):
    with pytest.raises(UsageError, match=r"Known codes: BAL501, .*STR602"):
        judge(MEASUREMENTS, Config(**options))


def test_a_broken_scanner_fails_alone(monkeypatch):
    drift = SCANNERS[-1]

    def scan(measurements, config):
        yield Finding(drift.rules[0], "found before", (), FileEvidence("a", "b"))
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(scanners, "SCANNERS", (*SCANNERS[:-1], Scanner(drift.name, drift.rules, scan)))
    findings, ran, not_run = judge(MEASUREMENTS, Config())
    assert NotRun(drift.rules[0], "failed: ZeroDivisionError: a bug") in not_run
    assert drift.rules[0] not in ran
    assert "LEK201" in {finding.rule.code for finding in findings}
    assert "found before" in {finding.message for finding in findings}


def test_same_input_same_findings():
    assert judge(MEASUREMENTS, Config()) == judge(MEASUREMENTS, Config())


def test_an_empty_dataset_raises_nothing():
    findings, _, not_run = judge(make([]), Config())
    assert findings == ()
    assert not [entry for entry in not_run if entry.reason.startswith("failed")]
