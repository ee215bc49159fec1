"""The walk: every entry is told, once, for what it is, and nothing is opened."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.catalog.walk import IMAGE_ENDINGS, is_image_name, walk_tree

SYSTEM = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini"}
REPOSITORIES = {".git", ".hg", ".svn", ".bzr"}
PHANTOMS = {".ipynb_checkpoints", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__pycache__"}


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def kinds(tree) -> dict[str, str]:
    return {entry.path: entry.kind for entry in tree.skipped}


def twin_kind(above: list[str], name: str, *, folder: bool) -> str | None:
    """Slow and obvious: the kind of a skipped entry; empty where it is not even told; None for what is listed."""
    odd = [part for part in above if part.startswith(".") or part in PHANTOMS]
    rules = (
        (REPOSITORIES.intersection(above), ""),
        (folder and name in REPOSITORIES, "hidden"),
        (folder and odd, ""),
        (folder and name in PHANTOMS, "phantom-folder"),
        (not folder and name.lower() in SYSTEM, "system-file"),
        (not folder and name.startswith("._"), "apple-double"),
        (name.startswith("."), "hidden"),
        (odd, "phantom-folder" if odd and odd[0] in PHANTOMS else "hidden"),
    )
    return next((kind for holds, kind in rules if holds), None)


def twin(root: Path) -> tuple[list[str], list[str], dict[str, str]]:
    """Slow and obvious, for trees without links: files, folders, kind by skipped path."""
    listed, skipped = {True: [], False: []}, {}
    for path in root.rglob("*"):
        *above, name = path.relative_to(root).parts
        kind = twin_kind(above, name, folder=path.is_dir())
        if kind is None:
            listed[path.is_dir()].append("/".join([*above, name]))
        elif kind:
            skipped["/".join([*above, name])] = kind
    return sorted(listed[False], key=os.fsencode), sorted(listed[True], key=os.fsencode), skipped


FOLDERS = st.sampled_from(["a", "a.b", "A", "é", "\udcff", " ", "x\ny", ".hid", ".git", ".ipynb_checkpoints", "__MACOSX"])
FILES = st.sampled_from(
    ["1.jpg", "1.JPG", "é.png", "\udcfe.jpg", ".h.jpg", "._1.jpg", "Thumbs.db", ".DS_Store", "note", "[/red].gif"]
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.lists(FOLDERS, max_size=3), FILES), max_size=14), st.lists(st.lists(FOLDERS, min_size=1, max_size=3))
)
def test_walk_equals_its_pathlib_twin(files, folders):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        touch(root, *("/".join([*above, file]) for above, file in files))
        for folder in folders:
            (root / "/".join(folder)).mkdir(parents=True, exist_ok=True)
        for follow_links in (False, True):
            tree = walk_tree(name, follow_links=follow_links)
            assert (list(tree.files), list(tree.folders), kinds(tree)) == twin(root)
            paths = [entry.path for entry in tree.skipped]
            assert paths == sorted(set(paths), key=os.fsencode)
            assert not set(paths).intersection(tree.files)
            assert all(entry.reason for entry in tree.skipped)


def test_order_is_of_raw_bytes_of_the_whole_path(tmp_path):
    touch(tmp_path, "a/z.jpg", "a.b/1.jpg", "a-b/1.jpg", "ä.jpg", "\udcff.jpg", "\U0001f600.jpg", "Z.jpg")
    files = walk_tree(str(tmp_path)).files
    assert [os.fsencode(path) for path in files] == sorted(os.fsencode(path) for path in files)
    assert files == ("Z.jpg", "a-b/1.jpg", "a.b/1.jpg", "a/z.jpg", "ä.jpg", "\U0001f600.jpg", "\udcff.jpg")


def test_what_is_no_regular_file_is_told_and_never_opened(tmp_path, monkeypatch):
    touch(tmp_path, "c/ok.jpg")
    os.mkfifo(tmp_path / "c/pipe.jpg")
    monkeypatch.chdir(tmp_path / "c")  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    (tmp_path / "c/null.jpg").symlink_to("/dev/null")
    (tmp_path / "c/to_pipe.jpg").symlink_to("pipe.jpg")
    tree = walk_tree(str(tmp_path))
    assert tree.files == ("c/ok.jpg",)
    assert set(kinds(tree).values()) == {"irregular"}
    reasons = {entry.path: entry.reason for entry in tree.skipped}
    assert reasons == {
        "c/pipe.jpg": "a named pipe (FIFO), never opened",
        "c/socket.jpg": "a socket, never opened",
        "c/null.jpg": "a link to a character device, never opened",
        "c/to_pipe.jpg": "a link to a named pipe (FIFO), never opened",
    }


def test_broken_links_are_told(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "c/elsewhere.jpg").symlink_to("/no/such/secret/y.jpg")
    (tmp_path / "c/self.jpg").symlink_to("self.jpg")
    tree = walk_tree(str(tmp_path))
    assert kinds(tree) == {"c/gone.jpg": "dangling-link", "c/elsewhere.jpg": "dangling-link", "c/self.jpg": "link-loop"}
    reasons = {entry.path: entry.reason for entry in tree.skipped}
    assert "'nowhere.jpg'" in reasons["c/gone.jpg"]
    assert "'y.jpg'" in reasons["c/elsewhere.jpg"]
    assert "secret" not in reasons["c/elsewhere.jpg"]  # no absolute path reaches a report


def test_file_links_are_followed_and_told_when_they_leave(tmp_path):
    root = tmp_path / "data"
    touch(tmp_path, "data/c/1.jpg", "data/d/2.jpg", "out/3.jpg", "data2/4.jpg")
    links = {
        "inside": "1.jpg",
        "inside_absolute": root / "d/2.jpg",
        "outside": "../../out/3.jpg",
        "sibling_prefix": tmp_path / "data2/4.jpg",
        "twice": "outside.jpg",
        "out_and_back": "../../out/../data/c/1.jpg",
    }
    for name, target in links.items():
        (root / f"c/{name}.jpg").symlink_to(target)
    tree = walk_tree(str(root))
    assert len(tree.files) == 2 + len(links)
    assert tree.skipped == ()
    assert tree.outside_links == ("c/outside.jpg", "c/sibling_prefix.jpg", "c/twice.jpg")
    slow = tuple(path for path in tree.files if not (root / path).resolve().is_relative_to(root.resolve()))
    assert tree.outside_links == slow


def test_the_root_may_be_a_link(tmp_path):
    touch(tmp_path, "real/c/1.jpg", "real/d/2.jpg")
    (tmp_path / "real/c/link.jpg").symlink_to("../d/2.jpg")
    (tmp_path / "link").symlink_to("real")
    assert walk_tree(str(tmp_path / "link")) == walk_tree(str(tmp_path / "real"))
    assert walk_tree(str(tmp_path / "link")).outside_links == ()


def test_linked_folders_only_when_asked(tmp_path):
    root = tmp_path / "data"
    touch(tmp_path, "data/z/1.jpg", "out/deep/2.jpg")
    (root / "a").symlink_to("z")
    (root / "b").symlink_to("../out")
    tree = walk_tree(str(root))
    assert tree.files == ("z/1.jpg",)
    assert kinds(tree) == {"a": "directory-link", "b": "directory-link"}
    followed = walk_tree(str(root), follow_links=True)
    assert followed.files == ("b/deep/2.jpg", "z/1.jpg")  # a real folder never loses its files to a link
    assert kinds(followed) == {"a": "directory-link"}
    assert followed.folders == ("b", "b/deep", "z")


def test_loops_end_and_each_real_folder_is_walked_once(tmp_path):
    root = tmp_path / "up/data"
    touch(tmp_path, "up/data/c/1.jpg", "out/2.jpg", "up/beside/3.jpg")
    (root / "c/self").symlink_to(".")
    (root / "c/parent").symlink_to("..")
    (root / "c/above").symlink_to(tmp_path)
    (root / "ping").symlink_to(tmp_path / "out")
    (root / "pong").symlink_to(tmp_path / "out")
    (tmp_path / "out/back").symlink_to(root / "c")
    (tmp_path / "out/again").symlink_to(tmp_path / "out")
    tree = walk_tree(str(root), follow_links=True)
    assert tree.files == ("c/1.jpg", "ping/2.jpg")
    assert kinds(tree) == {
        "c/self": "link-loop",
        "c/parent": "link-loop",
        "c/above": "link-loop",
        "pong": "directory-link",
        "ping/again": "link-loop",
        "ping/back": "directory-link",
    }
    assert kinds(walk_tree(str(root)))["c/parent"] == "link-loop"


class _Reversed:
    def __init__(self, entries):
        with entries:
            self.entries = list(entries)[::-1]

    def __enter__(self):
        return iter(self.entries)

    def __exit__(self, *_):
        return None


def test_the_file_systems_order_does_not_matter(tmp_path, monkeypatch):
    root = tmp_path / "data"
    touch(tmp_path, "data/c/1.jpg", "data/c/._1.jpg", "data/d/.x/2.jpg", "out/deep/2.jpg", "out/b/2.jpg")
    for name in ("l1", "l2", "l3"):
        (root / name).symlink_to("../out")
    (tmp_path / "out/b/up").symlink_to("../deep")
    before = walk_tree(str(root), follow_links=True)
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: _Reversed(scandir(path)))
    assert walk_tree(str(root), follow_links=True) == before
    assert before.files == ("c/1.jpg", "l1/b/2.jpg", "l1/deep/2.jpg")


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    touch(tmp_path, "c/1.jpg", "locked/2.jpg", "broken/3.jpg")
    scandir = os.scandir

    def refusing(path):  # the tests may run as root, whom no mode keeps out
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        if Path(path).name == "broken":
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    tree = walk_tree(str(tmp_path))
    assert tree.files == ("c/1.jpg",)
    assert kinds(tree) == {"locked": "no-permission", "broken": "irregular"}
    assert "Permission denied" in {entry.path: entry.reason for entry in tree.skipped}["locked"]


def test_a_phantom_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    touch(tmp_path, "c/1.jpg", ".hid/2.jpg", ".hid/deep/3.jpg")
    scandir = os.scandir

    def refusing(path):
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert kinds(walk_tree(str(tmp_path))) == {".hid": "hidden", ".hid/2.jpg": "hidden", ".hid/deep": "no-permission"}


def test_a_link_that_may_not_be_followed(tmp_path, monkeypatch):
    touch(tmp_path, "c/1.jpg", "d/2.jpg")
    (tmp_path / "c/barred.jpg").symlink_to("1.jpg")
    stat = os.stat

    def refusing(path, **options):
        if os.fspath(path).endswith("barred.jpg"):
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refusing)
    tree = walk_tree(str(tmp_path))
    assert kinds(tree) == {"c/barred.jpg": "no-permission"}
    assert tree.files == ("c/1.jpg", "d/2.jpg")


def test_a_folder_that_vanishes_while_links_are_followed(tmp_path, monkeypatch):
    touch(tmp_path, "c/1.jpg", "gone/2.jpg")
    stat = os.stat

    def vanishing(path, **options):
        if os.fspath(path).endswith("gone"):
            raise FileNotFoundError(2, "No such file or directory")
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", vanishing)
    assert kinds(walk_tree(str(tmp_path), follow_links=True)) == {"gone": "irregular"}


@pytest.mark.skipif(os.geteuid() == 0, reason="no mode keeps root out")
def test_a_folder_without_permission(tmp_path):
    touch(tmp_path, "c/1.jpg", "locked/2.jpg")
    (tmp_path / "locked").chmod(0)
    try:
        assert kinds(walk_tree(str(tmp_path))) == {"locked": "no-permission"}
    finally:
        (tmp_path / "locked").chmod(0o700)


def test_hidden_images_say_what_keras_does_with_them(tmp_path):
    touch(tmp_path, "c/._1.jpg", "c/.2.png", "c/._3.webp")
    reasons = {entry.path: entry.reason for entry in walk_tree(str(tmp_path)).skipped}
    assert "Keras's folder loader would load it" in reasons["c/._1.jpg"]
    assert "Keras's folder loader would load it" in reasons["c/.2.png"]
    assert "Keras" not in reasons["c/._3.webp"]


def test_hidden_links_and_repositories_stay_closed(tmp_path):
    touch(tmp_path, "out/1.jpg", "data/c/1.jpg", "data/.git/objects/2.jpg", "data/.hid/.git/3.jpg", "data/.hid/4.jpg")
    root = tmp_path / "data"
    (root / ".cache").symlink_to("../out")
    (root / ".hid/link").symlink_to("../../out")
    (root / ".gone.jpg").symlink_to("nowhere")
    tree = walk_tree(str(root), follow_links=True)
    assert tree.files == ("c/1.jpg",)
    assert tree.phantoms == (".hid",)
    assert set(kinds(tree)) == {".git", ".cache", ".gone.jpg", ".hid", ".hid/.git", ".hid/4.jpg", ".hid/link"}
    assert set(kinds(tree).values()) == {"hidden"}


def test_image_names():
    assert all(is_image_name(f"a/b{ending}") and is_image_name(f"B{ending.upper()}") for ending in IMAGE_ENDINGS)
    assert not any(is_image_name(name) for name in ("jpg", "a.jpg/b", "a.jpg.txt", "a.npy", "a.jpg ", ""))


def test_a_path_too_long_to_open_is_told(tmp_path):
    name = "d" * 200
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):  # longer than a path may be: entered one by one
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    tree = walk_tree(str(tmp_path))
    (entry,) = tree.skipped
    assert (entry.kind, entry.path) == ("irregular", tree.folders[-1])
    assert "too long" in entry.reason


def test_a_deep_tree_does_not_exhaust_the_stack(tmp_path):
    touch(tmp_path, "d/" * 450 + "1.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        assert len(walk_tree(str(tmp_path)).files) == 1
    finally:
        sys.setrecursionlimit(limit)
