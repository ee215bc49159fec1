from __future__ import annotations

import copy
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from dataaudit.reports import json as json_report
from reports_fixture import HOSTILE, clean, crowded, hostile, unsplit


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return hostile(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def contents(report):
    return json.loads(json_report.render(report))


@pytest.fixture(scope="module")
def validator():
    Draft202012Validator.check_schema(json_report.schema())
    return Draft202012Validator(json_report.schema())


def test_every_report_keeps_the_contract(contents, validator):
    for found in (contents, *(json.loads(json_report.render(each)) for each in (clean(), unsplit(), crowded(findings=30)))):
        validator.validate(found)


BREAKS = {
    "a key gone": lambda found: found["copies"][0].pop("overlap"),
    "a key gone from a finding": lambda found: found["findings"][0].pop("evidence"),
    "a key gone from evidence": lambda found: next(iter(found["findings"]))["evidence"].clear(),
    "a kind no one knows": lambda found: found["findings"][0]["evidence"].update(kind="rumour"),
    "an unknown relation": lambda found: found["copies"][0].update(relation="similar"),
    "a share over 1": lambda found: found["summary"]["leaked"]["val"].update(share=1.2),
    "a split by its folder's name": lambda found: found["copies"][0]["a"].update(split="Training"),
    "a transform without shear": lambda found: next(pair for pair in found["copies"] if pair["transform"])["transform"].pop(
        "shear"
    ),
    "a reason in free words": lambda found: found["rules_not_run"][0].update(reason="did not feel like it"),
    "a group of one": lambda found: found["groups"].append(["a.jpg"]),
    "a next version": lambda found: found.update(format_version=2),
}


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_the_schema_is_strict(contents, validator, name):
    broken = copy.deepcopy(contents)
    BREAKS[name](broken)
    with pytest.raises(ValidationError):
        validator.validate(broken)


def test_keys_may_be_added(contents, validator):
    more = copy.deepcopy(contents)
    for place in (
        more,
        more["tool"],
        more["dataset"],
        more["summary"],
        more["findings"][0],
        more["copies"][0],
        more["copies"][0]["a"],
    ):
        place["later"] = 1
    validator.validate(more)


def test_the_bytes_are_ascii_without_nan(report):
    data = json_report.render(report)
    assert data.isascii()
    json.loads(data, parse_constant=pytest.fail)


def test_the_layout_is_one_line_an_entry_and_changes_no_value(report, contents):
    data = json_report.render(report)
    assert contents == json.loads(json.dumps(json_report.contents(report)))
    assert list(contents)[:2] == ["format_version", "tool"]
    for finding in contents["findings"]:
        assert f"    {json.dumps(finding)}" in data.replace("},\n", "}\n").splitlines()
    assert max(len(line) - len(line.lstrip()) for line in data.splitlines()) <= 10


def test_names_come_back_as_they_are_on_disk(report, contents):
    catalog = report.measurements.catalog
    told = {sample["path"] for finding in contents["findings"] for sample in finding["samples"]}
    for name in ("script", "newline", "pipe", "bytes"):
        assert HOSTILE[name] in told
    assert told <= set(catalog.paths)
    assert {path for group in contents["groups"] for path in group} == {
        catalog.paths[row] for group in report.measurements.copies.groups() for row in group
    }


def test_copies_and_findings_are_complete(report, contents):
    catalog = report.measurements.catalog
    assert [(pair["a"]["path"], pair["b"]["path"], pair["relation"]) for pair in contents["copies"]] == [
        (catalog.paths[pair.a], catalog.paths[pair.b], pair.relation) for pair in report.measurements.copies.pairs
    ]
    assert [finding["message"] for finding in contents["findings"]] == [finding.message for finding in report.findings]
    turned = next(pair for pair in contents["copies"] if pair["relation"] == "transformed")
    assert turned["transform"] == {"mirrored": True, "rotation": 90, "scale": [1, 1], "shear": 0, "shift": [0, 0]}
    assert turned["similarity"] == 0.987123
    assert len(json.loads(json_report.render(crowded()))["findings"]) == 2_000


def test_the_dataset_is_counted(contents):
    dataset = contents["dataset"]
    assert dataset["samples"] == sum(split["samples"] for split in dataset["splits"].values()) == 42
    assert dataset["splits"]["val"] == {"samples": 14, "unlabelled": 0, "per_class": {"cat": 7, "dog": 7}}
    assert dataset["splits"]["test"] == {"samples": 1, "unlabelled": 1, "per_class": {"cat": 0, "dog": 0}}
    assert contents["summary"]["findings"] == {"error": 9, "warning": 1, "info": 2}
    assert contents["summary"]["leaked"]["val"] == {
        "samples": 14,
        "leaked": 5,
        "share": 0.357143,
        "honest": 1,
        "baseline": {"label": "dog", "share": 0.5},
    }


@given(st.floats())
@settings(deadline=None, max_examples=300)
def test_numbers_are_rounded_never_wrong(value):
    found = json_report._number(value)
    if not math.isfinite(value):
        assert found is None
    elif value.is_integer():
        assert found == value
    else:
        assert found == pytest.approx(value, rel=1e-5)
        assert float(f"{found:.5e}") == found
