"""Manifests and Hugging Face metadata: what is read, what is refused, what is told."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.catalog import find, tables
from dataaudit.config import Config
from dataaudit.errors import LayoutError, ManifestError, UsageError

IMAGES = ("a/1.jpg", "a/2.jpg", "b/3.jpg")


@pytest.fixture
def data(tmp_path):
    return make(tmp_path / "data", *IMAGES)


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def read(root: Path, text: str | bytes, name: str = "m.csv", **options):
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return find(root, Config(manifest=name, **options))


def refused(root: Path, text: str | bytes, kind: type[Exception] = ManifestError, name: str = "m.csv", **options) -> str:
    with pytest.raises(kind) as caught:
        read(root, text, name, **options)
    assert type(caught.value) is kind
    return str(caught.value)


def table(catalog) -> dict[str, tuple[str | None, ...]]:
    return {sample.path: (sample.label, sample.split, sample.group) for sample in catalog}


def told(catalog) -> dict[str, tuple[str, str]]:
    return {entry.path: (entry.kind, entry.reason) for entry in catalog.skipped}


# ---------------------------------------------------------------------------------------- manifests


def test_a_manifest_decides_alone(data):
    catalog = read(data, "path,label,split,group\na/1.jpg,cat,train,g1\nb/3.jpg,dog,Validation,\n")
    assert table(catalog) == {"a/1.jpg": ("cat", "train", "g1"), "b/3.jpg": ("dog", "val", None)}
    assert catalog.layout == "manifest"
    assert catalog.labels_from == "column 'label' of m.csv"
    assert told(catalog) == {
        "a/2.jpg": ("not-in-manifest", "m.csv does not list it")
    }  # the manifest itself was read, not skipped
    assert catalog.class_folders == ()


@pytest.mark.parametrize(
    "text",
    [
        b'\xef\xbb\xbfpath,label\r\na/1.jpg,"x, ""y"""\r\n\r\na/2.jpg,z\r\n',
        b'label, path\n"x, ""y""", a/1.jpg\nz,./a//2.jpg',
        b'path,label,note\na/1.jpg,"x, ""y""","two\nlines"\na/2.jpg,z,\n',
    ],
)  # fmt: skip
def test_a_csv_however_it_was_saved(data, text):
    assert table(read(data, text)) == {"a/1.jpg": ('x, "y"', None, None), "a/2.jpg": ("z", None, None)}


def test_json_lines(data):
    lines = [
        {"path": "a/1.jpg", "label": 3, "split": None},
        {"label": 3.0, "path": "a/2.jpg"},
        {"path": "b/3.jpg", "label": None, "group": True},
    ]
    catalog = read(data, "\n\n".join(map(json.dumps, lines)), "m.jsonl")
    assert table(catalog) == {"a/1.jpg": ("3", None, None), "a/2.jpg": ("3", None, None), "b/3.jpg": (None, None, "true")}


def test_names_that_are_not_utf8_match(tmp_path):
    root = make(tmp_path, "c\udce9/\udcff.jpg")
    assert table(read(root, b"path,label\nc\xe9/\xff.jpg,x\n")) == {"c\udce9/\udcff.jpg": ("x", None, None)}
    assert "column 'label' is not UTF-8" in refused(root, b"path,label\nc\xe9/\xff.jpg,caf\xe9\n")


def test_paths_written_on_windows_match(data):
    assert set(table(read(data, "path,label\na\\1.jpg,x\n.\\b\\3.jpg,x\n"))) == {"a/1.jpg", "b/3.jpg"}
    make(data, "a/back\\slash.jpg")
    assert set(table(read(data, "path,label\na/back\\slash.jpg,x\n"))) == {"a/back\\slash.jpg"}


def test_our_plans_manifest_reads_back(data):
    catalog = read(
        data,
        "path,label,split,fold,group,sha256,previous_split,reason\n"
        f"a/1.jpg,cat,train,0,u1,{'00ff' * 16},,\n"
        f"a/2.jpg,cat,,,u1,{'00ff' * 16},train,exact copy of a/1.jpg\n"
        f"b/3.jpg,,test,,,{'00fe' * 16},val,moved with its group\n",
    )
    assert table(catalog) == {"a/1.jpg": ("cat", "train", "u1"), "b/3.jpg": (None, "test", None)}
    assert told(catalog) == {"a/2.jpg": ("left-out", "left out by m.csv: exact copy of a/1.jpg")}


