"""The split plan: repair what exists, or make new splits; then folds, reasons, and what the groups made impossible."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.catalog.declared_groups import INFERRED
from dataaudit.domain import NONE, ROLES, SplitPlan
from dataaudit.errors import PlanError
from dataaudit.fixers.left_out import Links, conflicts, is_utf8, keep_once, unusable
from dataaudit.fixers.offline import is_augmented_copy, originals_only
from dataaudit.fixers.previous import follow, found_again, read_previous
from dataaudit.fixers.remake import allocate
from dataaudit.fixers.repair import Draft, by_unit, repair
from dataaudit.fixers.stratify import shares
from dataaudit.fixers.units import Counted, Units, join, row_keys, twins
from dataaudit.wording import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Measurements

__all__ = ["DEFAULT_RATIOS", "make_split"]

DEFAULT_RATIOS: Final = (0.7, 0.15, 0.15)
TRAIN, VAL, TEST = (ROLES.index(role) for role in ("train", "val", "test"))
SIZE_TOLERANCE: Final = 0.02
"""Difference between a split's share and the wanted one from which the plan says why."""


def make_split(measurements: Measurements, config: Config) -> SplitPlan:
    """Return where every sample goes.

    ``config.previous`` goes on from an earlier plan. Otherwise existing splits are repaired, but ``config.ratios``,
    ``config.remake``, or a dataset without splits make new ones (70/15/15 where no ratios are given). No copy group and no
    declared group is torn, in splits and in folds.

    Raises:
        PlanError: if there are fewer units than folds, no sample can be placed, or the earlier plan cannot be read.
    """
    catalog = measurements.catalog
    remade = config.previous is None and (config.ratios is not None or config.remake or not catalog.splits)
    ratios = (config.ratios or DEFAULT_RATIOS) if remade else None
    unit_of_row, twin, keys = (
        join(measurements, inferred=config.group_by == INFERRED),
        twins(measurements),
        row_keys(measurements.features, config.seed),
    )
    digests = tuple(measurements.features.hex_digests())
    plan = None if config.previous is None else read_previous(config.previous)
    if plan is not None:
        earlier = found_again(catalog, digests, plan)
        draft = follow(measurements, config, plan, earlier, unit_of_row, twin, keys)
        catalog = replace(catalog, split_codes=earlier.codes)
    elif ratios is None:
        draft = repair(measurements, config, unit_of_row, twin, keys)
    else:
        draft = _remake(measurements, config, ratios, unit_of_row, twin, keys)
    if not ((draft.codes != NONE) & (catalog.label_codes != NONE)).any():
        reason = next(iter(draft.reasons.values()), "there are none")
        message = (
            f"No sample of {catalog.root} can be placed: all {len(catalog)} are left out (the first: {reason}). "
            "Expected readable, labelled images; run `dataaudit scan` for what is wrong with them."
        )
        raise PlanError(message)
    folds = _folds(measurements, config, draft, unit_of_row, keys)
    _tell(draft, measurements, config, ratios, twin, keys)
    return SplitPlan(
        catalog=catalog,
        seed=config.seed,
        ratios=ratios if plan is None else plan.ratios,
        mode="follow" if plan is not None else "repair" if ratios is None else "remake",
        split_codes=draft.codes,
        fold_codes=folds,
        units=unit_of_row,
        reasons=tuple(draft.reasons.get(row, "") for row in range(len(catalog))),
        digests=digests,
        impossible=tuple(draft.impossible),
        fingerprint=measurements.fingerprint(),
    )


def _remake(
    measurements: Measurements,
    config: Config,
    ratios: tuple[float, float, float],
    unit_of_row: NDArray[np.int64],
    twin: NDArray[np.int64],
    keys: NDArray[np.uint64],
) -> Draft:
    catalog = measurements.catalog
    draft = Draft(np.full(len(catalog), TRAIN, np.int8))
    draft.leave_out(conflicts(measurements) | unusable(measurements))
    links = Links(measurements)
    unlabelled = np.flatnonzero((draft.codes != NONE) & (catalog.label_codes == NONE))
    draft.codes[unlabelled] = TEST
    members = by_unit(unlabelled, unit_of_row)
    labelled = np.flatnonzero((draft.codes != NONE) & (catalog.label_codes != NONE))
    bound = labelled[np.isin(unit_of_row[labelled], unit_of_row[unlabelled])]
    draft.leave_out(
        {int(row): f"{links.describe(int(row), members[int(unit_of_row[row])])}, unlabelled and in test" for row in bound}
    )
    free = labelled[draft.codes[labelled] != NONE]
    draft.leave_out(keep_once(free, twin, keys, catalog))
    kept = (draft.codes != NONE) & (catalog.label_codes != NONE)
    if config.offline_copies == "originals":
        draft.leave_out(originals_only(measurements, kept))
        kept &= draft.codes != NONE
    units = Units.of(catalog, unit_of_row, keys, kept)
    parts = allocate(units, ratios)
    draft.codes[kept] = units.spread(parts, len(catalog))[kept]
    words = f"new split, {'/'.join(f'{100 * ratio:g}' for ratio in ratios)}"
    for row in np.flatnonzero(kept & (catalog.split_codes != NONE) & (catalog.split_codes != draft.codes)):
        draft.reasons[int(row)] = words
    _tell_remade(draft, units, parts, measurements, ratios)
    return draft


