"""LEK: does a split know pictures, or subjects, of another? One finding per copy group or declared group.

A copy group is a component of *proved* edges. Its code is that of the closest relation between two of its members that lie
in different splits. *Probable* pairs never join groups: they are one finding (LEK204) for every two copy groups they would join.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.dedup.components import components
from dataaudit.domain import NONE, ROLES, CopyEvidence, CopyPair, Finding, GroupEvidence, NotRun, Rule, TableEvidence
from dataaudit.scanners.copy_groups import NOT_SEARCHED, closest, closest_first, copy_groups, sentence
from dataaudit.statistics.random_split import VALIDATION_SHARE, expected_leak
from dataaudit.wording import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, CopyGraph, Measurements, Relation

__all__ = ["RULES", "expected_random_leak", "joined_units", "scan"]

EXACT: Final = Rule(
    "LEK201",
    "exact-copy-across-splits",
    "error",
    "The same picture is in two splits, byte for byte or pixel for pixel",
    "The model is scored on pictures it was trained on. The score rises with how much it memorises, not with what it learned, "
    "and early stopping and tuning follow it astray.",
    "Keep every copy in one split: `dataaudit split` moves them with the fewest moves and leaves test as it is.",
)
NEAR: Final = Rule(
    "LEK202",
    "near-copy-across-splits",
    "error",
    "A re-encoded, resized or retouched copy of a picture is in another split",
    "To a network these are the same picture: its score on them tells nothing about new pictures.",
    "Keep the copies in one split (`dataaudit split`). If you augmented or resized before splitting, split first.",
)
TRANSFORMED: Final = Rule(
    "LEK203",
    "transformed-copy-across-splits",
    "error",
    "A mirrored, turned or otherwise transformed copy of a picture is in another split",
    "Augmentation before the split leaves this behind; so do two exposures of overlapping scenes. Either way validation shows "
    "what training has seen, and the score measures memory.",
    "Augmented copies: split the originals, then augment the train split only, inside the model or its tf.data pipeline "
    "(`dataaudit audit` writes one). Overlapping shots: keep them in one split; `dataaudit split` does.",
)
PROBABLE: Final = Rule(
    "LEK204",
    "probable-copy-across-splits",
    "warning",
    "Two pictures in different splits look like copies, but it is not proved",
    "If they are copies, or frames of one burst or video, the score is too good; if they are two subjects that look alike, "
    "nothing is wrong.",
    "Look at the pair. If it is one picture or one burst, give both files one group (--group-by) and split anew.",
)
GROUP: Final = Rule(
    "LEK205",
    "group-across-splits",
    "error",
    "A declared group (patient, video, sender …) is in two splits",
    "The model can know the patient, room or camera instead of the class, so the score does not hold for new ones.",
    "Keep each group in one split: `dataaudit split --group-by …` does, and in Python StratifiedGroupKFold does.",
)
RANDOM: Final = Rule(
    "LEK208",
    "random-split-would-leak",
    "warning",
    "A random split of this dataset would put copies or group mates on both sides",
    "validation_split=0.2, train_test_split and the like know no copies: the validation score would be too good from the start.",
    "Do not split at random: `dataaudit split` keeps copies and declared groups together; load its manifest.csv.",
)
KERAS: Final = Rule(
    "LEK209",
    "keras-split-in-two-calls",
    "info",
    "The split is drawn anew by each call of image_dataset_from_directory",
    "Train and validation are parts of one shuffled list only if both calls have the same seed, shuffle and validation_split, "
    "and the folder has not changed between them; otherwise most of validation is in train, and no error says so.",
    "Make one call with subset='both', or write the split down: `dataaudit split --keras-split X --seed N --output PLAN`.",
)
RULES: Final[tuple[Rule, ...]] = (EXACT, NEAR, TRANSFORMED, PROBABLE, GROUP, RANDOM, KERAS)
RULE_OF: Final[dict[Relation, Rule]] = {"exact": EXACT, "pixel": EXACT, "near": NEAR, "transformed": TRANSFORMED}


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield what crosses splits; of data with fewer than two splits, what a random split would make cross."""
    catalog = measurements.catalog
    splits = catalog.splits
    yield _two_calls(catalog)
    if len(splits) < 2:  # noqa: PLR2004 - nothing can cross
        has = f"has no second split beside {splits[0]}" if splits else "has no splits"
        for each in (EXACT, NEAR, TRANSFORMED, PROBABLE, GROUP):
            yield NotRun(each, f"not-applicable: the dataset {has}")
        yield from _random_split(measurements, config)
        return
    yield from _proved(measurements)
    yield from _probable(measurements)
    if not config.transformed:
        yield NotRun(TRANSFORMED, NOT_SEARCHED)
    if catalog.groups:
        yield from _declared(catalog)
    else:
        yield NotRun(GROUP, "not-applicable: no groups are declared (--group-by, or a group column in the manifest)")
    yield NotRun(RANDOM, "not-applicable: the dataset has splits")


