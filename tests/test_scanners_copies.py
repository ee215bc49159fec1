"""LEK, DUP and LBL: what the copy groups say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augmented_copies import augmented
from dataaudit.config import Config
from dataaudit.domain import CopyPair, Transform
from dataaudit.scanners import judge
from dataaudit.scanners.copy_groups import sentence
from dataaudit.scanners.leakage import expected_random_leak
from dataaudit.scanners.verdict import summarise
from measurements import components, make, rows_of

ROWS = [
    ("test/cat/a.jpg", "cat", "test"),
    ("train/cat/a.jpg", "cat", "train"),
    ("train/cat/b.jpg", "cat", "train"),
    ("train/dog/a.jpg", "dog", "train"),
    ("val/cat/a.jpg", "cat", "val"),
    ("val/cat/b.jpg", "cat", "val"),
]
A, B, V = "train/cat/a.jpg", "train/cat/b.jpg", "val/cat/a.jpg"


def found(measurements, *prefixes, **options):
    findings = judge(measurements, Config(select=prefixes, **options))[0]
    return [(finding.rule.code, tuple(measurements.catalog.paths[row] for row in finding.samples)) for finding in findings]


def not_run(measurements):
    return {entry.rule.code: entry.reason for entry in judge(measurements, Config())[2]}


def test_without_copies_nothing_is_found():
    assert found(make(ROWS), "LEK", "DUP", "LBL") == []


@pytest.mark.parametrize(("relation", "digit"), [("exact", "1"), ("pixel", "1"), ("near", "2"), ("transformed", "3")])
def test_the_relation_makes_the_code(relation, digit):
    assert found(make(ROWS, [(A, V, relation)]), "LEK", "DUP") == [(f"LEK20{digit}", (A, V))]
    assert found(make(ROWS, [(A, B, relation)]), "LEK", "DUP") == [(f"DUP30{digit}", (A, B))]
    code = "LBL401" if digit == "1" else "LBL402"
    assert found(make(ROWS, [(A, "train/dog/a.jpg", relation)]), "LBL") == [(code, (A, "train/dog/a.jpg"))]


def test_what_was_not_searched_is_no_pass():
    measurements = make(ROWS, [(A, V, "transformed"), (A, B, "transformed")])
    findings, ran, left = judge(measurements, Config(select=("LEK203", "DUP303"), transformed=False))
    assert [finding.rule.code for finding in findings] == ["LEK203", "DUP303"]
    assert not ran
    assert all("--no-transformed" in entry.reason for entry in left if entry.rule.code in {"LEK203", "DUP303"})


def test_one_finding_a_group_by_its_closest_crossing_pair():
    pairs = [(A, V, "transformed"), (B, V, "near"), (A, B, "exact"), ("test/cat/a.jpg", B, "near")]
    measurements = make(ROWS, pairs)
    assert found(measurements, "LEK") == [("LEK202", ("test/cat/a.jpg", A, B, V))]
    assert found(measurements, "DUP") == [("DUP301", (A, B))]
    finding = judge(measurements, Config(select=("LEK",)))[0][0]
    assert len(finding.evidence.pairs) == 3
    assert finding.evidence.pairs[0].relation == "near"


def test_equal_files_known_only_through_a_chain_are_exact():
    measurements = make(ROWS, [(A, V, "near"), (B, V, "near")])
    words = measurements.features.sha256.copy()
    words[4] = words[2]  # val/cat/a.jpg and train/cat/b.jpg: the graph says near, the bytes say exact
    same = replace(measurements, features=replace(measurements.features, sha256=words))
    assert found(same, "LEK") == [("LEK201", (A, B, V))]


def test_copies_known_only_through_another_split_take_the_loosest_relation():
    measurements = make(ROWS, [(A, V, "near"), (B, V, "transformed")])
    finding = judge(measurements, Config(select=("DUP",)))[0][0]
    assert (finding.rule.code, finding.evidence.pairs[0].transform) == ("DUP303", None)


def test_probable_pairs_warn_but_join_nothing():
    measurements = make(ROWS, [(A, V, "near", "probable", 0.9), (A, B, "near", "probable", 0.9)])
    assert found(measurements, "LEK", "DUP", "LBL") == [("LEK204", (A, V)), ("DUP304", (A, B))]


def test_probable_pairs_inside_a_proved_group_are_no_news():
    pairs = [(A, B, "exact"), (B, V, "near"), (A, V, "near", "probable", 0.9)]
    assert [code for code, _ in found(make(ROWS, pairs), "LEK")] == ["LEK202"]


def test_probable_pairs_of_two_groups_are_one_finding():
    pairs = [(A, B, "exact"), (A, V, "near", "probable", 0.9), (B, V, "near", "probable", 0.91)]
    finding = next(finding for finding in judge(make(ROWS, pairs), Config(select=("LEK204",)))[0])
    assert finding.samples == (1, 2, 4)
    assert "0.91" in finding.message


def test_unlabelled_copies_are_no_conflict():
    rows = [*ROWS, ("test/x.jpg", None, "test")]
    assert found(make(rows, [(A, "test/x.jpg", "exact")]), "LBL", "LEK") == [("LEK201", ("test/x.jpg", A))]


def test_unreadable_files_are_no_copies_of_each_other():
    measurements = make(ROWS, [(A, V, "near")])
    blank = replace(measurements.features, pixel_digest=np.zeros(6, np.uint64), sha256=np.zeros((6, 4), np.uint64))
    assert found(replace(measurements, features=blank), "LEK") == [("LEK202", (A, V))]


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (CopyPair(1, 4, "exact", "proved", 1, 1, Transform()), f"{V} is the same file as {A}, byte for byte"),
        (CopyPair(1, 4, "pixel", "proved", 1, 1, Transform()), f"{V} has the same pixels as {A}, in another file"),
        (
            CopyPair(1, 4, "transformed", "proved", 0.97, 1, Transform(mirrored=True, rotation=90.0)),
            f"{V} is {A}, mirrored, rotated 90°, similarity 0.97",
        ),
        (
            CopyPair(0, 1, "transformed", "proved", 0.97, 1, Transform(rotation=90.0)),
            f"test/cat/a.jpg is {A}, rotated -90°, similarity 0.97",
        ),
        (
            CopyPair(0, 1, "transformed", "proved", 0.97, 1, Transform(mirrored=True, rotation=90.0)),
            f"test/cat/a.jpg is {A}, mirrored, rotated 90°, similarity 0.97",
        ),
        (
            CopyPair(0, 1, "transformed", "proved", 0.97, 0.8, Transform(scale=(1.1, 1.1))),
            f"test/cat/a.jpg is {A}, zoomed 0.91, overlap 66 %, similarity 0.97",
        ),
        (
            CopyPair(1, 4, "near", "probable", 0.95, 1, Transform(), (0.1, 0.1, 0.3, 0.4)),
            f"{V} may be {A}, re-encoded, resized or retouched, similarity 0.95, differs in the upper left, 12 % of the picture",
        ),
        (
            CopyPair(0, 1, "transformed", "probable", 0.95, 1, Transform(mirrored=True), (0.1, 0.1, 0.3, 0.4)),
            f"test/cat/a.jpg may be {A}, mirrored, similarity 0.95, differs in the upper right, 12 % of the picture",
        ),
        (
            CopyPair(1, 4, "near", "probable", 0.9, 1, Transform()),
            f"{V} may be {A}, re-encoded, resized or retouched, similarity 0.90",
        ),
    ],
)
def test_a_pair_in_words(pair, expected):
    assert sentence(make(ROWS), pair) == expected


def test_declared_groups():
    rows = [(path, label, split, "p1" if split != "test" else "p2") for path, label, split in ROWS]
    measurements = make(rows)
    finding = judge(measurements, Config(select=("LEK",)))[0][0]
    assert (finding.rule.code, finding.samples, finding.evidence.splits) == (
        "LEK205",
        (1, 2, 3, 4, 5),
        (("train", 3), ("val", 2)),
    )
    alone = make([(path, label, split, split) for path, label, split in ROWS])
    assert found(alone, "LEK") == []
    assert "LEK205" not in not_run(alone)
    assert not_run(make(ROWS))["LEK205"].startswith("not-applicable: no groups")


def test_unsplit_data_runs_no_split_rule():
    reasons = not_run(make(rows_of({None: {"cat": 30, "dog": 30}})))
    for code in ("LEK201", "LEK202", "LEK203", "LEK204", "LEK205", "STR601", "STR602", "DRF801"):
        assert reasons[code] == "not-applicable: the dataset has no splits"
    assert "LEK208" not in reasons


def test_random_split():
    rows = rows_of({None: {"cat": 50, "dog": 50}})
    pairs = [(f"cat/{i:04}.jpg", f"cat/{i + 1:04}.jpg", "near") for i in range(0, 8, 2)]
    finding = judge(make(rows, pairs), Config(select=("LEK",)))[0][0]
    assert finding.rule.code == "LEK208"
    expected = 8 / 100 * (1 - 19 / 99)
    assert finding.evidence.rows[0][1][0] == pytest.approx(expected)
    assert f"{100 * expected:.1f} %" in finding.message
    assert found(make(rows, pairs), "LEK", random_split_leak=0.1) == []
    assert found(make(rows), "LEK") == []
    assert not_run(make(ROWS))["LEK208"].startswith("not-applicable")


def test_a_train_split_alone_counts_as_unsplit():
    rows = rows_of({"train": {"cat": 30, "dog": 30}})
    assert [code for code, _ in found(make(rows, [("train/cat/0000.jpg", "train/cat/0001.jpg", "exact")]), "LEK")] == ["LEK208"]


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=12),
    st.lists(st.integers(0, 5), min_size=20, max_size=20),
)
def test_random_leak_joins_copies_and_groups(edges, keys):
    rows = [(f"cat/{i:02}.jpg", "cat", None, f"g{key}" if key else None) for i, key in enumerate(keys)]
    pairs = sorted({tuple(sorted(edge)) for edge in edges if edge[0] != edge[1]})
    measurements = make(rows, [(f"cat/{a:02}.jpg", f"cat/{b:02}.jpg", "near") for a, b in pairs])
    members = [(a, b) for a in range(20) for b in range(a) if keys[a] and keys[a] == keys[b]]
    unit = components(20, [*pairs, *members])
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(600):
        order = rng.permutation(20)
        draws.append(np.isin(unit[order[:4]], unit[order[4:]]).mean())
    assert expected_random_leak(measurements)[1] == pytest.approx(np.mean(draws), abs=0.07)


def test_offline_augmentation_is_told_with_its_policy():
    measurements = augmented(12, 3, rotation=20, zoom=0.2, flip=True)
    findings = judge(measurements, Config(select=("DUP305",)))[0]
    assert [finding.rule.code for finding in findings] == ["DUP305"]
    message = findings[0].message
    assert message.startswith(f"train holds {len(findings[0].samples) - 12} augmented copies of 12 pictures (")
    assert "rotation ±" in message
    assert "; about ImageDataGenerator(rotation_range=" in message
    assert dict(findings[0].evidence.rows)["pictures"] == (12.0,)
    few = augmented(9, 3, rotation=20, flip=True)
    assert judge(few, Config(select=("DUP305",)))[0] == ()


def test_copies_of_one_class_are_said_to_be():
    measurements = augmented(12, 3, rotation=20, flip=True)
    catalog = measurements.catalog
    labels = np.where(catalog.split_codes == 1, 1, catalog.label_codes).astype(np.int32)
    two = replace(measurements, catalog=replace(catalog, classes=("cat", "dog"), label_codes=labels))
    assert "100 % of them are 'cat'" in judge(two, Config(select=("DUP305",)))[0][0].message


def test_augmentation_before_the_split_stands_in_the_notes():
    def notes(measurements):
        return " ".join(summarise(measurements, judge(measurements, Config())[0], Config()).notes)

    drawn = {"rotation": 20, "zoom": 0.2, "flip": True}
    assert "7 validation images show pictures of them, too (LEK203)" in notes(augmented(12, 3, leaked=7, **drawn))
    assert "augmented before they were split" not in notes(augmented(12, 3, **drawn))
    assert "augmented before they were split" not in notes(augmented(9, 3, leaked=7, **drawn))
