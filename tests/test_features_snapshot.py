"""A snapshot is only quicker: whatever became of it, the table is the same, bit for bit."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from dataaudit import pipeline, upkeep
from dataaudit.config import Config
from dataaudit.features import mapped, snapshot
from dataaudit.features.cache import Cache
from dataaudit.reports import html, json
from pictures import photo, save
from test_features_cache import age, measured

# ruff: noqa: S311 - random bytes, no secrets


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(snapshot, "SMALLEST", 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "data"
    for seed in range(24):
        save(photo(seed, (80 + seed, 70)), root / ("train", "val")[seed % 2] / "ab"[seed // 2 % 2] / f"{seed:02}.png")
    save(photo(3, (83, 70)), root / "train/b/copy.jpg", quality=80)
    save(photo(30, (400, 400)), root / "val/b/big.png")
    (root / "val/b/empty.png").write_bytes(b"")
    age(root)
    return root


@pytest.fixture
def config(tmp_path):
    return Config(max_pixels=100_000, cache_dir=str(tmp_path / "cache"), jobs=1)


@pytest.fixture
def truth(made, config):
    return measured(made, config)[0]


def the_snapshot(config) -> Path:
    (path,) = Path(config.cache_dir).glob("*.snapshot")
    return path


def without_rows(config) -> None:
    """Empty the tables: only the snapshot knows anything now."""
    with Cache(config) as cache:
        cache.store.write(("DELETE FROM files", [()]), ("DELETE FROM contents", [()]))


def test_it_knows_all_that_the_database_knew(made, config, truth):
    without_rows(config)
    assert measured(made, config) == (truth, [], 27)


def test_new_changed_moved_and_lost_files_are_seen(made, config, tmp_path):
    data = Path(shutil.copytree(made, tmp_path / "data"))
    age(data)
    measured(data, config)
    before = the_snapshot(config).stat().st_mtime_ns
    save(photo(99), data / "train/a/00.png")
    save(photo(98), data / "train/a/new.png")
    (data / "val/a/01.png").rename(data / "val/b/elsewhere.png")
    (data / "val/a/05.png").unlink()
    found, files, _ = measured(data, config)
    assert files == ["train/a/00.png", "train/a/new.png", "val/b/elsewhere.png"]  # a renamed file has another ctime
    assert found == measured(data, config.model_copy(update={"cache": False, "cache_dir": str(tmp_path / "none")}))[0]
    assert the_snapshot(config).stat().st_mtime_ns == before, "what was just changed is not settled: nothing to write yet"
    age(data)
    measured(data, config)
    assert the_snapshot(config).stat().st_mtime_ns > before, "three files of 26 are behind"


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_one_is_none_and_is_written_anew(made, config, truth, seed):
    path, generator = the_snapshot(config), random.Random(seed)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    if seed % 3:
        damaged[generator.randrange(len(whole) if seed % 2 else 2000)] ^= 1 << generator.randrange(8)
    else:
        del damaged[generator.randrange(len(whole)) :]
    path.write_bytes(b"" if seed == 6 else damaged)
    assert measured(made, config)[0] == truth
    assert path.read_bytes() == whole


def test_one_of_another_version_or_another_week_is_not_asked(made, config, truth):
    path = the_snapshot(config)
    key = Cache(config).key
    today = int(time.time()) // 86_400
    assert snapshot.read(path, key, today) is not None
    assert snapshot.read(path, bytes(32), today) is None
    assert snapshot.read(path, key, today + 1) is None
    assert snapshot.read(path.with_name("none"), key, today) is None
    wider = config.model_copy(update={"max_pixels": 10**6})
    measured(made, wider)
    assert len(list(path.parent.glob("*.snapshot"))) == 2
    assert measured(made, config)[0] == truth


def test_paranoid_runs_do_not_ask_it(made, config, truth):
    paranoid = config.model_copy(update={"paranoid": True})
    found, files, _ = measured(made, paranoid)
    assert (found, len(files)) == (truth, 27)


def test_reports_are_the_same_bytes_with_and_without(made, config):
    def told(**change) -> str:
        report = pipeline.scan(made, config.model_copy(update=change))
        return json.render(report) + html.render(report)

    cold = told()
    without_rows(config)
    assert told() == told(cache=False) == cold


def test_snapshots_have_room_and_clear_deletes_them(made, config, truth, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.snapshot").write_bytes(bytes(100))
        time.sleep(0.02)
    assert snapshot.make_room(folder, 350, 100)
    assert sorted(path.name for path in folder.iterdir()) == ["2.snapshot", "3.snapshot"]
    assert not snapshot.make_room(folder, 350, 400)
    assert len(list(folder.iterdir())) == 2
    assert "snapshot" in upkeep.info(config)
    upkeep.clear(config)
    assert not list(Path(config.cache_dir).glob("*.snapshot"))
    assert measured(made, config)[0] == truth


def test_rows_are_found_by_all_of_a_stamp():
    rng = np.random.default_rng(0)
    stamps = rng.integers(0, 30, (200, 5))
    asked = np.concatenate([stamps[:50], rng.integers(0, 30, (50, 5))])
    known, places = snapshot.Snapshot(stamps, None).places(asked)
    assert (stamps[places] == asked[known]).all()
    first = {tuple(stamp[1:2]): tuple(stamp) for stamp in stamps[::-1].tolist()}
    assert known.tolist() == [row for row, stamp in enumerate(asked.tolist()) if first.get((stamp[1],)) == tuple(stamp)]


def test_a_large_column_lies_in_a_file_and_takes_no_memory(monkeypatch):
    monkeypatch.setattr(mapped, "HELD", 2**20)
    held, large = mapped.column((100, 4), np.uint16), mapped.column((20_000, 80, 18), np.uint8)
    assert (held.shape, held.dtype, large.shape, large.dtype) == ((100, 4), np.uint16, (20_000, 80, 18), np.uint8)
    for start in range(0, 20_000, 1000):
        large[start : start + 1000] = start % 251
        mapped.release(large)
    mapped.release(held)
    assert all((large[row] == row // 1000 * 1000 % 251).all() for row in range(0, 20_000, 777))


def test_some_rows_of_a_large_column_are_read_in_any_order_and_let_go_of(monkeypatch):
    monkeypatch.setattr(mapped, "HELD", 0)
    large = mapped.column((20_000, 80, 18), np.uint8)
    for start in range(0, 20_000, 1000):
        large[start : start + 1000] = start // 1000
        mapped.release(large)
    rows = np.random.default_rng(3).integers(0, 20_000, 5000)
    before, held, release = resident_file_pages(), [], mapped.release
    monkeypatch.setattr(mapped, "release", lambda array: (held.append(resident_file_pages()), release(array)))
    found = mapped.some_of(large, rows)
    assert (found == (rows // 1000)[:, None, None]).all()
    assert max(held) - before < 8 * 2**20  # of 29 MB
    assert resident_file_pages() - before < 2**20


def resident_file_pages() -> int:
    """Return the bytes of files that this process has in memory, of which a mapped column is a part; 0 outside Linux."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith("RssFile")), 0)


def test_without_room_a_column_is_held(monkeypatch):
    monkeypatch.setattr(mapped, "HELD", 0)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Path("/nonexistent/file").read_bytes())
    assert mapped.column((3, 2), np.int64).shape == (3, 2)


def test_where_columns_lie_changes_nothing(made, config, truth, monkeypatch):
    monkeypatch.setattr(mapped, "HELD", 0)
    monkeypatch.setattr("dataaudit.features._BLOCK", 5)
    assert measured(made, config) == (truth, [], 27)
    without_rows(config)
    assert measured(made, config) == (truth, [], 27)
    assert measured(made, config.model_copy(update={"paranoid": True}))[0] == truth
