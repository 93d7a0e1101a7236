"""PostgreSQL and the network fail in every way they know: nothing is lost, nothing is stored twice, nobody waits."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest

import dblog
from dblog import DatabaseHandler, LogEntry, migrate
from dblog.errors import ErrorClass
from dblog.grants import grants
from dblog.repair import DAY_US
from dblog.store.errors import postgres_error
from dblog.store.probe import ask
from dblog.testing import FaultProxy, assert_conserved
from dblog.writer import Writer
from tests.oracle import Load, exactly_once, execute, hold, logging_to, rows, seqs, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.conftest import Served
    from tests.pgserver import Server
    from tests.postgres import Role

_TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename <> 'postgres' AND pid <> pg_backend_pid()"
)


def _probe(logger: logging.Logger, handler: DatabaseHandler) -> float:
    """Seconds until a record logged now is stored."""
    began = time.monotonic()
    logger.info("probe")
    assert handler.flush(30), handler.stats()
    return time.monotonic() - began


def _state(handler: DatabaseHandler) -> str:
    return handler.stats().state


# -- B1, B5, B11: the server ----------------------------------------------------------------------------------


def test_down_at_start(served: Served) -> None:
    """B1: the constructor neither raises nor blocks; what was logged meanwhile is stored once the server is there."""
    served.server.stop("immediate")
    began = time.monotonic()
    with logging_to(served.url) as (logger, handler):
        for number in range(500):
            logger.info("early %d", number)
        assert time.monotonic() - began < 0.5
        until(lambda: _state(handler) == "RETRY", say=handler.stats)
        assert handler.stats().last_error
        served.server.start()
        assert handler.flush(10), handler.stats()
        assert _state(handler) == "RUNNING"
        assert handler.stats().last_error is None
        exactly_once(served.owner, handler)


def test_a_probe_ends_a_long_backoff(served: Served) -> None:
    """Whatever the backoff had grown to: about a second after the server is back, a record is stored."""
    with logging_to(served.url, retry_initial=20, retry_max=30) as (logger, handler):
        _probe(logger, handler)
        served.server.stop("immediate")
        logger.info("while it is down")
        until(lambda: _state(handler) == "RETRY", say=handler.stats)
        served.server.start()
        took = _probe(logger, handler)
        assert took < 2, took
        exactly_once(served.owner, handler)


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.long)])
@pytest.mark.timeout(120)
def test_a_frozen_server(served: Served, seconds: float) -> None:
    """B5: SIGSTOP ignores every timeout of its own; ours frees the writer, and nothing is lost or doubled."""
    with logging_to(served.url, operation_timeout=0.5, connect_timeout=1, queue_size=200_000) as (logger, handler):
        with Load(logger) as load:
            until(lambda: handler.stats().stored > 100)
            served.server.freeze()
            until(lambda: _state(handler) == "RETRY", say=handler.stats)
            frozen = load.count
            threading.Event().wait(seconds - 1)
            assert load.count > frozen + 100, "the application stood still"
            served.server.thaw()
            until(lambda: _state(handler) == "RUNNING", say=handler.stats)
        assert handler.flush(20), handler.stats()
        exactly_once(served.owner, handler)


@pytest.mark.parametrize("durability", ["memory", "spool"])
def test_a_frozen_server_at_the_end(served: Served, monkeypatch: pytest.MonkeyPatch, durability: str) -> None:
    """Without a thread the caller himself stores what waits, but for no longer than he has; or leaves it on disk."""
    monkeypatch.setattr(Writer, "_start", lambda _: False)
    options: dict[str, Any] = {"shutdown_timeout": 0.5, "operation_timeout": 15, "durability": durability}
    with logging_to(served.url, **options) as (logger, handler):
        logger.info("stored by the caller")
        assert handler.stats().stored == 1
        monkeypatch.setattr(Writer, "wake", lambda _: None)
        logger.info("too late")
        monkeypatch.undo()
        served.server.freeze()
        began = time.monotonic()
        handler.close()
        assert time.monotonic() - began < 5
        served.server.thaw()
        stats = handler.stats()
        assert_conserved(stats)
        kept = durability == "spool"
        assert (stats.stored, stats.spooled, stats.dropped_by) == (1, kept, {} if kept else {"deadline": 1})


@pytest.mark.parametrize("cycles", [4, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.timeout(180)
def test_restarts_under_load(served: Served, cycles: int) -> None:
    """B10, B11: immediate, fast, smart, SIGKILL in turn; after each a probe is stored within two seconds."""
    slowest = 0.0
    with logging_to(served.url, queue_size=200_000) as (logger, handler):
        with Load(logger):
            for cycle in range(cycles):
                before = handler.stats().stored
                until(lambda before=before: handler.stats().stored > before, say=handler.stats)  # type: ignore[misc]  # mypy infers no type for a default
                if cycle % 3 == 2:
                    served.server.kill()
                else:
                    served.server.stop(("immediate", "fast")[cycle % 3])
                until(lambda: _state(handler) != "RUNNING", say=handler.stats)
                served.server.start()
                slowest = max(slowest, _probe(logger, handler))
        assert handler.flush(20), handler.stats()
        exactly_once(served.owner, handler)
    assert slowest < 2, slowest


# -- B2, B3, B4: connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [20, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.timeout(120)
def test_terminated_backends(writer_url: str, postgres_url: str, times: int) -> None:
    """B2: backends end at random moments under load: 0 lost, 0 doubled."""
    terminated = 0
    with logging_to(writer_url, batch_size=200, queue_size=200_000) as (logger, handler):
        with Load(logger), psycopg.connect(postgres_url, autocommit=True) as admin:
            while terminated < times:
                threading.Event().wait(random.random() * 0.05)
                terminated += len(admin.execute(_TERMINATE).fetchall())
        assert handler.flush(20), handler.stats()
        exactly_once(postgres_url, handler)


@pytest.mark.parametrize("needle", [b"COMMIT", b"COPY"])
def test_a_reply_that_was_cut(replay_url: str, postgres_url: str, needle: bytes) -> None:
    """B3, B14: the COMMIT was done and nobody heard: stored once, no dead letter, and the ledger says stored.

    So too without the privilege to make temporary tables, and with an answer lost before the COMMIT.
    """
    with FaultProxy(replay_url) as proxy, logging_to(proxy.url, flush_interval=60) as (logger, handler):
        hold(handler)
        logger.info("first")
        assert handler.flush(10), handler.stats()
        proxy.cut_after(needle)
        for number in range(300):
            logger.info("record %d\t\\ é \x1f", number, extra={"number": number})
        assert handler.flush(10), handler.stats()
        assert proxy.fired == 1
        assert proxy.connections >= 2
        exactly_once(postgres_url, handler)
        assert rows(postgres_url, "SELECT count(*) FROM log_dead_letters") == [(0,)]
        assert rows(postgres_url, "SELECT count(*) FROM logs WHERE message LIKE E'record %\\t\\\\\\\\ é \\x1f'") == [
            (300,)
        ]


def test_a_connection_cut_anywhere(writer_url: str, postgres_url: str) -> None:
    """A connection that ends after any number of bytes: what it had done is known afterwards."""
    with FaultProxy(writer_url) as proxy, logging_to(proxy.url) as (logger, handler):
        fired = 0
        for step in range(12):
            proxy.limit_bytes(400 + 450 * step)
            for number in range(20):
                logger.info("%d %d", step, number)
            until(lambda: proxy.fired or handler.flush(0), say=handler.stats)
            fired += proxy.fired
            proxy.heal()
            proxy.cut()
            assert handler.flush(10), handler.stats()
        assert fired >= 6
        exactly_once(postgres_url, handler)


@pytest.mark.parametrize("fault", ["black_hole", "slices", "reset", "delay"])
def test_a_bad_network(writer_url: str, postgres_url: str, fault: str) -> None:
    """B4: a black hole is left from outside after operation_timeout; slow, sliced and reset lines lose nothing."""
    options: dict[str, Any] = {"operation_timeout": 0.5, "connect_timeout": 1}
    with FaultProxy(writer_url) as proxy, logging_to(proxy.url, **options) as (logger, handler):
        _probe(logger, handler)
        set_fault: Callable[..., None] = getattr(proxy, fault)
        if fault == "delay":
            set_fault(0.02)
        else:
            set_fault()
        for number in range(200):
            logger.info("record %d", number)
        if fault in {"black_hole", "reset"}:
            until(lambda: _state(handler) == "RETRY", say=handler.stats)
        else:
            assert handler.flush(20), handler.stats()
        assert proxy.fired > 0
        proxy.heal()
        assert _probe(logger, handler) < 3
        exactly_once(postgres_url, handler)


def test_a_black_hole_while_connecting(writer_url: str, postgres_url: str) -> None:
    """Silence just after the login, while the session is prepared, is no trap either."""
    with FaultProxy(writer_url) as proxy:
        options: dict[str, Any] = {"operation_timeout": 0.5, "connect_timeout": 2}
        with logging_to(proxy.url, **options) as (logger, handler):
            original = psycopg.Connection.connect.__func__  # type: ignore[attr-defined]  # what is beneath a classmethod

            def connect(*arguments: Any, **keywords: Any) -> Any:
                connection = original(psycopg.Connection, *arguments, **keywords)
                if not proxy.fired:
                    proxy.black_hole()
                return connection

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(psycopg, "connect", connect)
                logger.info("record")
                until(lambda: proxy.fired and _state(handler) == "RETRY", say=handler.stats)
            proxy.heal()
            assert handler.flush(10), handler.stats()
            exactly_once(postgres_url, handler)


def test_the_application_goes_on_while_nobody_answers() -> None:
    """Looking whether a silent server is back holds no lock of the interpreter, and ends in time."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        port = silent.getsockname()[1]
        began = last = time.monotonic()
        looking = pool.submit(ask, f"host=127.0.0.1 port={port} user=nobody dbname=none", 0.6)
        longest = 0.0
        while not looking.done():
            time.sleep(0.002)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        assert looking.result() is None
    assert longest < 0.3, longest
    assert 0.5 < last - began < 1.5


