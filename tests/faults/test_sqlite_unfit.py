"""An SQLite file cannot be written, for its disk, its folder, its file system or its own state: said, and outlived."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dblog.store import filesystem
from dblog.store.ballast import Ballast
from tests.faults.sqlite_process import Child, child
from tests.oracle import exactly_once, execute, logging_to, rows, seqs, until


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _all_there(url: str, writer: Child) -> None:
    stats = writer("stats")
    assert stats["stored"] == stats["emitted"]
    assert stats["state"] == "RUNNING"
    assert rows(url, "PRAGMA integrity_check") == [("ok",)]


# -- permissions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "needle"), [("folder", "cannot be written to"), ("file", "may not read and write"), ("both", "check its")]
)
def test_permissions(sqlite_url: str, what: str, needle: str) -> None:
    """A folder or a file that may not be written to, for a real user: BLOCKED, and resumed when the mode is mended."""
    path = _path(sqlite_url)
    folder = path.parent
    if what != "file":
        folder.chmod(0o500)
    if what != "folder":
        path.chmod(0o400)
    try:
        with child(sqlite_url, "as anybody") as writer:
            writer("log", 20)
            writer.blocked(needle)
            folder.chmod(0o700)
            path.chmod(0o600)
            assert writer("flush", 15), writer("stats")
            _all_there(sqlite_url, writer)
    finally:
        folder.chmod(0o700)
    assert seqs(sqlite_url) == list(range(1, 21))


def test_a_folder_in_place_of_the_file(tmp_path: Path, sqlite_template: Path) -> None:
    """Named by mistake: BLOCKED, and the folder is let be."""
    place = tmp_path / "logs.db"
    place.mkdir()
    with logging_to(f"sqlite:///{place}") as (logger, handler):
        logger.info("record")
        until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
        assert "is no file" in str(handler.stats().last_error)
        assert list(place.iterdir()) == []
        place.rmdir()
        shutil.copyfile(sqlite_template, place)
        assert handler.flush(10), handler.stats()
        exactly_once(f"sqlite:///{place}", handler)


def test_hindrances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is seen is said, with the path made harmless; a file that may be written has none."""
    file = tmp_path / "a\x1b[2Jb"
    assert "cannot be had" in str(filesystem.hindrance(str(file)))
    assert "\x1b" not in str(filesystem.hindrance(str(file)))
    file.touch()
    assert filesystem.hindrance(str(file)) is None
    made = os.statvfs_result((4096, 4096, 100, 100, 100, 9, 9, 9, os.ST_RDONLY, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: made)
    assert "mounted read-only" in str(filesystem.hindrance(str(file)))
    assert "is full" in filesystem.no_room(str(file))


# -- room -----------------------------------------------------------------------------------------------------


def test_a_file_that_may_not_grow(sqlite_url: str) -> None:
    """A limit of the process, enforced by the kernel in the middle of a write: kept, and stored once it is lifted."""
    with child(sqlite_url) as writer:
        size = _path(sqlite_url).stat().st_size
        _, most = resource.prlimit(writer.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(writer.process.pid, resource.RLIMIT_FSIZE, (size + 50_000, most))
        writer("log", 500, 2000)
        until(lambda: writer("stats")["state"] == "RETRY", say=lambda: writer("stats"))
        assert "SQLITE_IOERR" in writer("stats")["last_error"]
        resource.prlimit(writer.process.pid, resource.RLIMIT_FSIZE, (most, most))
        assert writer("flush", 20), writer("stats")
        _all_there(sqlite_url, writer)
    assert seqs(sqlite_url) == list(range(1, 501))


def test_a_full_file_makes_room_by_its_retention(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too old goes at once, not at the next quiet minute, and the writer goes on without anybody's help."""
    original = sqlite3.connect

    def connect(*arguments: Any, **keywords: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = original(*arguments, **keywords)
        connection.execute("PRAGMA max_page_count = 1000")
        return connection

    with child(sqlite_url) as writer:
        writer("old", 600, 4000)
        assert writer("flush", 10)
    monkeypatch.setattr("sqlite3.dbapi2.connect", connect)
    monkeypatch.setattr("sqlite3.connect", connect)
    with logging_to(sqlite_url, retention="1d") as (logger, handler):
        assert handler._writer._chores is not None
        monkeypatch.setattr(handler._writer._chores, "_prune", lambda now: None)  # not by the chore
        for number in range(400):
            logger.info("%d %s", number, "x" * 4000)
        assert handler.flush(20), handler.stats()
        assert rows(sqlite_url, "SELECT count(*) FROM logs WHERE message LIKE 'old%'")[0][0] < 600
        stats = handler.stats()
        assert (stats.stored, stats.dropped, stats.failed) == (400, 0, 0)


def test_blocked_longer_than_the_queue(sqlite_url: str, tmp_path: Path) -> None:
    """With a spool the file may be away for more records than memory holds: none is dropped, all are stored later."""
    path = _path(sqlite_url)
    path.rename(tmp_path / "away.db")
    with child(sqlite_url, durability="spool", spool_dir=str(tmp_path / "spool"), queue_size=100) as writer:
        writer("log", 3000)
        writer.blocked("does not exist")
        (tmp_path / "away.db").rename(path)
        assert writer("flush", 20), writer("stats")
        until(lambda: writer("stats")["stored"] == 3000, say=lambda: writer("stats"))
        _all_there(sqlite_url, writer)
    assert seqs(sqlite_url) == list(range(1, 3001))


def _on_a_disk_of(size: int, place: Path) -> tuple[str, ...]:
    """The command that gives another one a tmpfs of so many bytes at a place, seen by that one alone."""
    place.mkdir()
    how = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-Urm")
    return (*how, "sh", "-c", f'mount -t tmpfs -o size={size} none "$0" && exec "$@"', str(place))


@pytest.mark.long
def test_a_full_disk(sqlite_template: Path, tmp_path: Path) -> None:
    """A real one: BLOCKED while somebody else's file fills it, stored when that is gone, without damage."""
    disk = tmp_path / "disk"
    with child(f"sqlite:///{disk / 'logs.db'}", prefix=_on_a_disk_of(8 << 20, disk)) as writer:
        seen = Path(f"/proc/{writer.process.pid}/root{disk}")
        shutil.copyfile(sqlite_template, seen / "logs.db")
        writer("log", 10, 1000)
        assert writer("flush", 10), writer("stats")
        _fill(seen / "theirs")
        writer("log", 1000, 2000)
        writer.blocked("is full")
        (seen / "theirs").unlink()
        assert writer("flush", 20), writer("stats")
        assert writer("stats")["stored"] == 1010
        assert writer("rows") == [True, 1010, 1010]


@pytest.mark.long
def test_a_full_disk_heals_itself(sqlite_template: Path, tmp_path: Path) -> None:
    """Nobody makes room: the ballast goes, then what retention lets go, and the writer goes on. 0 rows are lost."""
    disk = tmp_path / "disk"
    prefix = _on_a_disk_of(128 << 20, disk)
    with child(f"sqlite:///{disk / 'logs.db'}", prefix=prefix, retention="3s", queue_size=20_000) as writer:
        seen = Path(f"/proc/{writer.process.pid}/root{disk}")
        shutil.copyfile(sqlite_template, seen / "logs.db")
        writer("log", 1500, 4000)
        assert writer("flush", 10), writer("stats")
        until((seen / "logs.db-ballast").exists)
        _fill(seen / "theirs")
        total = 1500
        while (seen / "logs.db-ballast").exists():
            writer("log", 500, 4000)
            total += 500
            assert total < 20_000
            writer("flush", 1)
        assert writer("flush", 30), writer("stats")
        stats = writer("stats")
        assert (stats["stored"], stats["dropped"], stats["failed"]) == (total, 0, 0)
        sound, count, distinct = writer("rows")
        assert sound
        assert count == distinct
        print(f"a full disk: {total} rows of 4 kB stored on a disk that nobody emptied")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_the_ballast(tmp_path: Path) -> None:
    """Made where there is room, given away, made again; what is not its own it lets be."""
    place = tmp_path / "logs.db-ballast"
    ballast = Ballast(str(tmp_path / "logs.db"))
    for _ in range(2):
        ballast.keep()
        ballast.keep()
        assert (place.stat().st_size, place.stat().st_mode & 0o777) == (16 << 20, 0o600)
        ballast.drop()
        ballast.drop()
        assert not place.exists()
    place.write_text("theirs")
    ballast.keep()
    ballast.drop()
    assert place.read_text() == "theirs"
    place.unlink()
    place.symlink_to(tmp_path / "elsewhere")
    ballast.keep()
    ballast.drop()
    assert place.is_symlink()
    assert not (tmp_path / "elsewhere").exists()


# -- damage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["header", "page"])
@pytest.mark.parametrize("while_open", [True, False], ids=["in use", "at rest"])
def test_damage(sqlite_url: str, part: str, while_open: bool) -> None:
    """A broken header or page: BLOCKED, not one byte written; the backup copied back in place, everything is stored."""
    path = _path(sqlite_url)
    with logging_to(sqlite_url, retry_max=0.05) as (logger, handler):
        if while_open:
            logger.info("before")
            assert handler.flush(10), handler.stats()
            until(lambda: handler._writer.buffer.parked)
        execute(sqlite_url, "PRAGMA journal_mode = WAL", "PRAGMA wal_checkpoint(TRUNCATE)")
        ((root,),) = rows(sqlite_url, "SELECT rootpage FROM sqlite_schema WHERE name = 'logs'")
        at, length = (0, 100) if part == "header" else ((root - 1) * 4096, 4096)
        backup = path.read_bytes()
        broken = backup[:at] + b"\xff" * length + backup[at + length :]
        path.write_bytes(broken)
        if while_open:  # or it is noticed as late as SQLite has forgotten what it read before
            handler._writer._sink._link.connection.execute("PRAGMA shrink_memory")  # type: ignore[union-attr]  # this sink is SQLite's
        for number in range(20):
            logger.info("record %d", number)
        until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
        assert "stays as it is" in str(handler.stats().last_error)
        assert path.read_bytes() == broken
        path.write_bytes(backup)
        assert handler.flush(10), handler.stats()
        exactly_once(sqlite_url, handler)


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_killed_beside_others(sqlite_url: str, kills: int) -> None:
    """SIGKILL in the middle of batches: what was said to be stored is, the others go on, the file is sound."""
    stored: dict[str, int] = {}
    with child(sqlite_url, queue_size=100_000) as witness:
        for _ in range(kills):
            victim = Child(sqlite_url, batch_size=50)
            victim("log", 100)
            assert victim("flush", 15)
            stored[victim.instance] = 100
            victim("log", 500)
            witness("log", 20)
            victim.process.send_signal(signal.SIGKILL)
            victim.process.communicate()
        assert witness("flush", 20), witness("stats")
        _all_there(sqlite_url, witness)
    counts = dict(rows(sqlite_url, "SELECT lower(hex(instance_id)), count(*) FROM logs WHERE seq <= 100 GROUP BY 1"))
    assert all(counts[instance] == 100 for instance in stored)
    print(f"{kills} writers killed, {sum(stored.values())} acknowledged rows, 0 lost")
