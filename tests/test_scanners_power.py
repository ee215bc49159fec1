"""VAL: what the held-out splits can show; BAL508: names nearly the same."""

from __future__ import annotations

import pytest

from dataaudit.config import Config
from dataaudit.scanners import judge
from dataaudit.scanners.class_names import difference, near_misses
from dataaudit.scanners.verdict import summarise
from dataaudit.statistics.power import paired_difference, unpaired_difference
from dataaudit.statistics.proportions import wilson
from measurements import make, rows_of

EVEN = {"train": {"cat": 300, "dog": 300}, "val": {"cat": 50, "dog": 50}}


def findings(measurements, code="VAL", **options):
    return {finding.rule.code: finding for finding in judge(measurements, Config(select=(code,), **options))[0]}


def grouped(counts, of):
    return [(path, label, split, f"{split} {int(path[-8:-4]) // of}") for path, label, split in rows_of(counts)]


def test_the_sentence_says_what_a_score_can_show():
    found = findings(make(rows_of(EVEN)))
    assert list(found) == ["VAL701"]
    low, high = wilson(80, 100)
    assert found["VAL701"].message == (
        f"val: an accuracy of 80 % on 100 images means {100 * low:.0f} % to {100 * high:.0f} % (95 % interval); two runs must "
        f"differ by {100 * paired_difference(100, 0.1):.1f} points to be told apart on them, by "
        f"{100 * unpaired_difference(100, 0.8):.0f} points on images of their own (power 80 %, if one run alone is right on 10 % "
        "of them)"
    )
    rows = dict(found["VAL701"].evidence.rows)
    assert rows["all"][:4] == (100, 100, low, high)
    assert rows["cat"][:4] == (50, 50, *wilson(40, 50))


def test_the_verdict_says_it_too():
    measurements, config = make(rows_of(EVEN)), Config()
    told = summarise(measurements, judge(measurements, config)[0], config).notes
    assert told[0].startswith("Val: an accuracy of 80 % on 100 images")


def test_the_accuracy_that_was_reached_is_reckoned_with():
    assert "an accuracy of 55 % on 100 images" in findings(make(rows_of(EVEN)), val_accuracy=0.55)["VAL701"].message
    assert findings(make(rows_of(EVEN)), val_accuracy=1.0)["VAL701"].evidence.rows[0][1][3] == 1


def test_copies_and_group_mates_count_once():
    pairs = [("val/cat/0000.jpg", f"val/cat/{i:04}.jpg", "near") for i in range(1, 11)]
    found = findings(make(rows_of(EVEN), pairs))["VAL701"]
    assert "100 images (90 with copies and declared groups counted once)" in found.message
    assert dict(found.evidence.rows)["cat"][:2] == (50, 40)
    found = findings(make(grouped(EVEN, 10)))
    assert dict(found["VAL701"].evidence.rows)["all"][:2] == (100, 5)
    assert "VAL702" in found


@pytest.mark.parametrize(("n", "told"), [(20, False), (12, True)])
def test_too_small_to_measure(n, told):
    found = findings(make(rows_of({"train": EVEN["train"], "val": {"cat": n, "dog": n}})))
    assert ("VAL702" in found) is told
    if told:
        assert "points wide, 25 are the limit" in found["VAL702"].message


def test_classes_too_small_to_measure_are_named():
    found = findings(make(rows_of({"train": EVEN["train"], "val": {"cat": 97, "dog": 3}})))
    assert "1 of 2 classes has too few images for a recall ('dog' 3)" in found["VAL703"].message


def test_a_random_split_may_miss_a_class():
    counts = {"train": {"cat": 300, "dog": 4}, "val": {"cat": 75, "dog": 1}}
    found = findings(make(rows_of(counts)))["VAL704"]
    assert found.evidence.rows == (("dog", (5.0, pytest.approx(0.326, abs=0.005))),)
    assert "VAL704" not in findings(make(rows_of(EVEN)))
    unsplit = findings(make(rows_of({None: {"cat": 300, "dog": 4}})))
    assert "of the size of a validation split of 20 % (61 images)" in unsplit["VAL704"].message


def test_conflicting_copies_set_a_ceiling():
    pairs = [("val/cat/0000.jpg", "val/dog/0000.jpg", "exact"), ("train/cat/0001.jpg", "val/dog/0001.jpg", "exact")]
    found = findings(make(rows_of(EVEN), pairs))["VAL705"]
    assert found.message.startswith("no model can score above 99 % on val")
    assert found.evidence.rows == (("val", (100.0, 1.0, 0.99)),)
    assert "VAL705" not in findings(make(rows_of(EVEN), pairs[1:]))


def test_unsplit_data_are_told_what_a_fifth_would_show():
    found = findings(make(rows_of({None: {"cat": 300, "dog": 200}})))["VAL701"]
    assert found.message.startswith("a validation split of 20 %: an accuracy of 80 % on 100 images means")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (rows_of({"train": {"a": 9}, "val": {"a": 9}}), "not-applicable: of 1 class every answer is right"),
        (rows_of({"train": {"a": 9, "b": 9}}), "not-applicable: the dataset has no labelled validation or test split"),
    ],
)
def test_not_run(rows, reason):
    _, _, not_run = judge(make(rows), Config(select=("VAL",)))
    assert {entry.reason for entry in not_run if entry.rule.code.startswith("VAL")} == {reason}


# -------------------------------------------------------------------------------------------- BAL508


@pytest.mark.parametrize(
    "names",
    [
        ("cat", "cat "),
        ("Cat", "cat"),
        ("cats", "cat"),
        ("T-Shirt", "tshirt"),
        ("hot dog", "hot_dog"),
        ("01", "1"),
        ("class_01", "class 1"),
        ("1", "1.0"),
        ("café", "cafe"),
        ("café", "cafe\u0301"),
    ],
)
def test_near_misses(names):
    assert near_misses(names) == ((0, 1),)
    assert difference(names).startswith("they differ in ")


@pytest.mark.parametrize(
    "names",
    [
        ("cap", "cup"),
        ("class1", "class2"),
        ("1", "-1"),
        ("v1.5", "v15"),
        ("glass", "glas"),
        ("C", "C++"),
        ("10", "1"),
        ("bus", "bu"),
    ],
)
def test_names_that_differ(names):
    assert near_misses(names) == ()


def test_what_differs_is_said():
    assert difference(("cat", "Cats ")) == "they differ in a space at an end and upper and lower case and a plural s"
    assert difference(("cat", "cat ")) == "they differ in a space at an end"
    assert difference(("T-Shirt", "t_shirt")) == "they differ in upper and lower case and spaces or punctuation"


def test_near_names_are_told_with_their_counts():
    found = findings(make(rows_of({"train": {"cat": 30, "dog": 30}, "val": {"Cat": 9, "dog": 9}})), "BAL508")["BAL508"]
    assert found.message == (
        "the classes 'Cat' (9 images) and 'cat' (30 images) have nearly the same name: they differ in upper and lower case"
    )
    assert found.evidence.rows == (("Cat", (0.0, 9.0)), ("cat", (30.0, 0.0)))
    assert findings(make(rows_of(EVEN)), "BAL508") == {}
    _, _, not_run = judge(make(rows_of({None: {"cat": 9}})), Config(select=("BAL508",)))
    assert "not-applicable: the dataset has 1 class" in {entry.reason for entry in not_run}
