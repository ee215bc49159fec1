"""Do the statistical rules keep their level, and do they see what is planted?

    python tests/benchmarks/calibration.py --synthetic
    python tests/benchmarks/calibration.py --data DIR [--group-by HOW]
    python tests/benchmarks/calibration.py --data DIR --planted --repeats 100

The first two make random stratified splits (60/20/20) of one population, so that nothing differs but by chance, and print
how often each test of validation against train has p ≤ .05, and how often an audit warns at all (STR, DRF, SHC; the default
policy). A declared group goes into one split as a whole; the copy descriptor stands in for embeddings. The third measures the
pictures again as edited ones, plants one effect in validation at 500 pictures a split, and prints how often it is found.
Pictures are measured once, and split number i is drawn from (--seed, i), so that the counts do not depend on --jobs.
CALIBRATION.md has what was measured.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two processes of one thread do more than one of two

import argparse
import multiprocessing
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

sys.path.insert(0, str(Path(__file__).parent.parent))

from dataaudit import pipeline
from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.domain import NONE, ROLES, CopyGraph, FeatureTable, Measurements
from dataaudit.engines.local import LocalEngine
from dataaudit.features import measure
from dataaudit.scanners import drift, judge, shortcuts
from dataaudit.scanners.drift_properties import Comparison
from dataaudit.scanners.shortcut_features import SIGHTS
from dataaudit.statistics.clustered_shares import Clusters, permutation_p
from dataaudit.statistics.copies import units
from dataaudit.statistics.shares import compare_shares
from dataaudit.statistics.shortcuts import how_well, indicators
from measurements import make, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FAMILIES = ("STR", "DRF", "SHC")
LEVEL = 0.05
PER_SPLIT = 500
PSEUDO_CLASSES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--group-by")
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    if (given.data is None) != given.synthetic:
        parser.error("give --data DIR or --synthetic")
    if given.planted:
        planted(given.data, given.repeats, given.seed, given.jobs)
        return
    if given.synthetic:
        population = synthetic(given.seed)
    else:
        population = pipeline.measure(given.data, Config(group_by=given.group_by))
        population = replace(population, embeddings=population.features.descriptor.astype(np.float32))
    level(population, given.repeats, given.seed, given.jobs)


def in_parallel(function: Callable, numbers: Iterable[int], jobs: int) -> Iterator:
    """Call a function with each number in forked processes, which see what this one has measured; in order."""
    with multiprocessing.get_context("fork").Pool(jobs, initializer=_hand_over, initargs=(function,)) as pool:
        yield from pool.imap(_call, numbers)


def _hand_over(function: Callable) -> None:
    globals()["_function"] = function


def _call(number: int) -> object:
    return globals()["_function"](number)


# -------------------------------------------------------------------------------------------- level


def level(population: Measurements, repeats: int, seed: int, jobs: int) -> None:
    """Print the table of alarms on splits that differ only by chance."""
    alarms, made, warned, codes = Counter(), Counter(), 0, Counter()
    for p_values, told in in_parallel(partial(one_split, population, seed), range(repeats), jobs):
        for name, p_value in p_values:
            made[name] += 1
            alarms[name] += p_value <= LEVEL
        warned += bool(told)
        codes.update(set(told))
    n, groups = len(population.catalog), len(population.catalog.groups)
    grouped = f", in {np.unique(units(population.copies.component, population.catalog.group_codes)).size} units" * bool(groups)
    print(f"{n} pictures{grouped}, {len(population.catalog.classes)} classes, {repeats} random stratified splits\n")
    print(f"| test | tests | p ≤ {LEVEL} | share |\n|---|---:|---:|---:|")
    whole = sorted(name for name in made if " in " not in name)
    for name in whole:
        print(f"| {name} | {made[name]} | {alarms[name]} | {alarms[name] / made[name]:.3f} |")
    inside = [name for name in made if " in " in name]
    if inside:
        tests, found = sum(made[name] for name in inside), sum(alarms[name] for name in inside)
        print(f"| DRF801 within classes, {len(inside)} tests a split | {tests} | {found} | {found / tests:.3f} |")
        worst = max(inside, key=lambda name: alarms[name])
        counts = f"{made[worst]} | {alarms[worst]} | {alarms[worst] / made[worst]:.3f}"
        print(f"| … the one of them that alarms most: {worst} | {counts} |")
    print(f"\naudits that warn: {warned} of {repeats} {dict(codes) or ''}")


def one_split(population: Measurements, seed: int, number: int) -> tuple[list[tuple[str, float]], list[str]]:
    """Return the p-values of one random split by the names of the tests, and the codes of the warnings of its audit."""
    rng = np.random.default_rng((seed, number))
    split = resplit(population, stratified(population, rng))
    return list(p_values(split, Config(seed=number))), [finding.rule.code for finding in warnings(split)]


def p_values(split: Measurements, config: Config) -> Iterator[tuple[str, float]]:
    """Yield every test of validation against train, and of the class shares of a split that is not stratified."""
    codes = split.catalog.split_codes
    two = resplit(split, np.where(codes == ROLES.index("test"), NONE, codes))
    for each in drift.tests(two, config):
        if isinstance(each, Comparison):
            yield f"DRF801 {each.name}" + f" in {split.catalog.classes[each.label]}" * (each.label >= 0), each.p_value
        else:
            yield f"{each.rule.code} {each.rule.name}", each.p_value
    yield from shortcut_p_values(two, config)
    labels, k = split.catalog.label_codes, len(split.catalog.classes)
    if k > 1:
        unit = np.unique(units(split.copies.component, split.catalog.group_codes), return_inverse=True)[1]
        second = (np.random.default_rng(config.seed).random(unit.max() + 1) < 0.25)[unit]
        if split.catalog.groups:
            p_value = permutation_p(Clusters(labels, unit, second), config.seed)
        else:
            p_value = compare_shares(*(np.bincount(labels[side], minlength=k) for side in (~second, second)), config.seed).p_value
        yield "STR601 class shares, not stratified", p_value


def shortcut_p_values(split: Measurements, config: Config) -> Iterator[tuple[str, float]]:
    """Yield the p-value of each small model that tells train from val, whatever its effect."""
    for question in shortcuts.questions(split, config):
        for sight in SIGHTS if question.what.startswith("train") else ():
            seen = sight.sees(split, question.rows, question.target)
            design, names = indicators(seen) if seen else (None, ())
            if names:
                told = how_well(design, question.target, question.units, question.blocks, -np.inf)
                yield f"{sight.rule.code} {sight.rule.name}", told.p_value


def warnings(split: Measurements) -> list:
    found, _, not_run = judge(split, Config(select=FAMILIES))
    failed = [entry.reason for entry in not_run if entry.reason.startswith("failed")]
    if failed:
        raise RuntimeError(failed)
    return [finding for finding in found if finding.rule.severity == "warning" and finding.rule.code != "STR602"]


def stratified(population: Measurements, rng: np.random.Generator) -> np.ndarray:
    """Return split codes: 60/20/20 of every class; of declared groups and copies, by the class of a unit's first picture."""
    unit = units(population.copies.component, population.catalog.group_codes)
    codes = np.zeros(unit.size, np.int8)
    roots = np.unique(unit)
    for label in np.unique(population.catalog.label_codes[roots]):
        mine = rng.permutation(roots[population.catalog.label_codes[roots] == label])
        cuts = np.round(np.array([0.6, 0.8]) * mine.size + rng.random()).astype(int)
        for code, part in enumerate(np.split(mine, np.minimum(cuts, mine.size))):
            codes[np.isin(unit, part)] = code
    return codes


