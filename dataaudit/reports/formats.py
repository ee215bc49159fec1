"""Every format a report can be told in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataaudit.reports import html, json, markdown, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataaudit.domain import Report

__all__ = ["FORMATS"]

FORMATS: Final[dict[str, Callable[[Report], str]]] = {
    "text": text.render,
    "json": json.render,
    "html": html.render,
    "markdown": markdown.render,
}
"""Renderers by the name that ``--format`` and ``--report`` take."""
