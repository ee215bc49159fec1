from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.config import Config
from dataaudit.domain import ROLES, FileEvidence, Finding, NotRun, Skipped, Summary
from dataaudit.reports import outline
from dataaudit.scanners import verdict
from measurements import make, rows_of
from reports_fixture import RULES, clean, crowded, hostile, report, unsplit

ROW = st.tuples(
    st.sampled_from(["cat", "dog", "owl", None]), st.sampled_from([*ROLES, None]), st.sampled_from(["g1", "g2", None])
)


def bare(measurements, findings=(), not_run=()):
    return report(measurements, Summary("suspect", "x", ()), findings, not_run)


@given(st.lists(ROW, min_size=1, max_size=14))
@settings(deadline=None, max_examples=40)
def test_columns_count_every_sample_once(rows):
    columns = outline.columns(bare(make([(f"{n:02}.jpg", *row) for n, row in enumerate(rows)])))
    assert [column.name for column in columns] == [
        role or outline.UNSPLIT for role in (*ROLES, None) if role in {r[1] for r in rows}
    ]
    for column in columns:
        labels = [label for label, role, _ in rows if (role or outline.UNSPLIT) == column.name]
        assert column.samples == len(labels) == sum(column.per_class) + column.unlabelled
        assert column.unlabelled == labels.count(None)


def test_the_verdict_of_the_scanners_can_be_told(tmp_path):
    measurements = hostile(tmp_path).measurements
    summary = verdict.summarise(measurements, (), Config())
    assert outline.columns(report(measurements, summary))[1].leak == summary.leaks[1]


def test_blocks_come_worst_first_then_by_number(tmp_path):
    found = outline.blocks(hostile(tmp_path))
    assert [block.rule.code for block in found] == [
        "INT101", "LEK201", "LEK203", "LEK205", "BAL504", "DRF801", "INT108", "DUP301",
    ]  # fmt: skip
    assert [len(block.findings) for block in found] == [2, 3, 2, 1, 1, 1, 1, 1]


def test_inferred_says_what_the_layout_was_taken_for(tmp_path):
    assert outline.inferred(hostile(tmp_path)) == (
        "3 splits (Training = train, val, test), 2 classes, 42 images, 1 of them without a label, 5 declared groups, "
        "labels = folder names"
    )
    assert outline.inferred(clean()) == "2 splits (train, val), 2 classes, 16 images, labels = folder names"
    assert outline.inferred(unsplit()) == "no splits, 1 class, 5 images, labels = folder names"


def test_shown_classes_keeps_the_largest_and_the_smallest():
    columns = outline.columns(bare(make(rows_of({"train": {"a": 1, "b": 5, "c": 3, "d": 4, "e": 2}}))))
    assert outline.shown_classes(columns, 5) == ((0, 1, 2, 3, 4), 0)
    assert outline.shown_classes(columns, 4) == ((1, 3, 4, 0), 1)
    picked, left_out = outline.shown_classes(outline.columns(crowded(findings=0)), 12)
    assert (len(picked), left_out) == (12, 288)


def test_not_run_is_grouped_by_reason_and_skipped_by_kind():
    absent = tuple(NotRun(RULES[code], reason) for code, reason in (("LEK208", "a: x"), ("DRF801", "b\n: y"), ("BAL504", "a: x")))
    assert outline.not_run(bare(make([("a.jpg", "a", None)]), not_run=absent)) == (
        ("a: x", ("BAL504", "LEK208")),
        (r"b\n: y", ("DRF801",)),
    )
    skipped = tuple(Skipped(f"{n}", kind, "") for n, kind in enumerate(("hidden", "irregular", "hidden", "empty")))
    assert outline.skipped_kinds(skipped) == (("hidden", 2), ("empty", 1), ("irregular", 1))


def test_closing_counts():
    found = Finding(RULES["INT101"], "x", (0,), FileEvidence("", ""))
    told = outline.closing(bare(make([("a.jpg", "a", None)]), (found,), (NotRun(RULES["LEK208"], "failed"),)))
    assert told == "1 error, 0 warnings, 0 info in 1 image; 9 rules run, 1 not run."
