"""Parts of an SQLite database are taken away under its writer: noticed, said, and what was stored is not lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog import SyncLogReader, diagnostics, migrate
from dblog.store import sqlite_link
from tests.oracle import examples, execute, hold, logging_to, rows, seqs, until

if TYPE_CHECKING:
    from collections.abc import Callable

SUFFIXES = ("", "-wal", "-shm")

_WRITER = """
import logging, sys
import dblog
handler = dblog.DatabaseHandler(sys.argv[1], flush_interval=0.01, retry_max=0.1)
logger = logging.getLogger()
logger.addHandler(handler)
logger.setLevel("INFO")
print("ready", flush=True)
number = 0
while True:
    if number % 20 == 0 and not sys.stdin.readline():
        break
    number += 1
    logger.info("record %d", number)
assert handler.flush(30), handler.stats()
handler.close()
stats = handler.stats()
assert stats.stored == stats.emitted == number, stats
print(handler._writer.origin.instance_id.hex, number)
"""


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _sound(path: Path) -> None:
    assert rows(f"sqlite:///{path}", "PRAGMA integrity_check") == [("ok",)], path


def rename_file(path: Path, kept: Path) -> None:
    """As ``mv`` of somebody who does not know of the log beside it."""
    path.rename(kept)


def rename_all(path: Path, kept: Path) -> None:
    """As logrotate with a pattern."""
    for suffix in SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{kept}{suffix}")


def rename_log_first(path: Path, kept: Path) -> None:
    """As ``rename_all``, in the other order."""
    for suffix in reversed(SUFFIXES):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{kept}{suffix}")


def remove_wal(path: Path, _kept: Path) -> None:
    """Somebody tidied up."""
    Path(f"{path}-wal").unlink(missing_ok=True)


def remove_shm(path: Path, _kept: Path) -> None:
    """The index of the log only."""
    Path(f"{path}-shm").unlink(missing_ok=True)


def remove_both(path: Path, _kept: Path) -> None:
    """All but the file."""
    remove_wal(path, path)
    remove_shm(path, path)


WAYS = (rename_file, rename_all, rename_log_first, remove_wal, remove_shm, remove_both)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("idle", [True, False], ids=["then a record", "then the next file"])
def test_what_was_stored_stays(sqlite_url: str, way: Callable[[Path, Path], None], idle: bool) -> None:
    """What lay in the -wal only is found in the file it was logged to, and what is logged later in the next one."""
    path, kept = _path(sqlite_url), _path(sqlite_url).with_name("kept.db")
    with logging_to(sqlite_url, flush_interval=60) as (logger, handler):
        for number in range(50):
            logger.info("record %d", number)
        assert handler.flush(10), handler.stats()
        assert Path(f"{path}-wal").stat().st_size, "all of it is in the log"
        way(path, kept)
        if kept.exists() and not idle:
            # It meets the log of the file that was here.
            command = [sys.executable, "-m", "dblog", "upgrade", "--url", sqlite_url]
            subprocess.run(command, check=False, capture_output=True)
        hold(handler)
        for number in range(50):
            logger.info("record %d", number)
        if kept.exists():
            handler.flush(0.3)
            until(lambda: handler.stats().state in {"BLOCKED", "RUNNING"}, say=handler.stats)
            if handler.stats().state == "BLOCKED":
                path.unlink(missing_ok=True)
                migrate.upgrade(sqlite_url)
        assert handler.flush(15), handler.stats()
        stats = handler.stats()
        assert (stats.stored, stats.dropped, stats.failed) == (100, 0, 0)
    found = seqs(sqlite_url)
    if kept.exists():
        assert set(seqs(f"sqlite:///{kept}")) == set(range(1, 51))
        assert found == list(range(51, 101))
        _sound(kept)
    else:
        assert found == list(range(1, 101))
    _sound(path)


@given(plan=st.lists(st.tuples(st.sampled_from(WAYS), st.integers(0, 30), st.booleans()), min_size=1, max_size=4))
@examples(6)
def test_again_and_again(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, plan: list[object]) -> None:
    """Whatever is taken away, whenever: every stored record is in one of the files, and each of them is sound."""
    folder = tmp_path_factory.mktemp("taken")
    path, kept = folder / "logs.db", []
    shutil.copyfile(sqlite_template, path)
    with logging_to(f"sqlite:///{path}", retry_max=0.02) as (logger, handler):
        for number, (way, count, flushed) in enumerate(plan):  # type: ignore[misc]  # the strategy says it
            for _ in range(count):  # type: ignore[has-type]  # as above
                logger.info("record")
            if flushed:  # type: ignore[has-type]  # as above
                assert handler.flush(10), handler.stats()
            old = folder / f"old{number}.db"
            way(path, old)  # type: ignore[has-type]  # as above
            logger.info("the next one looks")
            if old.exists():
                kept.append(old)
                until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
                shutil.copyfile(sqlite_template, folder / "new")
                (folder / "new").rename(path)
            assert handler.flush(20), handler.stats()
        emitted = handler.stats().emitted
    found = {seq for each in (*kept, path) for seq in seqs(f"sqlite:///{each}")}
    assert found == set(range(1, emitted + 1))
    for each in (*kept, path):
        _sound(each)


def test_a_file_emptied_in_place(sqlite_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    """As ``copytruncate`` does: no row is stored into what is no database any more, and it is said."""
    diagnostics._last.clear()
    path = _path(sqlite_url)
    with logging_to(sqlite_url) as (logger, handler):
        logger.info("before")
        assert handler.flush(10), handler.stats()
        os.truncate(path, 0)
        for number in range(20):
            logger.info("record %d", number)
        until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
        assert handler.stats().stored == 1
        assert "may be lost" in capfd.readouterr().err
        path.unlink()
        migrate.upgrade(sqlite_url)
        assert handler.flush(10), handler.stats()
    assert seqs(sqlite_url) == list(range(2, 22))


@pytest.mark.parametrize("way", [rename_file, rename_all], ids=lambda way: way.__name__)
def test_the_next_file_is_empty_at_first(sqlite_url: str, way: Callable[[Path, Path], None]) -> None:
    """As it is for a moment while somebody makes it: not ours emptied, so what was stored is saved in that."""
    path, kept = _path(sqlite_url), _path(sqlite_url).with_name("kept.db")
    with logging_to(sqlite_url, shutdown_timeout=0.2, durability="memory") as (logger, handler):
        for number in range(50):
            logger.info("record %d", number)
        assert handler.flush(10), handler.stats()
        way(path, kept)
        path.touch()
        logger.info("the next one looks")
        until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
    assert seqs(f"sqlite:///{kept}") == list(range(1, 51))
    _sound(kept)


@pytest.mark.parametrize("way", ["a record", "a fork", "the end"])
def test_an_emptied_file_stays_empty(sqlite_url: str, way: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever makes its writer let go of it: not one page of the old file is written into the emptied one."""
    diagnostics._last.clear()
    path = _path(sqlite_url)
    with logging_to(sqlite_url, flush_interval=60, shutdown_timeout=0.2) as (logger, handler):
        for _ in range(200):
            logger.info("x" * 2000)
        assert handler.flush(10), handler.stats()
        assert Path(f"{path}-wal").stat().st_size > 200 * 2000, "SQLite would write it back when it closes"
        os.truncate(path, 0)
        if way == "a record":
            logger.info("after")
            handler.flush(0.3)
            until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
        elif way == "a fork":
            sink = handler._writer._sink
            assert sink.rest()  # type: ignore[union-attr]  # this sink is SQLite's
            sink.wake_up()  # type: ignore[union-attr]  # as above
        else:
            # There is no time left for a last word, which would look at the file first.
            handler._writer._chores._beat = lambda *_, **__: None  # type: ignore[method-assign, union-attr]  # as above
        if way != "the end":
            assert path.stat().st_size == 0
    assert path.stat().st_size == 0
    assert "may be lost" in capfd.readouterr().err


