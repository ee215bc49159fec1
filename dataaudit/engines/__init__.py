"""ACROSS: an engine is an ordered map over batches, isolated from what it runs.

Everything slow (measuring files, verifying nominated pairs) goes through one :class:`Engine`, so that a cluster
can take the local one's place later. The answer never depends on the engine, its batch size or its workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Engine", "Lost"]

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Lost:
    """An item whose worker was killed: it hung, ran out of memory, or crashed."""

    kind: Literal["timeout", "memory", "crash"]
    detail: str


class Engine(Protocol):
    """An ordered map over batches."""

    def map_batches(
        self,
        function: Callable[[Sequence[T], Callable[[int], None]], R],
        items: Sequence[T],
        *,
        batch_size: int,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[Sequence[T], R | Lost]]:
        """Yield ``(items of the batch, function(items, begin))`` in the order of the items.

        ``function`` (picklable, and its result too) calls ``begin(i)`` before it touches item ``i`` of its batch, so
        that a death is blamed on the right item. A batch whose worker died is split: the guilty item comes back as
        ``([item], Lost(…))``, the others as results of smaller batches; every item comes back exactly once.
        ``progress`` is called in this process with the number of items just done.
        """
        ...
