"""What a query costs before it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.query import parse
from dblog.query.predicate import predicate
from dblog.query.tree import both
from dblog_tui.cost import NARROW, cost, indexed, reason, span
from tests.querytrees import entries, trees

if TYPE_CHECKING:
    from dblog.entry import LogEntry
    from dblog.query.tree import Node


@pytest.mark.parametrize(
    ("query", "clause"),
    [
        ("", ""),
        ("since:15m", ""),
        ("since:15m until:5m", ""),
        ("level>=warn", ""),
        ("level:error", ""),
        ("level:(error OR critical) since:1h", ""),
        ("trace:4bf92f3577b34da6", ""),
        ("trace:a service:x", ""),
        ("trace:a OR trace:b", ""),
        ("trace in (a, b) timeout", ""),
        ("level>=info", "level>=INFO"),
        ("trace:a*", "trace_id:a*"),
        ("-trace:a", "-trace_id:a"),
        ("trace!=a", "trace_id!=a"),
        ("timeout", "timeout"),
        ("service:billing level>=warn", "service:billing"),
        ("since:7d dur_ms>250", "dur_ms>250"),
        ("trace:a OR timeout", "trace_id:a"),
        ("trace:a OR level>=error", "trace_id:a"),
        ("id:01890a5d-ac96-774b-bcce-b302099a8057", "id:01890a5d-ac96-774b-bcce-b302099a8057"),
    ],
)
def test_which_clause_no_index_answers(query: str, clause: str) -> None:
    """The first of them, as a query would name it."""
    found = cost(parse(query).tree)
    assert found.indexed is not bool(found.clause)
    assert found.clause == clause


def test_a_narrow_range_needs_no_index() -> None:
    """Where few entries lie in it, they are looked at; how many is asked for the range of the query, and no other."""
    asked: list[tuple[int | None, int | None]] = []

    def few(low: int | None, high: int | None) -> int:
        asked.append((low, high))
        return NARROW

    tree = parse("timeout since:2026-11-20T10:00:00Z until:2026-11-20T11:00:00Z").tree
    assert indexed(tree, few)
    ((low, high),) = asked
    assert low is not None
    assert high is not None
    assert high - low == 3600 * 10**6 - 1
    assert not indexed(tree, lambda *_: NARROW + 1)


def test_the_reason_is_one_line() -> None:
    """The clause, about how many rows, about how long; nothing where it costs nothing."""
    tree = parse("msg=~/a+b/").tree
    assert reason(tree, lambda *_: 9_900_000) == "no index for /a+b/: ~9.9M rows, up to 16 s"
    assert reason(parse("x").tree) == "no index for x"
    assert reason(parse("level:error").tree, lambda *_: 10**9) is None
    assert (cost(parse("a.b:1").tree, lambda *_: 10**7).seconds or 0) > (
        cost(parse("x").tree, lambda *_: 10**7).seconds or 0
    )


@given(trees(), entries())
def test_nothing_matches_outside_of_the_span(tree: Node, entry: LogEntry) -> None:
    """An entry that matches lies between the two times."""
    low, high = span(tree)
    if predicate(tree)(entry):
        assert low is None or entry.timestamp >= low
        assert high is None or entry.timestamp <= high


@given(st.lists(trees(), min_size=2, max_size=3))
def test_more_clauses_leave_no_wider_span(parts: list[Node]) -> None:
    """Of clauses that all have to hold, the narrowest bounds count."""
    low, high = span(both(parts))
    for part in parts:
        first, last = span(part)
        assert first is None or (low is not None and low >= first)
        assert last is None or (high is not None and high <= last)
