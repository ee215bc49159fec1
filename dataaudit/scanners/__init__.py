"""JUDGE: pure generators, measurements in, findings out. No input or output, no state, no print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataaudit.config import Config
    from dataaudit.domain import Finding, Measurements, NotRun, Rule

__all__ = ["Scanner"]


@dataclass(frozen=True, slots=True)
class Scanner:
    """A family of rules and the generator that judges by them.

    ``scan`` yields a :class:`~dataaudit.domain.Finding` for what it found and a :class:`~dataaudit.domain.NotRun`
    for every rule of its own that it could not run; a rule of ``rules`` for which it yields neither passed.
    """

    name: str
    rules: tuple[Rule, ...]
    scan: Callable[[Measurements, Config], Iterator[Finding | NotRun]]
