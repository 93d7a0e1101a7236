"""An SQLite file is missing, locked, replaced, full, read-only or no database: it is said, waited for, and survived."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dblog import diagnostics, migrate
from dblog.errors import ErrorClass
from dblog.store.errors import sqlite_error
from dblog.testing import assert_conserved
from dblog.watchdog import Watchdog
from tests.oracle import Load, exactly_once, execute, logging_to, rows, seqs, until

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from dblog import DatabaseHandler

_WRITER = """
import logging, sys
import dblog
handler = dblog.DatabaseHandler(sys.argv[1], flush_interval=0.01)
logger = logging.getLogger()
logger.addHandler(handler)
logger.setLevel("INFO")
for number in range(int(sys.argv[2])):
    logger.info("record %d", number)
assert handler.flush(30), handler.stats()
stats = handler.stats()
assert stats.stored == stats.emitted == int(sys.argv[2]), stats
"""


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _state(handler: DatabaseHandler) -> str:
    return handler.stats().state


@contextlib.contextmanager
def _trouble(url: str, state: str, needle: str) -> Iterator[tuple[logging.Logger, DatabaseHandler]]:
    """A handler in a state for a reason, keeping its 20 records; afterwards all of them are stored."""
    with logging_to(url) as (logger, handler):
        for number in range(20):
            logger.info("record %d", number)
        until(lambda: _state(handler) == state, say=handler.stats)
        assert needle in str(handler.stats().last_error)
        stats = handler.stats()
        assert_conserved(stats)
        assert (stats.stored, stats.dropped, stats.failed) == (0, 0, 0)
        yield logger, handler
        assert handler.flush(15), handler.stats()
        assert _state(handler) == "RUNNING"
        exactly_once(url, handler)


def test_a_missing_file(empty_sqlite_url: str) -> None:
    """None is made by mistake: it says what to run, and resumes when it was run."""
    with _trouble(empty_sqlite_url, "BLOCKED", "dblog upgrade"):
        assert not _path(empty_sqlite_url).exists()
        migrate.upgrade(empty_sqlite_url)


def test_a_missing_folder(tmp_path: Path) -> None:
    """A mount that comes late."""
    url = f"sqlite:///{tmp_path / 'later' / 'logs.db'}"
    with _trouble(url, "BLOCKED", "dblog upgrade"):
        (tmp_path / "later").mkdir()
        migrate.upgrade(url)


def test_a_file_that_is_not_migrated(empty_sqlite_url: str) -> None:
    """Somebody else's database, until it is migrated."""
    execute(empty_sqlite_url, "CREATE TABLE theirs (x)")
    with _trouble(empty_sqlite_url, "BLOCKED", "dblog upgrade"):
        migrate.upgrade(empty_sqlite_url)


def test_no_database(empty_sqlite_url: str, sqlite_template: Path) -> None:
    """A file that is none is never written to; replaced by one, it is used."""
    text = b"not a database, " * 500
    _path(empty_sqlite_url).write_bytes(text)
    with _trouble(empty_sqlite_url, "BLOCKED", "SQLITE_NOTADB"):
        assert _path(empty_sqlite_url).read_bytes() == text
        replacement = _path(empty_sqlite_url).with_suffix(".new")
        shutil.copyfile(sqlite_template, replacement)
        replacement.rename(_path(empty_sqlite_url))


def test_an_older_and_a_newer_schema(sqlite_url: str) -> None:
    """Only timestamp, id and message are vital; foreign columns are the database's to fill."""
    execute(
        sqlite_url,
        "ALTER TABLE logs DROP COLUMN template",
        "ALTER TABLE logs ADD COLUMN region TEXT",
        "ALTER TABLE logs ADD COLUMN shard INTEGER NOT NULL DEFAULT 7",
    )
    with logging_to(sqlite_url) as (logger, handler):
        logger.info("with %s", "arguments")
        assert handler.flush(10), handler.stats()
        execute(sqlite_url, "ALTER TABLE logs DROP COLUMN pathname")
        logger.info("again")
        assert handler.flush(10), handler.stats()
        exactly_once(sqlite_url, handler)


