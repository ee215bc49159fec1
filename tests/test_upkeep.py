"""The cache looked after; warm audits ask no pair again and say the same."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataaudit import Config, pipeline, upkeep
from dataaudit.dedup.memory import Memory
from dataaudit.features.store import FILE
from dataaudit.reports import html
from dataaudit.reports.json import render
from pictures import photo, save


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    for seed in range(10):
        save(photo(seed), root / ("train" if seed % 2 else "val") / "ab"[seed // 5] / f"{seed}.png")
    save(photo(3), root / "val/a/copy.jpg", quality=70)
    save(photo(5).transpose(0), root / "val/b/mirror.png")
    (root / os.fsdecode(b"val/b/\xff.jpg")).write_bytes(b"\xff\xd8 no picture")
    time.sleep(2.05)
    return root


@pytest.fixture
def config(tmp_path):
    return Config(jobs=1, cache_dir=str(tmp_path / "cache"))


def test_cold_warm_and_uncached_reports_are_the_same_bytes(data, config, monkeypatch):
    monkeypatch.setattr("dataaudit.dedup.memory._MANY", 2)
    reports = [
        render(pipeline.scan(data, config.model_copy(update=change)))
        for change in ({"cache": False}, {}, {"jobs": 2}, {"paranoid": True})
    ]
    monkeypatch.setattr("dataaudit.engines.local.Worker", lambda *_: pytest.fail("a warm audit started a worker"))
    monkeypatch.setattr("dataaudit.dedup.nominate", lambda *_: pytest.fail("a warm audit searched anew"))
    reports.append(render(pipeline.scan(data, config)))
    assert len(set(reports)) == 1
    assert "near-copy-across-splits" in reports[0]
    assert "transformed-copy-across-splits" in reports[0]


def test_killed_at_any_moment_the_next_report_is_the_same_bytes(data, config, tmp_path):
    """``tests/benchmarks/kills.py`` does it for longer, on whole datasets."""

    def told(**change) -> str:
        report = pipeline.scan(data, config.model_copy(update=change))
        return render(report) + html.render(report)

    truth = told(cache=False)
    generator = random.Random(3)  # noqa: S311 - random moments
    for number in range(5):
        options = ("--quiet", "--cache-dir", config.cache_dir, "--jobs", str(1 + number % 2), "--output", str(tmp_path / "out"))
        command = [sys.executable, "-W", "error", "-m", "dataaudit", "scan", str(data), *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as run:
            time.sleep(generator.uniform(0.5, 5.0))
            os.killpg(run.pid, signal.SIGKILL)
    assert told() == told(jobs=2) == truth


def test_a_comparison_of_files_that_have_just_changed_is_not_kept(data, config, monkeypatch):
    monkeypatch.setattr(Memory, "_unchanged", lambda *_: False)
    pipeline.scan(data, config)
    assert re.search(r"\b0 comparisons", upkeep.info(config))
    monkeypatch.undo()
    os.utime(data / "val/a/copy.jpg")
    pipeline.scan(data, config)
    assert re.search(r"\b[1-9]\d* comparisons", upkeep.info(config))


def test_info_tells_and_clear_empties(data, config, monkeypatch):
    monkeypatch.setattr("dataaudit.dedup.memory._MANY", 2)
    assert "0 contents measured by this version" in upkeep.info(config)
    pipeline.scan(data, config)
    told = upkeep.info(config)
    assert "13 contents measured by this version" in told
    assert "1 search" in told
    assert "13 files" in told
    (Path(config.cache_dir) / f"{FILE}.damaged-1").write_bytes(b"x")
    assert "1 file of a damaged cache" in upkeep.info(config)
    assert "emptied" in upkeep.clear(config)
    assert "0 contents measured by this version" in upkeep.info(config)
    assert "search" not in upkeep.info(config)
    assert not list(Path(config.cache_dir).glob("*.damaged-*"))


def test_verify_finds_what_is_wrong(data, config):
    pipeline.scan(data, config)
    assert upkeep.verify(config, data).problems == ()
    with sqlite3.connect(Path(config.cache_dir) / FILE) as connection:
        ((one, row), (other, _)) = connection.execute("SELECT id, row FROM contents ORDER BY sha256 LIMIT 2").fetchall()
        connection.execute("UPDATE contents SET row = ? WHERE id = ?", (row[:-9] + bytes(9), one))
        connection.execute("UPDATE contents SET row = ? WHERE id = ?", (row, other))  # whole, but another content's
    connection.close()
    found = upkeep.verify(config, data)
    assert len([problem for problem in found.problems if "is damaged" in problem]) == 2
    assert any("holds other values" in problem for problem in found.problems)


def test_a_device_that_is_full_is_an_error_and_not_a_traceback(data):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        command = [sys.executable, "-m", "dataaudit", "scan", str(data), "--format", "json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
