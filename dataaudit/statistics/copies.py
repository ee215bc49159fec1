"""Copies are no evidence: of every picture, one row a split and label counts; what belongs together is one unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dataaudit.dedup.components import components
from dataaudit.domain import NONE

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["one_of_each", "unit_count", "units"]


def units(component: NDArray[np.int64], group: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the number of each row's unit, shape (n,): the smallest row that copies or a declared group join it to.

    Rows of different units are independent of one another, as far as is known; rows of one unit are not.

    Args:
        component: (n,) the smallest row of each row's copy group.
        group: (n,) codes of the declared groups; -1 is none.
    """
    rows = np.arange(component.size, dtype=np.int64)
    member = rows[group != NONE]
    _, first, inverse = np.unique(group[member], return_index=True, return_inverse=True)
    return components(component.size, np.concatenate((rows, member)), np.concatenate((component, member[first][inverse])))


def unit_count(unit: NDArray[np.int64]) -> int:
    """Return how many units some rows are of; of many rows without sorting them.

    Args:
        unit: (m,) unit numbers from 0.
    """
    return int(np.count_nonzero(np.bincount(unit))) if unit.size else 0


def one_of_each(rows: ArrayLike, group: ArrayLike, split: ArrayLike, label: ArrayLike) -> NDArray[np.int64]:
    """Return the first of ``rows`` of every copy group within a split and label, ascending.

    Args:
        rows: (m,) rows to choose from, the preferred ones first.
        group: (n,) number from 0 of each row's copy group; a row without copies is a group of its own.
        split: (n,) split codes.
        label: (n,) label codes.
    """
    chosen, group = np.asarray(rows, np.int64), np.asarray(group, np.int64)
    alone = (np.bincount(group[chosen]) == 1)[group[chosen]]
    several = chosen[~alone]
    keys = [np.asarray(column, np.int64)[several] for column in (group, split, label)]
    order = np.lexsort(keys)  # stable: of equal keys the preferred one stays first
    new = np.ones(len(several), bool)
    new[1:] = np.any([np.diff(key[order]) != 0 for key in keys], axis=0)
    return np.sort(np.concatenate([chosen[alone], several[order[new]]]))
