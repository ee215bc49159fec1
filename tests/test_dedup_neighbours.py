"""The search by copy descriptor: exact against its slow twin, whatever the order of the files and the number of threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dataaudit.config import Config
from dataaudit.dedup import neighbours
from dataaudit.dedup.cells import Cells
from dataaudit.dedup.neighbours import nearest
from dataaudit.domain import IndexRecall
from dataaudit.scanners.verdict import summarise
from measurements import make

DIMENSIONS = 128


def clustered(seed: int, size: int, *, spread: float = 0.6) -> np.ndarray:
    """Unit vectors, a third of them copies: near another vector of the same kind, some equal to it."""
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(5, DIMENSIONS))
    vectors = kinds[rng.integers(0, 5, size)] * 0.5 + rng.normal(size=(size, DIMENSIONS))
    copies = size // 3
    vectors[:copies] = vectors[-copies:] + spread * rng.random((copies, 1)) * rng.normal(size=(copies, DIMENSIONS))
    vectors[: copies // 10] = vectors[-copies:][: copies // 10]
    vectors = vectors[rng.permutation(size)]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def lists(vectors: np.ndarray, order: np.ndarray, count: int, least: float) -> dict[int, dict[int, float]]:
    """The nearest of each, and their scores: every pair compared, one by one, in double precision."""
    whole = np.rint(vectors[order].astype(float) * neighbours.UNIT) / neighbours.UNIT
    similar = whole @ whole.T
    first, last = (min(rank, len(whole)) for rank in neighbours.NEAR)
    near = [np.mean(sorted(line[: neighbours.BACKGROUND], reverse=True)[first - 1 : last]) for line in similar]
    found = {}
    for i in range(len(whole)):
        scores = sorted((-(similar[i, j] - 0.5 * (near[i] + near[j])), j) for j in range(len(whole)) if j != i)
        found[int(order[i])] = {int(order[j]): -score for score, j in scores[:count] if -score >= least}
    return found


def looked_at(vectors: np.ndarray, order: np.ndarray, count: int, least: float) -> dict[tuple[int, int], float]:
    """The pairs of which one is among the nearest of the other."""
    found = lists(vectors, order, count, least)
    return {pair(i, j): score for i, others in found.items() for j, score in others.items()}


def pair(a: int, b: int) -> tuple[int, int]:
    return min(int(a), int(b)), max(int(a), int(b))


def scored(found: neighbours.Neighbours) -> dict[tuple[int, int], float]:
    """The pairs and their scores, and that each was told once."""
    pairs = list(zip(found.a.tolist(), found.b.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert (found.a < found.b).all()
    return dict(zip(pairs, found.score.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [1, 5])
def test_it_finds_what_looking_at_everything_finds(seed, count, monkeypatch):
    monkeypatch.setattr(neighbours, "_ROWS", 50)  # many tiles, and the best chosen again and again
    monkeypatch.setattr(neighbours, "_COLUMNS", 150)
    monkeypatch.setattr(neighbours, "_HELD", 1)
    monkeypatch.setattr(neighbours, "BACKGROUND", 200)
    vectors = clustered(seed, 330)
    order = np.random.default_rng(seed).permutation(330)
    found = nearest(vectors, order, count, 0.1)
    expected = looked_at(vectors, order, count, 0.1)
    assert len(expected) > 80
    assert scored(found) == pytest.approx(expected, abs=1e-6)


def test_some_rows_of_a_table_are_searched_as_if_there_were_no_others():
    vectors, rng = clustered(5, 300), np.random.default_rng(5)
    order = rng.permutation(300)[:200]
    alone = np.sort(order)
    among, expected = nearest(vectors, order, 5, -0.5), nearest(vectors[alone], np.searchsorted(alone, order), 5, -0.5)
    assert len(expected.a) > 100
    assert scored(among) == scored(replace(expected, a=alone[expected.a], b=alone[expected.b]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("index", [False, True])
def test_of_pictures_with_two_vectors_the_nearest_two_count(seed, index, monkeypatch):
    """The slow twin: the nearest vectors of others, of each picture's both lists the best of every other picture."""
    monkeypatch.setattr(neighbours, "_ROWS", 50)
    monkeypatch.setattr(neighbours, "_COLUMNS", 150)
    monkeypatch.setattr(neighbours, "_BLOCK", 90)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100 if index else 1_000)
    monkeypatch.setattr(neighbours, "AIM", 1.0)  # every cell is looked into
    monkeypatch.setattr(neighbours, "FEWEST_PROBES", 330)
    rng, count, least = np.random.default_rng(seed), 5, 0.0
    vectors, pictures = clustered(seed, 330), rng.permutation(500)[:250]
    double = rng.permutation(250)[:80]
    of = np.append(pictures, pictures[double])
    order = np.concatenate([np.flatnonzero(of == picture) for picture in rng.permutation(pictures)])
    at = np.argsort(order)  # where scores are equal the earlier counts
    whole = np.rint(vectors.astype(float) * neighbours.UNIT) / neighbours.UNIT
    similar, first = whole @ whole.T, np.arange(250)
    nearest_first = -np.sort(-similar[:, first], axis=1)
    near = nearest_first[:, neighbours.NEAR[0] - 1 : neighbours.NEAR[1]].mean(axis=1)
    expected: dict[tuple[int, int], float] = {}
    for picture in pictures.tolist():
        best: dict[int, list[float]] = {}
        for i in np.flatnonzero(of == picture):
            less = (0.5 * (near[i] + near) - similar[i]).round(9).tolist()
            scores = sorted((less[j], at[j], int(of[j])) for j in range(330) if of[j] != picture)
            for *rank, other in scores[:count]:
                best[other] = min(rank, best.get(other, [1.0]))
        for other in sorted(best, key=best.__getitem__)[:count]:
            if -best[other][0] >= least:
                expected[pair(picture, other)] = -best[other][0]
    assert len(expected) > 200
    assert scored(nearest(vectors, order, count, least, of=of)) == pytest.approx(expected, abs=1e-6)


