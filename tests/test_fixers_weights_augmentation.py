"""Class weights against scikit-learn and the paper; augmentation by evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from augmented_copies import augmented
from dataaudit.config import Config
from dataaudit.domain import Transform
from dataaudit.fixers import make_plan
from dataaudit.fixers.augmentation import mirror_sensitive
from dataaudit.fixers.class_weights import balanced, effective_number
from measurements import make, rows_of

COUNTS = st.lists(st.integers(1, 500), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(COUNTS)
def test_balanced_is_scikit_learns(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    np.testing.assert_allclose(balanced(np.array(counts)), expected)


@settings(max_examples=40, deadline=None)
@given(COUNTS)
def test_effective_number_is_the_papers(counts):
    total = sum(counts)
    found = effective_number(np.array(counts))
    if total > 1:
        beta = (total - 1) / total
        expected = np.array([(1 - beta) / (1 - beta**count) for count in counts])
        np.testing.assert_allclose(found / found[0], expected / expected[0], rtol=1e-6)
    assert np.average(found, weights=counts) == pytest.approx(1)
    assert (np.diff(found[np.argsort(counts)]) <= 1e-12).all(), "a larger class never weighs more"


def test_effective_number_stays_exact_for_a_million_samples():
    found = effective_number(np.array([1, 10**6]))
    assert found[0] / found[1] == pytest.approx(10**6 * (1 - np.exp(-1)), rel=1e-4)


def test_weights_are_of_the_planned_train_split_with_every_class_in_keras_order():
    rows = rows_of({"train": {"b": 10, "B": 30, "a": 20}, "val": {"only-val": 5, "b": 5, "B": 15, "a": 10}})
    plan = make_plan(make(rows, [("train/b/0000.jpg", "train/b/0001.jpg", "exact")]), Config(share_difference=0.9))
    weights = plan.class_weights
    assert weights.class_names == ("B", "a", "b", "only-val")
    assert weights.counts[:3] == (30, 20, 9)
    assert len(weights.weights) == 4
    assert all(weight > 0 for weight in weights.weights)


def test_a_class_without_train_samples_weighs_one_and_the_plan_says_so():
    plan = make_plan(make(rows_of({"train": {"a": 30}, "val": {"a": 10, "b": 1}})), Config())
    assert plan.class_weights.counts == (30, 0)
    assert plan.class_weights.weights == (1.0, 1.0)
    assert any("Class b has no sample in train" in sentence for sentence in plan.split.impossible)


@pytest.mark.parametrize("method", ["balanced", "effective-number", "none"])
def test_method_is_honoured(method):
    plan = make_plan(make(rows_of({None: {"a": 100, "b": 10}})), Config(class_weight=method))
    assert plan.class_weights.method == method
    assert (len(set(plan.class_weights.weights)) == 1) == (method == "none")


# ----------------------------------------------------------------------------------------- augmentation


def augmentation(rows, pairs=(), config=None, **columns):
    return make_plan(make(rows, pairs, **columns), config or Config()).augmentation


def layer(found, name):
    return next((layer for layer in found.layers if layer.layer == name), None)


PLAIN = rows_of({"train": {"hat": 40, "shoe": 40}, "val": {"hat": 20, "shoe": 20}, "test": {"hat": 20, "shoe": 20}})


def test_the_plain_policy_is_modest_and_explains_itself():
    found = augmentation(PLAIN)
    assert [layer.layer for layer in found.layers] == [
        "RandomFlip",
        "RandomRotation",
        "RandomTranslation",
        "RandomZoom",
        "RandomContrast",
    ]
    assert all(layer.evidence for layer in found.layers)
    assert {name for name, _ in found.left_out} == {"RandomBrightness", "RandomFlip(vertical)"}


@pytest.mark.parametrize(
    ("classes", "sensitive"),
    [
        (("left", "right"), True),
        (("Left_Hand", "Right_Hand", "foot"), True),
        (("turn-left", "turn-right"), True),
        (("shoe_L", "shoe_R"), True),
        (tuple("0123456789"), True),
        (tuple("ABC"), True),
        (("one", "two"), True),
        (("cat", "dog"), False),
        (("bright", "leftover"), False),
        (("left", "cat"), False),
        (("a",), False),
    ],
)
def test_flips_are_left_out_where_sides_make_the_class(classes, sensitive):
    assert bool(mirror_sensitive(classes)) == sensitive
    found = augmentation(rows_of({None: dict.fromkeys(classes, 10)}))
    assert (layer(found, "RandomFlip") is None) == sensitive
    assert ("RandomFlip(horizontal)" in dict(found.left_out)) == sensitive


def test_a_mirrored_copy_under_another_label_forbids_flips():
    found = augmentation(PLAIN, [("train/hat/0000.jpg", "train/shoe/0000.jpg", "transformed")])
    assert "another label" in dict(found.left_out)["RandomFlip(horizontal)"]


def test_transforms_already_applied_offline_are_not_doubled():
    mirrored = [(f"train/hat/{i:04}.jpg", f"train/hat/{i + 20:04}.jpg", "transformed") for i in range(20)]
    found = augmentation(PLAIN, mirrored)
    assert "20 of 80 train pictures" in dict(found.left_out)["RandomFlip(horizontal)"]
    turned = [(*pair, "proved", 0.97, Transform(rotation=90)) for pair in mirrored]
    found = augmentation(PLAIN, turned)
    assert "20 of 80 train pictures" in dict(found.left_out)["RandomRotation"]
    assert layer(found, "RandomFlip") is not None


def test_brightness_follows_val_and_never_looks_at_test():
    def bright(split):
        paths = sorted(row[0] for row in PLAIN)
        return {"luminance": [160.0 + i % 7 if path.startswith(split) else 120.0 + i % 7 for i, path in enumerate(paths)]}

    found = layer(augmentation(PLAIN, properties=bright("val")), "RandomBrightness")
    assert dict(found.arguments) == {"factor": 0.16, "value_range": (0.0, 255.0)}
    assert "40 of 255 brighter" in found.evidence
    assert layer(augmentation(PLAIN, properties=bright("test")), "RandomBrightness") is None


def test_of_too_few_pictures_brightness_is_not_said_to_be_the_same():
    few = rows_of({"train": {"a": 4, "b": 4}, "val": {"a": 2, "b": 2}})
    luminance = [120.0 + i if row[2] == "train" else 200.0 + i for i, row in enumerate(sorted(few))]
    found = augmentation(few, properties={"luminance": luminance})
    assert "too few pictures" in dict(found.left_out)["RandomBrightness"]


@pytest.mark.parametrize(("side", "expected"), [(20, 32), (64, 64), (100, 96), (180, 192), (4000, 224)])
def test_image_size_follows_the_train_pictures(side, expected):
    paths = [row[0] for row in PLAIN]
    found = augmentation(PLAIN, width=dict.fromkeys(paths, side), height=dict.fromkeys(paths, side * 2))
    assert found.image_size == (expected, expected)


# ----------------------------------------------------------------------------------- offline augmentation

DRAWN = {"rotation": 20, "shift": 0.2, "zoom": 0.2, "flip": True}


def test_copies_on_disk_stay_by_default_and_are_not_augmented_the_same_way_again():
    plan = make_plan(augmented(40, 3, **DRAWN), Config())
    found, left_out = plan.augmentation, dict(plan.augmentation.left_out)
    assert (found.offline.pictures, found.offline_copies) == (40, "keep")
    assert set(left_out) >= {"RandomFlip(horizontal)", "RandomRotation", "RandomTranslation", "RandomZoom"}
    assert "--offline-copies originals leaves them out" in left_out["RandomZoom"]
    assert not any("augmented copy" in reason for reason in plan.split.reasons)


@pytest.mark.parametrize("options", [{}, {"remake": True}])
def test_originals_alone_are_kept_on_request_and_the_layers_draw_anew(options):
    measurements = augmented(40, 3, mark="_aug", **DRAWN)
    plan = make_plan(measurements, Config(offline_copies="originals", **options))
    gone = [measurements.catalog.paths[row] for row, reason in enumerate(plan.split.reasons) if "augmented copy" in reason]
    assert len(gone) >= 118  # a drawn change may be slight
    assert all("aug" in path for path in gone)
    arguments = {layer.layer: dict(layer.arguments) for layer in plan.augmentation.layers}
    if not options:  # a remade train holds fewer of them
        assert arguments["RandomRotation"]["factor"] == pytest.approx(20 / 360, abs=0.01)
        assert arguments["RandomTranslation"]["width_factor"] == pytest.approx(0.2, abs=0.04)
        assert arguments["RandomZoom"]["height_factor"] == pytest.approx((-0.2, 0.2), abs=0.06)
    assert arguments["RandomFlip"] == {"mode": "horizontal"}
    assert "which are left out" in layer(plan.augmentation, "RandomRotation").evidence


def test_without_offline_augmentation_the_option_changes_nothing():
    few = augmented(5, 2, rotation=20, flip=True)
    kept, originals = (make_plan(few, Config(offline_copies=how)) for how in ("keep", "originals"))
    assert kept.split.reasons == originals.split.reasons
    assert kept.augmentation.offline is originals.augmentation.offline is None
    assert any("no offline augmentation" in sentence for sentence in originals.split.impossible)
    assert not any("no offline augmentation" in sentence for sentence in kept.split.impossible)
