"""Augmented copies on disk: leave them out for their originals, and make of their policy the arguments of Keras's layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import NONE, ROLES, AugmentationLayer, Policy
from dataaudit.statistics.offline import offline, policy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.domain import Measurements, SplitPlan

    Found = AugmentationLayer | tuple[str, str]
    """A layer, or the name of one that is left out and why."""

__all__ = ["estimated", "is_augmented_copy", "originals_only", "taken_into_account"]

SHARE: Final = 0.1
"""Share of train pictures that are augmented copies from which their policy is taken as already applied."""
_REASON: Final = "augmented copy of "


def originals_only(measurements: Measurements, rows: NDArray[np.bool_]) -> dict[int, str]:
    """Return the augmented copies among ``rows``, (n,), each with the reason to leave it out: its original is kept."""
    paths = measurements.catalog.paths
    return {row: f"{_REASON}{paths[pile.original]}, which is kept" for pile in offline(measurements, rows) for row in pile.copies}


def is_augmented_copy(reason: str) -> bool:
    """Return whether a row was left out for the reason that :func:`originals_only` gives."""
    return reason.startswith(_REASON)


def estimated(measurements: Measurements, split: SplitPlan) -> Policy | None:
    """Return the policy of the augmented copies in the planned train split, those counted that were left out of it."""
    left_out = np.array([is_augmented_copy(reason) for reason in split.reasons], bool)
    piles = offline(measurements, (split.split_codes == ROLES.index("train")) | (left_out & (split.split_codes == NONE)))
    return policy(measurements, piles) if piles else None


def taken_into_account(found: Found, offline: Policy | None, *, kept: bool, train: int) -> Found:
    """Return a layer as the augmented copies on disk ask for it.

    Where the copies stay, what they show already is not applied once more; where they are left out, the layer draws anew from the
    ranges estimated from them.
    """
    if offline is None or not isinstance(found, AugmentationLayer):
        return found
    arguments = _arguments(found.layer, offline)
    if arguments is None or (kept and offline.copies < SHARE * train):
        return found
    told = f"{offline.copies} augmented copies of {offline.pictures} pictures ({offline.describe()})"
    if kept:
        name = "RandomFlip(horizontal)" if found.layer == "RandomFlip" else found.layer
        return name, f"train holds {told} already; --offline-copies originals leaves them out and draws anew in every epoch"
    fill = tuple(pair for pair in found.arguments if pair[0] == "fill_mode")
    return AugmentationLayer(found.layer, (*arguments, *fill), f"estimated from {told}, which are left out")


def _arguments(layer: str, offline: Policy) -> tuple[tuple[str, str | float | tuple[float, ...]], ...] | None:
    low, high = offline.zoom_range
    shift = offline.height_shift_range, offline.width_shift_range
    if layer == "RandomFlip" and (offline.horizontal_flip or offline.vertical_flip):
        modes = [name for name, share in (("horizontal", offline.horizontal_flip), ("vertical", offline.vertical_flip)) if share]
        return (("mode", "_and_".join(modes)),)
    if layer == "RandomRotation" and offline.rotation_range:
        return (("factor", round(offline.rotation_range / 360.0, 3)),)
    if layer == "RandomTranslation" and max(shift):
        return (("height_factor", shift[0]), ("width_factor", shift[1]))
    if layer == "RandomZoom" and (low, high) != (1.0, 1.0):
        return (("height_factor", (round(low - 1.0, 2), round(high - 1.0, 2))),)
    return None
