"""Connected components of a graph given as edges, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