def _tell_remade(
    draft: Draft, units: Units, parts: NDArray[np.int8], measurements: Measurements, ratios: tuple[float, float, float]
) -> None:
    """Say which classes could not be in every split, and which splits have not the size asked for."""
    wanted = np.flatnonzero(np.array(ratios) > 0)
    present = units.presence(parts, len(ROLES))
    for rank in np.argsort(units.classes):
        lacking = [ROLES[split] for split in wanted if not present[split, rank]]
        if lacking:
            name, count = measurements.catalog.classes[int(units.classes[rank])], int(present[:, rank].sum())
            why = f"it has {count} unit{'s' if count > 1 else ''} that can be placed"
            draft.impossible.append(
                f"{' and '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} no sample of class {name}: {why}."
            )
    if not len(units):
        return
    sizes = np.bincount(parts, units.sizes, len(ROLES)) / units.sizes.sum()
    largest = int(np.argmax(units.sizes))
    first = measurements.catalog.paths[int(units.rows[units.starts[largest] : units.starts[largest + 1]].min())]
    why = f"units are placed whole, and the largest has {int(units.sizes[largest])} samples ({first} is one)"
    if units.sizes[largest] == 1:
        why = f"{counted(len(units), 'image')} cannot be shared out more evenly"
    for split in wanted[np.abs(sizes[wanted] - np.array(ratios)[wanted]) > SIZE_TOLERANCE]:
        draft.impossible.append(f"{ROLES[split]} holds {100 * sizes[split]:.1f} % instead of {100 * ratios[split]:.1f} %: {why}.")


def _folds(
    measurements: Measurements, config: Config, draft: Draft, unit_of_row: NDArray[np.int64], keys: NDArray[np.uint64]
) -> NDArray[np.int32]:
    """Return stratified folds of the labelled samples outside test, units whole, shape (n,)."""
    catalog = measurements.catalog
    codes = np.full(len(catalog), NONE, np.int32)
    if not config.folds:
        return codes
    units = Units.of(catalog, unit_of_row, keys, (draft.codes == TRAIN) | (draft.codes == VAL))
    if len(units) < config.folds:
        message = f"folds {config.folds}: only {len(units)} units outside test can be placed; ask for fewer folds."
        raise PlanError(message)
    parts = allocate(units, [1 / config.folds] * config.folds, cover=False)
    empty = config.folds - len(np.unique(parts))
    if empty:
        draft.impossible.append(f"{empty} of {config.folds} folds are empty: units are placed whole, and there are {len(units)}.")
    codes[units.rows] = np.repeat(parts, units.sizes)
    return codes


def _tell(
    draft: Draft,
    measurements: Measurements,
    config: Config,
    ratios: tuple[float, float, float] | None,
    twin: NDArray[np.int64],
    keys: NDArray[np.uint64],
) -> None:
    """Say what the split as a whole could not be given."""
    catalog = measurements.catalog
    held = Counted.of(measurements, draft.codes, twin, keys)
    counts = held.table(draft.codes)
    if ratios is None and not counts[VAL].any():
        draft.impossible.append("There is no val split to repair: give --ratios TRAIN,VAL,TEST (or --remake) to make one.")
    if not counts[TRAIN].any():
        draft.impossible.append("Nothing is left in train: give --ratios TRAIN,VAL,TEST (or --remake) to make new splits.")
    if config.offline_copies == "originals" and not any(map(is_augmented_copy, draft.reasons.values())):
        draft.impossible.append("--offline-copies originals: no offline augmentation was found, so nothing is left out for it.")
    found = shares(held, draft.codes, config)
    differing = {split for split, each in found.items() if each.difference is not None}
    if TEST in differing:
        why = "test is frozen" if ratios is None else "units are placed whole"
        draft.impossible.append(f"The class shares of test differ from train's: {why}.")
    if ratios is not None and VAL in differing:
        draft.impossible.append("The class shares of val differ from train's: units are placed whole.")
    by_chance = [ROLES[split] for split, each in found.items() if each.single is not None and split not in differing]
    if by_chance:
        draft.impossible.append(
            f"Picture by picture the class shares of {' and '.join(by_chance)} differ from train's, by whole groups no more than "
            "by chance. When you scan the new splits, declare the groups again."
        )
    for code in np.flatnonzero(counts[TRAIN] == 0) if counts[TRAIN].any() else ():
        draft.impossible.append(
            f"Class {catalog.classes[code]} has no sample in train: its class weight is 1, and no model can learn it."
        )
    nameless = sum(not is_utf8(path) for path in catalog.paths)
    if nameless:
        draft.impossible.append(
            f"{nameless} file{'s' if nameless > 1 else ''} with a name that is not UTF-8: left out, and manifest.csv cannot list "
            f"{'them' if nameless > 1 else 'it'}."
        )
