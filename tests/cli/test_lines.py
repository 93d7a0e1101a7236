"""Entries as lines: one each, never wider than the terminal, whatever is in them."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.cli.cells import cells, cut, line, pad
from dblog.cli.details import detail_lines
from dblog.cli.lines import Lines, Look, exception_of, facts
from dblog.cli.moments import ago, clock, day, duration, moment
from tests.fake_reader import START, entry
from tests.hostile import DANGEROUS, entries, texts

if TYPE_CHECKING:
    from dblog.entry import LogEntry

SGR = re.compile(r"\x1b\[[0-9;]*m")
UTC = Look(zone=dt.UTC)


def shown(each: LogEntry, look: Look) -> list[str]:
    lines = Lines(look)
    lines.fit([each])
    return list(lines.of(each))


@given(entries(), st.integers(20, 250), st.booleans(), st.booleans(), st.booleans())
def test_one_line_each_that_fits(each: LogEntry, width: int, ids: bool, late: bool, colour: bool) -> None:
    """With the date in it an entry is one line of visible characters, and not too wide, coloured or not."""
    lines = Lines(Look(width=width, zone=dt.UTC, dates=True, ids=ids, colour=colour))
    lines.fit([each])
    (text,) = lines.of(each, late=late)
    plain = SGR.sub("", text) if colour else text
    assert not DANGEROUS & set(plain)
    assert cells(plain) <= width


@given(entries())
def test_colour_adds_nothing_but_colour(each: LogEntry) -> None:
    """Without its SGR sequences a coloured line is the plain one, and it ends without a style."""
    plain = shown(each, Look(width=120, zone=dt.UTC))
    coloured = shown(each, Look(width=120, zone=dt.UTC, colour=True))
    assert [SGR.sub("", text) for text in coloured] == plain
    assert all(not (found := SGR.findall(text)) or found[-1] == "\x1b[0m" for text in coloured)


@given(entries())
def test_whole_entries_are_visible_too(each: LogEntry) -> None:
    """What ``--full`` and ``show`` print has lines and tabs, and nothing else that acts."""
    text = [*shown(each, Look(zone=dt.UTC, full=True)), *detail_lines(each, UTC)]
    assert all(set(part) & DANGEROUS <= {"\t"} for part in text)


@given(texts, st.integers(0, 40))
def test_cut_and_pad(text: str, width: int) -> None:
    """Cut text has at most the cells it may have and says that it was cut; padded text has exactly as many."""
    assert cells(cut(text, width)) <= width
    assert cut(text, width) == text or not width or cut(text, width).endswith("…")
    assert cells(pad(text, width)) == width


def test_pieces_that_do_not_fit_leave_an_ellipsis() -> None:
    """Also where the line is full to the last cell before them."""
    assert line((("abc", ""), ("def", "")), 6, colour=False) == "abcdef"
    assert line((("abc", ""), ("def", "")), 5, colour=False) == "abcd…"
    assert line((("abc", ""), ("def", "")), 3, colour=False) == "ab…"
    assert line((("漢字", ""), ("x", "")), 4, colour=False) == "漢…"
    assert line((("ab  ", "1"), ("  ", "")), None, colour=True) == "\x1b[1mab\x1b[0m"


def test_a_line_for_people() -> None:
    """Time, level, service, logger, message, exception, metadata and the beginning of the trace id."""
    each = entry(
        1, "charge failed", level="WARNING", severity=13, service="payments", exc_type="ValueError",
        exc_message="no card", metadata='{"http":{"status":500},"note":"a b","ms":1.23456}', trace_id="4bf92f3577b3",
    )  # fmt: skip
    head, text = shown(each, UTC)
    assert head == "── Thu 2025-11-20 UTC ──"
    assert text == (
        "10:02:04.778 WARN  payments shop.cart charge failed  ValueError: no card"
        '  http.status=500 note="a b" ms=1.235  trace=4bf92f35'
    )


def test_the_day_is_said_where_it_changes() -> None:
    """Once per day and zone offset, or in every line; the offset tells local times apart when clocks go back."""
    lines = Lines(UTC)
    several = [entry(0), entry(1), entry(86_400_000)]
    assert [text[:6] for each in several for text in lines.of(each)] == [
        "── Thu", "10:02:", "10:02:", "── Fri", "10:02:",
    ]  # fmt: skip
    assert shown(several[0], Look(zone=dt.UTC, dates=True))[0].startswith("2025-11-20 10:02:04.777 INFO")
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    before, after = 1_761_438_600_000_000, 1_761_442_200_000_000
    assert clock(before, berlin) == clock(after, berlin) == "02:30:00.000"
    assert (day(before, berlin), day(after, berlin)) == ("Sun 2025-10-26 +02:00", "Sun 2025-10-26 +01:00")


def test_columns_grow_and_never_shrink() -> None:
    """What comes later is aligned with the widest there was; long loggers keep their end."""
    lines = Lines(Look(width=80, zone=dt.UTC, dates=True))
    wide, narrow = entry(1, "m", logger="shop.cart.checkout", service="s1"), entry(2, "m", logger="a")
    for each in (wide, narrow):
        lines.fit([each])
    (first,), (second,) = lines.of(wide), lines.of(narrow)
    assert " s1 checkout    m" in first
    assert first.index(" m") == second.index(" m")
    roomy = Lines(Look(width=100, zone=dt.UTC, dates=True))
    roomy.fit([wide])
    assert " s.c.checkout m" in next(roomy.of(wide)).replace("   m", " m").replace("  m", " m")


def test_the_rest_is_below_where_all_is_wanted() -> None:
    """``--full``: the first line of the message in the line, the others and the traceback below, all of it."""
    each = entry(1, "one\ntwo\x1b" + "x" * 300, exc_text="Traceback:\n  boom")
    lines = shown(each, Look(width=40, zone=dt.UTC, full=True))
    assert lines[1].endswith(" one")
    assert lines[2:] == ["    two␛" + "x" * 300, "    Traceback:", "      boom"]
    assert cells(shown(each, Look(width=40, zone=dt.UTC, wrap=True))[1]) > 300


@pytest.mark.parametrize(
    ("metadata", "shows"),
    [
        (None, []),
        ("{}", []),
        ('{"a":1,"b":{"c":[1,2],"d":{}},"e":null}', ["a=1", "b.c=[1,2]", "b.d={}", "e=null"]),
        ('{"a":"","b":"x=y","c":"plain"}', ['a=""', 'b="x=y"', "c=plain"]),
        ('{"a":{"b":{"c":{"d":1}}}}', ['a.b.c={"d":1}']),
        (f'{{"a":{"[" * 500}{"]" * 500}}}', ["a=…"]),
        ("no json", ['metadata="no json"']),
        ("[1]", ["metadata=[1]"]),
    ],
)
def test_metadata_in_short(metadata: str | None, shows: list[str]) -> None:
    """Paths as in queries, texts quoted where they would be mistaken, and whatever else is in the column."""
    each = entry(metadata=metadata)
    assert list(facts(each)) == shows
    assert (metadata is None) == ("metadata" not in list(detail_lines(each, UTC)))


def test_an_exception_is_not_said_twice() -> None:
    """Its message is left out where the entry's own has it."""
    assert exception_of(entry(1, "failed: no card", exc_type="ValueError", exc_message="no card")) == "ValueError"
    assert exception_of(entry(1, "failed", exc_message="no\ncard")) == "no␊card"
    assert exception_of(entry(1)) == ""