def test_a_schema_too_old(sqlite_url: str) -> None:
    """Without its message a log row is none: BLOCKED, naming the column."""
    execute(sqlite_url, "ALTER TABLE logs RENAME COLUMN message TO text")
    with _trouble(sqlite_url, "BLOCKED", "message"):
        execute(sqlite_url, "ALTER TABLE logs RENAME COLUMN text TO message")


def test_a_column_nobody_fills(sqlite_url: str) -> None:
    """A table that wants what dblog does not send is no row's fault."""
    execute(sqlite_url, "ALTER TABLE logs RENAME COLUMN logger TO channel")
    with _trouble(sqlite_url, "BLOCKED", "channel"):
        execute(sqlite_url, "ALTER TABLE logs RENAME COLUMN channel TO logger")


def test_locked_by_another_process(sqlite_url: str) -> None:
    """BEGIN IMMEDIATE held elsewhere: waited for, then tried again."""
    locking = contextlib.closing(sqlite3.connect(_path(sqlite_url), isolation_level=None))
    with locking as other, logging_to(sqlite_url, connect_timeout=0.1) as (logger, handler):
        logger.info("first")
        assert handler.flush(10), handler.stats()
        other.execute("BEGIN IMMEDIATE")
        logger.info("behind the lock")
        until(lambda: _state(handler) == "RETRY", say=handler.stats)
        assert "SQLITE_BUSY" in str(handler.stats().last_error)
        other.execute("ROLLBACK")
        assert handler.flush(10), handler.stats()
        exactly_once(sqlite_url, handler)


def test_a_file_deleted_under_the_writer(sqlite_url: str) -> None:
    """Inserts into a deleted file would succeed into nowhere: noticed, said, and resumed with the next file."""
    with logging_to(sqlite_url) as (logger, handler):
        logger.info("in the first file")
        assert handler.flush(10), handler.stats()
        for suffix in ("", "-wal", "-shm"):
            _path(sqlite_url + suffix).unlink(missing_ok=True)
        for number in range(100):
            logger.info("record %d", number)
        until(lambda: _state(handler) == "BLOCKED", say=handler.stats)
        assert "does not exist" in str(handler.stats().last_error)
        migrate.upgrade(sqlite_url)
        assert handler.flush(10), handler.stats()
        assert seqs(sqlite_url) == list(range(2, 102))


