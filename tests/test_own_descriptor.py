"""``--descriptor`` and ``--embeddings`` with a Keras model: planted copies, the same bytes for any number of jobs, the marks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import stand_in_keras
from dataaudit import Config, pipeline
from dataaudit.against import check_against, make_index
from dataaudit.dedup.candidates import descriptor_least
from dataaudit.dedup.neighbours import nearest
from dataaudit.dedup.own_descriptor import matched, replaced
from dataaudit.errors import ModelError, UsageError
from dataaudit.features import keras_model
from dataaudit.reports.json import render
from dataaudit.selftest.saved import dumps, load
from measurements import make, rows_of
from pictures import photo, save

HERE = Path(__file__).parent
MODELS = """
import sys
import numpy as np
import keras
from keras import layers

folder, data, answer = sys.argv[1:]
keras.utils.set_random_seed(7)
picture = keras.Input((48, 48, 3))
seen = layers.Rescaling(1 / 64, offset=-2)(picture)
pooled = []
for channels in (48, 64):
    seen = layers.Conv2D(channels, 3, strides=2, padding="same", activation="relu")(seen)
    pooled.append(layers.GlobalAveragePooling2D()(seen))
model = keras.Model(picture, layers.Concatenate()(pooled))
model.save(folder + "/random.keras")
files = keras.utils.image_dataset_from_directory(
    data, labels=None, shuffle=False, image_size=(48, 48), batch_size=7, verbose=False
)
np.savez(answer, paths=np.array(files.file_paths), rows=model.predict(files, verbose=0))
lambdas = keras.Sequential([keras.Input((48, 48, 3)), layers.Lambda(lambda x: x[:, 0, 0])])
lambdas.save(folder + "/lambda.keras")
"""
"""Random filters, pooled over the picture: much the same of a picture that was turned, mirrored, shifted or cropped a little."""


def planted(root: Path) -> list[tuple[str, str]]:
    """Write a dataset of photos, some of them copied from train into val in ways that no hash finds; return these pairs."""
    for number in range(44):
        name = f"{'train' if number < 22 else 'val'}/{'ab'[number % 2]}/{number:02}.png"
        save(photo(1000 + number, (96, 96)), root / name)
    pairs = []
    for number in range(6):
        source = photo(1000 + number, (96, 96))
        turned = source.rotate((-20, 15, 25, -12)[number % 4], Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
        copy = turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number % 2 else turned.crop((5, 6, 93, 95))
        label = "ab"[number % 2]
        save(copy, root / f"val/{label}/copy{number}.png")
        pairs.append((f"train/{label}/{number:02}.png", f"val/{label}/copy{number}.png"))
    return pairs


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("planted")
    return root, planted(root)


def told(report):
    catalog = report.measurements.catalog
    return {(catalog.paths[pair.a], catalog.paths[pair.b]) for pair in report.measurements.copies.pairs}


# ------------------------------------------------------------------------------------------ with TensorFlow


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """Models made by Keras, and what Keras's own loader and ``predict`` make of the dataset by one of them."""
    if find_spec("keras") is None:  # imported here it would cost ten seconds
        pytest.skip("needs TensorFlow")
    folder = tmp_path_factory.mktemp("trained")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", MODELS, folder, dataset[0], folder / "answer.npz"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return folder


SCAN = """
import json, sys
from pathlib import Path
from dataaudit import Config, pipeline
from dataaudit.reports.json import render
model, dataset, answer = sys.argv[1:]
report = pipeline.scan(Path(dataset), Config(descriptor=model, embeddings=model, jobs=2, cache=False))
import numpy as np
np.savez(answer, rows=report.measurements.embeddings)
print(json.dumps({"tensorflow": "tensorflow" in sys.modules, "report": json.loads(render(report))}))
"""


