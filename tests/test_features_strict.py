"""Strict decoding sees the damage that Pillow and TensorFlow pass over, and nothing where there is none."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dataaudit import pipeline
from dataaudit.config import Config
from dataaudit.errors import UsageError
from dataaudit.features.strict import COMPLAINTS, decode_strictly, require
from dataaudit.scanners import judge
from measurements import make, rows_of
from pictures import photo, save
from zoo import encoded, zoo

ROWS = rows_of({"train": {"cat": 2}})
PATH = "train/cat/0000.jpg"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    pytest.importorskip("simplejpeg")
    root = tmp_path_factory.mktemp("strict")
    animals = zoo()
    for number in range(4):
        for form in ("jpg", "png", "webp"):
            save(photo(number, (300, 200)), root / "a" / f"whole{number}.{form}")
    save(photo(5, (300, 200)), root / "a/progressive.jpg", progressive=True)
    (root / "a/mpo.jpg").write_bytes(animals["jpeg-mpo"])
    large = encoded(photo(6, (900, 700)), "JPEG", quality=95)
    block = len(large) // 1024 * 512
    (root / "b").mkdir()
    (root / "b/zeroed.jpg").write_bytes(large[:block] + bytes(512) + large[block + 512 :])
    (root / "b/ends-early.jpg").write_bytes(large[: len(large) // 2] + b"\xff\xd9")
    (root / "b/short-rows.png").write_bytes(animals["png-short-rows"])
    return pipeline.measure(root, Config(jobs=1, integrity="deep"))


def test_damage_that_decodes_is_found_and_whole_files_are_silent(measured):
    found = judge(measured, Config(select=("INT117", "INT120", "INT122")))[0]
    assert {(finding.rule.code, measured.catalog.paths[finding.samples[0]]) for finding in found} == {
        ("INT117", "b/short-rows.png"),
        ("INT120", "b/zeroed.jpg"),
        ("INT122", "b/zeroed.jpg"),
        ("INT122", "b/ends-early.jpg"),
    }


def test_every_jpeg_and_png_was_looked_at_and_nothing_else(measured):
    looked = measured.features.strict > 0
    assert (looked == np.isin(measured.features.format, ["JPEG", "PNG"])).all()


def test_without_it_the_rule_did_not_run(tmp_path):
    _, ran, not_run = judge(make(ROWS), Config())
    (reason,) = [each.reason for each in not_run if each.rule.code == "INT122"]
    assert reason.startswith("needs-extra")
    assert "INT122" in {rule.code for rule in judge(make(ROWS, strict=dict.fromkeys([PATH], 1)), Config())[1]}
    assert "INT122" not in {rule.code for rule in ran}


@pytest.mark.parametrize("complaint", COMPLAINTS, ids=lambda complaint: complaint.name)
def test_each_complaint_is_a_finding_and_silence_is_none(complaint):
    found = judge(make(ROWS, strict={PATH: COMPLAINTS.index(complaint)}), Config(select=("INT122",)))[0]
    assert [complaint.words in finding.message for finding in found] == [True] * bool(complaint.words)


def test_without_simplejpeg_the_user_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    with pytest.raises(UsageError, match=r"dataaudit\[integrity\]"):
        require()


def test_a_lost_batch_is_not_looked_at():
    class Losing:
        def map_batches(self, _function, items, **_options):
            from dataaudit.engines import Lost  # noqa: PLC0415

            for item in items:
                yield [item], Lost("crash", "died")

    rows = make(ROWS)
    assert not decode_strictly(rows.catalog, rows.features, Losing()).strict.any()
