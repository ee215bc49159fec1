"""Build ``dataset/`` (planted faults), ``clean/`` (the control), ``answers.json`` and ``sources.csv``.

``python sample_data/build.py [--to DIR]`` — needs Pillow, NumPy, scikit-image and scikit-learn, and no network: the
pictures are disjoint crops of five photographs that ship inside the last two. ``README.md`` says how and by whom.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from crops import PHOTOGRAPHS, SIDE, Crop, all_crops, shared_out
from edits import PLANTS, encoded, opened
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 2024
DARKER = 0.65
"""The drifted class: factor on every pixel value."""
DETAIL = {"exact": 0.0, "pixel": 0.0, "near": 0.25, "transformed": 0.25, "warped": 0.5}
"""Share of a picture that must show detail for a copy of it to be planted: of a plain picture no copy could be proved."""
SPLITS = ("train", "val", "test")
APPLE_DOUBLE = "train/temple/._temple_000.jpg"
"""What macOS leaves on foreign disks: hidden, named as an image, and no image."""

FAULTY = {"astronaut": (40, 12, 10), "cat": (24, 24, 6), "coffee": (36, 14, 9), "galaxies": (110, 8, 26), "temple": (36, 14, 9)}
"""Originals per class: train, val, test. Train is more than 4 : 1 imbalanced, and val has other class shares than train."""
CLEAN = {"astronaut": (36, 12, 12), "cat": (33, 11, 11), "coffee": (36, 12, 12), "galaxies": (36, 12, 12), "temple": (36, 12, 12)}


@dataclass
class Folder:
    """A dataset in the making: its files, where each comes from, and the originals no fault has used yet."""

    rng: np.random.Generator
    files: dict[str, bytes] = field(default_factory=dict)
    origin: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Path → photograph, box, how."""
    originals: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    numbers: dict[str, Iterator[int]] = field(default_factory=dict)

    def path(self, folder: str, ending: str = ".jpg") -> str:
        """Return a new path in ``split/class``; numbers are drawn, so that a copy's name does not give it away."""
        label = folder.split("/")[1]
        if label not in self.numbers:
            self.numbers[label] = iter((self.rng.permutation(999) + 1).tolist())
        return f"{folder}/{label}_{next(self.numbers[label]):03d}{ending}"

    def add(self, split: str, crop: Crop, factor: float = 1.0) -> None:
        """Add an original."""
        path = self.path(f"{split}/{crop.photograph.label}")
        picture = crop.picture if factor == 1.0 else crop.picture.point(lambda value: round(value * factor))
        self.files[path] = encoded(picture)
        how = "original" if factor == 1.0 else f"original, darkened: every value × {factor}"
        self.origin[path] = (crop.photograph.file, " ".join(map(str, crop.box)), how)
        self.originals[split, crop.photograph.label].append(path)

    def take(self, split: str, label: str, detail: float = 0.0) -> str:
        """Return an original that no other fault uses, with detail in at least this share of its area."""
        unused = self.originals[split, label]
        path = next(path for path in reversed(unused) if detail_of(opened(self.files[path])) >= detail)
        unused.remove(path)
        return path

    def replace(self, path: str, data: bytes, how: str, ending: str | None = None) -> str:
        """Give a file other bytes, and another ending if asked; return its path."""
        photograph, box, _ = self.origin.pop(path)
        del self.files[path]
        new = path if ending is None else path.rsplit(".", 1)[0] + ending
        self.files[new], self.origin[new] = data, (photograph, box, how)
        return new


def filled(shares: dict[str, tuple[int, int, int]], seed: int, *, drifted: str | None) -> tuple[Folder, dict[str, list[Crop]]]:
    """Return a folder of originals, and each class's flat crops; val pictures of class ``drifted`` are darkened."""
    folder, found = Folder(np.random.default_rng(seed)), all_crops()
    for label, (crops, _) in found.items():
        for split, chosen in zip(SPLITS, shared_out(crops, shares[label], folder.rng), strict=True):
            for crop in chosen:
                folder.add(split, crop, DARKER if (split, label) == ("val", drifted) else 1.0)
    return folder, {label: flats for label, (_, flats) in found.items()}


