"""What works on columns gives what the slow and obvious loop over the samples gives."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from itertools import accumulate, chain
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.config import Config
from dataaudit.dedup import _by_pair, crowds
from dataaudit.dedup.candidates import hash_radius
from dataaudit.dedup.components import components, first_of_equal
from dataaudit.dedup.crowds import MOST, Crowd
from dataaudit.dedup.nominations import Nominations, closest
from dataaudit.fixers.units import Units
from dataaudit.scanners.integrity import _colliding
from dataaudit.statistics.copies import one_of_each
from measurements import make_catalog


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), size=st.integers(0, 60))
def test_first_of_equal_is_the_first_valid_row_with_the_same_words(seed, size):
    rng = np.random.default_rng(seed)
    keys, valid = rng.integers(0, 3, (size, 2)).astype(np.uint64), rng.random(size) < 0.8
    found = first_of_equal(keys, valid)
    for row in range(size):
        same = [other for other in range(size) if valid[other] and (keys[other] == keys[row]).all()]
        assert found[row] == (same[0] if valid[row] else row)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), size=st.integers(0, 60))
def test_one_of_each_is_the_first_of_every_group_split_and_label(seed, size):
    rng = np.random.default_rng(seed)
    rows = rng.permutation(size)[: rng.integers(0, size + 1)]
    group, (split, label) = rng.integers(0, 5, size), (rng.integers(-1, 4, size) for _ in range(2))
    kept: dict[tuple[int, int, int], int] = {}
    for row in rows.tolist():
        kept.setdefault((group[row], split[row], label[row]), row)
    assert one_of_each(rows, group, split, label).tolist() == sorted(kept.values())


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), size=st.integers(0, 60))
def test_units_are_in_the_order_of_their_smallest_keys_and_their_rows_too(seed, size):
    rng = np.random.default_rng(seed)
    unit_of_row = components(size, *np.sort(rng.integers(0, max(1, size), (2, size // 3)), axis=0)[::-1])
    keys, kept, labels = rng.permutation(size).astype(np.uint64), rng.random(size) < 0.8, rng.integers(0, 5, size)
    if size:
        keys[size // 2] = keys[unit_of_row[size // 2]]  # of the same picture
    members = defaultdict(list)
    for row in np.flatnonzero(kept).tolist():
        members[int(unit_of_row[row])].append(row)
    expected = sorted(
        (sorted(rows, key=lambda row: (keys[row], row)) for rows in members.values()), key=lambda rows: keys[rows[0]]
    )
    by_class = sorted(set(labels[kept].tolist()), key=lambda code: keys[kept & (labels == code)].min())
    entries = [Counter(by_class.index(labels[row]) for row in rows) for rows in expected]

    units = Units.of(SimpleNamespace(label_codes=labels.astype(np.int32)), unit_of_row, keys, kept)

    assert units.rows.tolist() == list(chain.from_iterable(expected))
    assert units.starts.tolist() == list(accumulate(map(len, expected), initial=0))
    assert units.keys.tolist() == [keys[rows[0]] for rows in expected]
    assert units.classes.tolist() == by_class
    assert units.owners.tolist() == [unit for unit, ranks in enumerate(entries) for _ in ranks]
    assert units.ranks.tolist() == [rank for ranks in entries for rank in sorted(ranks)]
    assert units.counts.tolist() == [ranks[rank] for ranks in entries for rank in sorted(ranks)]
    assert units.entry_starts.tolist() == list(accumulate(map(len, entries), initial=0))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), size=st.integers(0, 60))
def test_the_orientations_of_a_pair_are_those_about_as_near_as_the_nearest(seed, size):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 6, size)
    some = closest(a, a + rng.integers(1, 4, size), rng.integers(-1, 8, size), rng.random(size) / 5)
    first, second, nearest, orientations = _by_pair(some)
    expected = defaultdict(list)
    for entry in zip(some.a.tolist(), some.b.tolist(), some.distance.tolist(), some.orientation.tolist(), strict=True):
        expected[entry[:2]].append(entry[2:])
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == list(expected)
    for entries, distance, told in zip(expected.values(), nearest, orientations, strict=True):
        assert distance == min(entries)[0]
        assert told == tuple(way for near, way in entries if near <= distance + 8 / 255 and way >= 0)


def spelt_alike(paths: tuple[str, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """Every folder and file, under the name that a file system without case and Unicode forms sees."""
    spellings: dict = defaultdict(lambda: defaultdict(list))
    for row, path in enumerate(paths):
        for prefix in accumulate(path.split("/"), lambda above, name: f"{above}/{name}"):
            parent, _, name = prefix.rpartition("/")
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
            spellings[parent, folded][prefix].append(row)
    return [
        (" and ".join(found), tuple(sorted(row for rows in found.values() for row in rows)))
        for _, found in sorted(spellings.items())
        if len(found) > 1
    ]


@settings(deadline=None, max_examples=80)
@given(
    st.sets(st.lists(st.sampled_from(["a", "A", "b", "ß", "SS", "é", "e\u0301"]), min_size=1, max_size=3).map(tuple), max_size=25)
)
def test_names_that_differ_in_case_or_form_alone_are_found(names):
    catalog = make_catalog([("/".join((*name[:-1], name[-1] + ".jpg")), "a", None) for name in names])
    found = [(finding.evidence.found, finding.samples) for finding in _colliding(catalog)]
    assert found == spelt_alike(catalog.paths)


def collected(a, b, way, distance, size: int, chunk: int):
    crowd = Crowd(size)
    for start in range(0, len(a), chunk):
        part = slice(start, start + chunk)
        crowd.add(a[part], b[part], way[part], distance[part])
    return crowd.kept()


def drawn(seed: int, size: int, pairs: int):
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(0, size, (pairs, 2)), axis=1)
    a, b = ends[ends[:, 0] != ends[:, 1]].T
    return a, b, rng.integers(0, 8, len(a)).astype(np.int8), rng.integers(0, 70, len(a)).astype(np.int16)


@pytest.mark.parametrize("seed", range(5))
def test_where_nothing_is_crowded_every_pair_is_kept(seed, monkeypatch):
    monkeypatch.setattr(crowds, "_PENDING", 50)
    a, b, way, distance = drawn(seed, 100, 400)
    expected: dict = {}
    for *pair, far in zip(a.tolist(), b.tolist(), way.tolist(), distance.tolist(), strict=True):
        expected[tuple(pair)] = min(far, expected.get(tuple(pair), far))
    found = collected(a, b, way, distance, 100, 30)
    assert dict(zip(zip(*(column.tolist() for column in found[:3]), strict=True), found[3].tolist(), strict=True)) == expected


@pytest.mark.parametrize("seed", range(5))
def test_of_a_crowd_the_nearest_are_kept_and_nothing_comes_apart(seed, monkeypatch):
    monkeypatch.setattr(crowds, "_PENDING", 3_000)
    size = 130
    a, b, way, distance = drawn(seed, size, 40_000)
    far = (a < 60) != (b < 60)  # two crowds that few pairs connect
    distance[far] += 500
    bridge = ~far | (np.arange(len(a)) % 97 == 0)
    a, b, way, distance = a[bridge], b[bridge], way[bridge], distance[bridge]
    found = collected(a, b, way, distance, size, 700)
    kept = set(zip(*(column.tolist() for column in found), strict=True))
    assert len(kept) <= MOST * size + size
    assert (components(size, found[0], found[1]) == components(size, a, b)).all()
    once = collected(a, b, way, distance, size, len(a))
    for row in range(size):
        best = sorted((far, *pair) for *pair, far in zip(*(column.tolist() for column in once), strict=True) if row in pair[:2])
        limit = best[MOST - 1][0]
        entries = dict.fromkeys(
            (first, second, turn, far)
            for first, second, turn, far in zip(a.tolist(), b.tolist(), way.tolist(), distance.tolist(), strict=True)
            if row in {first, second} and far < limit
        )
        nearest = {}
        for *pair, far in entries:
            nearest[tuple(pair)] = min(far, nearest.get(tuple(pair), far))
        assert {(*pair, far) for pair, far in nearest.items()} <= kept


def test_the_radius_falls_only_above_100_000_images():
    assert [hash_radius(images, Config()) for images in (2, 100_000, 100_001, 540_000, 1_000_000, 10**8)] == [10, 10, 9, 6, 5, 4]
    assert hash_radius(10**6, Config(hamming64=0)) == 0


def test_no_nominations_are_no_pairs():
    empty = np.empty(0, np.int64)
    assert len(_by_pair(Nominations(empty, empty, empty, np.empty(0)))[0]) == 0
    assert len(Crowd(3).kept()[0]) == 0
