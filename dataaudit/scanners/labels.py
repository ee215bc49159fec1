"""LBL: does the same picture stand under two labels? One finding per copy group, on whichever splits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from dataaudit.domain import NONE, CopyEvidence, Finding, NotRun, Rule
from dataaudit.scanners.copy_groups import closest, closest_first, copy_groups, sentence
from dataaudit.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataaudit.config import Config
    from dataaudit.domain import Measurements

__all__ = ["RULES", "scan"]

SAME: Final = Rule(
    "LBL401",
    "same-picture-two-labels",
    "error",
    "The same picture, byte for byte or pixel for pixel, stands under two labels",
    "One of the labels is wrong, or the picture shows both classes. In train it teaches a contradiction; in validation "
    "no model can be right on both.",
    "Look at it, keep the right label and delete the other file. `dataaudit split` leaves all of them out and lists them.",
)
COPY: Final = Rule(
    "LBL402",
    "near-copy-two-labels",
    "error",
    "Copies of one picture (re-encoded, mirrored, turned …) stand under two labels",
    "One of the labels is wrong unless mirroring or turning changes the class (left and right hands, 6 and 9).",
    "Look at the pair, keep the right label and delete or move the other file; `dataaudit split` leaves both out until then. "
    "Where orientation makes the class, put them back into the manifest, and take such flips and turns out of your augmentation.",
)
RULES: Final[tuple[Rule, ...]] = (SAME, COPY)


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:  # noqa: ARG001 - a scanner's signature
    """Yield the copy groups with two labels and more; unlabelled members take no part."""
    catalog = measurements.catalog
    if len(catalog.classes) < 2:  # noqa: PLR2004 - labels that could disagree
        for each in RULES:
            has = counted(len(catalog.classes), "class", "classes")
            yield NotRun(each, f"not-applicable: the dataset has {has}; labels cannot disagree")
        return
    labels = catalog.label_codes
    for group in copy_groups(measurements):
        rows = [row for row in group.rows if labels[row] != NONE]
        counts = Counter(catalog.classes[labels[row]] for row in rows)
        if len(counts) < 2:  # noqa: PLR2004 - they agree
            continue
        example = closest(measurements, group, rows, labels)
        others = [pair for pair in group.pairs if NONE != labels[pair.a] != labels[pair.b] != NONE and pair != example]
        told = ", ".join(f"{label!r} ({n})" for label, n in sorted(counts.items()))
        message = f"{sentence(measurements, example)}, yet its files are labelled {told}"
        found = SAME if example.relation in {"exact", "pixel"} else COPY
        yield Finding(found, message, tuple(rows), CopyEvidence((example, *closest_first(others))))