def test_a_file_replaced_at_any_moment(sqlite_url: str, sqlite_template: Path, tmp_path: Path) -> None:
    """Rotated by rename under load: between the old files and the new every record is there at least once."""
    path, kept = _path(sqlite_url), []
    with logging_to(sqlite_url, flush_interval=0.001, batch_size=50) as (logger, handler):
        with Load(logger, 0.0002):
            for number in range(15):
                stored = handler.stats().stored
                until(lambda stored=stored: handler.stats().stored > stored + 20, say=handler.stats)  # type: ignore[misc]  # mypy infers no type for a default
                new, old = tmp_path / f"new{number}", tmp_path / f"old{number}.db"
                shutil.copyfile(sqlite_template, new)
                new.chmod(0o600)
                os.link(path, old)
                for suffix in ("-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.link(f"{path}{suffix}", f"{old}{suffix}")
                        Path(f"{path}{suffix}").unlink()
                new.replace(path)
                kept.append(f"sqlite:///{old}")
        assert handler.flush(10), handler.stats()
        stats = handler.stats()
        assert (stats.stored, stats.dropped, stats.failed) == (stats.emitted, 0, 0)
    found = {seq for url in (*kept, sqlite_url) for seq in seqs(url)}
    assert found == set(range(1, stats.emitted + 1))


def test_no_room(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLITE_FULL: everything is kept, nothing is bisected, and it goes on when there is room."""
    pages = [0]
    original = sqlite3.connect

    def connect(*arguments: Any, **keywords: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = original(*arguments, **keywords)
        if pages[0]:
            connection.execute(f"PRAGMA max_page_count = {pages[0]}")
        return connection

    monkeypatch.setattr("sqlite3.dbapi2.connect", connect)
    monkeypatch.setattr("sqlite3.connect", connect)
    pages[0] = 80
    with logging_to(sqlite_url) as (logger, handler):
        for _ in range(300):
            logger.info("x" * 4000)
        until(lambda: _state(handler) == "BLOCKED", say=handler.stats)
        assert "max_page_count" in str(handler.stats().last_error)
        assert "SQLITE_FULL" in str(handler.stats().last_error)
        stats = handler.stats()
        assert (stats.dropped, stats.failed) == (0, 0)
        held = handler._writer._sink
        assert held is not None
        held._link.connection.execute("PRAGMA max_page_count = 100000")  # type: ignore[attr-defined]  # this sink is SQLite's
        assert handler.flush(10), handler.stats()
        exactly_once(sqlite_url, handler)


def test_a_read_only_file(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite opens such a file without a word; a connection of its own finds out that it was mended."""
    mode = ["ro"]
    original = sqlite3.connect

    def connect(path: str, **keywords: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = original(f"file:{path}?mode={mode[0]}", **{**keywords, "uri": True})
        return connection

    monkeypatch.setattr("sqlite3.dbapi2.connect", connect)
    monkeypatch.setattr("sqlite3.connect", connect)
    with logging_to(sqlite_url) as (logger, handler):
        logger.info("record")
        until(lambda: _state(handler) == "BLOCKED", say=handler.stats)
        assert "SQLITE_READONLY" in str(handler.stats().last_error)
        mode[0] = "rw"
        assert handler.flush(10), handler.stats()
        monkeypatch.undo()
        exactly_once(sqlite_url, handler)


def test_a_statement_without_end(sqlite_url: str) -> None:
    """The watchdog interrupts it; the connection stays of use, and the next attempt stores the row once."""
    execute(
        sqlite_url,
        "CREATE TABLE slow (x)",
        "INSERT INTO slow VALUES (1)",
        "CREATE TRIGGER endless BEFORE INSERT ON logs WHEN EXISTS (SELECT 1 FROM slow) BEGIN"
        " SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n); END",
    )
    with logging_to(sqlite_url, operation_timeout=0.2) as (logger, handler):
        logger.info("record")
        until(lambda: _state(handler) == "RETRY", say=handler.stats)
        assert "SQLITE_INTERRUPT" in str(handler.stats().last_error)
        execute(sqlite_url, "PRAGMA busy_timeout = 5000", "DELETE FROM slow")
        assert handler.flush(10), handler.stats()
        exactly_once(sqlite_url, handler)


def test_the_watchdog_does_not_give_up() -> None:
    """An abort that found nothing to free is made again; once the operation has ended it is left alone."""
    dog, aborts = Watchdog(), []
    with dog.limit(0.05, lambda: aborts.append(time.monotonic())):
        until(lambda: len(aborts) >= 2, 5)
    count = len(aborts)
    with dog.limit(5, lambda: aborts.append(0.0)):
        threading.Event().wait(0.05)
    assert len(aborts) == count


@pytest.mark.parametrize(("writers", "records"), [(4, 500), pytest.param(8, 4000, marks=pytest.mark.long)])
def test_many_writing_processes(sqlite_url: str, writers: int, records: int) -> None:
    """C1: nobody fails for another's lock, and no row is lost."""
    command = [sys.executable, "-c", _WRITER, sqlite_url, str(records)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(writers)]
    for process in running:
        _, errors = process.communicate(timeout=50)
        assert (process.returncode, errors) == (0, "")
    counts = "SELECT count(*), count(DISTINCT hex(instance_id) || ':' || seq), count(DISTINCT id) FROM logs"
    assert rows(sqlite_url, counts) == [(writers * records,) * 3]
    assert rows(sqlite_url, "SELECT count(*) FROM log_instances WHERE state = 'CLOSED'") == [(writers,)]


# -- retention ------------------------------------------------------------------------------------------------


def _old(logger: logging.Logger, handler: DatabaseHandler, count: int, age: float) -> None:
    now = time.time()
    for number in range(count):
        record = logger.makeRecord("app", 20, "f", 1, "old %d", (number,), None)
        record.created = now - age
        handler.handle(record)


def test_retention(sqlite_url: str) -> None:
    """Rows beyond their age go, in short transactions; the young stay, and the ledger does not change."""
    with logging_to(sqlite_url, retention="1d", queue_size=10_000) as (logger, handler):
        _old(logger, handler, 3000, 2 * 86_400)
        for number in range(10):
            logger.info("young %d", number)
        assert handler.flush(10), handler.stats()
        until(lambda: rows(sqlite_url, "SELECT count(*) FROM logs WHERE seq IS NOT NULL") == [(10,)])
        stats = handler.stats()
        assert (stats.stored, stats.dropped) == (3010, 0)


def test_retention_of_a_service_that_is_never_quiet(sqlite_url: str) -> None:
    """It prunes while it is busy, too, when it has waited for a quiet moment long enough."""
    with logging_to(sqlite_url, retention="1d") as (logger, handler):
        assert handler._writer._chores is not None
        handler._writer._chores._next_prune -= 3600
        _old(logger, handler, 100, 2 * 86_400)
        assert handler.flush(10), handler.stats()
        deadline = time.monotonic() + 5
        while rows(sqlite_url, "SELECT count(*) FROM logs WHERE message LIKE 'old%'") != [(0,)]:
            assert time.monotonic() < deadline
            logger.info("busy")
            time.sleep(0.01)
        assert _state(handler) == "RUNNING"


def test_max_bytes(sqlite_url: str) -> None:
    """The oldest rows go while the file holds more than it may."""
    with logging_to(sqlite_url, max_bytes=1024 * 1024) as (logger, handler):
        for number in range(1000):
            logger.info("%d %s", number, "x" * 4000)
        assert handler.flush(10), handler.stats()
        used = "SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)"
        until(lambda: rows(sqlite_url, used)[0][0] * 4096 <= 1024 * 1024)
        left = seqs(sqlite_url)
        assert len(left) > 100
        assert left == list(range(left[0], 1001)), "the youngest are kept"


def _letters(url: str, count: int, size: int) -> None:
    now = time.time_ns() // 1000
    made = "INSERT INTO log_dead_letters SELECT randomblob(16), {} + value, randomblob(16), 1, 'poison', 'X', 1, {}"
    numbers = f"WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {count})"
    execute(url, f"{numbers} {made.format(now, f'hex(zeroblob({size // 2}))')} FROM n")


def _gone_writer(url: str, age: float) -> None:
    seen = time.time_ns() // 1000 - int(age * 1e6)
    execute(
        url,
        "INSERT INTO log_instances (instance_id, host, pid, started_at, last_seen, state, dblog_version)"
        f" VALUES (randomblob(16), 'gone', 1, {seen}, {seen}, 'CLOSED', '0')",
    )


def _used(url: str) -> int:
    used = "SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)"
    return int(rows(url, used)[0][0]) * 4096


def test_retention_of_the_side_tables(sqlite_url: str) -> None:
    """Dead letters by the time they failed, and writers by when they were seen last, grow old as rows do."""
    _letters(sqlite_url, 3, 10)
    execute(sqlite_url, "UPDATE log_dead_letters SET failed_at = failed_at - 172800000000 WHERE rowid < 3")
    _gone_writer(sqlite_url, 2 * 86_400)
    _gone_writer(sqlite_url, 3600)
    with logging_to(sqlite_url, retention="1d") as (logger, handler):
        logger.info("young")
        assert handler.flush(10), handler.stats()
        until(lambda: rows(sqlite_url, "SELECT count(*) FROM log_dead_letters") == [(1,)])
        until(lambda: rows(sqlite_url, "SELECT count(*) FROM log_instances WHERE host = 'gone'") == [(1,)])
        exactly_once(sqlite_url, handler)


def test_max_bytes_before_logs(sqlite_url: str) -> None:
    """Dead letters and long-dead writers go first, no more letters than must, and not one row of logs."""
    _letters(sqlite_url, 1000, 4000)
    _gone_writer(sqlite_url, 2 * 86_400)
    with logging_to(sqlite_url, max_bytes=1024 * 1024) as (logger, handler):
        for number in range(50):
            logger.info("record %d", number)
        assert handler.flush(10), handler.stats()
        until(lambda: _used(sqlite_url) <= 1024 * 1024)
        ((left, youngest),) = rows(sqlite_url, "SELECT count(*), max(failed_at) FROM log_dead_letters")
        assert 50 < left < 300
        assert rows(sqlite_url, f"SELECT count(*) FROM log_dead_letters WHERE failed_at > {youngest - left}") == [
            (left,)
        ]
        assert rows(sqlite_url, "SELECT count(*) FROM log_instances WHERE host = 'gone'") == [(0,)]
        exactly_once(sqlite_url, handler)


@pytest.mark.parametrize("theirs", [4, 1])
def test_max_bytes_of_a_shared_file(sqlite_url: str, theirs: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Where another's tables alone are too much, logs are kept and it is said; where they are not, the oldest go."""
    execute(sqlite_url, "CREATE TABLE theirs (x)", f"INSERT INTO theirs VALUES (hex(zeroblob({theirs * 512 * 1024})))")
    diagnostics._last.pop("max_bytes", None)
    with logging_to(sqlite_url, max_bytes=2 * 1024 * 1024) as (logger, handler):
        for number in range(400):
            logger.info("%d %s", number, "x" * 4000)
        assert handler.flush(10), handler.stats()
        if theirs == 4:
            until(lambda: "would not help" in capfd.readouterr().err)
            assert handler._writer._sink is not None
            assert handler._writer._sink.prune(0.1) == 0
            exactly_once(sqlite_url, handler)
        else:
            until(lambda: _used(sqlite_url) <= 2 * 1024 * 1024)
            assert 100 < len(seqs(sqlite_url)) < 300


@pytest.mark.parametrize(("mode", "expected"), [("0600", 0o600), ("0640", 0o640)])
def test_file_mode(sqlite_url: str, mode: str, expected: int) -> None:
    """A file others could read is closed to them, its WAL as well; file_mode says what may stay open."""
    _path(sqlite_url).chmod(0o666 if expected == 0o640 else 0o644)
    with logging_to(sqlite_url, file_mode=mode) as (logger, handler):
        logger.info("record")
        assert handler.flush(10), handler.stats()
        for suffix in ("", "-wal", "-shm"):
            assert stat.S_IMODE(_path(sqlite_url + suffix).stat().st_mode) == expected, suffix


def test_the_mode_of_a_log_that_was_there_before(sqlite_url: str) -> None:
    """Others' connections have made it wider than we allow: narrowed as the file is; a link is followed to the file."""
    path = _path(sqlite_url)
    link = path.with_name("link.db")
    link.symlink_to(path)
    path.chmod(0o644)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("DELETE FROM log_instances")
        with logging_to(f"sqlite:///{link}") as (logger, handler):
            logger.info("record")
            assert handler.flush(10), handler.stats()
            modes = [stat.S_IMODE(Path(f"{path}{suffix}").stat().st_mode) for suffix in ("", "-wal", "-shm")]
            assert modes == [0o600] * 3
            exactly_once(sqlite_url, handler)


def test_the_mode_of_somebody_elses_file(empty_sqlite_url: str) -> None:
    """It has no table of ours: others go on reading it."""
    path = _path(empty_sqlite_url)
    execute(empty_sqlite_url, "CREATE TABLE theirs (x)")
    path.chmod(0o644)
    with logging_to(empty_sqlite_url, shutdown_timeout=0.1) as (logger, handler):
        logger.info("record")
        until(lambda: _state(handler) == "BLOCKED", say=handler.stats)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize(("option", "level"), [({}, 1), ({"synchronous": "full"}, 2)])
def test_what_a_power_cut_may_take(sqlite_url: str, option: dict[str, Any], level: int) -> None:
    """NORMAL, which may roll back the last commits, unless FULL was asked for; on every connection of the writer's."""
    with logging_to(sqlite_url, **option) as (logger, handler):
        for _ in range(2):
            logger.info("record")
            assert handler.flush(10), handler.stats()
            sink: Any = handler._writer._sink
            with sink._busy:
                assert sink._link.connection.execute("PRAGMA synchronous").fetchone() == (level,)
            assert sink.rest(), "the next connection is another one"
            sink.wake_up()


def test_every_result_code_has_a_class() -> None:
    """By name, never by message; what a healthy table cannot say about a healthy row is not poison."""
    poison = set()
    for name in dir(sqlite3):
        if name.startswith("SQLITE_") and isinstance(getattr(sqlite3, name), int):
            error = sqlite3.OperationalError("canary")
            error.sqlite_errorname = name
            failure = sqlite_error(error)
            assert "canary" not in str(failure)
            if failure.kind is ErrorClass.POISON:
                poison.add("_".join(name.split("_")[:2]))
    assert poison == {"SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "SQLITE_RANGE"}