def resplit(population: Measurements, codes: np.ndarray, features: FeatureTable | None = None) -> Measurements:
    catalog = replace(population.catalog, split_codes=codes.astype(np.int8))
    return replace(population, catalog=catalog, features=features or population.features)


def synthetic(seed: int) -> Measurements:
    """Return 1,500 pictures of 6 classes in groups of 1 to 6, with properties that depend on class and group, ties and tails."""
    rng = np.random.default_rng(seed)
    rows = sorted(rows_of({None: {f"class {c}": n for c, n in enumerate((500, 400, 300, 150, 100, 50))}}))
    n = len(rows)
    label = np.array([int(row[1].split()[1]) for row in rows])
    group = np.cumsum(rng.random(n) < 0.4)
    shared = rng.normal(size=(n, 9))[group]
    table = 0.6 * shared + rng.normal(size=(n, 9)) @ rng.normal(size=(9, 9)) / 3 + label[:, None] * rng.normal(size=9) / 2
    names = ("luminance", "contrast", "sharpness", "saturation", "colourfulness", "entropy", "bits_per_pixel")
    properties = {name: table[:, column] for column, name in enumerate(names)}
    properties["aspect"] = np.where(rng.random(n) < 0.8, 1.5, 1.0)
    properties["megapixels"] = np.exp(1.5 * table[:, 8])
    made = make([(*row, f"g{number}") for row, number in zip(rows, group, strict=True)], properties=properties)
    return replace(made, embeddings=(table @ rng.normal(size=(9, 32))).astype(np.float32))


# ------------------------------------------------------------------------------------------ planted


def camera(picture: Image.Image) -> Image.Image:
    """Another camera: fewer pixels, a warmer and a little harder picture."""
    small = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)), Image.Resampling.BILINEAR)
    red, green, blue = ImageEnhance.Contrast(small).enhance(1.1).split()
    return Image.merge("RGB", (red.point(lambda v: min(255, v * 1.05)), green, blue.point(lambda v: v * 0.93)))


EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "as it is": (lambda picture: picture, 90),
    "brightness +15 %": (lambda picture: ImageEnhance.Brightness(picture).enhance(1.15), 90),
    "blur": (lambda picture: picture.filter(ImageFilter.GaussianBlur(max(0.6, min(picture.size) / 250))), 90),
    "another camera": (camera, 90),
    "JPEG quality": (lambda picture: picture, 60),
}


def planted(data: Path, repeats: int, seed: int, jobs: int) -> None:
    """Print how often each effect is found in validation, at ``PER_SPLIT`` pictures a split."""
    with tempfile.TemporaryDirectory() as folder:
        tables = {name: measured(data, Path(folder), *edit) for name, edit in EDITS.items()}
    population = tables["as it is"]
    if len(population.catalog.classes) == 1:
        labels = np.random.default_rng(seed).integers(0, PSEUDO_CLASSES, len(population.catalog)).astype(np.int32)
        names = tuple(f"class {number}" for number in range(PSEUDO_CLASSES))
        catalog = replace(population.catalog, label_codes=labels, classes=names)
        population = Measurements(catalog, population.features, population.copies)
    print(
        f"{len(population.catalog)} pictures, {PER_SPLIT} a split, {repeats} repeats\n\n| planted | found | by |\n|---|---:|---|"
    )
    effects = [name for name in EDITS if name not in {"as it is", "JPEG quality"}]
    effects += ["class share +10 points", "JPEG quality of one class of val", "JPEG quality by class, both splits", "nothing"]
    for effect in effects:
        found, by = 0, Counter()
        for told in in_parallel(partial(codes_told, effect, population, tables, seed), range(repeats), jobs):
            found += bool(told)
            by.update(told)
        codes = ", ".join(f"{code} {times}" for code, times in sorted(by.items()))
        print(f"| {effect} | {found} of {repeats} | {codes} |", flush=True)


def codes_told(effect: str, population: Measurements, tables: dict[str, Measurements], seed: int, number: int) -> set[str]:
    """Plant an effect in one random split, and return the codes of the warnings of its audit."""
    split = plant(effect, population, tables, np.random.default_rng((seed, number)))
    return {finding.rule.code for finding in warnings(split)}


def measured(data: Path, folder: Path, edit: Callable[[Image.Image], Image.Image], quality: int) -> Measurements:
    """Return what is measured of every picture, edited and saved as JPEG; no copies are looked for."""
    place = Path(tempfile.mkdtemp(dir=folder))
    for path in sorted(file for file in data.rglob("*") if file.suffix.lower() in {".jpg", ".jpeg", ".png"}):
        to = (place / path.relative_to(data)).with_suffix(".jpg")
        to.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as opened:
            edit(opened.convert("RGB")).save(to, quality=quality)
    catalog = find(place, Config())
    with LocalEngine(2, 30.0, 2_048) as engine:
        features = measure(catalog, Config(), engine)
    alone = np.arange(len(catalog))
    return Measurements(catalog, features, CopyGraph((), alone, np.zeros(alone.size, bool)))


def plant(effect: str, population: Measurements, tables: dict[str, Measurements], rng: np.random.Generator) -> Measurements:
    labels = population.catalog.label_codes
    order = rng.permutation(labels.size)
    val = order[:PER_SPLIT]
    train = order[PER_SPLIT : 2 * PER_SPLIT]
    one = int(rng.integers(len(population.catalog.classes)))
    if effect == "class share +10 points":
        more = round(0.1 * PER_SPLIT)
        spare = [row for row in train if labels[row] == one][:more]
        lose = [row for row in val if labels[row] != one][: len(spare)]
        val = np.array([*np.setdiff1d(val, lose), *spare])
        train = np.setdiff1d(order[PER_SPLIT : 2 * PER_SPLIT], spare)
    codes = np.full(labels.size, -1, np.int8)
    codes[train], codes[val] = 0, 1
    changed = np.zeros(labels.size, bool)
    if effect in EDITS:
        changed[val] = True
    elif effect == "JPEG quality of one class of val":
        changed[val] = labels[val] == one
    elif effect == "JPEG quality by class, both splits":
        changed = labels == one
    name = effect if effect in EDITS else "JPEG quality"
    return resplit(population, codes, mixed(population.features, tables[name].features, changed))


def mixed(ours: FeatureTable, theirs: FeatureTable, changed: np.ndarray) -> FeatureTable:
    """Return a table whose changed rows are theirs."""
    columns = {
        name: np.where(changed.reshape(-1, *[1] * (getattr(ours, name).ndim - 1)), getattr(theirs, name), getattr(ours, name))
        for name in FeatureTable.__dataclass_fields__
        if name != "failures"
    }
    both = zip(ours.failures, theirs.failures, changed, strict=True)
    return FeatureTable(**columns, failures=tuple(b if take else a for a, b, take in both))


if __name__ == "__main__":
    main()
