from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dataaudit.config import Config
from dataaudit.domain import PROPERTY_NAMES, Failure
from dataaudit.scanners import judge
from dataaudit.scanners.drift import tests as made_tests
from dataaudit.scanners.drift_properties import Comparison
from dataaudit.scanners.drift_spaces import SpaceTest
from dataaudit.statistics.corrections import benjamini_hochberg
from measurements import make, rows_of

COUNTS = {
    "train": {"cat": 40, "cow": 40, "dog": 40},
    "val": {"cat": 20, "cow": 20, "dog": 20},
    "test": {"cat": 10, "cow": 10, "dog": 10},
}
ROWS = sorted(rows_of(COUNTS))


def drift(measurements, **options):
    return judge(measurements, Config(select=("DRF801",), **options))[0]


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


def test_many_classes_that_drift_are_one_finding_with_a_table():
    rows = sorted(rows_of({role: {f"c{c:02}": n for c in range(20)} for role, n in (("train", 40), ("val", 25))}))
    moved = np.array([role == "val" and label < "c06" for _, label, role in rows])
    up = np.array([1 if label in {"c00", "c02", "c04"} else -1 for _, label, _ in rows])
    values = np.random.default_rng(3).normal(100, 10, len(rows)) + 60 * up * moved
    (finding,) = drift(make(rows, properties={"luminance": values}))
    assert "luminance drifts within 6 of 20 classes of val" in finding.message
    assert "and 2 more" in finding.message
    assert {name for name, _ in finding.evidence.rows} == {f"c{c:02}" for c in range(6)}
    values = np.random.default_rng(3).normal(100, 10, len(rows)) + 60 * np.array([role == "val" for _, _, role in rows])
    (finding,) = drift(make(rows, properties={"luminance": values}))
    assert "and 17 more" in finding.message


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
            "too-few: 20 different readable pictures a split are needed (groups counted once), found train 50, val 19",
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
    for _ in range(30):
        order = rng.permutation(n)
        table = {name: latent[order] @ rng.normal(0, 1, 3) + rng.standard_t(3, n) for name in PROPERTY_NAMES}
        table["aspect"] = rng.choice([1.0, 1.333, 1.5], n, p=[0.1, 0.8, 0.1])
        table["megapixels"] = np.exp(rng.normal(0, 1.5, n))
        warned += bool(rules(make(rows, properties=table))[0])
    assert warned <= 1


# ------------------------------------------------------------------- groups, spaces, intervals, carriers


def rules(measurements, *codes, **options):
    found, _, not_run = judge(measurements, Config(select=codes or ("DRF",), **options))
    return {finding.rule.code: finding for finding in found}, {entry.rule.code: entry.reason for entry in not_run}


def grouped(size):
    """Return ``ROWS`` in declared groups of ``size`` rows of one split and class."""
    return [(path, label, split, f"{split} {label} {int(path[-8:-4]) // size}") for path, label, split in ROWS]


def test_groups_are_no_more_evidence_than_they_are():
    rng = np.random.default_rng(5)
    warned = 0
    for _ in range(12):
        group = {key: rng.normal(0, 15) for key in sorted({row[3] for row in grouped(5)})}
        values = np.array([group[row[3]] for row in grouped(5)]) + rng.normal(100, 2, len(ROWS))
        plain = len(drift(make(ROWS, properties={"luminance": values}), alpha=0.05, drift_minimum=10))
        told = len(drift(make(grouped(5), properties={"luminance": values}), alpha=0.05, drift_minimum=10))
        assert told <= plain
        warned += bool(told)
    assert warned <= 2


def test_too_few_groups_are_too_few():
    _, not_run = rules(make(grouped(10)))
    reason = "too-few: 20 different readable pictures a split are needed (groups counted once), found train 12, val 6, test 3"
    assert {why for code, why in not_run.items() if code.startswith("DRF")} == {reason}


def test_a_finding_has_an_interval_and_the_pictures_that_carry_it():
    measurements = make(ROWS, properties={"luminance": normal() - 25 * where(lambda path: path.startswith("val/"))})
    found = drift(measurements)[0]
    low, high = found.evidence.interval
    assert 0 < low < found.evidence.effect < high
    assert f"95 % interval {low:.2f} to {high:.2f}" in found.message
    paths = [measurements.catalog.paths[row] for row in found.samples]
    assert len(paths) == 6
    assert all(path.startswith("val/") for path in paths)
    values = measurements.features.property("luminance")
    assert values[list(found.samples)].max() < np.median(values)


