"""Patterns: what entries say and how often, and the screen on which one is chosen."""

from __future__ import annotations

import asyncio
import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App

from dblog.cli.profiles import Database
from dblog.query import parse
from dblog_tui.present.look import ASCII, Look
from dblog_tui.present.patterns import ORDERS, Pattern, Patterns, example_strips, ordered, pattern_head, pattern_strip
from dblog_tui.screens.patterns import PatternsScreen
from dblog_tui.source import Source
from dblog_tui.source.patterns import leaf_of_pattern, masked, patterns
from dblog_tui.view import Span, View
from dblog_tui.widgets.figures import PatternList
from tests import hostile
from tests.administered import SECOND, entry, fill
from tests.tui.screen import text_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dblog.entry import LogEntry

NOW = 1_795_000_000 * SECOND
LOOK = Look(zone=dt.UTC)


def stored() -> Iterator[LogEntry]:
    """Sixty requests, twelve failed payments, and nine messages made without arguments."""
    for n in range(60):
        yield entry(n, NOW - n * SECOND, template="GET %s", message=f"GET /{n}", service=("api", "web")[n % 2])
    for n in range(12):
        fields: Any = {"template": "payment %d failed", "message": f"payment {n} failed", "service": "pay"}
        yield entry(100 + n, NOW - n * SECOND - 500, level="ERROR", severity=17, **fields)
    for n in range(8):
        yield entry(200 + n, NOW - n * SECOND - 900, template=None, message=f"cache 0x{n}a cost {n}.5 of 7")
    yield entry(300, NOW - 90 * SECOND, template=None, message="started", severity=13, level="WARNING")


def steps(url: str, view: View, **options: Any) -> list[Patterns]:
    """All values."""

    async def main() -> list[Patterns]:
        source = Source(Database(url))
        found = [each async for each in patterns(source, view, NOW, **options)]
        await source.close()
        return found

    return asyncio.run(main())


def test_patterns_are_templates_and_messages_without_what_differs(database_url: str) -> None:
    """Templates with their counts; messages that differ in numbers only are one; all entries are in one of them."""
    fill(database_url, stored())
    found = steps(database_url, View())
    assert {(row.field, row.value): row.count for row in found[0].rows} == {
        ("template", "GET %s"): 60,
        ("template", "payment %d failed"): 12,
        ("message", "cache * cost * of *"): 8,
        ("message", "started"): 1,
    }
    last = found[-1]
    assert (last.done, last.seen, last.rest, last.sampled) == (True, 81, 0, False)
    by_value = {row.value: row for row in last.rows}
    assert by_value["payment %d failed"].severity == 17
    assert by_value["payment %d failed"].example.startswith("payment ")
    assert set(by_value["GET %s"].services) == {"api", "web"}
    assert by_value["GET %s"].newest == NOW
    assert by_value["started"].severity == 13


def test_every_pattern_finds_as_many_entries_as_it_says(sqlite_url: str) -> None:
    """The condition of a pattern, asked of every entry, is true of exactly those it counts."""
    from dblog.query import Query

    entries = list(stored())
    fill(sqlite_url, entries)
    for row in steps(sqlite_url, View())[-1].rows:
        matches = Query("", leaf_of_pattern(row)).predicate()
        assert sum(map(matches, entries)) == row.count, row.value


def test_an_example_is_looked_for_where_none_is_among_the_newest(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rare pattern gets its level from an entry of its own."""
    monkeypatch.setattr("dblog_tui.source.patterns._LOOKED_AT", 5)
    fill(sqlite_url, stored())
    rows = {row.value: row for row in steps(sqlite_url, View())[-1].rows}
    assert (rows["started"].severity, rows["started"].example) == (13, "started")
    assert all(row.severity is not None for row in rows.values())


def test_what_was_not_logged_before_the_range_is_new(database_url: str) -> None:
    """Templates that none of the entries before have, whatever the filter is; without a range nothing is new."""
    old = [entry(400 + n, NOW - 600 * SECOND - n, template="GET %s", message="GET /") for n in range(3)]
    fill(database_url, [*stored(), *old])
    last = Span(last=300)
    for view in (View(span=last), View("service:pay", span=last), View("since:5m")):
        found = steps(database_url, view)[-1]
        assert {row.value for row in found.rows if row.new} == {"payment %d failed"}
        assert found.before == 3
    for view in (View(), View(span=Span(last=3600))):
        found = steps(database_url, view)[-1]
        assert not any(row.new for row in found.rows)
        assert found.before == 0


def test_nothing_is_new_where_not_all_that_is_old_is_known(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More templates before the range than can be listed: no mark, rather than a wrong one."""
    monkeypatch.setattr("dblog_tui.source.patterns._KNOWN", 3)
    old = [entry(400 + n, NOW - 600 * SECOND - n, template=f"old {n}") for n in range(4)]
    fill(sqlite_url, [*stored(), *old])
    found = steps(sqlite_url, View(span=Span(last=300)))[-1]
    assert (found.before, any(row.new for row in found.rows)) == (0, False)


@given(st.text(max_size=60))
def test_what_is_masked_is_left_out_and_nothing_else(message: str) -> None:
    """The pieces are in the message, in order; the message fits the pattern made of them."""
    pieces = masked(message)
    place = 0
    for piece in pieces:
        place = message.index(piece, place) + len(piece)
    if len(pieces) > 1 and "\0" not in message:
        from dblog.query import Query

        row = Pattern("message", "*".join(pieces), 2, pieces)
        text = str(Query("", leaf_of_pattern(row)))
        assert parse(text).predicate()(entry(1, NOW, message=message))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("payment 48113 failed after 3000.5 ms", "payment * failed after * ms"),
        ("job 0190c2ab-0000-7000-8000-0123456789ab done", "job * done"),
        ("read 0xdeadBEEF from 10.0.0.7:5432", "read * from *"),
        ("commit 1f3e5a7b9c0d", "commit *"),
        ("http2 and sha256 are names", "http2 and sha256 are names"),
        ("started", "started"),
    ],
)
def test_numbers_and_ids_differ_and_names_do_not(message: str, shown: str) -> None:
    """Numbers, addresses, UUIDs and hashes are taken out; digits in a name stay."""
    assert "*".join(masked(message)) == shown


