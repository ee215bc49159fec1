"""Shared fixtures: the committed sample data, scanned once."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from dataaudit import Config, pipeline

_CACHE = tempfile.TemporaryDirectory(prefix="dataaudit-")
os.environ["DATAAUDIT_CACHE_DIR"] = _CACHE.name  # no test reads or writes the user's cache; what tests start inherits this one

SAMPLES = Path(__file__).parents[1] / "sample_data"


@pytest.fixture(scope="session")
def faulty() -> Path:
    return SAMPLES / "dataset"


@pytest.fixture(scope="session")
def clean() -> Path:
    return SAMPLES / "clean"


@pytest.fixture(scope="session")
def answers() -> dict:
    return json.loads((SAMPLES / "answers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def faulty_report(faulty):
    return pipeline.scan(faulty, Config(jobs=2))


@pytest.fixture(scope="session")
def clean_report(clean):
    return pipeline.scan(clean, Config(jobs=2))
