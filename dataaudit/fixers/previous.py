"""Go on from an earlier plan: what it placed stays, new copies follow their group, what is new is shared out.

An entry of the earlier ``manifest.csv`` is found again by path and content; then by content, where the file was renamed (of
several such files one of its label first); then by path, where its content was changed. An earlier sample moves only where it
must: a picture of train or val that now turns out to belong with one of test leaves (test is frozen), a unit that straddles
train and val goes where fewer earlier samples move, and what cannot be used any more (unreadable, two labels) is left out.
Samples that the earlier plan left out are judged anew, but never enter test.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataaudit.domain import NONE, ROLES
from dataaudit.fixers.left_out import Links, conflicts, keep_once, repeats, unusable
from dataaudit.fixers.offline import originals_only
from dataaudit.fixers.plan_folder import read
from dataaudit.fixers.remake import allocate
from dataaudit.fixers.repair import Draft, Straddling, balance, by_unit, clear_test_units
from dataaudit.fixers.units import Units
from dataaudit.wording import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.domain import Catalog, Measurements
    from dataaudit.fixers.plan_folder import Row, SavedPlan

__all__ = ["Earlier", "follow", "found_again", "read_previous"]

TRAIN, VAL, TEST = (ROLES.index(role) for role in ("train", "val", "test"))


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """What an earlier plan says of today's rows."""

    codes: NDArray[np.int8]
    """(n,) the split that it placed the sample in; -1: new, or left out."""
    left_out: NDArray[np.bool_]
    """(n,) it knew the file, and left it out."""
    gone: int
    """Samples it placed that are not there any more."""


def read_previous(given: str) -> SavedPlan:
    """Read the earlier plan: its folder, or the ``plan.json`` in it.

    Raises:
        PlanError: if it is none.
    """
    path = Path(given)
    return read(path.parent if path.name == "plan.json" else path)


def found_again(catalog: Catalog, digests: tuple[str, ...], plan: SavedPlan) -> Earlier:
    """Find the samples of an earlier plan among today's.

    Args:
        catalog: today's.
        digests: (n,) SHA-256, hexadecimal; empty for a file that could not be read.
        plan: the earlier one. An entry is found once.
    """
    entries = {row.path: row for row in plan.rows}
    placed = {path: row for path, row in entries.items() if row.split}
    codes, left_out = np.full(len(catalog), NONE, np.int8), np.zeros(len(catalog), bool)
    waiting = []
    for row, (path, digest) in enumerate(zip(catalog.paths, digests, strict=True)):
        entry = entries.get(path)
        same = entry is not None and entry.sha256 == digest
        left_out[row] = entry is not None and same and not entry.split
        if same and path in placed:
            codes[row] = ROLES.index(placed.pop(path).split)
        else:
            waiting.append(row)
    for known_by in (_content_and_label, _content, _path):
        found: dict[object, list[Row]] = defaultdict(list)
        for entry in reversed(placed.values()):
            found[known_by(entry.path, entry.label, entry.sha256)].append(entry)
        still = []
        for row in waiting:
            key = known_by(catalog.paths[row], catalog[row].label or "", digests[row])
            if key is not None and found[key]:
                codes[row] = ROLES.index(placed.pop(found[key].pop().path).split)
            else:
                still.append(row)
        waiting = still
    return Earlier(codes, left_out & (codes == NONE), len(placed))


def _content_and_label(_path: str, label: str, digest: str) -> object:
    return (digest, label) if digest else None


def _content(_path: str, _label: str, digest: str) -> object:
    return digest or None


def _path(path: str, _label: str, _digest: str) -> object:
    return path


def follow(
    measurements: Measurements,
    config: Config,
    plan: SavedPlan,
    earlier: Earlier,
    unit_of_row: NDArray[np.int64],
    twin: NDArray[np.int64],
    keys: NDArray[np.uint64],
) -> Draft:
    """Return the splits of an earlier plan, gone on with.

    Args:
        measurements: today's; a new sample whose unit the plan does not know keeps the split that its folder names.
        config: thresholds and the seed.
        plan: the earlier one, for its ratios.
        earlier: as :func:`found_again` gives it.
        unit_of_row: (n,) as ``units.join`` gives it.
        twin: (n,) as ``units.twins`` gives it.
        keys: (n,) as ``units.row_keys`` gives them.
    """
    catalog, folder = measurements.catalog, measurements.catalog.split_codes
    known = np.isin(unit_of_row, unit_of_row[earlier.codes != NONE])
    unlabelled = catalog.label_codes == NONE  # in test only, whatever it belongs with
    by_folder = (earlier.codes == NONE) & ~earlier.left_out & (~known | (unlabelled & (folder == TEST)))
    draft = Draft(np.where(by_folder, folder, earlier.codes).astype(np.int8))
    draft.leave_out(dict.fromkeys(np.flatnonzero(unlabelled & earlier.left_out).tolist(), "unlabelled, and left out before"))
    standing = np.where(earlier.codes == NONE, folder, earlier.codes).astype(np.int8)
    now = replace(measurements, catalog=replace(catalog, split_codes=standing))
    bad = unusable(now) | {row: reason for row, reason in conflicts(now).items() if earlier.codes[row] != TEST}
    draft.leave_out(bad)
    links = Links(measurements)
    clear_test_units(draft, unit_of_row, links)
    draft.leave_out(keep_once(np.flatnonzero(draft.codes == TRAIN), twin, keys, catalog))
    Straddling(now, draft, unit_of_row, twin, keys).settle(links)
    _join_their_group(draft, measurements, earlier, unit_of_row, twin, links)
    _share_out(draft, measurements, plan, earlier, unit_of_row, twin, keys)
    if config.offline_copies == "originals":
        draft.leave_out(originals_only(measurements, (draft.codes == TRAIN) | (draft.codes == VAL)))
    before = replace(measurements, catalog=replace(catalog, split_codes=earlier.codes))
    balance(draft, before, config, unit_of_row, twin, keys, movable=~known)
    for row in np.flatnonzero((draft.codes != NONE) & ((earlier.codes == NONE) | (earlier.codes == draft.codes))):
        draft.reasons.pop(int(row), None)
    if earlier.gone:
        images = counted(earlier.gone, "image")
        draft.impossible.append(f"{images} that the earlier plan placed cannot stay: neither path nor content is there any more.")
    return draft


