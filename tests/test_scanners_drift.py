from __future__ import annotations

import numpy as np
import pytest

from dataaudit.config import Config
from dataaudit.domain import PROPERTY_NAMES, Failure
from dataaudit.scanners import judge
from measurements import make, rows_of

COUNTS = {
    "train": {"cat": 40, "cow": 40, "dog": 40},
    "val": {"cat": 20, "cow": 20, "dog": 20},
    "test": {"cat": 10, "cow": 10, "dog": 10},
}
ROWS = sorted(rows_of(COUNTS))


def drift(measurements, **options):
    return judge(measurements, Config(select=("DRF",), **options))[0]


def where(test):
    return np.array([test(path) for path, *_ in ROWS])


def normal(seed=0):
    return np.random.default_rng(seed).normal(100, 15, len(ROWS))


def test_one_population_is_silent():
    assert drift(make(ROWS)) == ()


def test_a_darker_split():
    values = normal() - 25 * where(lambda path: path.startswith("val/"))
    found = drift(make(ROWS, properties={"luminance": values}))
    assert [finding.evidence.subject for finding in found] == ["luminance"]
    evidence = found[0].evidence
    assert (evidence.splits, evidence.n) == (("train", "val"), (120, 60))
    assert evidence.effect > 1
    assert evidence.q_value < 0.01
    assert "luminance of val drifts" in found[0].message


def test_a_darker_class_of_a_split_is_named():
    values = normal() - 35 * where(lambda path: path.startswith("val/cat/"))
    found = drift(make(ROWS, properties={"luminance": values}))
    assert [finding.evidence.subject for finding in found] == ["luminance, class 'cat' of val"]


def test_drift_of_most_classes_is_drift_of_the_split():
    values = normal() - 35 * where(lambda path: path.startswith(("val/cat/", "val/dog/")))
    found = drift(make(ROWS, properties={"luminance": values}))
    assert [finding.evidence.subject for finding in found] == ["luminance"]
    assert "most in class 'cat', 'dog'" in found[0].message or "most in class 'dog', 'cat'" in found[0].message


def test_drift_beside_a_drifting_class_is_told_of_the_split():
    drifts = 25 * where(lambda path: path.startswith("val/")) + 25 * where(lambda path: path.startswith("val/cat/"))
    found = drift(make(ROWS, properties={"luminance": normal() - drifts}), drift_effect=0.6)
    assert [finding.evidence.subject for finding in found] == ["luminance"]


def test_other_class_shares_are_no_drift():
    counts = {"train": {"day": 120, "night": 40}, "val": {"day": 20, "night": 60}}
    rows = sorted(rows_of(counts))
    dark = np.array(["night" in path for path, *_ in rows])
    values = np.random.default_rng(3).normal(120, 10, len(rows)) - 70 * dark
    assert drift(make(rows, properties={"luminance": values})) == ()


def test_unlabelled_pictures_are_compared_as_a_whole():
    rows = sorted([*rows_of({"train": {"cat": 40, "dog": 40}}), *[(f"test/{i:03}.jpg", None, "test") for i in range(40)]])
    values = np.random.default_rng(3).normal(100, 15, 120) - 30 * np.array([path.startswith("test") for path, *_ in rows])
    found = drift(make(rows, properties={"luminance": values}))
    assert [finding.evidence.n for finding in found] == [(80, 40)]


def test_classes_that_drift_apart_are_seen_though_the_split_as_a_whole_is_not():
    values = (
        normal() + 30.0 * where(lambda path: path.startswith("val/cat/")) - 30.0 * where(lambda path: path.startswith("val/dog/"))
    )
    found = drift(make(ROWS, properties={"luminance": values}), drift_effect=0.5)
    assert [finding.evidence.subject for finding in found] == ["luminance, class 'cat' of val", "luminance, class 'dog' of val"]


def test_other_sizes_are_seen_among_ties():
    values = np.where(where(lambda path: path.startswith("test/")), 0.3, 0.1)
    found = drift(make(ROWS, properties={"megapixels": values}))
    assert [(finding.evidence.subject, finding.evidence.effect) for finding in found] == [("megapixels", pytest.approx(2))]


def test_small_effects_are_silent_however_sure():
    rows = rows_of({"train": {"a": 20_000}, "val": {"a": 20_000}})
    values = np.random.default_rng(0).normal(100, 15, 40_000)
    values[20_000:] += 1.5
    measurements = make(rows, properties={"luminance": values})
    assert drift(measurements) == ()
    assert len(drift(measurements, drift_effect=0.05)) == 1


def test_copies_are_no_evidence():
    rows = sorted(rows_of({"train": {"a": 60}, "val": {"a": 60}}))
    values = np.random.default_rng(2).normal(100, 15, 120)
    values[60:100] = 60
    pairs = [("val/a/0000.jpg", f"val/a/{i:04}.jpg", "near") for i in range(1, 40)]
    assert len(drift(make(rows, properties={"luminance": values}))) == 1
    assert drift(make(rows, pairs, properties={"luminance": values})) == ()


def test_unreadable_files_are_left_out():
    values = normal() - 25 * where(lambda path: path.startswith("val/"))
    failures = {path: Failure("unreadable", "x") for path, *_ in ROWS if path.startswith("val/") and path > "val/cow"}
    found = drift(make(ROWS, properties={"luminance": values}, failures=failures))
    assert found[0].evidence.n == (120, 20)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (
            {"train": {"a": 50}, "val": {"a": 19}},
            "too-few: 20 different readable pictures a split are needed, found train 50, val 19",
        ),
        ({None: {"a": 50}}, "not-applicable: the dataset has no splits"),
        ({"val": {"a": 50}, "test": {"a": 50}}, "not-applicable: the dataset has only val and test"),
    ],
)
def test_not_run(counts, reason):
    _, _, not_run = judge(make(rows_of(counts)), Config(select=("DRF",)))
    assert {entry.rule.code: entry.reason for entry in not_run}["DRF801"] == reason


def test_random_splits_of_one_population_seldom_warn():
    rng = np.random.default_rng(7)
    rows = sorted(
        rows_of(
            {
                "train": {str(c): 30 for c in range(4)},
                "val": {str(c): 10 for c in range(4)},
                "test": {str(c): 10 for c in range(4)},
            }
        )
    )
    n, warned = len(rows), 0
    latent = rng.normal(0, 1, (n, 3))
    for _ in range(100):
        order = rng.permutation(n)
        table = {name: latent[order] @ rng.normal(0, 1, 3) + rng.standard_t(3, n) for name in PROPERTY_NAMES}
        table["aspect"] = rng.choice([1.0, 1.333, 1.5], n, p=[0.1, 0.8, 0.1])
        table["megapixels"] = np.exp(rng.normal(0, 1.5, n))
        warned += bool(drift(make(rows, properties=table)))
    assert warned <= 2
