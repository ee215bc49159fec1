"""How far a run is, on stderr: a live line on a terminal; elsewhere (CI, a log) a plain line now and then.

It says the stage, how many are done of how many, how many a second, about how long it takes still, and what was found so far.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TextIO

from dataaudit.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, Task, TaskID
    from rich.text import Text

    Observer = Callable[[str, int, int, int], None]
    """See :data:`dataaudit.pipeline.Observer`."""

__all__ = ["shown"]

PLAIN_SECONDS: Final = 10.0
"""Seconds between two lines where no terminal is; a shorter run prints none."""


_UNITS: Final = {"measure": "image", "describe": "image", "embed": "image", "compare": "pair", "apply": "file", "plant": "image"}
_FOUND: Final = {"measure": "unreadable", "compare": "copies"}
"""What a stage counts, and what it finds on its way."""

KNOWN_SECONDS: Final = 1.0
"""Seconds at the beginning of a stage that do not count: what the cache knows is done at once, and is no speed."""


@contextmanager
def shown(stream: TextIO, clock: Callable[[], float] = time.monotonic) -> Iterator[Observer]:
    """Yield who shows the progress on ``stream``."""
    if stream.isatty():
        with _live(stream) as observer:
            yield observer
    else:
        yield _Plain(stream, clock)


@dataclass(slots=True)
class _Plain:
    """Prints a line when the last is ``PLAIN_SECONDS`` old."""

    stream: TextIO
    clock: Callable[[], float]
    stage: str = ""
    entered: float = 0.0
    begun: float = 0.0
    known: int = 0
    last: float = field(init=False)

    def __post_init__(self) -> None:
        self.last = self.clock()

    def __call__(self, stage: str, done: int, total: int, found: int) -> None:
        now = self.clock()
        if stage != self.stage:
            self.stage, self.entered = stage, now
        if now - self.entered < KNOWN_SECONDS:
            self.begun, self.known = now, done
        if now - self.last < PLAIN_SECONDS:
            return
        self.last = now
        self.stream.write(f"dataaudit: {_sentence(stage, done, total, found, _rate(done - self.known, now - self.begun))}\n")
        self.stream.flush()


def _rate(done: int, seconds: float) -> float:
    return done / seconds if seconds > 0 else 0.0


def _sentence(stage: str, done: int, total: int, found: int, rate: float) -> str:
    """Return ``measure: 1,200 of 5,000 images, 310/s, 12 s left, 3 unreadable``; ``judge …`` where nothing is counted."""
    if not total:
        return f"{stage} …"
    parts = [f"{done:,} of {counted(total, _UNITS.get(stage, 'step'))}"]
    if rate > 0:
        parts += [f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s", f"{_duration((total - done) / rate)} left"]  # noqa: PLR2004
    if found and stage in _FOUND:
        parts.append(f"{found:,} {_FOUND[stage]}")
    return f"{stage}: {', '.join(parts)}"


def _duration(seconds: float) -> str:
    """Return ``45 s``, ``3 min`` or ``1 h 20 min``."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"  # noqa: PLR2004 - an hour


@contextmanager
def _live(stream: TextIO) -> Iterator[Observer]:
    from rich.console import Console  # noqa: PLC0415 - rich takes its time to load
    from rich.progress import BarColumn, Progress, ProgressColumn  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    class Sentence(ProgressColumn):
        """What is done, how fast, how long still, what was found."""

        def render(self, task: Task) -> Text:
            done, total = int(task.completed), int(task.total or 0)
            rate = task.speed or 0.0
            return Text(_sentence(task.description, done, total, task.fields["found"], rate))

    with Progress(BarColumn(24), Sentence(), console=Console(file=stream), transient=True) as display:
        yield _Live(display)


@dataclass(slots=True)
class _Live:
    """One bar a stage."""

    display: Progress
    tasks: dict[str, TaskID] = field(default_factory=dict)

    def __call__(self, stage: str, done: int, total: int, found: int) -> None:
        if stage not in self.tasks:
            self.tasks[stage] = self.display.add_task(stage, total=total, completed=done, found=found)
        self.display.update(self.tasks[stage], completed=done, total=total, found=found)
