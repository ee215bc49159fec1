"""What is partly covered is nominated by its edges, in its orientation, and by nothing less."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.dedup import edges as module
from dataaudit.dedup import relate
from dataaudit.dedup.candidates import descriptor_neighbours, dihedral_hash
from dataaudit.dedup.consistency import agreement
from dataaudit.dedup.edges import covered_edges
from dataaudit.dedup.few import nominate_few
from dataaudit.dedup.nominations import AFTER_HASHES, INVERSE
from dataaudit.features import measure
from dataaudit.features.hashes import turned_edges
from engines import Inline
from pictures import photo, save


def covered(seed: int) -> Image.Image:
    """A picture a third of which another covers, somewhere."""
    picture, rng = photo(seed, (200, 150)), np.random.default_rng(seed)
    picture.paste(photo(seed + 500, (116, 86)), (int(rng.integers(0, 84)), int(rng.integers(0, 64))))
    return picture


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Forty pictures, each once more with a third covered and turned, and a plain one; catalog, features, turns."""
    root = tmp_path_factory.mktemp("covered")
    turns = {}
    for seed in range(40):
        save(photo(seed, (200, 150)), root / f"train/a/{seed:02}.png")
        turns[seed] = 0 if seed < 24 else seed % 8
        mirrored = covered(seed).transpose(Image.Transpose.FLIP_LEFT_RIGHT) if turns[seed] >= 4 else covered(seed)
        save(mirrored.rotate(90 * (turns[seed] % 4), expand=True), root / f"val/a/{seed:02}.jpg", quality=85)
    save(Image.new("RGB", (200, 150), "grey"), root / "train/a/plain.png")
    catalog = find(root, Config())
    return catalog, measure(catalog, Config(), Inline()), turns


def test_copies_that_are_covered_by_a_third_are_nominated_as_they_lie(dataset):
    catalog, features, turns = dataset
    rows = np.arange(len(features))
    found = covered_edges(features, rows, Config())
    told = dict(zip(zip(found.a.tolist(), found.b.tolist(), strict=True), found.orientation.tolist(), strict=True))
    row = {path: number for number, path in enumerate(catalog.paths)}
    copies = {(row[f"train/a/{seed:02}.png"], row[f"val/a/{seed:02}.jpg"]): turn for seed, turn in turns.items()}
    assert {pair: turn for pair, turn in told.items() if pair in copies}.items() <= copies.items()
    assert len(told.keys() & copies.keys()) >= 38
    assert len(told.keys() - copies.keys()) <= 2
    assert (found.distance >= AFTER_HASHES).all()
    others = [nominator(features, rows, Config()) for nominator in (dihedral_hash, descriptor_neighbours)]
    pairs = Counter(pair for other in others for pair in zip(other.a.tolist(), other.b.tolist(), strict=True))
    assert len(pairs.keys() & copies.keys()) < 36  # the search for all of the picture misses some


def test_they_are_proved(dataset):
    catalog, features, _ = dataset
    graph = relate(catalog, features, Config(), Inline())
    proved = {frozenset(catalog.paths[row].split("/")[2][:2] for row in (pair.a, pair.b)) for pair in graph.pairs}
    assert sum(len(pair) == 1 for pair in proved) >= 36
    assert all(len(pair) == 1 for pair in proved)


@pytest.mark.parametrize("many", [False, True])
def test_the_search_finds_what_comparing_all_edges_finds(dataset, monkeypatch, many):
    _, features, _ = dataset
    if many:
        monkeypatch.setattr(module, "_MANY", 10)
    expected = {}
    turned = turned_edges(features.edge_hashes)
    for a, b, way in np.ndindex(len(features), len(features), 8):
        seen, still = turned[a, way], features.edge_hashes[b]
        apart = sorted(int(x ^ y).bit_count() if x and y else 64 for x, y in zip(seen.tolist(), still.tolist(), strict=True))
        if a == b or apart[0] > (2 if many else 3):
            continue
        first, second = np.array([min(a, b)]), np.array([max(a, b)])
        if apart[1] <= 8 or (not many and agreement(features.keypoints, first, second)[0] >= 6):
            key = (min(a, b), max(a, b), way if a < b else int(INVERSE[way]))
            expected[key] = min(expected.get(key, 999), apart[0] + apart[1])
    for workers in (1, 3):
        found = covered_edges(features, np.arange(len(features)), Config(jobs=workers))
        keys = zip(found.a.tolist(), found.b.tolist(), found.orientation.tolist(), strict=True)
        assert {key: round(63 * (near - 1)) for key, near in zip(keys, found.distance, strict=True)} == expected


def test_an_edge_that_many_share_is_a_templates(dataset, monkeypatch):
    _, features, _ = dataset
    rows, framed = np.arange(len(features)), features.edge_hashes.copy()
    framed[:, :2] = framed[:1, :2]  # one frame around all
    everything = covered_edges(replace(features, edge_hashes=framed), rows, Config())
    assert len(everything) < 3 * len(rows)
    monkeypatch.setattr(module, "_COMMON", 1000)
    assert len(covered_edges(replace(features, edge_hashes=framed), rows, Config())) > 20 * len(rows)


def test_whether_many_share_an_edge_is_told_from_a_sample(dataset, monkeypatch):
    _, features, _ = dataset
    rows, framed = np.arange(len(features)), features.edge_hashes.copy()
    framed[:60, 0] = framed[0, 0]  # one bar above three quarters of them
    many = covered_edges(replace(features, edge_hashes=framed), rows, Config())
    monkeypatch.setattr(module, "_SAMPLE", 20)
    monkeypatch.setattr(module, "_COMMON", 30)
    left = covered_edges(replace(features, edge_hashes=framed), rows, Config())
    kept, dropped = (set(zip(found.a.tolist(), found.b.tolist(), strict=True)) for found in (left, many))
    assert kept <= dropped
    monkeypatch.setattr(module, "_SAMPLE", len(rows))
    whole = covered_edges(replace(features, edge_hashes=framed), rows, Config())
    assert set(zip(whole.a.tolist(), whole.b.tolist(), strict=True)) == kept


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("few", [[3, 50, 77], [0], [41], list(range(81))])
def test_of_a_few_all_their_pairs_are_found(dataset, monkeypatch, few, many):
    _, features, _ = dataset
    if many:
        monkeypatch.setattr(module, "_MANY", 10)
    rows = np.arange(len(features))
    whole = covered_edges(features, rows, Config())
    found = covered_edges(features, rows, Config(), np.array(few))
    kept = whole.only(np.isin(whole.a, few) | np.isin(whole.b, few))
    for name in ("a", "b", "orientation", "distance"):
        np.testing.assert_array_equal(getattr(found, name), getattr(kept, name))
    asked = nominate_few(features, rows, np.array(few), Config())
    assert set(zip(kept.a, kept.b, strict=True)) <= set(zip(asked.a, asked.b, strict=True))


def test_little_is_no_error(dataset):
    _, features, _ = dataset
    rows = np.arange(len(features))
    plain = replace(features, edge_hashes=np.zeros_like(features.edge_hashes))
    assert len(covered_edges(features, rows, Config(transformed=False))) == 0
    assert [len(covered_edges(features, rows[:size], Config())) for size in (0, 1)] == [0, 0]
    assert len(covered_edges(features, rows, Config(), rows[:0])) == 0
    assert len(covered_edges(plain, rows, Config())) == 0