def test_what_a_server_answers(served: Served) -> None:
    """Nothing when it is down; "" when it talks; its SQLSTATE when it refuses; nothing on a closed door's echo."""
    server = served.server
    place = f"host=127.0.0.1 port={server.port}"
    assert ask(f"{place} user=postgres dbname=postgres", 1) == ""
    assert ask(f"{place} user=postgres dbname=postgres sslmode=require", 1) == ""
    assert ask(f"{place} user=nobody dbname=none replication=true", 1) == "53300"
    server.freeze()
    assert ask(f"{place} user=postgres dbname=postgres", 0.2) is None
    server.thaw()
    server.stop("immediate")
    assert ask(f"{place} user=postgres dbname=postgres", 1) is None
    server.start()
    with socket.create_server(("127.0.0.1", 0)) as rude, ThreadPoolExecutor(1) as pool:

        def hang_up() -> None:
            rude.accept()[0].close()

        closing = pool.submit(hang_up)
        assert ask(f"host=127.0.0.1 port={rude.getsockname()[1]} user=a sslmode=disable", 1) is None
        closing.result()


def test_a_look_at_several_places(served: Served) -> None:
    """The look goes by name and by list, as the connection does."""
    port = served.server.port
    places = (f"localhost:{port}/dblog", f"/dblog?host=127.0.0.1:1&host=localhost:{port}")
    sinks = [DatabaseHandler(f"postgresql://postgres@{place}")._writer._sink for place in places]
    assert [sink is not None and sink.reachable() for sink in sinks] == [True, True]
    served.server.stop("immediate")
    assert [sink is not None and sink.reachable() for sink in sinks] == [False, False]
    served.server.start()


