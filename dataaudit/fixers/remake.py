"""New splits: stratified by class, units whole, and stable when files are added.

Units of several samples go first, the largest first: each to the part its own key draws, as long as that part still
wants its classes, else to the part where it hurts the class shares least. Single samples then fill each class's quotas
exactly, by the rank of their key. A file's key never changes, so adding 1 % of files moves only those near a boundary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dataaudit.fixers.polish import polish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataaudit.fixers.units import Units

__all__ = ["allocate", "give_absent", "quotas"]


def allocate(units: Units, shares: Sequence[float], *, cover: bool = True) -> NDArray[np.int8]:
    """Place every unit in one of the parts.

    Args:
        units: what to place.
        shares: wanted share of each part, summing to 1; a part of share 0 gets nothing.
        cover: give every class to every part where it has as many units as there are parts (splits want it; folds of
            a small class cannot have it).

    Returns:
        (u,) part of each unit.
    """
    wanted = np.asarray(shares, float)
    targets = quotas(units, wanted, cover=cover)
    parts = np.full(len(units), -1, np.int8)
    current = _place_large(units, parts, wanted)
    _place_singles(units, parts, targets - current)
    parts = polish(units, parts, wanted)
    active = tuple(int(part) for part in np.flatnonzero(wanted > 0))
    return give_absent(units, parts, active) if cover else parts


def quotas(units: Units, shares: NDArray[np.float64], *, cover: bool) -> NDArray[np.int64]:
    """Return the samples wanted per part and class rank, shape (parts, k), by largest remainder.

    The rounding errors of the classes before it are carried into each class's remainders, so that the totals of the
    parts come out right, too (with 100 classes of 10, rounding 1.5 up for val every time would give val twice test's size).
    """
    totals = np.bincount(units.ranks, units.counts, len(units.classes)).astype(np.int64)
    unit_counts = np.bincount(units.ranks, minlength=len(units.classes))
    active = np.flatnonzero(shares > 0)
    table = np.zeros((len(shares), len(totals)), np.int64)
    debt = np.zeros(len(shares))
    for rank, total in enumerate(totals):
        exact = shares * total
        quota = np.floor(exact + 1e-9).astype(np.int64)
        urgency = np.where(shares > 0, exact - quota + debt, -np.inf)
        for _ in range(int(total - quota.sum())):
            part = int(np.argmax(urgency))
            quota[part] += 1
            urgency[part] -= 1
        if cover:
            least = np.isin(np.arange(len(shares)), active[: int(unit_counts[rank])])
            for lacking in np.flatnonzero(least & (quota == 0)):
                quota[int(np.argmax(quota - least))] -= 1
                quota[lacking] = 1
        debt += exact - quota
        table[:, rank] = quota
    return table


def give_absent(
    units: Units, parts: NDArray[np.int8], active: Sequence[int], movable: NDArray[np.bool_] | None = None
) -> NDArray[np.int8]:
    """Give a class to each active part that lacks it, where another part can spare a unit of it.

    The part with the most units of the class gives its smallest one, and never its last unit of any class. A function
    of the state alone: what it has given, it does not give again.

    Returns:
        (u,) the parts, changed where a unit was given.
    """
    parts = parts.copy()
    present = units.presence(parts, max(active, default=0) + 1)
    by_class = np.argsort(units.ranks, kind="stable")
    class_starts = np.searchsorted(units.ranks[by_class], np.arange(len(units.classes) + 1))
    sizes = units.sizes
    for rank in np.flatnonzero((present[list(active)] == 0).any(0)):
        owners = units.owners[by_class[class_starts[rank] : class_starts[rank + 1]]]
        for part in active:
            if present[part, rank]:
                continue
            donors = [
                (-int(present[parts[unit], rank]), int(sizes[unit]), int(unit))
                for unit in owners
                if parts[unit] >= 0 and (movable is None or movable[unit]) and _can_spare(units, present[parts[unit]], int(unit))
            ]
            if not donors:
                continue
            unit = min(donors)[2]
            entries = units.ranks[units.entry_starts[unit] : units.entry_starts[unit + 1]]
            present[parts[unit], entries] -= 1
            present[part, entries] += 1
            parts[unit] = part
    return parts


def _can_spare(units: Units, present: NDArray[np.int64], unit: int) -> bool:
    entries = units.ranks[units.entry_starts[unit] : units.entry_starts[unit + 1]]
    return bool((present[entries] > 1).all())


def _place_large(units: Units, parts: NDArray[np.int8], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Place the units of several samples in ``parts``; return samples per part and class rank.

    Each goes to the part its key draws if that lowers Σ (placed − wanted)² / wanted over the classes it holds, else where
    that sum rises least. The draw depends on nothing but the unit, so that few units move when others come.
    """
    current = np.zeros((len(shares), len(units.classes)), np.int64)
    totals = np.bincount(units.ranks, units.counts, len(units.classes))
    wanted = shares[:, None] * totals
    sizes = units.sizes
    large = np.flatnonzero(sizes > 1)
    closed = shares <= 0
    drawn = np.searchsorted(np.cumsum(shares), _uniform(units.keys), side="right").clip(max=int(np.flatnonzero(~closed)[-1]))
    for unit in large[np.argsort(-sizes[large], kind="stable")]:
        entries = slice(units.entry_starts[unit], units.entry_starts[unit + 1])
        ranks, counts = units.ranks[entries], units.counts[entries]
        target = np.where(closed[:, None], 1.0, wanted[:, ranks])
        cost = (counts * (2 * (current[:, ranks] - target) + counts) / target).sum(1)
        cost[closed] = np.inf
        part = int(drawn[unit]) if cost[drawn[unit]] <= 0 else int(np.argmin(cost))
        parts[unit] = part
        current[part, ranks] += counts
    return current


def _uniform(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return a draw from [0, 1) for each unit's key: a smallest key is a small number, so it is mixed once more.

    The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    """
    mixed = keys ^ (keys >> np.uint64(30))
    mixed = mixed * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    draws: NDArray[np.float64] = mixed / 2.0**64
    return draws


def _place_singles(units: Units, parts: NDArray[np.int8], deficits: NDArray[np.int64]) -> None:
    """Fill the deficits of each class with its single samples, by rank of key; the last parts come first in rank."""
    singles = np.flatnonzero(units.sizes == 1)
    ranks = units.ranks[units.entry_starts[singles]]
    order = np.argsort(ranks, kind="stable")
    starts = np.searchsorted(ranks[order], np.arange(len(units.classes) + 1))
    labels = np.arange(len(deficits), dtype=np.int8)[::-1]
    for rank in range(len(units.classes)):
        members = singles[order[starts[rank] : starts[rank + 1]]]
        shares = _fill(deficits[:, rank], len(members))
        parts[members] = np.repeat(labels, shares[::-1])


def _fill(deficit: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Divide ``count`` samples in proportion to the positive deficits, by largest remainder; exact where none is negative."""
    positive = np.maximum(deficit, 0)
    if not positive.sum():
        positive = np.ones_like(deficit)
    exact = positive * (count / positive.sum())
    share: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    share[np.argsort(share - exact, kind="stable")[: int(count - share.sum())]] += 1
    return share
