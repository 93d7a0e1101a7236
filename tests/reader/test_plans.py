"""How the databases carry out a read: along an index, without sorting, and opening few of many partitions."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import event

from dblog import LogReader
from dblog.reading.prepared import Prepared
from dblog.reading.values import Cursor
from tests.administered import DAY, entry, fill, now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dblog.entry import LogEntry

DAYS = 20


async def statements_of(
    url: str, ask: Callable[[LogReader, LogEntry], Awaitable[Any]], *, place: int = 50
) -> list[tuple[str, Any]]:
    """The SQL and parameters of what a method of the reader asks, given an entry; there are some."""
    async with LogReader(url) as reader:
        found = (await reader.search(limit=100)).entries[place]
        assert reader._sessions._open is not None
        engine = reader._sessions._open.pooled.sync_engine
        seen: list[tuple[str, Any]] = []
        values = Prepared.values

        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: Any) -> None:
            seen.append((statement, parameters))

        def note_prepared(prepared: Prepared, parameters: Any) -> list[Any]:
            seen.append((prepared.sql, values(prepared, parameters)))
            return values(prepared, parameters)

        event.listen(engine, "before_cursor_execute", note)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Prepared, "values", note_prepared)
            await ask(reader, found)
    assert seen
    return seen


READS = {
    "newest": lambda reader, _: reader.search(),
    "older": lambda reader, at: reader.search(before=Cursor.of(at), limit=10),
    "newer": lambda reader, at: reader.search(after=Cursor.of(at), limit=10),
    "between": lambda reader, at: reader.search(before=Cursor.of(at), after=Cursor.at(at.timestamp - DAY)),
    "by id": lambda reader, at: reader.get(at.id),
    "neighbours": lambda reader, at: reader.context(at, 5),
    "by trace": lambda reader, _: reader.trace("T-7"),
}


@pytest.fixture
def many_days(database_url: str) -> str:
    """Twenty days of a hundred entries each."""
    start = now() - (DAYS - 1) * DAY
    fill(
        database_url,
        [
            entry(day * 100 + number, start + day * DAY + number * 1_000_000, trace_id=f"T-{number}")
            for day in range(DAYS)
            for number in range(100)
        ],
    )
    if not database_url.startswith("sqlite"):
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute("ANALYZE logs")
    return database_url


async def test_a_read_follows_an_index(many_days: str) -> None:
    """No table is scanned from end to end, nothing but a trace is sorted, few partitions are opened."""
    for name, read in READS.items():
        for statement, parameters in await statements_of(many_days, read):
            if many_days.startswith("sqlite"):
                check_sqlite(many_days, statement, parameters, name)
            else:
                await check_postgres(many_days, statement, parameters, name)


def check_sqlite(url: str, statement: str, parameters: Any, name: str) -> None:
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert all("INDEX" in step for step in plan if step.startswith(("SCAN", "SEARCH"))), plan
    assert name == "by trace" or not any("TEMP B-TREE" in step for step in plan), plan
    if name not in ("newest", "by trace"):
        assert any("timestamp" in step and step.startswith("SEARCH") for step in plan), plan


async def check_postgres(url: str, statement: str, parameters: Any, name: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    # The planner takes a hundred rows for too few to need an index.
    await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    rows = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *parameters)
    await connection.close()
    nodes = list(walk(json.loads(rows[0][0])[0]["Plan"]))
    kinds = {node["Node Type"] for node in nodes}
    assert "Seq Scan" not in kinds
    if name != "by trace":
        assert not kinds & {"Sort", "Incremental Sort"}, kinds
        opened = [node for node in nodes if "Relation Name" in node and node["Actual Loops"]]
        assert len(opened) <= 6, nodes  # three of the days to come, and two hundred entries of three days


def walk(plan: dict[str, Any]) -> Any:
    yield plan
    for each in plan.get("Plans", ()):
        yield from walk(each)


async def test_a_page_of_the_past_plans_for_the_past_only(postgres_url: str) -> None:
    """Partitions on the other side of the cursor are not even planned for."""
    start = now() - (DAYS - 1) * DAY
    fill(postgres_url, [entry(day, start + day * DAY) for day in range(DAYS)])

    async def ask(reader: LogReader, _: LogEntry) -> None:
        await reader.search(before=Cursor.at(start + DAY), limit=5)

    import asyncpg

    asked = await statements_of(postgres_url, ask, place=0)
    connection = await asyncpg.connect(postgres_url)
    rows = await connection.fetch(f"EXPLAIN (FORMAT JSON) {asked[0][0]}", *asked[0][1])
    await connection.close()
    tables = {node["Relation Name"] for node in walk(json.loads(rows[0][0])[0]["Plan"]) if "Relation Name" in node}
    first = dt.datetime.fromtimestamp(start / 1_000_000, dt.UTC).date()
    assert {f"logs_{first:%Y%m%d}", f"logs_{first + dt.timedelta(days=1):%Y%m%d}"} >= tables


async def test_every_statement_is_limited(database_url: str, reading_url: str) -> None:
    """There is a LIMIT in each but a look at the planner's estimate."""
    fill(database_url, [entry(number) for number in range(60)])

    async def ask(reader: LogReader, at: LogEntry) -> None:
        await reader.search("level>=info")
        await reader.trace("x")
        await reader.get("0" * 16)
        await reader.context(at)
        await reader.histogram()
        await reader.facets("", "portfolio_id")
        await reader.count("timeout")
        await reader.count(exact=False)
        await reader.instances()
        await reader.dead_letters()
        await reader.statistics()

    statements = [statement for statement, _ in await statements_of(reading_url, ask)]
    assert len(statements) > 12
    assert [each for each in statements if "LIMIT" not in each and not each.startswith("EXPLAIN")] == []


async def test_statements_are_compiled_once(reading_url: str) -> None:
    """The same question with other values finds SQLAlchemy's compiled statement."""
    async with LogReader(reading_url) as reader:
        await reader.search("portfolio_id:a", before=Cursor.at(5), limit=3)
        assert reader._sessions._open is not None
        cache = reader._sessions._open.pooled.sync_engine._compiled_cache
        assert cache is not None
        size = len(cache)
        await reader.search("portfolio_id:b", before=Cursor.at(7), limit=4)
        assert len(cache) == size
