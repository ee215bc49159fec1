"""What Keras makes of folders, told from the catalog, against the real Keras: class maps, files, and validation_split."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest

from conftest import SPLITS
from dataaudit.catalog import find
from dataaudit.catalog.keras_split import keras_listing, keras_order
from dataaudit.config import Config
from dataaudit.domain import ROLES
from dataaudit.errors import UsageError
from dataaudit.scanners import judge
from dataaudit.scanners.class_balance import keras_indices
from dataaudit.scanners.keras_folders import files_of_classes
from dataaudit.scanners.verdict import summarise
from keras_trees import TREES, plant
from measurements import make, rows_of


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", TREES)
def test_classes_and_files_are_those_of_the_real_keras(keras, name):
    root = keras.trees[name]
    catalog = find(root, Config())
    files = files_of_classes(catalog)
    for top in dict(catalog.split_folders) or [""]:
        names, paths = keras.answer.listings[str(root / top) if top else str(root)]
        prefix = f"{top}/" if top else ""
        folders = {each.name: each for each in catalog.class_folders if each.path == prefix + each.name}
        assert sorted(each for each in folders if not each.startswith(".")) == names
        if top:
            assert keras_indices(catalog)[top] == {each: index for index, each in enumerate(names)}
        loaded = Counter(path.partition("/")[0] for path in paths)
        for each in names:
            if not folders[each].linked:
                assert files[prefix + each] == loaded[each], each


def test_there_are_trees_enough():
    assert len(TREES) >= 30


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", TREES)
def test_the_listing_is_that_of_the_real_keras(keras, name):
    for folder in (keras.trees[name], *keras.trees[name].iterdir()):
        if folder.is_dir():
            names, paths = keras.answer.listings[str(folder)]
            assert keras_listing(str(folder)) == (tuple(names), tuple(paths))


@pytest.mark.tensorflow
@pytest.mark.parametrize(("share", "seed"), SPLITS)
@pytest.mark.parametrize("odd", [False, True])
def test_the_parts_are_those_of_two_calls_of_the_real_keras(keras, share, seed, odd):
    root = keras.flat[odd]
    train, val = keras.answer.parts[str(root), share, seed]
    catalog = find(root, Config(keras_split=share, seed=seed))
    role_of = {path: ROLES[code] if code >= 0 else None for path, code in zip(catalog.paths, catalog.split_codes, strict=True)}
    samples = set(role_of)
    assert {path for path, role in role_of.items() if role == "train"} == train & samples
    assert {path for path, role in role_of.items() if role == "val"} == val & samples
    assert {path for path, role in role_of.items() if role is None} == samples - train - val
    drawn = catalog.keras_split
    assert (drawn.files, drawn.validation) == (len(train | val), len(val))
    assert drawn.strangers == len((train | val) - samples)


@pytest.mark.tensorflow
def test_a_second_call_with_another_seed_draws_training_files(keras):
    root = keras.flat[0]
    catalog = find(root, Config(keras_split=0.2, seed=0))
    train, _ = keras.answer.parts[str(root), 0.2, 0]
    _, other = keras.answer.parts[str(root), 0.2, 1]
    assert catalog.keras_split.other_seed == len(train & other)
    unshuffled = set(keras.answer.listings[str(root)][1][-len(other) :])
    assert catalog.keras_split.unshuffled == len(train & unshuffled)
    assert catalog.keras_split.unshuffled_classes == len({path.partition("/")[0] for path in unshuffled})


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_the_order_is_that_of_shuffling_a_list(seed):
    for count in (1, 2, 50, 1000):
        paths = [str(number) for number in range(count)]
        np.random.RandomState(seed).shuffle(paths)
        assert [str(number) for number in keras_order(count, seed)] == paths


def test_what_keras_refuses_is_refused(tmp_path):
    trees = plant(tmp_path)
    with pytest.raises(UsageError, match="split/class/file"):
        find(trees["plain"], Config(keras_split=0.2))
    with pytest.raises(UsageError, match="none"):
        find(trees["unsplit"], Config(keras_split=0.1))
    with pytest.raises(UsageError, match="4294967295"):
        find(trees["unsplit"], Config(keras_split=0.5, seed=2**32))
    (tmp_path / "m.csv").write_text("path,label\ncat/1.jpg,cat\n")
    with pytest.raises(UsageError, match="manifest"):
        find(trees["unsplit"], Config(keras_split=0.5, manifest=str(tmp_path / "m.csv")))


def codes(measurements, *select):
    return [finding.rule.code for finding in judge(measurements, Config(select=select))[0]]


def test_a_keras_split_is_told_and_no_other(tmp_path):
    root = plant(tmp_path)["unsplit, one class"]
    found = find(root, Config(keras_split=0.5, seed=3))
    rows = [(sample.path, sample.label, sample.split) for sample in found]
    measured = make(rows, catalog={"keras_split": found.keras_split, "layout": "class/file"})
    (finding,) = judge(measured, Config(select=("LEK209",)))[0]
    assert "seed=3" in finding.message
    assert any("seed=3" in note for note in summarise(measured, (), Config()).notes)
    assert codes(make(rows_of({"train": {"cat": 2}, "val": {"cat": 2}})), "LEK209") == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", []),
        ("a linked class", ["BAL507"]),
        ("a class linked to another", ["BAL507", "BAL507"]),
        ("a loop", ["BAL507"]),
        ("a class of WebP", ["BAL506", "BAL506"]),
        ("an empty class", ["BAL504", "BAL506", "BAL506"]),
        ("val has one more", ["BAL504"]),
        ("val lacks a class", ["BAL504"]),
        ("val lacks the last class", []),
    ],
)
def test_rules_of_class_folders(tmp_path, name, expected):
    catalog = find(plant(tmp_path)[name], Config())
    rows = [(sample.path, sample.label, sample.split) for sample in catalog]
    measured = make(rows, catalog={"class_folders": catalog.class_folders, "skipped": catalog.skipped})
    assert codes(measured, "BAL504", "BAL506", "BAL507") == expected


def test_shifted_classes_tell_how_many_images_they_reach():
    rows = rows_of({"train": {"cat": 4, "dog": 4}, "val": {"ant": 1, "cat": 3, "dog": 2}})
    folders = {"split_folders": (("train", "train"), ("val", "val"))}
    (finding,) = judge(make(rows, catalog=folders), Config(select=("BAL504",)))[0]
    assert "6 of its 6 images would be scored as another class" in finding.message
    assert os.sep in finding.message
