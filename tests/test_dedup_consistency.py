"""Local features: those of a mirror image, and how many of two pictures agree on one map."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from dataaudit.dedup import consistency
from dataaudit.dedup.consistency import agreed, agreement, first_sight, least_distance
from dataaudit.features.keypoints import _WANTED, COUNT, WIDTH, local_features, strongest, view_of
from pictures import photo

if TYPE_CHECKING:
    from collections.abc import Callable


def features_of(image: Image.Image) -> np.ndarray:
    return local_features([view_of(image.convert("L"))])[0]


def moved(image: Image.Image, degrees: float) -> Image.Image:
    """A rotated and cropped copy."""
    turned = image.rotate(degrees, Image.Resampling.BICUBIC)
    width, height = turned.size
    return turned.crop((width // 10, height // 10, width - width // 20, height - width // 20))


@pytest.mark.parametrize("seed", range(6))
def test_copies_agree_and_strangers_do_not(seed: int) -> None:
    picture, other = photo(seed, (320, 240)), photo(seed + 100, (320, 240))
    copies = [picture.resize((200, 150)), moved(picture, 15), picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    own = features_of(picture)
    features = np.stack([own, *(features_of(image) for image in [*copies, other])])
    counts = agreement(features, np.zeros(4, np.int64), np.arange(1, 5))
    assert counts[:3].min() >= 6
    assert counts[3] < 6


def test_a_mirror_image_has_the_same_bits_in_another_order() -> None:
    picture = photo(3, (160, 160))
    upright = features_of(picture)
    mirrored = features_of(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    halves = [np.ascontiguousarray(found[:, 2:]).view(np.uint64) for found in (upright, mirrored)]
    distance = np.bitwise_count(halves[0][:, None, ::-1] ^ halves[1][None]).sum(axis=2)
    assert np.median(distance.min(axis=1)) <= 4


def test_a_plain_picture_has_none() -> None:
    found = features_of(Image.new("L", (100, 60), 90))
    assert found.shape == (COUNT, WIDTH)
    assert not found.any()
    assert agreement(found[None], np.array([0]), np.array([0])).tolist() == [0]
    assert least_distance(found[None], np.array([0]), np.array([0])).tolist() == [255]


def test_long_pictures_keep_their_positions_in_a_byte() -> None:
    found = features_of(photo(1, (900, 60)))
    assert found[:, 0].max() <= 239


def test_the_count_is_the_largest_that_any_three_matches_give() -> None:
    """The slow twin: match one by one, try every three, count."""
    rng = np.random.default_rng(4)
    images = [photo(1, (160, 120)), moved(photo(1, (160, 120)), 10), photo(2, (160, 120))]
    features = [features_of(image) for image in images]
    features.append(np.where(rng.random((COUNT, 1)) < 0.9, 0, features[0]).astype(np.uint8))
    for first, second in combinations(range(len(features)), 2):
        expected = max(slow_count(features[first], features[second], mirrored=mirrored) for mirrored in (False, True))
        assert agreement(np.stack(features), np.array([first]), np.array([second])).tolist() == [expected]
        assert len(agreed(features[first], features[second]).a) == expected
        some = [features[row][strongest(2)] for row in (first, second)]
        half = max(slow_count(*some, mirrored=mirrored, drawn=8) for mirrored in (False, True))
        assert first_sight(np.stack(features), np.array([first]), np.array([second])).tolist() == [half]
        few = [features[row][strongest(5)] for row in (first, second)]
        nearest = min(slow_distances(*few, mirrored=mirrored).min() for mirrored in (False, True))
        assert least_distance(np.stack(features), np.array([first]), np.array([second])).tolist() == [nearest]


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_matches_that_agree_lie_where_the_copy_was_moved_to(*, mirrored: bool) -> None:
    picture = photo(5, (160, 120))
    shown = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else picture
    found = agreed(features_of(picture), features_of(shown.crop((20, 10, 160, 120)).resize((280, 220))))
    assert found.mirrored == mirrored
    # the view's short side is 72 pixels; x runs from the other side where it was mirrored
    x, y = ((found.a + 0.5) * 120 / 72).T
    x = 160 - x if mirrored else x
    back = (found.b + 0.5) * 110 / 72
    assert len(back) >= 10
    assert np.abs(back - np.column_stack([x - 20, y - 10])).max() < 6


@pytest.mark.parametrize("count", [agreement, first_sight, least_distance])
def test_threads_and_blocks_change_nothing(count: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.stack([features_of(photo(seed, (160, 120))) for seed in range(12)])
    first, second = np.divmod(np.arange(144), 12)
    expected = count(features, first, second)
    monkeypatch.setattr(consistency, "_BLOCK", 20)
    monkeypatch.setattr(consistency, "_BLOCK_OF_FEW", 50)
    monkeypatch.setattr(consistency, "_MAPPED", 7)
    monkeypatch.setattr(consistency, "_AT_ONCE", 4000)
    assert count(features, first, second, 3).tolist() == expected.tolist()
    assert count(features, first[::-1], second[::-1]).tolist() == expected[::-1].tolist()


def test_a_batch_has_the_features_of_its_pictures() -> None:
    shown = [photo(1, (300, 200)), Image.new("L", (90, 90), 40), photo(2, (1, 80)), photo(3, (40, 400)), photo(1, (300, 200))]
    batch = local_features([view_of(image.convert("L")) for image in shown])
    assert np.array_equal(batch, np.stack([features_of(image) for image in shown]))
    assert [bool(features.any()) for features in batch] == [True, False, False, True, True]
    assert local_features([]).shape == (0, COUNT, WIDTH)


def slow_distances(a: np.ndarray, b: np.ndarray, *, mirrored: bool) -> np.ndarray:
    bits = [[np.unpackbits(feature[2:]) for feature in side] for side in (a, b)]
    turned = [np.roll(feature, 64) if mirrored else feature for feature in bits[0]]
    table = np.full((len(a), len(a)), 255)
    for i, j in product(range(len(a)), repeat=2):
        if a[i].any() and b[j].any():
            table[i, j] = (turned[i] != bits[1][j]).sum()
    return table


def slow_count(a: np.ndarray, b: np.ndarray, *, mirrored: bool, drawn: int = 12) -> int:
    table = slow_distances(a, b, mirrored=mirrored)
    matches = []
    for i in range(len(a)):
        distances = table[i].tolist()
        nearest = int(np.argmin(distances))
        second = min(distances[:nearest] + distances[nearest + 1 :])
        if a[i].any() and distances[nearest] < 0.95 * second and distances[nearest] == table[:, nearest].min():
            x, y = a[i][:2].astype(float)
            matches.append((distances[nearest], i, (-x if mirrored else x, y), tuple(b[nearest][:2].astype(float))))
    matches = sorted(matches)[:32]
    best = 0
    for three in combinations(matches[:drawn], 3):
        sources = np.array([[*match[2], 1.0] for match in three])
        targets = np.array([match[3] for match in three])
        area = np.linalg.det(sources)
        if abs(area) <= 60:
            continue
        matrix = np.linalg.solve(sources, targets)
        linear = matrix[:2]
        growth = np.linalg.det(linear)
        if not 1 / 16 < growth < 16 or (linear**2).sum() > (2.2 + 1 / 2.2) * growth:
            continue
        off = [np.linalg.norm(np.array([*match[2], 1.0]) @ matrix - match[3]) for match in matches]
        best = max(best, sum(distance <= 2.0 + 1e-4 for distance in off))
    return best


@pytest.mark.parametrize("part", [1, 2, 5])
def test_the_strongest_are_of_every_scale(part: int) -> None:
    starts, wanted = np.cumsum([0, *_WANTED.values()])[:-1], np.array(list(_WANTED.values()))
    shares = [range(start, start + -(-count // part)) for start, count in zip(starts.tolist(), wanted.tolist(), strict=True)]
    assert [place for share in shares for place in share] == strongest(part)
    assert wanted.sum() == COUNT
