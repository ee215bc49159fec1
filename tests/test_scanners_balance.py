"""BAL and STR: counts, class folders, shares and sizes."""

from __future__ import annotations

import numpy as np
import pytest

from dataaudit.config import Config
from dataaudit.domain import ClassFolder
from dataaudit.scanners import judge
from dataaudit.scanners.class_balance import keras_indices
from measurements import folders_of, make, rows_of

EVEN = {"train": {"cat": 60, "dog": 60}, "val": {"cat": 20, "dog": 20}}


def findings(measurements, *prefixes, **options):
    return judge(measurements, Config(select=prefixes or ("BAL", "STR"), **options))[0]


def codes(*args, **options):
    return [finding.rule.code for finding in findings(*args, **options)]


def not_run(measurements):
    return {entry.rule.code: entry.reason for entry in judge(measurements, Config())[2]}


def test_even_data_is_silent():
    assert codes(make(rows_of(EVEN))) == []
    assert codes(make(rows_of({None: {"cat": 60, "dog": 60}}))) == []


@pytest.mark.parametrize(("dogs", "expected"), [(21, []), (20, []), (19, ["BAL501", "BAL502"])])
def test_imbalance_and_rare_classes(dogs, expected):
    assert codes(make(rows_of({"train": {"cat": 60, "dog": dogs}, "val": {"cat": 30, "dog": 10}})), "BAL") == expected
    assert codes(make(rows_of({None: {"cat": 60, "dog": dogs}})), "BAL") == expected


def test_one_class_has_no_balance():
    assert not_run(make(rows_of({None: {"cat": 60}})))["BAL501"] == "not-applicable: the dataset holds the single class 'cat'"


def test_absent_from_a_split():
    found = findings(make(rows_of({"train": {"a": 30, "b": 30}, "val": {"a": 10}, "test": {"a": 5, "b": 5, "c": 5}})), "BAL503")
    assert [finding.message for finding in found] == [
        "train has no sample of 1 of 3 classes ('c'): what is absent cannot be learned",
        "val has no sample of 2 of 3 classes ('b', 'c'): what is absent is not scored",
    ]
    assert found[0].evidence.rows == (("c", (0.0, 0.0, 5.0)),)


def test_an_unlabelled_test_split_lacks_no_class():
    rows = [*rows_of(EVEN), *[(f"test/{i}.jpg", None, "test") for i in range(20)]]
    assert codes(make(rows), "BAL") == []


def folders(*paths, images=1, phantom=False):
    return [ClassFolder(path, path.split("/")[0], path.split("/")[1], images, phantom) for path in paths]


@pytest.mark.parametrize(
    ("val", "expected"),
    [
        (("a", "b", "c"), []),
        (("a", "b"), []),
        (("b", "c"), ["BAL504"]),
        (("a", "c"), ["BAL504"]),
        (("a", "b", "c", "d"), ["BAL504"]),
        (("A", "b", "c"), ["BAL504"]),
    ],
)
def test_keras_numbers_the_classes(val, expected):
    rows = [(f"{split}/{name}/1.jpg", name, split) for split, names in (("train", "abc"), ("val", val)) for name in names]
    assert codes(make(rows), "BAL504") == expected


def test_the_indices_are_those_of_keras(tmp_path):
    dataset_utils = pytest.importorskip("keras.src.utils.dataset_utils")
    names = {"train": ["b", "A", "__MACOSX", ".ipynb_checkpoints", "é", "a b"], "val": ["b"]}
    for split, each in names.items():
        for name in each:
            (tmp_path / split / name).mkdir(parents=True)
    measurements = make(
        [("train/b/1.jpg", "b", "train")], folders=folders(*(f"{s}/{n}" for s, each in names.items() for n in each if n != "b"))
    )
    maps = keras_indices(measurements.catalog)
    _, _, classes = dataset_utils.index_directory(str(tmp_path / "train"), "inferred", (".jpg",))
    assert maps["train"] == {name: index for index, name in enumerate(classes)}


def test_an_empty_folder_shifts_the_indices():
    rows = rows_of({"train": {"b": 30, "c": 30}, "val": {"b": 10, "c": 10}})
    found = findings(make(rows, folders=folders("val/a", images=0)), "BAL")
    assert [finding.rule.code for finding in found] == ["BAL504", "BAL506"]
    assert "'a' is 0 in val/, no class in train/" in found[0].message
    assert found[0].evidence.rows == (("a", (-1.0, 0.0)), ("b", (0.0, 1.0)), ("c", (1.0, 2.0)))


