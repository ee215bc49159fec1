"""Planted shortcuts are found and named; what is none is silent."""

from __future__ import annotations

import numpy as np
import pytest

from dataaudit.config import Config
from dataaudit.domain import NotRun
from dataaudit.scanners import judge
from dataaudit.scanners.shortcuts import questions
from dataaudit.statistics.shortcuts import bins, how_well, indicators
from measurements import make, rows_of

COUNTS = {"train": {"cat": 150, "dog": 150}, "val": {"cat": 60, "dog": 60}}
ROWS = sorted(rows_of(COUNTS))
PATHS = [path for path, *_ in ROWS]


def found(measurements, **options):
    return judge(measurements, Config(select=("SHC",), **options))[0]


def codes(measurements, **options):
    return sorted(
        {(finding.rule.code, finding.evidence.subject.rpartition("→ ")[2]) for finding in found(measurements, **options)}
    )


def where(test):
    return np.array([test(path) for path in PATHS])


def cells(test, value):
    return {path: value for path in PATHS if test(path)}


def test_nothing_planted_is_silent():
    assert found(make(ROWS)) == ()


def of_cats(path):
    return "/cat/" in path


def of_val(path):
    return path.startswith("val/")


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("jpeg_quality", 40, "SHC902"),
        ("jpeg_coding", 7, "SHC902"),
        ("format", "PNG", "SHC902"),
        ("width", 640, "SHC903"),
        ("camera", b"iPhone 7", "SHC904"),
        ("exif_orientation", 6, "SHC904"),
        ("file_bytes", 9_000, "SHC901"),
    ],
)
@pytest.mark.parametrize(("test", "what"), [(of_cats, "the class"), (of_val, "train from val")])
def test_what_is_planted_is_found(column, value, rule, test, what):
    assert codes(make(ROWS, **{column: cells(test, value)})) == [(rule, what)]


def test_a_partial_shortcut_is_told_with_its_numbers():
    rng = np.random.default_rng(0)
    some = {path: 40 for path in PATHS if rng.random() < (0.8 if of_cats(path) else 0.1)}
    (finding,) = found(make(ROWS, jpeg_quality=some))
    assert "alone tells the class" in finding.message
    assert "JPEG quality 40: " in finding.message or "JPEG quality 90: " in finding.message
    assert 0.8 < finding.evidence.statistic < 0.9
    assert finding.evidence.effect == pytest.approx(2 * finding.evidence.statistic - 1, abs=0.03)
    assert (finding.evidence.splits, finding.evidence.n) == (("train", "val"), (300, 120))
    assert finding.rule.severity == "warning"


def coloured(regions):
    """Return colours of the whole (0), the outer (1–8) or the inner (9–16) regions that differ by class; others are noise."""
    rng = np.random.default_rng(5)
    table = {}
    for path in PATHS:
        table[path] = rng.integers(0, 256, (17, 3), np.uint8)
        table[path][regions] = 10 if of_cats(path) else 240
    return table


def test_a_frame_by_class_is_found():
    (finding,) = found(make(ROWS, colours=coloured(slice(1, 9))))
    assert (finding.rule.code, finding.rule.severity) == ("SHC905", "warning")
    assert "the same of the inner half: " in finding.message


def test_a_scene_that_tells_the_class_is_no_border_and_its_colour_only_info():
    told = found(make(ROWS, colours=coloured(slice(None))))
    assert [(finding.rule.code, finding.rule.severity) for finding in told] == [("SHC906", "info")]


def test_the_size_that_the_resolution_explains_is_told_once():
    measurements = make(ROWS, width=cells(of_cats, 640), file_bytes=cells(of_cats, 20_000))
    assert codes(measurements) == [("SHC903", "the class")]


def renamed(name):
    return sorted((name(number, path), label, split) for number, (path, label, split) in enumerate(ROWS))


