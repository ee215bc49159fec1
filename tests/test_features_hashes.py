"""imagehash is the oracle of the hashes."""

from __future__ import annotations

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from dataaudit.domain import DIHEDRAL
from dataaudit.features.hashes import EDGES, TIE, dct_block, edge_hashes, hash_bits, pack_bits, phashes, turned_edges
from dataaudit.features.views import thumbnails, views
from pictures import photo


def turned(luma, orientation):
    """Orientation ``k`` as ``domain.DIHEDRAL`` defines it, the slow way."""
    return np.rot90(luma[:, ::-1] if orientation >= 4 else luma, orientation % 4)


def bits_of(words):
    return np.unpackbits(np.atleast_1d(words).astype(">u8").view(np.uint8)).astype(bool)


def assert_equal_but_for_ties(words, luma, oracle):
    """The bits equal the oracle's wherever the coefficient does not tie with the median."""
    block = dct_block(luma[None])[0]
    tied = np.abs(block - np.median(block)) <= TIE
    differing = bits_of(words) != oracle.hash.ravel()
    assert not (differing & ~tied.ravel()).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 700), st.integers(3, 700))
def test_hashes_are_those_of_imagehash(seed, width, height):
    seen = views([thumbnails(photo(seed, (width, height)))])
    for side, luma in ((8, seen.quarter[0]), (16, seen.half[0])):
        oracle = imagehash.phash(Image.fromarray(luma), hash_size=side)
        assert_equal_but_for_ties(phashes([luma], 4)[0, 0], luma, oracle)


def test_a_photo_has_no_ties_to_hide_behind():
    for seed in range(20):
        seen = views([thumbnails(photo(seed, (300, 200)))])
        assert f"{int(phashes(seen.quarter, 1)[0, 0, 0]):016x}" == str(imagehash.phash(Image.fromarray(seen.quarter[0])))
        words = phashes(seen.half, 1)[0, 0]
        assert "".join(f"{int(word):016x}" for word in words) == str(imagehash.phash(Image.fromarray(seen.half[0]), hash_size=16))


def test_hashes_are_near_those_of_imagehash_of_the_whole_picture():
    """The box's average in place of Lanczos' filter moves few bits of a picture: two pictures differ in half of them."""
    for seed in range(20):
        picture = photo(seed, (500, 375))
        seen = views([thumbnails(picture)])
        for side, luma in ((8, seen.quarter), (16, seen.half)):
            differing = bits_of(phashes(luma, 1)[0, 0]) != imagehash.phash(picture, hash_size=side).hash.ravel()
            assert differing.mean() < 0.12


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("orientation", range(DIHEDRAL))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_orientation_is_the_hash_of_the_turned_luma(seed, orientation, side):
    luma = np.asarray(photo(seed, (side, side)).convert("L"))
    real = np.ascontiguousarray(turned(luma, orientation))
    oracle = imagehash.phash(Image.fromarray(real), hash_size=side // 4)
    assert_equal_but_for_ties(phashes([luma], 1)[0, orientation], real, oracle)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 32), st.integers(0, 1000))
def test_a_hash_does_not_depend_on_its_batch(count, seed):
    lumas = list(np.random.default_rng(seed).integers(0, 256, (count, 64, 64), np.uint8))
    together = phashes(lumas, 32)
    assert np.array_equal(together, np.concatenate([phashes([luma], 32) for luma in lumas]))
    assert np.array_equal(together, phashes(lumas, 50))


@pytest.mark.parametrize("level", [0, 1, 127, 255])
def test_a_flat_picture_has_the_hash_of_its_light_only(level):
    words = phashes([np.full((32, 32), level, np.uint8)], 1)[0, :, 0]
    assert words.tolist() == [(1 << 63 if level else 0)] * DIHEDRAL  # imagehash: whatever the noise says


def test_a_symmetric_picture_hashes_alike_from_both_sides():
    half = np.random.default_rng(3).integers(0, 256, (32, 16), np.uint8)
    words = phashes([np.hstack([half, half[:, ::-1]])], 1)[0, :, 0]
    assert words[0] == words[4]
    assert words[2] == words[6]


def test_the_first_bit_is_the_most_significant():
    bits = np.zeros((1, 256), bool)
    bits[0, [0, 255]] = True
    assert pack_bits(bits).tolist() == [[1 << 63, 0, 0, 1]]


def test_orientations_are_a_permutation_of_each_other():
    luma = np.asarray(photo(9, (32, 32)).convert("L"))
    sets = [set(phashes([np.ascontiguousarray(turned(luma, k))], 1)[0, :, 0].tolist()) for k in range(DIHEDRAL)]
    assert all(found == sets[0] for found in sets)
    assert len(sets[0]) == DIHEDRAL
    assert hash_bits(dct_block(luma[None])).shape == (1, 8, 8, 8)


@given(st.integers(0, 50), st.integers(0, 7))
def test_the_edges_of_a_turned_picture_have_the_same_bits_elsewhere(seed, orientation):
    luma = np.asarray(photo(seed, (128, 128)).convert("L"))
    once = np.ascontiguousarray(turned(luma, orientation))[None]
    derived, measured = turned_edges(edge_hashes(luma[None], 4))[0, orientation], edge_hashes(once, 4)[0]
    assert np.bitwise_count(derived ^ measured).max() <= 1  # a coefficient may be 0


def test_edge_hashes_are_the_signs_of_the_coefficients_of_four_strips():
    luma = np.asarray(photo(7, (128, 128)).convert("L")).astype(float)
    found = edge_hashes(luma[None].astype(np.uint8), 32)[0]
    for word, strip in zip(found, (luma[:26], luma[:, -26:], luma[-26:], luma[:, :26]), strict=True):
        signs = dctn(strip, type=2)[:8, :8].ravel() > 0
        signs[0] = True
        assert int(word) == int("".join(str(int(bit)) for bit in signs), 2)


def test_a_plain_edge_has_no_hash():
    luma = np.asarray(photo(7, (128, 128)).convert("L")).copy()
    luma[:, -30:] = 200
    found = turned_edges(edge_hashes(luma[None], 32))[0]
    assert (found == 0).sum(axis=1).tolist() == [1] * 8
    assert found[0, EDGES.index("right")] == found[1, EDGES.index("top")] == found[4, EDGES.index("left")] == 0
