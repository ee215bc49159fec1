"""Bring val's class shares back to train's by exchanging the fewest whole units.

A hill climb on one number, the total variation between the class shares of val and train. It and every condition are
functions of the present state alone: where the climb stops, a second one starts, and finds nothing to do. So a
repaired dataset needs no second repair.

With v the samples of each class in val, P those in train and val together, V = Σ v and N = Σ P, the total variation is
Σ |v·N − P·V| / (2·V·(N − V)); the sum is kept in whole numbers.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import ROLES
from dataaudit.statistics.clustered_shares import compared

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray

    from dataaudit.config import Config
    from dataaudit.fixers.units import Counted, Units
    from dataaudit.statistics.clustered_shares import Compared

__all__ = ["restore", "shares", "unit_kinds", "val_differs"]

TRAIN, VAL, TEST = (ROLES.index(role) for role in ("train", "val", "test"))
BINS: Final = 40
"""Val's share of train and val together stays inside its bin of 1/40 where units of equal size cannot be exchanged."""
CANDIDATES: Final = 6
"""Kinds of unit looked at on each side of an exchange."""


def shares(
    counted: Counted, codes: NDArray[np.int8], config: Config, wanted: Collection[int] = (VAL, TEST)
) -> dict[int, Compared]:
    """Return how class shares of val and test compare with train's, by STR601's criterion; of a split without samples nothing.

    Args:
        counted: the samples that it counts.
        codes: (n,) planned split codes; -1 is left out.
        config: for ``alpha``, ``share_difference`` and ``seed``.
        wanted: what is asked about: of the others whole groups may not be asked.
    """
    return compared(
        counted.labels,
        codes[counted.rows],
        counted.units,
        others=(VAL, TEST),
        classes=counted.classes,
        alpha=config.alpha,
        least=config.share_difference,
        seed=config.seed,
        wanted=wanted,
    )


def val_differs(counted: Counted, codes: NDArray[np.int8], config: Config) -> bool:
    """Return whether STR601 would warn of val's class shares, once to the new splits the same groups are declared."""
    found = shares(counted, codes, config, (VAL,)).get(VAL)
    return found is not None and found.difference is not None


def restore(
    units: Units,
    parts: NDArray[np.int8],
    movable: NDArray[np.bool_],
    differs: Callable[[NDArray[np.int8]], bool],
    config: Config,
) -> NDArray[np.int8]:
    """Exchange the fewest units between train (0) and val (1) after which val's class shares no longer differ from train's.

    Args:
        units: the units of train and val, copies counted once.
        parts: (u,) 0 or 1 each.
        movable: (u,) units that may move.
        differs: given such parts, whether STR601 would warn of val.
        config: for ``share_difference``.

    Returns:
        (u,) the new parts; as near as units allow where the shares still differ.
    """
    if not differs(parts):
        return parts
    climb = _Climb(units, parts, movable)
    while climb.total_variation() > config.share_difference and climb.step():
        pass
    # The p value is not looked at on the way up (it may cost a simulation): search the path for where it first sufficed.
    few, many = 0, len(climb.path)
    while few < many:
        middle = (few + many) // 2
        if differs(_walked(parts, climb.path[:middle])):
            few = middle + 1
        else:
            many = middle
    return _walked(parts, climb.path[:few])


def _walked(parts: NDArray[np.int8], path: Iterable[tuple[int, ...]]) -> NDArray[np.int8]:
    parts = parts.copy()
    for exchange in path:
        for unit in exchange:
            parts[unit] = VAL if parts[unit] == TRAIN else TRAIN
    return parts


