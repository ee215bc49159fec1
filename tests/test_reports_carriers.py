"""The page shows the pictures that carry a test's finding."""

from __future__ import annotations

from dataaudit.domain import ComparisonEvidence, Finding
from dataaudit.reports.exhibits import CARRIERS, exhibits
from dataaudit.reports.outline import Block
from dataaudit.reports.pictures import Album
from dataaudit.scanners.drift import RULES
from measurements import make, rows_of

EVIDENCE = ComparisonEvidence("a test", "luminance", ("train", "val"), (9, 9), 0.5, 0.001, 0.002, 1.5, "effect", (1.0, 2.0))


def test_a_test_shows_the_pictures_that_carry_it():
    measurements = make(rows_of({"train": {"a": 9}, "val": {"a": 9}}))
    findings = (Finding(RULES[0], "it drifts", tuple(range(9, 18)), EVIDENCE), Finding(RULES[0], "it drifts", (), EVIDENCE))
    shown, left = exhibits(Block(RULES[0], findings), Album(measurements))
    assert left == 0
    assert [each.kind for each in shown] == ["test", "test"]
    assert [figure.path for figure in shown[0].figures] == [f"val/a/{number:04}.jpg" for number in range(CARRIERS)]
    assert shown[1].figures == ()
    assert ("effect", "1.5 (1 to 2)") in shown[0].facts