rows = st.lists(
    st.builds(
        Pattern,
        st.just("template"),
        hostile.texts,
        st.integers(1, 10**9),
        severity=st.none() | st.integers(1, 24),
        example=hostile.texts,
        newest=st.none() | st.integers(0, 2**62),
        services=st.lists(hostile.texts, max_size=2).map(tuple),
        new=st.booleans(),
    ),
    max_size=4,
)


@given(rows, st.integers(40, 200), st.sampled_from([LOOK, Look(zone=dt.UTC, glyphs=ASCII)]))
def test_lines_fit_and_hold_nothing_of_a_terminals(listed: list[Pattern], width: int, look: Look) -> None:
    """No line is wider than the screen, every piece has a colour, and nothing from the database is raw."""
    found = Patterns(tuple(listed), 100)
    strips = [
        *pattern_head(found, 0, width, look, looking=True),
        *(pattern_strip(row, 100, width, look) for row in listed),
    ]
    assert all(strip.cell_length <= width for strip in strips[1:])
    for row in [*listed, None]:
        strips += example_strips(row, found, "keys", width, look)
    for strip in strips:
        assert all(segment.style and segment.style.color for segment in strip)
        assert not hostile.DANGEROUS & set(strip.text)


@given(rows, st.integers(0, len(ORDERS) - 1))
def test_every_order_has_every_pattern(listed: list[Pattern], order: int) -> None:
    """Orders lose nothing; the first of each is the most frequent, the worst, the newest."""
    found = ordered(listed, order)
    assert sorted(map(repr, found)) == sorted(map(repr, listed))
    keys: list[Callable[[Pattern], int]] = [
        lambda row: row.count,
        lambda row: row.severity or 0,
        lambda row: -1 if row.newest is None else row.newest,
    ]
    assert not listed or keys[order](found[0]) == max(map(keys[order], listed))


async def opened(pilot: Any, source: Source, view: View) -> tuple[PatternsScreen, list[str | None]]:
    """The screen, filled, and where its result goes."""
    results: list[str | None] = []
    screen = PatternsScreen(source, LOOK, view, now=NOW)
    await pilot.app.push_screen(screen, results.append)
    await wait_for(pilot, lambda: screen.query_one(PatternList).found.done)
    return screen, results


async def test_a_pattern_becomes_a_query(sqlite_url: str) -> None:
    """Enter asks for the pattern under the cursor besides what is asked already, - for none of it."""
    fill(sqlite_url, stored())
    source, app = Source(Database(sqlite_url)), App[None]()
    async with app.run_test(size=(80, 24)) as pilot:
        for keys, wanted in (
            (["enter"], '-service:web template:"GET %s"'),
            (["j", "minus"], '-service:web -template:"payment %d failed"'),
            (["G", "k", "enter"], "-service:web message like 'cache % cost % of %'"),
            (["escape"], None),
        ):
            _, results = await opened(pilot, source, View("-service:web"))
            await pilot.press(*keys)
            await wait_for(pilot, partial(bool, results))
            assert results == [wanted]
    await source.close()


async def test_the_screen_shows_order_example_and_what_it_is_of(sqlite_url: str) -> None:
    """o sorts the worst first; the foot has an entry of the pattern under the cursor; no rows are said to be none."""
    fill(sqlite_url, stored())
    source, app = Source(Database(sqlite_url)), App[None]()
    async with app.run_test(size=(80, 24)) as pilot:
        screen, _ = await opened(pilot, source, View())
        await wait_for(pilot, lambda: "e.g. GET /0" in text_of(app))
        assert "patterns  4  of 81 entries" in text_of(app)
        await pilot.press("o")
        await wait_for(pilot, lambda: "e.g. payment 0 failed" in text_of(app))
        await pilot.press("S")
        await wait_for(pilot, lambda: screen.query_one(PatternList).found.done)
        await pilot.press("escape")
        await opened(pilot, source, View("nobody"))
        await wait_for(pilot, lambda: "No entries match" in text_of(app))
    await source.close()


async def test_a_database_that_is_away_is_a_sentence(tmp_path: Any) -> None:
    """What cannot be asked is said on the screen, which can be left."""
    source, app = Source(Database(f"sqlite:///{tmp_path}/none.db")), App[None]()
    async with app.run_test(size=(80, 24)) as pilot:
        results: list[str | None] = []
        await app.push_screen(PatternsScreen(source, LOOK, View(), now=NOW), results.append)
        await wait_for(pilot, lambda: "none.db" in text_of(app).replace("\n", "").replace(" ", ""))
        await pilot.press("q")
        await wait_for(pilot, lambda: results == [None])
    await source.close()
