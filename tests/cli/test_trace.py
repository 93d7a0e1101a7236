"""A trace: its tree, its text, and ``dblog trace``."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dblog.cli.cells import cells
from dblog.cli.lines import Look
from dblog.cli.spans import Span, duration_of, walk
from dblog.cli.traces import trace_lines
from dblog.reading.values import Trace
from tests.fake_reader import entry
from tests.hostile import DANGEROUS, entries

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry
    from tests.fake_reader import FakeReader

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
UTC = Look(zone=dt.UTC)
SPANS = st.none() | st.sampled_from("abcd")
PARTS = entries(span_id=SPANS, parent_span_id=SPANS, timestamp=st.integers(0, 10_000_000))


def part(at: float, message: str, span: str | None = None, parent: str | None = None, **fields: Any) -> LogEntry:
    """An entry of the trace, ``at`` ms after its beginning."""
    made = entry(0, message, span_id=span, parent_span_id=parent, trace_id=ID, **fields)
    return made._replace(timestamp=made.timestamp + round(at * 1000))


def text(*parts: LogEntry, flat: bool = False) -> list[str]:
    """The lines below the summary."""
    return list(trace_lines(Trace(ID, parts, truncated=False), UTC, flat=flat))[4:]


HALF = settings(max_examples=settings().max_examples // 2)


@HALF
@given(st.lists(PARTS, max_size=8))
def test_every_entry_is_in_the_tree_once(parts: list[LogEntry]) -> None:
    """Whatever spans name as their parents, themselves and each other in a circle included; every span once, too."""
    items = [item for _, item in walk(parts)]
    found = [item for item in items if not isinstance(item, Span)]
    assert sorted(map(id, found)) == sorted(map(id, parts))
    spans = [item.id for item in items if isinstance(item, Span)]
    assert sorted(spans) == sorted({each.span_id for each in parts if each.span_id})


@HALF
@given(st.lists(PARTS, max_size=8), st.integers(40, 200), st.booleans())
def test_lines_of_a_trace_fit(parts: list[LogEntry], width: int, flat: bool) -> None:
    """Nothing dangerous, nothing wider than the terminal, a line for each entry at least."""
    ordered = tuple(sorted(parts, key=lambda each: each.timestamp))
    lines = list(trace_lines(Trace(ID, ordered, truncated=False), Look(width=width, zone=dt.UTC), flat=flat))
    assert all(not DANGEROUS & set(each) and cells(each) <= width for each in lines)
    assert len(lines) > len(parts)


def test_entries_stand_under_their_spans() -> None:
    """With when they were, how long spans took as entries say or as they show, and the service said once."""
    assert text(
        part(0, "accepted", "a1", service="gateway"),
        part(12.3, "received", "b1", "a1", service="orders"),
        part(80, "stored", "b1", "a1", service="orders", level="ERROR", severity=17),
        part(100, "done", "a1", service="gateway", metadata='{"duration_ms":100}'),
        part(101, "elsewhere", service="cron"),
    ) == [
        "     +0 µs  ┌ gateway  100.0 ms  a1",
        "     +0 µs  │ INFO  accepted",
        "  +12.3 ms  │ ┌ orders  67.7 ms  b1",
        "  +12.3 ms  │ │ INFO  received",
        "  +80.0 ms  │ │ ERROR stored",
        " +100.0 ms  │ INFO  done  duration_ms=100",
        " +101.0 ms  INFO  cron    elsewhere",
    ]


def test_a_flat_trace_is_by_time() -> None:
    """Also where there are spans; a long silence is marked."""
    lines = text(part(0, "one", "a1", service="gateway"), part(1500, "two", service="orders"), flat=True)
    assert lines == [
        "     +0 µs  INFO  gateway one",
        "            ── 1.50 s ──",
        "   +1.50 s  INFO  orders  two",
    ]


def test_the_summary_says_what_it_was() -> None:
    """Services, when, how long, how many entries, how many of them errors, and whether there are more."""
    parts = (part(0, "a", service="x"), part(5, "b", service="y", level="ERROR", severity=17))
    assert list(trace_lines(Trace(ID, parts, truncated=True), UTC))[:4] == [
        f"trace {ID}",
        "x  y",
        "2025-11-20 10:02:04.777123 UTC  5.0 ms  2 entries, and more than these  1 error",
        "",
    ]


@pytest.mark.parametrize("depth", [3000])
def test_spans_as_deep_as_they_like(depth: int) -> None:
    """A chain of thousands is walked without recursion, and its guides do not fill the line."""
    chain = [part(number, "m", f"s{number}", f"s{number - 1}") for number in range(depth)]
    assert max(level for level, _ in walk(chain)) == depth
    assert len(text(*chain)[-1]) < 80


@pytest.mark.parametrize("metadata", [None, "{}", '{"duration_ms":true}', '{"duration_ms":"5"}', '{"duration_ms":-1}'])
def test_what_is_no_duration(metadata: str | None) -> None:
    """Numbers from 0 only."""
    assert duration_of(entry(metadata=metadata)) is None


def test_the_command(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """By the whole id or its beginning; as JSON it is the entries."""
    fake.entries = [part(0, "one", "a1"), part(5, "two")]
    whole = dblog("trace", ID, "--text", "--utc")
    assert (whole.code, whole.lines[0], len(whole.lines)) == (0, f"trace {ID}", 6)
    assert dblog("trace", ID[:8], "--text", "--utc") == whole
    assert [json.loads(each)["message"] for each in dblog("trace", ID, "--json").lines] == ["one", "two"]
    assert "1 shown, there are more: --limit" in dblog("trace", ID, "-n", "1").err


def test_a_trace_that_is_not_there(dblog: Callable[..., Any], fake: FakeReader) -> None:
    """Exit code 1 and a sentence: none of that id, none that begins so, or several, which are listed."""
    assert dblog("trace", "nothing") == (1, "", "dblog: no entry has the trace id nothing\n")
    assert dblog("trace", "0" * 8) == (1, "", "dblog: no entry has a trace id that is or begins with 00000000\n")
    fake.entries = [part(0, "one"), part(1, "two")._replace(trace_id=ID[:10] + "0" * 22)]
    several = dblog("trace", ID[:8])
    assert (several.code, several.out) == (1, "")
    assert several.err.splitlines() == [
        f"dblog: several traces begin with {ID[:8]}:",
        f"  {ID[:10]}{'0' * 22}",
        f"  {ID}",
    ]