def mixed(rng, joint):
    """Return luminance and contrast, each alone alike in both splits, but opposed in train and not in val if ``joint``."""
    a, b = rng.normal(size=len(ROWS)), rng.normal(size=len(ROWS))
    sign = np.where(where(lambda path: path.startswith("val/")), 1, -1)
    together = 0.9 * sign * a + 0.44 * b if joint else b
    return {"luminance": 100 + 15 * a, "contrast": 50 + 5 * together}


def test_what_no_single_property_shows_a_classifier_sees():
    found, not_run = rules(make(ROWS, properties=mixed(np.random.default_rng(1), joint=True)))
    assert "DRF801" not in found
    told = found["DRF802"]
    assert "luminance" in told.message
    assert "contrast" in told.message
    assert told.evidence.effect > 0.65
    assert len(told.samples) == 6
    assert "SEPARABLE" not in told.message
    assert {code for code in not_run if code.startswith("DRF")} == {"DRF803", "DRF805"}
    assert not_run["DRF803"].startswith("needs-extra: --embeddings FILE")
    assert rules(make(ROWS, properties=mixed(np.random.default_rng(1), joint=False)))[0] == {}


def test_a_narrow_validation_is_called_easier():
    values = np.random.default_rng(3).normal(0, 1, (len(ROWS), 7))
    values[where(lambda path: path.startswith("val/"))] *= 0.4
    names = [name for name in PROPERTY_NAMES if name not in {"aspect", "megapixels"}]
    found, _ = rules(make(ROWS, properties=dict(zip(names, 100 + 15 * values.T, strict=True))))
    told = found["DRF804"]
    assert "val's pictures vary less than train's" in told.message
    assert "it is easier than train" in told.message
    assert told.evidence.effect < 0.7


def embedded(rows, embeddings):
    return replace(make(rows), embeddings=embeddings)


def test_embeddings_that_differ_and_leave_train_uncovered():
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(len(ROWS), 12)).astype(np.float32)
    train = np.flatnonzero(where(lambda path: path.startswith("train/")))
    embeddings[train[::2]] += 6
    embeddings[0] = np.nan
    found, not_run = rules(embedded(ROWS, embeddings))
    assert {"DRF803", "DRF805"} <= set(found)
    assert "can be told from train's by their embeddings" in found["DRF803"].message
    assert "reaches only part of train" in found["DRF805"].message
    assert set(found["DRF805"].samples) <= set(train.tolist())
    assert not any(code.startswith("DRF") for code in not_run)
    same = rng.normal(size=(len(ROWS), 12)).astype(np.float32)
    assert rules(embedded(ROWS, same))[0] == {}


def test_class_means_of_embeddings_are_no_drift():
    counts = {"train": {"day": 120, "night": 40}, "val": {"day": 20, "night": 60}}
    rows = sorted(rows_of(counts))
    night = np.array(["night" in path for path, *_ in rows])
    embeddings = np.random.default_rng(3).normal(size=(len(rows), 8)) + 5 * night[:, None]
    assert rules(embedded(rows, embeddings.astype(np.float32)))[0] == {}


def test_large_splits_are_sampled_and_the_message_says_so():
    rows = sorted(rows_of({"train": {"a": 1_500}, "val": {"a": 200}}))
    values = np.random.default_rng(0).normal(100, 15, 1_700) + 25 * np.array([path.startswith("val") for path, *_ in rows])
    found, _ = rules(make(rows, properties={"luminance": values}), "DRF802")
    assert found["DRF802"].evidence.n == (1_000, 200)
    assert "judged on a random 1,000 at most of each" in found["DRF802"].message


def test_the_same_measurements_give_the_same_findings():
    measurements = make(ROWS, properties=mixed(np.random.default_rng(1), joint=True))
    assert judge(measurements, Config(select=("DRF",)))[0] == judge(measurements, Config(select=("DRF",)))[0]


def test_the_correction_runs_over_every_test_that_was_made():
    measurements = make(ROWS, properties={"luminance": normal() - 25 * where(lambda path: path.startswith("val/"))})
    made = made_tests(measurements, Config())
    found = next(finding for finding in drift(measurements))
    assert found.evidence.q_value in benjamini_hochberg([each.p_value for each in made])
    assert {each.rule.code for each in made if isinstance(each, SpaceTest)} == {"DRF802", "DRF804"}
    assert len([each for each in made if isinstance(each, Comparison) and each.label >= 0]) == 2 * 7 * 3
