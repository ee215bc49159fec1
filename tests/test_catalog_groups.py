"""Declared groups: by pattern, by column, by another table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataaudit.catalog import find
from dataaudit.catalog.declared_groups import ByColumn, ByFile, parse_group_by
from dataaudit.config import Config
from dataaudit.errors import ManifestError, UsageError

NAMES = ("cat/p1_a.jpg", "cat/p2_b.jpg", "dog/p1_c.jpg", "dog/other.jpg")


@pytest.fixture
def data(tmp_path):
    for name in NAMES:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    return tmp_path / "data"


def groups(data: Path, group_by: str | None, **options) -> list[str | None]:
    """Return the group of each of ``NAMES``, in that order."""
    by_path = {sample.path: sample.group for sample in find(data, Config(group_by=group_by, **options))}
    return [by_path[name] for name in NAMES]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"p\d", ["p1", "p2", "p1", None]),
        (r"p(\d)", ["1", "2", "1", None]),
        (r"(?P<x>p)(?P<group>\d)", ["1", "2", "1", None]),
        (r"/p(\d)?_?", ["1", "2", "1", None]),
        (r"p(1)?", ["1", None, "1", None]),
        (r"^[^/]+", ["cat", "cat", "dog", "dog"]),
        (r"x*", None),
        (r"P\d", None),
        (r"(?i)P\d", ["p1", "p2", "p1", None]),
    ],
)
def test_by_pattern(data, pattern, expected):
    if expected is None:
        with pytest.raises(UsageError, match="matches none of the 4 paths"):
            groups(data, f"regex:{pattern}")
    else:
        assert groups(data, f"regex:{pattern}") == expected


def test_keys_are_global_and_sorted(data):
    catalog = find(data, Config(group_by=r"regex:p\d"))
    assert catalog.groups == ("p1", "p2")
    assert catalog.paths == ("cat/p1_a.jpg", "cat/p2_b.jpg", "dog/other.jpg", "dog/p1_c.jpg")
    np.testing.assert_array_equal(catalog.group_codes, [0, 1, -1, 0])


def test_by_column_of_the_manifest(data):
    (data / "m.csv").write_text("path,label,group,who\n" + "".join(f"{name},x,g{i},w\n" for i, name in enumerate(NAMES)))
    assert groups(data, None, manifest="m.csv") == ["g0", "g1", "g2", "g3"]
    assert groups(data, "column:who", manifest="m.csv") == ["w"] * 4
    assert groups(data, "column:label", manifest="m.csv") == ["x"] * 4
    assert groups(data, r"regex:p\d", manifest="m.csv") == ["p1", "p2", "p1", None]
    with pytest.raises(ManifestError, match=r"no column 'patient'. Found: path, label, group, who"):
        groups(data, "column:patient", manifest="m.csv")
    with pytest.raises(UsageError, match="no manifest or metadata"):
        groups(data, "column:who")


def test_by_another_table_relative_to_the_working_directory(data, tmp_path, monkeypatch):
    (tmp_path / "who.csv").write_text("who,path\nann,cat/p1_a.jpg\nbob,dog\\p1_c.jpg\n,cat/p2_b.jpg\nann,not/there.jpg\n")
    monkeypatch.chdir(tmp_path)
    assert groups(data, "file:who.csv:who") == ["ann", None, "bob", None]
    assert groups(data, f"file:{tmp_path}/who.csv:who") == ["ann", None, "bob", None]
    (tmp_path / "who.jsonl").write_text('{"path": "cat/p1_a.jpg", "who": 7}\n')
    assert groups(data, "file:who.jsonl:who") == ["7", None, None, None]


def test_a_table_in_the_dataset_was_read_and_is_not_skipped(data):
    (data / "who.csv").write_text("path,who\ncat/p1_a.jpg,ann\n")
    assert find(data, Config(group_by=f"file:{data}/who.csv:who")).skipped == ()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("path,other\ncat/p1_a.jpg,ann\n", "no column 'who'. Found: path, other"),
        ("who\nann\n", "no column 'path'"),
        ("path,who\nx/1.jpg,ann\nx/2.jpg,bob\n", "none of its 2 paths is an image of the dataset; the first is 'x/1.jpg'"),
        ("path,who\ncat/p1_a.jpg,ann\ncat/p1_a.jpg,bob\n", "line 3: 'cat/p1_a.jpg' has the group 'bob', but line 2 says 'ann'"),
        ("path,who\ncat/p1_a.jpg,\ncat/p1_a.jpg,bob\n", "has the group 'bob', but line 2 says None"),
        ("path,who\n/cat/p1_a.jpg,ann\n", "absolute path"),
    ],
)
def test_what_is_wrong_with_the_table_is_named(data, tmp_path, text, part):
    (tmp_path / "who.csv").write_text(text)
    with pytest.raises(ManifestError) as caught:
        groups(data, f"file:{tmp_path}/who.csv:who")
    assert part in str(caught.value)
    assert "who.csv" in str(caught.value)


def test_the_same_row_twice_is_no_contradiction(data, tmp_path):
    (tmp_path / "who.csv").write_text("path,who\ncat/p1_a.jpg,ann\n./cat/p1_a.jpg,ann\n")
    assert groups(data, f"file:{tmp_path}/who.csv:who")[0] == "ann"


def test_absent_table(data, tmp_path):
    with pytest.raises(ManifestError, match="no such file"):
        groups(data, f"file:{tmp_path}/absent.csv:who")


@pytest.mark.parametrize(
    "text", ["regex:(", "regex:", "column:", "file:x.csv", "file:x.csv:", "file::x", "patient", "", "sender:regex:x"]
)
def test_what_is_no_group_by_is_refused_before_the_walk(text):
    with pytest.raises(UsageError, match="--group-by"):
        find(Path("/no/such/folder"), Config(group_by=text))


def test_the_colon_of_a_windows_drive_is_no_separator():
    assert parse_group_by(r"file:C:\data\who.csv:sender") == ByFile(Path(r"C:\data\who.csv"), "sender")
    assert parse_group_by("column:a:b") == ByColumn("a:b")
    assert parse_group_by(None) is None
