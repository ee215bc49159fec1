"""The plan folder: written whole, stable, readable back whatever the names; and the tree that apply makes of it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.config import Config
from dataaudit.domain import NONE, ROLES
from dataaudit.errors import PlanError
from dataaudit.fixers import make_plan
from dataaudit.fixers.apply import apply
from dataaudit.fixers.plan_folder import COLUMNS, FILES, read, write
from measurements import make
from pictures import photo, save

NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."}
)


def words(data: bytes) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(data).digest(), ">u8").astype(np.uint64)


def measured(root: Path, rows, **more):
    """Measurements of real files: rows of (path, label, split[, group]) below root."""
    digests = {row[0]: words((root / row[0]).read_bytes()) for row in rows}
    return make(rows, catalog={"root": root}, sha256=digests, **more)


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "data"
    rows = []
    for split, count in {"train": 6, "val": 3, "test": 3}.items():
        for label in ("bee", "ant"):
            for number in range(count):
                path = f"{split}/{label}/{number}.png"
                save(photo(hash_of(path), (24, 16)), root / path)
                rows.append((path, label, split, "g1" if number == 0 and split == "train" else None))
    return root, rows


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# ---------------------------------------------------------------------------------------------- write


def test_the_folder_holds_the_plan(dataset, tmp_path):
    root, rows = dataset
    plan = make_plan(measured(root, rows), Config(remake=True, folds=3))
    write(plan, tmp_path / "plan")
    assert sorted(path.name for path in (tmp_path / "plan").iterdir()) == sorted(FILES)
    with (tmp_path / "plan" / "manifest.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    assert [line["path"] for line in lines] == sorted(row[0] for row in rows)
    for line, code, fold in zip(lines, plan.split.split_codes, plan.split.fold_codes, strict=True):
        assert line["split"] == ROLES[code]
        assert line["fold"] == ("" if fold == NONE else str(fold))
        assert line["sha256"] == hashlib.sha256((root / line["path"]).read_bytes()).hexdigest()
        assert line["previous_split"] == line["path"].split("/")[0]
        assert (line["group"] == "g1") == (line["path"].startswith("train") and line["path"].endswith("/0.png"))
        assert bool(line["reason"]) == (line["split"] != line["previous_split"])
    summary = json.loads((tmp_path / "plan" / "plan.json").read_text())
    assert summary["root"] == "../data"
    assert summary["mode"] == "remake"
    assert summary["counts"]["before"]["train"] == {"samples": 12, "per_class": {"ant": 6, "bee": 6}}
    assert sum(part["samples"] for part in summary["counts"]["after"].values()) == 24
    assert [move["path"] for move in summary["moves"]] == [
        line["path"] for line in lines if line["split"] != line["previous_split"]
    ]
    weights = json.loads((tmp_path / "plan" / "class_weights.json").read_text())
    assert weights["class_names"] == ["ant", "bee"]
    assert list(weights["class_weight"]) == ["0", "1"]


def test_same_plan_same_bytes(dataset, tmp_path):
    root, rows = dataset
    for name, order in (("one", rows), ("two", rows[::-1])):
        write(make_plan(measured(root, order), Config(ratios=(0.5, 0.25, 0.25), seed=4)), tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    write(make_plan(measured(root, rows), Config(ratios=(0.5, 0.25, 0.25), seed=5)), tmp_path / "three")
    assert contents(tmp_path / "one")["manifest.csv"] != contents(tmp_path / "three")["manifest.csv"]


@settings(max_examples=40, deadline=None)
@given(st.lists(NAME, min_size=1, max_size=8, unique=True), NAME, NAME)
def test_any_utf8_name_survives_the_round_trip(tmp_path_factory, names, label, group):
    folder = tmp_path_factory.mktemp("names")
    rows = [(f"{label}/{name}", label, None, group) for name in names]
    write(make_plan(make(rows), Config()), folder / "plan")
    saved = read(folder / "plan")
    assert {row.path for row in saved.rows} == {row[0] for row in rows}
    assert {row.label for row in saved.rows} == {label}
    assert {row.group for row in saved.rows} == {group}
    compile((folder / "plan" / "pipeline.py").read_text(encoding="utf-8"), "pipeline.py", "exec")


def test_copies_outside_declared_groups_get_a_group_of_their_contents(tmp_path):
    rows = [(f"a/{name}.jpg", "a", None) for name in "xyz"]
    write(make_plan(make(rows, [("a/x.jpg", "a/y.jpg", "near")]), Config()), tmp_path / "plan")
    x, y, z = read(tmp_path / "plan").rows
    assert x.group == y.group
    assert x.group.startswith("copies-")
    assert z.group == ""


def test_names_that_are_not_utf8_are_said_to_be_missing_from_the_manifest(tmp_path):
    rows = [("train/a/\udcff.jpg", "a", "train"), ("train/a/b.jpg", "a", "train")]
    write(make_plan(make(rows), Config()), tmp_path / "plan")
    assert [row.path for row in read(tmp_path / "plan").rows] == ["train/a/b.jpg"]
    summary = json.loads((tmp_path / "plan" / "plan.json").read_bytes().decode("ascii"))
    assert [move["path"] for move in summary["moves"]] == ["train/a/\udcff.jpg"]
    assert any("not UTF-8" in sentence for sentence in summary["impossible"])


def test_a_folder_inside_the_dataset_is_refused(dataset, tmp_path):
    root, rows = dataset
    plan = make_plan(measured(root, rows), Config())
    (tmp_path / "link").symlink_to(root)
    for place in (root, root / "plan", tmp_path / "link" / "plan"):
        with pytest.raises(PlanError, match="inside the dataset"):
            write(plan, place)


def test_own_files_are_replaced_and_others_stay_but_foreign_ones_are_never_lost(dataset, tmp_path):
    root, rows = dataset
    plan = make_plan(measured(root, rows), Config())
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "report.html").write_text("report")
    write(plan, tmp_path / "plan")
    write(plan, tmp_path / "plan")
    assert (tmp_path / "plan" / "report.html").read_text() == "report"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pipeline.py").write_text("my own")
    with pytest.raises(PlanError, match="no plan wrote"):
        write(plan, tmp_path / "mine")
    assert contents(tmp_path / "mine") == {"pipeline.py": b"my own"}


def test_a_failed_write_leaves_the_old_plan_whole(dataset, tmp_path, monkeypatch):
    root, rows = dataset
    write(make_plan(measured(root, rows), Config()), tmp_path / "plan")
    before = contents(tmp_path / "plan")
    original = Path.write_bytes

    def full(self, data):
        if "pipeline" in self.name:
            raise OSError(28, "No space left on device")
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PlanError, match="No space left"):
        write(make_plan(measured(root, rows), Config(remake=True)), tmp_path / "plan")
    assert contents(tmp_path / "plan") == before


@pytest.mark.parametrize("damage", ["missing", "json", "columns", "split", "version"])
def test_a_damaged_plan_is_refused(dataset, tmp_path, damage):
    root, rows = dataset
    write(make_plan(measured(root, rows), Config()), tmp_path / "plan")
    manifest, summary = tmp_path / "plan" / "manifest.csv", tmp_path / "plan" / "plan.json"
    if damage == "missing":
        manifest.unlink()
    elif damage == "json":
        summary.write_text("{")
    elif damage == "version":
        summary.write_text('{"format_version": 99, "root": "."}')
    elif damage == "columns":
        manifest.write_text("path,label\n")
    else:
        manifest.write_text(manifest.read_text().replace(",train,", ",trian,", 1))
    with pytest.raises(PlanError, match="plan"):
        read(tmp_path / "plan")


# ---------------------------------------------------------------------------------------------- apply


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
def test_apply_builds_the_planned_tree_and_leaves_the_source_alone(dataset, tmp_path, mode):
    root, rows = dataset
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(root.rglob("*.png"))}
    plan = make_plan(measured(root, rows), Config(ratios=(0.6, 0.2, 0.2)))
    write(plan, tmp_path / "plan")
    done = []
    assert apply(tmp_path / "plan", tmp_path / "new", mode, progress=lambda *counts: done.append(counts)) == 24
    assert done == [(count, 24) for count in range(1, 25)]
    found = contents(tmp_path / "new")
    assert len(found) == 24
    for row in read(tmp_path / "plan").rows:
        same = [path for path, data in found.items() if hashlib.sha256(data).hexdigest() == row.sha256]
        assert len(same) == 1
        assert same[0].startswith(f"{row.split}/{row.label}/")
    one = next(path for path in (tmp_path / "new").rglob("*.png"))
    assert one.is_symlink() == (mode == "symlink")
    assert (os.stat(one).st_nlink == 2) == (mode == "hardlink")  # noqa: PTH116 - follows links on purpose
    if mode == "symlink":
        assert not os.path.isabs(os.readlink(one))  # noqa: PTH117, PTH115 - the text of the link
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(root.rglob("*.png"))} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "new", "plan"]


def test_colliding_names_and_unlabelled_pictures_find_their_place(tmp_path):
    root = tmp_path / "data"
    names = ["a/1/x.png", "a/2/x.png", "a/3/X.png", "a/y.png", "b/z.png"]
    rows = [(f"train/{name}", name[0], "train") for name in names] + [
        ("val/a/v.png", "a", "val"),
        ("val/b/v.png", "b", "val"),
        ("test/x.png", None, "test"),
        ("test/deep/x.png", None, "test"),
    ]
    for number, row in enumerate(rows):
        save(photo(number, (16, 16)), root / row[0])
    write(make_plan(measured(root, rows), Config()), tmp_path / "plan")
    for target in ("one", "two"):
        apply(tmp_path / "plan", tmp_path / target, "copy")
    found = contents(tmp_path / "one")
    assert found == contents(tmp_path / "two")
    assert len(found) == 9
    assert found["train/a/x.png"] == (root / "train/a/1/x.png").read_bytes()
    assert len({path.lower() for path in found}) == 9
    assert sum(path.startswith("test/") for path in found) == 2


def test_a_class_that_a_split_lacks_gets_an_empty_folder(tmp_path):
    root = tmp_path / "data"
    rows = [(f"train/{name}/{i}.png", name, "train") for name in "ab" for i in range(1 + 4 * (name == "b"))] + [
        ("val/b/9.png", "b", "val")
    ]
    for number, row in enumerate(rows):
        save(photo(number, (16, 16)), root / row[0])
    write(make_plan(measured(root, rows), Config()), tmp_path / "plan")
    apply(tmp_path / "plan", tmp_path / "new", "copy")
    assert sorted(path.name for path in (tmp_path / "new" / "val").iterdir()) == ["a", "b"]


def test_a_changed_or_missing_file_is_named_and_nothing_is_left(dataset, tmp_path):
    root, rows = dataset
    write(make_plan(measured(root, rows), Config()), tmp_path / "plan")
    (root / "val/bee/1.png").write_bytes(b"changed")
    with pytest.raises(PlanError, match=r"val/bee/1\.png: has changed"):
        apply(tmp_path / "plan", tmp_path / "new", "copy")
    (root / "val/bee/1.png").unlink()
    with pytest.raises(PlanError, match=r"val/bee/1\.png: is missing"):
        apply(tmp_path / "plan", tmp_path / "new", "symlink")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "plan"]


def test_a_target_that_is_not_free_is_refused(dataset, tmp_path):
    root, rows = dataset
    write(make_plan(measured(root, rows), Config()), tmp_path / "plan")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    with pytest.raises(PlanError, match="not an empty folder"):
        apply(tmp_path / "plan", tmp_path / "full", "copy")
    with pytest.raises(PlanError, match="inside the dataset"):
        apply(tmp_path / "plan", root / "new", "copy")
    (tmp_path / "empty").mkdir()
    apply(tmp_path / "plan", tmp_path / "empty", "copy")
    assert len(contents(tmp_path / "empty")) == 24


def test_a_moved_dataset_is_found_by_source(dataset, tmp_path):
    root, rows = dataset
    write(make_plan(measured(root, rows), Config()), tmp_path / "plan")
    root.rename(tmp_path / "moved")
    with pytest.raises(PlanError, match="--source"):
        apply(tmp_path / "plan", tmp_path / "new", "copy")
    apply(tmp_path / "plan", tmp_path / "new", "copy", source=tmp_path / "moved")
    assert len(contents(tmp_path / "new")) == 24


@pytest.mark.parametrize("path", ["../outside.png", "/etc/hostname", "train/../../outside.png"])
def test_a_path_that_leads_out_of_the_dataset_is_refused(dataset, tmp_path, path):
    root, rows = dataset
    write(make_plan(measured(root, rows), Config()), tmp_path / "plan")
    manifest = tmp_path / "plan" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("train/ant/1.png", path))
    with pytest.raises(PlanError, match="leads out of the dataset"):
        apply(tmp_path / "plan", tmp_path / "new", "copy")


@pytest.mark.parametrize("name", ["..", ".", "a/b", ".hidden", "a\\b"])
def test_a_class_name_that_is_no_folder_name_is_refused(tmp_path, name):
    root = tmp_path / "data"
    rows = [(f"{number}.png", name, "train") for number in range(3)]
    for number, row in enumerate(rows):
        save(photo(number, (16, 16)), root / row[0])
    write(make_plan(measured(root, rows), Config()), tmp_path / "plan")
    with pytest.raises(PlanError, match="cannot be a folder's name"):
        apply(tmp_path / "plan", tmp_path / "new", "copy")


def test_the_catalog_finds_the_planned_splits(dataset, tmp_path):
    catalog = pytest.importorskip("dataaudit.catalog")
    root, rows = dataset
    plan = make_plan(measured(root, rows), Config(ratios=(0.6, 0.2, 0.2)))
    write(plan, tmp_path / "plan")
    apply(tmp_path / "plan", tmp_path / "new", "copy")
    found = catalog.find(tmp_path / "new", Config())
    assert found.classes == plan.split.catalog.classes
    assert np.bincount(found.split_codes).tolist() == np.bincount(plan.split.split_codes).tolist()
