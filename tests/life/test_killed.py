"""What SIGKILL leaves: nothing is lost that was promised, and what was lost is told to the record."""

from __future__ import annotations

import json
import logging
import mmap
import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

import dblog
from dblog.opening import folder_of
from dblog.options import Options
from dblog.spool import LOW, Counts
from dblog.spool.frames import Frame
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import QUICK, logging_to, rows, until
from tests.spooled import made

if TYPE_CHECKING:
    from pathlib import Path


def _log_until_killed(url: str, emitted: mmap.mmap, options: dict[str, Any]) -> None:
    """In a child of its own: records as fast as they go, each counted once ``info`` has returned."""
    handler = dblog.DatabaseHandler(url, **options)
    logger = logging.Logger("victim")
    logger.addHandler(handler)
    for number in range(1, 1 << 40):
        logger.info("record %d", number)
        emitted[0:8] = number.to_bytes(8, "little")
        if number % 100 == 0:
            time.sleep(0.0005)


def _killed(url: str, options: dict[str, Any], after: float) -> int:
    """The number of records a process had emitted when it was killed."""
    emitted = mmap.mmap(-1, 8)
    child = os.fork()
    if child == 0:
        try:
            _log_until_killed(url, emitted, options)
        finally:
            os._exit(1)
    until(lambda: int.from_bytes(emitted[:], "little") > 50)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return int.from_bytes(emitted[:], "little")


def _succeed(url: str, options: dict[str, Any], seconds: float = 20.0) -> None:
    """The next process: once it is well it settles what the dead ones left."""
    with_folder = folder_of(url, Options.of(**options))
    assert with_folder is not None
    handler = dblog.DatabaseHandler(url, **options)
    logger = logging.Logger("heir")
    logger.addHandler(handler)

    try:
        logger.info("heir")
        mine = [str(handler._writer.origin.instance_id)]
        until(lambda: _directories(with_folder) == mine, seconds, lambda: _directories(with_folder))
    finally:
        handler.close()
    assert [*_directories(with_folder)] == []
    _the_books_are_closed(url)


_BOOKS = """
SELECT emitted, stored + dropped + failed, queued + in_flight + spooled, stored,
       (SELECT count(*) FROM logs WHERE logs.instance_id = each.instance_id AND seq IS NOT NULL), dropped, dropped_by
FROM log_instances AS each"""


def _the_books_are_closed(url: str) -> None:
    """Each writer's last word, its own or its heir's: everything is accounted for, nothing on its way, and it is so."""
    for emitted, ended, waiting, stored, there, dropped, reasons in rows(url, _BOOKS):
        by = json.loads(reasons) if isinstance(reasons, str) else reasons
        assert (emitted, waiting, stored, dropped) == (ended, 0, there, sum(by.values()))


