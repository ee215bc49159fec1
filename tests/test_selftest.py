from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataaudit import Config, pipeline
from dataaudit.cli import main
from dataaudit.domain import FamilyRecall, SelfTest, Stranger
from dataaudit.errors import UsageError
from dataaudit.reports.selftest import render
from dataaudit.selftest import FAMILIES, families
from dataaudit.selftest.saved import dumps, load
from dataaudit.statistics.missed import missed_at_most
from pictures import photo, save

PICTURES = 20


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "dataset"
    for number in range(PICTURES):
        split = "val" if number % 2 == 0 else "train"
        save(photo(number, (160, 120)), root / split / "ab"[number % 4 // 2] / f"{number:02d}.png")
    save(photo(1, (160, 120)), root / "train" / "a" / "again.jpg", quality=80)  # a copy that the dataset has itself
    return root


@pytest.fixture(scope="module")
def outcome(dataset):
    return pipeline.selftest(dataset, Config(jobs=2), queries=PICTURES)


class TestFamilies:
    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
    def test_a_copy_is_another_picture_and_the_same_for_the_same_seed(self, family):
        source = photo(3)
        before = source.tobytes()
        copies = [family.make(source, np.random.default_rng(5)) for _ in range(2)]
        assert copies[0].mode == "RGB"
        assert copies[0].tobytes() == copies[1].tobytes()
        assert (copies[0].size, copies[0].tobytes()) != (source.size, before)
        assert source.tobytes() == before

    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
    @pytest.mark.parametrize("size", [(1, 1), (3, 200)])
    def test_a_picture_of_any_size_can_be_copied(self, family, size):
        assert min(family.make(Image.new("RGB", size, "red"), np.random.default_rng(0)).size) >= 1

    @pytest.mark.parametrize("size", [(64, 48), (65, 47)])
    def test_not_moved_is_the_same_picture(self, size):
        picture = photo(1, size)
        assert families._moved(picture, np.random.default_rng(0)).tobytes() == picture.tobytes()

    def test_a_shift_to_the_right_by_a_quarter_is_that(self):
        picture = photo(1, (64, 48))
        moved = np.asarray(families._moved(picture, np.random.default_rng(0), shift=(0.25, 0.0)))
        assert np.array_equal(moved[:, 16:], np.asarray(picture)[:, :48])


class TestRun:
    def test_what_is_planted_is_found(self, outcome):
        assert [family.family for family in outcome.families] == [family.name for family in FAMILIES]
        assert outcome.planted == PICTURES
        assert outcome.found >= PICTURES - 4
        easy = [
            family for family in outcome.families if family.family in {"saved as JPEG", "quarter turns", "mirrored or flipped"}
        ]
        assert all(family.proved == family.planted for family in easy)
        (covered,) = (family for family in outcome.families if family.family.startswith("covered"))
        assert covered.proved == covered.planted > 0  # under its source's label: under another it would be no more than probable

    def test_nothing_else_is(self, outcome):
        assert outcome.strangers == ()  # nor the copy that the dataset has itself

    def test_the_dataset_is_not_touched_and_another_run_is_the_same(self, dataset, outcome):
        before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}
        assert pipeline.selftest(dataset, Config(jobs=1), queries=PICTURES) == outcome
        assert {path: path.stat().st_mtime_ns for path in dataset.rglob("*")} == before

    def test_a_search_that_hardly_searches_finds_hardly_anything(self, dataset):
        blind = Config(jobs=2, transformed=False, hamming64=0, hamming256=0)
        assert pipeline.selftest(dataset, blind, queries=PICTURES).found < PICTURES / 2

    def test_a_single_picture_is_too_few(self, tmp_path):
        save(photo(1), tmp_path / "train" / "a" / "1.png")
        with pytest.raises(UsageError, match="at least two"):
            pipeline.selftest(tmp_path, Config(jobs=1), queries=5)


class TestSaved:
    @pytest.fixture
    def made(self):
        recalls = (FamilyRecall("resized", 10, 9, 1), FamilyRecall("covered", 10, 4, 1))
        return SelfTest("f" * 64, 500, 0, recalls, (Stranger("covered", "a.png", "b.png", "probable", 0.9),))

    def test_what_was_saved_is_read_back(self, made, tmp_path):
        file = tmp_path / "selftest.json"
        file.write_text(dumps(made, Config(jobs=3)))
        assert load(file, made.fingerprint, Config(val_accuracy=0.5)) == made

    @pytest.mark.parametrize(("fingerprint", "config"), [("0" * 64, Config()), ("f" * 64, Config(neighbours=1))])
    def test_of_another_dataset_or_search_it_says_nothing(self, made, tmp_path, fingerprint, config):
        file = tmp_path / "selftest.json"
        file.write_text(dumps(made, Config()))
        with pytest.raises(UsageError, match="run `dataaudit selftest` again"):
            load(file, fingerprint, config)

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"tool": 3}'])
    def test_anything_else_is_refused(self, tmp_path, text):
        file = tmp_path / "selftest.json"
        file.write_text(text)
        with pytest.raises(UsageError, match="no self-test"):
            load(file, "f" * 64, Config())
        with pytest.raises(UsageError, match="cannot be read"):
            load(tmp_path / "absent.json", "f" * 64, Config())

    def test_more_found_than_planted_is_refused(self, made, tmp_path):
        contents = json.loads(dumps(made, Config()))
        contents["families"][0]["proved"] = 11
        file = tmp_path / "selftest.json"
        file.write_text(json.dumps(contents))
        with pytest.raises(UsageError, match="no self-test"):
            load(file, made.fingerprint, Config())

    def test_the_text_tells_counts_intervals_and_false_pairs(self, made):
        text = render(made)
        assert text.startswith(
            "15 of 20 planted copies found among 500 images (53 % to 89 %, 95 % Wilson interval), 13 of them proved"
        )
        assert "50 %" in text
        assert "of a.png was taken for b.png" in text