def test_it_asks_about_each_pair_which_to_keep_and_again_where_its_place_proves_a_step_better(monkeypatch):
    monkeypatch.setattr(neighbours, "_ROWS", 50)
    monkeypatch.setattr(neighbours, "_STEPS", (1, 2, 4))
    vectors, order = clustered(4, 330), np.random.default_rng(4).permutation(330)
    asked, said = [], {}

    def keep(a: np.ndarray, b: np.ndarray, score: np.ndarray, place: np.ndarray) -> np.ndarray:
        asked.append(scored(neighbours.Neighbours(a, b, score)))
        for *rows, where in zip(a.tolist(), b.tolist(), place.tolist(), strict=True):
            said.setdefault(tuple(rows), []).append(where)
        return (a + b) % 2 == 0

    found, everything = scored(nearest(vectors, order, 5, -0.5, keep)), scored(nearest(vectors, order, 5, -0.5))
    assert len(asked) == 7
    assert {p: score for part in asked for p, score in part.items()} == everything
    assert found == {p: score for p, score in everything.items() if sum(p) % 2 == 0}
    assert len(everything) > len(found) > 50
    places = lists(vectors, order, 5, -0.5)
    for (a, b), answers in said.items():
        true = min(list(places[i]).index(j) for i, j in ((a, b), (b, a)) if j in places[i])
        assert answers[-1] == true or 0 < true <= answers[-1], (answers, true)
        assert step(answers[-1]) == step(true)
    again = [answers for answers in said.values() if len(answers) > 1]
    assert len(again) > 5
    assert all(len(answers) == 2 and step(answers[1]) < step(answers[0]) for answers in again)


