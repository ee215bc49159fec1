"""A plan in words, for the terminal: what moves and why, what could not be done, weights and augmentation."""

from __future__ import annotations

from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.domain import NONE, ROLES

if TYPE_CHECKING:
    from dataaudit.domain import Plan, SplitPlan


def render(plan: Plan, *, width: int = 100) -> str:
    """Return the plan as text, a newline at its end; the first line is what it does."""
    from rich.console import Console  # noqa: PLC0415 - only where text is rendered

    console = Console(file=StringIO(), width=width, markup=False, emoji=False, highlight=False, force_terminal=False)
    console.print(sentence(plan.split))
    console.print()
    _counts(console, plan)
    for reason, number in Counter(_kind(reason) for reason in plan.split.reasons if reason).most_common():
        console.print(f"  {number:>6,}  {reason}")
    for impossible in plan.split.impossible:
        console.print(f"  not possible: {impossible}")
    layers = ", ".join(layer.layer for layer in plan.augmentation.layers)
    console.print(f"\nclass weights ({plan.class_weights.method}): {_weights(plan)}")
    console.print(f"augmentation, train only, at {'×'.join(map(str, plan.augmentation.image_size))}: {layers or 'none'}")
    file = console.file
    assert isinstance(file, StringIO)  # noqa: S101 - as made above
    return file.getvalue()


def sentence(plan: SplitPlan) -> str:
    """Return what a split plan does, in one sentence."""
    previous, planned = plan.catalog.split_codes, plan.split_codes
    kept = planned != NONE
    moved = int((kept & (previous != NONE) & (previous != planned)).sum())
    left_out = int((~kept).sum())
    sizes = ", ".join(f"{role} {int((planned == code).sum()):,}" for code, role in enumerate(ROLES))
    how = f"{moved:,} of {len(planned):,} samples move" if plan.mode == "repair" else f"{int(kept.sum()):,} samples placed"
    return f"SPLIT PLANNED ({plan.mode}, seed {plan.seed}): {how}, {left_out:,} left out; {sizes}. No copy group is torn."


def _counts(console: object, plan: Plan) -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    assert isinstance(console, Console)  # noqa: S101 - rich is imported late
    catalog = plan.split.catalog
    table = Table("class", *(f"{role} before → after" for role in ROLES), "left out", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for code, name in enumerate(catalog.classes):
        mine = catalog.label_codes == code
        cells = [
            f"{int((mine & (catalog.split_codes == role)).sum()):,} → {int((mine & (plan.split.split_codes == role)).sum()):,}"
            for role in range(len(ROLES))
        ]
        table.add_row(name, *cells, f"{int((mine & (plan.split.split_codes == NONE)).sum()):,}")
    console.print(table)


def _kind(reason: str) -> str:
    """A reason without the file it names, so that reasons can be counted."""
    return reason.split(":", 1)[0]


def _weights(plan: Plan) -> str:
    pairs = zip(plan.class_weights.class_names, plan.class_weights.weights, strict=True)
    return ", ".join(f"{name} {np.format_float_positional(weight, 3)}" for name, weight in pairs)
