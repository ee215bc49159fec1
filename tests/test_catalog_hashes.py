"""Committed digests: what differs, what is missing and what is not listed is told, and nothing else."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from dataaudit import pipeline
from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.errors import ManifestError
from dataaudit.fixers.plan_folder import write
from dataaudit.scanners import judge
from pictures import photo, save


@pytest.fixture
def root(tmp_path):
    for number in range(6):
        save(photo(number, (48, 36)), tmp_path / "data" / f"{'ab'[number % 2]}/{number}.png")
    (tmp_path / "data/note.txt").write_text("a note")
    return tmp_path / "data"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def found(root, **options):
    measured = pipeline.measure(root, Config(jobs=1, **options))
    findings = judge(measured, Config(select=("INT123", "INT124")))[0]
    return {(finding.rule.code, finding.message.partition(":")[0]) for finding in findings}


def listing(root, name="hashes.csv"):
    lines = [f"{path.relative_to(root).as_posix()},{digest(path)}" for path in sorted(root.rglob("*.png"))]
    (root.parent / name).write_text("\n".join(["path,sha256", *lines]) + "\n")
    return root.parent / name


def test_an_unchanged_dataset_is_silent(root):
    assert found(root, manifest_hashes=str(listing(root))) == set()


def test_changed_missing_and_unlisted_files_are_told(root):
    hashes = listing(root)
    save(photo(99, (48, 36)), root / "a/0.png")
    save(photo(98, (48, 36)), root / "a/new.png")
    (root / "b/1.png").unlink()
    assert found(root, manifest_hashes=str(hashes)) == {("INT123", "a/0.png"), ("INT123", "b/1.png"), ("INT124", "a/new.png")}


def test_the_output_of_sha256sum_is_read(root):
    names = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file()]
    lines = [f"{digest(root / name)}  ./{name}" for name in names]
    (root.parent / "sums.txt").write_text("\n".join(lines) + "\n")
    assert found(root, manifest_hashes=str(root.parent / "sums.txt")) == set(), "the note is listed, and no sample"
    real = subprocess.run(["sha256sum", *names], cwd=root, capture_output=True, text=True, check=False)
    if real.returncode == 0:
        assert [line.split(maxsplit=1)[0] for line in real.stdout.splitlines()] == [line.split()[0] for line in lines]


def test_the_plans_own_manifest_is_compared(root, tmp_path):
    write(pipeline.correct(pipeline.measure(root, Config(jobs=1)), Config(ratios=(0.5, 0.5, 0.0))), tmp_path / "plan")
    manifest = str(tmp_path / "plan/manifest.csv")
    assert found(root, manifest=manifest) == set()
    save(photo(97, (48, 36)), root / "a/2.png")
    assert found(root, manifest=manifest) == {("INT123", "a/2.png")}


def test_a_list_in_the_dataset_is_read_and_not_told_as_something_else(root):
    hashes = listing(root).rename(root / "hashes.csv")
    assert "hashes.csv" not in {entry.path for entry in find(root, Config(manifest_hashes="hashes.csv")).skipped}
    assert "hashes.csv" in {entry.path for entry in find(root, Config()).skipped}
    assert found(root, manifest_hashes=str(hashes)) == set()


def test_a_digest_of_a_manifest_that_is_none_is_refused(root):
    (root.parent / "m.csv").write_text("path,label,sha256\na/0.png,a,abc\n")
    with pytest.raises(ManifestError, match="no SHA-256"):
        find(root, Config(manifest=str(root.parent / "m.csv")))


def test_without_digests_the_rules_did_not_run(root):
    measured = pipeline.measure(root, Config(jobs=1))
    assert {"INT123", "INT124"} <= {each.rule.code for each in judge(measured, Config())[2]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path,sha256\na/0.png,abc\n", "no SHA-256"),
        ("path,label\na/0.png,x\n", "sha256"),
        (f"path,sha256\na/0.png,{'0' * 64}\na/0.png,{'1' * 64}\n", "two different"),
        (f"path,sha256\nelsewhere/0.png,{'0' * 64}\n", "none of its 1 files"),
        (f"{'0' * 64}  a/0.png\nrubbish\n", "line 2"),
    ],
)
def test_a_bad_list_is_refused(root, text, told):
    (root.parent / "bad.csv").write_text(text)
    with pytest.raises(ManifestError, match=told):
        find(root, Config(manifest_hashes=str(root.parent / "bad.csv")))
