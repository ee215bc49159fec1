"""The main job, end to end, on real pictures: every planted fault is found, and the correction is one."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict

import numpy as np
import pytest

from dataaudit import Config, pipeline
from dataaudit.fixers import plan_folder
from dataaudit.fixers.apply import apply
from dataaudit.reports.formats import FORMATS


def found(report) -> dict[str, set[tuple[str, ...]]]:
    paths = report.measurements.catalog.paths
    by_code = defaultdict(set)
    for finding in report.findings:
        by_code[finding.rule.code].add(tuple(paths[row] for row in finding.samples))
    return by_code


class TestAnswers:
    def test_every_planted_fault_is_found_with_its_code_and_nothing_else_of_its_kind(self, faulty_report, answers):
        by_code = found(faulty_report)
        warped = [[pair["a"], pair["b"]] for pair in answers["warped"]]
        planted = answers["findings"] | {"LEK203": [*answers["findings"]["LEK203"], *warped]}
        for code, expected in planted.items():
            if code == "INT116":  # a hidden file is no sample; it is named in the message
                messages = [finding.message for finding in faulty_report.findings if finding.rule.code == code]
                assert len(messages) == len(expected)
                assert all(paths[0] in message for paths, message in zip(expected, messages, strict=True))
            else:
                assert by_code[code] == {tuple(paths) for paths in expected}, code

    def test_the_planted_statistics_are_told(self, faulty_report, answers):
        told = {finding.rule.code: finding.message for finding in faulty_report.findings}
        for code in answers["tests"]:
            assert code in told
        drifts = [finding.message for finding in faulty_report.findings if finding.rule.code == "DRF801"]
        assert any("luminance" in message and "'cat'" in message for message in drifts)

    def test_nothing_else_is_an_error(self, faulty_report, answers):
        errors = {finding.rule.code for finding in faulty_report.findings if finding.rule.severity == "error"}
        assert errors <= set(answers["findings"])

    def test_every_planted_pair_has_its_relation_and_transform(self, faulty_report, answers):
        paths = faulty_report.measurements.catalog.paths
        told = {(paths[pair.a], paths[pair.b]): pair for pair in faulty_report.measurements.copies.pairs}
        group_of = faulty_report.measurements.copies.component
        for planted in answers["pairs"]:
            a, b = paths.index(planted["a"]), paths.index(planted["b"])
            assert group_of[a] == group_of[b], planted
            pair = told.get((planted["a"], planted["b"]))
            if pair is None:
                assert planted["relation"] == "exact"  # identical files are told as a star
                continue
            assert (pair.relation, pair.verdict) == (planted["relation"], "proved")
            if planted["transform"]:
                assert pair.transform is not None
                assert pair.transform.mirrored == planted["transform"]["mirrored"]
                assert pair.transform.rotation == planted["transform"]["rotation"]

    def test_every_warp_is_named(self, faulty_report, answers):
        paths = faulty_report.measurements.catalog.paths
        told = {(paths[pair.a], paths[pair.b]): pair for pair in faulty_report.measurements.copies.pairs}
        for planted in answers["warped"]:
            pair, truth = told[planted["a"], planted["b"]], planted["transform"]
            assert (pair.relation, pair.verdict) == ("transformed", "proved")
            assert pair.transform.mirrored == truth["mirrored"]
            assert pair.transform.rotation == pytest.approx(truth["rotation"], abs=1.5)
            assert pair.transform.scale == pytest.approx(truth["scale"], abs=0.04)
            assert pair.transform.shear == pytest.approx(truth["shear"], abs=2.0)
            assert pair.transform.shift == pytest.approx(truth["shift"], abs=0.03)

    def test_no_pair_is_told_that_was_not_planted(self, faulty_report, answers):
        planted = {frozenset(path for path in (pair["a"], pair["b"])) for pair in [*answers["pairs"], *answers["warped"]]}
        groups = [set().union(*(pair for pair in planted if pair & {path})) for path in set().union(*planted)]
        for pair in faulty_report.measurements.copies.pairs:
            ends = {faulty_report.measurements.catalog.paths[row] for row in (pair.a, pair.b)}
            assert any(ends <= group for group in groups), ends

    def test_the_leaked_share_of_each_split_is_counted(self, faulty_report, answers):
        assert {leak.split: leak.leaked for leak in faulty_report.summary.leaks} == answers["leaked_with_warped"]

    def test_the_clean_control_is_clean(self, clean_report):
        assert [finding.message for finding in clean_report.findings if finding.rule.severity != "info"] == []
        assert clean_report.summary.verdict == "trustworthy"


@pytest.mark.parametrize("form", FORMATS)
def test_reports_do_not_depend_on_the_number_of_jobs_nor_on_the_run(faulty, faulty_report, form):
    alone = pipeline.scan(faulty, Config(jobs=1))
    assert FORMATS[form](alone) == FORMATS[form](faulty_report)


@pytest.fixture(scope="module", params=["repair", "remake"])
def corrected(request, faulty_report, tmp_path_factory):
    """The sample data, corrected: (plan, plan folder, new tree, report of the new tree)."""
    config = Config(remake=True) if request.param == "remake" else Config()
    plan = pipeline.correct(faulty_report.measurements, config)
    folder = tmp_path_factory.mktemp(request.param) / "plan"
    plan_folder.write(plan, folder)
    tree = folder.parent / "tree"
    apply(folder, tree, "copy")
    return plan, folder, tree, pipeline.scan(tree, Config())


def test_a_scan_after_the_fix_finds_no_leak_and_no_error(corrected):
    _, _, _, report = corrected
    assert {finding.rule.code for finding in report.findings if finding.rule.severity == "error"} == set()
    assert all(leak.leaked == 0 for leak in report.summary.leaks)
    assert "LEK204" not in found(report)


def test_a_scan_after_the_fix_finds_no_stratification_fault_but_those_told_as_impossible(corrected):
    plan, _, _, report = corrected
    unstratified = [finding for finding in report.findings if finding.rule.code == "STR601"]
    for finding in unstratified:
        role = finding.evidence.splits[1]
        assert any(role in sentence for sentence in plan.split.impossible), finding.message


def test_every_sample_is_in_the_manifest_once_and_the_tree_holds_what_it_says(corrected, faulty, faulty_report):
    _, folder, tree, report = corrected
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == list(faulty_report.measurements.catalog.paths)
    assert all(row["split"] or row["reason"] for row in rows)
    placed = Counter((row["split"], row["label"]) for row in rows if row["split"])
    assert Counter((sample.split, sample.label) for sample in report.measurements.catalog) == placed
    assert Counter(row["sha256"] for row in rows if row["split"]) == Counter(
        report.measurements.features.hex_digest(row) for row in range(len(report.measurements.features))
    )
    assert sum(1 for path in tree.rglob("*") if path.is_file()) == sum(placed.values())
    assert (faulty / rows[0]["path"]).exists()


def test_the_manifest_read_back_is_the_corrected_dataset(corrected, faulty):
    _, folder, _, report = corrected
    again = pipeline.scan(faulty, Config(manifest=str(folder / "manifest.csv")))
    assert {finding.rule.code for finding in again.findings if finding.rule.severity == "error"} == set()
    assert Counter((sample.split, sample.label) for sample in again.measurements.catalog) == Counter(
        (sample.split, sample.label) for sample in report.measurements.catalog
    )


def test_a_second_repair_moves_and_leaves_out_nothing(corrected):
    _, _, _, report = corrected
    again = pipeline.correct(report.measurements, Config())
    np.testing.assert_array_equal(again.split.split_codes, report.measurements.catalog.split_codes)


def test_the_plan_is_the_same_bytes_for_another_run_and_another_number_of_jobs(corrected, faulty, tmp_path):
    plan, folder, _, _ = corrected
    config = Config(jobs=1, remake=plan.split.mode == "remake")
    again = pipeline.correct(pipeline.measure(faulty, config), config)
    plan_folder.write(again, tmp_path / "plan")
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "plan").iterdir())
    assert {"augmentation.json", "class_weights.json", "manifest.csv", "pipeline.py", "plan.json"} <= set(names)
    for name in set(names) - {"plan.json", "pipeline.py"}:
        assert (folder / name).read_bytes() == (tmp_path / "plan" / name).read_bytes(), name
    ours, theirs = (json.loads((place / "plan.json").read_text()) for place in (folder, tmp_path / "plan"))
    assert {**ours, "root": ""} == {**theirs, "root": ""}  # the way to the dataset depends on where the folder stands


def test_class_weights_are_of_the_corrected_train_split(corrected):
    _, folder, _, report = corrected
    weights = json.loads((folder / "class_weights.json").read_text(encoding="utf-8"))
    train = Counter(sample.label for sample in report.measurements.catalog if sample.split == "train")
    total, classes = sum(train.values()), weights["class_names"]
    assert classes == sorted(train)
    for index, name in enumerate(classes):
        assert weights["class_weight"][str(index)] == pytest.approx(total / (len(classes) * train[name]), rel=1e-5)


def test_declared_groups_are_errors_when_torn_and_whole_after_the_fix(clean):
    config = Config(group_by=r"regex:_(\d)\d\d\.")  # ten groups, across all splits
    torn = pipeline.scan(clean, config)
    assert {finding.rule.code for finding in torn.findings if finding.rule.severity == "error"} == {"LEK205"}
    plan = pipeline.correct(torn.measurements, config.merged(remake=True))
    by_group = defaultdict(set)
    for code, split in zip(torn.measurements.catalog.group_codes, plan.split.split_codes, strict=True):
        by_group[int(code)].add(int(split))
    assert all(len(splits) == 1 for splits in by_group.values())


def test_the_report_holds_no_absolute_path(faulty_report, faulty):
    for form in FORMATS:
        assert str(faulty) not in FORMATS[form](faulty_report)
