from __future__ import annotations

import pytest

from dataaudit.config import Config
from dataaudit.domain import Failure
from dataaudit.fixers import make_plan
from dataaudit.reports.plan import kind, render
from measurements import make, rows_of

ROWS = rows_of({"train": {"a": 30, "b": 30}, "val": {"a": 8, "b": 8}, "test": {"a": 8, "b": 8}})


def lines(rows=ROWS, pairs=(), *, width=None, failures=None, **options):
    return render(make_plan(make(rows, pairs, failures=failures), Config(**options)), width=width).splitlines()


def test_the_first_line_says_what_the_plan_does():
    pairs = [("train/a/0000.jpg", "test/a/0000.jpg", "near"), ("train/a/0001.jpg", "val/b/0001.jpg", "probable", "probable")]
    told = lines(ROWS, pairs[:1])
    assert told[0] == (
        "SPLIT PLANNED (repair, seed 0): 0 of 92 images move, 1 left out; train 59, val 16, test 16. No copy group is torn."
    )
    assert lines(ROWS, pairs[:1], width=50)[0] == told[0]


def test_counts_stand_before_and_after():
    told = lines(ROWS, [("train/a/0000.jpg", "test/a/0000.jpg", "near")])
    assert told[2].split() == [
        "class",
        *["train", "before", "→", "after"],
        *["val", "before", "→", "after", "test", "before", "→", "after", "left", "out"],
    ]
    assert told[4].split() == ["a", "30", "→", "29", "8", "→", "8", "8", "→", "8", "1"]
    assert told[5].split() == ["b", "30", "→", "30", "8", "→", "8", "8", "→", "8", "0"]


def test_new_splits_have_no_before():
    told = lines(rows_of({None: {"a": 100, "b": 40}}))
    assert told[0] == (
        "SPLIT PLANNED (remake, seed 0): 140 images, 0 left out; train 98, val 21, test 21. No copy group is torn."
    )
    assert told[2].split() == ["class", "train", "val", "test", "left", "out"]
    assert told[4].split() == ["a", "70", "15", "15", "0"]


def test_reasons_are_counted_without_the_files_they_name():
    pairs = [(f"train/a/{i:04}.jpg", f"test/a/{i:04}.jpg", "near") for i in range(3)]
    told = lines(ROWS, pairs, failures={"train/b/0005.jpg": Failure("truncated", "ends early")})
    assert "       3  near copy of a picture in test" in told
    assert "       1  truncated" in told
    assert sum(line.startswith("  not possible: Test is frozen, so 3 samples of train and val") for line in told) == 1


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("exact copy of train/a of b, in val/1, x.jpg, which is kept", "exact copy of a picture which is kept"),
        ("probable near copy of x.jpg, in train", "probable near copy of a picture in train"),
        ("pixel-identical copy of x\n.jpg, unlabelled and in test", "pixel-identical copy of a picture unlabelled and in test"),
        ("same group (p (1), in x) as val/a.jpg, in val", "same group as a picture in val"),
        ("in one copy group with a.jpg, in test", "in one copy group with a picture in test"),
        ("joined through copies and groups to a.jpg, in test", "joined through copies and groups to a picture in test"),
        ("the same picture under 2 labels: a (x); b (y)", "the same picture under 2 labels"),
        ("val had no sample of class a", "val had no sample of class a"),
        ("new split, 70/15/15", "new split, 70/15/15"),
    ],
)
def test_the_kind_of_a_reason(reason, expected):
    assert kind(reason) == expected


def test_weights_and_layers_are_told():
    told = lines(rows_of({"train": {"a": 30, "b": 10}, "val": {"a": 6, "b": 2}}))
    assert "class weights (balanced): a 0.667, b 2.000" in told
    assert [line for line in told if line.startswith("augmentation, train only, at ")]


def test_names_are_shown_like_in_the_other_reports():
    name = "\x1b[31m[red]a\n::error::"
    told = lines([(f"{split}/x/{i}.jpg", label, split) for split in ("train", "val") for i, label in enumerate([name, "b"] * 8)])
    text = "\n".join(told)
    assert not [char for char in text if not char.isprintable() and char != "\n"]
    assert "[red]" in text
    assert not [line for line in told if line.startswith("::")]
