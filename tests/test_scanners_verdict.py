from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.config import Config
from dataaudit.domain import ROLES, Baseline, Failure
from dataaudit.scanners import judge
from dataaudit.scanners.verdict import leaked_rows, majority_baseline, summarise
from dataaudit.statistics.proportions import wilson
from measurements import make, rows_of

ROW = st.tuples(
    st.sampled_from(["cat", "dog", "owl", None]), st.sampled_from([*ROLES, None]), st.sampled_from(["g1", "g2", None])
)
COUNTS = {"train": {"normal": 120, "rare": 80}, "val": {"normal": 62, "rare": 38}}


def summary(measurements, **options):
    config = Config(**options)
    return summarise(measurements, judge(measurements, config)[0], config)


def leaks(n, split="val", relation="near"):
    return [(f"train/normal/{i:04}.jpg", f"{split}/normal/{i:04}.jpg", relation) for i in range(n)]


def test_a_clean_dataset():
    told = summary(make(rows_of(COUNTS)))
    assert told.verdict == "trustworthy"
    assert told.sentence == (
        "VALIDATION TRUSTWORTHY: no validation image is a proved copy of another split's; n is 100; "
        "always answering 'normal' scores 62 %."
    )
    assert [note[:40] for note in told.notes] == ["Val: an accuracy of 80 % on 100 images m"]


def test_a_leaking_dataset():
    told = summary(make(rows_of(COUNTS), leaks(31)))
    assert told.verdict == "not-trustworthy"
    assert told.sentence == (
        "VALIDATION NOT TRUSTWORTHY: 31 of 100 images are copies of training images; honest n is 69; "
        "always answering 'normal' scores 62 %."
    )
    assert [(leak.split, leak.samples, leak.leaked) for leak in told.leaks] == [("train", 200, 31), ("val", 100, 31)]


def test_the_baseline_is_the_best_constant_answer_on_what_is_scored():
    catalog = make(rows_of({"train": {"a": 60, "b": 40}, "val": {"a": 10, "b": 30}})).catalog
    assert majority_baseline(catalog, "val") == Baseline("b", 0.75)
    assert majority_baseline(catalog, None).label == "a"


def test_test_is_spoken_of_where_there_is_no_validation():
    counts = {"train": COUNTS["train"], "test": COUNTS["val"]}
    assert summary(make(rows_of(counts), leaks(1, "test"))).sentence.startswith(
        "TEST NOT TRUSTWORTHY: 1 of 100 images is a copy of training images; honest n is 99;"
    )


def test_test_is_spoken_of_where_only_test_leaks():
    rows = rows_of({**COUNTS, "test": COUNTS["val"]})
    assert summary(make(rows, leaks(3, "test"))).sentence.startswith("TEST NOT TRUSTWORTHY: 3 of 100 images")
    both = summary(make(rows, [*leaks(5), *leaks(3, "test")])).sentence
    assert both.startswith("VALIDATION NOT TRUSTWORTHY: 5 of 100 images")
    assert "3 of 100 test images have copies in other splits" in both


def test_copies_between_val_and_test_are_not_called_training_images():
    rows = rows_of({**COUNTS, "test": COUNTS["val"]})
    told = summary(make(rows, [("val/rare/0000.jpg", "test/rare/0000.jpg", "exact")]))
    assert "1 of 100 images is a copy of images of other splits" in told.sentence


def test_groups_count_against_honest_n():
    rows = [(path, label, split, "p" if path.endswith("0001.jpg") else None) for path, label, split in rows_of(COUNTS)]
    told = summary(make(rows, leaks(1)))
    assert "2 of 100 images are of declared groups that are in other splits too; honest n is 97;" in told.sentence


def test_unsplit_data():
    rows = rows_of({None: {"a": 60, "b": 40}})
    clean = summary(make(rows))
    assert (clean.verdict, clean.leaks) == ("trustworthy", ())
    assert clean.sentence == (
        "NO VALIDATION SPLIT, DATA TRUSTWORTHY: no copies and no declared groups, so a random 80/20 split would leak nothing; "
        "always answering 'a' scores 60 %."
    )
    leaky = summary(make(rows, [("a/0000.jpg", f"a/{i:04}.jpg", "near") for i in range(1, 10)]))
    assert leaky.verdict == "suspect"
    assert "a random 80/20 split would leak 10 % of its validation images" in leaky.sentence


@pytest.mark.parametrize(
    ("pairs", "failures", "expected"),
    [
        ([("train/normal/0000.jpg", "train/rare/0000.jpg", "exact")], {}, "suspect"),
        ([("val/normal/0000.jpg", "val/rare/0000.jpg", "exact")], {}, "not-trustworthy"),
        ([], {"train/rare/0000.jpg": Failure("truncated", "x")}, "suspect"),
        ([("train/normal/0000.jpg", "val/normal/0000.jpg", "near", "probable", 0.9)], {}, "suspect"),
        ([("train/normal/0000.jpg", "train/normal/0001.jpg", "exact")], {}, "trustworthy"),
    ],
)
def test_levels(pairs, failures, expected):
    told = summary(make(rows_of(COUNTS), pairs, failures=failures))
    assert told.verdict == expected
    assert {"trustworthy": "N TRUST", "suspect": "SUSPECT", "not-trustworthy": "NOT TRUST"}[expected] in told.sentence


