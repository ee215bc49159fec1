"""How far a run is: live on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io

from dataaudit.reports.progress import PLAIN_SECONDS, shown


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_a_line_stands_now_and_then():
    stream, clock = io.StringIO(), Clock()
    with shown(stream, clock) as observe:
        for done in range(0, 2001, 20):
            observe("measure", done, 10_000, done // 500)
            clock.now += PLAIN_SECONDS / 50
        observe("compare", 0, 0, 0)
        clock.now += 2 * PLAIN_SECONDS
        observe("compare", 1, 1, 1)
        observe("judge", 0, 0, 0)
        clock.now += 2 * PLAIN_SECONDS
        observe("judge", 0, 0, 0)
    assert stream.getvalue().splitlines() == [
        "dataaudit: measure: 1,000 of 10,000 images, 100/s, 2 min left, 2 unreadable",
        "dataaudit: measure: 2,000 of 10,000 images, 100/s, 1 min left, 4 unreadable",
        "dataaudit: compare: 1 of 1 pair, 0.1/s, 0 s left, 1 copies",
        "dataaudit: judge …",
    ]


def test_what_the_cache_knew_does_not_count_as_speed():
    stream, clock = io.StringIO(), Clock()
    with shown(stream, clock) as observe:
        observe("measure", 0, 1000, 0)
        observe("measure", 900, 1000, 0)
        clock.now += PLAIN_SECONDS
        observe("measure", 910, 1000, 0)
    assert stream.getvalue() == "dataaudit: measure: 910 of 1,000 images, 1.0/s, 2 min left\n"


def test_a_short_run_says_nothing_where_no_terminal_is():
    stream = io.StringIO()
    with shown(stream) as observe:
        observe("measure", 0, 10, 0)
        observe("measure", 10, 10, 0)
    assert stream.getvalue() == ""


def test_a_terminal_is_left_as_it_was():
    stream = Terminal()
    with shown(stream) as observe:
        observe("measure", 5, 10, 1)
        observe("measure", 10, 10, 1)
        observe("compare", 3, 12, 2)
    text = stream.getvalue()
    assert "measure: 10 of 10 images" in text
    assert "1 unreadable" in text
    assert "2 copies" in text
    assert text.rstrip().endswith(("\x1b[2K", "\x1b[?25h", "\x1b[1A\x1b[2K"))
