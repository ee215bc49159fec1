"""What nominators propose: pairs to be verified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from dataaudit.domain import DIHEDRAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataaudit.domain import FeatureTable, IndexRecall

__all__ = ["AFTER_HASHES", "INVERSE", "Nominations", "closest", "in_order_of_rows", "merged"]

AFTER_HASHES: Final = 1.0
"""The least distance of a nomination by edges or descriptor: a hash of the whole is the surer sign, and is asked about first."""


@dataclass(frozen=True, slots=True, eq=False)
class Nominations:
    """Pairs to be verified: in orientation ``orientation`` a may look like b; ``a < b``."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    orientation: NDArray[np.int64]
    """See ``domain.DIHEDRAL``; -1 where the nominator knows of none (ours do), and a has to be registered onto b."""
    distance: NDArray[np.float64]
    """The verifier is asked in this order; 0 to 1 by hash of the whole, 1 and more by edges and by descriptor."""
    index_recall: IndexRecall | None = None
    """What an index found of what is to be found; None where the search was exact."""

    def __len__(self) -> int:
        """Return the number of nominations."""
        return len(self.a)

    def of(self, rows: NDArray[np.bool_]) -> Nominations:
        """Return the nominations that one of ``rows``, (n,) a flag a row, is part of."""
        return self.only(rows[self.a] | rows[self.b])

    def only(self, chosen: NDArray[np.bool_]) -> Nominations:
        """Return the chosen ones, (nominations,) flags."""
        columns = {name: getattr(self, name)[chosen] for name in ("a", "b", "orientation", "distance")}
        return replace(self, **columns)


def merged(proposals: Sequence[Nominations]) -> Nominations:
    """Return what several nominators propose, each pair in an orientation once."""
    columns = ("a", "b", "orientation", "distance")
    together = closest(*(np.concatenate([getattr(some, name) for some in proposals]) for name in columns))
    return replace(together, index_recall=next((some.index_recall for some in proposals if some.index_recall), None))


def closest(
    a: NDArray[np.int64], b: NDArray[np.int64], orientation: NDArray[np.int64], distance: NDArray[np.float64]
) -> Nominations:
    """Return the nominations sorted by (a, b, orientation), each once, with its smallest distance."""
    order = np.lexsort((distance, orientation, b, a))
    a, b, orientation, distance = a[order], b[order], orientation[order], distance[order]
    first = np.ones(len(a), bool)
    first[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1]) | (orientation[1:] != orientation[:-1])
    return Nominations(a[first], b[first], orientation[first], distance[first])


def in_order_of_rows(
    turned: NDArray[np.int64], still: NDArray[np.int64], orientation: NDArray[np.int64] | int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]:
    """Return a, b and the orientation of a, ``a < b``, of pairs of which ``turned`` in ``orientation`` looks like ``still``."""
    way = np.where(turned < still, orientation, INVERSE[orientation]).astype(np.int8)
    return np.minimum(turned, still), np.maximum(turned, still), way


def in_order_of_content(
    features: FeatureTable, a: NDArray[np.int64], b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs in the order of their contents' digests: what is not quite the same both ways must not depend on names."""
    later = features.sha256[a, 0] > features.sha256[b, 0]
    return np.where(later, b, a), np.where(later, a, b)


def _inverse(orientation: int) -> int:
    """Return the orientation that undoes ``orientation``: a mirrored one undoes itself, a turn is turned back."""
    return orientation if orientation >= DIHEDRAL // 2 else -orientation % (DIHEDRAL // 2)


INVERSE: Final = np.array([_inverse(orientation) for orientation in range(DIHEDRAL)])
"""The orientation that undoes each of ``domain.DIHEDRAL``."""
