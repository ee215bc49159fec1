"""SELF-TEST: what a search found of copies that were planted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataaudit.domain.relate import Verdict


@dataclass(frozen=True, slots=True)
class FamilyRecall:
    """How many planted copies of one kind were found."""

    family: str
    planted: int
    proved: int
    probable: int
    """Found, but not proved."""

    @property
    def found(self) -> int:
        """Proved or probable."""
        return self.proved + self.probable


@dataclass(frozen=True, slots=True)
class Stranger:
    """A planted copy that was called a copy of another picture than its source."""

    family: str
    source: str
    """Path of the picture that was copied."""
    other: str
    """Path of the picture (or of the source of the other planted copy) that it was taken for."""
    verdict: Verdict
    similarity: float


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a search found of the copies that were planted among a dataset's pictures."""

    fingerprint: str
    """Of the dataset: see :meth:`Measurements.fingerprint`. It says nothing of any other."""
    samples: int
    seed: int
    families: tuple[FamilyRecall, ...]
    strangers: tuple[Stranger, ...]

    @property
    def planted(self) -> int:
        """Copies planted, over all families."""
        return sum(family.planted for family in self.families)

    @property
    def found(self) -> int:
        """Planted copies found, proved or probable, over all families."""
        return sum(family.found for family in self.families)
