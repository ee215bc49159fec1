"""The generated pipeline.py, run under TensorFlow in a process of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from dataaudit.config import Config
from dataaudit.domain import AugmentationLayer, AugmentationPlan
from dataaudit.features.loader import OUTCOMES
from dataaudit.fixers import make_plan
from dataaudit.fixers.keras_pipeline import render
from dataaudit.fixers.plan_folder import write
from measurements import make
from pictures import photo, save

CHECKS = """
import csv, json, pathlib, sys
import numpy as np
import tensorflow as tf
from PIL import Image
sys.path.insert(0, {plan!r})
import pipeline

assert pipeline.CLASS_NAMES == ["Zoo", "ant", "bee", "rare"], pipeline.CLASS_NAMES
expected = json.load(open({plan!r} + "/class_weights.json"))["class_weight"]
assert pipeline.CLASS_WEIGHT == {{int(key): value for key, value in expected.items()}}
assert list(pipeline.CLASS_WEIGHT) == [0, 1, 2, 3]

def decoded(split):
    rows = [row for row in csv.DictReader(open({plan!r} + "/manifest.csv", newline="")) if row["split"] == split]
    pictures = [np.asarray(Image.open(pathlib.Path({data!r}) / row["path"]).convert("RGB"), np.float32) for row in rows]
    return np.stack(pictures), [pipeline.CLASS_NAMES.index(row["label"]) for row in rows]

for split in ("val", "test"):
    truth, labels = decoded(split)
    batches = list(pipeline.load_split(split, batch_size=5))
    found = np.concatenate([pictures.numpy() for pictures, _ in batches])
    assert np.array_equal(found, truth), split
    assert np.concatenate([label.numpy() for _, label in batches]).tolist() == labels

truth, labels = decoded("train")
batches = [list(pipeline.load_split("train", batch_size=64)) for _ in range(2)]
for (pictures, found), in batches:
    assert sorted(found.numpy().tolist()) == sorted(labels)
    same = [(np.abs(truth - picture).max((1, 2, 3)) == 0).any() for picture in pictures.numpy()]
    assert not any(same), "train pictures must be augmented"
    assert pictures.numpy().min() >= 0 and pictures.numpy().max() <= 255
assert np.array_equal(batches[0][0][0].numpy(), batches[1][0][0].numpy()), "the same seed gives the same batch"
print("CHECKED")
"""


@pytest.fixture(scope="module")
def plan_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("pipeline")
    rows = []
    for split, counts in {"train": (8, 20, 12, 4), "val": (3, 5, 3, 1), "test": (3, 5, 3, 1)}.items():
        for label, count in zip(("Zoo", "ant", "bee", "rare"), counts, strict=True):
            for number in range(count):
                path = f"{split}/{label}/{number}.png"
                save(photo(len(rows), (32, 32)), root / "data" / path)
                rows.append((path, label, split))
    digests = {path: np.frombuffer(hashlib.sha256((root / "data" / path).read_bytes()).digest(), ">u8") for path, *_ in rows}
    sides = dict.fromkeys(digests, 32)
    measured = make(rows, catalog={"root": root / "data"}, sha256=digests, width=sides, height=sides)
    write(make_plan(measured, Config()), root / "plan")
    return root / "plan"


def run(*command, **options):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, env=environment, check=False, **options
    )


@pytest.mark.tensorflow
def test_val_and_test_are_the_decoded_pictures_and_train_is_augmented(plan_folder):
    checked = run("-c", CHECKS.format(plan=str(plan_folder), data=str(plan_folder.parent / "data")))
    assert checked.stdout.endswith("CHECKED\n"), checked.stderr


SAMPLE_CHECKS = """
import csv, json, pathlib, sys
import numpy as np
from PIL import Image
sys.path.insert(0, {plan!r})
import pipeline

weights = json.load(open({plan!r} + "/class_weights.json"))
assert pipeline.CLASS_NAMES == sorted(pipeline.CLASS_NAMES) == weights["class_names"]
assert pipeline.CLASS_WEIGHT == {{int(key): value for key, value in weights["class_weight"].items()}}
rows = [row for row in csv.DictReader(open({plan!r} + "/manifest.csv", newline="")) if row["split"]]
for split, augmented in (("val", False), ("train", True)):
    truth = [(row, np.asarray(Image.open(pathlib.Path({data!r}) / row["path"]).convert("RGB"), np.float32))
             for row in rows if row["split"] == split]  # a WebP among them: the pipeline decodes with Pillow
    seen = [(picture, int(label)) for pictures, labels in pipeline.load_split(split, batch_size=32)
            for picture, label in zip(pictures.numpy(), labels.numpy())]
    assert len(seen) == len(truth)
    assert sorted(label for _, label in seen) == sorted(pipeline.CLASS_NAMES.index(row["label"]) for row, _ in truth)
    known = {{picture.tobytes() for _, picture in truth}}
    equal = sum(picture.tobytes() in known for picture, _ in seen)
    native = sum(picture.shape == seen[0][0].shape for _, picture in truth)
    assert equal == (0 if augmented else native), (split, equal, native)
    assert native > 0.9 * len(truth)
