"""A line that is edited: no key breaks it, and every change can be taken back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dblog_tui.editline import EditLine, one_line

_TEXTS = st.text("ab :日é\u0301\u200b()", max_size=8)
_CHANGES = st.one_of(
    st.tuples(st.just("insert"), _TEXTS.filter(bool)),
    st.tuples(st.just("erase"), st.sampled_from([-1, 1])),
    st.tuples(st.just("erase_word")),
    st.tuples(st.just("erase_side"), st.sampled_from([-1, 1])),
    st.tuples(st.just("put"), _TEXTS),
)
_MOVES = st.one_of(
    st.tuples(st.sampled_from(["move", "jump", "edge"]), st.sampled_from([-1, 1])),
    st.tuples(st.just("to"), st.integers(-3, 20)),
)


@given(_TEXTS, st.lists(_CHANGES | _MOVES, max_size=12))
def test_the_cursor_is_always_in_the_text(text: str, keys: list[tuple[Any, ...]]) -> None:
    """Whatever is pressed; moves change no text, and undoing everything gives the text one began with."""
    line = EditLine()
    line.start(text)
    for name, *arguments in keys:
        before = line.text
        getattr(line, name)(*arguments)
        assert 0 <= line.cursor <= len(line.text)
        if name in ("move", "jump", "edge", "to"):
            assert line.text == before
    while line.can_undo:
        line.undo()
    assert line.text == text


@given(_TEXTS, _TEXTS, _TEXTS.filter(bool))
def test_what_is_written_stands_at_the_cursor(before: str, after: str, new: str) -> None:
    """Nothing else changes."""
    line = EditLine()
    line.start(before + after)
    line.to(len(before))
    line.insert(new)
    assert (line.text, line.cursor) == (before + new + after, len(before) + len(new))


@given(_TEXTS)
def test_the_cursor_passes_marks_with_their_letter(text: str) -> None:
    """Moving stops at no mark that combines with the letter before it, and comes to the end."""
    line = EditLine()
    line.start(text)
    line.edge(-1)
    for _ in text:
        line.move(1)
        assert line.cursor == len(text) or cell_len(text[line.cursor])
    assert line.cursor == len(text)


def test_a_word_is_undone_at_once() -> None:
    """Letters in a row are one change, a blank begins the next."""
    line = EditLine()
    for char in "service api":
        line.insert(char)
    line.undo()
    assert line.text == "service "
    line.undo()
    line.undo()
    assert line.text == ""
    assert not line.can_undo


def test_words_end_where_queries_change() -> None:
    """Jumping stops between a field, its operator and its value; erasing a word takes all up to the blank."""
    line = EditLine()
    line.start("a service:web-1")
    line.jump(-1)
    assert line.cursor == len("a service:")
    line.jump(-1)
    line.jump(-1)
    assert line.cursor == len("a ")
    line.edge(1)
    line.erase_word()
    assert line.text == "a "


@given(st.text())
def test_pasted_text_is_one_line(text: str) -> None:
    """Nothing in it that moves a cursor, and nothing a query cannot hold."""
    pasted = one_line(text)
    assert pasted.isprintable()
    pasted.encode()
