"""Nothing matches: what is advised was counted, and whoever follows it sees as many entries as were promised."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.cli.profiles import Database
from dblog.query import parse
from dblog.reading.values import Count
from dblog_tui.source import Extent, Source
from dblog_tui.source.advice import REPAIR_KEYS, Advice, Counted, Deed, advise
from dblog_tui.source.suspects import clauses_of, nearest, without
from dblog_tui.view import ALL, Span, View
from tests.administered import SECOND, entry, fill, now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.entry import LogEntry

NOW = now()
SERVICES = ("billing", "api", "auth")


def _entries() -> Sequence[LogEntry]:
    """One every ten seconds, back to an hour and a half ago; every fourth a warning."""
    return [
        entry(
            number,
            NOW - number * 10 * SECOND,
            service=SERVICES[number % 3],
            level="INFO" if number % 4 else "WARNING",
            severity=9 if number % 4 else 13,
        )
        for number in range(540)
    ]


async def advice(url: str, view: View) -> list[Advice]:
    """All of it; each count is what the database says of the view one would go to."""
    source = Source(Database(url))
    try:
        found = [each async for each in advise(source, view, NOW)]
        for each in found:
            if each.view is not None and each.count is not None and each.count.exact:
                assert (await source.count(each.view.asked(NOW))).value == each.count.value
        return found
    finally:
        await source.close()


def doing(found: Sequence[Advice]) -> list[tuple[str, str, str, int]]:
    """Key, deed, what, how many."""
    return [(each.key, each.deed.value, each.what, each.count.value) for each in found if each.key and each.count]


def test_a_mistyped_value(database_url: str) -> None:
    """Screen F of the paper, and the other cases, in one database: each clause left out, the nearest value, ranges."""
    fill(database_url, _entries())

    async def look() -> None:
        found = await advice(database_url, View("service:biling", Span(last=900), least=3))
        assert doing(found) == [
            ("2", "drop", "service:biling", 23),
            ("3", "try", "service:billing", 8),
            ("6", "widen to", "1h", 0),
            ("7", "widen to", "24h", 0),
            ("1", "widen to", "everything", 0),
        ]
        assert found[0].newest == NOW
        assert found[2].note == "the closest known value"
        found = await advice(database_url, View("order:5000 service:api"))
        assert doing(found) == [("2", "drop", "order:5000", 180)]
        found = await advice(database_url, View("service=API order>=0", Span(last=86_400)))
        assert ("3", "try", "service=api", 180) in doing(found)
        found = await advice(database_url, View("ordr>=500", Span(last=3600)))
        assert "None of all 540 entries has the field ordr." in [each.what for each in found]
        assert ("3", "try", "order>=500", 0) in doing(found)
        found = await advice(database_url, View("host:web service:api"))
        assert "host is one of: h." in [each.what for each in found]
        found = await advice(database_url, View("", Span(since=1, until=2)))
        assert doing(found) == [("1", "widen to", "everything", 540)]
        found = await advice(database_url, View("nothing-like-it OR service:nobody"))
        assert doing(found) == [("2", "drop", "nothing-like-it OR service:nobody", 540)]

    asyncio.run(look())


def test_an_empty_table_is_said_to_be_one(database_url: str) -> None:
    """And nothing is advised."""
    (only,) = asyncio.run(advice(database_url, View("service:api")))
    assert (only.deed, only.view, only.fine) == (Deed.NOTHING, None, False)
    assert only.what == "No entry was ever stored in this database."


def test_what_takes_too_long_is_not_counted(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice is given without a number; the rest is counted all the same."""
    fill(sqlite_url, _entries()[:20])
    count = Source.count

    async def slow(source: Source, query: object, **options: bool) -> Count:
        if "api" in str(query):
            loop = asyncio.get_running_loop()
            clock = loop.time
            monkeypatch.setattr(loop, "time", lambda: clock() + 60)
            await asyncio.Event().wait()
        return await count(source, query, **options)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(Source, "count", slow)
    found = asyncio.run(advice(sqlite_url, View("service:api host:x")))
    assert [(each.what, each.count) for each in found if each.deed is Deed.DROP] == [("host:x", None)]


def test_of_a_large_range_it_is_seen_whether_there_are_some(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred are as good as all: who asks why nothing matches does not wait for a number."""
    fill(sqlite_url, _entries()[:150])

    async def large(_: Source) -> Extent:
        return Extent(Count(10**7, exact=False), NOW - 10**10, NOW)

    monkeypatch.setattr(Source, "extent", large)
    found = asyncio.run(advice(sqlite_url, View("service:nobody level>=info")))
    assert Counted(100, exact=False) in [each.count for each in found]


_TERMS = st.lists(
    st.sampled_from([
        "service:a", "level>=warn", "-host:b", "timeout", '"a b"', "(a OR b)", "order:[1 TO 5]", "since:23:00",
        "until:1:00", "has(exc)", "NOT x",
    ]),
    min_size=1,
    max_size=5,
)  # fmt: skip


@given(_TERMS, st.sampled_from([" ", " AND ", " OR "]), st.integers(0, 5))
def test_without_one_clause_the_others_hold(terms: list[str], between: str, least: int) -> None:
    """Every clause can be left out; what is left is a query, the same as one of the other clauses."""
    view = View(between.join(terms), Span(last=900), least)
    found = clauses_of(view, NOW, None)
    assert len(found) == (1 if between == " OR " and len(terms) > 1 else len(terms)) + (least > 0)
    for clause in found:
        other = without(view, clause)
        rest = [each.text for each in found if each is not clause and each.end]
        assert parse(other.query, now=NOW / 1e6).tree == parse(" ".join(rest), now=NOW / 1e6).tree
        assert other.least == (0 if not clause.end else least)


@given(st.sampled_from(["service", "x.y", "`a b`", "user"]), st.text(max_size=8), st.sampled_from([":", "=", " : "]))
def test_another_value_in_the_same_place(field: str, value: str, operator: str) -> None:
    """Whatever value is tried, the clause is one of that value, and the rest is as it was."""
    value = "".join(char for char in value if char.isprintable())
    view = View(f"a {field}{operator}old -b")
    clause = next(each for each in clauses_of(view, NOW, None) if each.value)
    assert clause.value == "old"
    other = clause.with_value(view, value)
    assert other == replace(view, query=f"a {clause.spelled(value)} -b")
    assert len(clauses_of(other, NOW, None)) == 3


@pytest.mark.parametrize(
    ("wanted", "known", "expected"),
    [
        ("biling", ["billing", "api", "bill"], ["billing"]),
        ("API", ["api"], ["api"]),
        ("api", ["api", "apis", "apy"], ["apis", "apy"]),
        ("x", ["y", "z"], []),
        ("bill", ["payments-bill", "billing"], ["billing", "payments-bill"]),
        ("", ["a"], []),
        ("status", ["http.status", "state"], ["http.status", "state"]),
    ],
)
def test_what_is_near(wanted: str, known: list[str], expected: list[str]) -> None:
    """Case, a letter or two, the beginning, the last step; never what is the same."""
    assert nearest(wanted, [(text, 1) for text in known]) == expected


def test_repairs_leave_the_keys_of_ranges_alone() -> None:
    """A digit that sets a range on the Logs screen sets the same range here."""
    assert not set(REPAIR_KEYS) & {"0", "1", "6", "7"}
    assert View(span=ALL).plain
