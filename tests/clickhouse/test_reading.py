"""What only a reader of ClickHouse has to be held to: rows that are there twice, its indexes, its ways to be ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dblog import LogReader, SyncLogReader
from dblog.errors import ErrorClass, QueryTimeout, StoreUnavailable
from dblog.query import parse
from dblog.reading.opened import sessions_for
from dblog.reading.values import Cursor
from tests.administered import SECOND, entry, now
from tests.embedded_clickhouse import Rows
from tests.tail_tools import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dblog.entry import LogEntry
    from dblog.reading.session import Sessions

START = now() // SECOND * SECOND - 3600 * SECOND
_LONG = sa.text("SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1")
_few = settings(max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.function_scoped_fixture])


# -- rows that are there twice -----------------------------------------------------------------------------------


@pytest.fixture
def twice(clickhouse_url: str) -> Iterator[Rows]:
    """A table that merges nothing."""
    with Rows(clickhouse_url) as rows:
        rows.client.command("SYSTEM STOP MERGES logs")
        yield rows


@_few
@given(
    moments=st.lists(st.integers(0, 6), min_size=1, max_size=20),
    again=st.lists(st.sets(st.integers(0, 19)), max_size=3),
    limit=st.integers(1, 8),
)
def test_a_row_that_was_stored_twice_is_one(
    twice: Rows, clickhouse_url: str, moments: list[int], again: list[set[int]], limit: int
) -> None:
    """Pages, neighbours, a trace, numbers and groups are those of the entries, however often each is there."""
    twice.client.command("TRUNCATE TABLE logs")
    entries = [
        entry(number, START + moment, id=uuid4(), trace_id="t", level="INFO") for number, moment in enumerate(moments)
    ]
    twice.insert(entries)
    for numbers in again:
        twice.insert([entries[number] for number in numbers if number < len(entries)])
    expected = [each.id for each in sorted(entries, key=Cursor.of, reverse=True)]
    with SyncLogReader(clickhouse_url) as reader:
        assert _downwards(reader, limit) == expected
        assert [each.id for each in reader.trace("t")] == expected[::-1]
        assert reader.count().value == len(expected)
        assert sum(bucket.total for bucket in reader.histogram().buckets) == len(expected)
        levels = reader.facets("", "level")
        assert ([each.count for each in levels.values], levels.seen) == ([len(expected)], len(expected))
        oldest = reader.search(limit=100).entries[-1]
        assert [each.id for each in reader.context(oldest, limit).after] == expected[::-1][1 : limit + 1]


def _downwards(reader: SyncLogReader, limit: int) -> list[UUID | None]:
    page = reader.search(limit=limit)
    found = [each.id for each in page]
    while page.older is not None:
        page = reader.search(before=page.older, limit=limit)
        found += [each.id for each in page]
    return found


# -- indexes -----------------------------------------------------------------------------------------------------

_ROWS = 60_000
_FILL = f"""
    INSERT INTO logs (timestamp, id, level, severity, logger, message, trace_id, metadata, ingested_at)
    SELECT fromUnixTimestamp64Micro(toInt64({START}) + number * 1000, 'UTC') AS timestamp,
           toUUID(concat('00000000-0000-7000-8000-', leftPad(toString(number), 12, '0'))), 'INFO', 9, 'app',
           concat('request ', toString(number), ' served'), toString(number),
           concat('{{"order":"o', toString(number), '","n":', toString(number % 7), '}}'), timestamp
    FROM numbers({_ROWS})
"""


@pytest.fixture(scope="module")
def many(shared: str) -> str:
    """Eight granules of rows, a millisecond between two of them."""
    with Rows(shared) as rows:
        rows.client.command("TRUNCATE TABLE logs")
        rows.client.command(_FILL)
        rows.client.command("OPTIMIZE TABLE logs FINAL")
    return shared


@contextlib.asynccontextmanager
async def _sessions(url: str, **options: Any) -> AsyncIterator[Sessions]:
    sessions = sessions_for(url, **options)
    try:
        yield sessions
    finally:
        await sessions.aclose()


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the engine says about each statement a reader sends: the granules it reads, of how many."""
    from dblog.reading.clickhouse_client import Client

    plans: list[str] = []
    read = Client.read

    def noted(self: Client, sql: str, parameters: Any, seconds: float) -> Any:
        for part in (sql, *_within(sql)) if "logs" in sql else ():
            _, lines = read(self, f"EXPLAIN indexes = 1 {part}", parameters, seconds)
            plans.append("\n".join(line for (line,) in lines))
        return read(self, sql, parameters, seconds)

    monkeypatch.setattr(Client, "read", noted)
    return plans


