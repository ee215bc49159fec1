from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dataaudit.errors import UsageError
from dataaudit.reports.write import write


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "data" / "train").mkdir(parents=True)
    return tmp_path / "data"


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_writes_utf8_and_makes_folders(tmp_path, dataset):
    path = tmp_path / "out" / "deep" / "report.md"
    write("é\n", path, dataset=dataset)
    write("✓\n", path, dataset=dataset)
    assert path.read_bytes() == b"\xe2\x9c\x93\n"
    assert tree(tmp_path / "out") == {"deep", "deep/report.md"}


@pytest.mark.parametrize("inside", ["report.html", "train/report.html", "new/report.html", "train/../report.html", "."])
def test_refuses_the_dataset(tmp_path, dataset, inside):
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="lies in the dataset"):
        write("x", dataset / inside, dataset=dataset)
    assert tree(tmp_path) == before


def test_no_link_leads_in(tmp_path, dataset):
    (tmp_path / "door").symlink_to(dataset, target_is_directory=True)
    (tmp_path / "report.html").symlink_to(dataset / "report.html")
    for path in (tmp_path / "door" / "report.html", tmp_path / "report.html"):
        with pytest.raises(UsageError):
            write("x", path, dataset=dataset)
    with pytest.raises(UsageError):
        write("x", dataset / "report.html", dataset=tmp_path / "door")
    assert tree(dataset) == {"train"}


def test_a_neighbour_with_a_like_name_is_no_part_of_it(tmp_path, dataset):
    write("x", tmp_path / "data-report" / "r.txt", dataset=dataset)
    write("x", dataset / ".." / "r.txt", dataset=dataset)
    assert (tmp_path / "r.txt").read_text() == "x"


def test_a_failure_leaves_no_ruin_and_the_old_report(tmp_path, dataset, monkeypatch):
    path = tmp_path / "report.txt"
    write("old", path, dataset=dataset)
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):

        def replace(_self, _target, error=error):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            with pytest.raises((UsageError, KeyboardInterrupt)):
                write("new", path, dataset=dataset)
        assert path.read_text() == "old"
        assert tree(tmp_path) == {"data", "data/train", "report.txt"}


def test_an_impossible_place_is_a_usage_error(tmp_path, dataset):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write("x", tmp_path / "file" / "report.txt", dataset=dataset)
    with pytest.raises(UsageError, match="is a directory"):
        write("x", tmp_path, dataset=dataset)


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
def test_a_pipe_is_written_to_not_replaced(tmp_path, dataset):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write("x", pipe, dataset=dataset)
        assert os.read(reader, 9) == b"x"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_the_umask_is_honoured(tmp_path, dataset):
    old = os.umask(0o022)
    try:
        write("x", tmp_path / "r.txt", dataset=dataset)
    finally:
        os.umask(old)
    assert (tmp_path / "r.txt").stat().st_mode & 0o777 == 0o644
