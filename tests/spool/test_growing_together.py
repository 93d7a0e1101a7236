"""Many threads fill a file at once: those that find no room wait for the one that makes it, and lose nothing."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from dblog import DatabaseHandler
from dblog.chores import Chores
from dblog.concluding import Concluding
from dblog.testing import FaultProxy, assert_conserved
from dblog.watchdog import Watchdog
from tests.oracle import until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", ["spool", "durable"])
def test_threads_wait_for_the_one_that_makes_room(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A slow disk, a locked database, a short queue: every record is on disk, none dropped, none in memory only."""
    allocate = os.posix_fallocate

    def slowly(descriptor: int, offset: int, length: int) -> None:
        threading.Event().wait(0.02)
        allocate(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", slowly)
    handler = DatabaseHandler(sqlite_url, durability=mode, spool_dir=str(tmp_path / "spool"), queue_size=200)
    logger = logging.Logger("together")
    logger.addHandler(handler)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        barrier = threading.Barrier(4)

        def log() -> None:
            barrier.wait()
            for _ in range(1500):
                logger.info("x" * 5000)

        threads = [threading.Thread(target=log) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = handler.stats()
        other.execute("ROLLBACK")
    assert_conserved(stats)
    assert (stats.emitted, stats.dropped_by) == (6000, {})
    assert stats.unsaved == 0
    handler.close()


def test_the_end_waits_for_the_one_that_makes_room(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever ends the process makes the first file, and just then the writer comes back without: nothing is lost."""
    allocate, growing = os.posix_fallocate, threading.Event()
    options: dict[str, Any] = {"shutdown_timeout": 0.05, "batch_size": 50, "flush_interval": 0.01}
    with FaultProxy(postgres_url) as proxy, monkeypatch.context() as patched:

        def slowly(descriptor: int, offset: int, length: int) -> None:
            if not growing.is_set():
                growing.set()
                proxy.cut()
            threading.Event().wait(0.4)
            allocate(descriptor, offset, length)

        patched.setattr(Chores, "after_batch", lambda _: None)  # what hangs is to be what stores
        patched.setattr(Chores, "idle", lambda _: 10.0)
        handler = DatabaseHandler(proxy.url, durability="spool", spool_dir=str(tmp_path / "spool"), **options)
        logger = logging.Logger("ends")
        logger.addHandler(handler)
        logger.info("stored")
        assert handler.flush(20)
        patched.setattr(os, "posix_fallocate", slowly)
        patched.setattr(Watchdog, "arm", lambda *_: None)
        patched.setattr(Concluding, "abort", lambda _: None)  # nothing frees it but what is cut
        proxy.black_hole()
        for number in range(100):
            logger.info("record %d", number)
        until(lambda: handler.stats().in_flight == 50)
        handler.close()
        until(lambda: handler.stats().state == "CLOSED")
        stats = handler.stats()
    assert growing.is_set()
    assert_conserved(stats)
    assert (stats.stored, stats.dropped_by) == (1, {})


def test_whatever_call_hangs_what_waits_goes_to_disk(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is none that stores: a writer's word about itself."""
    beat, hangs = Chores._beat, threading.Event()
    with FaultProxy(postgres_url) as proxy:

        def silenced(chores: Chores, now: float) -> None:
            proxy.black_hole()
            hangs.set()
            beat(chores, now)

        monkeypatch.setattr(Chores, "_beat", silenced)
        handler = DatabaseHandler(
            proxy.url, durability="spool", spool_dir=str(tmp_path / "spool"), shutdown_timeout=0.1
        )
        logger = logging.Logger("hangs")
        logger.addHandler(handler)
        logger.info("stored")
        assert hangs.wait(20)
        for number in range(100):
            logger.info("record %d", number)
        until(lambda: handler.stats().spooled == 100, 10)
        handler.close()
    assert_conserved(handler.stats())
