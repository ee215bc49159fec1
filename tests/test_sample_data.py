"""sample_data/: the answers agree with the files, the control is clean, and the script makes both."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError
from scipy.stats import chi2_contingency, ks_2samp

ROOT = Path(__file__).parent.parent / "sample_data"
ANSWERS = json.loads((ROOT / "answers.json").read_text(encoding="utf-8"))
SOURCES = list(csv.DictReader((ROOT / "sources.csv").read_text(encoding="utf-8").splitlines()))
SPLITS = ("train", "val", "test")
LICENCES = {
    "data/astronaut.png": "public domain",
    "data/chelsea.png": "CC0 1.0",
    "data/coffee.png": "CC0 1.0",
    "data/hubble_deep_field.jpg": "public domain",
    "datasets/images/china.jpg": "CC BY 2.0",
}


@cache
def picture(path: Path) -> Image.Image | None:
    try:
        with Image.open(path, formats=["JPEG", "PNG", "WEBP"]) as opened:
            opened.load()
            return opened.convert("RGB")
    except (UnidentifiedImageError, OSError):
        return None


def samples(name: str) -> list[str]:
    return sorted(row["path"].split("/", 1)[1] for row in SOURCES if row["path"].startswith(f"{name}/"))


def files_below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def grey(path: Path, side: int = 96) -> np.ndarray:
    return np.asarray(picture(path).convert("L").resize((side, side), Image.Resampling.BOX), float)


def luminance(name: str, split: str, label: str) -> list[float]:
    pictures = [picture(ROOT / name / path) for path in samples(name) if path.startswith(f"{split}/{label}/")]
    return [float(np.asarray(opened.convert("L"), float).mean()) for opened in pictures if opened is not None]


def shares_of(counts: dict[str, dict[str, int]], split: str) -> np.ndarray:
    row = np.array(list(counts[split].values()), float)
    return row / row.sum()


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    to = tmp_path_factory.mktemp("sample")
    subprocess.run([sys.executable, "-B", str(ROOT / "build.py"), "--to", str(to)], check=True, capture_output=True)
    return to


# ------------------------------------------------------------------------------------------ the script


def test_the_script_rebuilds_the_answers_and_the_sources(rebuilt):
    assert json.loads((rebuilt / "answers.json").read_text(encoding="utf-8")) == ANSWERS
    assert (rebuilt / "sources.csv").read_text(encoding="utf-8") == (ROOT / "sources.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["dataset", "clean"])
def test_the_script_rebuilds_the_pictures(rebuilt, name):
    # Pictures, not bytes: another version of Pillow may encode JPEG otherwise.
    assert files_below(rebuilt / name) == files_below(ROOT / name)
    for path in samples(name):
        mine, theirs = picture(ROOT / name / path), picture(rebuilt / name / path)
        assert (mine is None) == (theirs is None), path
        if mine is not None and theirs is not None:
            assert np.abs(np.asarray(mine, float) - np.asarray(theirs, float)).mean() < 2, path


def test_the_script_leaves_a_strangers_folder_alone(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-B", str(ROOT / "build.py"), "--to", str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "was not written by this script" in done.stderr
    assert files_below(tmp_path) == ["dataset/mine.txt"]


# ------------------------------------------------------------------------------- size, origin, licences


def test_all_of_it_is_small():
    assert sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file()) < 4_000_000


def test_every_file_is_a_listed_sample_or_a_listed_stray():
    assert files_below(ROOT / "clean") == samples("clean")
    assert files_below(ROOT / "dataset") == sorted(samples("dataset") + ANSWERS["skipped"])


def test_every_photograph_is_credited_with_its_licence():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    used = {row["photograph"] for row in SOURCES} - {""}
    assert used == set(LICENCES)
    for photograph in used:
        credit = [line for line in lines if line.startswith("|") and f"`{photograph.split('/')[-1]}`" in line]
        assert len(credit) == 1
        assert LICENCES[photograph] in credit[0]


@pytest.mark.parametrize("name", ["dataset", "clean"])
def test_no_two_originals_share_a_pixel_of_their_photograph(name):
    rows = [row for row in SOURCES if row["path"].startswith(f"{name}/") and row["box"] and "copy of" not in row["how"]]
    for photograph in LICENCES:
        boxes = [tuple(map(int, row["box"].split())) for row in rows if row["photograph"] == photograph]
        assert len(boxes) > 40
        for a, b in combinations(boxes, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (photograph, a, b)


# --------------------------------------------------------------------------------- the planted copies


def test_the_counts_are_those_of_the_files():
    for name, truth in (("dataset", ANSWERS), ("clean", ANSWERS["clean"])):
        counted = Counter(tuple(path.split("/")[:2]) for path in samples(name))
        assert truth["counts"] == {
            split: {label: counted[split, label] for label in sorted(truth["counts"]["train"])} for split in SPLITS
        }
        assert truth["samples"] == len(samples(name))


def test_no_file_is_part_of_two_faults():
    planted = [path for groups in ANSWERS["findings"].values() for group in groups for path in group]
    planted += [pair[end] for pair in ANSWERS["warped"] for end in "ab"]
    assert [path for path, times in Counter(planted).items() if times > 1] == []
    assert all((ROOT / "dataset" / path).is_file() for path in planted)


def test_the_code_says_where_the_copies_are():
    for pair in ANSWERS["pairs"] + ANSWERS["warped"]:
        (split_a, label_a, _), (split_b, label_b, _) = pair["a"].split("/"), pair["b"].split("/")
        family = "LEK" if split_a != split_b else "DUP" if label_a == label_b else "LBL"
        assert pair["code"].startswith(family), pair
        assert pair["a"] < pair["b"]
        if family == "LEK":
            assert label_a == label_b
    for code, groups in ANSWERS["findings"].items():
        if code.startswith(("LEK", "DUP", "LBL")):
            joined = {path for pair in ANSWERS["pairs"] if pair["code"] == code for path in (pair["a"], pair["b"])}
            assert joined == {path for group in groups for path in group}


@pytest.mark.parametrize("pair", ANSWERS["pairs"], ids=lambda pair: f"{pair['code']}-{pair['how']}")
def test_a_planted_copy_is_what_the_answer_says(pair):
    a, b = ROOT / "dataset" / pair["a"], ROOT / "dataset" / pair["b"]
    same_bytes = a.read_bytes() == b.read_bytes()
    same_size = picture(a).size == picture(b).size
    same_pixels = same_size and bool(np.array_equal(np.asarray(picture(a)), np.asarray(picture(b))))
    assert same_bytes == (pair["relation"] == "exact")
    assert same_pixels == (pair["relation"] in {"exact", "pixel"})
    seen = grey(a)
    if pair["relation"] == "transformed":
        assert correlation(seen, grey(b)) < 0.9
        if pair["transform"]["mirrored"]:
            seen = seen[:, ::-1]
        seen = np.rot90(seen, round(pair["transform"]["rotation"] / 90))
    assert correlation(seen, grey(b)) > 0.95


@pytest.mark.parametrize("pair", ANSWERS["warped"], ids=lambda pair: pair["how"])
def test_a_warped_copy_is_the_warp_that_the_answer_says(pair):
    a, b = grey(ROOT / "dataset" / pair["a"]), grey(ROOT / "dataset" / pair["b"])
    transform, side = pair["transform"], 96
    # Forward, point by point, as the README has it: where does each pixel of a land in b?
    y, x = (axis - (side - 1) / 2 for axis in np.mgrid[:side, :side])
    turn = np.deg2rad(transform["rotation"])
    right = transform["scale"][0] * (x * np.cos(turn) + y * np.sin(turn))
    down = transform["scale"][1] * (-x * np.sin(turn) + y * np.cos(turn))
    right += down * np.tan(np.deg2rad(transform["shear"]))
    right = np.round(right + transform["shift"][0] * side + (side - 1) / 2).astype(int)
    down = np.round(down + transform["shift"][1] * side + (side - 1) / 2).astype(int)
    inside = (right >= 0) & (right < side) & (down >= 0) & (down < side)
    assert inside.mean() > 0.4
    assert correlation(a[inside], b[down[inside], right[inside]]) > 0.9
    assert correlation(a[inside], b[down[inside], right[inside]]) > correlation(a, b)


# ----------------------------------------------------------------------------------- the other faults


def test_only_the_listed_files_cannot_be_read():
    unreadable = [path for path in samples("dataset") if picture(ROOT / "dataset" / path) is None]
    assert unreadable == sorted(path for code in ("INT101", "INT102") for group in ANSWERS["findings"][code] for path in group)
    for (path,) in ANSWERS["findings"]["INT102"]:
        with Image.open(ROOT / "dataset" / path) as cut_off:
            assert cut_off.size == (96, 96)


def test_the_single_file_faults_are_there():
    found: dict[str, list[str]] = {"INT106": [], "INT107": [], "INT108": [], "INT110": []}
    for path in samples("dataset"):
        if picture(ROOT / "dataset" / path) is None:
            continue
        with Image.open(ROOT / "dataset" / path) as opened:
            if path.endswith(".webp"):
                found["INT106"].append(path)
            if opened.format != {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[path.rsplit(".", 1)[1]]:
                found["INT107"].append(path)
            if opened.getexif().get(0x0112, 1) != 1:
                found["INT108"].append(path)
        if grey(ROOT / "dataset" / path).std() < 4:
            found["INT110"].append(path)
    assert {code: [[path] for path in paths] for code, paths in found.items()} == {
        code: ANSWERS["findings"][code] for code in found
    }
    assert not any(int(count) < 20 for count in ANSWERS["counts"]["train"].values())


def test_train_is_imbalanced_and_val_is_not_stratified():
    counts = ANSWERS["counts"]
    assert max(counts["train"].values()) / min(counts["train"].values()) == ANSWERS["tests"]["BAL501"]["ratio"] > 4
    distance = np.abs(shares_of(counts, "train") - shares_of(counts, "val")).sum() / 2
    assert distance == pytest.approx(ANSWERS["tests"]["STR601"]["total_variation"], abs=1e-3)
    assert distance > 0.25
    assert chi2_contingency([list(counts[split].values()) for split in ("train", "val")]).pvalue < 1e-6
    assert chi2_contingency([list(counts[split].values()) for split in ("train", "test")]).pvalue > 0.9


def test_only_the_planted_class_drifts_and_only_in_val():
    drifted = (ANSWERS["tests"]["DRF801"]["split"], ANSWERS["tests"]["DRF801"]["class"])
    for label in ANSWERS["counts"]["train"]:
        for split in ("val", "test"):
            p_value = ks_2samp(luminance("dataset", "train", label), luminance("dataset", split, label)).pvalue
            assert p_value < 1e-6 if (split, label) == drifted else p_value > 0.1, (split, label)


# --------------------------------------------------------------------------------- what is not planted


@pytest.mark.parametrize("name", ["dataset", "clean"])
def test_no_other_two_pictures_look_alike(name):
    known = {frozenset((pair["a"], pair["b"])) for pair in ANSWERS["pairs"] + ANSWERS["warped"]}
    known |= {frozenset(two) for groups in ANSWERS["findings"].values() for group in groups for two in combinations(group, 2)}
    blank = {path for group in ANSWERS["findings"]["INT110"] for path in group}
    paths = [path for path in samples(name) if picture(ROOT / name / path) is not None and path not in blank]
    thumbs = [grey(ROOT / name / path, 32) for path in paths]
    thumbs = [(thumb - thumb.mean()) / np.linalg.norm(thumb - thumb.mean()) for thumb in thumbs]
    upright = np.array([thumb.ravel() for thumb in thumbs])
    likeness = np.full((len(paths), len(paths)), -1.0)
    for mirrored in (False, True):
        for turns in range(4):
            views = np.array([np.rot90(thumb[:, ::-1] if mirrored else thumb, turns).ravel() for thumb in thumbs])
            likeness = np.maximum(likeness, upright @ views.T)
    alike = np.argwhere(np.triu(likeness > 0.9, 1))
    assert [(paths[a], paths[b]) for a, b in alike if name == "clean" or frozenset((paths[a], paths[b])) not in known] == []


def test_the_control_is_balanced_and_stratified():
    counts = ANSWERS["clean"]["counts"]
    assert max(counts["train"].values()) / min(counts["train"].values()) < 1.5
    assert min(counts["train"].values()) >= 30
    for split in ("val", "test"):
        assert np.abs(shares_of(counts, split) - shares_of(counts, "train")).sum() / 2 < 0.01


def test_the_control_does_not_drift():
    def measured(split: str, label: str) -> np.ndarray:
        rows = []
        for path in samples("clean"):
            if path.startswith(f"{split}/{label}"):
                opened = picture(ROOT / "clean" / path)
                luma = np.asarray(opened.convert("L"), float)
                edges = float((np.diff(luma, axis=0) ** 2).mean())
                saturation = float(np.asarray(opened.convert("HSV"), float)[..., 1].mean())
                size = float((ROOT / "clean" / path).stat().st_size)
                rows.append((float(luma.mean()), float(luma.std()), edges, saturation, size))
        return np.array(rows).T

    for label in ("", *ANSWERS["clean"]["counts"]["train"]):
        for a, b in combinations(SPLITS, 2):
            p_values = [ks_2samp(x, y).pvalue for x, y in zip(measured(a, label), measured(b, label), strict=True)]
            assert min(p_values) > 0.05, (label, a, b, p_values)


def test_every_picture_of_the_control_can_be_read_and_none_is_flat():
    for path in samples("clean"):
        opened = picture(ROOT / "clean" / path)
        assert opened is not None
        assert opened.size == (96, 96)
        assert np.asarray(opened.convert("L"), float).std() > 10