def step(place):
    """Of a place among the nearest, which of the steps it is beyond."""
    return np.searchsorted(neighbours._STEPS, place, "right")


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("index", [False, True])
def test_what_stands_by_its_place_depends_on_no_block(count, index, monkeypatch):
    """What is kept the more readily the better its place: the slow twin knows every place."""
    monkeypatch.setattr(neighbours, "_COLUMNS", 64)
    monkeypatch.setattr(neighbours, "_BLOCK", 90)
    monkeypatch.setattr(neighbours, "SAMPLED", 50)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100 if index else 10_000)
    vectors, order = clustered(6, 330), np.random.default_rng(6).permutation(330)
    luck = np.random.default_rng(7).integers(0, 5, (330, 330))
    monkeypatch.setattr(neighbours, "_STEPS", (1, 3, 5))

    def keep(a: np.ndarray, b: np.ndarray, _score: np.ndarray, place: np.ndarray) -> np.ndarray:
        return luck[a, b] <= 3 - step(place)

    found = []
    for rows in (7, 50, 1024):
        monkeypatch.setattr(neighbours, "_ROWS", rows)
        found.append(scored(nearest(vectors, order, count, 0.05, keep)))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 60
    if not index:
        places: dict[tuple[int, int], int] = {}
        for i, others in lists(vectors, order, count, 0.05).items():
            for place, j in enumerate(others):
                places[pair(i, j)] = min(place, places.get(pair(i, j), count))
        wanted = {p for p, place in places.items() if keep(*np.array(p), np.array(0.0), np.array(place))}
        assert found[0].keys() == wanted


def test_products_are_exact_in_single_precision():
    vectors = clustered(1, 200)
    whole = np.rint(vectors.astype(np.float32) * np.float32(neighbours.UNIT))
    exact = whole.astype(np.int64) @ whole.astype(np.int64).T
    assert exact.max() < 2**24
    np.testing.assert_array_equal((whole @ whole.T).astype(np.int64), exact)
    np.testing.assert_array_equal(sum(np.outer(whole[:, i], whole[:, i]) for i in reversed(range(DIMENSIONS))), exact)


def test_the_order_of_the_files_changes_nothing():
    vectors = clustered(2, 700)
    order = np.random.default_rng(0).permutation(700)
    shuffled = np.random.default_rng(1).permutation(700)
    place = np.empty(700, np.int64)
    place[shuffled] = np.arange(700)
    one, other = nearest(vectors, order, 5, 0.1), nearest(vectors[shuffled], place[order], 5, 0.1)
    assert scored(one) == {pair(shuffled[a], shuffled[b]): score for (a, b), score in scored(other).items()}


@pytest.mark.parametrize("kinds", [1, 2])
def test_of_many_that_are_equally_near_the_first_are_told_and_no_more_are_held(kinds, monkeypatch):
    monkeypatch.setattr(neighbours, "_ROWS", 50)
    monkeypatch.setattr(neighbours, "_COLUMNS", 60)
    held = []
    narrow = neighbours._Best._narrow
    monkeypatch.setattr(neighbours._Best, "_narrow", lambda best: (narrow(best), held.append(best._held))[0])
    vectors = clustered(1, 30)[np.arange(400) % kinds]
    order = np.random.default_rng(0).permutation(400)
    assert scored(nearest(vectors, order, 4, -0.5)) == pytest.approx(looked_at(vectors, order, 4, -0.5), abs=1e-6)
    assert max(held) <= 2 * 4 * 50


def test_two_are_enough_and_one_has_no_neighbour():
    vectors = clustered(3, 30)[[0, 0]]
    found = nearest(vectors, np.arange(2), 5, -1.0)
    assert list(scored(found)) == [(0, 1)]
    assert len(nearest(vectors[:1], np.arange(1), 5, -1.0).a) == 0