# -- B6, B7, B9: a server that cannot -------------------------------------------------------------------------


def test_a_locked_table(writer_url: str, postgres_url: str) -> None:
    """B6: somebody rewrites the table: the batch waits on its own connection, then is stored."""
    with logging_to(writer_url, statement_timeout=0.2) as (logger, handler):
        _probe(logger, handler)
        session = (
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'dblog%' AND datname = current_database()"
        )
        before = rows(postgres_url, session)
        with psycopg.connect(postgres_url) as other:
            other.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
            logger.info("behind the lock")
            until(lambda: _state(handler) == "RETRY", say=handler.stats)
            assert str(handler.stats().last_error).startswith(("55P03", "57014"))
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)
        assert rows(postgres_url, session) == before, "it reconnected for a lock"


def test_a_locked_side_table_keeps_no_batch_waiting(writer_url: str, postgres_url: str) -> None:
    """A heartbeat behind a lock gives up by itself; batches go on."""
    with logging_to(writer_url, statement_timeout=0.2) as (logger, handler):
        with psycopg.connect(postgres_url) as other:
            other.execute("LOCK TABLE log_instances IN ACCESS EXCLUSIVE MODE")
            assert _probe(logger, handler) < 3
            assert _probe(logger, handler) < 3
        exactly_once(postgres_url, handler)