def detail_of(picture: Image.Image) -> float:
    """Return the share of the 8 × 8 tiles of a picture whose luminance has a standard deviation of 5 or more."""
    tiles = np.asarray(picture.convert("L"), float).reshape(8, SIDE // 8, 8, SIDE // 8)
    return float((tiles.std(axis=(1, 3)) >= 5).mean())  # noqa: PLR2004 — the docstring says so


def inverse(transform: dict[str, Any]) -> dict[str, Any]:
    """Return the inverse of a mirrored and turned view: a mirrored one is its own inverse."""
    if transform["mirrored"]:
        return transform
    return transform | {"rotation": 180 - (180 + transform["rotation"]) % 360}


def plant_copies(folder: Folder) -> tuple[dict[str, list[list[str]]], list[dict[str, Any]]]:
    """Add the copies of ``PLANTS``; return the files of each fault by code, and all pairs."""
    found: dict[str, list[list[str]]] = defaultdict(list)
    pairs = []
    for code, label, split, targets, edit in PLANTS:
        source = folder.take(split, label, DETAIL["warped" if code == "warped" else edit.relation])
        copies = [folder.path(target, edit.ending) for target in targets]
        for copy in copies:
            folder.files[copy] = edit.encode(folder.files[source])
            folder.origin[copy] = (*folder.origin[source][:2], f"{edit.how}; copy of {source}")
            a, b = sorted((source, copy))
            transform = edit.transform if edit.transform is None or a == source else inverse(edit.transform)
            pair = {"code": code, "a": a, "b": b, "relation": edit.relation, "how": edit.how, "source": source}
            pairs.append(pair | {"transform": transform})
        found[code].append(sorted([source, *copies]))
    return found, pairs


def plant_files(folder: Folder, flats: list[Crop]) -> dict[str, list[list[str]]]:
    """Spoil single files; return them by code."""

    def spoilt(split: str, label: str, change: Callable[[bytes], bytes], how: str, ending: str | None = None) -> str:
        path = folder.take(split, label)
        return folder.replace(path, change(folder.files[path]), how, ending)

    def sideways(data: bytes) -> bytes:
        exif = Image.Exif()
        exif[0x0112] = 6
        return encoded(opened(data).rotate(90), exif=exif)

    text = folder.path("train/galaxies")
    folder.files[text] = b"404 Not Found: the picture has moved. Please ask the archive for its new address.\n"
    folder.origin[text] = ("", "", "a text file named .jpg")
    blank = []
    for split, crop in zip(("train", "val"), (flats[0], flats[-1]), strict=True):
        folder.add(split, crop)
        blank.append(folder.take(split, crop.photograph.label))
    return {
        "INT101": [[text]],
        "INT102": [
            [spoilt("train", "coffee", lambda data: data[: len(data) * 6 // 10], "cut off after 60 % of its bytes")],
            [spoilt("val", "astronaut", lambda data: data[: len(data) * 8 // 10], "cut off after 80 % of its bytes")],
        ],
        "INT106": [[spoilt("train", "temple", lambda data: encoded(opened(data), "WEBP"), "saved as WebP", ".webp")]],
        "INT107": [[spoilt("train", "galaxies", lambda data: encoded(opened(data), "PNG", optimize=True), "a PNG named .jpg")]],
        "INT108": [[spoilt("train", "astronaut", sideways, "stored sideways with EXIF orientation 6")]],
        "INT110": [[path] for path in sorted(blank)],
        "INT116": [[APPLE_DOUBLE]],
    }


def plant_strays(folder: Folder) -> list[str]:
    """Add what is no sample; return it."""
    checkpoint = min(path for path in folder.files if path.startswith("train/coffee/"))
    strays = {
        APPLE_DOUBLE: bytes.fromhex("0005160700020000") + b"Mac OS X        " + bytes(2),
        "notes.txt": b"Crops of five photographs; see sample_data/README.md for their authors and licences.\n",
        "train/coffee/Thumbs.db": bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504),
        "train/.ipynb_checkpoints/" + checkpoint.split("/")[-1].replace(".", "-checkpoint."): folder.files[checkpoint],
    }
    folder.files |= strays
    return sorted(strays)


def counts_of(folder: Folder) -> dict[str, dict[str, int]]:
    """Return samples per split and class, broken ones included."""
    counted = Counter(tuple(path.split("/")[:2]) for path in folder.origin)
    return {split: {photo.label: counted[split, photo.label] for photo in PHOTOGRAPHS} for split in SPLITS}


def leaked(copies: dict[str, list[list[str]]], *codes: str) -> dict[str, int]:
    """Return, for each split, the pictures that have a copy of these codes in another split."""
    paths = {path for code in codes for group in copies[code] for path in group}
    return {split: sum(path.startswith(f"{split}/") for path in paths) for split in SPLITS}


def answers(folder: Folder, flats: list[Crop]) -> dict[str, Any]:
    """Plant every fault and return the answers."""
    copies, pairs = plant_copies(folder)
    files = plant_files(folder, flats)
    strays = plant_strays(folder)
    counts = counts_of(folder)
    shares = {split: np.array(list(row.values())) / sum(row.values()) for split, row in counts.items()}
    train = counts["train"]
    largest, smallest = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
    leaks = ("LEK201", "LEK202", "LEK203")
    ratio = round(train[largest] / train[smallest], 2)
    warped = [pair | {"code": "LEK203"} for pair in pairs if pair["code"] == "warped"]
    return {
        "dataset": "dataset",
        "samples": len(folder.origin),
        "counts": counts,
        "leaked": leaked(copies, *leaks),
        "leaked_with_warped": leaked(copies, *leaks, "warped"),
        "findings": dict(sorted((files | {code: sorted(groups) for code, groups in copies.items() if code != "warped"}).items())),
        "tests": {
            "BAL501": {"split": "train", "largest": largest, "smallest": smallest, "ratio": ratio},
            "BAL505": {"folders": ["train/.ipynb_checkpoints"]},
            "DRF801": {"split": "val", "class": "cat", "properties": ["luminance"], "how": f"every value × {DARKER}"},
            "STR601": {
                "splits": ["train", "val"],
                "total_variation": round(float(np.abs(shares["train"] - shares["val"]).sum() / 2), 3),
            },
        },
        "pairs": sorted((pair for pair in pairs if pair["code"] != "warped"), key=lambda pair: (pair["a"], pair["b"])),
        "warped": sorted(warped, key=lambda pair: (pair["a"], pair["b"])),
        "skipped": strays,
    }


def write(to: Path) -> dict[str, Any]:
    """Write everything below ``to`` and return the answers.

    Raises:
        SystemExit: if ``to`` holds a ``dataset`` or ``clean`` that this script did not write.
    """
    ours = (to / "answers.json").is_file()
    for name in ("dataset", "clean"):
        if (to / name).exists() and not ours:
            message = f"{to / name} exists and was not written by this script; name an empty folder with --to."
            raise SystemExit(message)
    folder, flats = filled(FAULTY, SEED, drifted="cat")
    clean, _ = filled(CLEAN, SEED + 1, drifted=None)
    control = {"dataset": "clean", "samples": len(clean.origin), "counts": counts_of(clean), "findings": {}}
    truth = answers(folder, flats["temple"]) | {"clean": control}
    for name in ("dataset", "clean"):
        shutil.rmtree(to / name, ignore_errors=True)
    to.mkdir(parents=True, exist_ok=True)
    with (to / "sources.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["path", "photograph", "box", "how"])
        for name, made in (("clean", clean), ("dataset", folder)):
            for path, data in sorted(made.files.items()):
                target = to / name / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            table.writerows([f"{name}/{path}", *row] for path, row in sorted(made.origin.items()))
    (to / "answers.json").write_text(json.dumps(truth, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    return truth


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path(__file__).parent, metavar="DIR", help="where to write (default: here)")
    to = parser.parse_args().to
    truth = write(to)
    print(f"{to}: {truth['samples']} pictures in dataset/, {truth['clean']['samples']} in clean/")
    print(f"with Pillow {version('pillow')}, scikit-image {version('scikit-image')}, scikit-learn {version('scikit-learn')}")


if __name__ == "__main__":
    main()
