"""The copy descriptor, and the search by it: near for copies, the same in every orientation, exact against its slow twin."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.dedup import candidates, relate
from dataaudit.dedup.candidates import descriptor_neighbours
from dataaudit.dedup.consistency import agreement, first_sight, least_distance
from dataaudit.dedup.few import nominate_few
from dataaudit.dedup.neighbours import UNIT, in_units
from dataaudit.dedup.nominations import AFTER_HASHES, in_order_of_content
from dataaudit.engines.local import LocalEngine
from dataaudit.features import measure
from dataaudit.features.descriptor import DIMENSIONS, SIDE, describe, squashed
from dataaudit.features.keypoints import local_features, view_of
from measurements import make_catalog, make_features
from pictures import photo, save


@pytest.fixture(scope="module")
def described() -> np.ndarray:
    return describe([squashed(photo(seed, (160, 120))) for seed in range(60)]).astype(np.float32)


def test_a_descriptor_has_length_one_whatever_the_picture():
    blank, tiny, long = Image.new("RGB", (90, 70)), photo(1, (3, 5)), photo(2, (900, 20))
    found = describe([squashed(picture) for picture in (blank, tiny, long)])
    assert found.dtype == np.float16
    assert found.shape == (3, DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(found.astype(float), axis=1), 1.0, atol=2e-3)


def test_a_descriptor_does_not_depend_on_its_neighbours_in_the_batch():
    pictures = [squashed(photo(seed)) for seed in range(70)]
    together = describe(pictures)
    np.testing.assert_array_equal(
        np.concatenate([describe(pictures[:5]), describe(pictures[5:33]), describe(pictures[33:])]), together
    )
    np.testing.assert_array_equal(describe(pictures[11:12])[0], together[11])


def test_it_is_the_same_in_all_eight_orientations(described):
    picture = squashed(photo(7, (160, 120)))
    for mirrored in (picture, picture[:, ::-1]):
        for turns in range(4):
            seen = describe([np.ascontiguousarray(np.rot90(mirrored, turns))])[0].astype(np.float32)
            assert seen @ described[7] > 0.999


def test_a_copy_is_nearer_than_every_other_picture(described):
    for seed in range(0, 60, 6):
        picture = photo(seed, (160, 120))
        copies = [picture.rotate(12), picture.crop((16, 12, 144, 108)), ImageEnhance.Brightness(picture).enhance(1.4)]
        similarity = describe([squashed(copy) for copy in copies]).astype(np.float32) @ described.T
        assert (similarity.argmax(axis=1) == seed).all()


def table(described: np.ndarray):
    catalog = make_catalog([(f"a/{row:03}.jpg", "a", None) for row in range(len(described))])
    return make_features(catalog, descriptor=dict(zip(catalog.paths, described, strict=True)))


@pytest.mark.parametrize("neighbours", [1, 3, 100])
def test_the_search_finds_what_looking_at_everything_finds(described, neighbours):
    close = described[:20] + np.random.default_rng(0).normal(0, 0.03, (20, DIMENSIONS))
    everything = np.concatenate([described, close / np.linalg.norm(close, axis=1, keepdims=True)]).astype(np.float16)
    config = Config(neighbours=neighbours, descriptor_score=0.1)
    features = table(everything)
    rows = np.array([row for row in range(80) if row % 7])
    found = descriptor_neighbours(features, rows, config)
    vectors = in_units(everything[rows]).astype(np.float64) / UNIT
    similar = vectors @ vectors.T
    near = np.array([np.mean(sorted(line, reverse=True)[5:15]) for line in similar])
    expected = set()
    for i in range(len(rows)):
        scores = {j: similar[i, j] - 0.5 * (near[i] + near[j]) for j in range(len(rows)) if j != i}
        for j in sorted(scores, key=scores.__getitem__, reverse=True)[:neighbours]:
            if scores[j] >= 0.1 - 0.06:  # fewer than a thousand pictures
                expected.add((min(rows[i], rows[j]), max(rows[i], rows[j])))
    assert set(zip(found.a, found.b, strict=True)) == expected
    assert expected


def test_what_lies_within_a_border_finds_the_picture_without_one(described):
    features = table(described.astype(np.float16))
    inner = np.zeros_like(features.descriptor)
    inner[7], inner[31] = described[40], described[52]
    inner[12], inner[13] = described[20], described[20]  # neither as a whole: two frames around one picture
    expected = {(7, 40), (31, 52), (12, 20), (13, 20), (12, 13)}
    rows, framed, config = np.arange(60), replace(features, inner_descriptor=inner), Config(descriptor_clear=0.3, neighbours=12)
    framed.keypoints[:] = 0  # too few to be asked: near by descriptor is enough
    without, found = (descriptor_neighbours(some, rows, config) for some in (features, framed))
    assert expected.isdisjoint(pairs_of(without))
    assert expected <= pairs_of(found)
    assert all(one != other for one, other in pairs_of(found))
    assert len(pairs_of(found)) == len(found)
    assert {(7, 40), (12, 20), (12, 13)} <= pairs_of(nominate_few(framed, rows, np.array([7, 12]), config))
    assert (31, 52) in pairs_of(nominate_few(framed, rows, np.array([52]), config))


def pairs_of(found):
    return set(zip(found.a.tolist(), found.b.tolist(), strict=True))


def test_a_nomination_by_descriptor_is_tried_in_the_orientation_in_which_the_hashes_are_nearest(described):
    everything = np.concatenate([described[:20]] * 2).astype(np.float16)
    features, rng = table(everything), np.random.default_rng(0)
    features.phash256[:] = rng.integers(0, 2**63, features.phash256.shape, np.uint64)
    expected = {}
    for row in range(20):
        turn = int(rng.integers(8))
        features.phash256[row + 20, 0] = features.phash256[row, turn] ^ np.uint64(0b1011)  # near, and not the same
        expected[row, row + 20] = turn
    found = descriptor_neighbours(features, np.arange(40), Config())
    told = dict(zip(zip(found.a.tolist(), found.b.tolist(), strict=True), found.orientation.tolist(), strict=True))
    assert {pair: told[pair] for pair in expected} == expected


@pytest.mark.parametrize("size", [4, 8, 16, 30])
def test_a_nomination_by_descriptor_is_never_as_near_as_one_by_hash(size):
    rng = np.random.default_rng(size)
    vectors = rng.normal(size=(size, DIMENSIONS))  # of so few nothing is near, and a score may exceed 1
    vectors[1] = vectors[0] + 0.05 * vectors[1]
    found = descriptor_neighbours(
        table((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)), np.arange(size), Config()
    )
    assert len(found)
    assert (found.distance >= AFTER_HASHES).all()


def test_no_neighbours_and_no_pictures_are_no_nominations(described):
    features = table(described)
    assert len(descriptor_neighbours(features, np.arange(60), Config(neighbours=0))) == 0
    assert len(descriptor_neighbours(features, np.arange(1), Config())) == 0
    assert len(descriptor_neighbours(features, np.arange(0), Config())) == 0


def test_the_network_sees_a_square(described):
    assert squashed(photo(1, (300, 40))).shape == (SIDE, SIDE, 3)


def test_a_small_memory_limit_is_the_files_not_the_libraries(tmp_path):
    for seed in range(12):
        save(photo(seed, (200, 150)), tmp_path / f"a/{seed:02}.png")
    save(photo(3, (200, 150)).rotate(10), tmp_path / "b/turned.png")
    with LocalEngine(jobs=1, item_timeout=30, item_memory=128) as engine:
        catalog = find(tmp_path, Config())
        features = measure(catalog, Config(), engine)
        graph = relate(catalog, features, Config(), engine)
    assert features.readable.all()
    assert [[catalog.paths[row] for row in group] for group in graph.groups()] == [["a/03.png", "b/turned.png"]]


def test_how_many_local_features_are_asked_depends_on_the_place(monkeypatch):
    """Six at the first place, fewer or one more by the score; seven at the next two, eight, of what is promising, at others."""
    config = Config()
    cases = [  # place, score, features that agree, at first sight, bits apart; and whether the pair stands
        (1, 0.2, 7, 0, 99, True),
        (1, 0.9, 6, 9, 0, False),
        (0, 0.13, 6, 0, 99, True),
        (0, 0.11, 6, 9, 0, False),  # less than five sixths of descriptor_far above the threshold
        (0, 0.11, 7, 0, 99, True),
        (0, 0.19, 5, 9, 0, False),
        (0, 0.2, 5, 0, 99, True),
        (0, 0.2, 4, 9, 0, False),
        (0, 0.9, 3, 0, 99, True),
        (0, 0.05, 5, 0, 0, False),  # by the threshold of a small dataset it would be high
        (2, 0.0, 7, 0, 99, True),
        (3, 0.9, 7, 9, 0, False),
        (3, 0.0, 8, 4, 99, True),
        (3, 0.0, 9, 3, 0, False),
        (5, 0.0, 8, 4, 99, True),
        (6, 0.0, 8, 4, 14, True),
        (6, 0.0, 8, 4, 15, False),
        (15, 0.0, 8, 4, 14, True),
        (16, 0.0, 8, 4, 0, False),
        (16, 0.0, 8, 5, 12, True),
        (16, 0.0, 8, 5, 13, False),
    ]
    place, score, agree, at_first, apart, expected = (np.array(column) for column in zip(*cases, strict=True))
    rows = np.arange(len(cases))
    monkeypatch.setattr(candidates, "agreement", lambda _, a, b, __: agree[np.minimum(a, b)])
    monkeypatch.setattr(candidates, "first_sight", lambda _, a, b, __: at_first[np.minimum(a, b)])
    monkeypatch.setattr(candidates, "least_distance", lambda _, a, b, __: apart[np.minimum(a, b)])
    others = rows + len(rows)
    features = SimpleNamespace(keypoints=None, sha256=np.random.default_rng(0).integers(0, 9, (2 * len(rows), 4), np.uint64))

    def stand(few: np.ndarray) -> list[bool]:
        return candidates.borne_out(features, few, rows, others, score, place, -0.2, config).tolist()

    assert stand(np.zeros(2 * len(rows), bool)) == expected.tolist()
    for side in (rows, others):
        assert stand(np.isin(np.arange(2 * len(rows)), side)) == (score >= config.descriptor_clear - 0.2).tolist()


def test_whether_features_agree_does_not_depend_on_names():
    picture = photo(3, (200, 150))
    pictures = [picture.rotate(4 * turn, Image.Resampling.BICUBIC).crop((20, 20, 180, 130)) for turn in range(12)]
    rng = np.random.default_rng(0)
    features = SimpleNamespace(
        keypoints=local_features([view_of(shown.convert("L")) for shown in pictures]),
        sha256=rng.integers(0, 2**63, (12, 4), np.uint64),
    )
    a, b = np.triu_indices(12, 1)
    for count in (agreement, first_sight, least_distance):
        one, other = (count(features.keypoints, *in_order_of_content(features, *pair)) for pair in ((a, b), (b, a)))
        assert one.tolist() == other.tolist()
    assert agreement(features.keypoints, a, b).tolist() != agreement(features.keypoints, b, a).tolist()