def test_a_log_of_ours_that_others_have_open(sqlite_url: str) -> None:
    """Its -wal is gone and another process has it open yet: waited for, for two logs of one file would damage it."""
    path = _path(sqlite_url)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        with logging_to(sqlite_url, retry_max=0.02) as (logger, handler):
            logger.info("before")
            assert handler.flush(10), handler.stats()
            assert other.execute("SELECT count(*) FROM logs").fetchone() == (1,)
            remove_both(path, path)
            logger.info("after")
            until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
            assert "was taken away, and others use it still" in str(handler.stats().last_error)
            assert handler.stats().stored == 1
            other.close()
            assert handler.flush(10), handler.stats()
        assert seqs(sqlite_url) == [1, 2]
        _sound(path)


@pytest.mark.parametrize("way", [remove_wal, remove_shm, remove_both], ids=lambda way: way.__name__)
def test_a_reader_of_the_same_process_lets_go(sqlite_url: str, way: Callable[[Path, Path], None]) -> None:
    """Idle, it would share the old log's index with the writer, whose rows no other process could see."""
    path = _path(sqlite_url)
    with logging_to(sqlite_url) as (logger, handler), SyncLogReader(sqlite_url) as reader:
        logger.info("before")
        assert handler.flush(10), handler.stats()
        assert reader.count().value == 1
        way(path, path)
        logger.info("after")
        assert handler.flush(5), handler.stats()
        assert Path(f"{path}-shm").exists()
        assert reader.count().value == 2
    assert seqs(sqlite_url) == [1, 2]


