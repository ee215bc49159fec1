"""Rules told without a dataset: ``explain CODE``, and the table of all rules for the terminal and the README."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Final

from dataaudit.reports.markdown import authored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataaudit.domain import Rule

FAMILIES: Final = {
    "INT": "integrity",
    "LEK": "leakage",
    "DUP": "duplicates",
    "LBL": "labels",
    "BAL": "class balance",
    "STR": "stratification",
    "VAL": "validation power",
    "DRF": "drift",
    "SHC": "shortcuts",
}
"""The rule families: the letters of a code, and what they judge."""


def explain(rule: Rule, *, width: int = 100) -> str:
    """Return one rule in full: what it says, why it matters, what to do; a newline at its end."""
    heading = f"{rule.code} {rule.name} ({rule.severity})"
    parts = [f"{rule.summary}.", f"Why: {rule.why}", f"What to do: {rule.remedy}"]
    return "\n\n".join([heading, *(textwrap.fill(part, width) for part in parts)]) + "\n"


def text_table(rules: Sequence[Rule]) -> str:
    """Return all rules, one a line, a blank line between families; a newline at its end."""
    widest = max((len(rule.name) for rule in rules), default=0)
    families = [
        "\n".join(f"{rule.code}  {rule.severity:<7}  {rule.name:<{widest}}  {rule.summary}" for rule in family)
        for family in _families(rules)
    ]
    return "\n\n".join(families) + "\n"


def markdown_table(rules: Sequence[Rule]) -> str:
    """Return all rules as one Markdown table, by code, the family named in its first row; a newline at its end."""
    lines = ["| family | code | rule | severity | what it finds |", "|---|---|---|---|---|"]
    for family in _families(rules):
        for number, rule in enumerate(family):
            name = FAMILIES.get(rule.code[:3], rule.code[:3]) if number == 0 else ""
            lines.append(f"| {name} | `{rule.code}` | {rule.name} | {rule.severity} | {authored(rule.summary)} |")
    return "\n".join(lines) + "\n"


def _families(rules: Sequence[Rule]) -> list[list[Rule]]:
    ordered = sorted(rules, key=lambda rule: rule.code)
    return [list(family) for _, family in groupby(ordered, key=lambda rule: rule.code[:3])]
