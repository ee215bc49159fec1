"""Reports for the tests, built by hand: every kind of evidence, and the names an attacker would choose.

``hostile(root)`` also makes the pictures, so that thumbnails can be shown; ``clean()`` found nothing, ``unsplit()`` has
no splits, ``crowded()`` has far too many of everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from dataaudit.domain import (
    Baseline,
    ComparisonEvidence,
    CopyEvidence,
    CopyPair,
    Failure,
    FileEvidence,
    Finding,
    GroupEvidence,
    Leak,
    Measurements,
    NotRun,
    Report,
    Rule,
    Skipped,
    Summary,
    TableEvidence,
    Transform,
)
from measurements import make
from pictures import photo, save

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = {
    "script": "val/cat/<script>alert(1)</script>.jpg",
    "rich": "val/cat/[/red].jpg",
    "newline": "val/dog/a\n::error::b.jpg",
    "pipe": "val/dog/a|b`c`.jpg",
    "bytes": "train/dog/caf\udce9.jpg",
    "escape": "train/dog/\x1b[31mred\u202egpj.jpg",
    "mention": "train/cat/@octocat www.example.org.jpg",
}
"""One sample each."""

RULES = {
    rule.code: rule
    for rule in (
        Rule(
            "INT101",
            "unreadable",
            "error",
            "A file cannot be read as a picture",
            "One such file stops Keras's fit in mid-epoch without naming it.",
            "Fetch the file again from its source, or remove it.",
        ),
        Rule(
            "INT108",
            "exif-orientation",
            "info",
            "A picture is stored turned, with an EXIF note to turn it back",
            "Keras ignores the note and trains on the turned picture, while every viewer shows the upright one.",
            "Turn the pixels and drop the note where upright pictures are what the model will see.",
        ),
        Rule(
            "LEK201",
            "exact-copy-across-splits",
            "error",
            "The same picture lies in two splits",
            "The model is scored on pictures it was trained on: the score says how well it remembers.",
            "Run `dataaudit split`: it keeps every copy group in one split and moves the fewest pictures.",
        ),
        Rule(
            "LEK203",
            "transformed-copy-across-splits",
            "error",
            "A mirrored or turned copy of a picture lies in another split",
            "Augmentation turns the training picture into the held-out one: the score says how well the model remembers.",
            "Run 'dataaudit split', and augment after the split, never before it.",
        ),
        Rule(
            "LEK205",
            "group-across-splits",
            "error",
            "A declared group is torn apart by the splits",
            "Pictures of one patient, sender or burst share more than their class.",
            "Run 'dataaudit split --group-by …': groups are never torn.",
        ),
        Rule(
            "DUP301",
            "exact-copies",
            "info",
            "The same picture lies in a split more than once",
            "It counts more than once in the loss.",
            "Keep one of each; 'dataaudit split' leaves the others out of train.",
        ),
        Rule(
            "BAL504",
            "class-index-differs",
            "error",
            "Class folders differ between splits, so that class indices differ",
            "Keras numbers the class folders of every call from 0: a missing folder shifts every later label.",
            "Pass class_names to image_dataset_from_directory, or use the pipeline.py of the plan.",
        ),
        Rule(
            "STR601",
            "class-shares-differ",
            "warning",
            "Class shares differ between splits",
            "The score weighs the classes unlike the training does.",
            "Run 'dataaudit split --remake' for stratified splits.",
        ),
        Rule(
            "DRF801",
            "property-drift",
            "warning",
            "A property of the pictures differs between splits",
            "The splits were not drawn from the same pictures: another camera, another day, another crop.",
            "Look at both splits side by side; remake them, or say in the paper that they differ.",
        ),
        Rule(
            "LEK208",
            "random-split-would-leak",
            "warning",
            "A random split of these pictures would leak",
            "Copies would fall on both sides.",
            "Run 'dataaudit split'.",
        ),
    )
}

TURNED = Transform(mirrored=True, rotation=90.0)


def finding(code: str, message: str, samples: tuple[int, ...], evidence: object) -> Finding:
    return Finding(RULES[code], message, tuple(sorted(samples)), evidence)


def report(
    measurements: Measurements, summary: Summary, findings: tuple[Finding, ...] = (), not_run: tuple[NotRun, ...] = ()
) -> Report:
    absent = {entry.rule.code for entry in not_run}
    run = tuple(rule for code, rule in sorted(RULES.items()) if code not in absent)
    return Report(measurements, summary, findings, run, not_run)


def hostile(root: Path) -> Report:
    """Return a report with every kind of evidence; its readable pictures are made in ``root``."""
    upright = "train/cat/0000.jpg"
    rows = [(f"train/{label}/{n:04}.jpg", label, "train", f"patient-{n % 5}") for label in ("cat", "dog") for n in range(12)]
    rows += [
        (f"val/{label}/{n:04}.jpg", label, "val", f"patient-{n % 5}")
        for label, many in (("cat", 3), ("dog", 5))
        for n in range(many)
    ]
    rows += [("test/0001.jpg", None, "test"), ("val/cat/turned.png", "cat", "val"), ("val/cat/resaved.jpg", "cat", "val")]
    rows += [(path, path.split("/")[1], path.split("/")[0]) for path in HOSTILE.values()]
    pairs = [
        (HOSTILE["newline"], "train/dog/0003.jpg", "exact"),
        (HOSTILE["script"], "train/cat/0001.jpg", "exact"),
        (HOSTILE["pipe"], HOSTILE["bytes"], "exact"),
        (upright, "val/cat/turned.png", "transformed", "proved", 0.9871234567, TURNED),
        (upright, "val/cat/resaved.jpg", "near", "proved", 0.991),
        ("train/cat/0004.jpg", "train/cat/0005.jpg", "exact"),
    ]
    failures = {
        HOSTILE["bytes"]: Failure("unreadable", "no header"),
        "val/dog/0004.jpg": Failure("truncated", "12 bytes missing"),
    }
    skipped = (
        Skipped("notes [draft].txt", "not-an-image", "not an image name"),
        Skipped("train/cat/.DS_Store", "system-file", "left by a file manager"),
        Skipped("train/cat/Thumbs.db", "system-file", "left by a file manager"),
        Skipped("train/dog/pipe\n.jpg", "irregular", "a FIFO, which would block for ever"),
    )
    measurements = make(
        rows,
        pairs,
        failures=failures,
        exif_orientation={"train/dog/0002.jpg": 6},
        width={**{row[0]: 240 for row in rows}, "val/cat/turned.png": 180},
        height={**{row[0]: 180 for row in rows}, "val/cat/turned.png": 240},
        catalog={"root": root, "skipped": skipped, "split_folders": (("Training", "train"), ("test", "test"), ("val", "val"))},
    )
    _draw(root, measurements, upright)
    leaks = (
        Leak("train", 27, 4, 2, Baseline("dog", 14 / 27)),
        Leak("val", 14, 5, 1, Baseline("dog", 7 / 14)),
        Leak("test", 1, 0, 1, None),
    )
    sentence = (
        "VALIDATION NOT TRUSTWORTHY: 5 of 14 images are copies of training images; 8 of 14 images are of declared groups that "
        "are in other splits too; honest n is 1; always answering 'dog' scores 50%."
    )
    notes = ("Always answering 'dog' scores 50.0%, which lies within that interval: the model has not been shown to do better.",)
    not_run = (
        NotRun(RULES["LEK208"], "not-applicable: the dataset has splits"),
        NotRun(RULES["STR601"], "failed: RuntimeError <b>"),
    )
    return report(measurements, Summary("not-trustworthy", sentence, leaks, notes), _findings(measurements), not_run)


def _draw(root: Path, measurements: Measurements, upright: str) -> None:
    catalog = measurements.catalog
    for row, path in enumerate(catalog.paths):
        if measurements.features.failures[row] is None:
            save(photo(int(measurements.copies.component[row]), (240, 180)), root / path)
    picture = photo(catalog.paths.index(upright), (240, 180))
    save(ImageOps.mirror(picture).transpose(Image.Transpose.ROTATE_90), root / "val/cat/turned.png")
    save(picture.resize((120, 90)), root / "val/cat/resaved.jpg", quality=60)
    save(photo(99, (32, 24)), root / "train/cat/0004.jpg")
    save(photo(99, (32, 24)), root / "train/cat/0005.jpg")


def _findings(measurements: Measurements) -> tuple[Finding, ...]:
    row = {path: index for index, path in enumerate(measurements.catalog.paths)}
    bad, torn = row[HOSTILE["bytes"]], row["val/dog/0004.jpg"]
    found = [
        finding("INT101", f"{HOSTILE['bytes']}: cannot be read: no header", (bad,), FileEvidence("no header", "a JPEG picture")),
        finding("INT101", "val/dog/0004.jpg: cut short", (torn,), FileEvidence("12 bytes missing", "a whole JPEG file")),
    ]
    codes = {"exact": "LEK201", "near": "LEK203", "transformed": "LEK203"}
    across = [pair for pair in measurements.copies.pairs if _crosses(measurements, pair)]
    found += [_copy(codes[pair.relation], measurements, pair) for pair in across]
    members = tuple(r for r, key in enumerate(measurements.catalog.group_codes) if key == 0)
    found.append(
        finding(
            "LEK205", "patient-0: 6 images in train, 2 in val", members, GroupEvidence("patient-0", (("train", 6), ("val", 2)))
        )
    )
    folders = TableEvidence(("train", "val"), (("cat", (0.0, 0.0)), ("dog", (1.0, float("nan")))))
    found.append(finding("BAL504", "'dog' is class 1 of train and no class of test", (), folders))
    test = ComparisonEvidence(
        "Mann–Whitney",
        "luminance",
        ("train", "val"),
        (24, 8),
        1234567.0,
        3.2e-9,
        1.6e-8,
        0.8123456789,
        "Cohen's d",
        (0.5, float("inf")),
    )
    found.append(finding("DRF801", "val is brighter than train: d = 0.81 (q < 0.0001)", (), test))
    turned = row["train/dog/0002.jpg"]
    evidence = FileEvidence("orientation 6", "no note, or 1")
    found.append(finding("INT108", "train/dog/0002.jpg: shown turned by viewers", (turned,), evidence))
    inside = [pair for pair in measurements.copies.pairs if not _crosses(measurements, pair)]
    found += [_copy("DUP301", measurements, pair) for pair in inside]
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(found, key=lambda f: (order[f.rule.severity], f.rule.code)))


def _copy(code: str, measurements: Measurements, pair: CopyPair) -> Finding:
    a, b = (measurements.catalog.paths[row] for row in (pair.a, pair.b))
    return finding(code, f"{a} and {b} are the same picture ({pair.relation})", (pair.a, pair.b), CopyEvidence((pair,)))


def _crosses(measurements: Measurements, pair: CopyPair) -> bool:
    codes = measurements.catalog.split_codes
    return bool(codes[pair.a] != codes[pair.b])


def clean() -> Report:
    """Return a report that found nothing."""
    rows = [
        (f"{split}/{label}/{n}.jpg", label, split) for split in ("train", "val") for label in ("cat", "dog") for n in range(4)
    ]
    sentence = "VALIDATION TRUSTWORTHY: nothing found; always answering 'cat' scores 50 %."
    return report(
        make(rows),
        Summary("trustworthy", sentence, tuple(Leak(role, 8, 0, 8, Baseline("cat", 0.5)) for role in ("train", "val"))),
    )


def unsplit() -> Report:
    """Return a report on data without splits."""
    measurements = make([(f"cat/{n}.jpg", "cat", None) for n in range(5)], [("cat/0.jpg", "cat/1.jpg", "exact")])
    sentence = "NO SPLITS YET: a random 80/20 split would leak 12 % of its validation images."
    table = TableEvidence(("images", "groups"), (("groups of 2", (2.0, 1.0)), ("groups of 1", (3.0, 3.0))))
    found = finding("LEK208", "12 % of a random validation split would be copies of training images", (0, 1), table)
    return report(measurements, Summary("suspect", sentence, ()), (found,))


def crowded(classes: int = 300, findings: int = 2_000) -> Report:
    """Return a report with far more classes and findings than a screen holds, under 30 rules."""
    rows = [
        (f"{split}/class-{c:03}/{n}.jpg", f"class-{c:03}", split)
        for split in ("train", "val")
        for c in range(classes)
        for n in range(3)
    ]
    measurements = make(rows)
    severities = ("error", "warning", "info")
    rules = [Rule(f"XXX{n:03}", f"rule-{n}", severities[n % 3], f"Rule {n}", "Why " * 80, "Remedy " * 80) for n in range(30)]
    found = [
        Finding(rules[n % 30], f"val/class-000/{'x' * 300}{n}.jpg: is wrong", (0,), FileEvidence("this", "that"))
        for n in range(findings)
    ]
    found.sort(key=lambda f: (severities.index(f.rule.severity), f.rule.code))
    return Report(
        measurements,
        Summary("suspect", "SUSPECT: all of it.", (Leak("train", 900, 0, 900, None), Leak("val", 900, 1, 899, None))),
        tuple(found),
        (),
        (),
    )