class TestIndex:
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch):
        monkeypatch.setattr(neighbours, "EXACT_UP_TO", 500)
        monkeypatch.setattr(neighbours, "SAMPLED", 150)
        monkeypatch.setattr(neighbours, "_COLUMNS", 64)
        monkeypatch.setattr(neighbours, "_BLOCK", 300)

    def test_it_finds_nearly_all_and_says_how_much(self, monkeypatch):
        vectors, order = clustered(5, 3_000), np.random.default_rng(0).permutation(3_000)
        found = nearest(vectors, order, 3, 0.1)
        monkeypatch.setattr(neighbours, "EXACT_UP_TO", 5_000)
        exact = nearest(vectors, order, 3, 0.1)
        assert exact.recall is None
        known, seen = scored(exact), scored(found)
        assert len(known) > 1_000
        assert len(known.keys() & seen.keys()) >= 0.95 * len(known)
        assert all(known.get(p, score) == score for p, score in seen.items())
        assert found.recall.sampled == 150

    def test_its_recall_is_of_all_that_was_found_whatever_is_kept(self, monkeypatch):
        monkeypatch.setattr(neighbours, "AIM", 0.5)  # an index that misses some
        monkeypatch.setattr(neighbours, "FEWEST_PROBES", 1)
        vectors, order = clustered(5, 3_000), np.random.default_rng(0).permutation(3_000)
        found = nearest(vectors, order, 3, 0.1)
        wanted = lists(vectors, order, 3, 0.1)
        sampled = [pair(i, j) for i in order[neighbours._drawn(3_000, 1)].tolist() for j in wanted[i]]
        assert found.recall == IndexRecall(150, len(sampled), sum(p in scored(found) for p in sampled))
        assert 0.4 * len(sampled) < found.recall.found < len(sampled)
        none = nearest(vectors, order, 3, 0.1, lambda a, _b, _score, _place: np.zeros(len(a), bool))
        assert len(none.a) == 0
        assert none.recall == found.recall

    def test_the_order_of_the_files_changes_nothing(self):
        vectors, order = clustered(6, 900), np.random.default_rng(0).permutation(900)
        shuffled = np.random.default_rng(1).permutation(900)
        place = np.empty(900, np.int64)
        place[shuffled] = np.arange(900)
        one, other = nearest(vectors, order, 5, 0.1), nearest(vectors[shuffled], place[order], 5, 0.1)
        assert scored(one) == {pair(shuffled[a], shuffled[b]): score for (a, b), score in scored(other).items()}

    def test_every_vector_lies_in_the_cell_of_its_nearest_centre(self):
        whole = np.rint(clustered(7, 800).astype(np.float32) * np.float32(neighbours.UNIT))
        cells = Cells.of(whole, neighbours.UNIT)
        np.testing.assert_array_equal(cells.cell, (whole @ cells.centres.T).argmax(axis=1))
        for number in range(len(cells.centres)):
            members = cells.members[cells.starts[number] : cells.starts[number + 1]]
            np.testing.assert_array_equal(members, np.flatnonzero(cells.cell == number))

    def test_all_cells_together_are_everything(self):
        whole = np.rint(clustered(8, 300).astype(np.float32) * np.float32(neighbours.UNIT))
        cells = Cells.of(whole, neighbours.UNIT)
        seen = np.zeros((300, 300), int)
        for rows, columns in cells.probed(whole, len(cells.centres)):
            seen[np.ix_(rows, columns)] += 1
        assert (seen == 1).all()

    def test_where_there_is_no_copy_the_index_says_that_there_was_nothing_to_find(self):
        rng = np.random.default_rng(0)
        vectors = rng.normal(size=(900, DIMENSIONS))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        found = nearest(vectors.astype(np.float16), np.arange(900), 5, 0.5)
        assert len(found.a) == 0
        assert found.recall == IndexRecall(150, 0, 0)

    def test_the_verdict_tells_the_recall(self):
        measured = make([("train/a/1.jpg", "a", "train"), ("val/a/2.jpg", "a", "val")])
        for recall, told in ((IndexRecall(500, 200, 197), "recall 0.98 of exact"), (IndexRecall(500, 0, 0), "no neighbour")):
            copies = replace(measured.copies, index_recall=recall)
            notes = summarise(replace(measured, copies=copies), (), Config()).notes
            assert any(told in note and "500 sampled pictures" in note for note in notes)
