"""What a handler does of which nothing is said but where to: it keeps on disk what its database does not take."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblog
from dblog import diagnostics, migrate
from dblog.errors import ConfigurationError
from dblog.opening import folder_of, settled
from dblog.options import Options
from dblog.testing import MemorySink, assert_conserved
from tests.oracle import QUICK, logging_to, rows, until

URL = "sqlite:////nowhere/logs.db"


@pytest.fixture(autouse=True)
def complaints_are_told() -> None:
    """Each of this test's, however often another has made them."""
    diagnostics._last.clear()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's state directory, where nobody names a place; ``dblog`` in it."""
    monkeypatch.delenv("DBLOG_SPOOL_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "dblog"


def files(folder: Path) -> set[str]:
    """The names of all files below a folder."""
    return {path.name for path in folder.rglob("*") if not path.is_dir()}


def test_an_outage_loses_nothing(home: Path, empty_database_url: str) -> None:
    """What was not stored by the end is on disk, and the next process stores it."""
    with logging_to(empty_database_url, queue_size=100, shutdown_timeout=0.1) as (logger, handler):
        for number in range(500):
            logger.info("record %d", number)
    stats = handler.stats()
    assert_conserved(stats)
    assert (stats.spooled, stats.dropped) == (500, 0)
    migrate.upgrade(empty_database_url)
    with logging_to(empty_database_url) as (logger, handler):
        logger.info("heir")
        count = "SELECT count(DISTINCT seq) FROM logs WHERE message LIKE 'record %'"
        until(lambda: rows(empty_database_url, count) == [(500,)], 20.0)
        until(lambda: len(list(home.glob("spool/*/*"))) == 1)  # its own
    assert list((home / "spool").iterdir()) == []


def test_nothing_is_on_disk_before_the_first_record_and_after_the_end(home: Path, database_url: str) -> None:
    """Between them a page of counters, and no segment while all is well; no folder stays, whichever database it was."""
    with logging_to(database_url):
        pass
    with logging_to(database_url) as (logger, handler):
        assert not home.exists()
        for number in range(2000):
            logger.info("record %d", number)
        assert handler.flush(10)
        assert files(home) == {"owner.lock", "origin", "counters"}
        assert sum(path.stat().st_size for path in home.rglob("counters")) == 4096
    assert handler.stats().stored == 2000
    assert list(home.rglob("*")) == [home / "spool"]


def test_a_process_that_does_not_log_leaves_the_disk_alone(home: Path, sqlite_url: str) -> None:
    """Neither configured, nor forked, nor ended does it make anything; nobody loads ``platformdirs`` by ``import``."""
    program = """
import logging, os, sys
import dblog
dblog.DatabaseHandler
assert "platformdirs" not in sys.modules
logging.getLogger().addHandler(dblog.DatabaseHandler(sys.argv[1]))
if not os.fork():
    sys.exit()
os.wait()
"""
    command = [sys.executable, "-W", "error", "-c", program, sqlite_url]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert not home.parent.exists()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("chosen", "made"), [(None, set()), ("spool", {"owner.lock", "origin", "counters"})])
def test_with_a_sink_it_is_memory(home: Path, chosen: str | None, made: set[str], late: bool) -> None:
    """Nobody could come later for what an object of one's own does not take; unless one says so."""
    sink = MemorySink()
    given = {**QUICK, "durability": chosen}
    handler = dblog.DatabaseHandler(**given) if late else dblog.DatabaseHandler(sink=sink, **given)
    assert handler.options.durability == (chosen if chosen or late else "memory")
    handler.handle(logging.makeLogRecord({"msg": "here"}))
    if late:
        handler.attach(sink)
    assert handler.flush(10)
    assert files(home) == made
    handler.close()
    assert sink.messages == ["here"]


def test_attached_late_to_a_database_it_is_a_spool(home: Path, empty_sqlite_url: str) -> None:
    """What was logged before anybody knew the database is kept on disk like the rest."""
    with logging_to(None, shutdown_timeout=0.1) as (logger, handler):
        logger.info("early")
        assert not home.exists()
        handler.attach(empty_sqlite_url)
        logger.info("late")
    assert handler.stats().spooled == 2
    assert files(home) == {"owner.lock", "origin", "counters", "000001.seg"}


# -- where there is no place ----------------------------------------------------------------------------------


def _homeless(patched: pytest.MonkeyPatch, _: Path) -> None:
    def nowhere(_: str) -> Path:
        raise RuntimeError

    patched.setattr("platformdirs.user_state_path", nowhere)


def _unusable(patched: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "file").write_text("")
    patched.setenv("XDG_STATE_HOME", str(folder / "file"))


