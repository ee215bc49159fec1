from __future__ import annotations

from dataaudit.domain import Rule
from dataaudit.reports.rules import FAMILIES, explain, markdown_table, text_table
from dataaudit.scanners import RULES as ALL_RULES
from reports_fixture import RULES


def test_explain_tells_all_of_it():
    rule = RULES["LEK201"]
    found = explain(rule)
    assert found.startswith("LEK201 exact-copy-across-splits (error)\n")
    for part in (rule.summary, rule.why, rule.remedy):
        assert " ".join(part.split()) in " ".join(found.split())
    assert max(map(len, explain(rule, width=50).splitlines())) <= 50


def test_tables_hold_every_rule_once_by_code():
    rules = list(RULES.values())
    for table in (text_table(rules), text_table(rules[::-1])):
        assert [line.split()[0] for line in table.splitlines() if line] == sorted(RULES)
    markdown = markdown_table(rules)
    assert [line.split("`")[1] for line in markdown.splitlines()[2:]] == sorted(RULES)
    assert markdown.count("| leakage |") == 1


def test_a_summary_with_a_pipe_stays_in_its_cell():
    found = markdown_table([Rule("LEK299", "x", "info", "a|b", "", "")])
    assert r"a\|b" in found


def test_every_shipped_rule_has_a_family_and_a_line():
    assert {rule.code[:3] for rule in ALL_RULES} <= set(FAMILIES)
    assert len(markdown_table(ALL_RULES).splitlines()) == len(ALL_RULES) + 2
    assert all("\n" not in rule.summary and not rule.summary.endswith(".") for rule in ALL_RULES)
