"""``dblog index``: built beside writers, dropped again, and with them and without every query finds the same."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from dblog import migrate
from dblog.admin import indexes
from dblog.admin.connection import AdminConnection
from dblog.errors import ConfigurationError, StoreError
from dblog.query import parse
from dblog.reader import LogReader
from dblog.reading import indexed
from tests.administered import DAY, SECOND, entry, fill, now
from tests.oracle import exactly_once, execute, logging_to, rows, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.entry import LogEntry
    from tests.cli.conftest import Done

    Dblog = Callable[..., Done]

TEXTS = (
    "timeout after 30 s", "TIMEOUT", "time out", "a%b_c", 'say "hello"', "back\\slash", "déjà vu", "DÉJÀ", "straße",
    "ti", "", "\n\ttabs", "日本語のログ", "a" * 50 + "timeoutt", "İstanbul", "\N{KELVIN SIGN}elvin", "😀 smile",
)  # fmt: skip
LOGGERS = ("shop", "Shop.Cart", "shop.cart", "shopping", "SHOP", "é.log", "shop\U0010ffff", "sho\ud7ff")
QUERIES = (
    "timeout", "message:*TIMEOUT*", "message:time*out", "message:*%b_*", 'message:*\\"hello*', "déjà", "DÉJÀ",
    "straße", "ti", "日本語", "*😀*", "message:*kelvin*", "istanbul", "-timeout", "timeout or hello",
    "timeout level:info", "logger:shop", "logger:shop*", "logger:shop.*", "logger=Shop.Cart", "-logger:shop*",
    "logger:é*", "logger:*cart", "logger:shop* timeout", "logger:shop or timeout", "note:*timeout*",
    'note="TIMEOUT"', "note:*déjà*", "deep.note:*out*", 'note:*\\"hello*', "note:*slash", "order:7",
    "order>3 note:*out*", "tags:*timeout*", "message=~/t.me/", "note:*tabs*",
)  # fmt: skip


def made(number: int) -> LogEntry:
    import orjson

    text = TEXTS[number % len(TEXTS)]
    metadata = {"note": text, "order": number, "deep": {"note": text[::-1]}, "tags": ["x", text]}
    return entry(
        number,
        now() - number % 3 * DAY - number * SECOND,
        message=text,
        logger=LOGGERS[number % len(LOGGERS)],
        metadata=orjson.dumps(metadata).decode() if number % 5 else None,
    )


def kinds(url: str) -> tuple[str, ...]:
    return ("message", "logger") if url.startswith("sqlite") else indexes.KINDS


def with_connection(url: str, work: Callable[[AdminConnection], Any]) -> Any:
    with AdminConnection(url) as connection:
        return work(connection)


def build_all(url: str) -> None:
    with AdminConnection(url) as connection:
        for kind in kinds(url):
            indexes.add(connection, kind)


def states(url: str) -> dict[str, str]:
    return {each.kind: each.state for each in with_connection(url, indexes.indexes)}


@pytest.mark.parametrize("often", [1, 20_000])
def test_every_query_finds_the_same(
    database_url: str, reading_url: str, monkeypatch: pytest.MonkeyPatch, often: int
) -> None:
    """Entries from before and after, hostile ones included; pages, counts, facets and histograms."""
    monkeypatch.setattr(indexed, "_OFTEN", often)
    used: list[str] = []
    entries = [made(number) for number in range(120)]
    fill(database_url, entries[:80])
    build_all(database_url)
    fill(database_url, entries[80:])
    execute(database_url, "DELETE FROM logs WHERE lineno % 10 = 3")
    kept = [each for each in entries if each.lineno is not None and each.lineno % 10 != 3]

    async def asked() -> None:
        async with LogReader(reading_url) as reader:
            for query in QUERIES:
                holds = parse(query).predicate()
                wanted = {each.id for each in kept if holds(each)}
                page = await reader.search(query, limit=500)
                assert {each.id for each in page.entries} == wanted, query
                assert (await reader.count(query)).value == len(wanted), query
                assert sum(bucket.total for bucket in (await reader.histogram(query)).buckets) == len(wanted), query
                assert (await reader.facets(query, "level")).seen == len(wanted), query
                selection = reader._matching(query)
                if (await indexed.narrowed(reader._sessions, selection)) is not selection:
                    used.append(query)

    asyncio.run(asked())
    assert {"logger:shop", "logger:shop.*"} < set(used)
    assert ("timeout" if database_url.startswith("sqlite") else "note:*timeout*") in used


@pytest.mark.slow
def test_they_are_built_while_writers_go_on(database_url: str) -> None:
    """Nothing is lost or refused meanwhile, and what came before, during and after is found."""
    fill(database_url, [made(number) for number in range(200)])
    done = threading.Event()

    def build() -> None:
        build_all(database_url)
        done.set()

    with logging_to(database_url) as (logger, handler):
        builder = threading.Thread(target=build)
        builder.start()
        while not done.is_set() or handler.stats().emitted < 300:
            logger.info("needle %d", handler.stats().emitted)
            done.wait(0.001)
        builder.join()
        logger.info("needle at last")
        assert handler.flush(20)
        exactly_once_among(database_url, handler)
        emitted = handler.stats().emitted
    assert set(states(database_url).values()) <= {"ready", "unavailable"}

    async def count() -> int:
        async with LogReader(database_url) as reader:
            return (await reader.count("needle")).value

    assert asyncio.run(count()) == emitted


def exactly_once_among(url: str, handler: Any) -> None:
    execute(url, "DELETE FROM logs WHERE lineno < 200 AND logger <> 'x' AND message NOT LIKE 'needle%'")
    exactly_once(url, handler)


def test_the_command(database_url: str, dblog: Dblog) -> None:
    """It says what an index costs before it asks, builds it, lists it, and drops it."""
    fill(database_url, [made(number) for number in range(50)])
    url = ("--url", database_url)
    assert "message   absent" in dblog("index", *url).out
    refused = dblog("index", "add", "message", *url)
    assert (refused.code, "give --yes" in refused.err) == (2, True)
    assert "measured with 50 entries: " in refused.out
    assert "times as long" in refused.out
    for kind in kinds(database_url):
        added = dblog("index", "add", kind, "--yes", *url)
        assert (added.code, f"the index on {kind} is ready" in added.out) == (0, True)
        assert dblog("index", "add", kind, "--yes", *url).code == 0
    assert dblog("index", "list", "--json", *url).out.count('"ready"') == len(kinds(database_url))
    for kind in kinds(database_url):
        assert f"the index on {kind} is gone" in dblog("index", "drop", kind, "--yes", *url).out
        assert f"there is no index on {kind}" in dblog("index", "drop", kind, "--yes", *url).out
    assert "ready" not in dblog("index", *url).out
    assert migrate.check(database_url).ok


def test_mistakes(database_url: str, dblog: Dblog) -> None:
    """Which is meant has to be said, and has to be one there is."""
    url = ("--url", database_url)
    assert "needs to know which: message, metadata, logger" in dblog("index", "add", *url).err
    assert "'host' is no index of dblog's" in dblog("index", "add", "host", "--yes", *url).err
    assert "there are no entries to measure with" in dblog("index", "add", "logger", "--yes", *url).out
    if database_url.startswith("sqlite"):
        with pytest.raises(ConfigurationError, match="is for Postgres"):
            with_connection(database_url, lambda connection: indexes.add(connection, "metadata"))


def test_a_build_that_ended_goes_on(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not used until it is complete, and what is deleted or changed meanwhile does not harm it."""
    lite = database_url.startswith("sqlite")
    fill(database_url, [made(number) for number in range(60)])
    monkeypatch.setattr("dblog.admin.indexes_sqlite._FIRST", 7)

    def stop(built: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_connection(database_url, lambda connection: indexes.add(connection, "message", report=stop))
    assert states(database_url)["message"] == "building"
    execute(
        database_url, "UPDATE logs SET message = 'needle' WHERE lineno % 10 = 1", "DELETE FROM logs WHERE lineno > 50"
    )
    found = "SELECT count(*) FROM logs WHERE message = 'needle'"

    async def count() -> int:
        async with LogReader(database_url) as reader:
            return (await reader.count("needle")).value

    assert asyncio.run(count()) == rows(database_url, found)[0][0]
    with_connection(database_url, lambda connection: indexes.add(connection, "message"))
    assert states(database_url)["message"] == "ready"
    assert asyncio.run(count()) == rows(database_url, found)[0][0] == 5
    if lite:
        execute(database_url, "INSERT INTO logs_message_idx (logs_message_idx) VALUES ('integrity-check')")


def test_a_partition_left_invalid_is_built_anew(postgres_url: str) -> None:
    """As CREATE INDEX CONCURRENTLY leaves one that was ended; and a day made meanwhile has the index from its birth."""
    fill(postgres_url, [made(number) for number in range(5)])
    with_connection(postgres_url, lambda connection: indexes.add(connection, "logger"))
    day = rows(postgres_url, "SELECT min(relname) FROM pg_class WHERE relname ~ '^logs_[0-9]{8}$'")[0][0]
    execute(
        postgres_url,
        "DROP INDEX logs_logger_idx",
        'CREATE INDEX logs_logger_idx ON ONLY logs USING btree (lower(logger COLLATE "C"), "timestamp")',
        f'CREATE INDEX {day}_logger_idx ON {day} USING btree (lower(logger COLLATE "C"), "timestamp")',
        f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{day}_logger_idx'::regclass",
        "SELECT dblog_ensure_day(current_date + 6)",
    )
    assert states(postgres_url)["logger"] == "building"
    with_connection(postgres_url, lambda connection: indexes.add(connection, "logger"))
    assert states(postgres_url)["logger"] == "ready"
    assert rows(postgres_url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]


def test_without_the_extension(postgres_url: str, writer_postgres_url: str) -> None:
    """Who may not create it is told who may."""
    with pytest.raises(StoreError, match="CREATE EXTENSION pg_trgm"):
        with_connection(writer_postgres_url, lambda connection: indexes.add(connection, "message"))


def test_they_go_with_the_schema(database_url: str) -> None:
    """Down leaves nothing of ours, and up again builds without them."""
    fill(database_url, [made(1)])
    build_all(database_url)
    migrate.downgrade(database_url)
    if database_url.startswith("sqlite"):
        assert rows(database_url, "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'") == []
    migrate.upgrade(database_url)
    assert "ready" not in states(database_url).values()
    until(lambda: fill(database_url, [made(2)]).stored == 1)