def test_words_in_names_are_found_but_not_the_class_itself():
    def by_source(number, path):
        folder = path.rpartition("/")[0]
        return f"{folder}/{'DSC' if of_cats(path) else 'IMG'}_{(number * 7919) % 5000}.jpg"

    assert codes(make(renamed(by_source))) == [("SHC907", "the class")]
    assert found(make(renamed(lambda n, path: f"{path.rpartition('/')[0]}/{path.split('/')[1]}_{(n * 7919) % 5000}.jpg"))) == ()
    assert found(make(renamed(lambda n, path: f"{path.rpartition('/')[0]}/{path.split('/')[0]}-{(n * 7919) % 5000}.jpg"))) == ()


def test_one_series_of_numbers_is_found_but_not_one_a_class():
    assert codes(make(renamed(lambda number, path: f"{path.rpartition('/')[0]}/{number:05}.jpg"))) == [
        ("SHC908", "the class"),
        ("SHC908", "train from val"),
    ]
    reasons = {each.rule.code: each.reason for each in judge(make(ROWS), Config(select=("SHC",)))[2] if isinstance(each, NotRun)}
    assert reasons["SHC908"].startswith("not-applicable")


def test_other_class_shares_are_no_shortcut_to_the_split():
    rows = sorted(rows_of({"train": {"cat": 200, "dog": 60}, "val": {"cat": 60, "dog": 200}}))
    qualities = {path: 40 for path, label, _ in rows if label == "cat"}
    assert codes(make(rows, jpeg_quality=qualities)) == [("SHC902", "the class")]


def test_copies_and_groups_count_once():
    rows = [(f"train/{label}/{i:03}.jpg", label, "train", f"patient {i}") for label in ("cat", "dog") for i in range(60)]
    (question,) = questions(make(rows), Config())
    assert len(question.rows) == 120
    assert all(len(set(question.target[question.units == unit])) == 2 for unit in question.units)
    rows = [(f"train/{label}/{i:03}.jpg", label, "train", f"{label} {i // 10}") for label in ("cat", "dog") for i in range(300)]
    (question,) = questions(make(rows), Config())
    assert len(question.rows) == 60


def test_the_sample_is_bounded_and_stated():
    measurements = make(ROWS, jpeg_quality=cells(of_cats, 40))
    (finding,) = found(measurements, shortcut_sample=200)
    assert "200 sampled pictures" in finding.message
    assert sum(finding.evidence.n) == 200


def test_too_few_and_not_applicable():
    few = judge(make(rows_of({None: {"cat": 5, "dog": 5}})), Config(select=("SHC",)))
    assert {(each.rule.code, each.reason.split(":")[0]) for each in few[2] if each.rule.code == "SHC901"} == {
        ("SHC901", "too-few")
    }
    one = judge(make(rows_of({None: {"cat": 50}})), Config(select=("SHC",)))
    assert {each.reason.split(":")[0] for each in one[2] if each.rule.code == "SHC902"} == {"not-applicable"}


def test_unlabelled_pictures_are_asked_for_their_split_only():
    rows = [(f"train/{i}.jpg", None, "train") for i in range(50)] + [(f"test/{i}.jpg", None, "test") for i in range(50)]
    assert [question.what for question in questions(make(rows), Config())] == ["train from test"]


def test_a_group_of_many_classes_is_one_piece_of_evidence_for_the_split():
    """Senders have one camera and pictures of four classes; they went to the splits as a whole, and by chance."""
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows, camera = [], {}
        for sender in range(60):
            role = "val" if rng.random() < 0.3 else "train"
            for label in ("cat", "dog", "fox", "owl"):
                rows.append((f"{role}/{label}/{sender:02}.jpg", label, role, f"sender {sender}"))
                camera[rows[-1][0]] = 40 + sender // 6
        config = Config(shortcut_minimum=5)
        measurements = make(rows, jpeg_quality=camera)
        (question,) = [each for each in questions(measurements, config) if each.what == "train from val"]
        assert len(question.rows) == 60
        design, _ = indicators([bins("quality", measurements.features.jpeg_quality[question.rows].astype(float))])
        alarms += how_well(design, question.target, question.units, question.blocks, -1.0, 99).p_value <= 0.05
    assert alarms <= 7
