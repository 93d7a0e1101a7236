"""Traces for tests: one that tells a story, any that may occur, and an application that shows one screen."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from textual.app import App

from dblog.cli.profiles import Database
from dblog.entry import LogEntry
from dblog.reading.values import Trace
from dblog_tui.present.look import ASCII, Look
from dblog_tui.source import Source
from tests import hostile
from tests.administered import entry

if TYPE_CHECKING:
    import pytest
    from textual.screen import Screen

__all__ = [
    "LOOKS",
    "START",
    "TRACE_ID",
    "Host",
    "copied_into",
    "incident",
    "source_of",
    "spoken",
    "story_trace",
    "traces",
]

START = 1_780_000_000_000_000
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
LOOKS = (Look(zone=dt.UTC), Look(zone=dt.UTC, glyphs=ASCII))
_SEVERITIES = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}


def spoken(ms: float, level: str, service: str | None, message: str, **fields: Any) -> LogEntry:
    """An entry so many ms after the beginning."""
    span, parent, took = fields.pop("span", None), fields.pop("parent", None), fields.pop("took", None)
    made: dict[str, Any] = {
        "level": level,
        "severity": _SEVERITIES[level],
        "service": service,
        "message": message,
        "template": None,
        "metadata": None if took is None else f'{{"duration_ms":{took}}}',
        "host": f"{service}-1",
        "trace_id": TRACE_ID,
        "span_id": span,
        "parent_span_id": parent,
    }
    return entry(round(ms), START + round(ms * 1000), **(made | fields))


def incident(*, spans: bool = True) -> list[LogEntry]:
    """A payment that fails for a bank that says nothing for 2.29 s."""
    rows = [
        spoken(0, "INFO", "gateway", "-> POST /v1/pay", span="a1"),
        spoken(4, "DEBUG", "gateway", "route matched pay", span="a1"),
        spoken(6, "INFO", "auth", "token ok user=9547", span="b1", parent="a1"),
        spoken(9, "INFO", "orders", "order 48113 found", span="c1", parent="a1"),
        spoken(19, "INFO", "payments", "charge start order=48113", span="d1", parent="c1"),
        spoken(422, "WARNING", "payments", "retry 1 of 5 to upstream bank", span="d1", parent="c1"),
        spoken(730, "WARNING", "payments", "retry 2 of 5 to upstream bank", span="d1", parent="c1"),
        spoken(3019, "ERROR", "payments", "payment 48113 failed", span="d1", parent="c1", took=3000),
        spoken(3020, "ERROR", "orders", "order 48113 not paid", span="c1", parent="a1", took=3011),
        spoken(3021, "ERROR", "gateway", "<- POST /v1/pay 502", span="a1", took=3021),
        spoken(3112, "INFO", "worker", "refund queued job=881", span="e1", parent="c1"),
    ]
    return rows if spans else [row._replace(span_id=None, parent_span_id=None, metadata=None) for row in rows]


def story_trace(entries: list[LogEntry], *, truncated: bool = False) -> Trace:
    """The entries as a trace, the oldest first."""
    return Trace(TRACE_ID, tuple(sorted(entries, key=lambda each: each.timestamp)), truncated)


_names = st.sampled_from(("a", "b", "c", "d", "e", "f")) | st.none()
_times = st.integers(0, 20).map(lambda ms: START + ms * 1000) | st.integers(0, 10**9).map(START.__add__)
_wild_times = st.integers(-(2**62), 2**62)
_services = st.sampled_from(("api", "billing", "worker", None, "", "漢字漢字漢字漢字", "\x1b[31mred"))
_metadata = st.sampled_from((None, '{"duration_ms":12.5}', '{"duration_ms":1e11}', '{"\\u001b":"\\n"}', "no json"))
_ordinary = st.builds(
    LogEntry,
    timestamp=_times,
    level=st.just("INFO"),
    severity=st.integers(-1, 30),
    logger=st.just("shop"),
    message=st.sampled_from(("in", "out", "e\u0301 漢字 " * 40, "\x1b]52;c;aGk=\x07\r\n", "\u202e")),
    metadata=_metadata,
    service=_services,
    span_id=_names,
    parent_span_id=_names,
    host=st.sampled_from((None, "h1", "h2")),
)
_wild = hostile.entries(span_id=_names, parent_span_id=_names, timestamp=_times | _wild_times)


@st.composite
def traces(draw: st.DrawFn, /, least: int = 1) -> Trace:
    """Any trace a database may hold: circles of spans, no spans, clocks that are wrong by centuries, hostile texts."""
    entries = draw(st.lists(_ordinary, min_size=least, max_size=7)) + draw(st.lists(_wild, max_size=1))
    return Trace(
        draw(st.sampled_from((TRACE_ID, "x" * 300, "\x1b[2J"))), story_trace(entries).entries, draw(st.booleans())
    )


def source_of(url: str) -> Source:
    """A source that reads this database."""
    return Source(Database(url), zone=dt.UTC)


def copied_into(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is copied from now on."""
    copied: list[str] = []

    def copy(app: App[Any], text: str) -> str:
        copied.append(text)
        return "copied"

    monkeypatch.setattr("dblog_tui.clipboard.copy", copy)
    return copied


class Host(App[None]):
    """Shows one screen, and keeps what it ended with."""

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self.shown = screen
        self.outcomes: list[Any] = []
        self.animation_level = "none"

    def on_mount(self) -> None:
        """Show it."""
        self.theme = "ansi-dark"
        self.push_screen(self.shown, self.outcomes.append)