def test_who_shares_an_index_that_is_gone_is_waited_for(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long: what this process wrote by it, and another by a new one, would be two logs of one file."""
    monkeypatch.setattr(sqlite_link, "_ALONE", 0.0)
    path = _path(sqlite_url)
    holding = contextlib.closing(sqlite3.connect(path, isolation_level=None))
    with holding as other, logging_to(sqlite_url) as (logger, handler):
        logger.info("before")
        assert handler.flush(10), handler.stats()
        assert other.execute("SELECT count(*) FROM logs").fetchone() == (1,)
        remove_shm(path, path)
        logger.info("after")
        until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
        assert "in this process" in str(handler.stats().last_error)
        assert handler.stats().stored == 1
        other.close()
        assert handler.flush(10), handler.stats()
    assert seqs(sqlite_url) == [1, 2]
    _sound(path)


@pytest.mark.parametrize(("writers", "turns"), [(3, 3), pytest.param(8, 40, marks=pytest.mark.long)])
def test_many_processes_and_a_rotation(
    sqlite_url: str, sqlite_template: Path, tmp_path: Path, writers: int, turns: int
) -> None:
    """Renamed away under several processes, a new one in place at once: between the files every record is there."""
    path = _path(sqlite_url)
    kept: list[Path] = []
    command = [sys.executable, "-c", _WRITER, sqlite_url]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(writers)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for turn in range(turns):
        for process in running:
            assert process.stdin is not None
            for _ in range(2):
                process.stdin.write("\n")
            process.stdin.flush()
        # Each has found the new one. (The old ones are not looked at: who opens them under another name than their
        # writers do sees half of what these are doing.)
        until(lambda: len({identity for identity, _ in _pairs(path)}) == writers)
        shutil.copyfile(sqlite_template, tmp_path / "new")
        kept.append(tmp_path / f"old{turn}.db")
        path.rename(kept[-1])
        (tmp_path / "new").rename(path)
    written = {}
    for process in running:
        out, errors = process.communicate(timeout=50)
        assert process.returncode == 0, errors
        identity, count = out.split()
        written[identity] = int(count)
    found = {pair for each in (*kept, path) for pair in _pairs(each)}
    assert found == {(identity, seq) for identity, count in written.items() for seq in range(1, count + 1)}
    for each in (*kept, path):
        _sound(each)


def _pairs(path: Path) -> list[tuple[str, int]]:
    return [
        (identity.lower(), seq)
        for identity, seq in rows(f"sqlite:///{path}", "SELECT hex(instance_id), seq FROM logs WHERE seq IS NOT NULL")
    ]


def test_somebody_elses_database_stays_as_it_is(empty_sqlite_url: str) -> None:
    """It has no table of ours: not even its journal mode is touched, nor the files beside it."""
    path = _path(empty_sqlite_url)
    execute(empty_sqlite_url, "CREATE TABLE theirs (x)", "INSERT INTO theirs VALUES (1)")
    before = path.read_bytes()
    with logging_to(empty_sqlite_url, shutdown_timeout=0.1) as (logger, handler):
        logger.info("record")
        until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
