"""The report for a comment on a pull request: verdict, a table of rules, a few examples folded away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dataaudit.reports.names import prose
from dataaudit.reports.outline import Block, blocks, closing, columns, inferred, not_run, skipped_kinds
from dataaudit.wording import percent

if TYPE_CHECKING:
    from dataaudit.domain import Report

EXAMPLES: Final = 3
LONGEST: Final = 300
"""Characters of an example; a comment on GitHub may hold 65,536 in all."""
WORD_JOINER: Final = "\u2060"
"""Has no width; between the parts of a mention, an issue number or an address it keeps GitHub from linking them."""
VERDICT_SIGN: Final = {"trustworthy": "✅", "suspect": "⚠️", "not-trustworthy": "❌"}


def render(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown, a newline at its end.

    Messages, which quote file names, stand in code spans: there neither HTML, nor links, nor ``@mentions`` live.
    """
    summary = report.summary
    parts = [f"### {VERDICT_SIGN[summary.verdict]} {escaped(summary.sentence)}"]
    parts += [escaped(note) for note in summary.notes]
    parts.append(escaped(inferred(report)))
    parts += filter(None, (_splits(report), _rules(report), _examples(report), _remainder(report)))
    parts.append(f"**{closing(report)}**")
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return text that Markdown, inside a table or outside, shows as it is."""
    text = re.sub(r"([\\`*_\[\]<>|~#$])", r"\\\1", prose(text).replace("&", "&amp;"))
    return re.sub(r"@(?=\w)|#(?=\d)|:(?=//)|www(?=\.)", rf"\g<0>{WORD_JOINER}", text)


def authored(text: str) -> str:
    """Return a rule's own text: what stands between its backticks is code, the rest is shown as it is; fit for a table."""
    parts = text.split("`")
    return "".join(escaped(part) if even % 2 == 0 else f"`{part.replace('|', chr(92) + '|')}`" for even, part in enumerate(parts))


def code(text: str) -> str:
    """Return text as a code span that survives its own backticks, for outside of tables."""
    text = prose(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    padding = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _splits(report: Report) -> str:
    """Return the splits in a table: images, what leaked, what is left, and the score of a constant answer."""
    lines = ["| split | images | leaked | honest n | always the commonest class |", "|---|--:|--:|--:|---|"]
    for split in columns(report):
        leaked = honest = constant = "–"
        leak = split.leak
        if leak is not None:
            leaked, honest = f"{leak.leaked:,} ({percent(leak.share)})", f"{leak.honest:,}"
        if leak is not None and leak.baseline is not None:
            constant = f"{escaped(leak.baseline.label)}: {percent(leak.baseline.share)}"
        lines.append(f"| {split.name} | {split.samples:,} | {leaked} | {honest} | {constant} |")
    return "\n".join(lines)


def _rules(report: Report) -> str:
    found = blocks(report)
    if not found:
        return "Nothing found."
    lines = ["| severity | rule | found | what to do |", "|---|---|--:|---|"]
    for block in found:
        rule = block.rule
        lines.append(f"| {rule.severity} | `{rule.code}` {rule.name} | {len(block.findings):,} | {authored(rule.remedy)} |")
    return "\n".join(lines)


def _examples(report: Report) -> str:
    found = blocks(report)
    if not found:
        return ""
    lines = ["<details><summary>Examples</summary>", ""]
    for block in found:
        lines += _block(block)
    return "\n".join([*lines, "</details>"])


def _block(block: Block) -> list[str]:
    lines = [f"**{block.rule.code} {block.rule.name}**", ""]
    for finding in block.findings[:EXAMPLES]:
        message = finding.message if len(finding.message) <= LONGEST else finding.message[: LONGEST - 1] + "…"
        lines.append(f"- {code(message)}")
    rest = len(block.findings) - EXAMPLES
    return [*lines, *([f"- … and {rest:,} more (see report.json)"] if rest > 0 else []), ""]


def _remainder(report: Report) -> str:
    lines = [f"- not run, and so not passed: {', '.join(codes)}: {escaped(reason)}" for reason, codes in not_run(report)]
    skipped = report.measurements.catalog.skipped
    if skipped:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in skipped_kinds(skipped))
        lines.append(f"- not samples: {escaped(kinds)} (listed in report.json)")
    return "\n".join(lines)
