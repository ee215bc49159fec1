"""Splits and labels from folder names, class folders as Keras sees them, and what is refused."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.catalog import find
from dataaudit.catalog.folders import ROLE_NAMES, Roles
from dataaudit.config import Config
from dataaudit.domain import ClassFolder
from dataaudit.errors import LayoutError, UsageError


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def table(catalog) -> dict[str, tuple[str | None, str | None]]:
    return {sample.path: (sample.label, sample.split) for sample in catalog}


def kinds(catalog) -> dict[str, str]:
    return {entry.path: entry.kind for entry in catalog.skipped}


def test_split_class_file(tmp_path):
    root = make(tmp_path, "Training/cat/1.jpg", "Training/dog/deep/er/2.PNG", "valid/cat/3.webp", "TEST/4.jpg", "TEST/dog/5.avif")
    catalog = find(root, Config())
    assert table(catalog) == {
        "TEST/4.jpg": (None, "test"),
        "TEST/dog/5.avif": ("dog", "test"),
        "Training/cat/1.jpg": ("cat", "train"),
        "Training/dog/deep/er/2.PNG": ("dog", "train"),
        "valid/cat/3.webp": ("cat", "val"),
    }
    assert catalog.layout == "split/class/file"
    assert catalog.labels_from == "folder names"
    assert catalog.split_folders == (("TEST", "test"), ("Training", "train"), ("valid", "val"))
    assert catalog.classes == ("cat", "dog")
    assert catalog.root == root.resolve()


def test_class_file(tmp_path):
    catalog = find(make(tmp_path, "b/1.jpg", "a/x/2.jpg", "B/3.jpg", "notes/read.me"), Config())
    assert table(catalog) == {"B/3.jpg": ("B", None), "a/x/2.jpg": ("a", None), "b/1.jpg": ("b", None)}
    assert catalog.layout == "class/file"
    assert catalog.classes == ("B", "a", "b")
    assert catalog.split_folders == ()
    assert kinds(catalog) == {"notes/read.me": "not-an-image"}


def test_unlabelled_splits_only(tmp_path):
    catalog = find(make(tmp_path, "train/1.jpg", "test/2.jpg"), Config())
    assert table(catalog) == {"test/2.jpg": (None, "test"), "train/1.jpg": (None, "train")}
    assert catalog.classes == ()
    assert "images lie directly in the split folders" in catalog.labels_from


def test_some_role_names_are_classes_and_the_doubt_is_told(tmp_path):
    catalog = find(make(tmp_path, "train/cat/1.jpg", "val/cat/2.jpg", "extra/cat/3.jpg"), Config())
    assert catalog.layout == "class/file"
    assert catalog.classes == ("extra", "train", "val")
    assert "'train', 'val' may be meant as splits, but 'extra' holds images too" in catalog.labels_from
    given = find(tmp_path, Config(roles={"Extra": "train"}))
    assert table(given)["extra/cat/3.jpg"] == ("cat", "train")
    assert given.labels_from == "folder names"


def test_top_folders_without_images_do_not_decide(tmp_path):
    catalog = find(make(tmp_path, "train/cat/1.jpg", "docs/a.txt", "val/cat/", ".cache/2.jpg"), Config())
    assert catalog.layout == "split/class/file"
    assert catalog.split_folders == (("train", "train"), ("val", "val"))
    assert ClassFolder("val/cat", "val", "cat", 0) in catalog.class_folders


def test_two_folders_of_one_role_join_it(tmp_path):
    catalog = find(make(tmp_path, "train/cat/1.jpg", "val/cat/2.jpg", "valid/cat/3.jpg"), Config())
    assert [sample.split for sample in catalog] == ["train", "val", "val"]
    assert [folder.path for folder in catalog.class_folders] == ["train/cat", "val/cat", "valid/cat"]


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("train", "train"), ("Training", "train"), ("TRN", "train"), ("tr", "train"), ("train_set", "train"),
        ("training-data", "train"),
        ("val", "val"), ("Valid", "val"), ("validation", "val"), ("dev", "val"), ("eval", "val"), ("Validation Set", "val"),
        ("test", "test"), ("Testing", "test"), ("tst", "test"), ("holdout", "test"), ("Hold-Out", "test"), ("hold_out", "test"),
        ("trains", None), ("tests", None), ("cat", None), ("", None), ("contest", None),
    ],
)  # fmt: skip
def test_role_names(name, role):
    assert Roles.of({}).role(name) == role


def test_every_role_name_is_known_in_any_case():
    assert all(Roles.of({}).role(name.upper()) == role for name, role in ROLE_NAMES.items())


def test_given_roles_are_checked(tmp_path):
    make(tmp_path, "a/cat/1.jpg", "b/cat/2.jpg")
    catalog = find(tmp_path, Config(roles={"a": "train", "b": "val"}))
    assert table(catalog) == {"a/cat/1.jpg": ("cat", "train"), "b/cat/2.jpg": ("cat", "val")}
    with pytest.raises(UsageError, match="'training' is no role"):
        find(tmp_path, Config(roles={"a": "training"}))
    with pytest.raises(UsageError, match=r"no such split folder.*'a', 'b'"):
        find(tmp_path, Config(roles={"c": "train"}))


def test_a_given_role_overrides_the_table(tmp_path):
    catalog = find(make(tmp_path, "train/c/1.jpg", "dev/c/2.jpg"), Config(roles={"dev": "test"}))
    assert table(catalog)["dev/c/2.jpg"] == ("c", "test")


def test_stray_images_and_other_files_are_told(tmp_path):
    catalog = find(make(tmp_path, "stray.jpg", "cat/1.jpg", "cat/notes.txt", "README", "cat/x.npy"), Config())
    assert kinds(catalog) == {
        "stray.jpg": "outside-layout",
        "cat/notes.txt": "not-an-image",
        "README": "not-an-image",
        "cat/x.npy": "not-an-image",
    }
    assert "Move it into a class folder" in next(entry.reason for entry in catalog.skipped if entry.path == "stray.jpg")


def test_class_folders_are_what_keras_takes_and_phantoms(tmp_path):
    root = make(
        tmp_path,
        "train/cat/1.jpg", "train/cat/deep/2.jpg", "train/dog/", "train/docs/a.txt", "train/__MACOSX/._1.jpg",
        "train/__MACOSX/b.jpg",
        "train/.ipynb_checkpoints/1-checkpoint.jpg", "val/cat/3.jpg", "val/cat/.ipynb_checkpoints/3-checkpoint.jpg", ".git/x",
        "other/sub/",
    )  # fmt: skip
    catalog = find(root, Config())
    assert catalog.class_folders == (
        ClassFolder("train/.ipynb_checkpoints", "train", ".ipynb_checkpoints", 1, phantom=True),
        ClassFolder("train/__MACOSX", "train", "__MACOSX", 2, phantom=True),
        ClassFolder("train/cat", "train", "cat", 2),
        ClassFolder("train/docs", "train", "docs", 0),
        ClassFolder("train/dog", "train", "dog", 0),
        ClassFolder("val/cat", "val", "cat", 1),
    )
    assert catalog.paths == ("train/cat/1.jpg", "train/cat/deep/2.jpg", "val/cat/3.jpg")
    assert kinds(catalog)["train/__MACOSX/b.jpg"] == "phantom-folder"
    assert kinds(catalog)["train/__MACOSX/._1.jpg"] == "apple-double"
    assert kinds(catalog)["val/cat/.ipynb_checkpoints/3-checkpoint.jpg"] == "phantom-folder"
    for split in ("train", "val"):  # as keras.utils.image_dataset_from_directory lists them
        keras = sorted(path.name for path in (root / split).iterdir() if path.is_dir() and not path.name.startswith("."))
        assert [f.name for f in catalog.class_folders if f.split == split and not f.name.startswith(".")] == keras


def test_class_folders_without_splits(tmp_path):
    catalog = find(make(tmp_path, "cat/1.jpg", "dog/", ".hid/2.jpg", ".git/3.jpg"), Config())
    assert catalog.class_folders == (
        ClassFolder(".hid", None, ".hid", 1, phantom=True),
        ClassFolder("cat", None, "cat", 1),
        ClassFolder("dog", None, "dog", 0),
    )


def test_odd_names_are_kept(tmp_path):
    catalog = find(make(tmp_path, "c\udce9/\udcff.jpg", "c\udce9/[/red].jpg", "x/a\n::error::.jpg"), Config())
    assert catalog.paths == ("c\udce9/[/red].jpg", "c\udce9/\udcff.jpg", "x/a\n::error::.jpg")
    assert catalog.classes == ("c\udce9", "x")


def test_empty_files_are_samples(tmp_path):
    make(tmp_path, "cat/empty.jpg")
    (tmp_path / "cat/pointer.png").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert len(find(tmp_path, Config())) == 2


# ------------------------------------------------------------------------------------------ refused


def refused(root: Path, config: Config | None = None) -> str:
    with pytest.raises(LayoutError) as caught:
        find(root, config or Config())
    return str(caught.value)


def test_no_dataset(tmp_path):
    assert "cannot be listed" in refused(tmp_path / "absent")
    make(tmp_path, "data.zip")
    assert "is a file, not a folder" in refused(tmp_path / "data.zip")
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be listed" in refused(tmp_path / "loop")


def test_no_images_says_what_was_found_and_what_is_expected(tmp_path):
    assert "nothing at all" in refused(tmp_path)
    make(tmp_path, "x/1.npy", "x/2.npy", "x/3.txt", ".hid/4.jpg", "plain")
    message = refused(tmp_path)
    for part in ("2 × .npy", "1 × .txt", "1 × no ending", "2 × hidden", "DATASET/CLASS/image.jpg", "--manifest"):
        assert part in message


def test_no_images_but_linked_folders_names_the_option(tmp_path):
    make(tmp_path, "out/1.jpg", "data/")
    (tmp_path / "data/cat").symlink_to("../out")
    assert "--follow-links" in refused(tmp_path / "data")
    assert table(find(tmp_path / "data", Config(follow_links=True))) == {"cat/1.jpg": ("cat", None)}


def test_a_flat_folder_of_images(tmp_path):
    assert "2 images lie directly in it" in refused(make(tmp_path, "1.jpg", "2.jpg"))


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["images/train/1.jpg", "images/val/2.jpg", "labels/train/1.txt", "labels/val/2.txt", "data.yaml"], "YOLO"),
        (["train/images/1.jpg", "train/labels/1.txt", "valid/images/2.jpg", "valid/labels/2.txt"], "YOLO"),
        (["JPEGImages/1.jpg", "Annotations/1.xml"], "VOC"),
        (["VOC2012/JPEGImages/1.jpg", "VOC2012/Annotations/1.xml", "VOC2012/ImageSets/Main/train.txt"], "VOC"),
        (["train2017/1.jpg", "annotations/instances_train2017.json"], "COCO"),
        (["train/1.jpg", "train/_annotations.coco.json"], "COCO"),
        (["images/1.jpg", "masks/1.png"], "masks"),
    ],
)
def test_detection_data_is_refused(tmp_path, names, what):
    message = refused(make(tmp_path, *names))
    assert what in message
    assert "not supported" in message


@pytest.mark.parametrize(
    "names",
    [
        ["images/1.jpg", "cats/2.jpg", "labels/readme.txt"],
        ["masks/1.jpg", "labels/2.jpg"],
        ["images/a.jpg", "masks/b.jpg", "masks/c.jpg"],
        ["cat/1.jpg", "cat/1.txt", "cat/1.json"],
        ["cat/1.jpg", "annotations/readme.json", "labels/1.txt"],
    ],
)
def test_what_is_not_unmistakable_is_not_refused(tmp_path, names):
    assert len(find(make(tmp_path, *names), Config())) > 0


def test_splits_one_folder_deeper_are_refused(tmp_path):
    message = refused(make(tmp_path, "archive/train/cat/1.jpg", "archive/val/cat/2.jpg", "readme"))
    assert "DATASET/archive" in message


def test_classes_one_folder_deeper_are_told(tmp_path):
    catalog = find(make(tmp_path, "PetImages/Cat/1.jpg", "PetImages/Dog/2.jpg"), Config())
    assert "'Cat', 'Dog', are the classes" in catalog.labels_from
    assert find(make(tmp_path / "other", "smear/1.jpg"), Config()).labels_from == "folder names"


# --------------------------------------------------------------------------------------- invariants

TOPS = st.sampled_from(["train", "Valid", "test", "cat", "dog", "extra", "é"])
INNER = st.sampled_from(["cat", "dog", "deep", "\udcff"])
NAMES = st.sampled_from(["1.jpg", "2.PNG", "3.txt", "._4.jpg"])


def twin(files: set[str]) -> dict[str, tuple[str | None, str | None]]:
    """Slow and obvious: label and split by path."""
    roles = {"train": "train", "Valid": "val", "test": "test"}
    images = [file.split("/") for file in files if file.lower().endswith((".jpg", ".png")) and "/._" not in f"/{file}"]
    split = all(parts[0] in roles for parts in images if len(parts) > 1)
    found = {}
    for parts in images:
        if len(parts) == 1:
            continue
        if not split:
            found["/".join(parts)] = (parts[0], None)
        else:
            found["/".join(parts)] = (parts[1] if len(parts) > 2 else None, roles[parts[0]])
    return found


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.lists(TOPS, max_size=1), st.lists(INNER, max_size=2), NAMES), max_size=12))
def test_find_equals_its_twin_and_forgets_nothing(chosen):
    files = {"/".join([*top, *(inner if top else []), name]) for top, inner, name in chosen}
    with tempfile.TemporaryDirectory() as folder:
        root = make(Path(folder), *files)
        expected = twin(files)
        if not expected:
            refused(root)
            return
        catalog = find(root, Config())
    assert table(catalog) == expected
    assert list(catalog.paths) == sorted(expected, key=os.fsencode)
    skipped = [entry.path for entry in catalog.skipped]
    assert sorted([*catalog.paths, *skipped]) == sorted(files)
    assert catalog.classes == tuple(sorted({label for label, _ in expected.values() if label is not None}))
    assert (catalog.label_codes.dtype, catalog.split_codes.dtype, catalog.group_codes.dtype) == (np.int32, np.int8, np.int32)
    assert sum(folder.images for folder in catalog.class_folders) == sum(label is not None for label, _ in expected.values())
