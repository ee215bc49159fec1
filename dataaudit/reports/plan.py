"""A plan in words, for the terminal: what moves and why, what could not be done, weights and augmentation."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from dataaudit.domain import NONE, ROLES
from dataaudit.reports.names import prose, shown
from dataaudit.reports.terminal import open_console, paragraph, styled, written
from dataaudit.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from dataaudit.domain import ClassWeights, Plan, Policy, SplitPlan

_OF_ONE_FILE: Final = re.compile(
    r"(?P<link>(?:probable )?[\w-]+ copy of|in one copy group with|same group(?= \()|joined through copies and groups to)"
    r" .*, (?P<place>in \w+|which is kept|unlabelled and in test)",
    re.DOTALL,
)
"""A reason that names the file it is about."""


def render(plan: Plan, *, width: int | None = None) -> str:
    """Return the plan as text, a newline at its end; the first line is what it does, and is not wrapped."""
    console = open_console(width)
    console.print(styled(sentence(plan.split)), soft_wrap=True)
    console.print()
    _counts(console, plan.split)
    for reason, number in Counter(kind(reason) for reason in plan.split.reasons if reason).most_common():
        paragraph(console, prose(reason), 2, mark=f"{number:>6,}  ")
    for impossible in plan.split.impossible:
        paragraph(console, prose(impossible), 2, mark="not possible: ")
    console.print()
    weights, augmentation = plan.class_weights, plan.augmentation
    paragraph(console, f"class weights ({weights.method}): {_told(weights)}", 0)
    layers = ", ".join(layer.layer for layer in augmentation.layers) or "none"
    paragraph(console, f"augmentation, train only, at {'×'.join(map(str, augmentation.image_size))}: {layers}", 0)
    if augmentation.offline is not None:
        paragraph(console, _offline(augmentation.offline, augmentation.offline_copies), 0)
    return written(console)


def _offline(offline: Policy, copies: str) -> str:
    stay = "they stay; --offline-copies originals leaves them out" if copies == "keep" else "left out; the layers draw anew"
    held = f"{counted(offline.copies, 'augmented copy', 'augmented copies')} of {counted(offline.pictures, 'picture')}"
    return f"augmented already, on disk: {held} ({offline.describe()}): {stay}"


def sentence(plan: SplitPlan) -> str:
    """Return what a split plan does, in one sentence."""
    previous, planned = plan.catalog.split_codes, plan.split_codes
    kept = planned != NONE
    moved = int((kept & (previous != NONE) & (previous != planned)).sum())
    left_out = int((~kept).sum())
    sizes = ", ".join(f"{role} {int((planned == code).sum()):,}" for code, role in enumerate(ROLES))
    how = counted(len(planned), "image")
    if plan.mode == "repair":
        how = f"{moved:,} of {how} move"
    elif plan.mode == "follow":
        fresh = int((kept & (previous == NONE)).sum())
        how = f"{moved:,} of {counted(int((previous != NONE).sum()), 'earlier image')} move, {fresh:,} placed anew"
    return f"SPLIT PLANNED ({plan.mode}, seed {plan.seed}): {how}, {left_out:,} left out; {sizes}. No copy group is torn."


def kind(reason: str) -> str:
    """Return a reason without the file it names, so that reasons can be counted."""
    found = _OF_ONE_FILE.fullmatch(reason)
    if found is None:
        return reason.split(": ", 1)[0]
    link = "same group as" if found["link"] == "same group" else found["link"]
    return f"{link} a picture {found['place']}"


def _counts(console: Console, plan: SplitPlan) -> None:
    """Print the samples per class and split, before and after where there was a split before."""
    from rich import box  # noqa: PLC0415 - only where text is rendered
    from rich.table import Table  # noqa: PLC0415

    catalog = plan.catalog
    arrow = " before → after" if catalog.splits else ""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=32)
    for name in (*(f"{role}{arrow}" for role in ROLES), "left out"):
        table.add_column(name, justify="right", no_wrap=True)
    for code, name in enumerate(catalog.classes):
        mine = catalog.label_codes == code
        after = [int((mine & (plan.split_codes == role)).sum()) for role in (*range(len(ROLES)), NONE)]
        before = [f"{int((mine & (catalog.split_codes == role)).sum()):,} → " if arrow else "" for role in range(len(ROLES))]
        table.add_row(styled(shown(name)), *(f"{old}{new:,}" for old, new in zip([*before, ""], after, strict=True)))
    console.print(table)
    console.print()


def _told(weights: ClassWeights) -> str:
    pairs = zip(weights.class_names, weights.weights, strict=True)
    return ", ".join(f"{shown(name)} {weight:.3f}" for name, weight in pairs)
