"""Through PgBouncer in transaction mode: everything works, and no session of the server remembers a reader."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from dblog import DatabaseHandler
from dblog.admin.alone import alone
from dblog.admin.connection import AdminConnection
from dblog.admin.maintaining import maintain
from dblog.admin.rules import Rule
from dblog.errors import QueryTimeout
from dblog.grants import grants
from dblog.reader import LogReader
from tests.administered import DAY, entry, fill, now
from tests.oracle import QUICK
from tests.pgbouncer import pooler
from tests.postgres import role
from tests.tail_tools import Followed, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests import pgserver
    from tests.pgbouncer import Pooler
    from tests.postgres import External, Role

pytestmark = [pytest.mark.pooler, pytest.mark.timeout(120)]

_SIZE = 2
_RECORDS = 300

# Set by the pooler itself, on each connection, to what the client it lends it to has asked for.
_TRACKED = (
    "application_name",
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "standard_conforming_strings",
    "TimeZone",
)

_LEFT = """
SELECT pg_backend_pid() AS pid,
  (SELECT count(*) FROM pg_prepared_statements) AS prepared,
  (SELECT count(*) FROM pg_cursors WHERE name <> '') AS cursors,
  (SELECT count(*) FROM pg_listening_channels()) AS channels,
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
  (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS temporary,
  (SELECT coalesce(string_agg(name || '=' || setting, ' '), '') FROM pg_settings
    WHERE source = 'session' AND name <> ALL(%s)) AS settings,
  current_setting('default_transaction_read_only') AS read_only_by_default,
  current_setting('transaction_read_only') AS read_only,
  current_setting('statement_timeout') AS statement_timeout,
  current_setting('lock_timeout') AS lock_timeout
"""
_NOTHING = {
    "prepared": 0, "cursors": 0, "channels": 0, "locks": 0, "temporary": 0, "settings": "",
    "read_only_by_default": "off", "read_only": "off", "statement_timeout": "0", "lock_timeout": "0",
}  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of its own that another user may enter; pytest's are for one's own eyes."""
    with tempfile.TemporaryDirectory(prefix="dblog-pooler-") as name:
        yield Path(name)


@pytest.fixture
def roles(postgres_server: pgserver.Server | External, postgres_url: str) -> Iterator[dict[str, Role]]:
    """A SELECT-only role, an INSERT-only one, and one that is both, so that all kinds of client share its pool."""
    with contextlib.ExitStack() as stack:
        made = {name: stack.enter_context(role(postgres_server, postgres_url)) for name in ("reader", "writer", "both")}
        with psycopg.connect(postgres_url, autocommit=True) as owner:
            for name in ("reader", "both"):
                owner.execute(grants(reader=made[name].name).encode())
            for name in ("writer", "both"):
                owner.execute(grants(writer=made[name].name).encode())
        yield made


@pytest.fixture
def pool(folder: Path, roles: dict[str, Role]) -> Iterator[Pooler]:
    """The pooler; two connections to the server for each role."""
    with pooler(folder, *(each.url for each in roles.values()), size=_SIZE) as made:
        yield made


def plain(url: str) -> psycopg.Connection[dict[str, Any]]:
    """A client that knows nothing of dblog."""
    return psycopg.connect(url, prepare_threshold=None, row_factory=dict_row)


def sessions(url: str) -> list[dict[str, Any]]:
    """What each of the pool's connections to the server has in it: as many transactions at once as there are."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(plain(url)) for _ in range(_SIZE)]
        found = []
        for client in clients:
            found += client.execute(_LEFT, [list(_TRACKED)]).fetchall()
        for client in clients:
            client.rollback()
    assert len({session.pop("pid") for session in found}) == _SIZE
    return found


def unfinished(owner: str) -> int:
    """Transactions open in the database, but one's own."""
    with psycopg.connect(owner) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND (xact_start IS NOT NULL OR state LIKE 'idle in%')"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def read_everything(reader: LogReader, trace: str) -> None:
    """One of each: pages both ways, a trace, an entry, a histogram, facets, counts."""
    page = await reader.search("trouble", limit=7)
    assert len(page) == 7
    older = await reader.search("trouble", before=page.older, limit=7)
    newer = await reader.search("trouble", after=older.newer, limit=7)
    assert newer.entries == page.entries
    assert {entry.id for entry in page}.isdisjoint(entry.id for entry in older)
    assert await reader.search("level:ERROR", where={"number": 7}, limit=5)
    assert len((await reader.trace(trace)).entries) > 1
    entry = page.entries[3]
    assert entry.id is not None
    assert await reader.get(entry.id) == entry
    assert (await reader.context(entry, 2)).before
    assert sum(bucket.total for bucket in (await reader.histogram()).buckets) >= _RECORDS
    assert (await reader.facets("", "level")).values
    assert (await reader.count()).value >= _RECORDS
    assert (await reader.count(exact=False)).value >= 0
    assert await reader.instances()
    assert await reader.dead_letters() == ()
    assert (await reader.statistics()).rows.value >= 0


def log_some(url: str, trace: str) -> None:
    """Records by a handler, errors among them."""
    handler = DatabaseHandler(url, **QUICK)
    logger = logging.Logger("pooled")
    logger.addHandler(handler)
    try:
        for number in range(_RECORDS):
            level = logging.ERROR if number % 5 == 2 else logging.INFO
            logger.log(level, "trouble %d", number, extra={"number": number, "trace_id": trace})
        assert handler.flush(20)
        stats = handler.stats()
        assert (stats.stored, stats.dropped, stats.failed) == (stats.emitted, 0, 0)
    finally:
        handler.close()


async def follow(reader: LogReader, rows: int) -> Followed:
    """A tail from its beginning until so many rows have come."""
    followed = Followed()
    batches = reader.tail("trouble", poll_interval=0.02, lossless=True)
    async with contextlib.aclosing(batches) as tail, asyncio.timeout(30):  # type: ignore[type-var]  # it is a generator
        while len(followed.ids) < rows:
            followed.take(await anext(tail))
    return followed


async def ordinary(url: str, stop: asyncio.Event) -> int:
    """A client with transactions of its own on the pool, which minds what it finds there; how many it had."""
    count = 0

    def once() -> None:
        with plain(url) as client:
            found = client.execute(_LEFT, [list(_TRACKED)]).fetchone()
            assert found is not None
            del found["pid"]
            assert found == _NOTHING
            client.execute("CREATE TEMPORARY TABLE mine (n int) ON COMMIT DROP")

    while not stop.is_set():
        await asyncio.to_thread(once)
        count += 1
    return count


@pytest.mark.parametrize(("reading", "writing"), [("reader", "writer"), ("both", "both")])
async def test_readers_leave_nothing_in_a_session(
    pool: Pooler, roles: dict[str, Role], postgres_url: str, reading: str, writing: str
) -> None:
    """Four readers and two tails, a writer and an ordinary client, on pools of two connections: all get what is theirs.

    Afterwards no connection to the server has a prepared statement, a setting, a temporary table, a lock or an open
    transaction; the ordinary client never saw one.
    """
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    urls = {name: pool.through(roles[name].url) for name in (reading, writing)}
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(LogReader(urls[reading])) for _ in range(4)]
        other = asyncio.create_task(ordinary(urls[writing], stop))
        tails = [asyncio.create_task(follow(reader, _RECORDS)) for reader in readers[:2]]
        await readers[0].search("")
        await asyncio.to_thread(log_some, urls[writing], trace)
        await asyncio.gather(*(read_everything(reader, trace) for reader in readers))
        for followed in await asyncio.gather(*tails):
            assert len(followed.ids) == _RECORDS
        stop.set()
        assert await other > 0
        for url in urls.values():
            assert sessions(url) == [_NOTHING] * _SIZE
    assert unfinished(postgres_url) == 0
    for url in urls.values():
        assert sessions(url) == [_NOTHING] * _SIZE