def _within(sql: str) -> Iterator[str]:
    """What a statement asks first, to know how far to read: the engine explains only what is left then."""
    begin = sql.find("(SELECT m") + 1
    if begin:
        depth, end = 1, begin
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        yield sql[begin : end - 1]


def _granules(plan: str) -> int:
    """How many are read in the end; none where the engine knows beforehand that nothing is found."""
    return int((re.findall(r"Granules: (\d+)", plan) or [0])[-1])


_PLACE = Cursor(START + _ROWS // 2 * 1000, UUID(int=5))


@pytest.mark.parametrize(
    ("way", "found", "most"),
    [
        ({"before": _PLACE, "after": Cursor.at(_PLACE.timestamp - 99_000)}, 99, 2),
        ({"before": Cursor.at(START + 5_000)}, 5, 1),
        ({"after": Cursor.at(START + (_ROWS - 5) * 1000)}, 5, 1),
        ({"query": "'quest 4711 serv'"}, 1, 2),
        ({"query": "trace_id:4711"}, 1, 1),
        ({"query": "order:o4711"}, 1, 2),
        ({"query": "metadata.nowhere:x"}, 0, 0),
    ],
    ids=["between", "older", "newer", "substring", "trace", "metadata", "key"],
)
def test_a_read_opens_few_granules(many: str, explained: list[str], way: dict[str, Any], found: int, most: int) -> None:
    """Of eight: places are found in the sorting key, texts, traces and words of metadata by their indexes."""
    with SyncLogReader(many) as reader:
        assert len(reader.search(**way, limit=1000)) == found
    assert all(_granules(plan) <= most for plan in explained), "\n".join(explained)


async def test_a_poll_reads_what_was_taken_lately(many: str, explained: list[str]) -> None:
    """By the index on ``ingested_at``: of all that was stored before nothing is read again."""
    async with LogReader(many) as reader, contextlib.aclosing(reader.tail(poll_interval=0.01)) as tail:  # type: ignore[type-var]  # it is a generator
        await anext(tail)
    assert explained
    assert all(_granules(plan) == 0 for plan in explained), explained


# -- being ended -------------------------------------------------------------------------------------------------


async def test_a_statement_that_takes_too_long_is_ended(clickhouse_url: str) -> None:
    """By the server, with a sentence; the client goes on being used."""
    async with _sessions(clickhouse_url) as sessions:
        with pytest.raises(QueryTimeout, match=r"longer than 0\.2 s"):
            await sessions.run(_LONG, timeout=0.2)
        assert (await sessions.run(sa.text("SELECT 1 AS one")))[0].one == 1


async def test_a_cancelled_statement_ends_in_the_engine(clickhouse_url: str) -> None:
    """It is not there any more when the cancellation is raised, and others are not disturbed."""
    async with _sessions(clickhouse_url) as sessions:
        task = asyncio.create_task(sessions.run(_LONG))
        running = sa.text("SELECT count() AS number FROM system.processes WHERE query LIKE '%1000000000000%'")

        async def begun() -> bool:
            return bool((await sessions.run(running))[0].number == 2)  # itself, too

        await until(begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await sessions.run(running))[0].number == 1


@pytest.mark.parametrize("moment", range(6))
async def test_cancelled_at_any_moment_a_reader_goes_on(clickhouse_url: str, moment: int) -> None:
    """While it connects, waits for its turn, asks or is answered: it is raised, and the next call works."""
    async with LogReader(clickhouse_url) as reader:
        tasks = [asyncio.create_task(reader.search()) for _ in range(6)]
        for _ in range(moment * 3):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert len(await reader.search()) == 0


async def test_a_read_can_write_nothing(clickhouse_url: str) -> None:
    """The server refuses, whatever the user may do."""
    async with _sessions(clickhouse_url) as sessions:
        for statement in ("INSERT INTO logs (message) SELECT 'x'", "INSERT INTO log_dead_letters (code) SELECT 'x'"):
            with pytest.raises(StoreUnavailable, match="164 READONLY"):
                await sessions.run(sa.text(statement))
        assert (await sessions.run(sa.text("SELECT getSetting('readonly') AS mode")))[0].mode == 2


# -- the server over HTTP ----------------------------------------------------------------------------------------


def test_a_reader_over_http(front: Any) -> None:
    """What is sent and what comes back is what the engine in this process gets and gives."""
    stored: list[LogEntry] = [entry(number, START + number) for number in range(20)]
    with SyncLogReader(front.url) as reader:
        before = reader.count().value
        import clickhouse_connect

        client = clickhouse_connect.get_client(host="127.0.0.1", port=front.port)
        with contextlib.closing(client):
            names = [name for name in entry(1)._fields if name != "ingested_at"]
            columns = [[getattr(each, name) for each in stored] for name in names]
            client.insert("logs", columns, column_names=names, column_oriented=True)
        assert reader.count().value == before + 20
        assert [each._replace(ingested_at=None) for each in reader.search(limit=20)] == stored[::-1]
        matches = parse("order:7 or 'order 11'").predicate()
        assert {each.id for each in reader.search("order:7 or 'order 11'")} == {
            each.id for each in stored if matches(each)
        }
        front.kill()
        front.again()
        assert reader.count().value == before + 20, "a restart between two calls goes unnoticed"


async def test_a_statement_nobody_answers(front: Any) -> None:
    """Cancelled, it is given up at once, though the server says nothing; else after its time and a little patience."""
    async with LogReader(front.url, statement_timeout=0.5, connect_timeout=0.5) as reader:
        await reader.search()
        front.fault("read-hang", times=2)
        task = asyncio.create_task(reader.search())
        await asyncio.to_thread(front.hanging)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await reader.search()
        front.mend()
        assert await reader.count() is not None


async def test_a_proxy_that_answers_for_the_server(front: Any) -> None:
    """Its page is no traceback, and nothing of it is shown; the server's own refusal goes by its number."""
    async with LogReader(front.url) as reader:
        await reader.search()
        for kind, says in (("read-http503", "cannot be reached"), ("read-241", "out of memory")):
            front.fault(kind, times=9)
            with pytest.raises(StoreUnavailable, match=says) as raised:
                await reader.search()
            assert "page" not in str(raised.value)
            assert "secret" not in str(raised.value)
            front.mend()
        assert await reader.count() is not None


async def test_a_server_that_is_not_there(unused_tcp_port: int) -> None:
    """A sentence, without the password; nobody listening, or nobody answering."""
    url = f"clickhouse://user:hidden@127.0.0.1:{unused_tcp_port}/db"
    async with LogReader(url, connect_timeout=1) as reader:
        with pytest.raises(StoreUnavailable, match="is it running, and is this its HTTP port") as raised:
            await reader.search()
    assert raised.value.kind is ErrorClass.RECONNECT
    assert "hidden" not in str(raised.value)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"clickhouse://user:hidden@127.0.0.1:{silent.getsockname()[1]}/db"
        async with LogReader(url, connect_timeout=0.3) as reader:
            with pytest.raises(StoreUnavailable, match="does not answer") as raised:
                await reader.search()
    assert raised.value.kind is ErrorClass.WAIT
    assert "hidden" not in str(raised.value)


async def test_what_is_missing_is_said(clickhouse_url: str) -> None:
    """The table, or the database."""
    async with LogReader(clickhouse_url, table="others") as reader:
        with pytest.raises(StoreUnavailable, match="run dblog upgrade") as raised:
            await reader.search()
    assert raised.value.kind is ErrorClass.CONFIGURATION
    async with LogReader(clickhouse_url.replace(":///d", ":///nowhere")) as reader:
        with pytest.raises(StoreUnavailable, match="check the name at the end of the URL"):
            await reader.search()