@pytest.mark.parametrize("state", ["53100", "53200", "58030"])
def test_a_full_disk(writer_url: str, postgres_url: str, state: str) -> None:
    """B7: wait, keep everything, never bisect; resume by itself."""
    execute(
        postgres_url,
        "CREATE TABLE full_disk ()",
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        f" IF to_regclass('full_disk') IS NOT NULL THEN RAISE 'no space' USING ERRCODE = '{state}'; END IF;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER fail BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    with logging_to(writer_url) as (logger, handler):
        for number in range(50):
            logger.info("record %d", number)
        until(lambda: _state(handler) == "RETRY", say=handler.stats)
        assert str(handler.stats().last_error).startswith(state)
        execute(postgres_url, "DROP TABLE full_disk")
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)


def test_a_read_only_server(writer_url: str, postgres_url: str) -> None:
    """B9: after a failover the server is read-only for a while; a new session then stores what waited."""
    name = urlsplit(postgres_url).path[1:]
    with logging_to(writer_url) as (logger, handler):
        _probe(logger, handler)
        execute(postgres_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on", _TERMINATE)
        logger.info("meanwhile")
        until(lambda: str(handler.stats().last_error).startswith("25006"), say=handler.stats)
        with psycopg.connect(postgres_url, autocommit=True) as owner:
            owner.execute("SET default_transaction_read_only = off")
            owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)


# -- B8, B13: configuration -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _blocked(url: str, needle: str, **options: Any) -> Iterator[tuple[logging.Logger, DatabaseHandler]]:
    """A handler that is BLOCKED for a reason, with 30 records it keeps; afterwards they are stored."""
    with logging_to(url, **options) as (logger, handler):
        for number in range(30):
            logger.info("record %d", number)
        until(lambda: _state(handler) == "BLOCKED", say=handler.stats)
        assert needle in str(handler.stats().last_error)
        assert not handler.flush(0.05)
        stats = handler.stats()
        assert_conserved(stats)
        assert (stats.stored, stats.dropped, stats.failed) == (0, 0, 0)
        yield logger, handler
        assert handler.flush(15), handler.stats()
        assert _state(handler) == "RUNNING"


def test_a_wrong_password(writer_url: str, postgres_url: str, postgres_role: Role) -> None:
    """Said loudly, kept, and resumed when the password is put right; a callable is asked each time."""
    password = ["wrong"]
    parts = urlsplit(writer_url)
    url = parts._replace(netloc=f"{postgres_role.name}@{parts.hostname}:{parts.port}").geturl()
    with _blocked(url, "password", password=lambda: password[0]) as (_, handler):
        password[0] = str(parts.password)
    exactly_once(postgres_url, handler)


def test_a_password_that_cannot_be_had(writer_url: str, postgres_url: str, tmp_path: Path) -> None:
    """A vault that is down, a file that is not mounted yet: asked again at each attempt."""
    parts = urlsplit(writer_url)
    url = parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()
    file = tmp_path / "password"
    with _blocked(url, "FileNotFoundError: the password cannot be had", password_file=file) as (_, handler):
        file.write_text(f"{parts.password}\n")
    exactly_once(postgres_url, handler)
    vault: list[str] = []
    with logging_to(url, password=vault.pop) as (logger, handler):
        logger.info("record")
        until(lambda: _state(handler) == "BLOCKED", say=handler.stats)
        vault += [str(parts.password)] * 10
        assert handler.flush(10), handler.stats()


