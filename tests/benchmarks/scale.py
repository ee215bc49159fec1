"""How time and memory of every stage grow with the dataset: catalogues of 10⁴, 10⁵ and 10⁶ rows.

    PYTHONPATH=. python tests/benchmarks/scale.py [--rows 10000 100000 1000000] [--skip-descriptor]

The files are real and empty, so that the walk is real; what is measured of them is *synthetic*, drawn here: no picture is
decoded. Of the rows 1 % are exact copies of another row, 2 % near copies, 1 % mirrored ones, .5 % lie in one cluster of
look-alikes within a few bits of each other (near-blank pictures), 1 % in such clusters of a hundred, 5 % in declared groups;
the other hashes are random. 100 classes; train, val and test. The verifier is *synthetic* too: it knows which rows are copies
and answers in this process, so that the time of ``relate`` is that of everything but looking at pictures. The columns lie
where those of measured pictures do: the large ones in files, which count as resident where they are looked at.

Each size runs in a process of its own, all but the largest a second time after it, and the mean is told: the pace of a machine
changes. Printed for each stage: wall seconds, CPU seconds (of all threads), the most resident memory while it ran, and how
both grow from one size to the next; from 10⁵ to 10⁶ the aim is at most 15 times.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dataaudit import pipeline
from dataaudit.catalog import find
from dataaudit.config import Config
from dataaudit.dedup import relate
from dataaudit.dedup.candidates import descriptor_neighbours, dihedral_hash
from dataaudit.dedup.edges import covered_edges
from dataaudit.dedup.verify import Answer
from dataaudit.domain import DIHEDRAL, PROPERTY_NAMES, Failure, FeatureTable, Measurements, Plan, Report, Transform
from dataaudit.features import mapped
from dataaudit.features.keypoints import COUNT, WIDTH
from dataaudit.fixers import plan_folder
from dataaudit.fixers.augmentation import plan_augmentation
from dataaudit.fixers.class_weights import weigh
from dataaudit.fixers.keras_pipeline import choose_decoder
from dataaudit.fixers.split import make_split
from dataaudit.reports import html, text
from dataaudit.reports import json as report_json
from dataaudit.scanners import SCANNERS
from dataaudit.scanners import judge as judge_by_rules
from dataaudit.scanners.verdict import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataaudit.dedup.verify import Question
    from dataaudit.domain import Catalog

CLASSES = 100
SHARES = {"exact": 0.01, "near": 0.02, "mirrored": 0.01, "blank": 0.005, "burst": 0.01}
BURST = 100
GROUPED, GROUP = 0.05, 5
UNREADABLE = 0.0005
HASH_BITS, LARGE_BITS, DIMENSIONS = 64, 256, 128
CONFIG = Config(group_by=r"regex:g(\d+)_", jobs=2)
CORE = ("hash search", "relate (by hash)", "judge", "split (repair)")
"""The stages that the target of 120 s for a million rows is about."""


@dataclass(frozen=True)
class Stage:
    name: str
    wall: float
    cpu: float
    peak: float
    """MiB resident, the most while the stage ran."""
    told: str


class Stopwatch:
    """Runs the stages, and remembers what they cost."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def run(self, name: str, work: Callable, tell: Callable = lambda _: ""):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        wall, cpu = time.perf_counter(), time.process_time()
        value = work()
        stage = Stage(name, time.perf_counter() - wall, time.process_time() - cpu, resident_peak(), tell(value))
        self.stages.append(stage)
        print(f"  {name:<26}{stage.wall:8.2f} s{stage.cpu:9.2f} s CPU{stage.peak:8,.0f} MiB  {stage.told}", flush=True)
        return value


def resident_peak() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


# --------------------------------------------------------------------------------------------- the dataset


@dataclass(frozen=True)
class Truth:
    """What a row shows: rows of one content are copies; kinship is being within a few bits without being a copy."""

    content: np.ndarray
    kinship: np.ndarray
    change: np.ndarray
    """0: the content itself (or its exact copy), 1: nearly, 2: mirrored."""


