"""How often the SHC rules and inferred groups alarm where nothing is, and whether they find what was planted, on real pictures.

    python tests/benchmarks/shortcuts.py --data DIR [--pictures 1000] [--draws 200] [--repeats 20]

*Nothing is*: the pictures of DIR get random classes (two, and ten), random splits and random names; printed are the alarms of
each test at a nominal 5 % (every permutation drawn, no floor), and the audits with a warning under the default policy. *Planted*:
half of the pictures, drawn at random, get a lower JPEG quality, a smaller size, a grey frame of 4 % or another camera, and are
one class, or validation.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from calibration import in_parallel
from PIL import Image, ImageOps

from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.dedup.file_groups import infer
from dataaudit.domain import Catalog, CopyGraph, FeatureTable, Measurements
from dataaudit.engines.local import LocalEngine
from dataaudit.features import measure
from dataaudit.scanners import shortcuts, subjects
from dataaudit.scanners.shortcut_features import SIGHTS
from dataaudit.statistics.shortcuts import how_well, indicators

LEVEL = 0.05


def catalog_of(paths: list[str], labels: np.ndarray, splits: np.ndarray) -> Catalog:
    names = tuple(str(code) for code in range(int(labels.max()) + 1))
    none = np.full(len(paths), -1, np.int32)
    return Catalog(
        Path("/nowhere"), "manifest", "drawn", tuple(paths), names, (), labels.astype(np.int32), splits.astype(np.int8), none
    )


def measurements_of(features: FeatureTable, labels: np.ndarray, splits: np.ndarray, paths: list[str]) -> Measurements:
    catalog = catalog_of(paths, labels, splits)
    copies = CopyGraph((), np.arange(len(paths)), np.zeros(len(paths), bool))
    return Measurements(catalog, features, copies, infer(catalog, features, copies, Config()))


def columns(features: FeatureTable, rows: np.ndarray) -> FeatureTable:
    parts = {name: getattr(features, name)[rows] for name in FeatureTable.__slots__ if name != "failures"}
    return FeatureTable(**parts, failures=tuple(features.failures[row] for row in rows))


def chosen(first: FeatureTable, second: FeatureTable, where: np.ndarray) -> FeatureTable:
    """Take the rows of ``second`` where told, else those of ``first``."""
    return columns(FeatureTable.concat([first, second]), np.arange(len(where)) + len(where) * where)


def measured(root: Path) -> FeatureTable:
    config = Config(jobs=2)
    with LocalEngine(2, 60, 2048) as engine:
        return measure(find(root, config), config, engine)


def alarms(measurements: Measurements) -> tuple[Counter, bool]:
    config, found = Config(), Counter()
    for question in shortcuts.questions(measurements, config):
        for sight in SIGHTS:
            seen = sight.sees(measurements, question.rows, question.target)
            design, names = indicators(seen) if seen else (None, ())
            if names:
                told = how_well(design, question.target, question.units, question.blocks, -np.inf)
                found[f"{sight.rule.code} {question.what}"] += told.p_value <= LEVEL
    told = [*shortcuts.scan(measurements, config), *subjects.scan(measurements, config)]
    return found, any(getattr(each, "message", None) and each.rule.severity == "warning" for each in told)


def drawn_alarms(features: FeatureTable, classes: int, seed: int) -> tuple[Counter, bool]:
    """Return the alarms of random classes, splits and names."""
    n, rng = len(features), np.random.default_rng(seed)
    labels, splits = rng.integers(0, classes, n), rng.integers(0, 2, n)
    numbers = rng.permutation(n)
    paths = [f"P{number // 8:03}_{number % 8}_{'ab'[number % 2]}{number:04}.jpg" for number in numbers]
    return alarms(measurements_of(features, labels, splits, paths))


def nothing(features: FeatureTable, draws: int) -> None:
    n = len(features)
    for classes in (2, 10):
        count, warned = Counter(), 0
        for found, warns in in_parallel(partial(drawn_alarms, features, classes), range(draws), 2):
            count.update(found)
            warned += warns
        print(
            f"{classes} classes, {n} pictures: alarms of {draws} at a nominal {LEVEL:.0%} (expected at most {0.08 * draws:.0f})"
        )
        for name, number in sorted(count.items()):
            print(f"  {name:32} {number}")
        print(f"  audits with a warning            {warned}")


def encoded(picture: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


PLANTS = {
    "JPEG quality 75": lambda picture: encoded(picture, 75),
    "size 80 %": lambda picture: encoded(picture.resize([int(0.8 * side) for side in picture.size]), 90),
    "frame of 4 %": lambda picture: encoded(
        ImageOps.expand(picture.crop((8, 8, picture.width - 8, picture.height - 8)), 8, "grey"), 90
    ),
}


def planted(files: list[Path], repeats: int) -> None:
    n = len(files)
    others: dict[str, FeatureTable] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, plant in {"as they are": lambda picture: encoded(picture, 90), **PLANTS}.items():
            root = Path(folder) / name.replace(" ", "-") / "x"
            root.mkdir(parents=True)
            for number, file in enumerate(files):
                with Image.open(file) as picture:
                    (root / f"{number:05}.jpg").write_bytes(plant(picture.convert("RGB")))
            others[name] = measured(root.parent)
    plain = others.pop("as they are")
    others["camera"] = replace(plain, camera=np.full(n, b"iPhone 7", "S32"))
    for name, table in others.items():
        for what in ("the class", "train from val"):
            hits = 0
            for seed in range(repeats):
                rng = np.random.default_rng(seed)
                half = rng.permutation(n) < n // 2
                other = rng.permutation(n) < n // 2
                labels, splits = (half, other) if what == "the class" else (other, half)
                paths = [f"{rng.integers(2**32):08x}.jpg" for _ in range(n)]
                both = measurements_of(chosen(plain, table, half), labels.astype(int), splits.astype(int), paths)
                told = [each for each in shortcuts.scan(both, Config()) if getattr(each, "message", None)]
                hits += any(each.evidence.subject.endswith(what) and each.rule.severity == "warning" for each in told)
            print(f"{name:18} → {what:15} found {hits} of {repeats} (n = {n // 2} a split)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    catalog = find(given.data, Config())
    rows = np.sort(np.random.default_rng(0).permutation(len(catalog))[: given.pictures])
    files = [catalog.root / catalog.paths[row] for row in rows]
    with LocalEngine(2, 60, 2048) as engine:
        features = columns(measure(catalog, Config(), engine), rows)
    nothing(features, given.draws)
    if given.repeats:
        planted(files, given.repeats)


if __name__ == "__main__":
    main()
