"""What the documents say is what the program does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from dataaudit.cli import main
from dataaudit.reports.rules import markdown_table
from dataaudit.scanners import RULES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_rules_table_is_generated():
    table = README.partition("<!-- rules -->\n")[2].partition("<!-- /rules -->")[0]
    assert table == markdown_table(RULES)


def test_the_verdict_shown_is_the_one_printed(faulty_report):
    block = README.partition("```text\n")[2].partition("```")[0]
    assert " ".join(block.split()) == faulty_report.summary.sentence


def test_every_link_to_a_file_leads_to_one():
    for document in ("README.md", "CONTRIBUTING.md", "DESIGN.md", "sample_data/README.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert ((ROOT / document).parent / target).exists(), f"{document}: {target}"


def test_every_option_named_exists():
    parameters = [parameter for command in main.commands.values() for parameter in command.params]
    known = {option for parameter in parameters for option in [*parameter.opts, *parameter.secondary_opts]}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    foreign = {"--quiet", "--upgrade", "--editable", "--group", "--epochs"}  # pip's, and pipeline.py's
    assert named - known - foreign == set()


def test_the_schema_is_json():
    schema = json.loads((ROOT / "dataaudit/reports/report.schema.json").read_text(encoding="utf-8"))
    assert schema["$schema"].startswith("https://json-schema.org/draft/2020-12")
