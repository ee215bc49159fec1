"""What a configuration may hold; reading it from files is tested in test_cli.py."""

from __future__ import annotations

import math

import pytest

from dataaudit.config import Config
from dataaudit.errors import ConfigError


@pytest.mark.parametrize(
    "ratios", [(0.7, 0.2, 0.2), (1.2, -0.1, -0.1), (0, 0.5, 0.5), (math.nan, 0.5, 0.5), (0.5, 0.5, math.nan)]
)
def test_impossible_ratios_are_refused(ratios):
    with pytest.raises(ConfigError, match="summing to 1, found"):
        Config().merged(ratios=ratios)


def test_one_fold_is_refused():
    with pytest.raises(ConfigError, match=r"folds: expected 0 .none. or at least 2, found 1"):
        Config().merged(folds=1)
    assert Config().merged(folds=2).folds == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hamming-46", "there is no option 'hamming_46'; near it: hamming64, hamming256"),
        ("zzzzz", "dataaudit/config.py"),
    ],
)
def test_of_an_unknown_option_the_near_ones_are_named_and_no_others(tmp_path, name, told):
    (tmp_path / "dataaudit.toml").write_text(f"{name} = 1\n")
    with pytest.raises(ConfigError) as raised:
        Config.load(directory=tmp_path)
    assert told in str(raised.value)
    assert "probable_median" not in str(raised.value)


def test_a_bad_value_names_no_option_but_its_own(tmp_path):
    (tmp_path / "dataaudit.toml").write_text("alpha = 2\nratios = [0.5, 0.5]\n")
    with pytest.raises(ConfigError, match=r"alpha: .*less than 1, found 2.*; ratios") as raised:
        Config.load(directory=tmp_path)
    assert "hamming64" not in str(raised.value)