def draw_truth(rows: int, rng: np.random.Generator) -> Truth:
    order = rng.permutation(rows)
    content, kinship, change = np.arange(rows), np.full(rows, -1), np.zeros(rows, np.int8)
    start, originals = 0, order[::-1]
    for kind, share in SHARES.items():
        chosen = order[start : start + round(share * rows)]
        start += len(chosen)
        if kind == "blank":
            kinship[chosen] = 0
        elif kind == "burst":
            kinship[chosen] = 1 + np.arange(len(chosen)) // BURST
        else:
            content[chosen] = originals[np.arange(len(chosen)) // 3]  # three copies of a picture
            originals = originals[len(chosen) :]
            change[chosen] = ("exact", "near", "mirrored").index(kind)
    return Truth(content, kinship, change)


def make_tree(root: Path, truth: Truth, rng: np.random.Generator) -> None:
    """Make the files: empty, named ``split/class/[g<group>_]<row>-c<content>.jpg``."""
    rows = len(truth.content)
    splits = rng.choice(["train", "train", "train", "train", "val", "test"], rows)
    label = (truth.content * 7919 % CLASSES) ** 2 // CLASSES  # uneven
    wrong = rng.random(rows) < 0.001
    label[wrong] = rng.integers(0, label.max() + 1, int(wrong.sum()))
    group = np.where(rng.random(rows) < GROUPED, rng.integers(0, max(1, round(rows * GROUPED / GROUP)), rows), -1)
    folders = {
        (split, name): root / split / f"class_{name:03}" for split in ("train", "val", "test") for name in set(label.tolist())
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
    for row, (split, name, key, shown) in enumerate(zip(splits, label, group, truth.content, strict=True)):
        prefix = f"g{key:06}_" if key >= 0 else ""
        os.close(os.open(f"{folders[split, name]}/{prefix}{row:07}-c{shown:07}.jpg", os.O_CREAT | os.O_WRONLY))


def rows_of_files(catalog: Catalog) -> np.ndarray:
    """The row that each file was made as: catalogs are in path order."""
    return np.array([int(path[-20:-13]) for path in catalog.paths])


def hashes(truth: Truth, words: int, flips: int, rng: np.random.Generator) -> np.ndarray:
    """Perceptual hashes in eight orientations, (n, 8, words): random, but for copies and kin."""
    rows = len(truth.content)
    found = rng.integers(0, 2**64, (rows, DIHEDRAL, words), np.uint64)
    kin = np.flatnonzero(truth.kinship >= 0)
    centres = rng.integers(0, 2**64, (int(truth.kinship.max(initial=0)) + 1, 1, words), np.uint64)
    found[kin] = centres[truth.kinship[kin]]  # alike in every orientation, as what is nearly blank is
    found = found[truth.content]
    mirrored = truth.change == 2
    found[mirrored] = found[mirrored][:, np.arange(DIHEDRAL) ^ 4]
    changed = np.flatnonzero((truth.change > 0) | (truth.kinship >= 0))
    for _ in range(flips):
        bit, word = rng.integers(0, 64, len(changed)).astype(np.uint64), rng.integers(0, words, len(changed))
        found[changed, :, word] ^= (np.uint64(1) << bit)[:, None]
    return found


def descriptors(truth: Truth, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors in 2,000 kinds; copies have a cosine of about .75, which is what augmentation leaves."""
    rows = len(truth.content)
    kinds = rng.normal(size=(2_000, DIMENSIONS)).astype(np.float32)
    found = np.empty((rows, DIMENSIONS), np.float16)
    place = rng.integers(0, len(kinds), rows)
    for start in range(0, rows, 50_000):
        part = slice(start, start + 50_000)
        noise = rng.normal(size=(len(place[part]), DIMENSIONS)).astype(np.float32)
        found[part] = unit(0.6 * kinds[place[part]] + noise)
    copies = np.flatnonzero(truth.change > 0)
    noise = rng.normal(size=(len(copies), DIMENSIONS)).astype(np.float32) / np.sqrt(DIMENSIONS)
    found[copies] = unit(found[truth.content[copies]].astype(np.float32) + 0.85 * noise)
    return found


def keypoints(truth: Truth, made: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Local features of so many kinds that strangers have two alike as often as photographs (17 %); copies keep four in five."""
    kinds = rng.integers(0, 256, (1_400, WIDTH), np.uint8)
    kind = rng.integers(0, len(kinds), (len(truth.content), COUNT), np.uint16)
    kept = (rng.random(kind.shape, np.float32) < 0.8) | (truth.change == 0)[:, None]
    kind = np.where(kept, kind[truth.content], kind)
    return in_a_file((len(made), COUNT, WIDTH), np.dtype(np.uint8), lambda part: kinds[kind[made[part]]])


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_features(truth: Truth, made: np.ndarray, rng: np.random.Generator) -> FeatureTable:
    """What would have been measured of the files, in the order of the catalog."""
    rows = len(made)
    exact = np.where(truth.change == 0, truth.content, np.arange(rows))
    digests = rng.integers(1, 2**64, (rows, 4), np.uint64)[exact][made]
    failed = rng.random(rows) < UNREADABLE
    properties = rng.normal(100, 15, (rows, len(PROPERTY_NAMES))).astype(np.float32)
    properties[failed] = np.nan
    large = hashes(truth, LARGE_BITS // 64, 12, np.random.default_rng(1))[made]
    drawn = {
        "sha256": digests,
        "pixel_digest": digests[:, 0].copy(),
        "phash64": hashes(truth, 1, 3, np.random.default_rng(2))[..., 0][made],
        "phash256": large,
        "edge_hashes": hashes(truth, 4, 3, np.random.default_rng(3))[:, 0][made],
        "descriptor": descriptors(truth, rng)[made],
        "keypoints": keypoints(truth, made, np.random.default_rng(4)),
        "properties": properties,
        "file_bytes": rng.integers(20_000, 200_000, rows),
        "failures": tuple(Failure("truncated", "synthetic") if bad else None for bad in failed),
    }
    like = one_measured()
    others = {field.name for field in fields(FeatureTable)} - drawn.keys()
    columns = drawn | {name: np.broadcast_to(getattr(like, name), (rows, *getattr(like, name).shape[1:])) for name in others}
    as_it_is = {"failures", "keypoints"}
    return FeatureTable(**{name: column if name in as_it_is else as_measured(column) for name, column in columns.items()})


def as_measured(column: np.ndarray) -> np.ndarray:
    """Return a column where ``features.measure`` has it: a large one lies in a file."""
    return in_a_file(column.shape, column.dtype, lambda part: column[part])


def in_a_file(shape: tuple[int, ...], kind: np.dtype, rows: Callable[[slice], np.ndarray]) -> np.ndarray:
    """Return a column of which ``rows`` gives some at a time; of a large one no more are held than these."""
    found = mapped.column(shape, kind)
    for start in range(0, shape[0], 50_000):
        part = slice(start, start + 50_000)
        found[part] = rows(part)
        mapped.release(found)
    return found


def one_measured() -> FeatureTable:
    """A real picture, measured: every column that is not drawn is its."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a").mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
        Image.fromarray(pixels).save(Path(folder) / "a" / "1.jpg")
        return pipeline.measure(Path(folder), Config(jobs=1, cache=False)).features


class SyntheticVerifier:
    """An engine that answers from the names of the files: ``…-c<content>.jpg``."""

    def __init__(self) -> None:
        self.asked = 0

    def map_batches(self, _function, items: Sequence[Question], *, batch_size: int, progress=None) -> Iterator:  # noqa: ARG002
        for start in range(0, len(items), batch_size):
            part = items[start : start + batch_size]
            self.asked += len(part)
            yield part, tuple(self._answer(question) for question in part)

    def _answer(self, question: Question) -> Answer:
        if question.a.name[-12:] == question.b.name[-12:]:
            return Answer(
                0.995, 0.985, (600, 600), Transform(mirrored=any(turn >= 4 for turn in question.orientations)), located=True
            )
        return Answer((hash(question.b.name[-12:-4]) % 100 - 50) / 1000, -0.2, (600, 600))


# ---------------------------------------------------------------------------------------------- the stages


def measure(rows: int, *, descriptor: bool) -> list[Stage]:
    rng = np.random.default_rng(0)
    watch = Stopwatch()
    truth = draw_truth(rows, rng)
    with tempfile.TemporaryDirectory(prefix="dataaudit-scale-") as scratch:
        root, out = Path(scratch) / "dataset", Path(scratch) / "out"
        make_tree(root, truth, rng)
        out.mkdir()
        catalog = watch.run("walk and catalogue", lambda: find(root, CONFIG), lambda found: f"{len(found):,} files")
        features = make_features(truth, rows_of_files(catalog), rng)
        measurements = relate_stages(watch, catalog, features, descriptor=descriptor)
        report = judge_stages(watch, measurements)
        report_stages(watch, report, out)
        plan_stages(watch, measurements, out)
        shutil.rmtree(root)
    return watch.stages


def relate_stages(watch: Stopwatch, catalog: Catalog, features: FeatureTable, *, descriptor: bool) -> Measurements:
    leaders = np.flatnonzero(features.readable)
    watch.run("hash search", lambda: dihedral_hash(features, leaders, CONFIG), tell_nominations)
    watch.run("edge search", lambda: covered_edges(features, leaders, CONFIG), tell_nominations)
    if descriptor:
        watch.run("descriptor search", lambda: descriptor_neighbours(features, leaders, CONFIG), tell_nominations)
    verifier = SyntheticVerifier()
    by_hash = CONFIG.merged(neighbours=0)
    copies = watch.run(
        "relate (by hash)",
        lambda: relate(catalog, features, by_hash, verifier),
        lambda found: f"{verifier.asked:,} pairs verified, {len(found.pairs):,} found, {len(found.groups()):,} groups",
    )
    return Measurements(catalog, features, copies)


def tell_nominations(found) -> str:
    return f"{len(found):,} nominations"


def judge_stages(watch: Stopwatch, measurements: Measurements) -> Report:
    for scanner in SCANNERS:
        watch.run(
            f"  {scanner.name}",
            lambda scanner=scanner: list(scanner.scan(measurements, CONFIG)),
            lambda found: f"{len(found):,} findings",
        )

    def judge() -> Report:
        findings, run, not_run = judge_by_rules(measurements, CONFIG)
        summary = summarise(measurements, findings, CONFIG)
        return Report(measurements, summary, findings, run, not_run)

    return watch.run("judge", judge, lambda report: f"all scanners, verdict: {len(report.findings):,} findings")


def report_stages(watch: Stopwatch, report: Report, out: Path) -> None:
    watch.run("report.json", lambda: (out / "report.json").write_text(report_json.render(report)), lambda size: f"{size:,} B")
    watch.run("report as text", lambda: len(text.render(report)))
    watch.run("report.html", lambda: len(html.render(report)), lambda size: f"{size:,} B")


def plan_stages(watch: Stopwatch, measurements: Measurements, out: Path) -> None:
    split = watch.run("split (repair)", lambda: make_split(measurements, CONFIG), tell_split)
    watch.run("split (remake)", lambda: make_split(measurements, CONFIG.merged(remake=True)), tell_split)
    watch.run("split (5 folds)", lambda: make_split(measurements, CONFIG.merged(folds=5)), tell_split)
    weights = watch.run("class weights", lambda: weigh(split, CONFIG))
    augmentation = watch.run("augmentation", lambda: plan_augmentation(measurements, split, CONFIG))
    plan = Plan(split, weights, augmentation, choose_decoder(measurements, split))
    watch.run("plan folder", lambda: plan_folder.write(plan, out / "plan"))


def tell_split(split) -> str:
    moved = int((split.split_codes != split.catalog.split_codes).sum())
    return f"{moved:,} moved or left out, {len(split.impossible)} impossible"


# ----------------------------------------------------------------------------------------------- the table


def table(measured: dict[int, list[Stage]]) -> str:
    sizes = sorted(measured)
    lines = ["| stage |" + "".join(f" {size:,} rows | CPU | peak |" for size in sizes) + " growth |"]
    lines.append("|---|" + "---:|---:|---:|" * len(sizes) + "---:|")
    for number, stage in enumerate(measured[sizes[-1]]):
        of_size = [measured[size][number] for size in sizes]
        cells = "".join(f" {each.wall:.2f} s | {each.cpu:.2f} s | {each.peak:,.0f} MiB |" for each in of_size)
        growth = " · ".join(f"{b.cpu / max(a.cpu, 1e-2):.1f} ×" for a, b in pairwise(of_size))
        lines.append(f"| {stage.name.strip()} |{cells} {growth} |")
    core = [sum(stage.wall for stage in measured[size] if stage.name in CORE[1:]) for size in sizes]
    most = [max(stage.peak for stage in measured[size]) for size in sizes]
    lines.append(
        "| **relate + judge + split** |"
        + "".join(f" {a:.1f} s | | {b:,.0f} MiB |" for a, b in zip(core, most, strict=True))
        + " |"
    )
    return "\n".join(lines)


def run_apart(rows: int, *, descriptor: bool) -> list[Stage]:
    """Measure one size in a process of its own, and print what it prints."""
    command = [sys.executable, __file__, "--one", "--rows", str(rows), *["--skip-descriptor"] * (not descriptor)]
    stages = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("STAGES "):
                stages = [Stage(**stage) for stage in json.loads(line[7:])]
            else:
                print(line, end="", flush=True)
    if process.returncode:
        sys.exit(f"{rows:,} rows: the run failed with exit code {process.returncode}")
    return stages


def mean(runs: list[list[Stage]]) -> list[Stage]:
    """Return, stage by stage, the mean times of some runs and the largest peak."""
    return [
        replace(
            of_stage[0],
            wall=float(np.mean([stage.wall for stage in of_stage])),
            cpu=float(np.mean([stage.cpu for stage in of_stage])),
            peak=max(stage.peak for stage in of_stage),
        )
        for of_stage in zip(*runs, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--skip-descriptor", action="store_true", help="leave the descriptor search out")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        stages = measure(arguments.rows[0], descriptor=not arguments.skip_descriptor)
        print("STAGES " + json.dumps([asdict(stage) for stage in stages]))
        return
    sizes = sorted(arguments.rows)
    measured: dict[int, list[list[Stage]]] = {rows: [] for rows in sizes}
    for rows in [*sizes, *sizes[-2::-1]]:
        print(f"{rows:,} rows, {os.cpu_count()} cores", flush=True)
        measured[rows].append(run_apart(rows, descriptor=not arguments.skip_descriptor))
    print("\nNo picture is decoded; the verifier is synthetic. Growth is of CPU time, size by size.\n")
    print(table({rows: mean(runs) for rows, runs in measured.items()}))


if __name__ == "__main__":
    main()