def test_a_reason_without_splits_leaves_nothing_out(data):
    assert len(read(data, "path,label,reason\na/1.jpg,cat,blurred\n")) == 1


def test_listed_files_that_are_no_samples_are_told(tmp_path):
    root = make(tmp_path / "data", "a/1.jpg", "a/x.npy", "a/.h.jpg", ".cache/2.jpg", ".git/x.jpg")
    make(tmp_path / "out", "9.jpg")
    (root / "linked").symlink_to("../out")
    catalog = read(
        root,
        "path,label\na/1.jpg,x\na/x.npy,x\na/.h.jpg,x\n.cache/2.jpg,x\n.git/x.jpg,x\nlinked/9.jpg,x\ngone.jpg,x\na,x\n",
    )
    assert set(table(catalog)) == {"a/1.jpg"}
    facts = told(catalog)
    assert {path: kind for path, (kind, _) in facts.items()} == {
        "a": "missing",
        "a/x.npy": "not-an-image",
        "a/.h.jpg": "hidden",
        ".cache": "hidden",
        ".cache/2.jpg": "hidden",
        ".git": "hidden",
        ".git/x.jpg": "hidden",
        "linked": "directory-link",
        "linked/9.jpg": "directory-link",
        "gone.jpg": "missing",
    }
    assert "listed by m.csv, line 8" in facts["gone.jpg"][1]
    assert "--follow-links" in facts["linked/9.jpg"][1]
    assert len(find(root, Config(manifest="m.csv", follow_links=True))) == 2


