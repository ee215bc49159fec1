"""RELATE: the pair search is exact, the verifier tells copies from look-alikes, groups are what is proved."""

from __future__ import annotations

import threading
from itertools import combinations
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter
from scipy.stats import norm

import dataaudit.dedup as module
from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.dedup import hamming, relate
from dataaudit.dedup.calibrate import Thresholds, beyond_look_alikes, calibrate, unlike_pairs
from dataaudit.dedup.candidates import dihedral_hash
from dataaudit.dedup.components import components
from dataaudit.dedup.hamming import BITS, cover, pairs_within, plan_bands, searches_within, sorted_places
from dataaudit.dedup.nominations import AFTER_HASHES, INVERSE, Nominations
from dataaudit.dedup.threads import in_order
from dataaudit.dedup.verify import SIDE, Answer, compare, turned
from dataaudit.domain import DIHEDRAL
from dataaudit.engines.local import LocalEngine
from dataaudit.features import measure
from engines import Inline
from pictures import photo, save

if TYPE_CHECKING:
    from pathlib import Path

    from dataaudit.domain import Catalog, CopyGraph, FeatureTable


def clustered_hashes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Half of them random, half within a few bits of one another, some equal."""
    hashes = rng.integers(0, 2**64, size, np.uint64)
    for _ in range(rng.integers(0, 8)):
        near = rng.random(size) < 0.5
        hashes[near] = hashes[0] ^ (np.uint64(1) << rng.integers(0, 64, int(near.sum())).astype(np.uint64))
    return hashes


class TestHamming:
    @pytest.mark.parametrize("each", [0, 10**6])
    @settings(deadline=None, max_examples=60)
    @given(seed=st.integers(0, 2**32), m=st.integers(0, 80), n=st.integers(0, 300), radius=st.integers(0, 24))
    def test_finds_exactly_what_comparing_everything_finds(self, each, seed, m, n, radius):
        rng = np.random.default_rng(seed)
        index = clustered_hashes(rng, n) if n else np.empty(0, np.uint64)
        queries = np.concatenate([clustered_hashes(rng, m) if m else np.empty(0, np.uint64), index[: n // 2]])
        distance = np.bitwise_count(queries[:, None] ^ index[None, :])
        expected = np.nonzero(distance <= radius)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hamming, "_COMPARED_EACH", each)  # by bands, and one by one
            query, item, found = pairs_within(queries, index, radius)
        np.testing.assert_array_equal(query, expected[0])
        np.testing.assert_array_equal(item, expected[1])
        np.testing.assert_array_equal(found, distance[expected])

    @given(size=st.integers(1, 10**7), radius=st.integers(0, 40))
    def test_bands_cover_every_bit_once_and_leave_no_hash_within_the_radius_unseen(self, size, radius):
        bands = plan_bands(size, radius)
        assert sum(band.radius + 1 for band in bands) > radius
        assert sum(band.mask for band in bands) <= 2**BITS - 1
        assert all(one.mask & other.mask == 0 for one in bands for other in bands if one != other)

    @pytest.mark.parametrize("width", range(1, 40))
    def test_any_two_bits_of_a_band_are_left_out_together_by_a_line(self, width):
        for radius in range(3):
            lines = cover(width, radius)
            for bits in combinations(range(width), min(radius, width)):
                assert any(all(line >> bit & 1 for bit in bits) for line in lines)
            assert all(line < 1 << width for line in lines)

    def test_the_pieces_are_the_same_on_any_number_of_threads(self):
        hashes = clustered_hashes(np.random.default_rng(3), 3000)
        told = [
            [tuple(column.tobytes() for column in piece) for piece in in_order(searches_within(hashes, hashes, 10), number)]
            for number in (1, 2, 5)
        ]
        assert told[0]
        assert told[0] == told[1] == told[2]

    def test_what_a_thread_raises_is_raised_and_leaving_early_ends_the_threads(self):
        def failing():
            yield 1
            raise ValueError("here")

        with pytest.raises(ValueError, match="here"):
            list(in_order([failing] * 9, 3))
        endless = [lambda: iter(int, 1)] * 5
        before = threading.active_count()
        assert next(in_order(endless, 3)) == 0
        assert threading.active_count() == before

    @pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
    def test_sorted_places_are_those_of_a_stable_sort(self, dtype):
        keys = np.random.default_rng(0).integers(0, 50, 3000).astype(dtype)
        keys[::7] = np.iinfo(dtype).max
        assert sorted_places(keys).tolist() == np.argsort(keys, kind="stable").tolist()
        assert sorted_places(keys[:0]).tolist() == []

    def test_a_bucket_of_equal_hashes_is_expanded_in_bounded_chunks(self, monkeypatch):
        monkeypatch.setattr(hamming, "_CHUNK", 1000)
        monkeypatch.setattr(hamming, "_COMPARED_EACH", 0)
        hashes = np.full(200, 77, np.uint64)
        query, item, _ = pairs_within(hashes, hashes, 3)
        assert len(query) == 200 * 200
        assert len(set(zip(query.tolist(), item.tolist(), strict=True))) == 200 * 200


class TestComponents:
    @settings(deadline=None, max_examples=80)
    @given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
    def test_labels_are_the_smallest_reachable_node(self, graph):
        size, edges = graph
        reachable = {node: {node} for node in range(size)}
        for _ in range(size):
            for a, b in edges:
                reachable[a] |= reachable[b]
                reachable[b] |= reachable[a]
        ends = np.array(edges, np.int64).reshape(-1, 2)
        labels = components(size, ends[:, 0], ends[:, 1])
        assert labels.tolist() == [min(reachable[node]) for node in range(size)]


def luma(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("L").resize((SIDE, SIDE)), np.float32)


class TestVerifier:
    @pytest.mark.parametrize(
        "change",
        [
            lambda picture: ImageEnhance.Brightness(picture).enhance(0.6),
            lambda picture: ImageEnhance.Contrast(picture).enhance(0.5),
            lambda picture: picture.convert("L"),
            lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
            lambda picture: picture.resize((80, 60)),
            lambda picture: picture.point(lambda value: int(255 * (value / 255) ** 1.6)),
        ],
        ids=["darker", "flatter", "grey", "blurred", "smaller", "gamma"],
    )
    def test_a_photometric_copy_is_alike_everywhere(self, change):
        for seed in range(10):
            picture = photo(seed, (200, 150))
            answer = compare(luma(picture), luma(change(picture)))
            assert answer.comparable
            assert answer.median > 0.95
            assert answer.quartile > 0.85

    def test_unrelated_pictures_are_not_alike(self):
        squares = [luma(photo(seed, (200, 150))) for seed in range(20)]
        medians = [compare(a, b).median for i, a in enumerate(squares) for b in squares[:i]]
        assert max(medians) < 0.5

    def test_a_covered_half_shows_in_the_quartile(self):
        picture = luma(photo(3, (200, 150)))
        covered = picture.copy()
        covered[:, : SIDE // 2] = 90
        assert compare(picture, covered).quartile < 0.2

    def test_a_flat_picture_is_not_comparable(self):
        flat = np.full((SIDE, SIDE), 100, np.float32)
        assert not compare(flat, flat).comparable
        assert not compare(flat, luma(photo(1))).comparable

    def test_orientations_are_mirror_first_then_turn_counter_clockwise(self):
        square = np.asarray(photo(5, (64, 64)).convert("L"), np.float32)
        for orientation in range(DIHEDRAL):
            picture = Image.fromarray(square.astype(np.uint8))
            if orientation >= 4:
                picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            expected = np.asarray(picture.rotate(90 * (orientation % 4)), np.float32)
            np.testing.assert_array_equal(turned(square, orientation), expected)
            np.testing.assert_array_equal(turned(turned(square, orientation), INVERSE[orientation]), square)


COPIES = {
    "train/a/00.png": lambda: photo(0),
    "train/a/01.png": lambda: photo(1),
    "train/a/02.png": lambda: photo(2),
    "train/a/03.png": lambda: photo(3),
    "train/a/04.png": lambda: photo(4),
    "train/a/05.png": lambda: photo(5),
    "train/a/flat.png": lambda: Image.new("RGB", (96, 72), (200, 10, 10)),
    "val/a/flat.bmp": lambda: Image.new("RGB", (96, 72), (200, 10, 10)),
    "val/a/pixel-of-00.bmp": lambda: photo(0),
    "val/a/jpeg-of-01.jpg": lambda: photo(1),
    "val/a/mirror-of-02.png": lambda: photo(2).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "val/a/turn-of-03.jpg": lambda: photo(3).transpose(Image.Transpose.ROTATE_90),
    "val/a/upside-of-04.jpg": lambda: photo(4).transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "val/a/unrelated.jpg": lambda: photo(99),
}


@pytest.fixture(scope="module")
def related(tmp_path_factory) -> tuple[Catalog, FeatureTable, CopyGraph]:
    root = tmp_path_factory.mktemp("copies")
    for path, picture in COPIES.items():
        save(picture(), root / path)
    (root / "val/a/same-as-05.png").write_bytes((root / "train/a/05.png").read_bytes())
    (root / "val/a/broken.png").write_bytes(b"not a picture")
    (root / "train/a/broken.png").write_bytes(b"not a picture, either")
    return measured(root)


def measured(root: Path, **options: object) -> tuple[Catalog, FeatureTable, CopyGraph]:
    config = Config(**options)
    catalog = find(root, config)
    with LocalEngine(jobs=1, item_timeout=30, item_memory=2048) as engine:
        features = measure(catalog, config, engine)
        return catalog, features, relate(catalog, features, config, engine)


def test_every_kind_of_copy_is_proved_with_its_relation_and_transform(related):
    catalog, _, graph = related
    told = {
        (catalog.paths[pair.a], catalog.paths[pair.b]): (
            pair.relation,
            pair.verdict,
            pair.transform.mirrored,
            pair.transform.rotation,
        )
        for pair in graph.pairs
    }
    assert told == {
        ("train/a/00.png", "val/a/pixel-of-00.bmp"): ("pixel", "proved", False, 0),
        ("train/a/01.png", "val/a/jpeg-of-01.jpg"): ("near", "proved", False, 0),
        ("train/a/02.png", "val/a/mirror-of-02.png"): ("transformed", "proved", True, 0),
        ("train/a/03.png", "val/a/turn-of-03.jpg"): ("transformed", "proved", False, 90),
        ("train/a/04.png", "val/a/upside-of-04.jpg"): ("transformed", "proved", True, 180),
        ("train/a/05.png", "val/a/same-as-05.png"): ("exact", "proved", False, 0),
    }


def test_flat_pictures_are_not_compared_and_unreadable_ones_are_no_copies(related):
    catalog, _, graph = related
    flagged = {catalog.paths[row] for row in np.flatnonzero(graph.not_compared)}
    assert flagged == {"train/a/flat.png", "val/a/flat.bmp"}
    assert all(len(group) == 2 for group in graph.groups())
    assert len(graph.groups()) == 6


def test_nominations_do_not_depend_on_which_picture_is_turned(related):
    _, features, _ = related
    rows = np.flatnonzero(features.readable)
    nominations = dihedral_hash(features, rows, Config())
    assert (nominations.a < nominations.b).all()
    triples = list(zip(nominations.a, nominations.b, nominations.orientation, strict=True))
    assert len(triples) == len(set(triples))
    oracle = set()
    config = Config()
    for i in rows:
        for j in rows:
            for orientation in range(DIHEDRAL):
                d64 = int(features.phash64[i, orientation] ^ features.phash64[j, 0]) & ~(1 << 63)
                words = [int(x) ^ int(y) for x, y in zip(features.phash256[i, orientation], features.phash256[j, 0], strict=True)]
                words[0] &= ~(1 << 63)
                if i != j and d64.bit_count() <= config.hamming64 and sum(w.bit_count() for w in words) <= config.hamming256:
                    oracle.add((min(i, j), max(i, j), orientation if i < j else INVERSE[orientation]))
    assert set(triples) == oracle


def test_a_burst_of_copies_is_one_group_for_less_than_all_pairs(tmp_path):
    for number in range(40):
        save(ImageEnhance.Brightness(photo(7)).enhance(0.7 + number / 80), tmp_path / f"a/{number:02}.png")
    save(photo(8), tmp_path / "b/other.png")
    catalog, _, graph = measured(tmp_path)
    assert [len(group) for group in graph.groups()] == [40]
    assert catalog.paths[graph.groups()[0][0]] == "a/00.png"
    assert len(graph.pairs) < 40 * 39 / 2


def test_a_thumbnail_of_a_tiny_picture_is_found(tmp_path):
    for seed in range(12):
        save(photo(seed, (32, 32)), tmp_path / f"a/{seed:02}.png")
    save(photo(4, (32, 32)).resize((48, 48), Image.Resampling.BICUBIC), tmp_path / "b/large.png")
    save(photo(5, (32, 32)).transpose(Image.Transpose.FLIP_LEFT_RIGHT), tmp_path / "b/mirror.jpg", quality=90)
    catalog, _, graph = measured(tmp_path)
    groups = [{catalog.paths[row] for row in group} for group in graph.groups()]
    assert groups == [{"a/04.png", "b/large.png"}, {"a/05.png", "b/mirror.jpg"}]


def template(seed: int) -> Image.Image:
    """A product on a printed template: what all have in common is much stronger than what sets them apart."""
    common = np.asarray(photo(1000, (160, 120)), np.float64)
    own = np.asarray(photo(seed, (160, 120)), np.float64) - 128
    return Image.fromarray(np.clip(common + 0.12 * own, 0, 255).astype(np.uint8))


class TestCalibration:
    def test_photographs_leave_the_thresholds_where_they_are(self, related):
        _, _, graph = related
        assert graph.calibration is not None
        assert not graph.calibration.raised
        assert abs(graph.calibration.correlation) < 0.2
        assert graph.calibration.look_alikes == 0
        assert 30 <= graph.calibration.pairs <= 120  # photographs are so unlike that a few are enough

    @pytest.mark.parametrize("copy", [False, True])
    def test_pairs_that_are_no_copies_are_compared_only_if_one_of_few_nominations_may_be_one(self, copy, tmp_path, monkeypatch):
        for seed in range(14):
            save(photo(seed, (160, 120)), tmp_path / f"a/{seed:02}.png")
        save(photo(3 if copy else 40, (160, 120)).rotate(8), tmp_path / "b/z.png")
        catalog, features, _ = measured(tmp_path)
        pairs = np.array([[0, 5], [2, 9], [3, 14], [7, 14], [6, 11]])
        few = Nominations(*pairs.T, np.full(5, 0), np.full(5, AFTER_HASHES))
        monkeypatch.setattr(module, "nominate", lambda *_: few)
        inline, asked = Inline(), []
        watched = SimpleNamespace(
            map_batches=lambda function, items, **options: asked.extend(items) or inline.map_batches(function, items, **options)
        )
        graph = relate(catalog, features, Config(), watched)
        assert [(pair.a, pair.b) for pair in graph.pairs] == ([(3, 14)] if copy else [])
        assert (graph.calibration is not None) == copy
        assert len(asked) == len(set(asked)), "nothing is compared twice"
        assert (len(asked) > 5 + 30) == copy
        monkeypatch.setattr(module, "_FEW", 0)  # as of many nominations: the same answer
        assert relate(catalog, features, Config(), inline).pairs == graph.pairs

    def test_pictures_that_share_a_template_are_no_copies_of_one_another(self, tmp_path):
        for seed in range(50):
            save(template(seed), tmp_path / f"a/{seed:02}.png")
        save(template(7), tmp_path / "b/same-pixels.bmp")
        catalog, _, graph = measured(tmp_path)
        assert graph.calibration is not None
        assert graph.calibration.raised
        assert graph.calibration.pairs > 120
        assert graph.calibration.look_alikes > 0
        assert [[catalog.paths[row] for row in group] for group in graph.groups()] == [["a/07.png", "b/same-pixels.bmp"]]

    @given(st.integers(0, 2**32 - 1), st.integers(500, 5_000), st.integers(0, 400))
    @settings(deadline=None)
    def test_beyond_look_alikes_that_become_fewer_copies_are_left(self, seed, look_alikes, copies):
        rng = np.random.default_rng(seed)
        unlike = np.tanh(rng.normal(0.9, 0.5, look_alikes))
        same = np.tanh(rng.normal(3.6, 0.1, copies))
        answers = [Answer(median, 0.9, (99, 99), located=True) for median in rng.permutation(np.concatenate([unlike, same]))]
        raised = beyond_look_alikes(Thresholds.of(Config()), [*answers, None, Answer(0.96, 0.9, (99, 99), registered=True)])
        assert (unlike >= raised.proved[0]).sum() <= 12  # one is expected; of 600 draws the most was 10
        assert (same >= raised.proved[0]).sum() >= 0.8 * copies
        assert raised.proved[1] == Thresholds.of(Config()).proved[1]
        assert raised.probable[0] <= raised.proved[0]
        assert beyond_look_alikes(raised, []) == raised

    @pytest.mark.parametrize("medians", [[], [0.2] * 500, [0.93] * 500, [0.96] * 500, np.linspace(0.94, 0.999, 500).tolist()])
    def test_where_look_alikes_do_not_become_fewer_the_thresholds_stay(self, medians):
        usual = Thresholds.of(Config())
        assert beyond_look_alikes(usual, [Answer(median, 0.9, (99, 99)) for median in medians]) == usual

    @pytest.mark.parametrize(("make", "compared"), [(template, 0), (lambda seed: photo(seed, (160, 120)), 49)])
    def test_where_pictures_are_of_one_kind_what_the_descriptor_nominates_is_not_compared(
        self, tmp_path, monkeypatch, make, compared
    ):
        def nominated(_features, rows, _config):
            a, b = rows[:-1], rows[1:]
            return Nominations(a, b, np.zeros(len(a), np.int64), np.full(len(a), AFTER_HASHES + 0.1))

        asked = []
        answer_all = module.answer_all
        monkeypatch.setattr(module, "nominate", nominated)
        monkeypatch.setattr(
            module, "answer_all", lambda questions, begin: asked.append(questions) or answer_all(questions, begin)
        )
        for seed in range(50):
            save(make(seed), tmp_path / f"a/{seed:02}.png")
        catalog = find(tmp_path, Config())
        with LocalEngine(jobs=1, item_timeout=60, item_memory=512) as engine:
            features = measure(catalog, Config(), engine)
        relate(catalog, features, Config(), Inline())
        guessed = [question for questions in asked for question in questions if question.guessed]
        assert len(guessed) == compared
        assert all(question.orientations == (0,) and question.align for question in guessed)

    def test_thresholds_are_those_that_less_than_one_unlike_pair_is_expected_to_reach(self):
        rng = np.random.default_rng(0)
        z = rng.normal(0.7, 0.3, 400)
        answers = [Answer(float(np.tanh(value)), float(np.tanh(value - 0.2)), (99, 99)) for value in z]
        thresholds, calibration = calibrate(answers, 1000, Config())
        expected = np.median(z) + norm.isf(2 / (1000 * 999 * 8)) * (np.quantile(z, 0.9) - np.median(z)) / norm.isf(0.1)
        assert expected == pytest.approx(0.7 + norm.isf(2 / (1000 * 999 * 8)) * 0.3, rel=0.1)
        assert np.arctanh(thresholds.probable[0]) == pytest.approx(expected, rel=1e-6)
        assert thresholds.proved[0] > thresholds.probable[0]
        assert calibration.raised
        assert calibration.correlation == pytest.approx(np.tanh(np.median(z)), abs=1e-3)

    def test_a_tenth_of_copies_among_the_sample_does_no_harm(self):
        z = np.random.default_rng(0).normal(0.0, 0.05, 400)
        z[::12] = 4.0
        answers = [Answer(float(np.tanh(value)), float(np.tanh(value - 0.1)), (99, 99)) for value in z]
        assert calibrate(answers, 10_000, Config())[0] == Thresholds.of(Config())

    def test_caution_widens_the_spread(self):
        z = np.random.default_rng(0).normal(0.1, 0.1, 120)
        answers = [Answer(float(np.tanh(value)), float(np.tanh(value - 0.2)), (99, 99)) for value in z]
        (usual, seen), (cautious, doubted) = (calibrate(answers, 1_000, Config(), caution) for caution in (1.0, 3.0))
        assert not seen.raised
        assert doubted.raised
        assert cautious.probable > usual.probable

    def test_too_few_comparisons_say_nothing(self):
        thresholds, calibration = calibrate([Answer(0.99, 0.99, (99, 99))] * 10 + [None], 1000, Config())
        assert (calibration.pairs, calibration.raised) == (0, False)
        assert thresholds == Thresholds.of(Config())

    def test_the_sample_does_not_depend_on_names(self, related, tmp_path):
        catalog, features, _ = related
        for row, path in enumerate(catalog.paths):
            place = tmp_path / f"{'train' if row % 2 else 'val'}/b/{len(catalog) - row:03}{path[-4:]}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((catalog.root / path).read_bytes())
        _, renamed, graph = measured(tmp_path)
        assert graph.calibration == related[2].calibration

        def digests(table):
            rows = np.flatnonzero(table.readable)
            pairs = unlike_pairs(table, rows, Config())
            return {frozenset((table.hex_digest(a), table.hex_digest(b))) for a, b in pairs}

        assert digests(features) == digests(renamed)


def test_without_transformed_copies_the_hashes_still_find_their_own(tmp_path):
    for seed in range(12):
        save(photo(seed, (160, 120)), tmp_path / f"a/{seed:02}.png")
    save(photo(3, (160, 120)).crop((24, 18, 160, 120)), tmp_path / "b/crop-of-03.png")
    save(photo(4, (160, 120)).transpose(Image.Transpose.FLIP_LEFT_RIGHT), tmp_path / "b/mirror-of-04.jpg", quality=90)
    copies = ({"a/03.png", "b/crop-of-03.png"}, {"a/04.png", "b/mirror-of-04.jpg"})
    for transformed, expected in ((True, [*copies]), (False, [copies[1]])):
        catalog, features, graph = measured(tmp_path, transformed=transformed)
        assert [{catalog.paths[row] for row in group} for group in graph.groups()] == expected
        assert features.descriptor.any() == transformed
