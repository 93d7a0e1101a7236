"""A sheet: the cursor stays where it is while everything around it changes, and little is painted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Size

from dblog_tui.present.blocks import Block, line
from dblog_tui.present.look import Look
from dblog_tui.widgets.sheet import Sheet

LOOK = Look()
WIDTH = 12


class Alone(Sheet):
    """A sheet without an application, which remembers what it had painted."""

    def __init__(self, height: int) -> None:
        super().__init__(LOOK)
        self.height = height
        self.painted: list[Any] = []

    @property
    def size(self) -> Size:
        return Size(WIDTH, self.height)

    def refresh(self, *regions: Any, **_: Any) -> Any:
        self.painted.extend(regions or [None])
        return self

    def post_message(self, message: Any) -> bool:
        return True


def block(key: str, *texts: str) -> Block:
    return Block(key, tuple(line(LOOK, WIDTH, (text, LOOK.styles.text)) for text in texts or (f" {key}",)))


blocks = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "c", "d", "e", "f", "kin:1", "kin:2"]), st.integers(1, 6)), max_size=9
).map(lambda made: [block(key, *[f" {key}{n}" for n in range(height)]) for key, height in dict(made).items()])
moves = st.one_of(
    st.tuples(st.just("move"), st.integers(-3, 3)),
    st.tuples(st.just("page"), st.sampled_from([-1, 1])),
    st.tuples(st.just("show"), blocks),
    st.tuples(st.just("go"), st.sampled_from(["a", "kin", "nobody"])),
)


@given(st.integers(1, 12), blocks, st.lists(moves, max_size=12))
def test_what_is_painted_is_what_is_there(height: int, first: list[Block], steps: list[tuple[str, Any]]) -> None:
    """After anything: the lines are those of the blocks from ``top`` on; the cursor is on a block if there is one."""
    sheet = Alone(height)
    sheet.show(first)
    shown = first
    for name, argument in steps:
        key = sheet.key
        if name == "show":
            shown = argument
        getattr(sheet, name)(argument)
        keys = [each.key for each in shown if each.key]
        assert bool(keys) == bool(sheet.key)
        if name == "show" and key in keys:
            assert sheet.key == key
        if name == "go":
            assert sheet.key.startswith(argument) or not any(each.startswith(argument) for each in keys)
        texts = [strip.text for each in shown for strip in each.strips]
        assert 0 <= sheet.top <= max(len(texts) - height, 0)
        seen = [sheet.render_line(y).text for y in range(height)]
        expected = [text.rstrip() for text in texts[sheet.top : sheet.top + height]]
        assert [text.rstrip().replace(">", " ", 1) for text in seen] == [*expected, *[""] * (height - len(expected))]
        assert sheet.text.split("\n") == [text.rstrip() for text in texts] or not texts


@given(st.integers(2, 9), st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_every_line_can_be_reached(height: int, heights: list[int]) -> None:
    """Going down to the end, each line has been seen; going up again brings the first back."""
    made = [
        block("", "title"),
        *(block(f"k{n}", *[f" {n}.{m}" for m in range(size)]) for n, size in enumerate(heights)),
    ]
    sheet = Alone(height)
    sheet.show(made)
    seen: set[str] = set()
    for _ in range(sum(heights) + len(heights) + 2):
        seen |= {sheet.render_line(y).text.rstrip().replace(">", " ", 1) for y in range(height)}
        sheet.move(1)
    assert {strip.text.rstrip() for each in made for strip in each.strips} <= seen
    assert sheet.key == f"k{len(heights) - 1}"
    sheet.move(-2 * sum(heights))
    assert (sheet.top, sheet.key) == (0, "k0")


@pytest.mark.parametrize("changed", [0, 1, 3])
def test_only_lines_that_changed_are_painted(changed: int) -> None:
    """Shown anew with so many other lines, so many are painted; with the same lines, none."""
    sheet = Alone(6)
    made = [block(str(number)) for number in range(6)]
    sheet.show(made)
    sheet.painted.clear()
    sheet.show([block(each.key, " new") if number < changed else each for number, each in enumerate(made)])
    assert [region.y for region in sheet.painted] == list(range(changed))
    assert {region.height for region in sheet.painted} <= {1}


def test_a_block_that_is_gone_leaves_the_cursor_among_its_kin() -> None:
    """What was a question becomes an answer of the same section, not a neighbour of another."""
    sheet = Alone(6)
    sheet.show([block("table:1"), block("doctor:begin")])
    sheet.go("doctor")
    sheet.show([block("table:1"), block("table:2"), block("doctor:0"), block("doctor:1")])
    assert sheet.key == "doctor:0"


def test_going_to_a_section_shows_its_title() -> None:
    """The headings above the block come with it."""
    sheet = Alone(3)
    sheet.show([block(str(number)) for number in range(9)] + [block("", "title"), *(block(f"x{n}") for n in range(5))])
    assert sheet.go("x", to_top=True)
    assert sheet.render_line(0).text.rstrip() == "title"
    assert sheet.key == "x0"
