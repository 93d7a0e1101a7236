"""An SQLite file on a file system that cannot carry a write-ahead log, or beside a reader who makes that grow."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dblog import diagnostics
from tests.oracle import exactly_once, execute, logging_to, rows, seqs, until


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's folder is on NFS, says the kernel."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/logs {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr("dblog.mounts.MOUNTS", mounts)
    diagnostics._last.clear()


@pytest.mark.usefixtures("network")
def test_a_network_file_system(sqlite_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    """No write-ahead log there, which several hosts cannot share: a rollback journal, and one line says so."""
    execute(sqlite_url, "PRAGMA journal_mode = WAL")
    with logging_to(sqlite_url) as (logger, handler):
        for number in range(50):
            logger.info("record %d", number)
        assert handler.flush(10), handler.stats()
        assert not Path(f"{_path(sqlite_url)}-wal").exists()
        assert rows(sqlite_url, "PRAGMA journal_mode") == [("delete",)]
        exactly_once(sqlite_url, handler)
    said = capfd.readouterr().err
    assert said.count("network file system (nfs4)") == 1


@pytest.mark.usefixtures("network")
def test_a_network_file_system_where_others_use_the_log(sqlite_url: str) -> None:
    """As long as somebody has it open with its log: BLOCKED, for both cannot be right; then resumed."""
    with contextlib.closing(sqlite3.connect(_path(sqlite_url), isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("SELECT * FROM logs").fetchall()
        with logging_to(sqlite_url, connect_timeout=0.1) as (logger, handler):
            logger.info("record")
            until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
            assert "others use it with one" in str(handler.stats().last_error)
            other.close()
            assert handler.flush(10), handler.stats()
            exactly_once(sqlite_url, handler)


def test_a_file_system_without_shared_memory(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the log and fails at its index, whatever its name: found out, and gone without."""
    original = sqlite3.connect

    class Unmapped(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            if sql == "PRAGMA journal_mode = WAL":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorname = "SQLITE_IOERR_SHMMAP"
                raise error
            return super().execute(sql, *arguments)

    def connect(*arguments: Any, **keywords: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = original(*arguments, **{"factory": Unmapped, **keywords})
        return connection

    monkeypatch.setattr("sqlite3.dbapi2.connect", connect)
    monkeypatch.setattr("sqlite3.connect", connect)
    with logging_to(sqlite_url) as (logger, handler):
        logger.info("record")
        assert handler.flush(10), handler.stats()
        assert rows(sqlite_url, "PRAGMA journal_mode") == [("delete",)]
        exactly_once(sqlite_url, handler)


def test_a_way_to_the_file_that_knows_no_log(sqlite_url: str) -> None:
    """SQLite's own locking by files beside it: it refuses the log by itself, and rows are stored all the same."""
    url = f"sqlite:///file:{_path(sqlite_url)}?vfs=unix-dotfile&uri=true"
    with logging_to(url) as (logger, handler):
        for number in range(20):
            logger.info("record %d", number)
        assert handler.flush(10), handler.stats()
    assert seqs(sqlite_url) == list(range(1, 21))


def test_a_log_that_grew_shrinks_again(sqlite_url: str) -> None:
    """A reader's long transaction makes the -wal grow; when it has ended, its room is given back."""
    reading = contextlib.closing(sqlite3.connect(_path(sqlite_url), isolation_level=None))
    with reading as reader, logging_to(sqlite_url, queue_size=50_000, batch_size=5000) as (logger, handler):
        logger.info("first")
        assert handler.flush(10), handler.stats()
        link = handler._writer._sink._link  # type: ignore[union-attr]  # this sink is SQLite's
        link.connection.execute("PRAGMA journal_size_limit = 1000000")
        link.connection.execute("PRAGMA wal_autocheckpoint = 100")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM logs").fetchone()
        for _ in range(1000):
            logger.info("x" * 4000)
        assert handler.flush(10), handler.stats()
        grown = Path(f"{_path(sqlite_url)}-wal").stat().st_size
        assert grown > 4_000_000
        reader.execute("ROLLBACK")
        for _ in range(3):
            logger.info("next")
            assert handler.flush(10), handler.stats()
        assert Path(f"{_path(sqlite_url)}-wal").stat().st_size <= 1_000_000
        exactly_once(sqlite_url, handler)
