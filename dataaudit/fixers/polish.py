"""Improve a new split by moving and exchanging whole units, where placing them one by one left it uneven.

Few, large units (119 senders, 40 patients) cannot be placed well one after the other. A hill climb on
Σ (placed − wanted)² / wanted, over parts and classes, that stops as soon as every part is near enough: what is even
already stays, so that a split with many small units does not change when files are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.fixers.stratify import unit_kinds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataaudit.fixers.units import Units

__all__ = ["polish"]

SHARES: Final = 0.02
"""Total variation between a part's class shares and all samples' that is near enough: two parts then differ by 0.04 at most."""
SIZE: Final = 0.01
"""Difference between a part's share of the samples and the wanted one that is near enough."""
CANDIDATES: Final = 12
"""Kinds of unit looked at on each side of an exchange."""
CELLS: Final = 20_000_000
"""Kinds × classes from which nothing is polished: so many units are even without it."""


def polish(units: Units, parts: NDArray[np.int8], shares: NDArray[np.float64]) -> NDArray[np.int8]:
    """Return the parts, (u,), after the moves and exchanges that make them even; unchanged where they are.

    Args:
        units: what was placed.
        parts: (u,) part of each unit.
        shares: (parts,) wanted share of each part, summing to 1.
    """
    of_unit, kinds = unit_kinds(units)
    if not len(units) or len(kinds) * len(units.classes) > CELLS:
        return parts
    return _Polish(units, parts.copy(), shares, of_unit, kinds).run()


class _Polish:
    """Samples per part and class, and the units of every part and kind (kind: samples per class)."""

    def __init__(
        self,
        units: Units,
        parts: NDArray[np.int8],
        shares: NDArray[np.float64],
        of_unit: NDArray[np.int64],
        kinds: list[tuple[tuple[int, int], ...]],
    ) -> None:
        self.parts = parts
        self.active = np.flatnonzero(shares > 0)
        self.held = units.table(parts, len(shares))[self.active].astype(float)
        self.totals = self.held.sum(0)
        self.shares = shares[self.active]
        self.wanted = self.shares[:, None] * self.totals
        self.kinds = np.zeros((len(kinds), len(units.classes)))
        for kind, entries in enumerate(kinds):
            for rank, count in entries:
                self.kinds[kind, rank] = count
        place = {int(part): index for index, part in enumerate(self.active)}
        self.stacks: list[list[list[int]]] = [[[] for _ in kinds] for _ in self.active]
        for unit in range(len(parts) - 1, -1, -1):
            self.stacks[place[int(parts[unit])]][of_unit[unit]].append(unit)
        self.free = np.array([[len(stack) for stack in side] for side in self.stacks], np.int64)

    def run(self) -> NDArray[np.int8]:
        """Climb until every part is near enough, or nothing helps."""
        while not self._even() and self._step():
            pass
        return self.parts

    def _even(self) -> bool:
        sizes = self.held.sum(1)
        apart = np.abs(self.held / np.maximum(sizes, 1)[:, None] - self.totals / self.totals.sum()).sum(1) / 2
        return bool((apart <= SHARES).all() and (np.abs(sizes / self.totals.sum() - self.shares) <= SIZE).all())

    def _step(self) -> bool:
        """Make the best move or exchange; return whether there was one."""
        over, weight = 2 * (self.held - self.wanted) / self.wanted, 1 / self.wanted
        squares = (self.kinds**2) @ weight.T
        linear = self.kinds @ over.T
        entering, leaving = (squares + linear).T, np.where(self.free > 0, (squares - linear).T, np.inf)
        best = -1e-9
        chosen: tuple[int, int, int, int | None] | None = None
        for a in range(len(self.active)):
            for b in range(len(self.active)):
                if a == b:
                    continue
                there = np.round(leaving[a] + entering[b], 9)
                kind = int(np.argmin(there))
                if there[kind] < best:
                    best, chosen = float(there[kind]), (a, b, kind, None)
                if a < b:
                    gain, pair = self._exchange(there, np.round(leaving[b] + entering[a], 9), weight[a] + weight[b])
                    if gain < best:
                        best, chosen = gain, (a, b, *pair)
        if chosen is None:
            return False
        a, b, there_kind, back_kind = chosen
        self._move(a, b, there_kind)
        if back_kind is not None:
            self._move(b, a, back_kind)
        return True

    def _exchange(
        self, there: NDArray[np.float64], back: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> tuple[float, tuple[int, int]]:
        """Return the change, and the kinds, of the best exchange among the kinds that leave either side best."""
        first, second = (np.argsort(costs, kind="stable")[:CANDIDATES] for costs in (there, back))
        both = 2 * (self.kinds[first] * weight) @ self.kinds[second].T
        change = np.round(there[first][:, None] + back[second] - both, 9)
        row, column = np.unravel_index(int(np.argmin(change)), change.shape)
        return float(change[row, column]), (int(first[row]), int(second[column]))

    def _move(self, a: int, b: int, kind: int) -> None:
        unit = self.stacks[a][kind].pop()
        self.stacks[b][kind].append(unit)
        self.parts[unit] = self.active[b]
        self.held[a] -= self.kinds[kind]
        self.held[b] += self.kinds[kind]
        self.free[a, kind] -= 1
        self.free[b, kind] += 1
