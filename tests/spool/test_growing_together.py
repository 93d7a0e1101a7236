"""Many threads fill a file at once: those that find no room wait for the one that makes it, and lose nothing."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dblog import DatabaseHandler
from dblog.testing import assert_conserved

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
