"""The pre-commit check, on real git repositories."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dataaudit import Config, pipeline
from dataaudit.check import FAMILIES
from dataaudit.check import check as check_files
from dataaudit.domain import ComparisonEvidence, TableEvidence
from pictures import photo, save

PROJECT = Path(__file__).parents[1]
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")


def git(where: Path, *arguments: str) -> str:
    environment = {**os.environ, **GIT}
    return subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=where, env=environment, capture_output=True, text=True, check=True
    ).stdout


def check(where: Path, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "dataaudit", "check", *map(str, arguments)]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False, env={**os.environ, **GIT})


@pytest.fixture
def repository(tmp_path):
    """A repository with a clean, committed dataset in ``data/``."""
    root = tmp_path / "repository"
    for number in range(12):
        split = "train" if number < 8 else "val"
        save(photo(number), root / "data" / split / "ab"[number % 2] / f"{number}.png")
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "data")
    return root


def stage(repository: Path, path: str, picture) -> None:
    if isinstance(picture, bytes):
        (repository / path).write_bytes(picture)
    else:
        save(picture, repository / path)
    git(repository, "add", path)


def test_nothing_staged_is_nothing_to_check(repository):
    done = check(repository)
    assert done.returncode == 0
    assert "no image to check" in done.stderr


def test_a_new_picture_passes(repository):
    stage(repository, "data/val/a/new.png", photo(50))
    done = check(repository)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("path", "picture", "code"),
    [
        ("data/val/a/copy.jpg", photo(2), "LEK202"),
        ("data/val/a/mirror.png", photo(2).transpose(0), "LEK203"),
        ("data/train/b/other-label.png", photo(2), "LBL401"),
        ("data/val/b/broken.jpg", b"not a picture", "INT101"),
    ],
)
def test_a_fault_blocks_the_commit_and_names_the_file(repository, path, picture, code):
    stage(repository, path, picture)
    done = check(repository)
    assert done.returncode == 1
    assert code in done.stdout
    assert f"{path}: {code}" in done.stdout, "the line begins with the file that is checked, whatever comes first by name"


def test_a_name_with_control_characters_stays_on_one_line(repository):
    stage(repository, "data/val/a/x\n\x1b[31mred.jpg", photo(2))
    done = check(repository)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_faults_of_files_that_are_not_staged_do_not_block(repository):
    stage(repository, "data/val/a/copy.jpg", photo(2))
    git(repository, "commit", "--quiet", "--message", "a leak, committed by someone else")
    stage(repository, "data/val/a/new.png", photo(51))
    assert check(repository).returncode == 0


def test_a_picture_outside_every_dataset_is_not_checked_and_said_so(repository):
    stage(repository, "docs/screenshot.png", photo(2))
    done = check(repository)
    assert done.returncode == 0
    assert "docs/screenshot.png" in done.stderr
    assert "--dataset" in done.stderr
    named = check(repository, "--dataset", "data")
    assert named.returncode == 0
    assert "outside of data" in named.stderr


def test_a_dataset_that_is_not_there_is_no_pass(repository):
    stage(repository, "data/val/a/copy.jpg", photo(2))
    assert check(repository, "--dataset", "dta").returncode == 2


def test_a_flat_dataset_is_named(repository, tmp_path):
    flat = tmp_path / "flat"
    for number in range(4):
        save(photo(number), flat / "ab"[number % 2] / f"{number}.png")
    save(photo(0), flat / "b/wrong.png")
    assert "LBL401" in check(tmp_path, "--dataset", flat, flat / "b/wrong.png").stdout
    assert "LBL401" in check(tmp_path, flat).stdout
    assert check(tmp_path, "--dataset", flat, flat / "b/1.png").returncode == 0


def test_a_file_that_differs_from_what_is_staged_is_told(repository):
    stage(repository, "data/val/a/new.png", photo(50))
    save(photo(52), repository / "data/val/a/new.png")
    assert "differs from what is staged" in check(repository).stderr
    (repository / "data/val/a/new.png").unlink()
    assert "is not in the working tree: not checked" in check(repository).stderr


def test_outside_a_repository_it_says_what_to_do(tmp_path):
    done = check(tmp_path)
    assert done.returncode == 2
    assert "repository" in done.stderr


def test_as_a_pre_commit_hook_it_blocks_a_leak_and_lets_a_new_picture_pass(repository):
    """``pre-commit try-repo`` installs this project into an environment of its own: takes a minute."""

    def try_repository() -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "pre_commit", "try-repo", str(PROJECT), "dataaudit", "--verbose"]
        return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, env=environment)

    environment = {**os.environ, "PRE_COMMIT_HOME": str(repository.parent / "cache")}
    stage(repository, "data/val/a/new.png", photo(50))
    done = try_repository()
    assert done.returncode == 0, done.stdout + done.stderr
    stage(repository, "data/val/a/leak.jpg", photo(2))
    done = try_repository()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "LEK202" in done.stdout


def test_it_says_what_scan_says_of_these_files(faulty):
    """Of every file that has a finding, and some that have none: the same findings, pair for pair."""
    config = Config(jobs=2)
    whole = pipeline.scan(faulty, config)
    paths = whole.measurements.catalog.paths
    wanted = {code for code in {finding.rule.code for finding in whole.findings} if code.startswith(FAMILIES)}
    for start in range(0, 40, 8):
        members = {paths[row] for row in range(start * len(paths) // 40, len(paths), 23)}
        (found,) = check_files([faulty / path for path in members], faulty, config).reports
        expected = [
            finding
            for finding in whole.findings
            if finding.rule.code in wanted
            and (
                any(paths[row] in members for row in finding.samples)
                or (not finding.samples and finding.rule.severity == "error")
            )
            and not isinstance(finding.evidence, TableEvidence | ComparisonEvidence)
        ]
        assert [(f.rule.code, f.message, f.samples) for f in found.findings] == [
            (f.rule.code, f.message, f.samples) for f in expected
        ]


def test_from_deep_inside_a_split_the_dataset_is_found(repository, tmp_path):
    stage(repository, "data/val/a/copy.jpg", photo(2))
    done = check(repository / "data/val/a", "copy.jpg")
    assert (done.returncode, "LEK202" in done.stdout) == (1, True)
    plain = tmp_path / "plain"
    shutil.copytree(repository / "data", plain / "data")
    assert check(plain / "data/val/a", "copy.jpg").returncode == 1, "without a repository, too"


def test_a_path_by_way_of_another_folder_is_the_same_file(repository):
    stage(repository, "data/val/a/copy.jpg", photo(2))
    for where, arguments in (
        (repository, ["data/train/../val/a/copy.jpg"]),
        (repository / "data/val", ["--dataset", "..", "a/copy.jpg"]),
    ):
        done = check(where, *arguments)
        assert (done.returncode, "LEK202" in done.stdout) == (1, True), done.stderr


def test_what_is_no_sample_of_the_dataset_is_not_said_to_be_checked(repository):
    stage(repository, "data/val/a/.hidden.jpg", photo(2))
    done = check(repository, "data/val/a/.hidden.jpg")
    assert "0 images checked" in done.stderr
    assert "1 image not checked, for no sample of" in done.stderr
    assert ".hidden.jpg" in done.stderr


def test_it_imports_nothing_heavy_and_loads_no_opencv_where_nothing_looks_alike(repository):
    (repository / "dataaudit.toml").write_text("neighbours = 0", encoding="utf-8")
    check(repository, "--dataset", "data", "data/val/a/8.png")
    script = (
        "import sys; sys.argv = ['dataaudit', 'check', '--dataset', 'data', 'data/val/a/8.png']\n"
        "from dataaudit.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code)\n"
        "print([name for name in ('scipy', 'sklearn', 'tensorflow', 'cv2', 'onnxruntime', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["0", "[]"], done.stderr
    assert "1 image checked against the 12 of data; none looks enough like another picture to be compared" in done.stderr
