"""How text is laid out for a terminal: in memory, without markup, whatever the environment says."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDTH: Final = 100
"""Columns where no terminal says otherwise."""
NARROWEST: Final = 40


def open_console(width: int | None, *, colour: bool = False) -> Console:
    """Return a console that writes to memory; ``width`` in columns, None where there is no terminal."""
    from rich.console import Console  # noqa: PLC0415 - only where text is rendered

    return Console(
        file=StringIO(),
        width=max(width or WIDTH, NARROWEST),
        force_terminal=colour,
        force_jupyter=False,
        color_system="standard" if colour else None,
        no_color=not colour,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )


def written(console: Console) -> str:
    """Return what was printed, without blanks at the ends of lines, a newline at its end."""
    file = console.file
    assert isinstance(file, StringIO)  # noqa: S101 - as open_console made it
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def styled(text: str, style: str = "") -> Text:
    """Return text in which nothing is markup, and which folds rather than overflows."""
    from rich.text import Text  # noqa: PLC0415

    return Text(text, style, overflow="fold")


def paragraph(console: Console, text: str, indent: int, *, style: str = "", mark: str = "", most: int | None = None) -> None:
    """Print wrapped text after ``indent`` columns and a hanging ``mark``; beyond ``most`` lines it ends in ``…``."""
    room = max(console.width - indent - len(mark), 10)
    lines = list(styled(text, style).wrap(console, room))
    if most is not None and len(lines) > most:
        lines = lines[:most]
        lines[-1].truncate(room - 2)
        lines[-1].append(" …")
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(styled(" " * indent + (mark if number == 0 else " " * len(mark))).append_text(line), no_wrap=True)