def test_a_database_that_is_not_there(writer_url: str, postgres_url: str, postgres_server: Server) -> None:
    """The database is created and migrated later."""
    name = "late_" + urlsplit(writer_url).path[1:]
    role_name = urlsplit(writer_url).username
    url = urlsplit(writer_url)._replace(path="/" + name).geturl()
    owner = urlsplit(postgres_url)._replace(path="/" + name).geturl()
    try:
        with _blocked(url, "refuses the session") as (_, handler):
            execute(postgres_url, f"CREATE DATABASE {name}")
            migrate.upgrade(owner)
            execute(owner, grants(writer=role_name))
        exactly_once(owner, handler)
    finally:
        execute(postgres_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_a_table_that_is_not_there(empty_postgres_url: str) -> None:
    """Not migrated: it says what to run, and resumes when it was run."""
    with _blocked(empty_postgres_url, "dblog upgrade") as (_, handler):
        migrate.upgrade(empty_postgres_url)
    exactly_once(empty_postgres_url, handler)


def test_a_table_that_goes(writer_url: str, postgres_url: str) -> None:
    """The schema is taken back under a living writer and comes again, heartbeats too."""
    role_name = urlsplit(writer_url).username
    with logging_to(writer_url) as (logger, handler):
        _probe(logger, handler)
        migrate.downgrade(postgres_url)
        logger.info("meanwhile")
        until(lambda: _state(handler) == "BLOCKED", say=handler.stats)
        migrate.upgrade(postgres_url)
        execute(postgres_url, grants(writer=role_name))
        assert handler.flush(10), handler.stats()
        until(lambda: rows(postgres_url, "SELECT count(*) FROM log_instances") == [(1,)])
        assert seqs(postgres_url) == [2]


def test_a_privilege_that_is_missing(postgres_url: str, postgres_role: Role) -> None:
    """A role without grants is told to see dblog grants; nothing is bisected, and a grant is enough."""
    with _blocked(postgres_role.url, "42501") as (_, handler):
        assert rows(postgres_url, "SELECT count(*) FROM log_dead_letters") == [(0,)]
        execute(postgres_url, grants(writer=postgres_role.name))
    exactly_once(postgres_url, handler)


def test_an_older_schema(writer_url: str, postgres_url: str) -> None:
    """B13: only timestamp, id and message are vital; another column may be missing, or go at any time."""
    execute(postgres_url, "ALTER TABLE logs DROP COLUMN template, DROP COLUMN trace_id")
    with logging_to(writer_url) as (logger, handler):
        logger.info("with %s", "arguments")
        assert handler.flush(10), handler.stats()
        execute(postgres_url, "ALTER TABLE logs DROP COLUMN pathname")
        logger.info("again")
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)
        assert rows(postgres_url, "SELECT message FROM logs ORDER BY seq") == [("with arguments",), ("again",)]


def test_a_schema_too_old(writer_url: str, postgres_url: str) -> None:
    """Without its message a log row is none: BLOCKED, naming the column."""
    execute(postgres_url, "ALTER TABLE logs RENAME COLUMN message TO text")
    with _blocked(writer_url, "message") as (_, handler):
        execute(postgres_url, "ALTER TABLE logs RENAME COLUMN text TO message")
    exactly_once(postgres_url, handler)


def test_a_newer_schema(writer_url: str, postgres_url: str) -> None:
    """B13: columns this dblog does not know are the database's to fill."""
    execute(postgres_url, "ALTER TABLE logs ADD COLUMN region text, ADD COLUMN shard int NOT NULL DEFAULT 7")
    with logging_to(writer_url) as (logger, handler):
        _probe(logger, handler)
        exactly_once(postgres_url, handler)


def test_a_column_nobody_fills(writer_url: str, postgres_url: str) -> None:
    """A new column that must not be null and has no default is no row's fault."""
    execute(postgres_url, "ALTER TABLE logs ADD COLUMN region text NOT NULL")
    with _blocked(writer_url, "23502") as (_, handler):
        execute(postgres_url, "ALTER TABLE logs ALTER COLUMN region SET DEFAULT 'eu'")
    exactly_once(postgres_url, handler)


