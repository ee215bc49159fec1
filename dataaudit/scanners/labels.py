"""LBL: does the same picture stand under two labels, and which labels does a model of the user's hold for wrong?

Of copies under two labels there is one finding a copy group, on whichever splits, with the majority's label as a suggestion. The
model's list (LBL403) is one finding, ranked; it needs ``--embeddings`` or ``--pred-probs``, and is a list to look at, no more.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, CopyEvidence, Finding, NotRun, Rule, TableEvidence
from dataaudit.scanners.copy_groups import closest, closest_first, copy_groups, sentence
from dataaudit.scanners.leakage import joined_units
from dataaudit.statistics.confident_learning import Suspects, cross_validated, suspects
from dataaudit.wording import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

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
SUSPECT: Final = Rule(
    "LBL403",
    "suspect-labels",
    "info",
    "A model that has not seen them is confident that some labels are wrong",
    "Wrong labels teach a contradiction and cap the score. The list is ranked, not proved: hard and rare pictures are on it.",
    "Look at the list from its top, and correct what is wrong; stop where it no longer pays.",
)
RULES: Final[tuple[Rule, ...]] = (SAME, COPY, SUSPECT)
CLASS_MINIMUM: Final = 10
"""Pictures (copies and groups counted once) a class must have to take part in LBL403."""
NAMED: Final = 3
"""Suspects that the message names."""


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:  # noqa: ARG001 - a scanner's signature
    """Yield the copy groups with two labels and more (unlabelled members take no part), and the list of suspect labels."""
    catalog = measurements.catalog
    if len(catalog.classes) < 2:  # noqa: PLR2004 - labels that could disagree
        for each in RULES:
            has = counted(len(catalog.classes), "class", "classes")
            yield NotRun(each, f"not-applicable: the dataset has {has}; labels cannot disagree")
        return
    yield from _conflicts(measurements)
    yield from _suspects(measurements)


def _conflicts(measurements: Measurements) -> Iterator[Finding]:
    catalog = measurements.catalog
    labels = catalog.label_codes
    for group in copy_groups(measurements):
        rows = [row for row in group.rows if labels[row] != NONE]
        counts = Counter(catalog.classes[labels[row]] for row in rows)
        if len(counts) < 2:  # noqa: PLR2004 - they agree
            continue
        example = closest(measurements, group, rows, labels)
        others = [pair for pair in group.pairs if NONE != labels[pair.a] != labels[pair.b] != NONE and pair != example]
        told = ", ".join(f"{label!r} ({n})" for label, n in sorted(counts.items()))
        message = f"{sentence(measurements, example)}, yet its files are labelled {told}{_vote(counts)}"
        found = SAME if example.relation in {"exact", "pixel"} else COPY
        yield Finding(found, message, tuple(rows), CopyEvidence((example, *closest_first(others))))


def _vote(counts: Counter[str]) -> str:
    """Return what more than half of the files say; nothing where no label has that many."""
    label, votes = counts.most_common(1)[0]
    total = counts.total()
    return f"; {votes} of {total} say {label!r}, which is the suggestion" if 2 * votes > total else ""


def _suspects(measurements: Measurements) -> Iterator[Finding | NotRun]:
    """Yield the ranked list of the labels that the user's model holds for wrong."""
    table = measurements.embeddings if measurements.pred_probs is None else measurements.pred_probs
    if table is None:
        reason = (
            "needs-extra: give --embeddings FILE.npy or --pred-probs FILE.npy of a model of yours (in path order, or an .npz)"
        )
        yield NotRun(SUSPECT, reason)
        return
    labels = measurements.catalog.label_codes.astype(np.int64)
    known = np.flatnonzero((labels != NONE) & ~np.isnan(table[:, 0]))
    units = joined_units(measurements.catalog, measurements.copies)
    pairs = np.unique(np.stack([labels[known], units[known]]), axis=1)
    enough = np.flatnonzero(np.bincount(pairs[0], minlength=len(measurements.catalog.classes)) >= CLASS_MINIMUM)
    rows = known[np.isin(labels[known], enough)]
    if len(enough) < 2:  # noqa: PLR2004 - labels that could be confused
        yield NotRun(SUSPECT, f"too-few: two classes with {CLASS_MINIMUM} different pictures each are needed")
        return
    codes = np.searchsorted(enough, labels[rows])
    if measurements.pred_probs is None:
        probabilities = cross_validated(table[rows], codes, units[rows])
        model = "a logistic regression on your embeddings, cross-validated,"
    else:
        chosen = table[rows][:, enough].astype(np.float64)
        probabilities = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1e-12)
        model = "your model"
    found = suspects(probabilities, codes)
    if len(found.rows):
        yield _list(measurements, rows, enough[codes], enough[found.suggested], found, probabilities, codes, model)


def _list(
    measurements: Measurements,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    suggested: NDArray[np.int64],
    found: Suspects,
    probabilities: NDArray[np.float64],
    codes: NDArray[np.int64],
    model: str,
) -> Finding:
    catalog = measurements.catalog
    right = float((probabilities.argmax(axis=1) == codes).mean())
    lines = []
    for row, label, other, margin in zip(rows[found.rows], labels[found.rows], suggested, found.margin, strict=True):
        lines.append((f"{catalog.paths[row]}: {catalog.classes[label]} → {catalog.classes[other]}", float(margin)))
    own = probabilities[found.rows, codes[found.rows]]
    table = tuple((name, (float(p), margin)) for (name, margin), p in zip(lines, own, strict=True))
    first = "; ".join(f"{name} (margin {margin:.2f})" for name, margin in lines[:NAMED])
    look = "looks" if len(lines) == 1 else "look"
    look, share = "looks" if len(lines) == 1 else "look", percent(len(lines) / len(rows))
    message = (
        f"{counted(len(lines), 'label')} of {len(rows)} ({share}) {look} wrong to {model} which agrees with {percent(right, 0)} "
        f"of all labels; estimated share of wrong labels {percent(found.noise)}. From the top: {first}"
    )
    evidence = TableEvidence(("probability of its label", "margin"), table)
    return Finding(SUSPECT, message, tuple(sorted(rows[found.rows].tolist())), evidence)
