"""``--previous``: what an earlier plan placed stays, new copies follow their group, whatever moves says why."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dataaudit.config import Config
from dataaudit.domain import NONE, ROLES
from dataaudit.errors import ConfigError, PlanError
from dataaudit.fixers import make_plan, plan_folder
from dataaudit.fixers.previous import found_again, read_previous
from dataaudit.fixers.split import make_split
from dataaudit.reports.plan import sentence
from measurements import make, rows_of
from plans import Dataset, File, datasets

few = settings(max_examples=15, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("plans")


def planned(dataset, folder, config=None):
    """Write the plan of a dataset; None where there is none."""
    try:
        plan = make_plan(dataset.measure(), config or Config())
    except PlanError:
        return None
    plan_folder.write(plan, folder / "earlier")
    return plan.split


def again(dataset, folder, config=None):
    return make_split(dataset.measure(), (config or Config()).merged(previous=str(folder / "earlier")))


def places(plan):
    return {path: None if code == NONE else ROLES[code] for path, code in zip(plan.catalog.paths, plan.split_codes, strict=True)}


def added(dataset, files, links=()):
    """Return the dataset with further files, in folders of their splits, and with further links."""
    named = [replace(file, name=f"new{number}.jpg") for number, file in enumerate(files)]
    return replace(dataset, files=(*dataset.files, *named), links=(*dataset.links, *links))


@few
@given(datasets(), st.sampled_from([None, (0.6, 0.2, 0.2)]), st.booleans())
def test_the_same_dataset_gets_the_same_plan_again(folder, dataset, ratios, offline):
    config = Config(offline_copies="originals" if offline else "keep")
    first = planned(dataset, folder, config.merged(ratios=ratios))
    assume(first is not None)
    second = again(dataset, folder, config)
    stayed = (first.split_codes == second.split_codes) | (first.split_codes == NONE)
    assert stayed.all()
    assert not any(reason for reason, code in zip(second.reasons, first.split_codes, strict=True) if code != NONE)
    assert second.mode == "follow"
    assert second.ratios == first.ratios


@few
@given(datasets(), datasets(most=25), st.data())
def test_what_was_placed_stays_where_nothing_joins_it_to_something_else(folder, dataset, other, data):
    first = planned(dataset, folder, Config(remake=True))
    assume(first is not None)
    far = max(*(file.content for file in dataset.files), *(content for a, b, *_ in dataset.links for content in (a, b)), 0) + 1
    split = dataset.files[0].split is not None
    files = [
        replace(
            file,
            content=file.content + far,
            group=None if file.group is None else file.group + 100,
            split=file.split if split else None,
        )
        for file in other.files
    ]
    links = [(a + far, b + far, *rest) for a, b, *rest in other.links]
    sources = [file for file in dataset.files if file.label is not None and not file.broken]
    copies = data.draw(st.lists(st.sampled_from(sources), max_size=5)) if sources else []
    for number, source in enumerate(copies):
        files.append(File(1000 + number, source.label, source.split))
        links.append((source.content, 1000 + number, "transformed", "proved"))
    larger = added(dataset, files, links)
    before, plan = places(first), again(larger, folder)
    after = places(plan)
    moved = {path for path, place in before.items() if place is not None and after[path] != place}
    assert not moved
    for unit in np.unique(plan.units):
        rows = (plan.units == unit) & (plan.split_codes != NONE)
        assert len(set(plan.split_codes[rows])) <= 1
    for row in range(len(plan.catalog)):
        old, new = plan.catalog.split_codes[row], plan.split_codes[row]
        assert bool(plan.reasons[row]) == (new == NONE or (old not in {NONE, new}))
        assert new == NONE or plan.catalog.label_codes[row] != NONE or new == ROLES.index("test")


@few
@given(datasets(), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=6), st.randoms(use_true_random=False))
def test_no_unit_is_torn_and_test_is_frozen_whatever_is_found_to_belong_together(folder, dataset, pairs, random):
    first = planned(dataset, folder, Config(remake=True))
    assume(first is not None)
    joined = replace(dataset, links=(*dataset.links, *((a, b, "near", "proved") for a, b in pairs)))
    plan = again(joined, folder)
    test = ROLES.index("test")
    for unit in np.unique(plan.units):
        rows = (plan.units == unit) & (plan.split_codes != NONE)
        assert len(set(plan.split_codes[rows])) <= 1
    old = plan.catalog.split_codes
    assert not ((old != test) & (old != NONE) & (plan.split_codes == test)).any()
    leaving = (old == test) & (plan.split_codes != test)
    assert all("unreadable" in plan.reasons[row] for row in np.flatnonzero(leaving))
    assert all(plan.reasons[row] for row in np.flatnonzero((old != NONE) & (plan.split_codes != old)))


@few
@given(datasets(split=False), st.randoms(use_true_random=False))
def test_renamed_files_are_known_by_their_content(folder, dataset, random):
    dataset = replace(dataset, files=tuple(replace(file, broken=False) for file in dataset.files))
    first = planned(dataset, folder)
    assume(first is not None)
    files = [replace(file, name=f"other{number}.jpg") for number, file in enumerate(dataset.files)]
    plan = again(replace(dataset, files=tuple(files)), folder)
    assert Counter(zip(first.digests, first.split_codes.tolist(), strict=True)) == Counter(
        zip(plan.digests, plan.split_codes.tolist(), strict=True)
    )


def test_new_copies_follow_and_new_pictures_are_shared_out(folder):
    dataset = Dataset(tuple(File(content, content % 2, None) for content in range(100)))
    first = planned(dataset, folder, Config(ratios=(0.6, 0.2, 0.2)))
    before = dict(zip(first.digests, first.split_codes.tolist(), strict=True))
    copies = [File(200 + number, number % 2, None) for number in range(100)]
    links = [(number, 200 + number, "transformed", "proved") for number in range(100)]
    fresh = [File(400 + number, number % 2, None) for number in range(50)]
    newcomers = [File(600 + number, 2, None) for number in range(3)]  # a class of its own
    plan = again(added(dataset, (*copies, *fresh, *newcomers), links), folder)
    measured = added(dataset, (*copies, *fresh, *newcomers), links).measure()
    now = dict(zip(plan.digests, plan.split_codes.tolist(), strict=True))
    assert all(now[digest] == code for digest, code in before.items())
    known = {pair.a: pair.b for pair in measured.copies.pairs} | {pair.b: pair.a for pair in measured.copies.pairs}
    assert all(plan.split_codes[a] == plan.split_codes[b] for a, b in known.items())
    assert np.abs(np.bincount(plan.split_codes) - 253 * np.array([0.6, 0.2, 0.2])).max() < 1
    newest = plan.split_codes[[path.startswith("cat/") for path in plan.catalog.paths]]
    assert sorted(newest.tolist()) == [0, 1, 2]
    assert sentence(plan).startswith("SPLIT PLANNED (follow, seed 0): 0 of 100 earlier images move, 153 placed anew, 0 left out")


def test_what_moves_says_why(folder):
    rows = [(f"a/{number:02}.jpg", "a", None) for number in range(40)]
    measured = make(rows)
    plan_folder.write(make_plan(measured, Config()), folder / "moves")
    first = make_split(measured, Config())
    train, val, test = (np.flatnonzero(first.split_codes == code) for code in range(3))
    paths = measured.catalog.paths
    found = make(
        rows,
        [
            (paths[train[0]], paths[val[0]], "near"),
            (paths[train[1]], paths[val[0]], "near"),
            (paths[train[2]], paths[test[0]], "near"),
        ],
    )
    plan = make_split(found, Config(previous=str(folder / "moves" / "plan.json")))
    changed = {int(row): plan.reasons[row] for row in np.flatnonzero(first.split_codes != plan.split_codes)}
    assert changed == {
        int(val[0]): f"near copy of {paths[train[0]]}, in train",
        int(train[2]): f"near copy of {paths[test[0]]}, in test",
    }
    assert plan.split_codes[val[0]] == 0
    assert plan.split_codes[train[2]] == NONE


def test_deleted_and_changed_files(folder):
    dataset = Dataset(tuple(File(content, 0, None) for content in range(30)))
    first = planned(dataset, folder)
    changed = (replace(dataset.files[0], content=99), *dataset.files[3:])
    plan = again(
        replace(
            dataset, files=tuple(replace(file, name=f"{n:05}.jpg") for n, file in zip((0, *range(3, 30)), changed, strict=True))
        ),
        folder,
    )
    before, after = places(first), places(plan)
    assert after == {path: before[path] for path in after}
    assert any("2 images that the earlier plan placed cannot stay" in told for told in plan.impossible)


def test_an_unlabelled_picture_is_never_put_into_train_or_val(folder):
    files = [File(content, content % 2, ("train", "val")[content % 4 == 3]) for content in range(40)]
    test = [File(content, None, "test", broken=content == 102) for content in range(100, 104)]
    dataset = Dataset((*files, *test))
    planned(dataset, folder)
    mended = replace(dataset, files=(*files, *(replace(file, broken=False) for file in test)))
    near = added(mended, [File(200, None, "test")], [(0, 200, "near", "proved")])
    plan = again(near, folder)
    after = places(plan)
    unlabelled = [path for path, label in zip(plan.catalog.paths, plan.catalog.label_codes, strict=True) if label == NONE]
    assert Counter(after[path] for path in unlabelled) == {"test": 4, None: 1}
    assert after["test/00042.jpg"] is None
    assert after["test/new0.jpg"] == "test"
    assert after[near.path(0)] is None, "its copy cannot stay in train"


def test_an_entry_is_found_once():
    measured = make([("a/1.jpg", "a", None), ("a/2.jpg", "a", None)], [("a/1.jpg", "a/2.jpg", "exact")])
    digests = tuple(measured.features.hex_digest(row) for row in range(2))
    row = plan_folder.Row("b/0.jpg", "a", "val", "", "", digests[0], "", "")
    plan = plan_folder.SavedPlan(None, (row,), None, ("a",))
    assert found_again(measured.catalog, digests, plan).codes.tolist() == [1, NONE]


def test_what_is_no_plan_and_what_contradicts_is_refused(folder, tmp_path):
    with pytest.raises(PlanError, match="is no plan folder"):
        read_previous(str(tmp_path))
    for other in ({"remake": True}, {"ratios": (0.8, 0.1, 0.1)}):
        with pytest.raises(ConfigError, match=r"^command line: previous goes on from an earlier plan, ratios and remake make"):
            Config().merged(previous="plan", **other)
    measured = make(rows_of({None: {"a": 10}}))
    with pytest.raises(PlanError, match="is no plan folder"):
        make_split(measured, Config(previous=str(tmp_path / "plan.json")))