class _Climb:
    """The state of a climb: counts, and a heap of units for each side and kind (kind: samples per class)."""

    def __init__(self, units: Units, parts: NDArray[np.int8], movable: NDArray[np.bool_]) -> None:
        self.path: list[tuple[int, ...]] = []
        kind_of, self.kinds = unit_kinds(units)
        self.sizes = np.array([sum(count for _, count in kind) for kind in self.kinds], np.int64)
        self.starts = np.cumsum([0] + [len(kind) for kind in self.kinds])[:-1]
        self.ranks = np.array([rank for kind in self.kinds for rank, _ in kind], np.int64)
        self.counts = np.array([count for kind in self.kinds for _, count in kind], np.int64)
        self.pool = units.table(np.zeros(len(units), np.int8), 1)[0]
        self.val = units.table(parts, 2)[VAL]
        self.present = units.presence(parts, 2)
        self.heaps: list[list[list[int]]] = [[[] for _ in self.kinds] for _ in (TRAIN, VAL)]
        for unit in np.flatnonzero(movable):
            self.heaps[parts[unit]][kind_of[unit]].append(int(unit))
        for heap in (heap for side in self.heaps for heap in side):
            heapify(heap)
        self.free = np.array([[len(heap) for heap in side] for side in self.heaps], np.int64)
        self.by_size = [np.flatnonzero(self.sizes == size) for size in np.unique(self.sizes)]

    def total_variation(self, val: NDArray[np.int64] | None = None) -> float:
        """Return the total variation between val's class shares and train's; infinite where one would be empty."""
        val = self.val if val is None else val
        samples, held = int(self.pool.sum()), int(val.sum())
        if not 0 < held < samples:
            return float("inf")
        return int(np.abs(val * samples - self.pool * held).sum()) / (2 * held * (samples - held))

    def step(self) -> bool:
        """Make the exchange that gains most for each sample moved; return whether there was one."""
        leaving, entering = self._gains()
        exchange = self._equal(leaving, entering) or self._unequal(leaving, entering)
        if exchange is None:
            return False
        out, into = exchange
        for _ in range(self._repeats(out, into)):
            moved = tuple(self._move(side, kind) for side, kind in ((VAL, out), (TRAIN, into)) if kind is not None)
            self.path.append(moved)
        return True

    def _gains(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the change of Σ |v·N − P·V|, V held, as a unit of each kind leaves or enters val; infinite where none may."""
        samples, held = int(self.pool.sum()), int(self.val.sum())
        excess = (self.val * samples - self.pool * held)[self.ranks]
        gains = []
        for side, sign in ((VAL, -1), (TRAIN, 1)):
            change = np.abs(excess + sign * self.counts * samples) - np.abs(excess)
            last = self.present[side][self.ranks] <= 1
            blocked = np.logical_or.reduceat(last, self.starts) | (self.free[side] == 0)
            gains.append(np.where(blocked, np.inf, np.add.reduceat(change, self.starts)))
        return gains[0], gains[1]

    def _equal(self, leaving: NDArray[np.float64], entering: NDArray[np.float64]) -> tuple[int, int] | None:
        """Return the best exchange of two units of one size: val keeps its size."""
        before, best, exchange = self.total_variation(), 0.0, None
        for kinds in self.by_size:
            for out in _best(leaving, kinds):
                for into in _best(entering, kinds):
                    gain = (before - self.total_variation(self._after(out, into))) / int(self.sizes[out])
                    if gain > best + 1e-12:
                        best, exchange = gain, (out, into)
        return exchange

    def _unequal(self, leaving: NDArray[np.float64], entering: NDArray[np.float64]) -> tuple[int | None, int | None] | None:
        """Return the best single move, or exchange of units of two sizes, that keeps val's share inside its bin."""
        samples, before = int(self.pool.sum()), self.total_variation()
        home = int(self.val.sum()) * BINS // samples
        every = np.arange(len(self.kinds))
        best, exchange = 0.0, None
        for out in [None, *_best(leaving / self.sizes, every)]:
            for into in [None, *_best(entering / self.sizes, every)]:
                after = self._after(out, into)
                moved = sum(int(self.sizes[kind]) for kind in (out, into) if kind is not None)
                if not moved or int(after.sum()) * BINS // samples != home:
                    continue
                gain = (before - self.total_variation(after)) / moved
                if gain > best + 1e-12:
                    best, exchange = gain, (out, into)
        return exchange

    def _after(self, out: int | None, into: int | None) -> NDArray[np.int64]:
        val: NDArray[np.int64] = self.val.copy()
        for kind, sign in ((out, -1), (into, 1)):
            for rank, count in self.kinds[kind] if kind is not None else ():
                val[rank] += sign * count
        return val

    def _repeats(self, out: int | None, into: int | None) -> int:
        """Return how often to repeat an exchange at once: half the way of two kinds of one class each, so that steps are few."""
        if out is None or into is None or len(self.kinds[out]) + len(self.kinds[into]) > 2 or self.sizes[out] != self.sizes[into]:  # noqa: PLR2004 - one class each
            return 1
        (leaver, _), (comer, _) = self.kinds[out][0], self.kinds[into][0]
        samples, held = int(self.pool.sum()), int(self.val.sum())
        room = min(abs(int(self.val[rank]) * samples - int(self.pool[rank]) * held) for rank in (leaver, comer))
        spare = min(self.free[VAL][out], self.free[TRAIN][into], self.present[VAL][leaver] - 1, self.present[TRAIN][comer] - 1)
        return max(1, min(int(spare), room // (2 * samples * int(self.sizes[out]))))

    def _move(self, side: int, kind: int) -> int:
        """Move the unit of the kind with the smallest key to the other side; return it."""
        other = TRAIN if side == VAL else VAL
        unit = heappop(self.heaps[side][kind])
        heappush(self.heaps[other][kind], unit)
        self.free[side, kind] -= 1
        self.free[other, kind] += 1
        for rank, count in self.kinds[kind]:
            self.val[rank] += -count if side == VAL else count
            self.present[side, rank] -= 1
            self.present[other, rank] += 1
        return unit


def _best(gains: NDArray[np.float64], kinds: NDArray[np.int64]) -> list[int]:
    order = kinds[np.argsort(gains[kinds], kind="stable")[:CANDIDATES]].tolist()
    return [kind for kind in order if np.isfinite(gains[kind])]


def unit_kinds(units: Units) -> tuple[NDArray[np.int64], list[tuple[tuple[int, int], ...]]]:
    """Return the kind of each unit, and the (class rank, samples) entries of each kind, in sorted order."""
    entries = list(zip(units.ranks.tolist(), units.counts.tolist(), strict=True))
    bounds = units.entry_starts.tolist()
    of_unit = [tuple(entries[start:end]) for start, end in pairwise(bounds)]
    kinds = sorted(set(of_unit))
    index = {kind: position for position, kind in enumerate(kinds)}
    return np.array([index[kind] for kind in of_unit], np.int64), kinds
