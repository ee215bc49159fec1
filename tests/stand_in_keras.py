"""A stand-in for TensorFlow and Keras: what little of them the models' process asks, quick, and ill-behaved where it is told so.

:func:`plant` writes two packages of their names; put their folder in front of ``sys.path``, which processes inherit. What a model
does is in the ``config.json`` of its file, that :func:`model` writes.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

TENSORFLOW = """
import contextlib
import os
from types import SimpleNamespace as N
import numpy as np
from PIL import Image
import io

class OpError(Exception): pass
class ResourceExhaustedError(OpError): pass
errors = N(OpError=OpError, ResourceExhaustedError=ResourceExhaustedError)
float32 = "float32"
threading = N(set_intra_op_parallelism_threads=lambda n: None, set_inter_op_parallelism_threads=lambda n: None)
config = N(threading=threading, experimental=N(enable_op_determinism=lambda: None))
def TensorSpec(shape, dtype): return shape
def function(f, input_signature): return f
def cast(x, dtype): return np.asarray(x, np.float32)
def map_fn(f, x, parallel_iterations, fn_output_signature): return np.stack([f(one) for one in x])
class Tensor(np.ndarray):
    def numpy(self): return np.asarray(self)
def decode_image(data, channels, expand_animations):
    if "STAND_IN_EXHAUSTED" in os.environ:
        raise ResourceExhaustedError("no memory")
    try:
        return Image.open(io.BytesIO(data)).convert("RGB" if channels == 3 else "L")
    except Exception as error:
        raise OpError(str(error))
def resize(picture, size, method, antialias):
    way = Image.Resampling.BOX if antialias else Image.Resampling.NEAREST
    return np.asarray(picture.resize(size[::-1], way), np.float32).reshape(*size, -1).view(Tensor)
image = N(decode_image=decode_image, resize=resize)
"""
KERAS = """
import json, os, signal, sys, time, zipfile
from types import SimpleNamespace as N
import numpy as np

def load_model(path, safe_mode, compile):
    assert safe_mode is True and compile is False
    told = json.loads(zipfile.ZipFile(path).read("config.json"))
    sys.stdout.write("libraries talk\\n" * 100)
    with open(os.path.join(os.path.dirname(path), "loads"), "a") as log:
        log.write(told["does"] + "\\n")
    if told["does"] == "raises":
        raise ValueError("Could not locate class 'Mine'")
    return Model(told)

class Model:
    def __init__(self, told):
        self.told = told
        one = N(shape=tuple(told.get("shape", (None, 4, 4, 3))), dtype="float32")
        self.inputs = [one] * told.get("inputs", 1)
        self.outputs = [one]
        self.seen = 0
    def __call__(self, pictures, training):
        assert training is False and len(pictures) == 1
        self.seen += 1
        does, rows = self.told["does"], np.asarray(pictures).reshape(1, -1).astype(np.float32) + self.told.get("plus", 0)
        later = self.seen > 3
        if does == "same":
            return np.ones_like(rows)
        if does == "zero":
            return np.zeros_like(rows)
        if does == "map":
            return rows.reshape(1, 2, -1)
        if does == "nan" or (does == "nan later" and later):
            return rows * np.nan
        if does == "crash" and later:
            sys.stderr.write("the last words\\n"); sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if does == "hang" and later:
            time.sleep(600)
        if does == "short later" and later:
            return rows[:, 1:]
        if does == "fails" and later:
            raise RuntimeError("a layer does not like it")
        return rows

__version__ = os.environ.get("STAND_IN_KERAS", "3.15.1")
saving = N(load_model=load_model)
utils = N(set_random_seed=lambda seed: None)
"""


def plant(folder: Path) -> Path:
    """Write the packages, and return the folder to put in front of ``sys.path``."""
    for name, code in (("tensorflow", TENSORFLOW), ("keras", KERAS)):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(code, encoding="utf-8")
    return folder


def model(path: Path, does: str = "answers", **told: object) -> str:
    """Write a model's file and return its name."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"does": does, **told}))
    return str(path)


def loads(path: str) -> int:
    """Return how often models of the file's folder were loaded."""
    log = Path(path).with_name("loads")
    return len(log.read_text().splitlines()) if log.exists() else 0
