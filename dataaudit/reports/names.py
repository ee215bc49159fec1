"""Names and messages as they may be shown: one line, printable, never a control sequence, always encodable.

A file name is hostile input: it may hold a newline (a CI log reads ``::error::`` after it), an escape sequence, a
right-to-left override, or bytes that are not UTF-8 (which Python keeps as lone surrogates).
"""

from __future__ import annotations

from typing import Final

_BYTE: Final = range(0xDC80, 0xDD00)
"""The surrogates by which Python keeps the bytes 0x80 to 0xff of a name that is not UTF-8."""


def shown(name: str) -> str:
    r"""Return a file, class or group name on one printable line; two different names never look the same.

    A backslash is doubled, a byte that is not UTF-8 is shown as ``\xff``, and every other character that is not
    printable as Python writes it: ``\n``, ``\x1b``, ``\u202e``.
    """
    return name if _plain(name) and "\\" not in name else "".join("\\\\" if char == "\\" else _escaped(char) for char in name)


def prose(text: str) -> str:
    """Return a sentence, which may quote names, on one printable line; a backslash stays as it is."""
    return text if _plain(text) else "".join(map(_escaped, text))


def _plain(text: str) -> bool:
    return text.isprintable()


def _escaped(char: str) -> str:
    code = ord(char)
    if char.isprintable():
        return char
    if code in _BYTE:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if 0x80 <= code <= 0xFF else repr(char)[1:-1]  # noqa: PLR2004 - Latin-1, else it would read as a byte