def test_phantoms():
    rows = rows_of(EVEN)
    assert codes(make(rows, folders=folders("train/.ipynb_checkpoints", phantom=True)), "BAL") == ["BAL505"]
    assert codes(make(rows, folders=folders("train/__MACOSX", phantom=True)), "BAL") == ["BAL504", "BAL505"]


def test_folder_rules_need_folders():
    reasons = not_run(make(rows_of(EVEN), catalog={"layout": "manifest", "labels_from": "column 'label' of m.csv"}))
    for code in ("BAL504", "BAL505", "BAL506"):
        assert reasons[code] == "not-applicable: labels come from column 'label' of m.csv, not from folders"


def test_folders_of_the_builder_match_the_rows():
    assert [(folder.path, folder.images) for folder in folders_of(rows_of({"val": {"a": 2, "b": 1}}))] == [
        ("val/a", 2),
        ("val/b", 1),
    ]


# ---------------------------------------------------------------------------------------------- STR


def test_class_shares():
    found = findings(make(rows_of({"train": {"a": 100, "b": 100}, "val": {"a": 80, "b": 20}})), "STR")
    assert [finding.rule.code for finding in found] == ["STR601"]
    evidence = found[0].evidence
    assert (evidence.splits, evidence.n, evidence.effect) == (("train", "val"), (200, 100), pytest.approx(0.3))
    assert "30 %" in found[0].message


def test_class_shares_have_an_interval():
    evidence = findings(make(rows_of({"train": {"a": 100, "b": 100}, "val": {"a": 80, "b": 20}})), "STR")[0].evidence
    assert 0.1 < evidence.interval[0] < evidence.effect < evidence.interval[1] < 0.5


def test_whole_groups_are_one_piece_of_evidence():
    counts = {"train": {"a": 100, "b": 100}, "val": {"a": 80, "b": 20}}

    def told(size):
        rows = [(path, label, split, f"{split} {label} {int(path[-8:-4]) // size}") for path, label, split in rows_of(counts)]
        return findings(make(rows), "STR601")

    assert "150 whole groups exchanged" in told(2)[0].message
    assert told(2)[0].evidence.q_value < 0.01
    assert told(20) == ()


def test_a_sure_but_small_difference_is_silent():
    assert codes(make(rows_of({"train": {"a": 5_000, "b": 5_000}, "val": {"a": 2_160, "b": 1_840}})), "STR") == []


def test_a_large_but_unsure_difference_is_silent():
    assert codes(make(rows_of({"train": {"a": 50, "b": 50}, "val": {"a": 8, "b": 4}})), "STR") == []


def test_copies_are_no_evidence():
    rows = rows_of({"train": {"a": 100, "b": 100}, "val": {"a": 80, "b": 20}})
    star = [("val/a/0000.jpg", f"val/a/{i:04}.jpg", "exact") for i in range(1, 61)]
    assert codes(make(rows, star), "STR") == []


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [(500, 100, []), (100, 101, ["STR602"]), (980, 20, []), (985, 15, ["STR602"]), (60_000, 1_000, [])],
)
def test_sizes(train, val, expected):
    assert codes(make(rows_of({"train": {"a": train}, "val": {"a": val}})), "STR") == expected


def test_share_tests_need_train_and_labels():
    assert (
        not_run(make(rows_of({"val": {"a": 9, "b": 9}, "test": {"a": 9}})))["STR601"]
        == "not-applicable: the dataset has only val and test"
    )
    assert not_run(make(rows_of({"train": {"a": 9}, "val": {"a": 9}})))["STR601"].startswith("not-applicable: 1 class in all")


def test_random_splits_of_one_population_seldom_warn():
    rng = np.random.default_rng(11)
    warned = 0
    for _ in range(100):
        labels = rng.choice(5, 300, p=[0.4, 0.3, 0.15, 0.1, 0.05])
        roles = rng.choice(["train", "val", "test"], 300, p=[0.7, 0.15, 0.15])
        rows = [
            (f"{role}/{label}/{i}.jpg", str(label), str(role)) for i, (label, role) in enumerate(zip(labels, roles, strict=True))
        ]
        warned += bool(codes(make(rows), "STR601"))
    assert warned <= 2
