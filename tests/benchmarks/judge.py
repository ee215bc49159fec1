"""What judging costs: the inferred groups, every scanner, and all of it with the verdict, at 10⁴, 10⁵ and 10⁶ rows.

    PYTHONPATH=. python tests/benchmarks/judge.py [--rows 10000 100000 1000000] [--declared] [--worst]

Nothing is read or decoded: catalogue, features and copies are drawn here, so that every rule has something to judge. 100 classes;
train, val and test; sizes, JPEG settings, cameras, times, colours and properties that vary; names with a patient's and a
picture's number, ten pictures a patient that look alike; 2 % of the rows in proved copy pairs, .05 % unreadable. With --declared
the patients are declared groups, else they are inferred. With --worst everything drifts in 40 of the classes and tells the class
and the split, so that every permutation is drawn and every interval computed. Each size runs in a process of its own,
which prints wall and CPU seconds of each step.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataaudit import pipeline
from dataaudit.config import Config
from dataaudit.dedup.file_groups import infer
from dataaudit.domain import (
    PROPERTY_NAMES,
    Catalog,
    ClassFolder,
    CopyGraph,
    CopyPair,
    Failure,
    FeatureTable,
    Measurements,
    Transform,
)
from dataaudit.scanners import SCANNERS

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = 100
PATIENT = 10
COPIES = 0.02
DRIFTING = 40
UNREADABLE = 0.0005


def catalog_of(rows: int, rng: np.random.Generator, *, declared: bool) -> Catalog:
    """Draw a catalogue: ``train/c07/P000123_4.jpg``, in path order."""
    split = rng.choice(3, rows, p=(0.7, 0.15, 0.15))
    label = rng.integers(0, CLASSES, rows)
    patient = np.arange(rows) // PATIENT
    paths = [
        f"{('train', 'val', 'test')[s]}/c{c:02}/P{p:06}_{number % PATIENT}.jpg"
        for number, (s, c, p) in enumerate(zip(split.tolist(), label.tolist(), patient.tolist(), strict=True))
    ]
    order = np.array(sorted(range(rows), key=paths.__getitem__))
    names = tuple(f"c{code:02}" for code in range(CLASSES))
    counts = np.bincount(split * CLASSES + label, minlength=3 * CLASSES).reshape(3, CLASSES)
    folders = tuple(
        ClassFolder(f"{role}/{name}", role, name, int(counts[code, label]))
        for code, role in enumerate(("train", "val", "test"))
        for label, name in enumerate(names)
    )
    groups = tuple(f"{number:06}" for number in range(int(patient[-1]) + 1)) if declared else ()
    return Catalog(
        Path("/nowhere"),
        "split/class/file",
        "folder names",
        tuple(paths[row] for row in order),
        names,
        groups,
        label[order].astype(np.int32),
        split[order].astype(np.int8),
        patient[order].astype(np.int32) if declared else np.full(rows, -1, np.int32),
        class_folders=tuple(sorted(folders, key=lambda folder: folder.path)),
        split_folders=(("test", "test"), ("train", "train"), ("val", "val")),
    )


def features_of(catalog: Catalog, rng: np.random.Generator, *, worst: bool) -> FeatureTable:
    """Draw what would have been measured; every column that a scanner judges varies."""
    rows = len(catalog)
    moved = ((catalog.split_codes > 0) & (catalog.label_codes < DRIFTING) if worst else np.zeros(rows)).astype(np.int64)
    kind = (catalog.label_codes % 4 + 4 * moved if worst else rng.integers(0, 4, rows)).astype(np.int64)
    failed = rng.random(rows) < UNREADABLE
    properties = rng.normal(100, 15, (rows, len(PROPERTY_NAMES))).astype(np.float32)
    properties += 30.0 * moved[:, None]
    properties[failed] = np.nan
    patient = np.array([int(path[path.index("P") + 1 : -6]) for path in catalog.paths])
    descriptor = 0.7 * rng.normal(size=(int(patient.max()) + 1, 128)).astype(np.float32)[patient]
    descriptor += rng.normal(size=(rows, 128)).astype(np.float32)
    descriptor /= np.linalg.norm(descriptor, axis=1, keepdims=True)
    quality = np.array([75, 85, 90, 95, 70, 60, 50, 40], np.uint8)[kind]
    sizes = np.array([(640, 480), (800, 600), (1024, 768), (480, 640), (320, 240), (400, 300), (512, 384), (240, 320)])[kind]
    return FeatureTable(
        sha256=rng.integers(1, 2**64, (rows, 4), np.uint64),
        pixel_digest=rng.integers(1, 2**64, rows, np.uint64),
        phash64=np.zeros((rows, 8), np.uint64),
        phash256=np.zeros((rows, 8, 4), np.uint64),
        edge_hashes=np.zeros((rows, 4), np.uint64),
        descriptor=descriptor.astype(np.float16),
        inner_descriptor=np.zeros((rows, 128), np.float16),
        keypoints=np.zeros((rows, 1, 18), np.uint8),
        properties=properties,
        width=sizes[:, 0].astype(np.int32),
        height=sizes[:, 1].astype(np.int32),
        file_bytes=20_000 * (kind + 1) + rng.integers(0, 20_000, rows),
        format=np.full(rows, "JPEG", "<U5"),
        mode=np.where(rng.random(rows) < 0.01, "L", "RGB").astype("<U8"),
        exif_orientation=rng.choice([0, 0, 0, 1, 6], rows).astype(np.uint8),
        frames=np.ones(rows, np.int32),
        jpeg_coding=quality.astype(np.uint64) * np.uint64(7919),
        jpeg_quality=quality,
        camera=np.array([b"", b"Canon EOS 5D", b"iPhone 7", b"NIKON D90", b"a", b"b", b"c", b"d"], "S32")[kind],
        taken=1_500_000_000 + np.sort(rng.integers(0, 4 * rows, rows)),
        colours=(20 * kind[:, None, None] + rng.integers(0, 60, (rows, 17, 3))).astype(np.uint8),
        edge_spread=rng.integers(0, 256, (rows, 8), np.uint8),
        loader=np.ones(rows, np.uint8),
        trailing=np.zeros(rows, np.int64),
        zeroed=np.zeros(rows, np.int64),
        strict=np.zeros(rows, np.uint8),
        failures=tuple(Failure("truncated", "drawn") if bad else None for bad in failed),
    )


def copies_of(rows: int, rng: np.random.Generator) -> CopyGraph:
    ends = np.sort(rng.permutation(rows)[: int(COPIES * rows) // 2 * 2].reshape(-1, 2), axis=1)
    component = np.arange(rows)
    component[ends[:, 1]] = ends[:, 0]
    pairs = tuple(CopyPair(a, b, "near", "proved", 0.98, 1.0, Transform()) for a, b in sorted(map(tuple, ends.tolist())))
    return CopyGraph(pairs, component, np.zeros(rows, bool))


def timed(name: str, work: Callable, tell: Callable):
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    print(f"  {name:<20}{time.perf_counter() - wall:8.2f} s{time.process_time() - cpu:9.2f} s CPU  {tell(value)}", flush=True)
    return value


def measure(rows: int, *, declared: bool, worst: bool) -> None:
    rng, config = np.random.default_rng(0), Config(jobs=2)
    catalog = catalog_of(rows, rng, declared=declared)
    features, copies = features_of(catalog, rng, worst=worst), copies_of(rows, rng)
    subjects = timed("inferred groups", lambda: infer(catalog, features, copies, config), lambda found: f"{found.tests} tests")
    measurements = replace(Measurements(catalog, features, copies), subjects=subjects)
    for scanner in SCANNERS:
        timed(
            scanner.name,
            lambda scanner=scanner: list(scanner.scan(measurements, config)),
            lambda found: f"{len(found):,} outcomes",
        )

    def told(report) -> str:
        failed = [entry.reason for entry in report.rules_not_run if entry.reason.startswith("failed")]
        return f"{len(report.findings):,} findings, {len(report.rules_run)} rules run" + f"; FAILED: {failed}" * bool(failed)

    timed("judge as a whole", lambda: pipeline.judge(measurements, config), told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--declared", action="store_true", help="patients are declared groups")
    parser.add_argument("--worst", action="store_true", help="everything drifts and tells")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.rows[0], declared=given.declared, worst=given.worst)
        return
    for rows in given.rows:
        print(f"{rows:,} rows, {os.cpu_count()} cores", flush=True)
        command = [
            sys.executable,
            __file__,
            "--one",
            "--rows",
            str(rows),
            *["--declared"] * given.declared,
            *["--worst"] * given.worst,
        ]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
