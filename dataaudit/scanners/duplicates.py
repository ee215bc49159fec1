"""DUP: copies that stay on one side. One finding per copy group and split; of unsplit data, per copy group.

Copies that stand under two labels inside a split are not told again here: LBL names every file of them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from dataaudit.domain import NONE, ROLES, CopyEvidence, CopyPair, Finding, NotRun, Rule
from dataaudit.scanners.copy_groups import NOT_SEARCHED, closest, closest_first, copy_groups, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataaudit.config import Config
    from dataaudit.domain import Measurements, Relation

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
RULES: Final[tuple[Rule, ...]] = (EXACT, NEAR, TRANSFORMED, PROBABLE)
RULE_OF: Final[dict[Relation, Rule]] = {"exact": EXACT, "pixel": EXACT, "near": NEAR, "transformed": TRANSFORMED}


def scan(measurements: Measurements, config: Config) -> Iterator[Finding | NotRun]:
    """Yield the copies inside each split."""
    yield from _proved(measurements)
    yield from _probable(measurements)
    if not config.transformed:
        yield NotRun(TRANSFORMED, NOT_SEARCHED)


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
