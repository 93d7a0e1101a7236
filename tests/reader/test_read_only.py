"""An SQLite file that may only be read: by its mode, its folder's, or because it is another user's."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.oracle import execute, logging_to

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = Path(__file__).parent / "programs" / "anybody.py"
_COMMANDS = ("search", "tail --no-follow -n 9", "audit", "current")


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def _as_anybody(*folders: Path, commands: tuple[str, ...] = _COMMANDS) -> list[list[Done]]:
    """How the commands end, for the file in each folder."""
    urls = ",".join(f"sqlite:///{folder / 'logs.db'}" for folder in folders)
    program = [sys.executable, str(_PROGRAM), urls, *commands]
    run = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    done = [Done(*json.loads(line)) for line in run.stdout.splitlines()]
    return [done[start : start + len(commands)] for start in range(0, len(done), len(commands))]


@contextlib.contextmanager
def _modes(folder: Path, folder_mode: int, file_mode: int = 0o444) -> Iterator[None]:
    """All files of a folder get this mode, and the folder that one; for as long as it takes."""
    for each in folder.iterdir():
        each.chmod(file_mode)
    folder.chmod(folder_mode)
    try:
        yield
    finally:
        folder.chmod(0o700)


@pytest.fixture
def origin(tmp_path: Path, sqlite_template: Path) -> Path:
    """A folder with a file in it with five records, that nobody is at any more."""
    folder = tmp_path / "origin"
    folder.mkdir()
    shutil.copyfile(sqlite_template, folder / "logs.db")
    with logging_to(f"sqlite:///{folder / 'logs.db'}") as (logger, handler):
        for number in range(5):
            logger.info("record %d", number)
        assert handler.flush(10), handler.stats()
    return folder


def _copy(folder: Path, name: str) -> Path:
    """As it is now: of a writer at work, what it would leave if it were killed."""
    made = folder.with_name(name)
    # By another process: closing the files in this one would take the writer's locks away.
    subprocess.run(["cp", "-r", str(folder), str(made)], check=True, timeout=30)
    return made


@contextlib.contextmanager
def _at_work(folder: Path) -> Iterator[None]:
    """A writer that has the file open, and its sixth record in the log."""
    with logging_to(f"sqlite:///{folder / 'logs.db'}") as (logger, handler):
        logger.info("the sixth")
        assert handler.flush(10), handler.stats()
        yield


def _told(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What lies there: inodes, modes, and the size of the file itself, as its writer may be at work."""
    found = {each.name: each.stat() for each in folder.iterdir()}
    return {name: (at.st_ino, stat.S_IMODE(at.st_mode), "-" in name or at.st_size) for name, at in found.items()}


def test_whatever_can_be_read_is_read(origin: Path) -> None:
    """Every reading command has its answer, and leaves nothing behind, which the file's own writer might not open."""
    with contextlib.ExitStack() as until:
        rest, unlogged, busy = (_copy(origin, name) for name in ("rest", "unlogged", "busy"))
        execute(f"sqlite:///{unlogged / 'logs.db'}", "PRAGMA journal_mode = DELETE")
        until.enter_context(_at_work(busy))
        killed = _copy(busy, "killed")
        folders = []
        for mode in (0o555, 0o755):
            folders += [_copy(each, f"{each.name}{mode}") for each in (rest, unlogged, killed)]
            for each in folders[-3:]:
                until.enter_context(_modes(each, mode))
        until.enter_context(_modes(busy, 0o555))
        folders.append(busy)
        before = [_told(each) for each in folders]
        for folder, done in zip(folders, _as_anybody(*folders), strict=True):
            assert [(each.code, each.err) for each in done] == [(0, "")] * len(_COMMANDS), folder
            expected = 6 if "busy" in folder.name or "killed" in folder.name else 5
            assert [each.out.count("\n") for each in done[:2]] == [expected] * 2, folder
        assert [_told(each) for each in folders] == before


def test_what_cannot_be_read_is_said(origin: Path) -> None:
    """Which file it is, and what to do, in one line, by every command; and it is left to those it belongs to."""
    with contextlib.ExitStack() as until:
        busy = _copy(origin, "busy")
        until.enter_context(_at_work(busy))
        file, log, index, closed = (_copy(busy, name) for name in ("file", "log", "index", "closed"))
        (index / "logs.db-shm").unlink()
        journal = _copy(origin, "journal")
        with contextlib.closing(sqlite3.connect(journal / "logs.db", isolation_level=None)) as writer:
            for statement in ("journal_mode = DELETE", "cache_size = 1"):
                writer.execute(f"PRAGMA {statement}")
            writer.execute("BEGIN")
            writer.execute("UPDATE logs SET message = hex(zeroblob(20000))")
            half = _copy(journal, "half")
        says = {
            file: "this user may not read",
            log: "logs.db-wal: check its owner",
            index: "without its -shm",
            half: "-journal lies beside it",
            closed: "cannot be had: Permission denied",
        }
        for folder in says:
            until.enter_context(_modes(folder, 0o755))
        (file / "logs.db").chmod(0)
        (log / "logs.db-wal").chmod(0)
        before = [_told(each) for each in says]
        until.enter_context(_modes(closed, 0))
        found = _as_anybody(*says)
        closed.chmod(0o755)
        assert [_told(each) for each in says] == before
        for (folder, expected), done in zip(says.items(), found, strict=True):
            assert [(each.code, each.err.count("\n")) for each in done] == [(3, 1)] * len(_COMMANDS), (folder, done)
            assert all(expected in each.err for each in done), (folder, done)


_MOUNTED = 'mount -t tmpfs none "$0" && cp -r "$1/." "$0" && mount -o remount,ro "$0" && shift && exec "$@"'


@pytest.mark.long
def test_a_mount_that_is_read_only(origin: Path, tmp_path: Path) -> None:
    """Of a file at rest, and of what a killed writer left: every reading command has its answer."""
    with _at_work(_copy(origin, "busy")):
        _copy(tmp_path / "busy", "killed")
    alone = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-Urm")
    place = tmp_path / "mount"
    place.mkdir()
    for folder, expected in ((origin, 5), (tmp_path / "killed", 6)):
        program = [sys.executable, str(_PROGRAM), f"sqlite:///{place / 'logs.db'}", *_COMMANDS]
        command = [*alone, "sh", "-c", _MOUNTED, str(place), str(folder), *program]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr
        done = [Done(*json.loads(line)) for line in run.stdout.splitlines()]
        assert [(each.code, each.err) for each in done] == [(0, "")] * len(_COMMANDS)
        assert done[0].out.count("\n") == expected