async def test_a_timeout_is_the_query_s_own(pool: Pooler, roles: dict[str, Role], postgres_url: str) -> None:
    """A statement that took too long leaves its limit to nobody."""
    url = pool.through(roles["reader"].url)
    with psycopg.connect(postgres_url) as owner:
        owner.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        async with LogReader(url, statement_timeout=0.2) as reader:
            with pytest.raises(QueryTimeout):
                await reader.count()
    assert sessions(url) == [_NOTHING] * _SIZE


def waiting(owner: psycopg.Connection[Any]) -> int:
    """Statements of others that wait for a lock."""
    row = owner.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    assert row is not None
    return int(row[0])


async def test_a_cancelled_read_ends_in_the_database(pool: Pooler, roles: dict[str, Role], postgres_url: str) -> None:
    """The pooler passes a cancellation on: the statement ends while what it waited for still lasts."""
    url = pool.through(roles["reader"].url)
    with psycopg.connect(postgres_url) as owner:
        async with LogReader(url) as reader:
            await reader.count()
            owner.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
            reads = [asyncio.create_task(reader.count()) for _ in range(_SIZE)]
            await until(lambda: asyncio.to_thread(lambda: waiting(owner) == _SIZE))
            for read in reads:
                read.cancel()
            assert all(
                isinstance(each, asyncio.CancelledError)
                for each in await asyncio.gather(*reads, return_exceptions=True)
            )
            await until(lambda: asyncio.to_thread(lambda: waiting(owner) == 0))
            owner.rollback()
            assert (await reader.count()).value == 0
    assert sessions(url) == [_NOTHING] * _SIZE


@pytest.mark.parametrize(
    "careless",
    [
        "SET default_transaction_read_only = on", "SET statement_timeout = 1000", "PREPARE p AS SELECT 1",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "LISTEN c", "SELECT pg_advisory_lock(1)",
        "CREATE TEMPORARY TABLE t (n int)",
    ],
)  # fmt: skip
def test_what_a_client_leaves_behind_is_seen(pool: Pooler, roles: dict[str, Role], careless: str) -> None:
    """These tests prove something: each kind of thing a careless client leaves in a session is found there."""
    url = pool.through(roles["writer"].url)
    with plain(url) as client:
        client.autocommit = True
        client.execute(careless.encode())
    assert sessions(url) != [_NOTHING] * _SIZE


def test_maintaining_through_the_pooler(
    folder: Path, postgres_server: pgserver.Server | External, postgres_url: str
) -> None:
    """Days are dropped, one host at a time, and no session of the server is left with a lock or a setting."""
    fill(postgres_url, [entry(number, now() - int((number + 0.01) * DAY)) for number in range(6)])
    with role(postgres_server, postgres_url) as admin, psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute(grants(admin=admin.name).encode())
        with pooler(folder, admin.url, size=_SIZE) as pool:
            with AdminConnection(pool.through(admin.url)) as connection:
                with alone(connection) as ours, AdminConnection(admin.url) as direct:
                    assert ours
                    assert maintain(direct, [Rule(now() - 3 * DAY)]).busy
                done = maintain(connection, [Rule(now() - 3 * DAY)])
            assert (len(done.pruned.days), done.pruned.rows, done.pruned.waiting) == (2, 3, [])
            assert sessions(pool.through(admin.url)) == [_NOTHING] * _SIZE
