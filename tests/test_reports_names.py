from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from dataaudit.reports.names import prose, shown

ANY = st.text(st.characters(exclude_categories=())) | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[\\nrt])")


def unshown(text: str) -> str:
    """The name that ``shown`` showed, the slow and obvious way."""

    def back(match: re.Match[str]) -> str:
        escape = match[0]
        if escape.startswith("\\x"):
            code = int(f"0x{escape[2:]}", 0)
            return chr(code if code < 0x80 else code + 0xDC00)
        if escape[1] in "uU":
            return chr(int(f"0x{escape[2:]}", 0))
        return {"\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t"}[escape]

    return ESCAPE.sub(back, text)


@given(ANY)
@settings(deadline=None, max_examples=300)
def test_shown_is_printable_encodable_and_loses_nothing(name):
    found = shown(name)
    assert found.isprintable()
    found.encode("utf-8")
    assert unshown(found) == name


@given(ANY)
@settings(deadline=None, max_examples=200)
def test_prose_is_printable_and_settled(text):
    found = prose(text)
    assert found.isprintable()
    assert prose(found) == found


def test_names_one_can_read_stay_as_they_are():
    for name in ("train/cat/001.jpg", "ずかん/ねこ 1.png", "a|b[/red]<b>.jpg", "é.jpg"):
        assert shown(name) == name
    assert shown("caf\udce9\n\x1b[31m\u202e\\.jpg") == r"caf\xe9\n\x1b[31m\u202e\\.jpg"
    assert shown("\x85") == r"\u0085" != shown("\udc85")
    assert prose("C:\\data\n") == r"C:\data\n"