@given(st.floats(0, 1e12))
def test_durations_have_units_people_use(seconds: float) -> None:
    """A number and a unit, or two of each."""
    assert re.fullmatch(r"\d+(?:\.\d+)? (?:µs|ms|s)|\d+ (?:min \d+ s|h \d+ min|d \d+ h)", duration(seconds))
    assert duration(-seconds).lstrip("-") == duration(seconds)


@given(st.integers(-(2**70), 2**70))
def test_any_time_has_a_text(timestamp: int) -> None:
    """Also one that no calendar has."""
    assert len(clock(timestamp, dt.UTC)) == 12
    assert day(timestamp, None)
    assert moment(timestamp, dt.UTC)
    assert ago(timestamp, START)


def test_times_in_words() -> None:
    """The examples of the docstrings."""
    values = [duration(seconds) for seconds in (0.00085, 0.0123, 4.56, 185, 7800, 442_800)]
    assert values == ["850 µs", "12.3 ms", "4.56 s", "3 min 5 s", "2 h 10 min", "5 d 3 h"]
    assert moment(START, dt.UTC) == "2025-11-20 10:02:04.777123 UTC"
    assert [ago(START - seconds * 10**6, START) for seconds in (-5, 12, 7200, 200_000)] == [
        "now", "12 s ago", "2 h ago", "2 d ago",
    ]  # fmt: skip
