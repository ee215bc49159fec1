"""Groups are inferred where names and pictures agree, and nowhere else; what is proposed can be pasted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dataaudit.catalog.declared_groups import group_keys, parse_group_by
from dataaudit.config import Config
from dataaudit.dedup.file_groups import infer
from dataaudit.dedup.name_templates import candidates, series, templates
from dataaudit.fixers.units import join
from dataaudit.scanners import judge
from measurements import make, make_catalog

CONFIG = Config(select=("LEK206", "LEK207"))


def build(rows, subjects, closeness=1.5, seed=0, **options):
    """Return measurements whose descriptors are those of a subject, more or less: ``subjects`` names one a row."""
    rng = np.random.default_rng(seed)
    base = {name: rng.normal(0, 1, 128) for name in sorted(set(subjects))}
    vectors = {}
    for (path, *_), subject in zip(rows, subjects, strict=True):
        vector = closeness * base[subject] + rng.normal(0, 1, 128)
        vectors[path] = (vector / np.linalg.norm(vector)).astype(np.float16)
    found = make(rows, descriptor=vectors, **options)
    return replace(found, subjects=infer(found.catalog, found.features, found.copies, CONFIG))


def every_fourth(frame):
    return ("train", "val")[frame % 4 == 3]


def patients(split_of=every_fourth):
    rows, subjects = [], []
    for patient in range(40):
        for frame in range(6):
            split, label = split_of(frame), ("cat", "dog")[patient % 2]
            name = f"P{patient:03}_S{frame // 3}_frame{(patient * 37 + frame * 5) % 1000:04}.jpg"
            rows.append(("/".join(part for part in (split, label, name) if part), label, split))
            subjects.append(str(patient))
    return rows, subjects


def how(measurements):
    return [group.how for group in measurements.subjects.groups]


def keys_of(measurements, text):
    paths = measurements.catalog.paths
    return group_keys(parse_group_by(text), paths, {})


def test_a_patient_in_the_name_is_found_and_its_pattern_says_the_same():
    found = build(*patients())
    assert how(found) == [r"regex:(?:^|/)(P\d+)_S\d+_frame\d+\.[^./]+$"]
    (group,) = found.subjects.groups
    keys = keys_of(found, group.how)
    assert len(set(keys)) == 40
    assert len({(key, int(code)) for key, code in zip(keys, group.codes, strict=True)}) == 40
    assert group.likeness > 0.9
    assert group.q_value < 0.01
    (finding,) = (each for each in judge(found, CONFIG)[0] if each.rule.code == "LEK206")
    assert "40 keys of 40 straddle train and val" in finding.message
    assert f"--group-by '{group.how}'" in finding.message
    assert finding.rule.severity == "warning"


def test_sessions_are_the_groups_where_a_patient_is_not_alike():
    rows, subjects = patients()
    sessions = [row[0].rpartition("/")[2].rpartition("_")[0] for row in rows]
    assert how(build(rows, sessions)) == [r"regex:(?:^|/)(P\d+_S\d+)_frame\d+\.[^./]+$"]
    assert how(build(rows, [f"{row}" for row in range(len(rows))])) == []
    assert len(set(subjects)) == 40


def test_numbers_that_begin_anew_in_each_class_group_within_the_class():
    rows, subjects = [], []
    for label in ("cat", "dog"):
        for subject in range(40):
            for view in "abc":
                split = "val" if view == "c" else "train"
                rows.append((f"{split}/{label}/{subject:03}_{view}{(subject * 7) % 10}.jpg", label, split))
                subjects.append(f"{label}{subject}")
    found = build(rows, subjects)
    assert how(found) == [r"regex:(?:^|/)([^/]+/\d+)_[^\W\d_]+\d+\.[^./]+$"]
    assert len(set(keys_of(found, how(found)[0]))) == 80


def test_numbers_that_begin_anew_in_each_split_do_not_leak():
    rows, subjects = [], []
    for split in ("train", "val"):
        for subject in range(40):
            for view in "abc":
                rows.append((f"{split}/cat/{subject:03}_{view}{(subject * 7) % 10}.jpg", "cat", split))
                subjects.append(f"{split}{subject}")
    found = build(rows, subjects)
    assert how(found) == []
    assert judge(found, CONFIG)[0] == ()


def test_folders_below_the_class_are_keys():
    rows = [
        (f"{('train', 'val')[frame % 3 == 2]}/cat/video{video}/{frame * 17}.jpg", "cat", ("train", "val")[frame % 3 == 2])
        for video in range(30)
        for frame in range(6)
    ]
    found = build(rows, [path.split("/")[2] for path, *_ in rows])
    assert how(found) == [r"regex:^(?:[^/]+/){2}([^/]+)/[^/]+$"]
    assert len(set(keys_of(found, how(found)[0]))) == 30


def test_unsplit_groups_are_told_as_what_a_random_split_would_tear():
    found = build(*patients(split_of=lambda _frame: None))
    (finding,) = (each for each in judge(found, CONFIG)[0] if each.rule.code == "LEK206")
    assert "a random 80/20 split would put a mate in train" in finding.message


def test_declared_groups_are_not_inferred():
    rows, subjects = patients()
    found = build([(*row, subject) for row, subject in zip(rows, subjects, strict=True)], subjects)
    assert how(found) == []
    not_run = {each.rule.code: each.reason for each in judge(found, CONFIG)[2]}
    assert not_run["LEK206"].startswith("not-applicable: groups are declared")


def burst(step=1, **options):
    splits = [("train", "val")[number % 4 == 0] for number in range(200)]
    rows = [(f"{split}/cat/IMG_{1000 + step * number}.jpg", "cat", split) for number, split in enumerate(splits)]
    return rows, build(rows, [str(number // 5) for number in range(200)], closeness=2.5, **options)


@pytest.mark.parametrize("step", [1, 5])
def test_neighbours_by_number_are_of_one_subject(step):
    rows, found = burst(step)
    (pairs,) = found.subjects.neighbours
    assert not pairs.by_time
    number = np.array([int(path[-8:-4]) // step for path in found.catalog.paths])
    number -= number.min()
    assert set(np.abs(number[pairs.a] - number[pairs.b])) == {1}
    assert (number[pairs.a] // 5 == number[pairs.b] // 5).mean() > 0.95
    told = [each for each in judge(found, CONFIG)[0] if each.rule.code == "LEK207"]
    (alone,) = [each for each in told if "by number and looks alike" in each.message]
    (together,) = [each for each in told if each is not alone]
    similarities = [values[0] for _, values in together.evidence.rows]
    assert len(similarities) > 30
    assert similarities == sorted(similarities, reverse=True)
    assert together.message.startswith(f"{len(similarities)} other chains of neighbours by number")
    assert sum(sum(values[1:]) for _, values in together.evidence.rows) == len(together.samples)
    assert not set(alone.samples) & set(together.samples)
    assert len(rows) == 200


def test_copies_are_no_neighbours():
    rows, found = burst()
    (pairs,) = found.subjects.neighbours
    a, b = int(pairs.a[0]), int(pairs.b[0])
    paths = found.catalog.paths
    _, without = burst(pairs=[(paths[a], paths[b], "near", "probable")])
    alone, together = sorted(judge(without, Config(select=("LEK207",)))[0], key=lambda each: len(each.samples))
    assert {a, b} != set(alone.samples)
    assert not any(paths[a] in name and paths[b] in name for name, _ in together.evidence.rows)
    assert rows


def test_neighbours_by_the_cameras_clock():
    rows = [(f"{('train', 'val')[i % 3 == 0]}/cat/{hash_of(i)}.jpg", "cat", ("train", "val")[i % 3 == 0]) for i in range(150)]
    taken = {path: 10**9 + 3600 * (i // 5) + i % 5 for i, (path, *_) in enumerate(rows)}
    found = build(rows, [str(i // 5) for i in range(150)], closeness=2.5, taken=taken)
    (pairs,) = found.subjects.neighbours
    assert pairs.by_time
    when = np.array([taken[path] for path in found.catalog.paths])
    assert np.abs(when[pairs.a] - when[pairs.b]).max() <= 10


def hash_of(number):
    return f"{(number * 2654435761) % 2**32:08x}"


def test_hashes_are_no_templates():
    catalog = make_catalog([(f"cat/{hash_of(i)}{hash_of(i + 7)}.jpg", "cat", None) for i in range(200)])
    assert candidates(catalog, np.arange(200), templates(catalog, np.arange(200))) == []


def series_of(rows):
    catalog = make_catalog(rows)
    return [each.numbers.tolist() for each in series(catalog, templates(catalog, np.arange(len(catalog))))]


def test_series_run_through_classes_or_begin_anew_in_each():
    rows = [(f"{('cat', 'dog')[i % 2]}/IMG_{i:04}.jpg", ("cat", "dog")[i % 2], None) for i in range(100)]
    assert series_of(rows) == [list(range(100))]
    assert (
        series_of([(f"{label}/IMG_{i:04}.jpg", label, None) for label in ("cat", "dog") for i in range(50)])
        == [list(range(50))] * 2
    )
    assert series_of([(f"{split}/cat/{i}.jpg", "cat", split) for split in ("train", "val") for i in range(50)]) == []


def test_names_of_other_alphabets_and_odd_characters_are_read():
    rows = [(f"cat/Пациент{i % 12} — кадр(٣)[{i}].jpg", "cat", None) for i in range(60)]
    catalog = make_catalog(rows)
    (template,) = templates(catalog, np.arange(60))
    assert ["".join(text) for text in template.texts] == [path[4:-4] for path in catalog.paths]
    for candidate in candidates(catalog, np.arange(60), [template]):
        keys = group_keys(parse_group_by(f"regex:{candidate.pattern}"), catalog.paths, {})
        assert len(set(zip(keys, candidate.codes.tolist(), strict=True))) == len(set(keys)) == len(set(candidate.codes.tolist()))


def test_very_many_files_are_not_searched_and_that_is_said(monkeypatch):
    monkeypatch.setattr("dataaudit.dedup.file_groups.MOST_FILES", 100)
    found = build(*patients())
    assert {each.reason for each in judge(found, CONFIG)[2] if each.rule.code in {"LEK206", "LEK207"}} == {
        "not-applicable: names and times of more than 100 files are not searched for groups; declare them"
    }


def test_the_split_keeps_inferred_groups_together_when_asked():
    found = build(*patients())
    (group,) = found.subjects.groups
    apart, together = join(found), join(found, inferred=True)
    assert len(np.unique(apart)) == 240
    assert all(len(set(together[group.codes == code])) == 1 for code in range(40))


def test_names_that_mean_nothing_alarm_at_their_level():
    """Random names and pictures: with the policy at most 4 of 200 may warn."""
    rows, _ = patients()
    alarms = 0
    for seed in range(200):
        found = build(rows, [str(row) for row in range(len(rows))], seed=seed)
        alarms += bool(found.subjects.groups or found.subjects.neighbours)
    assert alarms <= 4