def test_leaks_whose_rules_are_ignored_are_not_called_trustworthy():
    assert summary(make(rows_of(COUNTS), leaks(2)), ignore=("LEK",)).verdict == "suspect"


def test_torn_class_numbers():
    told = summary(make(rows_of({"train": {"a": 30, "b": 30}, "val": {"b": 30}})))
    assert told.verdict == "not-trustworthy"
    assert "Keras would number the classes of the splits differently" in told.sentence


def test_the_accuracy_is_put_in_its_place():
    told = summary(make(rows_of(COUNTS), leaks(31)), val_accuracy=0.62).notes
    low, high = wilson(62, 100)
    assert told[0] == (
        f"An accuracy of 62 % on 100 validation images means a true accuracy between {100 * low:.1f} % and {100 * high:.1f} % "
        "(95 % Wilson interval)."
    )
    assert "Always answering 'normal' scores 62 %, which lies within that interval" in told[1]
    assert "its accuracy on the other 69 is only 44.9 % (95 % interval" in told[2]


@pytest.mark.parametrize(
    ("accuracy", "expected"), [(0.9, "the model is 28.0 points better"), (0.3, "the model is 32.0 points worse")]
)
def test_the_accuracy_against_the_baseline(accuracy, expected):
    assert expected in summary(make(rows_of(COUNTS)), val_accuracy=accuracy).notes[1]


def test_leaks_allow_no_less_than_nothing():
    assert "is only 0 %" in summary(make(rows_of(COUNTS), leaks(31)), val_accuracy=0.1).notes[2]
    rows = rows_of({"train": {"normal": 5}, "val": {"normal": 5}})
    assert "says nothing about new images" in summary(make(rows, leaks(5)), val_accuracy=0.9).notes[1]


def test_an_accuracy_without_a_split_or_labels():
    assert "cannot be judged" in summary(make(rows_of({None: {"a": 9}})), val_accuracy=0.5).notes[0]
    rows = [*rows_of({"train": {"a": 9}}), ("test/x.jpg", None, "test")]
    assert "no labels" in summary(make(rows), val_accuracy=0.5).notes[0]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["train", "val", "test", None]), min_size=2, max_size=12), st.data())
def test_leaked_rows_are_those_with_a_mate_elsewhere(splits, data):
    rows = [(f"{i:02}.jpg", "a", split) for i, split in enumerate(splits)]
    number = st.integers(0, len(rows) - 1)
    edges = {tuple(sorted(edge)) for edge in data.draw(st.lists(st.tuples(number, number), max_size=8)) if edge[0] != edge[1]}
    measurements = make(rows, [(f"{a:02}.jpg", f"{b:02}.jpg", "near") for a, b in edges])
    component = measurements.copies.component
    slow = [
        splits[i] is not None
        and any(component[i] == component[j] and splits[j] not in {None, splits[i]} for j in range(len(rows)))
        for i in range(len(rows))
    ]
    assert leaked_rows(measurements.catalog, measurements.copies).tolist() == slow
    assert np.array(slow).sum() != 1


@settings(deadline=None, max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=14), st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=6))
def test_a_leak_counts_what_a_slow_twin_counts(rows, edges):
    named = [(f"{n:02}.jpg", *row) for n, row in enumerate(rows)]
    measurements = make(named, [(f"{a:02}.jpg", f"{b:02}.jpg", "near") for a, b in edges if a < b < len(rows)])
    component = measurements.copies.component
    found = {leak.split: leak for leak in summary(measurements).leaks}
    assert list(found) == [role for role in ROLES if role in {split for _, split, _ in rows}]
    for role, leak in found.items():
        mine = [i for i, (_, split, _) in enumerate(rows) if split == role]
        others = [j for j, (_, split, _) in enumerate(rows) if split not in {role, None}]
        leaked = {i for i in mine for j in others if component[i] == component[j]}
        mates = {i for i in mine for j in others if rows[i][2] is not None and rows[i][2] == rows[j][2]}
        assert (leak.samples, leak.leaked, leak.honest) == (len(mine), len(leaked), len(mine) - len(leaked | mates))
        labels = [rows[i][0] for i in mine if rows[i][0] is not None]
        if not labels or len({label for label, _, _ in rows} - {None}) < 2:
            assert leak.baseline is None
        else:
            majority = max(sorted(labels), key=labels.count)
            assert leak.baseline == Baseline(majority, pytest.approx(labels.count(majority) / len(labels)))


@pytest.mark.parametrize("split", [None, "val"])
def test_images_without_any_label_are_never_trustworthy(split):
    rows = [(f"{number}.jpg", None, split) for number in range(40)]
    rows += [(f"a/{number}.jpg", "ab"[number % 2], "train") for number in range(80)] if split else []
    measured = make(rows)
    summary = summarise(measured, (), Config())
    assert summary.verdict == "suspect"
    assert "no image has a label" in summary.sentence
