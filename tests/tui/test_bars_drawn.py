"""Bars and their axis as cells."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dblog.levels import BANDS
from dblog_tui.present.bars import Bars, axis_strip, bar_strips, readout_strip, stamp
from dblog_tui.present.look import ASCII, Look
from tests.administered import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip

LOOK = Look(zone=dt.UTC)
START = 1_795_000_000 * SECOND // (15 * SECOND) * 15 * SECOND


def made(counts: Sequence[tuple[int, ...] | None], **fields: object) -> Bars:
    """Bars of 15 s each."""
    width = 15 * SECOND
    bars = Bars(START, width, tuple(counts), START, START + len(counts) * width, room=len(counts))
    for name, value in fields.items():
        object.__setattr__(bars, name, value)
    return bars


def only(**bands: int) -> tuple[int, ...]:
    """Counts by the letters of levels."""
    return tuple(bands.get(letter, 0) for letter in "TDIWEC")


columns = st.lists(st.none() | st.tuples(*[st.integers(0, 500)] * BANDS), min_size=1, max_size=90)


@given(columns, st.integers(4, 100), st.integers(1, 6), st.sampled_from([LOOK, Look(zone=dt.UTC, glyphs=ASCII)]))
def test_strips_have_the_size_asked_for_and_styles_of_their_own(
    counts: list[tuple[int, ...] | None], width: int, height: int, look: Look
) -> None:
    """Whatever is counted and however little room there is, lines are as wide as asked; every piece has a colour."""
    bars = made(counts, label="newest 1h of ≈9.9M rows")
    strips = [
        *bar_strips(bars, width, height, look, marked=(0, len(counts) // 2)),
        axis_strip(bars, width, look),
        readout_strip(bars, (0, len(counts) - 1), width, look, "z zoom"),
    ]
    assert len(strips) == height + 2
    for strip in strips:
        assert strip.cell_length == width == len(strip.text)
        assert all(segment.style and segment.style.color and segment.style.bgcolor for segment in strip)
        assert look.glyphs is not ASCII or strip.text.isascii()


@given(columns, st.integers(1, 5))
def test_a_bar_is_as_high_as_its_share_of_the_highest_and_what_is_there_is_seen(
    counts: list[tuple[int, ...] | None], height: int
) -> None:
    """Bars are in the order of their numbers; the highest fills the height; one entry is seen; nothing is nothing."""
    bars = made(counts)
    strips = bar_strips(bars, len(counts) + 2, height, LOOK)
    eighths = [_height(strips, column) for column in range(len(counts))]
    totals = [None if each is None else sum(each) for each in counts]
    most = max((total for total in totals if total is not None), default=0)
    for total, high in zip(totals, eighths, strict=True):
        if total is None:
            assert high == -1, "hatched"
        else:
            assert (high == 0) == (total == 0)
            assert total != most or not most or high == 8 * height
    known = sorted((total, high) for total, high in zip(totals, eighths, strict=True) if total is not None)
    assert [high for _, high in known] == sorted(high for _, high in known)


def _height(strips: list[Strip], column: int) -> int:
    chars = [strip.text[column + 1] for strip in strips]
    if chars[-1] == LOOK.glyphs.hatched:
        return -1
    return sum(LOOK.glyphs.bars.index(char) for char in chars)


def _style(strip: Strip, x: int) -> object:
    return next(iter(strip.crop(x, x + 1))).style


def test_the_lowest_cell_has_the_colour_of_the_worst_and_those_above_of_their_share() -> None:
    """One critical entry among a thousand colours the bottom, and the rest of the bar says that it is one."""
    strips = bar_strips(made([only(I=900, W=100, C=1), only(I=5)]), 4, 4, LOOK)
    assert [_style(strip, 1) for strip in reversed(strips)] == [LOOK.styles.bands[band] for band in (5, 2, 2, 2)]
    low = bar_strips(made([only(I=900, E=1)]), 3, 1, LOOK)
    assert _style(low[0], 1) == LOOK.styles.bands[4]


def test_the_axis_names_times_the_peak_of_errors_and_the_range() -> None:
    """Round times of the zone stand under their bars, the most errors under theirs, the range at the right."""
    counts: list[tuple[int, ...] | None] = [only(I=50)] * 78
    counts[20] = only(E=118, C=1)
    counts[60] = only(I=5000)
    text = axis_strip(made(counts, label="20m"), 80, LOOK).text
    assert "▲ 118 E 1 C" in text
    assert text.index("▲") == 21
    assert text.endswith(" 20m ")
    assert "11:10" in text
    minutes = (START + (text.index("11:10") - 1) * 15 * SECOND) // SECOND % 3600 // 60
    assert minutes == 10, "under the bar it names"


def test_without_errors_the_peak_is_that_of_entries() -> None:
    """The most entries are named where nothing went wrong; nothing where there is nothing."""
    assert "▲ 5,000" in axis_strip(made([only(I=1), only(I=5000)] + [only()] * 40), 60, LOOK).text
    assert "▲" not in axis_strip(made([only()] * 40), 60, LOOK).text


def test_what_is_not_counted_yet_is_said() -> None:
    """While columns are missing, the axis says how far it is; a column that is missing is no number."""
    bars = made([None] * 30 + [only(I=3)] * 10, label="all")
    assert "counting 25%  all" in axis_strip(bars, 80, LOOK).text
    assert "not counted yet" in readout_strip(bars, (29, 31), 80, LOOK).text
    assert " 6" in readout_strip(bars, (30, 31), 80, LOOK).text


def test_a_part_of_the_range_and_estimates_are_marked() -> None:
    """A chosen part is in the colour of warnings; numbers that a tail has passed over begin with ≈."""
    part = axis_strip(made([only(E=3)] * 30, label="newest 1h of ≈9.9M rows", whole=False), 80, LOOK)
    assert _style(part, part.text.index("newest")) == LOOK.styles.warning
    assert "≈3 E" in axis_strip(made([only(E=3)] * 30, about=True), 80, LOOK).text


def test_stamps_are_as_exact_as_a_column_is_wide() -> None:
    """Minutes, seconds, milliseconds; with the day for columns of hours."""
    moment = 1_795_000_000_123_456
    assert stamp(moment, SECOND, dt.UTC) == "11:06:40"
    assert stamp(moment, 1000, dt.UTC).endswith("40.123")
    assert stamp(moment, 1, dt.UTC).endswith("40.123456")
    assert stamp(moment - moment % (60 * SECOND), 60 * SECOND, dt.UTC).count(":") == 1
    assert "11-18" in stamp(moment, 3600 * SECOND, dt.UTC)
    assert stamp(2**62, SECOND, dt.UTC) == str(2**62)