def _per_split(catalog: Catalog, rows: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
    found = Counter(int(catalog.split_codes[row]) for row in rows)
    return tuple((role, found[code]) for code, role in enumerate(ROLES) if found[code])


def _tell(counts: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{n} in {split}" for split, n in counts)


def _proved(measurements: Measurements) -> Iterator[Finding]:
    catalog = measurements.catalog
    splits = catalog.split_codes
    for group in copy_groups(measurements):
        rows = [row for row in group.rows if splits[row] != NONE]
        if len({int(splits[row]) for row in rows}) < 2:  # noqa: PLR2004 - it does not cross
            continue
        example = closest(measurements, group, rows, splits)
        crossing = [pair for pair in group.pairs if NONE != splits[pair.a] != splits[pair.b] != NONE and pair != example]
        message = sentence(measurements, example)
        if len(group.rows) > 2:  # noqa: PLR2004 - more than the pair that was named
            message += f"; {len(group.rows)} files show this picture: {_tell(_per_split(catalog, group.rows))}"
        evidence = CopyEvidence((example, *closest_first(crossing)))
        yield Finding(RULE_OF[example.relation], message, group.rows, evidence)


def _probable(measurements: Measurements) -> Iterator[Finding]:
    catalog, component = measurements.catalog, measurements.copies.component
    splits = catalog.split_codes
    joined: dict[tuple[int, int], list[CopyPair]] = defaultdict(list)
    for pair in measurements.copies.pairs:
        first, second = sorted((int(component[pair.a]), int(component[pair.b])))
        if pair.verdict == "probable" and first != second and NONE != splits[pair.a] != splits[pair.b] != NONE:
            joined[first, second].append(pair)
    for _, pairs in sorted(joined.items()):
        ordered = closest_first(pairs)
        message = f"{sentence(measurements, ordered[0])}: probable, not proved; look at them"
        rows = tuple(sorted({row for pair in pairs for row in (pair.a, pair.b)}))
        yield Finding(PROBABLE, message, rows, CopyEvidence(ordered))


def _two_calls(catalog: Catalog) -> Finding | NotRun:
    """Say what a slip in the second of two Keras calls would do to the split that --keras-split draws."""
    drawn = catalog.keras_split
    if drawn is None:
        return NotRun(KERAS, "not-applicable: only with --keras-split")
    slips = (("another seed", drawn.other_seed), ("shuffle=False", drawn.unshuffled))
    told = ", ".join(f"with {slip} {n} ({percent(n / drawn.validation)})" for slip, n in slips)
    held, of = counted(drawn.validation, "validation file"), counted(len(catalog.classes), "class", "classes")
    strangers = f", {drawn.strangers} of which this audit does not take for images" if drawn.strangers else ""
    message = (
        f"drawn as image_dataset_from_directory(validation_split={drawn.share:g}, seed={drawn.seed}) draws it from "
        f"{counted(drawn.files, 'file')}{strangers}. A second call that differs takes {held} of which so many are in train: "
        f"{told} and only {drawn.unshuffled_classes} of {of} in validation"
    )
    rows = tuple((slip, (float(n), n / drawn.validation)) for slip, n in slips)
    return Finding(KERAS, message, (), TableEvidence(("validation files in train", "share"), rows))


def _declared(catalog: Catalog) -> Iterator[Finding]:
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row in np.flatnonzero((catalog.group_codes != NONE) & (catalog.split_codes != NONE)).tolist():
        rows_of[int(catalog.group_codes[row])].append(row)
    for code, rows in sorted(rows_of.items()):
        counts = _per_split(catalog, tuple(rows))
        if len(counts) > 1:
            key = catalog.groups[code]
            message = f"group {key!r} is in {len(counts)} splits: {_tell(counts)}"
            yield Finding(GROUP, message, tuple(rows), GroupEvidence(key, counts))


def joined_units(catalog: Catalog, copies: CopyGraph) -> NDArray[np.int64]:
    """Return (n,) labels of what must stay together: copy groups and declared groups, joined where they share a sample."""
    n = len(catalog)
    grouped = np.flatnonzero(catalog.group_codes != NONE)
    tail = np.concatenate((np.arange(n), grouped))
    head = np.concatenate((copies.component, n + catalog.group_codes[grouped].astype(np.int64)))
    return components(n + len(catalog.groups), tail, head)[:n]


def expected_random_leak(measurements: Measurements) -> tuple[float, float]:
    """Return the share of validation that a random 80/20 split is expected to leak: by copies, and by copies and groups."""
    catalog, copies = measurements.catalog, measurements.copies
    by_copies = expected_leak(np.unique(copies.component, return_counts=True)[1], len(catalog))
    if not catalog.groups:
        return by_copies, by_copies
    return by_copies, expected_leak(np.unique(joined_units(catalog, copies), return_counts=True)[1], len(catalog))


def _random_split(measurements: Measurements, config: Config) -> Iterator[Finding]:
    catalog = measurements.catalog
    by_copies, in_all = expected_random_leak(measurements)
    if in_all <= config.random_split_leak:
        return
    groups = measurements.copies.groups()
    held = round(VALIDATION_SHARE * len(catalog))
    causes = []
    if groups:
        alone = f" (they alone leak {percent(by_copies)})" if catalog.groups else ""
        causes.append(f"{sum(map(len, groups))} are in {counted(len(groups), 'copy group')}{alone}")
    if catalog.groups:
        causes.append(f"{int((catalog.group_codes != NONE).sum())} are in {counted(len(catalog.groups), 'declared group')}")
    message = (
        f"a random 80/20 split would leak {percent(in_all)} of its {counted(held, 'validation image')}, on average: "
        f"of the {len(catalog)} images {' and '.join(causes)}"
    )
    rows = (("copies", (by_copies,)), ("copies and declared groups", (in_all,)))
    evidence = TableEvidence(("expected share of validation leaked",), rows if catalog.groups else rows[:1])
    yield Finding(RANDOM, message, tuple(row for row in sorted(row for group in groups for row in group)), evidence)
