"""The policy of offline augmentation is read off copies that were made by Keras's own formula."""

from __future__ import annotations

import numpy as np
import pytest

from augmented_copies import augmented
from dataaudit.statistics.offline import offline, policy


def estimated(measurements):
    piles = offline(measurements, measurements.catalog.split_codes == 0)
    return piles, policy(measurements, piles)


def test_the_full_policy_is_found_again():
    measurements = augmented(60, 4, rotation=20, shift=0.2, zoom=0.2, flip=True)
    piles, found = estimated(measurements)
    paths = measurements.catalog.paths
    assert np.mean([paths[pile.original].endswith("-o.jpg") for pile in piles]) > 0.6
    assert (found.pictures, found.copies) == (60, 240)
    assert found.rotation_range == pytest.approx(20, abs=3)
    assert found.width_shift_range == pytest.approx(0.2, abs=0.04)
    assert found.height_shift_range == pytest.approx(0.2, abs=0.04)
    assert found.zoom_range == pytest.approx((0.8, 1.2), abs=0.05)
    assert found.shear_range == 0 or found.shear_range < 5
    assert found.horizontal_flip == pytest.approx(0.5, abs=0.1)
    assert (found.vertical_flip, found.quarter_turns) == (0, 0)


@pytest.mark.parametrize(
    ("drawn", "told", "arguments"),
    [
        ({"rotation": 30}, "rotation ±30°", {"rotation_range": 30}),
        ({"shear": 15, "flip": True}, "shear ±15°, mirrored in half of them", {"shear_range": 15, "horizontal_flip": True}),
        ({"zoom": 0.3}, "zoom 0.7–1.3", {"zoom_range": 0.3}),
        (
            {"rotation": 10, "vertical": True},
            "rotation ±10°, upside down in half of them",
            {"rotation_range": 10, "vertical_flip": True},
        ),
    ],
)
def test_each_parameter_alone(drawn, told, arguments):
    _, found = estimated(augmented(150, 5, **drawn))
    for name, value in arguments.items():
        assert found.arguments()[name] == (value if value is True else pytest.approx(value, rel=0.15))
    assert set(found.arguments()) == set(arguments)
    assert [word.split()[0] for word in found.describe().split(", ")] == [word.split()[0] for word in told.split(", ")]


def test_copies_in_perspective_are_no_other_encodings_and_the_rest_of_the_policy_is_found():
    piles, found = estimated(augmented(60, 4, tilt=0.6, rotation=20, chained=True))
    assert found.copies > 230
    assert len(piles) == 60
    assert found.rotation_range == pytest.approx(20, abs=4)
    alone, policy_of_none = estimated(augmented(60, 4, tilt=0.6))
    assert policy_of_none.copies >= 220  # a drawn tilt may be slight
    assert len(alone) == 60
    assert set(policy_of_none.arguments()) <= {"zoom_range"}


def test_originals_are_guessed_through_chains_of_copies():
    piles, found = estimated(augmented(40, 6, chained=True, rotation=15, zoom=0.15))
    assert found.copies > 230  # a drawn change may be slight
    assert found.rotation_range == pytest.approx(15, abs=3)
    assert len(piles) == 40


def test_a_name_that_the_others_begin_with_is_the_original():
    measurements = augmented(20, 3, mark="_aug", rotation=20)
    names = [measurements.catalog.paths[pile.original] for pile in offline(measurements, measurements.catalog.split_codes == 0)]
    assert len(names) == 20
    assert not [name for name in names if "aug" in name]


def test_the_largest_picture_is_the_original():
    measurements = augmented(12, 2, mark="_aug", rotation=20, flip=True)
    rows = [row for row, path in enumerate(measurements.catalog.paths) if path.endswith("aug1.jpg")]
    measurements.features.width[rows] *= 2
    measurements.features.height[rows] *= 2
    assert {pile.original for pile in offline(measurements, np.ones(len(measurements.catalog), bool))} == set(rows)


def test_few_copies_and_mere_shifts_are_no_offline_augmentation():
    everything = lambda measurements: np.ones(len(measurements.catalog), bool)  # noqa: E731
    few, shifted = augmented(9, 4, rotation=20), augmented(30, 2, shift=0.3)
    assert offline(few, everything(few)) == ()
    assert offline(shifted, everything(shifted)) == ()
    single, many = (augmented(n, 1, rotation=20, flip=True) for n in (18, 30))
    assert offline(single, everything(single)) == ()
    assert len(offline(many, everything(many))) > 25  # a drawn change may be slight
    assert offline(many, ~everything(many)) == ()
