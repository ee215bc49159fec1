"""The command line: what is printed, what is written, how it exits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from dataaudit import __version__
from dataaudit.cli import main
from dataaudit.scanners import RULES
from pictures import photo, save


def run(*arguments: object, cwd=None):
    if cwd is None:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])
    here = os.getcwd()  # noqa: PTH109 - to come back to
    os.chdir(cwd)
    try:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])
    finally:
        os.chdir(here)


@pytest.fixture
def leaky(tmp_path):
    """Two splits, two classes, one copy across; unequal class folders are avoided."""
    root = tmp_path / "data"
    for number in range(8):
        for split in ("train", "val"):
            save(photo(number + 100 * (split == "val")), root / split / "ab"[number % 2] / f"{number}.png")
    save(photo(2), root / "val/a/copy.jpg", quality=92)
    return root


class TestScan:
    def test_the_first_line_is_the_verdict_and_the_exit_code_says_error(self, leaky):
        result = run("scan", leaky)
        assert result.exit_code == 1
        first = result.stdout.splitlines()[0]
        assert first.startswith("VALIDATION NOT TRUSTWORTHY: 1 of 9 images")
        assert "honest n is 8" in first

    @pytest.mark.parametrize(("fail_on", "code"), [("error", 1), ("warning", 1), ("info", 1), ("never", 0)])
    def test_fail_on(self, leaky, fail_on, code):
        assert run("scan", leaky, "--fail-on", fail_on).exit_code == code

    def test_a_clean_dataset_exits_with_0_even_if_warnings_count(self, clean):
        assert run("scan", clean, "--fail-on", "warning").exit_code == 0

    def test_output_writes_both_reports_and_nothing_into_the_dataset(self, leaky, tmp_path):
        before = sorted(leaky.rglob("*"))
        run("scan", leaky, "--output", tmp_path / "out", "--report", f"markdown:{tmp_path / 'more/report.md'}")
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]
        assert (tmp_path / "more/report.md").read_text(encoding="utf-8")
        assert sorted(leaky.rglob("*")) == before

    def test_json_on_stdout_is_the_report_and_nothing_else(self, leaky, tmp_path):
        result = run("scan", leaky, "--format", "json", "--output", tmp_path / "out")
        assert json.loads(result.stdout) == json.loads((tmp_path / "out/report.json").read_text(encoding="ascii"))

    def test_select_and_ignore(self, leaky):
        def codes(*options):
            report = json.loads(run("scan", leaky, "--format", "json", *options).stdout)
            return {finding["code"] for finding in report["findings"]}

        assert codes("--select", "LEK") == {"LEK202"}
        assert codes("--select", "lek") == {"LEK202"}
        assert "LEK202" not in codes("--ignore", "lek202")

    def test_a_required_rule_that_could_not_run_exits_with_3(self, leaky):
        assert run("scan", leaky, "--require", "LEK205").exit_code == 3
        assert run("scan", leaky, "--require", "lek205").exit_code == 3
        assert run("scan", leaky, "--require", "LEK201").exit_code == 1

    def test_a_rule_that_fails_exits_with_3_and_the_others_still_run(self, leaky, monkeypatch):
        from dataaudit import scanners  # noqa: PLC0415

        def broken(_measurements, _config):
            message = "planted"
            raise RuntimeError(message)
            yield

        first, *others = scanners.SCANNERS
        monkeypatch.setattr(scanners, "SCANNERS", (scanners.Scanner(first.name, first.rules, broken), *others))
        result = run("scan", leaky, "--format", "json")
        assert result.exit_code == 3
        report = json.loads(result.stdout)
        assert "LEK202" in {finding["code"] for finding in report["findings"]}
        failed = [entry for entry in report["rules_not_run"] if entry["code"].startswith("INT")]
        assert failed
        assert all(entry["reason"].startswith("failed") and "planted" in entry["reason"] for entry in failed)

    def test_val_accuracy_adds_its_interval(self, leaky):
        assert "accuracy of 62 %" in run("scan", leaky, "--val-accuracy", "0.62").stdout
        assert "accuracy of 62 %" not in run("scan", leaky).stdout

    def test_quiet_prints_nothing_on_stderr(self, leaky):
        assert run("scan", leaky, "--quiet").stderr == ""


class TestErrors:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["scan", "nowhere"],
            ["scan", "."],
            ["scan", ".", "--role", "x"],
            ["scan", ".", "--role", "x=y"],
            ["scan", ".", "--jobs", "0"],
            ["scan", ".", "--select", "NOPE"],
            ["scan", ".", "--require", "LEK999"],
            ["scan", ".", "--report", "pdf:x"],
            ["scan", ".", "--config", "missing.toml"],
            ["scan", ".", "--nonsense"],
            ["split", ".", "--ratios", "1,2"],
            ["explain", "NOPE1"],
            ["apply", "nowhere", "--to", "new"],
            ["check", "nowhere.jpg"],
        ],
        ids=" ".join,
    )
    def test_bad_usage_exits_with_2_and_one_message(self, tmp_path, arguments):
        result = run(*arguments, cwd=tmp_path)
        assert result.exit_code == 2, result.output
        assert result.stderr.strip()
        assert "Traceback" not in result.output
        assert list(tmp_path.iterdir()) == []

    def test_no_images_names_the_layouts_expected(self, tmp_path):
        (tmp_path / "notes.txt").write_text("nothing here")
        result = run("scan", tmp_path)
        assert result.exit_code == 2
        assert "train|val|test" in result.stderr or "split/class/file" in result.stderr.lower()

    @pytest.mark.parametrize("command", ["scan", "audit", "split"])
    def test_output_inside_the_dataset_is_refused_before_anything_is_read(self, leaky, command):
        result = run(command, leaky, "--output", leaky / "out")
        assert result.exit_code == 2
        assert not (leaky / "out").exists()

    def test_config_is_read_from_the_working_directory_and_unknown_options_are_named(self, leaky, tmp_path):
        (tmp_path / "pyproject.toml").write_text('[tool.dataaudit]\nignore = ["LEK"]\n')
        assert "LEK202" not in run("scan", leaky, "--format", "json", cwd=tmp_path).stdout.split('"rules_not_run"')[0]
        (tmp_path / "dataaudit.toml").write_text("nonsense = 1\n")
        result = run("scan", leaky, cwd=tmp_path)
        assert result.exit_code == 2
        assert "nonsense" in result.stderr

    def test_config_of_the_audited_dataset_is_never_read(self, leaky):
        (leaky / "dataaudit.toml").write_text("nonsense = 1\n")
        assert run("scan", leaky).exit_code == 1


class TestAuditAndSplit:
    def test_audit_does_it_all_and_exits_with_0(self, leaky, tmp_path):
        result = run("audit", leaky, "--output", tmp_path / "out")
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[0].startswith("VALIDATION NOT TRUSTWORTHY")
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "augmentation.json",
            "class_weights.json",
            "manifest.csv",
            "pipeline.py",
            "plan.json",
            "report.html",
            "report.json",
        ]
        assert run("apply", tmp_path / "out", "--to", tmp_path / "new").exit_code == 0
        assert run("scan", tmp_path / "new", "--select", "LEK").exit_code == 0

    def test_where_no_plan_can_be_made_the_report_says_why(self, tmp_path):
        (tmp_path / "data/train/a").mkdir(parents=True)
        (tmp_path / "data/train/a/1.jpg").write_bytes(b"no picture")
        result = run("audit", tmp_path / "data", "--output", tmp_path / "out")
        assert result.exit_code == 2
        assert "INT101" in result.stdout
        assert "can be placed" in result.stderr
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]

    @pytest.mark.parametrize("command", ["audit", "split"])
    def test_files_of_no_plan_are_refused_before_the_work(self, leaky, tmp_path, monkeypatch, command):
        monkeypatch.setattr("dataaudit.pipeline.measure", lambda *_: pytest.fail("the dataset was measured"))
        (tmp_path / "out").mkdir()
        (tmp_path / "out/pipeline.py").write_text("my own")
        result = run(command, leaky, "--output", tmp_path / "out")
        assert result.exit_code == 2
        assert "pipeline.py" in result.stderr
        assert (tmp_path / "out/pipeline.py").read_text() == "my own"

    def test_split_tells_what_it_would_do_and_writes_only_when_asked(self, leaky, tmp_path):
        before = sorted(tmp_path.rglob("*"))
        result = run("split", leaky)
        assert result.exit_code == 0
        assert result.stdout.startswith("SPLIT PLANNED (repair, seed 0)")
        assert sorted(tmp_path.rglob("*")) == before

    def test_names_that_no_terminal_can_show_do_not_stop_it(self, leaky):
        os.rename(os.fsencode(leaky / "val/a/copy.jpg"), os.fsencode(leaky / "val/a") + b"/\xff[red]\n.jpg")  # noqa: PTH104 - bytes
        done = subprocess.run(
            [sys.executable, "-m", "dataaudit", "scan", leaky],
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert b"Traceback" not in done.stderr
        assert b"LEK202" in done.stdout


class TestRules:
    def test_every_rule_is_explained_and_listed(self):
        listed = run("rules").stdout
        for rule in RULES:
            assert rule.code in listed
            told = run("explain", rule.code.lower()).stdout
            assert told.startswith(rule.code)
            assert "What to do" in told
            assert run("explain", rule.name).stdout == told


def modules_after(*arguments: str) -> set[str]:
    """Run a command in a fresh interpreter and return the modules that it imported."""
    code = (
        "import sys, json\nfrom dataaudit.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_imports_nothing_heavy():
    assert not modules_after("--help") & {"scipy", "sklearn", "tensorflow", "keras", "numpy", "PIL", "rich", "pydantic"}
    assert not modules_after("scan", "--help") & {"scipy", "sklearn", "tensorflow", "keras", "numpy", "PIL"}


def test_scan_and_check_never_import_tensorflow_nor_the_check_scikit_learn(leaky):
    assert not modules_after("scan", str(leaky)) & {"tensorflow", "keras"}
    assert not modules_after("check", str(leaky)) & {"tensorflow", "keras", "sklearn", "scipy"}


def test_version():
    assert __version__ in run("--version").stdout


def test_the_console_script_is_installed():
    script = shutil.which("dataaudit", path=os.path.dirname(sys.executable))  # noqa: PTH120
    if script is None:
        pytest.skip("run from a checkout that is not installed")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert __version__ in done.stdout
