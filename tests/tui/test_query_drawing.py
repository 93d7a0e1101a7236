"""The query line and what lies below it, as cells: never too wide, never without a colour, and hostile text is tame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from dblog.query import parse
from dblog.visible import visible
from dblog_tui.complete import Candidate
from dblog_tui.mistakes import Mistake, mistakes
from dblog_tui.present.look import ASCII, Look
from dblog_tui.present.offers import Frame, candidate_lines, mistake_lines, rule
from dblog_tui.present.query import at_rest, edited, room_for_text, scrolled

if TYPE_CHECKING:
    from textual.strip import Strip

_LOOK, _PLAIN = Look(), Look(glyphs=ASCII)
_TEXT = st.text("ab :日é\u0301\x1b\u202e()\"'/>", max_size=30)
_WIDTHS = st.integers(20, 120)


def whole(strip: Strip, width: int) -> str:
    """Its text, exactly so wide, each segment with a colour."""
    assert strip.cell_length == width
    assert cell_len(strip.text) == width
    assert all(segment.style is not None and segment.style.color is not None for segment in strip)
    assert "\x1b" not in strip.text
    assert "\u202e" not in strip.text
    return strip.text


def line(text: str, cursor: int | None, width: int, look: Look = _LOOK, ghost: str = "") -> str:
    """While it is edited."""
    room = room_for_text("filter", look, width)
    first = scrolled(text, cursor or 0, 0, room)
    strip = edited(
        text, look, mode="filter", cursor=cursor, first=first, ghost=ghost, answer="1,204", width=width, names=()
    )
    return whole(strip, width)


@given(_TEXT, st.integers(0, 30), st.integers(0, 30), _WIDTHS)
def test_the_cursor_is_in_the_window(text: str, cursor: int, first: int, width: int) -> None:
    """However long the text, wherever it was scrolled to; and what fits is not scrolled."""
    cursor = min(cursor, len(text))
    first = scrolled(text, cursor, min(first, len(text)), width)
    assert 0 <= first <= cursor
    assert cell_len(visible(text[first:cursor])) < width
    if cell_len(visible(text)) < width:
        assert first == 0


@given(_TEXT, st.integers(0, 30), _WIDTHS, st.sampled_from(["", "vice:"]))
@example(":::::::::日", 9, 20, "")
def test_the_line_is_as_wide_as_it_has_to_be(text: str, cursor: int, width: int, ghost: str) -> None:
    """With one cell in reverse, the cursor's, in it."""
    cursor = min(cursor, len(text))
    room = room_for_text("filter", _LOOK, width)
    strip = edited(
        text, _LOOK, mode="filter", cursor=cursor, first=scrolled(text, cursor, 0, room),
        ghost=ghost if cursor == len(text) else "", answer="9 ms", width=width, names=(),
    )  # fmt: skip
    whole(strip, width)
    cells = [segment for segment in strip if segment.style is not None and segment.style.reverse]
    assert len(cells) == 1
    if cursor < len(text):
        assert cells[0].text == visible(text)[cursor]
    elif not ghost:
        assert cells[0].text == " "
    line(text, None, width)


@given(_TEXT, st.text("ab日", max_size=30), st.sampled_from(["", "1,204 of ~9.9M   23 ms"]), _WIDTHS)
def test_at_rest_nothing_is_too_wide(text: str, found: str, answer: str, width: int) -> None:
    """Whatever was asked, looked for and answered."""
    for look in (_LOOK, _PLAIN):
        whole(at_rest(text, look, found=found, answer=answer, width=width, names=()), width)


def test_at_rest_the_answer_stands_on_the_right() -> None:
    """As in the paper; a long query is cut before it, and says so."""
    answer = "1,204 of ~9.9M   23 ms"
    text = at_rest("level>=warn", _LOOK, found="", answer=answer, width=80, names=()).text
    assert text == f" filter› level>=warn{' ' * 37}{answer} "
    text = at_rest("x" * 99, _LOOK, found="", answer=answer, width=80, names=()).text
    assert text.endswith(f"x…  {answer} ")
    text = at_rest("", _LOOK, found="timeout", answer="", width=40, names=()).text
    assert text.rstrip() == " filter› every entry   /timeout"
    assert at_rest("", _PLAIN, found="", answer="", width=40, names=()).text.rstrip() == " filter> every entry"


def test_mistakes_stand_under_their_place() -> None:
    """Screen E of the paper."""
    text = "service:billing AND dur_ms>>250 OR levle:error"
    lines = mistake_lines(mistakes(text, parse), Frame(_LOOK, 80, 9, text))
    assert [whole(each, 80).rstrip() for each in lines] == [
        "                                    ^       ~~~~~",
        ' col 28: unexpected ">" after ">" — did you mean  dur_ms>250 ?      Tab applies',
        " col 36: there is no field 'levle' — did you mean  level ?     nothing sent yet",
    ]


def test_mistakes_without_unicode() -> None:
    """Where only ASCII is wanted there is only ASCII."""
    text = 'a "open'
    lines = mistake_lines(mistakes(text, parse), Frame(_PLAIN, 80, 9, text))
    assert all(each.text.isascii() for each in lines)
    assert rule("x", _PLAIN, 80).text.isascii()


_MISTAKES = st.lists(
    st.builds(
        Mistake, st.integers(0, 30), st.integers(0, 8), _TEXT.map(lambda text: text * 5), _TEXT,
        st.none() | st.just("repaired"),
    ),
    max_size=3,
)  # fmt: skip


@given(_MISTAKES, _TEXT, st.integers(0, 30), _WIDTHS, st.booleans())
def test_mistakes_are_never_too_wide(found: list[Mistake], text: str, first: int, width: int, tab: bool) -> None:
    """Wherever they are, whatever they say; a few lines each."""
    frame = Frame(_LOOK, width, 9, text, min(first, len(text)))
    lines = mistake_lines(sorted(found, key=lambda each: each.column), frame, tab=tab)
    for each in lines:
        whole(each, width)
    assert len(lines) <= 1 + 4 * len(found)


_CANDIDATES = st.lists(
    st.builds(Candidate, st.just("x"), _TEXT.map(lambda text: text * 3), _TEXT, st.none() | st.integers(0, 10**7)),
    min_size=1,
    max_size=8,
)


@given(_CANDIDATES, _WIDTHS, st.integers(0, 30), st.integers(-1, 7), st.sampled_from(["", "service", "level"]))
def test_suggestions_are_never_too_wide(found: list[Candidate], width: int, at: int, chosen: int, field: str) -> None:
    """Wherever the cursor is; the chosen one is in reverse, and has a mark for who sees no colours."""
    lines = candidate_lines(found, Frame(_LOOK, width, 9, "x" * 30), at=at, typed="a", field=field, chosen=chosen)
    assert len(lines) == len(found)
    for index, strip in enumerate(lines):
        text = whole(strip, width)
        reverse = any(segment.style is not None and segment.style.reverse for segment in strip)
        assert reverse is (index == chosen)
        assert not reverse or ">" in text


@pytest.mark.parametrize("look", [_LOOK, _PLAIN])
def test_suggestions_with_counts(look: Look) -> None:
    """Below what they replace, the counts one under the other."""
    found = [Candidate("billing", "billing", count=868), Candidate("search", "search", count=16)]
    lines = candidate_lines(found, Frame(look, 40, 9, "service:"), at=8, typed="", field="service", chosen=1)
    assert [each.text.rstrip() for each in lines] == [
        "                 billing  868",
        "                >search    16",
    ]