def test_row_level_security(writer_url: str, postgres_url: str) -> None:
    """COPY refuses a table with row-level security whatever the rows: nothing is bisected."""
    execute(postgres_url, "ALTER TABLE logs ENABLE ROW LEVEL SECURITY")
    with _blocked(writer_url, "0A000") as (_, handler):
        execute(postgres_url, "ALTER TABLE logs DISABLE ROW LEVEL SECURITY")
    exactly_once(postgres_url, handler)


@pytest.mark.parametrize("query", ["options=-c%20statement_timeout%3Dsoon", "sslmode=require"])
def test_a_session_that_cannot_be_opened(writer_url: str, query: str) -> None:
    """Whatever is wrong with the way to connect, it is never taken for a bad row."""
    with logging_to(f"{writer_url}?{query}") as (logger, handler):
        for number in range(30):
            logger.info("record %d", number)
        until(lambda: _state(handler) == "BLOCKED", say=handler.stats)
        threading.Event().wait(0.3)
        stats = handler.stats()
        assert (stats.failed, stats.dropped, stats.queued + stats.in_flight) == (0, 0, 30)
        handler._writer.close(time.monotonic())


def test_too_many_connections(writer_url: str, postgres_url: str, postgres_role: Role) -> None:
    """B8: no connection left is waited for."""
    execute(postgres_url, f"ALTER ROLE {postgres_role.name} CONNECTION LIMIT 1")
    with psycopg.connect(writer_url), logging_to(writer_url) as (logger, handler):
        logger.info("record")
        until(lambda: _state(handler) in {"BLOCKED", "RETRY"}, say=handler.stats)
        execute(postgres_url, f"ALTER ROLE {postgres_role.name} CONNECTION LIMIT 5")
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)


# -- B12: days ------------------------------------------------------------------------------------------------


def _dated(logger: logging.Logger, message: str, created: float) -> None:
    record = logger.makeRecord(logger.name, logging.INFO, "f", 1, message, (), None)
    record.created = created
    logger.handle(record)


def test_dates_far_away(writer_url: str, postgres_url: str) -> None:
    """B12: 2099 and 1970 are stored as now, flagged, with the date they claimed; their batch is not held up."""
    with logging_to(writer_url) as (logger, handler):
        logger.info("before")
        _dated(logger, "2099", 4_070_908_800.0)
        _dated(logger, "1970", 0.5)
        logger.info("after")
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)
        found = rows(
            postgres_url,
            "SELECT message, metadata->'dblog'->'flags', (metadata->'dblog'->>'created')::float,"
            " abs(extract(epoch FROM now() - timestamp)) < 60 FROM logs WHERE metadata IS NOT NULL ORDER BY seq",
        )
        assert found == [("2099", ["clock"], 4_070_908_800.0, True), ("1970", ["clock"], 0.5, True)]


def test_a_day_without_a_partition(writer_url: str, postgres_url: str) -> None:
    """B12: yesterday's partition was never made, tomorrow's was dropped: both are made, the rows keep their time."""
    now = time.time()
    tomorrow = time.strftime("%Y%m%d", time.gmtime(now + 80_000))
    today = time.strftime("%Y%m%d", time.gmtime(now))
    with logging_to(writer_url) as (logger, handler):
        _probe(logger, handler)
        if tomorrow != today:
            execute(postgres_url, f"DROP TABLE logs_{tomorrow}")
        for created in (now - 86_400, now - 20 * 86_400, now + 80_000):
            _dated(logger, "dated", created)
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)
        stored = rows(postgres_url, "SELECT extract(epoch FROM timestamp) FROM logs ORDER BY seq")
        assert [round(float(moment) - now, 3) for (moment,) in stored[1:]] == [-86_400, -20 * 86_400, 80_000]


