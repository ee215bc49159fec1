"""Which rows are one: components of a graph given as edges, and equal keys, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from dataaudit.domain import CopyPair


def copy_groups_of(size: int, pairs: Iterable[CopyPair]) -> NDArray[np.int64]:
    """Return the components, (size,) as :func:`components` does, that the proved ones of these pairs make."""
    proved = np.array([(pair.a, pair.b) for pair in pairs if pair.verdict == "proved"], np.int64).reshape(-1, 2)
    return components(size, proved[:, 0], proved[:, 1])


def components(size: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for every node the smallest node of its component.

    Roots are hooked onto smaller roots and paths halved until nothing changes (Shiloach and Vishkin, "An O(log n)
    parallel connectivity algorithm", J. Algorithms 1982).

    Args:
        size: number of nodes.
        a: (edges,) one end of each edge.
        b: (edges,) the other end.

    Returns:
        (size,) labels; a node without an edge is labelled by itself.
    """
    parent = np.arange(size, dtype=np.int64)
    while True:
        root_a, root_b = parent[a], parent[b]
        if np.array_equal(root_a, root_b):
            return parent
        np.minimum.at(parent, np.maximum(root_a, root_b), np.minimum(root_a, root_b))
        while not np.array_equal(parent, grandparent := parent[parent]):
            parent = grandparent


def first_of_equal(keys: NDArray[np.uint64], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each row the first valid row with the same key; itself where it is not valid.

    Args:
        keys: (n, words), such as digests.
        valid: (n,)
    """
    first = np.arange(len(keys), dtype=np.int64)
    order = np.argsort(keys[:, 0])  # one word alone says who may have an equal: of digests few
    equal = np.flatnonzero(np.diff(keys[order, 0]) == 0)
    several = np.zeros(len(keys), bool)
    several[order[equal]] = several[order[equal + 1]] = True
    rows = np.flatnonzero(several & valid)
    rows = rows[np.lexsort(keys[rows].T)]  # stable: of equal keys the first row stays first
    new = np.ones(len(rows), bool)
    new[1:] = np.any(keys[rows[1:]] != keys[rows[:-1]], axis=1)
    first[rows] = rows[new][np.cumsum(new) - 1]
    return first
