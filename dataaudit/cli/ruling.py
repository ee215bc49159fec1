"""``explain`` and ``rules``: what a code means."""

from __future__ import annotations

import click

from dataaudit.cli.options import known_rules
from dataaudit.errors import UsageError


@click.command()
@click.argument("code")
def explain(code: str) -> None:
    """Say what a rule means, why it matters and what to do."""
    from dataaudit.reports.rules import explain as explain_rule  # noqa: PLC0415

    rule = next((rule for rule in known_rules() if rule.code == code.upper() or rule.name == code.lower()), None)
    if rule is None:
        message = f"there is no rule {code!r}. `dataaudit rules` lists them all."
        raise UsageError(message)
    click.echo(explain_rule(rule), nl=False)


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True)
def rules(form: str) -> None:
    """List every rule."""
    from dataaudit.reports.rules import markdown_table, text_table  # noqa: PLC0415

    click.echo((markdown_table if form == "markdown" else text_table)(known_rules()), nl=False)
