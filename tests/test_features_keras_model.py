"""A Keras model of the user's in processes of its own: order, bits, the cache, and every way it may go wrong. With a stand-in."""

from __future__ import annotations

import os
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

import stand_in_keras
from dataaudit import Config
from dataaudit.catalog import find
from dataaudit.engines.local import LocalEngine
from dataaudit.errors import ModelError, UsageError
from dataaudit.features import keras_model, measure
from dataaudit.features.cache import Cache
from dataaudit.features.keras_model import KerasModel, is_model, model_digest
from dataaudit.features.model_outputs import ModelOutputs
from pictures import photo, save


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Let processes find the stand-in; yield a folder for models."""
    monkeypatch.syspath_prepend(str(stand_in_keras.plant(tmp_path / "packages")))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A dataset of 40 pictures, one of them twice, one not a picture, one with a name that is not UTF-8; measured."""
    root = tmp_path_factory.mktemp("data")
    for number in range(39):
        save(photo(number, (24, 20)), root / f"{'ab'[number % 2]}/{number:02}.png")
    (root / "a/copy.png").write_bytes((root / "b/01.png").read_bytes())
    (root / "a/none.png").write_bytes(b"no picture")
    odd = os.fsencode(root / "b") + b"/\xff.png"
    with open(odd, "wb") as file:  # noqa: PTH123 - bytes
        file.write((root / "a/00.png").read_bytes())
    catalog = find(root, Config())
    with LocalEngine(1, 30, 2048) as engine:
        return catalog, measure(catalog, Config(), engine)


def twin(catalog, row):
    picture = Image.open(os.fsencode(catalog.root) + b"/" + os.fsencode(catalog.paths[row])).convert("RGB")
    return np.asarray(picture.resize((4, 4), Image.Resampling.NEAREST), np.float32).reshape(-1)


def outputs_of(file, measured, cache=None, processes=1, **options):
    config = Config(file_timeout=options.pop("seconds", 30.0))
    with ModelOutputs(file, "--embeddings", config, cache, processes=processes, antialias=False) as model:
        return model.of(*measured, options.pop("progress", lambda _done, _total: None))


def test_one_row_a_sample_in_order_whatever_the_number_of_processes(stand_in, measured, monkeypatch):
    monkeypatch.setattr(keras_model, "A_PROCESS", 10)
    monkeypatch.setattr(keras_model, "BATCH", 3)
    file, done = stand_in_keras.model(stand_in / "m.keras"), []
    found = outputs_of(file, measured, processes=3, progress=lambda *counts: done.append(counts))
    assert stand_in_keras.loads(file) == 3
    catalog, features = measured
    for row, known in enumerate(features.readable):
        assert found[row].tolist() == twin(catalog, row).tolist() if known else np.isnan(found[row]).all()
    assert not features.readable.all()
    assert done[0] == (0, 39)
    assert done[-1] == (39, 39)  # different pictures
    assert outputs_of(file, measured).tobytes() == found.tobytes()


def test_what_tensorflow_cannot_read_is_a_row_of_nan(stand_in, measured):
    catalog, _ = measured
    (catalog.root / "a/02.png").rename(catalog.root / "away")
    try:
        found = outputs_of(stand_in_keras.model(stand_in / "m.keras"), measured)
    finally:
        (catalog.root / "away").rename(catalog.root / "a/02.png")
    missing = np.isnan(found).all(axis=1)
    assert {catalog.paths[row] for row in np.flatnonzero(missing)} == {"a/02.png", "a/none.png"}


def test_the_cache_spares_the_process_and_never_mixes_models(stand_in, measured, tmp_path):
    config = Config(cache_dir=str(tmp_path / "cache"))
    one, other = (stand_in_keras.model(stand_in / f"{plus}.keras", plus=plus) for plus in (0, 1))
    with Cache(config) as cache:
        first = outputs_of(one, measured, cache)
        second = outputs_of(other, measured, cache)
        assert stand_in_keras.loads(one) == 2
        assert outputs_of(one, measured, cache).tobytes() == first.tobytes()
        assert outputs_of(other, measured, cache).tobytes() == second.tobytes()
        assert stand_in_keras.loads(one) == 2
        assert np.allclose(second, first + 1, equal_nan=True)
        cache.store.write(("UPDATE outputs SET row = X'00112233'", [()]))
        assert outputs_of(one, measured, cache).tobytes() == first.tobytes()
        assert stand_in_keras.loads(one) == 3