def _far_away(patched: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "mounts").write_text(f"/dev/sda / ext4 rw 0 0\nserver:/home {folder} nfs4 rw 0 0\n")
    patched.setattr("dblog.mounts.MOUNTS", folder / "mounts")


NOWHERE = {
    _homeless: "there is no home directory to keep a spool in: name a place in spool_dir",
    _unusable: "/file/dblog/spool' cannot be used: Not a directory; spool_dir names another",
    _far_away: "is on a network file system (nfs4): name one on a local disk in spool_dir or DBLOG_SPOOL_DIR",
}


@pytest.mark.parametrize("prepare", NOWHERE)
def test_without_a_place_it_is_memory(
    prepare: Any, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is said once, with what to do; whatever is logged is stored, or lost for the reasons of memory."""
    prepare(monkeypatch, tmp_path)
    sink = MemorySink()
    with logging_to(None, queue_size=50, overflow="drop_newest", shutdown_timeout=0.1) as (logger, handler):
        handler._open = lambda _: sink
        folder = folder_of(URL, handler.options)
        handler._writer.attach(sink, folder, handler._open)
        monkeypatch.setattr("dblog.disk._AGAIN", 0.0)
        logger.info("stored")
        assert handler.flush(10)
        sink.down()
        for number in range(200):
            logger.info("record %d", number)
        until(lambda: handler.stats().state == "RETRY")
        stats = handler.stats()
        diagnostics._last.clear()
        logger.info("one more")
        handler.flush(0.1)
    assert_conserved(stats)
    assert stats.spooled == 0
    assert set(stats.dropped_by) == {"queue_full"}
    assert set(handler.stats().dropped_by) == {"queue_full", "deadline"}
    assert sink.messages == ["stored"]
    assert not home.exists()
    said = [line for line in capfd.readouterr().err.splitlines() if "spool" in line]
    assert len(said) == 1
    assert said[0].endswith(f"{NOWHERE[prepare]}; records are in memory only")


@pytest.mark.parametrize("durability", ["spool", "durable"])
def test_who_asks_for_a_spool_is_refused_or_told_again(
    durability: str, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No home, or a far one, is a wrong configuration; an unusable directory is said again and again."""
    assert folder_of(URL, Options.of(durability=durability)) == folder_of(URL, Options.of())
    for prepare in (_homeless, _far_away):
        with monkeypatch.context() as patched:
            prepare(patched, tmp_path)
            with pytest.raises(ConfigurationError, match=re.escape(NOWHERE[prepare])):
                dblog.DatabaseHandler(URL, durability=durability)
    with monkeypatch.context() as patched:
        _unusable(patched, tmp_path)
        patched.setattr("dblog.disk._AGAIN", 0.0)
        for _ in range(2):
            diagnostics._last.clear()
            handler = dblog.DatabaseHandler(sink=MemorySink(), durability=durability)
            for _ in range(2):
                handler.handle(logging.makeLogRecord({"msg": "here"}))
                handler._writer.spooling.make()
            handler.close()
            assert "spool' cannot be used: Not a directory" in capfd.readouterr().err


@given(
    durability=st.sampled_from([None, "memory", "spool", "durable"]),
    named=st.sampled_from([None, "option", "variable"]),
    prepare=st.sampled_from([None, *NOWHERE]),
    target=st.sampled_from([URL, MemorySink(), MemorySink]),
)
def test_who_gets_a_folder(durability: str | None, named: str | None, prepare: Any, target: Any) -> None:
    """Every combination: a database, and a sink for which it is asked, has one, where there is a place for it."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        folder = Path(name)
        patched.delenv("DBLOG_SPOOL_DIR")
        patched.setenv("XDG_STATE_HOME", str(folder / "state"))
        if prepare is not None:
            prepare(patched, folder)
        if named == "variable":
            patched.setenv("DBLOG_SPOOL_DIR", str(folder / "named"))
        spool_dir = str(folder / "named") if named == "option" else None
        options = settled(Options.of(durability=durability, spool_dir=spool_dir), target)
        assert options.durability == (durability if durability or target is URL else "memory")
        asked = durability in {"spool", "durable"}
        if asked and (prepare is _far_away or (prepare is _homeless and not named)):
            with pytest.raises(ConfigurationError, match=re.escape(NOWHERE[prepare])):
                folder_of(target, options)
            return
        wanted = asked or (target is URL and prepare is not _far_away and (named is not None or prepare != _homeless))
        found = folder_of(target, options)
        assert (found is not None) == wanted
        if found is not None and named is not None:
            assert found.parent == folder / "named"
        assert not (folder / "named").exists()
        assert not (folder / "state").exists()
