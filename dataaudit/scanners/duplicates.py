"""DUP: copies that stay on one side. One finding per copy group and split; of unsplit data, per copy group; DUP305 per split.

Copies that stand under two labels inside a split are not told again here: LBL names every file of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from dataaudit.domain import NONE, ROLES, CopyEvidence, CopyPair, Finding, NotRun, Rule, TableEvidence
from dataaudit.scanners.copy_groups import NOT_SEARCHED, closest, closest_first, copy_groups, sentence
from dataaudit.statistics.offline import offline, policy
from dataaudit.wording import counted, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, Measurements, Policy, Relation
    from dataaudit.statistics.offline import Pile

__all__ = ["RULES", "scan"]

EXACT: Final = Rule(
    "DUP301",
    "exact-copies",
    "info",
    "The same picture is in one split more than once, byte for byte or pixel for pixel",
    "In train it counts that often in the loss; in validation it counts that often in the score, "
    "which then looks surer than it is.",
    "Keep one. `dataaudit split` keeps exact copies of train once; class weights are made after that.",
)
NEAR: Final = Rule(
    "DUP302",
    "near-copies",
    "info",
    "Re-encoded, resized or retouched copies of a picture are in one split",
    "They weigh a picture more than others, and a random split would tear them apart.",
    "Nothing while they stay in one split; `dataaudit split` keeps them together.",
)
TRANSFORMED: Final = Rule(
    "DUP303",
    "transformed-copies",
    "info",
    "Mirrored, turned or otherwise transformed copies of a picture are in one split",
    "Augmented copies on disk freeze the augmentation and weigh a picture more than others; in validation they inflate n.",
    "In train, delete them and let random layers augment anew in every epoch; in validation and test, keep the original only.",
)
PROBABLE: Final = Rule(
    "DUP304",
    "probable-copies",
    "info",
    "Pictures in one split look like copies, but it is not proved",
    "If they are copies they weigh one picture more; a random split may tear them apart.",
    "Nothing while they stay in one split; look at them before you split anew.",
)
OFFLINE: Final = Rule(
    "DUP305",
    "offline-augmentation",
    "info",
    "Augmented copies of many pictures are on disk, in one split",
    "Frozen copies teach less than layers that draw anew in every epoch, weigh their pictures more than the others, and leak as "
    "soon as anyone splits the folder at random. In validation and test they inflate n.",
    "`dataaudit split --offline-copies originals` keeps the originals (as they are guessed) and gives the random layers the "
    "estimated ranges; without it the copies stay, together. Or take the message's arguments for Keras yourself.",
)
RULES: Final[tuple[Rule, ...]] = (EXACT, NEAR, TRANSFORMED, PROBABLE, OFFLINE)
MOST_OF_ONE: Final = 0.8
"""Share of the augmented copies in one class from which the class is named: a rare class was filled up."""
RULE_OF: Final[dict[Relation, Rule]] = {"exact": EXACT, "pixel": EXACT, "near": NEAR, "transformed": TRANSFORMED}


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield the copies inside each split."""
    yield from _proved(measurements)
    yield from _probable(measurements)
    if config.transformed:
        yield from _offline(measurements)
        return
    for each in (TRANSFORMED, OFFLINE):
        yield NotRun(each, NOT_SEARCHED)


def _place(code: int) -> str:
    return "in the dataset" if code == NONE else f"in {ROLES[code]}"


def _proved(measurements: Measurements) -> Iterator[Finding]:
    splits, labels = measurements.catalog.split_codes, measurements.catalog.label_codes
    for group in copy_groups(measurements):
        for code in sorted({int(splits[row]) for row in group.rows}):
            rows = tuple(row for row in group.rows if splits[row] == code)
            told = len({int(labels[row]) for row in rows} - {NONE}) > 1  # by LBL
            if len(rows) < 2 or told:  # noqa: PLR2004 - one is no copy
                continue
            example = closest(measurements, group, rows)
            others = [pair for pair in group.pairs if splits[pair.a] == splits[pair.b] == code and pair != example]
            more = f"; {len(rows)} files {_place(code)} show this picture" if len(rows) > 2 else ""  # noqa: PLR2004 - likewise
            message = sentence(measurements, example) + more
            yield Finding(RULE_OF[example.relation], message, rows, CopyEvidence((example, *closest_first(others))))


def _probable(measurements: Measurements) -> Iterator[Finding]:
    component, splits = measurements.copies.component, measurements.catalog.split_codes
    joined: dict[tuple[int, int, int], list[CopyPair]] = defaultdict(list)
    for pair in measurements.copies.pairs:
        first, second = sorted((int(component[pair.a]), int(component[pair.b])))
        if pair.verdict == "probable" and first != second and splits[pair.a] == splits[pair.b]:
            joined[first, second, int(splits[pair.a])].append(pair)
    for (_, _, code), pairs in sorted(joined.items()):
        ordered = closest_first(pairs)
        rows = tuple(sorted({row for pair in pairs for row in (pair.a, pair.b)}))
        message = f"{sentence(measurements, ordered[0])}: probable, not proved; both {_place(code)}"
        yield Finding(PROBABLE, message, rows, CopyEvidence(ordered))


def _offline(measurements: Measurements) -> Iterator[Finding]:
    catalog = measurements.catalog
    for code in sorted({int(code) for code in catalog.split_codes}):
        piles = offline(measurements, catalog.split_codes == code)
        if not piles:
            continue
        found = policy(measurements, piles)
        each = f"{found.copies / found.pictures:.1f}".removesuffix(".0")
        place = "the dataset" if code == NONE else ROLES[code]
        holds = f"{place} holds {counted(found.copies, 'augmented copy', 'augmented copies')}"
        arguments = ", ".join(f"{name}={value}" for name, value in found.arguments().items())
        message = (
            f"{holds} of {counted(found.pictures, 'picture')} ({each} a picture): {found.describe()}{_most_of(catalog, piles)}; "
            f"about ImageDataGenerator({arguments})"
        )
        rows = tuple(sorted({row for pile in piles for row in (pile.original, *pile.copies)}))
        yield Finding(OFFLINE, message, rows, _as_table(found))


def _most_of(catalog: Catalog, piles: tuple[Pile, ...]) -> str:
    """Name the class that most of the copies belong to, where there is one among several."""
    labels = Counter(int(catalog.label_codes[row]) for pile in piles for row in pile.copies)
    (code, n), every = labels.most_common(1)[0], labels.total()
    if code == NONE or len(catalog.classes) == 1 or n < MOST_OF_ONE * every:
        return ""
    return f"; {percent(n / every, 0)} of them are {catalog.classes[code]!r}"


def _as_table(found: Policy) -> TableEvidence:
    low, high = found.zoom_range
    rows = (
        ("pictures", float(found.pictures)),
        ("augmented copies", float(found.copies)),
        ("rotation_range", found.rotation_range),
        ("width_shift_range", found.width_shift_range),
        ("height_shift_range", found.height_shift_range),
        ("shear_range", found.shear_range),
        ("zoom_range, from", low),
        ("zoom_range, to", high),
        ("share flipped left-right", found.horizontal_flip),
        ("share flipped upside down", found.vertical_flip),
        ("share turned by quarters", found.quarter_turns),
    )
    return TableEvidence(("estimate",), tuple((name, (value,)) for name, value in rows))