def test_what_was_done_before_a_crash_is_kept(stand_in, measured, tmp_path, monkeypatch):
    monkeypatch.setattr(keras_model, "BATCH", 2)
    monkeypatch.setattr(stand_in_keras, "KERAS", stand_in_keras.KERAS.replace("self.seen > 3", "self.seen > 20"))
    monkeypatch.syspath_prepend(str(stand_in_keras.plant(tmp_path / "later")))
    file = stand_in_keras.model(stand_in / "m.keras", "crash")
    with Cache(Config(cache_dir=str(tmp_path / "cache"))) as cache:
        for _ in range(2):
            with pytest.raises(ModelError, match="SIGKILL"):
                outputs_of(file, measured, cache)
        kept = cache.store.read("SELECT count(*) FROM outputs")[0][0]
        assert outputs_of(file, measured, cache).shape == (len(measured[0]), 48)
    assert kept >= 30


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("nan", "noise .* is not finite"),
        ("map", r"shape \(3, 2, 24\).*GlobalAveragePooling2D"),
        ("raises", "Could not locate class 'Mine'.*Keras's own layers"),
        ("crash", r"was killed by SIGKILL while it looked at '.*' to '.*' \(its last words: the last words\)"),
        ("hang", r"gave no answer within 1 s while it looked at .*file_timeout"),
        ("nan later", r"output for .*/data0/.*\.png is not finite"),
        ("short later", r"shape \(\d+, 47\) while .*expected \(\d+, 48\)"),
        ("fails", "a layer does not like it"),
    ],
)
def test_a_model_that_fails_is_told(stand_in, measured, does, told):
    file = stand_in_keras.model(stand_in / "m.keras", does)
    with pytest.raises(ModelError, match=told) as error:
        outputs_of(file, measured, seconds=0.1 if does == "hang" else 30.0)
    assert str(error.value).startswith(file)


def test_a_want_of_memory_is_not_kept_as_a_picture_that_cannot_be_read(stand_in, measured, tmp_path, monkeypatch):
    file = stand_in_keras.model(stand_in / "m.keras")
    with Cache(Config(cache_dir=str(tmp_path / "cache"))) as cache:
        monkeypatch.setenv("STAND_IN_EXHAUSTED", "1")
        with pytest.raises(ModelError, match="ResourceExhaustedError: no memory"):
            outputs_of(file, measured, cache)
        monkeypatch.delenv("STAND_IN_EXHAUSTED")
        assert np.array_equal(outputs_of(file, measured, cache), outputs_of(file, measured), equal_nan=True)


def test_a_model_may_wait_for_its_first_picture(stand_in, measured, monkeypatch):
    monkeypatch.setattr(keras_model, "START_SECONDS", 1.5)
    file = stand_in_keras.model(stand_in / "m.keras")
    with KerasModel(file, antialias=False, processes=1, file_timeout=0.15) as model:
        time.sleep(2 * 1.5 + 0.5)
        assert len(list(model.outputs([measured[0].root / measured[0].paths[0]]))) == 1


def test_a_model_that_is_given_up_leaves_nothing_open(stand_in, monkeypatch):
    monkeypatch.setattr(keras_model, "START_SECONDS", 0.01)
    ended = []
    monkeypatch.setattr(keras_model._Process, "end", lambda process, end=keras_model._Process.end: ended.append(end(process)))
    with pytest.raises(ModelError, match="no answer within"):
        KerasModel(stand_in_keras.model(stand_in / "m.keras"), antialias=False, processes=1, file_timeout=30)
    assert len(ended) == 1


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"inputs": 2}, "2 inputs and 1 outputs"),
        ({"shape": (None, 10)}, r"input of shape \(None, 10\)"),
        ({"shape": (None, 3, 4, 4)}, "expected .None, height, width, 3"),
        ({"shape": (8, 4, 4, 3)}, r"\(8, 4, 4, 3\)"),
    ],
)
def test_a_model_of_something_else_is_refused(stand_in, how, told):
    with pytest.raises(ModelError, match=told):
        KerasModel(stand_in_keras.model(stand_in / "m.keras", **how), antialias=False, processes=1, file_timeout=30)


def test_a_keras_whose_safe_mode_is_not_safe_is_refused(stand_in, monkeypatch):
    monkeypatch.setenv("STAND_IN_KERAS", "3.13.1")
    with pytest.raises(ModelError, match=r"Keras 3\.13\.1, expected 3\.13\.2 or later"):
        KerasModel(stand_in_keras.model(stand_in / "m.keras"), antialias=False, processes=1, file_timeout=30)


def test_sizes_and_channels_are_the_models(stand_in, measured):
    grey = outputs_of(stand_in_keras.model(stand_in / "m.keras", shape=(None, 3, 5, 1)), measured)
    assert grey.shape[1] == 15
    with KerasModel(
        stand_in_keras.model(stand_in / "any.keras", shape=(None, None, None, 3)), antialias=False, processes=1, file_timeout=30
    ) as model:
        assert model.size == (256, 256)


def test_files_that_are_not_loaded(stand_in, monkeypatch):
    whole = stand_in_keras.model(stand_in / "m.keras")
    assert len(model_digest(whole, "--descriptor")) == 64
    hdf5 = stand_in / "old.h5"
    hdf5.write_bytes(b"\x89HDF\r\n\x1a\n")
    (stand_in / "renamed.keras").write_bytes(hdf5.read_bytes())
    (stand_in / "text.keras").write_text("model")
    with zipfile.ZipFile(stand_in / "zip.keras", "w") as archive:
        archive.writestr("a", "b")
    for name, told in (
        ("old.h5", "without its safe mode.*convert it once"),
        ("renamed.keras", "HDF5"),
        ("text.keras", "no model in Keras's own format"),
        ("zip.keras", "no model in Keras's own format"),
        ("none.keras", "cannot be read"),
    ):
        with pytest.raises(UsageError, match=f"--descriptor .*{name}: .*{told}"):
            model_digest(str(stand_in / name), "--descriptor")
    monkeypatch.setattr(keras_model, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"pip install 'dataaudit\[tensorflow\]'"):
        model_digest(whole, "--descriptor")
    assert [is_model(name) for name in ("a.keras", "a.H5", "a.npy", "keras")] == [True, True, False, False]