def test_a_file_listed_twice_is_refused_with_both_lines(data):
    assert "line 4: 'a/1.jpg' is listed already by line 2" in refused(data, "path,label\na/1.jpg,x\na/2.jpg,x\n./a/1.jpg,x\n")
    message = refused(data, "path,label\na/1.jpg,x\na/1.jpg,y\n", LayoutError)
    assert "line 3" in message
    assert "line 2 says 'x'" in message
    assert "Multi-label" in message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("path,class\na/1.jpg,x\n", "no column 'label'. Found: path, class"),
        ("file;label\na/1.jpg;x\n", "no column 'path'. Found: file;label"),
        ("path,label,label\na/1.jpg,x,y\n", "more than one column 'label'"),
        ("", "holds no rows"),
        ("path,label\n", "holds no rows"),
        ("path,label\n/a/1.jpg,x\n", "line 2: '/a/1.jpg' is an absolute path"),
        ("path,label\nC:\\a\\1.jpg,x\n", "absolute path"),
        ("path,label\n\\\\server\\1.jpg,x\n", "absolute path"),
        ("path,label\na/1.jpg,x\n../data/a/2.jpg,x\n", "line 3: '../data/a/2.jpg' leads out of the dataset"),
        ("path,label\n..\\a\\1.jpg,x\n", "leads out"),
        ("path,label\n..,x\n", "leads out"),
        ("path,label\n,x\n", "line 2: the path is empty"),
        ("path,label\na/1.jpg,x,y\n", "line 2: has 3 cells, the header 2"),
        ("path,label,split\na/1.jpg,x\n", "line 2: has 2 cells, the header 3"),
        ('path,label\na/1.jpg,"x\n', "is not CSV"),
        ("path,label,split\na/1.jpg,x,train\na/2.jpg,x,foo\n", "line 3: the split 'foo' is unknown"),
        ("path,label\nnope/1.jpg,x\nnope/2.jpg,x\n", "none of the 2 files it lists"),
        (b"\xff\xfep\x00a\x00t\x00h\x00", "UTF-16"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(data, text, part):
    message = refused(data, text)
    assert part in message
    assert message.startswith("m.csv")


@pytest.mark.parametrize(
    ("text", "part", "kind"),
    [
        ('{"path": "a/1.jpg", "label": "x"}\n{"path"', "line 2: is not JSON", ManifestError),
        ('[{"path": "a/1.jpg", "label": "x"}]', "line 1: holds no JSON object", ManifestError),
        ('{"path": "a/1.jpg", "class": "x"}\n', "no column 'label'. Found: path, class", ManifestError),
        ('{"path": ["a/1.jpg"], "label": "x"}\n', "the path is empty or not text", ManifestError),
        ('{"path": "a/1.jpg", "label": "x", "split": ["train"]}\n', "column 'split' holds [\"train\"]", ManifestError),
        ('{"path": "a/1.jpg", "label": ["x", "y"]}\n', "line 1: the label of 'a/1.jpg' is a list", LayoutError),
        ("[" * 100_000, "line 1: is not JSON", ManifestError),
    ],
)  # fmt: skip
def test_what_is_wrong_with_json_lines_is_named(data, text, part, kind):
    assert part in refused(data, text, kind, "m.jsonl")


def test_roles_apply_to_the_split_column(data):
    text = "path,label,split\na/1.jpg,x,foo\n"
    assert table(read(data, text, roles={"foo": "test"})) == {"a/1.jpg": ("x", "test", None)}
    refused(data, text, UsageError, roles={"foo": "test", "bar": "val"})


def test_where_a_manifest_is_looked_for(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match="no such manifest"):
        find(data, Config(manifest="m.csv"))
    (tmp_path / "m.csv").write_text("path,label\na/1.jpg,x\n")
    for name in ("m.csv", str(tmp_path / "m.csv")):
        assert len(find(data, Config(manifest=name))) == 1
    (data / "m.csv").write_text("path,label\na/1.jpg,x\na/2.jpg,x\n")
    with pytest.raises(UsageError, match="absolute path"):
        find(data, Config(manifest="m.csv"))
    assert len(find(data, Config(manifest=str(data / "m.csv")))) == 2


def test_everything_left_out_is_an_error(data):
    message = refused(data, "path,label,split,reason\na/1.jpg,x,,copy\n", LayoutError)
    assert "leaves none of them in" in message


def test_a_manifest_makes_odd_layouts_readable(tmp_path):
    root = make(tmp_path, "1.jpg", "images/2.jpg", "labels/2.txt")
    assert len(read(root, "path,label\n1.jpg,x\nimages/2.jpg,y\n")) == 2


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(CELLS, st.sampled_from(["", "train", "VAL", "hold-out"]), CELLS), min_size=1, max_size=6), st.booleans()
)
def test_csv_and_json_lines_read_back_what_was_written(cells, as_json):
    import csv  # noqa: PLC0415 - the writer is this test's oracle only

    with tempfile.TemporaryDirectory() as folder:
        root = make(Path(folder), *(f"c/{i}.jpg" for i in range(len(cells))))
        rows = [
            {"path": f"c/{i}.jpg", "label": label, "split": split, "group": group}
            for i, (label, split, group) in enumerate(cells)
        ]
        name = "m.jsonl" if as_json else "m.csv"
        with (root / name).open("w", encoding="utf-8", newline="") as stream:
            if as_json:
                stream.writelines(json.dumps(row) + "\n" for row in rows)
            else:
                writer = csv.DictWriter(stream, rows[0])
                writer.writeheader()
                writer.writerows(rows)
        catalog = find(root, Config(manifest=name))
    roles = {"": None, "train": "train", "VAL": "val", "hold-out": "test"}
    assert table(catalog) == {
        row["path"]: (row["label"].strip() or None, roles[row["split"]], row["group"].strip() or None) for row in rows
    }


# ----------------------------------------------------------------------------------------- metadata


def test_metadata_at_the_top_of_a_flat_folder(tmp_path):
    root = make(tmp_path, "1.jpg", "2.jpg", "deep/3.jpg", "4.jpg")
    (root / "metadata.csv").write_text("file_name,label,split\n1.jpg,0,train\ndeep/3.jpg,1,test\n4.jpg,1,\n5.jpg,1,\n")
    catalog = find(root, Config())
    assert catalog.layout == "metadata"
    assert catalog.labels_from == "column 'label' of metadata.csv"
    assert table(catalog) == {"1.jpg": ("0", "train", None), "4.jpg": ("1", None, None), "deep/3.jpg": ("1", "test", None)}
    assert {path: kind for path, (kind, _) in told(catalog).items()} == {"2.jpg": "not-in-manifest", "5.jpg": "missing"}


