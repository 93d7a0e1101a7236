"""What a trace tells: every entry once, silences in which nobody spoke, spans, clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dblog.levels import band_of
from dblog_tui.present.story import Gap, Row, Story, rows_of, story_of
from tests.tui.tracing import incident, spoken, story_trace, traces

if TYPE_CHECKING:
    from dblog.entry import LogEntry
    from dblog.reading.values import Trace


def _numbers(rows: list[Row]) -> list[int]:
    return [row.number for row in rows if row.number >= 0]


def _gaps(rows: list[Row]) -> list[Gap]:
    return [row.item for row in rows if isinstance(row.item, Gap)]


def _story(*entries: LogEntry) -> Story:
    return story_of(story_trace(list(entries)))


@given(trace=traces(), tree=st.booleans(), least=st.integers(0, 5), data=st.data())
def test_every_entry_is_on_exactly_one_line_or_hidden(
    trace: Trace, tree: bool, least: int, data: st.DataObject
) -> None:
    """By time or as a tree: the entries of the level and the service are there once, the others not at all."""
    story = story_of(trace)
    only = data.draw(st.none() | st.integers(0, len(story.lanes) - 1))
    rows = rows_of(story, tree=tree, least=least, only=only)
    wanted = [
        number
        for number, entry in enumerate(trace.entries)
        if band_of(entry.severity) >= least and (only is None or (entry.service or None) == story.lanes[only].service)
    ]
    assert sorted(_numbers(rows)) == wanted
    assert tree or _numbers(rows) == wanted
    assert all(row.item is trace.entries[row.number] for row in rows if row.number >= 0)


@given(trace=traces(), tree=st.booleans(), least=st.integers(0, 5))
def test_in_a_gap_nobody_speaks(trace: Trace, tree: bool, least: int) -> None:
    """No entry lies inside one, whatever is hidden; each is on one line, and by time it is where it happened."""
    story = story_of(trace)
    for gap in story.gaps:
        assert gap.start < gap.end == trace.entries[gap.after].timestamp
        assert gap.before == gap.after - 1
        assert gap.start == (trace.entries[gap.before].timestamp if gap.before >= 0 else story.first)
        assert not any(gap.start < entry.timestamp < gap.end for entry in trace.entries)
        assert gap.length <= story.longest
    assert [gap.longest for gap in story.gaps].count(True) == bool(story.gaps)
    assert all(gap.length == story.longest for gap in story.gaps if gap.longest)
    rows = rows_of(story, tree=tree, least=least)
    assert sorted(gap.start for gap in _gaps(rows)) == [gap.start for gap in story.gaps]
    if not tree:
        for index, row in enumerate(rows):
            if isinstance(row.item, Gap):
                assert all(number <= row.item.before for number in _numbers(rows[:index]))
                assert all(number >= row.item.after for number in _numbers(rows[index:]))


@given(trace=traces())
def test_lanes_hold_every_entry_and_every_moment_lies_between_first_and_last(trace: Trace) -> None:
    """A lane per service in the order in which they spoke; the marks of all lanes are the entries."""
    story = story_of(trace)
    assert [lane.service for lane in story.lanes] == list(dict.fromkeys(each.service or None for each in trace))
    marks = sorted(mark for lane in story.lanes for mark in lane.marks)
    assert marks == sorted((entry.timestamp, band_of(entry.severity)) for entry in trace)
    assert story.first <= trace.entries[0].timestamp
    assert story.last == trace.entries[-1].timestamp
    assert sum(story.counts) == len(trace.entries)


def test_the_silence_of_an_incident_is_found_with_who_was_waiting() -> None:
    """One gap of 2.29 s, between the last retry and the failure, and the spans that were open, the outermost first."""
    story = story_of(story_trace(incident()))
    (gap,) = story.gaps
    assert (gap.length, gap.longest) == (2_289_000, True)
    assert story.entries[gap.before].message.startswith("retry 2")
    assert story.entries[gap.after].message == "payment 48113 failed"
    assert gap.waiting == ("gateway", "orders", "payments")


def test_a_hidden_entry_breaks_a_silence() -> None:
    """A DEBUG entry in the middle makes two gaps of one, also where DEBUG is not shown."""
    story = _story(spoken(0, "INFO", "a", "x"), spoken(500, "DEBUG", "b", "still here"), spoken(1000, "INFO", "a", "y"))
    assert [gap.length for gap in _gaps(rows_of(story, least=2))] == [500_000, 500_000]


def test_a_heartbeat_is_no_silence() -> None:
    """Steps that are all alike are nobody's silence; one that is twice as long is."""
    beats = [spoken(1000 * number, "INFO", "a", "beat") for number in range(8)]
    assert not _story(*beats).gaps
    missed = [beat for number, beat in enumerate(beats) if number != 4]
    assert [gap.length for gap in _story(*missed).gaps] == [2_000_000]


def test_silence_before_the_first_entry_is_one_where_a_span_was_open() -> None:
    """A service that logs only when it is done was silent for as long as it says it took."""
    story = _story(spoken(3000, "ERROR", "api", "502", span="a", took=3000))
    (gap,) = story.gaps
    assert (gap.before, gap.after, gap.length, gap.waiting) == (-1, 0, 3_000_000, ("api",))


def test_a_duration_of_years_does_not_stretch_the_trace() -> None:
    """What says it began long before everything else is not believed."""
    story = _story(spoken(0, "INFO", "a", "x"), spoken(10, "INFO", "a", "y", span="s", took=1e11))
    assert story.first == story.entries[0].timestamp


def test_one_entry_and_one_moment_have_no_gaps() -> None:
    """There is no silence between what is one."""
    assert _story(spoken(0, "INFO", "a", "x")).gaps == ()
    assert _story(spoken(0, "INFO", "a", "x"), spoken(0, "INFO", "b", "y")).gaps == ()


def test_a_trace_without_entries_tells_nothing() -> None:
    """It has no lanes and no rows, and does not fail."""
    story = _story()
    assert (story.lanes, story.gaps, rows_of(story), rows_of(story, tree=True)) == ((), (), [], [])


def test_a_child_on_another_host_that_begins_before_its_parent_has_a_skewed_clock() -> None:
    """On the same host, or where the parent's beginning is not known, nothing is said."""

    def skews(host: str, *further: LogEntry, took: float | None = None) -> list[int]:
        parent = spoken(300, "INFO", "api", "in", span="p", host="h1", took=took)
        child = spoken(60, "INFO", "billing", "charge", span="c", parent="p", host=host)
        return [lane.skew for lane in _story(child, parent, *further).lanes if lane.service == "billing"]

    later = spoken(400, "INFO", "api", "out", span="p", host="h1")
    assert skews("h2", later) == [240_000]
    assert skews("h2", took=0) == [240_000]
    assert skews("h1", later) == [0]
    assert skews("h2") == [0]
    assert skews("h2", took=290) == [0]