@pytest.mark.tensorflow
def test_a_keras_model_finds_planted_copies_and_embeds_as_keras_would(dataset, trained, tmp_path):
    root, pairs = dataset
    command = [sys.executable, "-c", SCAN, trained / "random.keras", root, tmp_path / "rows.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(HERE.parent)})
    answer = json.loads(done.stdout)
    assert not answer["tensorflow"]
    copies = {(pair["a"]["path"], pair["b"]["path"]) for pair in answer["report"]["copies"]}
    assert copies >= set(pairs)
    assert len(copies) <= len(pairs) + 1
    notes = " ".join(answer["report"]["summary"]["notes"])
    assert "by your model random.keras (112 numbers, SHA-256 " in notes
    assert {"DRF803", "LBL403"} <= set(answer["report"]["rules_run"])
    with np.load(tmp_path / "rows.npz") as ours, np.load(trained / "answer.npz") as keras:
        names = [os.path.relpath(path, root) for path in keras["paths"].tolist()]
        order = np.argsort(np.array([name.encode() for name in names]))
        assert np.allclose(ours["rows"], keras["rows"][order], rtol=1e-4, atol=1e-5)


@pytest.mark.tensorflow
def test_safe_mode_refuses_code(dataset, trained):
    with pytest.raises(ModelError, match=r"lambda\.keras: cannot be used: .*[Ll]ambda"):
        pipeline.scan(dataset[0], Config(descriptor=str(trained / "lambda.keras"), jobs=1, cache=False))


# ------------------------------------------------------------------------------------------ with a stand-in


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A 'model' that tells a picture by its 4 × 4 means, from its own place and from every mirror and turn alike."""
    folder = tmp_path / "sorting"
    code = stand_in_keras.KERAS.replace("return rows\n\n", "return invariant(pictures)\n\n") + INVARIANT
    monkeypatch.setattr(stand_in_keras, "KERAS", code)
    monkeypatch.syspath_prepend(str(stand_in_keras.plant(folder)))
    return stand_in_keras.model(tmp_path / "own.keras", shape=(None, 24, 24, 3))


INVARIANT = """
def invariant(pictures):
    p = np.asarray(pictures, np.float64)[0]
    y, x = np.mgrid[:24, :24] - 11.5
    ring = np.minimum(np.hypot(x, y) // 2, 6).astype(int)
    centre = [p[ring == k].mean(axis=0) - p.mean(axis=(0, 1)) for k in range(6)]
    spread = [p[ring == k].std(axis=0) - 20 for k in range(6)]
    return np.concatenate(centre + spread)[None].astype(np.float32)
"""


def test_the_same_bytes_for_any_number_of_jobs_and_from_the_cache(dataset, model, monkeypatch, tmp_path):
    monkeypatch.setattr(keras_model, "A_PROCESS", 20)
    root, pairs = dataset
    one = pipeline.scan(root, Config(descriptor=model, jobs=1, cache=False))
    kept = {"cache_dir": str(tmp_path / "cache"), "descriptor": model}
    three = pipeline.scan(root, Config(jobs=3, **kept))
    assert render(one) == render(three)
    before = stand_in_keras.loads(model)
    assert render(pipeline.scan(root, Config(jobs=2, **kept))) == render(one)
    assert stand_in_keras.loads(model) == before
    assert len(told(one) & set(pairs)) >= 5
    hashes = pipeline.scan(root, Config(jobs=2, cache_dir=str(tmp_path / "cache"), neighbours=0))
    assert not told(hashes)
    built_in = hashes.measurements.features.descriptor  # what the cache holds of the model is not the built-in one's
    assert built_in.tobytes() == one.measurements.features.descriptor.tobytes()


def test_check_and_selftest_search_with_it(dataset, model, tmp_path):
    root, pairs = dataset
    config = Config(descriptor=model, jobs=2, cache_dir=str(tmp_path / "cache"))
    few = pipeline.measure(root, config, only=[pairs[0][1]])
    assert few.copies.own_descriptor is not None
    outcome = pipeline.selftest(root, config, queries=4)
    assert outcome.planted == 4
    (tmp_path / "recall.json").write_text(dumps(outcome, config))
    assert load(tmp_path / "recall.json", outcome.fingerprint, config) == outcome
    stand_in_keras.model(Path(model), "answers", shape=(None, 24, 24, 3), plus=1)  # trained anew
    with pytest.raises(UsageError, match="of another search"):
        load(tmp_path / "recall.json", outcome.fingerprint, config)


@pytest.mark.parametrize(("does", "message"), [("same", "same for all 50 different pictures"), ("crash", "SIGKILL")])
def test_a_useless_model_ends_the_scan_with_a_sentence(dataset, model, does, message):
    stand_in_keras.model(Path(model), does, shape=(None, 24, 24, 3))
    with pytest.raises(ModelError, match=message) as error:
        pipeline.scan(dataset[0], Config(descriptor=model, jobs=1, cache=False))
    assert error.value.exit_code == 3


def test_what_the_model_says_nothing_of_is_told(dataset, model):
    stand_in_keras.model(Path(model), "zero", shape=(None, 24, 24, 3))
    report = pipeline.scan(dataset[0], Config(descriptor=model, jobs=1, cache=False))
    assert any("50 images that it says nothing of were searched by their hashes alone" in note for note in report.summary.notes)


def test_too_many_numbers_and_no_search_are_refused(dataset, model):
    with pytest.raises(UsageError, match=r"--descriptor .*without --transformed"):
        pipeline.scan(dataset[0], Config(descriptor=model, transformed=False))
    stand_in_keras.model(Path(model), "map later", shape=(None, 40, 40, 3))
    code = Path(model).parent / "sorting/keras/__init__.py"
    code.write_text(code.read_text().replace("return invariant(pictures)", "return rows"))
    with pytest.raises(ModelError, match="4,800 numbers of a picture, expected at most 4,096"):
        pipeline.scan(dataset[0], Config(descriptor=model, jobs=1, cache=False))


def test_an_index_holds_the_built_in_descriptor_only(dataset, tmp_path):
    config = Config(descriptor="m.keras")
    with pytest.raises(UsageError, match="an index holds the built-in copy descriptor"):
        make_index([dataset[0]], tmp_path / "x.idx", config)
    with pytest.raises(UsageError, match="an index holds the built-in copy descriptor"):
        check_against([], None, tmp_path / "x.idx", config)


# ------------------------------------------------------------------------------------------ the marks


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(0, 1000), st.integers(0, 60))
def test_as_many_reach_the_new_marks_as_the_old_ones(size, seed, fewest):
    rng = np.random.default_rng(seed)
    known, other = rng.normal(size=size), rng.normal(5, 3, size)
    marks = sorted(rng.normal(size=3))
    found = matched(known, other, marks, fewest)
    counts = [(known >= mark).sum() for mark in marks]
    assert [(other >= mark).sum() for mark in found] == [min(max(counts[0], fewest), size), *counts[1:]]


def test_the_same_descriptor_gets_the_same_marks():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 128))
    vectors[:40] = vectors[40:80] + rng.normal(scale=0.3, size=(40, 128))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    features = replace(make(rows_of({None: {"a": 300}})).features, descriptor=vectors, inner_descriptor=vectors)
    config = Config()
    fresh, fitted = replaced(features, vectors, "m", config)
    assert fresh.descriptor is vectors
    assert not fresh.inner_descriptor.any()  # a model is asked about whole pictures
    score = nearest(vectors, np.arange(300), 299, -1.0).score
    for mark in ("descriptor_clear", "descriptor_far"):
        old, new = (descriptor_least(300, marks) + getattr(marks, mark) for marks in (config, fitted))
        assert (score >= old).sum() == (score >= new).sum() > 0
    assert (score >= descriptor_least(300, fitted)).sum() == (score >= descriptor_least(300, config)).sum() > 300
    sparse = Config(descriptor_score=-0.08, descriptor_clear=0.4, descriptor_far=0.5)
    high = replaced(features, vectors, "m", sparse)[1]
    assert (score >= descriptor_least(300, high) + high.descriptor_far).sum() == 40
    kept = Config(descriptor_score=0.3)
    assert replaced(features, vectors, "m", kept)[1] == kept  # what the user sets is what counts
