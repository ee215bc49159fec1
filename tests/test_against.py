"""The index: the same bytes however it is made; new files are checked against it without its pictures."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import ImageOps

from dataaudit import Config, pipeline
from dataaudit.against import check_against, make_index
from dataaudit.errors import UsageError
from dataaudit.features.signature import Signature
from pictures import photo, save

CONFIG = Config(jobs=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    data = tmp_path_factory.mktemp("indexed") / "data"
    for seed in range(16):
        save(photo(seed, (200, 150)), data / ("train" if seed % 4 else "test") / "ab"[seed // 8] / f"{seed:02}.png")
    (data / "train/a/\udcff é.png").write_bytes((data / "train/a/01.png").read_bytes() + b"\0")
    return data


@pytest.fixture(scope="module")
def index(root, tmp_path_factory):
    output = tmp_path_factory.mktemp("index") / "data.idx"
    make_index([root], output, CONFIG)
    return output


def test_it_is_the_same_bytes_with_any_number_of_jobs_with_or_without_cache(root, index, tmp_path):
    for name, change in (("two", {"jobs": 2, "paranoid": True}), ("none", {"cache": False})):
        make_index([root], tmp_path / name, CONFIG.model_copy(update=change))
        assert (tmp_path / name).read_bytes() == index.read_bytes()


def test_it_is_small_and_comes_back_as_it_was(root, index):
    measured = pipeline.measure(root, CONFIG, only=())
    made, found = Signature.of(measured.catalog, measured.features), Signature.read(index)
    assert (found.paths, found.classes, found.groups) == (made.paths, made.classes, made.groups)
    assert all(np.array_equal(found.columns[name], made.columns[name]) for name in made.columns)
    cosine = (found.descriptors(np.arange(17)).astype(float) * measured.features.descriptor.astype(float)).sum(1)
    assert cosine.min() > 0.995
    assert index.stat().st_size < 17 * 260 + 400


def test_parts_merge_in_any_order_to_the_index_of_the_whole(root, index, tmp_path):
    whole = Signature.read(index)
    rng = np.random.default_rng(0)
    for _ in range(5):
        part = rng.integers(0, 3, len(whole))
        parts = [_only(whole, np.flatnonzero((part == number) | (rng.random(len(whole)) < 0.2))) for number in range(3)]
        for order in ((0, 1, 2), (2, 0, 1)):
            merged = Signature.merged([parts[number] for number in order], "abc")
            assert merged.to_bytes() == index.read_bytes()
    make_index([index, index], tmp_path / "twice.idx", CONFIG)
    assert (tmp_path / "twice.idx").read_bytes() == index.read_bytes()


def _only(whole, rows):
    """Return some rows of a signature, with the classes in another order."""
    columns = {name: column[rows] for name, column in whole.columns.items()}
    columns["label_codes"] = (1 - columns["label_codes"]).astype(np.int32)
    return Signature(tuple(whole.paths[row] for row in rows), tuple(reversed(whole.classes)), whole.groups, columns)


def test_one_path_for_two_files_is_refused(root, index, tmp_path):
    other = shutil.copytree(root, tmp_path / "other")
    save(photo(99), other / "train/a/01.png")
    with pytest.raises(UsageError, match="is another file"):
        make_index([index, other], tmp_path / "out.idx", CONFIG)
    with pytest.raises(UsageError, match="lies in the dataset"):
        make_index([root], root / "data.idx", CONFIG)


def test_a_damaged_index_is_refused_and_says_what_to_do(index, tmp_path):
    data = index.read_bytes()
    for name, broken in (("cut", data[:-1]), ("bit", data[:400] + bytes([data[400] ^ 1]) + data[401:]), ("other", b"no index")):
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(UsageError, match="index"):
            Signature.read(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        Signature.read(tmp_path / "nothing")


@pytest.fixture
def new(tmp_path):
    folder = tmp_path / "new"
    save(photo(1, (200, 150)), folder / "test/a/same.png")  # a file of train
    save(photo(2, (200, 150)), folder / "test/a/recoded.jpg", quality=60)
    save(photo(3, (200, 150)).transpose(0), folder / "test/b/mirror.jpg", quality=85)
    save(photo(50, (200, 150)), folder / "test/a/fresh.png")
    (folder / "test/a/broken.png").write_bytes(b"no picture")
    return folder


def test_new_files_are_told_as_far_as_it_can_be_proved(new, index):
    outcome = check_against([new], None, index, CONFIG)
    found = {
        (finding.rule.code, report.measurements.catalog.paths[row])
        for report in outcome.reports
        for finding in report.findings
        for row in finding.samples
    }
    assert ("LEK201", "test/a/same.png") in found
    assert ("LEK204", "test/a/recoded.jpg") in found
    assert ("LEK204", "test/b/mirror.jpg") in found
    assert ("INT101", "test/a/broken.png") in found
    assert not any(path == "test/a/fresh.png" for _, path in found)
    assert not any(finding.rule.code in {"LEK202", "LEK203"} for report in outcome.reports for finding in report.findings)
    assert any("5 images checked against the 17 of" in note for note in outcome.notes)


def test_what_the_index_holds_already_is_no_copy_of_itself(root, index):
    outcome = check_against([root / "train/a/02.png", root / "test/a/04.png"], root, index, CONFIG)
    assert outcome.lines == ()


def test_a_new_file_may_copy_another_new_file(new, index, root):
    save(photo(60), new / "train/a/one.png")
    save(photo(60), new / "test/a/other.jpg", quality=80)
    lines = check_against([new], None, index, CONFIG).lines
    assert any("LEK202" in line and "other.jpg" in line for line in lines), "both pictures are here, so it is proved"


def test_a_padded_picture_is_looked_for_by_what_lies_within_its_border(tmp_path, index):
    """At a score that the whole of it does not reach."""
    save(ImageOps.expand(photo(9, (200, 150)), (0, 60), "white"), tmp_path / "test/a/padded.png")
    notes = " ".join(check_against([tmp_path], None, index, CONFIG.merged(descriptor_score=0.6)).notes)
    assert "train/b/09.png" in notes
    assert "padded.png" in notes


def test_from_the_command_line_it_blocks_and_loads_nothing_heavy(new, index):
    script = (
        "import sys; sys.argv = ['dataaudit', 'check', '--index', sys.argv[1], sys.argv[2]]\n"
        "from dataaudit.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code)\n"
        "print([name for name in ('scipy', 'sklearn', 'tensorflow', 'cv2', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(index), str(new)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-2:] == ["1", "[]"], done.stderr
    assert f"{new}/test/a/same.png: LEK201 error" in done.stdout
