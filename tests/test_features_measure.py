"""The feature table: the same whatever the engine, the batch and the order; a bad file disturbs no other."""

from __future__ import annotations

import hashlib
import os
from dataclasses import fields, replace

import numpy as np
import pytest

from dataaudit.config import Config
from dataaudit.domain import Catalog, Failure, FeatureTable
from dataaudit.engines.local import LocalEngine
from dataaudit.features import BATCH, measure
from dataaudit.features.loader import outcome_of
from engines import Inline
from pictures import photo, save
from zoo import zoo

CONFIG = Config(max_pixels=1_000_000)


def catalog_of(root, paths=None):
    paths = tuple(paths if paths is not None else sorted(path.name for path in root.iterdir()))
    none = np.full(len(paths), -1)
    return Catalog(
        root, "class/file", "folder names", paths, (), (), none.astype(np.int32), none.astype(np.int8), none.astype(np.int32)
    )


def assert_same(one, other):
    for field in fields(FeatureTable):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "failures":
            assert a == b
        else:
            assert a.dtype == b.dtype, field.name
            assert a.shape == b.shape, field.name
            assert a.tobytes() == b.tobytes(), field.name


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(40):
        save(photo(seed, (60 + seed * 7, 50 + seed * 5)), folder / f"{seed:02}.{('jpg', 'png', 'webp')[seed % 3]}")
    data = (folder / "00.jpg").read_bytes()
    (folder / "10-truncated.jpg").write_bytes(data[: len(data) // 2])
    (folder / "11-empty.jpg").write_bytes(b"")
    (folder / "12-copy.jpg").write_bytes(data)
    save(photo(0, (1200, 1000)), folder / "13-big.jpg")
    os.mkfifo(folder / "14-fifo.jpg")
    (folder / os.fsdecode(b"15-\xff.jpg")).write_bytes(data)
    save(photo(3, (80, 60)).convert("L"), folder / "16-grey.png")
    return folder


def test_the_table_does_not_depend_on_jobs_or_batches(root):
    catalog = catalog_of(root)
    inline = measure(catalog, CONFIG, Inline())
    for jobs in (1, 2):
        with LocalEngine(jobs, 30, 1024) as engine:
            assert_same(measure(catalog, CONFIG, engine), inline)
    for size in (1, 7, 100):
        assert_same(measure(catalog, CONFIG, Inline(size)), inline)


def test_the_rows_follow_the_catalog(root):
    catalog = catalog_of(root)
    table = measure(catalog, CONFIG, Inline())
    backwards = measure(catalog_of(root, catalog.paths[::-1]), CONFIG, Inline())
    assert table.phash256.tobytes() == backwards.phash256[::-1].tobytes()
    assert table.properties.tobytes() == backwards.properties[::-1].tobytes()


def test_concat_is_associative(root):
    catalog = catalog_of(root)
    whole = measure(catalog, CONFIG, Inline())
    a, b, c = (
        measure(catalog_of(root, part), CONFIG, Inline()) for part in (catalog.paths[:5], catalog.paths[5:6], catalog.paths[6:])
    )
    left = FeatureTable.concat([FeatureTable.concat([a, b]), c])
    assert_same(left, whole)
    assert_same(FeatureTable.concat([a, FeatureTable.concat([b, c])]), whole)


def test_bad_files_are_rows_with_a_failure(root):
    catalog = catalog_of(root)
    table = measure(catalog, CONFIG, Inline())
    failures = {path: failure.kind for path, failure in zip(catalog.paths, table.failures, strict=True) if failure}
    assert failures == {
        "10-truncated.jpg": "truncated",
        "11-empty.jpg": "unreadable",
        "13-big.jpg": "too-many-pixels",
        "14-fifo.jpg": "unreadable",
    }
    bad = ~table.readable
    assert not table.phash64[bad].any()
    assert not table.phash256[bad].any()
    assert not table.width[bad].any()
    assert not table.file_bytes[bad].any()
    assert np.isnan(table.properties[bad]).all()
    assert np.isfinite(table.properties[~bad]).all()
    assert set(table.format[bad]) == {""}


def test_every_file_is_asked_what_tensorflow_makes_of_it(tmp_path):
    animals = zoo()
    names = ["png-idat-bad-crc", "jpeg-trailing", "bmp-8-palette", "png-text-bad-crc", "png-short-rows", "text"]
    for name in names:
        (tmp_path / f"{name}.png").write_bytes(animals[name])
    table = measure(catalog_of(tmp_path), CONFIG, Inline())
    told = {name: outcome_of(int(code)).name for name, code in zip(sorted(names), table.loader, strict=True)}
    assert told == {
        "png-idat-bad-crc": "png-checksum",
        "jpeg-trailing": "ok",
        "bmp-8-palette": "bmp-palette",
        "png-text-bad-crc": "ok",  # TensorFlow alone reads it
        "png-short-rows": "ok",  # not seen without inflating
        "text": "format",
    }
    assert table.trailing.tolist() == [0, 400, 0, 0, 0, 0]


def test_digests_are_those_of_the_bytes(root):
    catalog = catalog_of(root)
    table = measure(catalog, CONFIG, Inline())
    for row, path in enumerate(catalog.paths):
        if path == "14-fifo.jpg":
            assert table.hex_digest(row) == ""
        else:
            assert table.hex_digest(row) == hashlib.sha256((root / path).read_bytes()).hexdigest()


def test_pixel_digests_tell_pictures_and_shapes_apart_not_how_they_are_stored(tmp_path):
    black = photo(0, (20, 10)).point(lambda _value: 0)
    save(black, tmp_path / "a.png")
    save(black, tmp_path / "b.bmp")
    save(black.transpose(2), tmp_path / "c.png")
    save(black.convert("L"), tmp_path / "d.png")
    save(black.resize((40, 5)), tmp_path / "e.png")
    save(black.convert("P"), tmp_path / "f.png")
    a, b, c, d, e, f = measure(catalog_of(tmp_path), CONFIG, Inline()).pixel_digest.tolist()
    assert a == b == d == f
    assert len({a, c, e}) == 3


def test_a_palette_picture_is_its_rgb_twin(tmp_path):
    palette = photo(1, (40, 30)).quantize(64)
    save(palette, tmp_path / "a.png")
    save(palette.convert("RGB"), tmp_path / "b.png")
    save(photo(1, (40, 30)), tmp_path / "c.png")
    table = measure(catalog_of(tmp_path), CONFIG, Inline())
    assert table.mode.tolist() == ["P", "RGB", "RGB"]
    assert table.pixel_digest[0] == table.pixel_digest[1] != table.pixel_digest[2]


def test_a_lost_file_is_a_failure_of_its_own(root):
    catalog = catalog_of(root)
    table = measure(catalog, CONFIG, Inline(1, lost=("03.jpg",)))
    row = catalog.paths.index("03.jpg")
    assert table.failures[row] == Failure("timeout", "took longer than 1 s")
    assert table.hex_digest(row) == ""
    rest = [index for index in range(len(catalog)) if index != row]
    assert table.phash64[rest].tobytes() == measure(catalog, CONFIG, Inline()).phash64[rest].tobytes()


def test_an_empty_catalog_gives_an_empty_table(tmp_path):
    with LocalEngine(2, 5, 256) as engine:
        table = measure(catalog_of(tmp_path), CONFIG, engine)
    assert len(table) == 0
    assert table.phash256.shape == (0, 8, 4)
    assert table.properties.shape == (0, 9)


def test_progress_counts_every_file_once(root):
    told = []
    catalog = catalog_of(root)
    with LocalEngine(2, 30, 1024) as engine:
        measure(catalog, CONFIG, engine, lambda files, unreadable: told.append((files, unreadable)))
    done, unreadable = zip(*told, strict=True)
    assert sum(done) == len(catalog)
    assert max(done) <= BATCH
    assert sum(unreadable) == 4


def test_a_limit_of_pixels_is_the_configurations(root):
    table = measure(catalog_of(root, ["00.jpg"]), CONFIG.model_copy(update={"max_pixels": 100}), Inline())
    assert table.failures[0] is not None
    assert table.failures[0].kind == "too-many-pixels"
    assert replace(table).failures == table.failures
