from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dataaudit.reports.markdown import WORD_JOINER, authored, code, escaped, render
from dataaudit.reports.names import prose, shown
from reports_fixture import HOSTILE, clean, crowded, hostile

GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
MARKS = st.text(st.sampled_from(list("\\`*_[]<>|~#$&@:/.w ab1!()-+=\n\udcff")), min_size=1)


class Words(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.words, self.tags, self.cells = [], [], 0
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, _attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return "".join(self.words)


def seen(source: str) -> Words:
    return Words(GITHUB.render(source))


@given(MARKS)
@settings(deadline=None, max_examples=300)
def test_escaped_text_is_seen_as_it_is(text):
    found = seen(f"| x |\n|---|\n| a{escaped(text)}z |\n")
    assert found.text.replace(WORD_JOINER, "").split() == f"x a{prose(text)}z".split()
    assert found.tags.count("td") == 1
    assert set(found.tags) <= {"table", "thead", "tbody", "tr", "th", "td"}


@given(MARKS)
@settings(deadline=None, max_examples=300)
def test_a_code_span_is_seen_as_it_is(text):
    found = seen(f"- {code('x' + text + 'x')}\n")
    assert found.text.strip() == f"x{prose(text)}x"
    assert found.tags == ["ul", "li", "code"]
    assert seen(f"- {code(text)}\n").text.split() == prose(text).split()


def test_nothing_in_a_name_lives(tmp_path):
    found = seen(render(hostile(tmp_path)))
    assert not {"script", "a", "img"} & set(found.tags)
    for name in ("script", "newline", "pipe", "bytes"):
        assert shown(HOSTILE[name]) in found.text
    assert found.tags.count("table") == 2
    assert found.tags.count("th") == 9


@pytest.mark.parametrize("live", ["@octocat", "#12", "http://x.org", "www.x.org"])
def test_mentions_and_addresses_are_cut(live):
    assert WORD_JOINER in escaped(live)
    assert escaped(live).replace(WORD_JOINER, "").replace("\\", "") == live


def test_authored_keeps_code_and_fits_a_table():
    assert authored("Run `split --a|b`, not a|b_c") == r"Run `split --a\|b`, not a\|b\_c"


def test_a_comment_fits_github():
    assert len(render(crowded())) < 65_536
    assert "Nothing found." in render(clean())
