"""The cache never changes an answer: cold, warm, damaged, shared, interrupted or not there at all."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import fields, replace
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.domain import FeatureTable
from dataaudit.engines import Lost
from dataaudit.engines.local import LocalEngine
from dataaudit.errors import CacheWarning
from dataaudit.features import cache as module
from dataaudit.features import measure
from dataaudit.features.cache import Cache, recall, version_key
from dataaudit.features.store import FILE
from pictures import photo, save

# ruff: noqa: S311 - random moments and bytes, no secrets


class Counting:
    """An engine that runs everything here and counts the files it is given; those of ``lost`` hang."""

    def __init__(self, lost=()):
        self.files, self.lost = [], lost

    def map_batches(self, function, items, *, batch_size, progress=None):  # noqa: ARG002 - an engine's signature
        self.files += items
        for lost, alike in groupby(items, lambda item: item in self.lost):
            batch = list(alike)
            for part in ([item] for item in batch) if lost else [batch]:
                yield part, Lost("timeout", "took longer than 1 s") if lost else function(part, lambda _index: None)
                if progress:
                    progress(len(part))


def bits(table: FeatureTable) -> list:
    columns = [getattr(table, field.name) for field in fields(FeatureTable) if field.name != "failures"]
    return [table.failures, *((column.dtype.str, column.shape, column.tobytes()) for column in columns)]


def measured(root: Path, config: Config, engine=None, lost=()):
    """Return the bits of the table, the files that reached the engine, and the calls of progress summed."""
    engine, done = engine or Counting(lost), []
    with Cache(config) as cache:
        table = measure(find(root, config), config, engine, lambda files, _unreadable: done.append(files), cache)
    return bits(table), getattr(engine, "files", None), sum(done)


def age(root: Path) -> None:
    """Wait until no file of ``root`` was changed within the last two seconds."""
    newest = max(path.lstat().st_ctime for path in root.rglob("*"))
    time.sleep(max(0.0, newest + 2.05 - time.time()))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "data"
    for seed in range(24):
        save(photo(seed, (80 + seed, 70)), root / "ab"[seed % 2] / f"{seed:02}.{('jpg', 'png', 'webp')[seed % 3]}")
    first = root / "a/00.jpg"
    (root / "a/copy.jpg").write_bytes(first.read_bytes())
    (root / "a/cut.jpg").write_bytes(first.read_bytes()[:1500])
    (root / "b/empty.png").write_bytes(b"")
    (root / os.fsdecode(b"b/\xff\n.jpg")).write_bytes(first.read_bytes() + b"\0")
    save(photo(30, (400, 400)), root / "b/big.png")
    age(root)
    return root


@pytest.fixture
def config(tmp_path):
    return Config(max_pixels=100_000, cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def data(made, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "data"))


@pytest.fixture(scope="module")
def truth(made):
    config = Config(max_pixels=100_000)
    return bits(measure(find(made, config), config, Counting()))


def test_cold_and_warm_are_the_same_bits_and_warm_opens_nothing(made, config, truth):
    cold, files, done = measured(made, config)
    assert cold == truth
    assert len(files) == done == 29
    assert measured(made, config) == (truth, [], 29)


def test_workers_recall_what_they_have_read(made, config, truth):
    for jobs in (1, 2):
        with LocalEngine(jobs, 30, 1024) as engine:
            paranoid = config.model_copy(update={"paranoid": True})
            assert measured(made, paranoid, engine)[0] == truth


def test_paranoid_reads_every_file_and_decodes_none(made, config, truth, monkeypatch):
    measured(made, config)
    monkeypatch.setattr("dataaudit.features._describe", lambda *_: pytest.fail("a known content was decoded"))
    paranoid = config.model_copy(update={"paranoid": True})
    found, files, _ = measured(made, paranoid)
    assert (found, len(files)) == (truth, 29)


def test_one_changed_file_costs_one_file(data, config):
    age(data)
    measured(data, config)
    save(photo(99), data / "a/02.webp")
    found, files, _ = measured(data, config)
    assert files == ["a/02.webp"]
    assert found == bits(measure(find(data, config), config, Counting()))


def test_a_moved_tree_is_read_but_not_decoded(data, config, tmp_path, monkeypatch):
    truth, _, _ = measured(data, config)
    monkeypatch.setattr("dataaudit.features._describe", lambda *_: pytest.fail("a known content was decoded"))
    copied = Path(shutil.copytree(data, tmp_path / "elsewhere"))
    assert measured(copied, config)[0] == truth


def test_a_change_within_the_tick_of_the_clock_is_seen(data, config):
    """Same size, and the time of change that the first look saw: only its being recent gives it away."""
    path = data / "a/00.jpg"
    for seed in range(3):
        changed = bytearray(path.read_bytes())
        changed[-1] = seed
        path.write_bytes(changed)
        found, files, _ = measured(data, config)
        assert "a/00.jpg" in files
        assert found == bits(measure(find(data, config), config, Counting()))


def test_only_regular_files_of_a_number_that_fits_are_known_by_their_stamps(tmp_path, monkeypatch):
    inodes = {"small.jpg": 7, "long.jpg": (1 << 64) - 1, "longest.jpg": 1 << 64, "folder.jpg": 8, "gone.jpg": 9, "late.jpg": 10}
    for name in ("small.jpg", "long.jpg", "longest.jpg", "late.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "folder.jpg").mkdir()
    told = module.os.stat

    def stat(path):
        seen = told(path)
        named = {name: getattr(seen, name) for name in ("st_mode", "st_dev", "st_size")}
        name = path.rpartition("/")[2]
        return SimpleNamespace(**named, st_ino=inodes[name], st_mtime_ns=1 << 63 if name == "late.jpg" else 5, st_ctime_ns=6)

    monkeypatch.setattr(module, "_LOOKED_AT", 2)
    monkeypatch.setattr(module.os, "stat", stat)
    stamps, trusted = module._stamps(tmp_path, list(inodes))
    monkeypatch.undo()
    assert trusted.tolist() == [True, True, False, False, False, False]
    device = tmp_path.stat().st_dev
    assert stamps[trusted].tolist() == [[device, 7, 9, 5, 6], [device, -1, 8, 5, 6]]


def test_a_restored_modification_time_does_not_deceive(data, config):
    age(data)
    measured(data, config)
    path = data / "a/00.jpg"
    before = path.stat()
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert measured(data, config)[1] == ["a/00.jpg"]


def test_failures_of_the_content_are_kept_and_those_of_the_machine_are_not(made, config):
    measured(made, config, lost=("a/04.png", "a/cut.jpg"))
    found, files, _ = measured(made, config)
    assert files == ["a/04.png", "a/cut.jpg"]
    kinds = [failure.kind for failure in found[0] if failure]
    assert sorted(kinds) == ["too-many-pixels", "truncated", "unreadable"]
    assert measured(made, config)[1] == []


def test_a_file_that_cannot_be_read_is_tried_again(data, config):
    catalog = find(data, config)
    (data / "a/00.jpg").rename(data / "away.jpg")
    for there in (False, True):
        if there:
            (data / "away.jpg").rename(data / "a/00.jpg")
        with Cache(config) as cache:
            table = measure(catalog, config, Counting(), None, cache)
        assert (table.failures[catalog.paths.index("a/00.jpg")] is None) == there


def test_whatever_changes_a_value_changes_the_key(monkeypatch):
    keys = {version_key(1), version_key(2), version_key(1, transformed=False)}
    for name in ("_code", "packages"):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda *_: "other")
            keys.add(version_key(1))
    assert len(keys) == 5
    assert any(package.startswith("pillow-") for package in module.packages(module._PACKAGES))
    assert any(package.startswith("onnxruntime-") for package in module.packages(module._PACKAGES))


@pytest.mark.parametrize("damage", ["garbage", "cut", "no table", "empty"])
def test_a_damaged_file_is_moved_aside_and_begun_anew(made, config, truth, damage):
    measured(made, config)
    path = Path(config.cache_dir) / FILE
    whole = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(random.Random(0).randbytes(len(whole)))
    elif damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "no table":
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE contents (id)")
        connection.close()
    else:
        path.write_bytes(b"")
        assert measured(made, config)[0] == truth  # nothing to warn of: an empty file is a new one
        return
    with pytest.warns(CacheWarning, match="moved to"):
        assert measured(made, config)[0] == truth
    assert measured(made, config) == (truth, [], 29)
    assert list(path.parent.glob("*.damaged-1"))


def test_a_rotten_byte_is_measured_anew(made, config, truth):
    measured(made, config)
    with sqlite3.connect(Path(config.cache_dir) / FILE) as connection:
        rows = connection.execute("SELECT id, row FROM contents").fetchall()
        generator = random.Random(1)
        for number, row in rows[:8]:
            rotten = bytearray(row)
            rotten[generator.randrange(len(row))] ^= 1 << generator.randrange(8)
            connection.execute("UPDATE contents SET row = ? WHERE id = ?", (bytes(rotten), number))
        connection.execute("UPDATE contents SET row = ? WHERE id = ?", (b"", rows[9][0]))
    connection.close()
    found, files, _ = measured(made, config)
    assert found == truth
    assert len(files) >= 9


def test_a_file_in_the_way_leaves_the_run_without_a_cache(made, config, truth, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    blocked = config.model_copy(update={"cache_dir": str(tmp_path / "file")})
    with pytest.warns(CacheWarning, match="going on without"):
        found, files, _ = measured(made, blocked)
    assert (found, len(files)) == (truth, 29)


def test_a_full_disk_costs_the_cache_only(made, config, truth):
    with Cache(config) as cache:
        cache.store._connection.execute("PRAGMA max_page_count = 12")
        with pytest.warns(CacheWarning, match="full; going on without"):
            assert bits(measure(find(made, config), config, Counting(), None, cache)) == truth
    assert measured(made, config)[0] == truth


def test_a_file_that_may_not_be_written_costs_the_cache_only(made, config, truth):
    measured(made, config)
    changed = config.model_copy(update={"paranoid": True})
    with Cache(changed) as cache:
        cache.store._connection.execute("PRAGMA query_only = 1")
        with pytest.warns(CacheWarning, match="readonly database; going on without"):
            assert bits(measure(find(made, config), config, Counting(), None, cache)) == truth


def test_what_was_not_used_for_longest_goes_first(made, config, truth):
    measured(made, config)
    store = Cache(config).store
    store.write(
        ("UPDATE contents SET used = used - 30 WHERE id <= 10", [()]),
        ("INSERT INTO versions (id, key, columns) VALUES (7, x'00', '[]')", [()]),
        (
            "INSERT INTO contents (version, sha256, used, row) VALUES (7, ?, 99999, ?)",
            [(bytes([n]), bytes(60_000)) for n in range(40)],
        ),
    )
    store.close()
    tight = config.model_copy(update={"cache_limit": 1})
    with Cache(tight) as cache:
        cache._wrote = True
    with Cache(tight) as cache:
        assert cache.store.bytes_used() <= 2**20
        left = dict(cache.store.read("SELECT version, count(*) FROM contents GROUP BY version"))
        assert left[1] >= 19
    assert measured(made, tight)[0] == truth


def test_runs_share_it(made, config, truth):
    script = (
        "import sys; from pathlib import Path; from dataaudit import Config, pipeline;"
        "pipeline.measure(Path(sys.argv[1]), Config(max_pixels=100_000, cache_dir=sys.argv[2], jobs=1))"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(made), config.cache_dir]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(run.communicate(timeout=300)[1], run.returncode) for run in runs] == [("", 0)] * 3
    assert measured(made, config) == (truth, [], 29)


def test_killed_at_any_moment_it_goes_on_where_it_stopped(made, config, truth, tmp_path):
    """Kill -9 the run at random moments until one gets through; then nothing is left to measure."""
    script = (
        "import sys; from pathlib import Path; import dataaudit.features as f; from dataaudit import Config, pipeline;"
        "f.BATCH = 2;"
        "print('begun', flush=True);"
        "pipeline.measure(Path(sys.argv[1]), Config(max_pixels=100_000, cache_dir=sys.argv[2], jobs=2))"
    )
    generator = random.Random(5)
    kept = []
    for _ in range(5):
        run = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, str(made), config.cache_dir],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        run.stdout.readline()
        with run:
            time.sleep(generator.uniform(0.3, 3.0))
            os.killpg(run.pid, signal.SIGKILL)
        with Cache(config) as cache:
            kept.append(len(cache.store.read("SELECT id FROM contents")))
            assert cache.store.read("PRAGMA integrity_check") == [("ok",)]
    assert kept == sorted(kept)
    found, files, _ = measured(made, config)
    assert found == truth
    assert len(files) <= 29 - min(kept[-1], 1)
    assert measured(made, config) == (truth, [], 29)


def test_an_interrupt_says_what_is_kept(made, config, truth):
    class Interrupted(Counting):
        def map_batches(self, function, items, **options):
            yield from super().map_batches(function, items[:7], **options)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as interrupt:
        measured(made, config, Interrupted())
    assert interrupt.value.__notes__ == ["7 of 29 measured are kept; run again to go on."]
    found, files, done = measured(made, config)
    assert (found, len(files), done) == (truth, 22, 29)


def test_a_worker_without_a_cache_measures(tmp_path):
    assert recall(module.Recall(tmp_path / "none.sqlite", b""), bytes(32)) is None


def test_every_column_survives_the_way_through_bytes(truth):
    rng = np.random.default_rng(0)
    columns = {}
    for field, (kind, shape, _) in zip([f for f in fields(FeatureTable) if f.name != "failures"], truth[1:], strict=True):
        raw = rng.bytes(5 * np.dtype(kind).itemsize * int(np.prod(shape[1:])))
        column = np.array(["a€", "", "b", "c", "d"], kind) if kind[1] == "U" else np.frombuffer(raw, kind).reshape(5, *shape[1:])
        columns[field.name] = column
    table = FeatureTable(**columns, failures=(None, module.Failure("truncated", "ß\n"), None, None, None))
    whole, records, failures = module._whole(module._packed(table), module._layout(table))
    assert whole.tolist() == list(range(5))
    assert bits(module._table_of(records, failures)) == bits(replace(table))
