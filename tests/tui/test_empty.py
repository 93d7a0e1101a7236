"""What stands where there is nothing to see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dblog_tui.present.empty import NOTHING, advice_lines, nothing_lines, said_of, setup_lines, setup_text
from dblog_tui.present.look import ASCII, Look
from dblog_tui.screens.logs_empty import Empty
from dblog_tui.source.advice import Advice, Counted, Deed
from dblog_tui.view import Span, View

NOW = 1_795_000_000_000_000
_LOOK, _PLAIN = Look(), Look(glyphs=ASCII)
_WIDER = View("service:biling", Span(last=3600))
_FOUND = [
    Advice(Deed.SAY, "The writer is alive.", newest=NOW - 400_000),
    Advice(Deed.DROP, "service:biling", Counted(1204, exact=True), "2", View()),
    Advice(Deed.TRY, "service:billing", Counted(100, exact=False), "3", View(), note="the closest known value"),
    Advice(Deed.WIDEN, "1h", Counted(0, exact=True), "6", _WIDER),
    Advice(Deed.WIDEN, "24h", None, "7", _WIDER),
]


def test_the_screen_of_the_paper() -> None:
    """A sentence, one line for each key with what it would show, and when something was logged last."""
    lines = advice_lines(View("service:biling", Span(last=900)), _FOUND, _LOOK, 80, now=NOW)
    text = [strip.text.rstrip() for strip in lines]
    assert text[:8] == [
        "",
        "   No entry matches in the last 15 minutes.",
        "",
        "     2  drop  service:biling   → 1,204 matches",
        "     3  try   service:billing  →  ≥100 matches  (the closest known value)",
        "     6  widen to 1h            →     0 matches",
        "     7  widen to 24h           → not counted",
        "",
    ]
    assert text[8].startswith("   Newest entry in this database: ")
    assert text[8].endswith(" (0.4 s ago). The writer is alive.")


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (View("x"), "No entry matches."),
        (View("x", Span(last=60)), "No entry matches in the last minute."),
        (View("x", Span(last=86_400), 4), "No entry at ERROR or worse matches in the last 24 hours."),
        (View("", Span(last=7 * 86_400)), "No entry is stored in the last week."),
        (View("x", Span(last=90)), "No entry matches in the last 90 seconds."),
    ],
)
def test_the_sentence(view: View, said: str) -> None:
    """It names level and range, and only those there are."""
    assert said_of(view, _LOOK) == said


_TEXT = st.text("ab 日\x1b\u202e[]", max_size=60)
_ADVICE = st.builds(
    Advice,
    st.sampled_from(Deed),
    _TEXT,
    st.none() | st.builds(Counted, st.integers(0, 10**9), st.booleans()),
    st.sampled_from(["", "2"]),
    note=_TEXT,
    newest=st.none() | st.integers(NOW - 10**15, NOW + 10**7),
)


@given(st.lists(_ADVICE, max_size=6), st.integers(20, 120), st.booleans(), _TEXT)
def test_no_line_is_too_wide(found: list[Advice], width: int, done: bool, query: str) -> None:
    """Whatever the values are; every segment has a colour, and nothing hostile is left."""
    for look in (_LOOK, _PLAIN):
        for strip in advice_lines(View(query, Span(since=5)), found, look, width, now=NOW, done=done):
            assert strip.cell_length == cell_len(strip.text) == width
            assert not {"\x1b", "\u202e"} & {*strip.text}
            assert all(segment.style is not None and segment.style.color is not None for segment in strip)


@pytest.mark.parametrize("what", NOTHING)
def test_one_sentence_and_the_key_that_makes_one(what: str) -> None:
    """Within eighty columns, in ASCII."""
    lines = nothing_lines(what, _PLAIN, 80)
    assert all(strip.text.isascii() for strip in lines)
    assert NOTHING[what][0] in lines[1].text
    assert "~" not in lines[1].text


def test_three_lines_make_a_program_log() -> None:
    """They are Python, stand on the screen as they are copied, and hold the database's URL."""
    text = setup_text("sqlite:////srv/a.db")
    compile(text, "setup", "exec")
    assert len(text.split("\n")) == 3
    shown = "\n".join(strip.text.strip() for strip in setup_lines(_LOOK, 80, url="sqlite:////srv/a.db"))
    assert all(line in shown for line in text.split("\n"))


def test_advice_that_comes_while_the_screen_is_taken_down_is_dropped() -> None:
    """It touches no rows: there are none any more."""

    class Gone(Empty):
        query = staticmethod(lambda _selector: [])

    screen = Gone()
    screen._advised = View()
    screen._show_advice()
    assert not hasattr(screen, "rows")
