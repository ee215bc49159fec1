from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from dataaudit.reports import text
from reports_fixture import RULES, clean, crowded, hostile, unsplit

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return hostile(tmp_path_factory.mktemp("dataset"))


def test_the_first_line_is_the_verdict(report):
    assert text.render(report).splitlines()[0] == report.summary.sentence
    narrow = text.render(report, width=50)
    assert " ".join(narrow.split("\n\n")[0].splitlines()).startswith(report.summary.sentence)


@pytest.mark.parametrize("width", [None, 40, 60, 100, 220])
def test_no_line_but_the_verdict_is_wider_than_the_terminal(report, width):
    for each in (report, crowded(), unsplit()):
        lines = text.render(each, width=width).splitlines()
        assert max(cell_len(line) for line in lines[1 if width is None else 0 :]) <= (width or 100)


def test_never_more_than_two_screens_whatever_the_dataset():
    assert len(text.render(crowded()).splitlines()) <= 125
    assert len(text.render(clean()).splitlines()) <= 15


def test_colour_changes_nothing_but_the_colour(report):
    plain, coloured = text.render(report), text.render(report, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31m" in coloured
    assert [line.rstrip() for line in ANSI.sub("", coloured).splitlines()] == plain.splitlines()


def test_neither_the_environment_nor_markup_is_obeyed(report, monkeypatch):
    plain, coloured = text.render(report), text.render(report, colour=True)
    for name, value in {"NO_COLOR": "1", "FORCE_COLOR": "1", "COLUMNS": "33", "TERM": "dumb", "TTY_COMPATIBLE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert text.render(report) == plain
    assert text.render(report, colour=True) == coloured


def test_examples_are_limited_and_the_rest_is_counted(report):
    for examples in (0, 1, 2, 3):
        found = text.render(report, examples=examples)
        block = found[found.index("LEK201") : found.index("LEK203")]
        assert block.count("are the same picture") == examples
        assert (f"… and {3 - examples} more (see report.json)" in block) == (examples < 3)
        assert " ".join(RULES["LEK201"].remedy.split()) in " ".join(block.split())


def test_a_rule_not_run_is_told_and_never_as_passed(report):
    found = text.render(report)
    assert "Not run, and so not passed: 2 rules" in found
    assert "LEK208  not-applicable: the dataset has splits" in found
    assert "Not samples: 2 system-file, 1 irregular, 1 not-an-image" in found


def test_nothing_found_is_said():
    assert "Nothing found." in text.render(clean())
    assert "Nothing found." not in text.render(unsplit())
