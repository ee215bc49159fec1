"""What was nominated is kept: the same search among the same contents is not made again, and any other is."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataaudit.config import Config
from dataaudit.dedup import memory
from dataaudit.dedup.memory import Memory, _packed, _unpacked
from dataaudit.dedup.nominations import Nominations
from dataaudit.domain import IndexRecall
from dataaudit.features.cache import Cache
from dataaudit.features.store import FILE

COLUMNS = ("a", "b", "orientation", "distance")


def told(found):
    return (
        [getattr(found, name).tolist() for name in COLUMNS],
        [getattr(found, name).dtype for name in COLUMNS],
        found.index_recall,
    )


def nominations(count, recall=None, seed=0):
    rng = np.random.default_rng(seed)
    a = np.sort(rng.integers(0, 2**40, count))
    return Nominations(a, a + rng.integers(1, 2**40, count), rng.integers(-1, 8, count), 2 * rng.random(count), recall)


@given(st.integers(0, 50), st.none() | st.builds(IndexRecall, *(3 * [st.integers(0, 500)])), st.data())
def test_nominations_survive_the_way_through_bytes_and_no_other_bytes_do(count, recall, data):
    found = nominations(count, recall)
    row = _packed(found)
    assert told(_unpacked(row)) == told(found)
    place, flipped = data.draw(st.integers(0, len(row) - 1)), bytearray(row)
    flipped[place] ^= data.draw(st.integers(1, 255))
    assert _unpacked(bytes(flipped)) is None


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """Return a function that asks for the nominations among some contents, and says whether they were searched for."""
    monkeypatch.setattr(memory, "_MANY", 3)
    config = Config(cache_dir=str(tmp_path))
    contents = np.random.default_rng(0).integers(0, 2**63, (5, 4), np.uint64)
    vectors = np.zeros((5, 8), np.float16)

    def search(rows=(0, 1, 2, 4), contents=contents, vectors=vectors, **options):
        searches = []

        def nominate():
            searches.append(True)
            return nominations(4)

        given = config.merged(**options)
        with Cache(given) as cache:
            features = SimpleNamespace(sha256=contents, descriptor=vectors)
            found = Memory(cache, features).nominations(np.array(rows), given, nominate)
        assert told(found) == told(nominations(4))
        return bool(searches)

    return search


def test_the_same_search_is_made_once(searched):
    assert searched()
    assert not searched()
    assert not searched(jobs=1, select=("LEK",), seed=3, paranoid=True)


def test_any_other_search_is_made(searched, tmp_path):
    contents = np.random.default_rng(0).integers(0, 2**63, (5, 4), np.uint64)
    changed, moved = contents.copy(), contents[[1, 0, 2, 3, 4]]
    changed[4, 3] += 1
    others = [
        {"rows": (0, 1, 2, 3)},
        {"rows": (0, 1, 2)},
        {"contents": changed},
        {"contents": moved},
        {"contents": contents[[0, 1, 2, 4, 3, 3]], "rows": (0, 1, 2, 3)},
        {"neighbours": 3},
        {"hamming64": 3},
        {"agreement": 7},
        {"descriptor": str(tmp_path / "one.keras")},
    ]
    assert searched()
    for other in others:
        assert searched(**other), other
        assert not searched(**other), other
    assert not searched()


def test_of_a_model_of_the_users_its_numbers_decide(searched, tmp_path):
    model, other = str(tmp_path / "one.keras"), np.ones((5, 8), np.float16)
    assert searched(descriptor=model)
    assert searched(descriptor=model, vectors=other)
    assert not searched(descriptor=model)
    assert searched()
    assert not searched(vectors=other), "the contents and the code say what the built-in descriptors are"


def test_few_are_searched_without_a_question(searched):
    assert searched(rows=(0, 1))
    assert searched(rows=(0, 1))


def test_a_rotten_row_is_searched_for_anew(searched, tmp_path):
    assert searched()
    with sqlite3.connect(Path(tmp_path) / FILE) as connection:
        ((row,),) = connection.execute("SELECT row FROM nominations").fetchall()
        connection.execute("UPDATE nominations SET row = ?", (row[:-9] + bytes(9),))
    connection.close()
    assert searched()
    assert not searched()
