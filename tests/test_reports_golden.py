"""Every format, byte for byte. After a change that was meant, run this file once with UPDATE_GOLDEN=1 and read the diff.

Embedded pictures are left out of the golden page: their bytes are Pillow's, and differ between its versions.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import dataaudit
from dataaudit.reports.formats import FORMATS
from reports_fixture import clean, crowded, hostile, unsplit

GOLDEN = Path(__file__).parent / "golden"
ENDINGS = {"text": "txt", "json": "json", "html": "html", "markdown": "md"}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    return {"hostile": hostile(tmp_path_factory.mktemp("dataset")), "clean": clean(), "unsplit": unsplit(), "crowded": crowded()}


def without_pictures(page: str) -> str:
    return re.sub(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+", r"data:image/\1", page)


def test_every_format_has_an_ending():
    assert set(FORMATS) == set(ENDINGS)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_golden(form, reports, monkeypatch):
    monkeypatch.setattr(dataaudit, "__version__", "1.2.3")
    found = without_pictures(FORMATS[form](reports["hostile"]))
    golden = GOLDEN / f"report.{ENDINGS[form]}"
    if "UPDATE_GOLDEN" in os.environ:
        golden.write_text(found, encoding="utf-8", newline="\n")
    assert found == golden.read_bytes().decode("utf-8")


@pytest.mark.parametrize("form", sorted(FORMATS))
@pytest.mark.parametrize("name", ["hostile", "clean", "unsplit", "crowded"])
def test_same_input_same_bytes_and_one_newline_at_the_end(form, name, reports):
    first = FORMATS[form](reports[name])
    assert first.encode("utf-8") == FORMATS[form](reports[name]).encode("utf-8")
    assert first.endswith("\n")
    assert not first.endswith("\n\n")


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_no_report_names_the_root_or_lets_a_control_character_through(form, reports):
    report = reports["hostile"]
    found = FORMATS[form](report)
    assert str(report.measurements.catalog.root) not in found
    assert not [char for char in found if not char.isprintable() and char not in "\n\u2060"]
    assert not [line for line in found.splitlines() if line.startswith("::")]
