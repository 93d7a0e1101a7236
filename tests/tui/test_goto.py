"""Times and ranges as people type them."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.errors import ConfigurationError
from dblog_tui import goto
from dblog_tui.view import ALL, Span

S = 1_000_000
H = 3600 * S
DAY = 24 * H
MIDNIGHT = 1_795_132_800 * S
"""2026-11-20T00:00Z"""
NOW = MIDNIGHT + 10 * H + 45 * 60 * S


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("14:05", MIDNIGHT - DAY + 14 * H + 5 * 60 * S),
        ("10:05", MIDNIGHT + 10 * H + 5 * 60 * S),
        ("-2h", NOW - 2 * H),
        ("- 2h", NOW - 2 * H),
        ("2h ago", NOW - 2 * H),
        ("yesterday 14:05", MIDNIGHT - 10 * H + 5 * 60 * S),
        ("today at 9:05", MIDNIGHT + 9 * H + 5 * 60 * S),
        ("1h30m", NOW - 90 * 60 * S),
        (" yesterday ", MIDNIGHT - DAY),
        ("2026-11-20T10:00", MIDNIGHT + 10 * H),
        ("2026-11-20T10:00:00+01:00", MIDNIGHT + 9 * H),
        ("now", NOW),
        (str(NOW), NOW),
        (str(NOW // 1000), NOW),
        (str(NOW // S), NOW),
    ],
)
def test_a_time_is_what_people_mean_by_it(text: str, moment: int) -> None:
    """Clock times are the latest, durations are ago, numbers count from 1970."""
    assert goto.moment(text, now=NOW, zone=dt.UTC) == moment


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no time is named"),
        ("soonish", "'soonish' is not a time: write 14:05"),
        ("15min", "'15min' is not a time: did you mean 15m?"),
        ("2026-02-30", "is not a time that exists"),
        ("25:00", "is not a time that exists"),
        ("999999w", "is outside of the years"),
    ],
)
def test_what_is_no_time_is_a_sentence(text: str, sentence: str) -> None:
    """With what was likely meant."""
    with pytest.raises(ConfigurationError, match=sentence.replace("?", r"\?")):
        goto.moment(text, now=NOW, zone=dt.UTC)


@given(st.text(max_size=30))
def test_any_text_is_a_time_a_range_a_zone_or_a_sentence(text: str) -> None:
    """Nothing that is typed ends in another exception."""
    for read in (
        lambda: goto.moment(text, now=NOW, zone=dt.UTC),
        lambda: goto.span(text, now=NOW, zone=dt.UTC),
        lambda: goto.zone(text),
    ):
        with suppress(ConfigurationError):
            read()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("15m", Span(last=900)),
        ("last 15m", Span(last=900)),
        ("-90s", Span(last=90)),
        ("1h30m", Span(last=5400)),
        ("500ms", Span(since=NOW - S // 2)),
        ("all", ALL),
        ("10:00 .. 10:30", Span(since=MIDNIGHT + 10 * H, until=MIDNIGHT + 10 * H + H // 2)),
        ("10:00..10:30", Span(since=MIDNIGHT + 10 * H, until=MIDNIGHT + 10 * H + H // 2)),
        ("23:00 to 1:00", Span(since=MIDNIGHT - H, until=MIDNIGHT + H)),
        ("23:00 - 1:00", Span(since=MIDNIGHT - H, until=MIDNIGHT + H)),
        ("2h .. 1h", Span(since=NOW - 2 * H, until=NOW - H)),
        ("yesterday", Span(since=MIDNIGHT - DAY, until=MIDNIGHT)),
        ("2026-11-20T10:00", Span(since=MIDNIGHT + 10 * H, until=MIDNIGHT + 10 * H + 60 * S)),
        ("since 10:00", Span(since=MIDNIGHT + 10 * H)),
        ("until 10:00", Span(until=MIDNIGHT + 10 * H)),
    ],
)
def test_a_range_is_what_people_mean_by_it(text: str, span: Span) -> None:
    """Lengths go on with time, days and minutes are whole, two times are in order, over midnight too."""
    assert goto.span(text, now=NOW, zone=dt.UTC) == span


def test_a_range_that_ends_before_it_begins_is_a_sentence() -> None:
    """Two dates in the wrong order say so."""
    with pytest.raises(ConfigurationError, match="the earlier time first"):
        goto.span("2026-11-20 .. 2026-11-19", now=NOW, zone=dt.UTC)


def test_a_zone_has_a_name_or_an_offset() -> None:
    """``local`` is the machine's, offsets are taken, names are the tz database's, and anything else is a sentence."""
    assert goto.zone("utc") is dt.UTC
    assert goto.zone("Local") is None
    assert goto.zone("-05:30") == dt.timezone(-dt.timedelta(hours=5, minutes=30))
    assert str(goto.zone("Europe/Berlin")) == "Europe/Berlin"
    for wrong in ("Mars", "../etc", "/etc/passwd", "", "a\0b", "x" * 300):
        with pytest.raises(ConfigurationError, match="is not a time zone"):
            goto.zone(wrong)
    assert "Europe/Berlin" in goto.zone_names()