def _directories(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*")]


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """A spool of the test's own."""
    return {**QUICK, "spool_dir": str(tmp_path / "spool")}


def _of_victim(url: str, column: str) -> list[Any]:
    return [value for (value,) in rows(url, f"SELECT {column} FROM logs WHERE message LIKE 'record %'")]


@pytest.mark.parametrize(
    "kills", [pytest.param(3), pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_durable_loses_nothing(database_url: str, options: dict[str, Any], kills: int) -> None:
    """Whenever a process is killed: each record whose call had returned is stored by its heir, and only once."""
    promised, began = 0, time.monotonic()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(kills):
        promised += _killed(database_url, {**options, "durability": "durable"}, chance.uniform(0.0, 0.3))
    _succeed(database_url, options, 20.0 + kills)
    stored = _of_victim(database_url, "seq")
    print(f"{kills} kills: {promised} acknowledged, {len(stored)} stored, {time.monotonic() - began:.0f} s")
    assert promised <= len(stored) <= promised + kills  # the one that was being emitted may be there too
    ids = _of_victim(database_url, "id")
    assert len(set(ids)) == len(ids)


def test_an_idle_heir_goes_on_at_once(
    sqlite_url: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty dead writers, one to a turn: whoever has nothing else to do needs no second for each."""
    monkeypatch.setattr("dblog.chores._ADOPT_BUDGET", 0.0)
    folder = folder_of(sqlite_url, Options.of(**options))
    assert folder is not None
    for _ in range(20):
        spool = made(folder, grown=False)
        spool.counters.mirror(Counts(emitted=1))
        spool.abandon()
    with logging_to(sqlite_url, **options) as (logger, handler):
        logger.info("heir")
        until(lambda: len(_directories(folder)) == 1, 8.0, lambda: _directories(folder))
        assert handler.flush(10)
    assert rows(sqlite_url, "SELECT count(*) FROM logs WHERE message = '1 records lost (killed: 1)'") == [(20,)]


def test_memory_counts_what_it_loses(database_url: str, options: dict[str, Any]) -> None:
    """One loss row says how many records were in memory only, to the record, and which."""
    emitted = _killed(database_url, {**options, "durability": "memory"}, 0.2)
    _succeed(database_url, options)
    stored = _of_victim(database_url, "seq")
    losses = rows(database_url, "SELECT message FROM logs WHERE logger = 'dblog.loss'")
    if len(stored) >= emitted:
        assert losses == []
        return
    ((message,),) = losses
    lost = int(message.split()[0])
    assert emitted <= len(stored) + lost <= emitted + 1
    ((metadata,),) = rows(database_url, "SELECT metadata FROM logs WHERE logger = 'dblog.loss'")
    assert "in_doubt" not in str(metadata)  # the database was asked what of the last batch is there


def _on_disk(handler: dblog.DatabaseHandler) -> set[int]:
    """The ``seq`` of everything in the current segment of a handler's spool."""
    spool = handler._writer.buffer.spool
    segment = None if spool is None else spool.current
    if spool is None or segment is None:
        return set()
    with spool.lock:
        return {frame.seq for frame in segment.frames(segment.start, spool.place[0] & LOW) if isinstance(frame, Frame)}


def test_a_call_that_hangs_keeps_nothing_from_the_disk() -> None:
    """While the database does not even fail, what waits and what is in hand goes to disk, and what comes later too."""
    sink = MemorySink()
    handler = dblog.DatabaseHandler(sink=sink, **QUICK, durability="spool", operation_timeout=600, batch_size=20)
    logger = logging.Logger("hangs")
    logger.addHandler(handler)
    with sink.blocked() as hanging:
        logger.info("in hand")
        assert hanging.wait(5)
        for number in range(100):
            logger.info("record %d", number)
        until(lambda: _on_disk(handler) == {*range(1, 102)}, say=lambda: _on_disk(handler))
        logger.info("later")
        until(lambda: 102 in _on_disk(handler), say=lambda: _on_disk(handler))
        stats = handler.stats()
        assert (stats.queued, stats.in_flight, stats.spooled) == (0, 1, 101)
        assert_conserved(stats)
    handler.close()
    assert sorted(sink.messages) == sorted(["in hand", "later", *(f"record {number}" for number in range(100))])
    assert handler.stats().stored == 102


@pytest.mark.parametrize(
    "chosen",
    [{"durability": "spool"}, {"durability": "durable"}, {"durability": "durable", "durable_level": "ERROR"}],
    ids=["spool", "durable", "durable from ERROR on"],
)
def test_an_end_without_the_database_loses_nothing(
    empty_sqlite_url: str, options: dict[str, Any], chosen: dict[str, Any]
) -> None:
    """What could not be stored by the end is on disk, and stored by the next process once the table is there."""
    from dblog import migrate

    handler = dblog.DatabaseHandler(empty_sqlite_url, **options, **chosen, shutdown_timeout=0.2)
    logger = logging.Logger("early")
    logger.addHandler(handler)
    for number in range(500):
        logger.log(logging.INFO if number % 5 else logging.ERROR, "record %d", number)
    handler.close()
    stats = handler.stats()
    assert (stats.emitted, stats.spooled, stats.dropped) == (500, 500, 0)
    migrate.upgrade(empty_sqlite_url)
    _succeed(empty_sqlite_url, options)
    assert sorted(_of_victim(empty_sqlite_url, "seq")) == list(range(1, 501))


def test_errors_survive_where_only_they_are_durable(database_url: str, options: dict[str, Any]) -> None:
    """With ``durable_level`` what is at or above it is promised; below it, what was lost is counted."""
    handler = {**options, "durability": "durable", "durable_level": "ERROR", "flush_level": "CRITICAL"}
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            logger = logging.Logger("victim")
            logger.addHandler(dblog.DatabaseHandler(database_url, **{**handler, "flush_interval": 30.0}))
            for number in range(100):
                logger.info("record %d", number)
                logger.error("record %d", number)
            os.write(writer, b"x")
            signal.pause()
        finally:
            os._exit(1)
    assert os.read(reader, 1) == b"x"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)
    _succeed(database_url, options)
    levels = _of_victim(database_url, "level")
    assert levels.count("ERROR") == 100
    losses = rows(database_url, "SELECT message FROM logs WHERE logger = 'dblog.loss'")
    lost = int(losses[0][0].split()[0]) if losses else 0
    assert levels.count("INFO") + lost == 100


def test_what_is_read_back_too_late_stays_on_disk(options: dict[str, Any]) -> None:
    """A batch from disk for which there is no time left at the end is the next process's, not nobody's."""
    sink = MemorySink()
    handler = dblog.DatabaseHandler(sink=sink, **options, durability="spool", queue_size=100, shutdown_timeout=0.3)
    logger = logging.Logger("late")
    logger.addHandler(handler)
    sink.down()
    for number in range(1000):
        logger.info("record %d", number)
    until(lambda: handler.stats().spooled >= 900)
    sink.fault = lambda batch: sink.down() if len(sink.rows) > 300 else None
    until(lambda: len(sink.rows) > 300)
    handler.close()
    stats = handler.stats()
    assert_conserved(stats)
    assert stats.stored + stats.spooled == 1000
    heir = dblog.DatabaseHandler(sink=sink, **options, durability="spool")
    sink.up()
    heir.handle(logging.makeLogRecord({"msg": "heir"}))
    try:
        until(lambda: len({entry.message for entry in sink.entries}) == 1001, 20.0)
    finally:
        heir.close()


def test_a_promise_that_cannot_be_kept_is_said(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """``durable`` where the disk takes nothing: records are stored all the same, and stderr says what they are not."""
    from dblog.spool import Spool

    monkeypatch.setattr(Spool, "grow", lambda *_: False)
    sink = MemorySink()
    handler = dblog.DatabaseHandler(sink=sink, **options, durability="durable")
    handler.handle(logging.makeLogRecord({"msg": "here"}))
    assert handler.flush(10)
    handler.close()
    assert sink.messages == ["here"]
    assert "1 records that should be on disk are in memory only" in capfd.readouterr().err