print("CHECKED")
"""


@pytest.mark.tensorflow
def test_the_pipeline_of_the_sample_data_sees_what_it_should_and_trains_an_epoch(faulty, faulty_report, tmp_path):
    write(make_plan(faulty_report.measurements, Config()), tmp_path / "plan")
    checked = run("-c", SAMPLE_CHECKS.format(plan=str(tmp_path / "plan"), data=str(faulty)))
    assert checked.stdout.endswith("CHECKED\n"), checked.stderr
    trained = run(tmp_path / "plan/pipeline.py", "--epochs", "1")
    assert trained.returncode == 0, trained.stderr
    told = {line.split()[0] for line in trained.stdout.splitlines() if "% of" in line}
    assert {sample.label for sample in faulty_report.measurements.catalog} <= told


@pytest.mark.tensorflow
def test_one_epoch_trains_and_prints_the_recall_of_each_class(plan_folder, tmp_path):
    (tmp_path / "moved").symlink_to(plan_folder.parent / "data")
    trained = run(plan_folder / "pipeline.py", "--epochs", "1", "--data", tmp_path / "moved", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "always answering 'ant': 41.7%" in trained.stdout
    for name, count in (("Zoo", 3), ("ant", 5), ("bee", 3), ("rare", 1)):
        line = next(line for line in trained.stdout.splitlines() if line.strip().startswith(name))
        assert line.endswith(f"% of {count}"), line


def test_text_from_the_dataset_cannot_become_code(tmp_path):
    plan = make_plan(make([("a/x.jpg", "a", None)]), Config())
    hostile = "x\nimport os\r\u2028os.system('true')\x0c\x00"
    layer = AugmentationLayer("RandomFlip", (("mode", "horizontal"),), hostile)
    text = render(type(plan)(plan.split, plan.class_weights, AugmentationPlan((layer,), (("No", hostile),), (32, 32))))
    lines = [line for line in text.splitlines() if "os.system" in line]
    assert lines
    assert all(line.lstrip().startswith("#") for line in lines)
    compile(text, "pipeline.py", "exec")


@pytest.mark.parametrize(
    ("content", "decoder"),
    [
        ("JPEG", "tensorflow"),
        ("GIF", "tensorflow"),
        ("TIFF", "pillow"),
        ("WEBP", "pillow"),
        ("BMP", "pillow"),
        ("AVIF", "pillow"),
    ],
)
def test_the_decoder_follows_the_content_and_not_the_name(content, decoder):
    rows = [("a/1.jpg", "a", None), ("a/2.tif", "a", None)]
    assert make_plan(make(rows, format={"a/1.jpg": content, "a/2.tif": "PNG"}), Config()).decoder == decoder


def test_a_file_that_is_left_out_does_not_choose_the_decoder():
    rows = [("a/1.jpg", "a", "train"), ("a/2.jpg", "a", "train"), ("x.jpg", None, "train")]
    assert make_plan(make(rows, format={"x.jpg": "TIFF"}), Config()).decoder == "tensorflow"


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.name)
def test_what_tensorflow_refuses_or_misreads_is_decoded_by_pillow(outcome):
    rows = [("a/1.jpg", "a", None), ("a/2.jpg", "a", None)]
    decoder = make_plan(make(rows, loader={"a/1.jpg": OUTCOMES.index(outcome)}), Config()).decoder
    assert decoder == ("tensorflow" if outcome.effect in {"read", "altered"} else "pillow")


@pytest.mark.tensorflow
def test_formats_that_tensorflow_cannot_read_are_decoded_by_pillow(tmp_path):
    rows, formats = [], {}
    for number, content in enumerate(["TIFF", "WEBP", "BMP", "PNG"] * 3):
        path = f"a{number % 2}/{number}.jpg"  # whatever its name says
        picture = photo(number, (32, 32))
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (picture.quantize(16) if content == "BMP" else picture).save(tmp_path / "data" / path, format=content)
        rows.append((path, f"a{number % 2}", None))
        formats[path] = content
    sides = dict.fromkeys(formats, 32)
    measured = make(rows, catalog={"root": tmp_path / "data"}, width=sides, height=sides, format=formats)
    write(make_plan(measured, Config(ratios=(0.5, 0.5, 0.0))), tmp_path / "plan")
    trained = run(tmp_path / "plan" / "pipeline.py", "--epochs", "1", "--save", tmp_path / "model.keras")
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "model.keras").exists()