class TestCommand:
    def test_a_scan_tells_what_may_have_been_missed_only_with_a_selftest(self, dataset, outcome, tmp_path):
        file = tmp_path / "selftest.json"
        file.write_text(dumps(outcome, Config()))
        runner = CliRunner()
        plain = runner.invoke(main, ["scan", str(dataset), "--jobs", "2", "--format", "json", "--fail-on", "never"])
        told = runner.invoke(
            main, ["scan", str(dataset), "--jobs", "2", "--format", "json", "--fail-on", "never", "--selftest", str(file)]
        )
        assert plain.exit_code == told.exit_code == 0
        notes = [set(json.loads(result.stdout)["summary"]["notes"]) for result in (plain, told)]
        (new,) = notes[1] - notes[0]
        assert "0 of 10 validation images are known to have copies in another split" in new
        assert f"the search found {outcome.found}" in new
        assert "may be missed" in new

    def test_the_command_prints_what_scan_reads(self, dataset, outcome):
        result = CliRunner().invoke(main, ["selftest", str(dataset), "--queries", str(PICTURES), "--format", "json"])
        assert result.exit_code == 0
        assert result.stdout == dumps(outcome, Config())


class TestMissed:
    @given(st.integers(0, 30), st.floats(0.05, 0.99), st.integers(0, 40))
    @settings(deadline=None, max_examples=40)
    def test_it_is_the_largest_number_that_is_not_too_unlikely(self, found, recall, most):
        def at_most(n: int) -> float:
            return sum(comb(n, k) * recall**k * (1 - recall) ** (n - k) for k in range(found + 1))

        likely = [m for m in range(most + 1) if at_most(found + m) >= 0.05 + 1e-9]
        assert missed_at_most(found, recall, most) in {max(likely), max(likely) + 1}

    def test_examples(self):
        assert missed_at_most(0, 0.94, 500) == 1
        assert missed_at_most(0, 1.0, 500) == 0
        assert missed_at_most(0, 0.0, 500) == 500
        assert missed_at_most(0, 0.5, 3) == 3