def test_metadata_in_split_folders(tmp_path):
    root = make(tmp_path, "train/1.jpg", "train/2.jpg", "test/3.jpg", "validation/x/4.jpg")
    (root / "train/metadata.jsonl").write_text('{"file_name": "1.jpg", "label": "cat"}\n{"file_name": "2.jpg", "label": null}\n')
    (root / "validation/metadata.csv").write_text("file_name,label\nx/4.jpg,cat\n")
    catalog = find(root, Config())
    assert table(catalog) == {
        "test/3.jpg": (None, "test", None),
        "train/1.jpg": ("cat", "train", None),
        "train/2.jpg": (None, "train", None),
        "validation/x/4.jpg": ("cat", "val", None),
    }
    assert catalog.labels_from == "column 'label' of metadata.csv and metadata.jsonl, elsewhere folder names"
    assert catalog.skipped == ()
    assert dict(catalog.split_folders) == {"test": "test", "train": "train", "validation": "val"}


def test_metadata_without_labels_gives_groups_only(tmp_path):
    root = make(tmp_path, "cat/1.jpg", "dog/2.jpg", "dog/3.jpg")
    (root / "metadata.csv").write_text("file_name,patient,group\ncat/1.jpg,p,g\ndog/2.jpg,p,\ndog/9.jpg,p,g\n")
    catalog = find(root, Config(group_by="column:patient"))
    assert table(catalog) == {"cat/1.jpg": ("cat", None, "p"), "dog/2.jpg": ("dog", None, "p"), "dog/3.jpg": ("dog", None, None)}
    assert catalog.layout == "class/file"
    assert catalog.labels_from == "folder names (metadata.csv has no column 'label')"
    assert told(catalog)["dog/9.jpg"][0] == "missing"
    assert [sample.group for sample in find(root, Config())] == ["g", None, None]


def test_a_table_of_that_name_which_is_none_is_told(tmp_path):
    root = make(tmp_path, "cat/1.jpg", "cat/metadata.csv")
    (root / "metadata.csv").write_text("isic_id,diagnosis\n1,x\n")
    catalog = find(root, Config())
    assert catalog.layout == "class/file"
    assert set(told(catalog)) == {"metadata.csv", "cat/metadata.csv"}
    assert "file_name" in told(catalog)["metadata.csv"][1]


def test_metadata_that_contradicts_itself_is_refused(tmp_path):
    root = make(tmp_path, "train/1.jpg", "val/2.jpg")
    (root / "metadata.csv").write_text("file_name,label\ntrain/1.jpg,x\n")
    (root / "train/metadata.csv").write_text("file_name,label\n1.jpg,x\n")
    with pytest.raises(
        ManifestError, match=r"train/metadata.csv, line 2: 'train/1.jpg' is listed already by metadata.csv, line 2"
    ):
        find(root, Config())
    (root / "metadata.csv").rename(root / "train/metadata.jsonl")
    (root / "train/metadata.jsonl").write_text('{"file_name": "1.jpg"}')
    with pytest.raises(ManifestError, match="lies beside it"):
        find(root, Config())


def test_detection_metadata_is_refused(tmp_path):
    root = make(tmp_path, "train/1.jpg")
    (root / "train/metadata.jsonl").write_text('{"file_name": "1.jpg", "objects": {"bbox": []}}\n')
    with pytest.raises(LayoutError, match="detection"):
        find(root, Config())


def test_a_manifest_beats_metadata(data):
    (data / "metadata.csv").write_text("file_name,label\na/1.jpg,from_metadata\n")
    catalog = read(data, "path,label\na/1.jpg,from_manifest\n")
    assert catalog.classes == ("from_manifest",)
    assert told(catalog)["metadata.csv"][0] == "not-an-image"


# ------------------------------------------------------------------------------------------- tables


def test_lines_are_those_of_an_editor(tmp_path):
    (tmp_path / "t.csv").write_text('path,note\n\na,"1\n2"\nb,3\n')
    assert list(tables.rows(tmp_path / "t.csv", "t", ("path",), ("note", "absent"))) == [
        (3, ["a", "1\n2", ""]),
        (5, ["b", "3", ""]),
    ]
    assert tables.columns(tmp_path / "t.csv", "t") == ("path", "note")


def test_a_table_that_cannot_be_read_is_named(tmp_path):
    for name in ("absent.csv", "."):
        with pytest.raises(ManifestError, match="no such file"):
            tables.columns(tmp_path / name, name)


@given(st.lists(st.sampled_from(["a", "b.jpg", ".", "", "..."]), min_size=1, max_size=5))
def test_normalised_paths_have_one_form(parts):
    path = "/".join(["x", *parts])
    once = tables.normalised(path, "t")
    assert once == "/".join(Path(path).parts)
    assert tables.normalised(once, "t") == once
