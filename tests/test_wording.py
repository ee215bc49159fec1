from __future__ import annotations

import pytest

from dataaudit.wording import counted, likeness, percent, surely


@pytest.mark.parametrize(
    ("share", "told"),
    [(0, "0 %"), (1e-6, "< 0.1 %"), (0.005, "0.5 %"), (0.155, "15.5 %"), (0.62, "62 %"), (0.99999, "> 99.9 %"), (1, "100 %")],
)
def test_percent_never_rounds_to_none_or_all(share, told):
    assert percent(share) == told


@pytest.mark.parametrize(("share", "told"), [(0.004, "< 1 %"), (0.3, "30 %"), (0.994, "99 %"), (0.996, "> 99 %"), (1, "100 %")])
def test_without_decimals_too(share, told):
    assert percent(share, 0) == told


@pytest.mark.parametrize(
    ("similarity", "told"), [(0.97, "0.97"), (0.994, "0.99"), (0.9951, "0.995"), (0.9996, "> 0.999"), (1.0, "> 0.999")]
)
def test_what_is_not_the_same_never_reads_as_the_same(similarity, told):
    assert likeness(similarity) == told


def test_nouns_agree_and_large_numbers_are_cut_in_threes():
    assert [counted(1, "image"), counted(2, "image"), counted(50_000, "class", "classes")] == [
        "1 image",
        "2 images",
        "50,000 classes",
    ]


def test_small_probabilities_are_bounded():
    assert (surely(0.0031), surely(1e-9)) == ("q = 0.0031", "q < 0.0001")