def _join_their_group(
    draft: Draft,
    measurements: Measurements,
    earlier: Earlier,
    unit_of_row: NDArray[np.int64],
    twin: NDArray[np.int64],
    links: Links,
) -> None:
    """Place what is new, and belongs with something that is placed, beside it; what shows exactly the same is left out.

    Also where the new one has a declared group and the placed one has none: what is placed stays.
    """
    catalog = measurements.catalog
    placed = np.flatnonzero(draft.codes != NONE)
    home = np.full(len(catalog), NONE, np.int8)
    home[unit_of_row[placed]] = draft.codes[placed]
    shown = dict(zip(twin[placed][::-1].tolist(), placed[::-1].tolist(), strict=True))
    members = by_unit(placed, unit_of_row)
    for row in _waiting(draft, earlier).tolist():
        unit, target = int(unit_of_row[row]), int(home[unit_of_row[row]])
        if target == NONE:
            continue
        double = shown.setdefault(int(twin[row]), row)
        if double != row:
            draft.leave_out({row: repeats(catalog.paths[double])})
        elif target == TEST and (earlier.left_out[row] or catalog.split_codes[row] in {TRAIN, VAL}):
            draft.leave_out({row: f"{links.describe(row, members[unit])}, in test"})
            del shown[int(twin[row])]
        else:
            draft.codes[row] = target


def _share_out(
    draft: Draft,
    measurements: Measurements,
    plan: SavedPlan,
    earlier: Earlier,
    unit_of_row: NDArray[np.int64],
    twin: NDArray[np.int64],
    keys: NDArray[np.uint64],
) -> None:
    """Share out what belongs with nothing that is placed, so that the parts come back to the sizes they should have."""
    catalog = measurements.catalog
    rows = _waiting(draft, earlier)
    draft.leave_out(keep_once(rows, twin, keys, catalog))
    held = np.bincount(draft.codes[draft.codes != NONE], minlength=len(ROLES)).astype(float)
    ratios = np.array(plan.ratios or (held / max(held.sum(), 1.0) if held.sum() else (1.0, 0.0, 0.0)))
    known = np.unique(catalog.label_codes[(draft.codes != NONE) & (catalog.label_codes != NONE)])
    for fresh in (True, False):  # of a class that is new, every part is to have some
        rows = _waiting(draft, earlier)
        mine = np.zeros(len(catalog), bool)
        mine[rows] = ~np.isin(unit_of_row[rows], unit_of_row[rows[np.isin(catalog.label_codes[rows], known)]]) | (not fresh)
        mine[rows[earlier.left_out[rows]]] &= not fresh
        units = Units.of(catalog, unit_of_row, keys, mine)
        if not len(units):
            continue
        returning = np.isin(unit_of_row, unit_of_row[mine & earlier.left_out])
        held = np.bincount(draft.codes[draft.codes != NONE], minlength=len(ROLES)).astype(float)
        wanted = ratios if fresh else np.maximum(ratios * (held.sum() + mine.sum()) - held, 0.0)
        shares = wanted / wanted.sum() if wanted.sum() else ratios
        parts = allocate(units, shares.tolist(), cover=fresh)
        parts[(parts == TEST) & returning[units.rows[units.starts[:-1]]]] = TRAIN
        draft.codes[units.rows] = np.repeat(parts, units.sizes)


def _waiting(draft: Draft, earlier: Earlier) -> NDArray[np.int64]:
    """Return the rows that the earlier plan did not place, and that have neither a place nor a reason yet."""
    rows = np.flatnonzero((draft.codes == NONE) & (earlier.codes == NONE))
    return np.array([row for row in rows.tolist() if row not in draft.reasons], np.int64)