def test_a_day_the_server_refuses(writer_url: str, postgres_url: str) -> None:
    """B12: a day that was detached on purpose does not come back: its rows are stored as now, and flagged."""
    now = time.time()
    day = time.strftime("%Y%m%d", time.gmtime(now - 86_400))
    execute(postgres_url, f"CREATE TABLE logs_{day} ()")
    with logging_to(writer_url, flush_interval=60) as (logger, handler):
        hold(handler)
        for number in range(50):
            _dated(logger, f"dated {number}", now - 86_400 if number % 10 == 0 else now)
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)
        flagged = rows(postgres_url, """SELECT count(*) FROM logs WHERE metadata->'dblog'->'flags' = '["clock"]'""")
        assert flagged == [(5,)]


def test_no_partition_for_today(writer_url: str, postgres_url: str) -> None:
    """Where even today is refused nothing can be stored, and nothing is blamed on the rows."""
    today = time.strftime("%Y%m%d", time.gmtime())
    execute(postgres_url, f"DROP TABLE logs_{today}", f"CREATE TABLE logs_{today} ()")
    with _blocked(writer_url, "today") as (_, handler):
        execute(postgres_url, f"DROP TABLE logs_{today}")
    exactly_once(postgres_url, handler)


def test_a_day_nobody_may_make(writer_url: str, postgres_url: str) -> None:
    """Without the right to make days the writer is blocked, not poisoned, until somebody makes the day."""
    today = time.strftime("%Y%m%d", time.gmtime())
    function = "FUNCTION dblog_ensure_day(date)"
    role_name = urlsplit(writer_url).username
    execute(postgres_url, f"DROP TABLE logs_{today}", f"REVOKE EXECUTE ON {function} FROM {role_name}")
    with _blocked(writer_url, "42501") as (_, handler):
        execute(postgres_url, "SELECT dblog_ensure_day(current_date)")
    exactly_once(postgres_url, handler)


def test_an_entry_made_by_hand_with_a_bad_date_and_bad_flags(writer_url: str, postgres_url: str) -> None:
    """What a user put under metadata.dblog does not stand in the way of dblog's own notes."""
    with logging_to(writer_url) as (_, handler):
        given: list[Any] = [5, {"a": 1}, [[], {}, None, "mine"]]
        for flags in given:
            entry = LogEntry.now("by hand", metadata={"dblog": {"flags": flags}})
            handler.enqueue(entry._replace(timestamp=-5 * DAY_US))
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)
        found = rows(postgres_url, "SELECT metadata->'dblog'->'flags' FROM logs ORDER BY seq")
        assert [flags for (flags,) in found] == [["clock"], ["clock"], ["clock", "mine"]]


def test_every_sqlstate_has_a_class() -> None:
    """Of PostgreSQL's own list of errors none that a healthy table can raise for a healthy row is taken for poison."""
    poison = set()
    for state in dir(psycopg.errors):
        error = getattr(psycopg.errors, state)
        if isinstance(error, type) and issubclass(error, psycopg.Error) and error.sqlstate:
            failure = postgres_error(error("canary"))
            assert "canary" not in str(failure)
            if failure.kind is ErrorClass.POISON:
                poison.add(error.sqlstate[:2])
    assert poison == {"22", "23", "54", "P0"}


def test_enqueue_takes_any_fields(writer_url: str, postgres_url: str) -> None:
    """Fields of foreign types are repaired before anybody compares, measures or orders them."""

    class Text(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            raise ValueError

        __hash__ = str.__hash__

    with logging_to(writer_url) as (_, handler):
        good = LogEntry.now("good")
        hostile: list[dict[str, Any]] = [
            {"message": Text("subclass")},
            {"severity": "INFO"},
            {"severity": None, "timestamp": "yesterday"},
            {"metadata": '{"a": "\\u0000 and \\\\u0000"}'},
            {"metadata": b"\xff"},
            {"seq": 2**80, "pid": -5, "lineno": 10**30},
        ]
        assert dblog.enqueue(good) >= 1
        for fields in hostile:
            dblog.enqueue(good._replace(**fields))
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)
        found = rows(postgres_url, "SELECT metadata->>'a' FROM logs WHERE metadata ? 'a'")
        assert found == [("\u2400 and \\u0000",)]
