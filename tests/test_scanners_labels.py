"""Labels: the majority's vote among copies, and the ranked list of a model of the user's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dataaudit.config import Config
from dataaudit.scanners import judge
from measurements import make, rows_of

ROWS = sorted(rows_of({"train": {"cat": 60, "dog": 60}}))
PATHS = [path for path, *_ in ROWS]
WRONG = ("train/cat/0003.jpg", "train/dog/0010.jpg")


def labels(measurements):
    return list(judge(measurements, Config(select=("LBL",)))[0])


def reason(measurements):
    return {each.rule.code: each.reason for each in judge(measurements, Config(select=("LBL",)))[2]}["LBL403"]


def test_the_majority_is_the_suggestion():
    a, b, c = "train/cat/0001.jpg", "train/cat/0002.jpg", "train/dog/0001.jpg"
    (finding,) = labels(make(ROWS, [(a, b, "exact"), (a, c, "exact")]))
    assert finding.message.endswith("labelled 'cat' (2), 'dog' (1); 2 of 3 say 'cat', which is the suggestion")
    (finding,) = labels(make(ROWS, [(a, c, "near")]))
    assert finding.message.endswith("labelled 'cat' (1), 'dog' (1)")


def embedded():
    rng = np.random.default_rng(0)
    dog = np.array([("dog" in path) != (path in WRONG) for path in PATHS])
    return (rng.normal(0, 1, (120, 8)) + 6 * dog[:, None]).astype(np.float32)


def predicted():
    dog = np.array([("dog" in path) != (path in WRONG) for path in PATHS])
    chance = np.where(dog, 0.9, 0.1) + np.random.default_rng(0).normal(0, 0.03, 120)
    return np.stack([1 - chance, chance], axis=1).astype(np.float32)


@pytest.mark.parametrize("given", [{"embeddings": embedded()}, {"pred_probs": predicted()}])
def test_planted_errors_head_the_list(given):
    measurements = replace(make(ROWS), **given)
    (finding,) = labels(measurements)
    assert finding.rule.severity == "info"
    names = [name for name, _ in finding.evidence.rows]
    assert {name.partition(":")[0] for name in names[:2]} == set(WRONG)
    assert "train/cat/0003.jpg: cat → dog" in names[:2]
    margins = [values[1] for _, values in finding.evidence.rows]
    assert margins == sorted(margins)
    assert set(WRONG) <= {measurements.catalog.paths[row] for row in finding.samples}
    assert "labels of 120" in finding.message
    assert labels(measurements) == [finding]


def test_rows_without_an_embedding_take_no_part():
    table = np.round(predicted(), 1)
    table[PATHS.index(WRONG[0])] = np.nan
    (finding,) = labels(replace(make(ROWS), pred_probs=table))
    assert [name.partition(":")[0] for name, _ in finding.evidence.rows] == [WRONG[1]]


def test_without_a_model_the_list_is_not_run_and_says_so():
    assert reason(make(ROWS)).startswith("needs-extra: give --embeddings")
    few = replace(make(rows_of({None: {"cat": 5, "dog": 5}})), pred_probs=np.full((10, 2), 0.5, np.float32))
    assert reason(few).startswith("too-few")
    assert reason(make(rows_of({None: {"cat": 5}}))).startswith("not-applicable")


def test_a_model_that_finds_nothing_is_silent():
    dog = np.array(["dog" in path for path in PATHS])
    sure = np.stack([1.0 - dog, dog], axis=1).astype(np.float32)
    assert labels(replace(make(ROWS), pred_probs=sure)) == []
