"""``dblog spool``: what dead writers left on disk is listed, checked, stored and dropped."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from dblog import migrate
from dblog.opening import folder_of
from dblog.options import Options
from dblog.spool import Spool, encode
from tests.faults.sqlite_process import Child
from tests.oracle import rows, seqs
from tests.spooled import append, item, made

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Done

    Dblog = Callable[..., Done]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of spools of the test's own."""
    monkeypatch.setenv("DBLOG_SPOOL_DIR", str(tmp_path / "spools"))
    return tmp_path / "spools"


def _folder(url: str) -> Path:
    found = folder_of(url, Options.of())
    assert found is not None
    return found


def _left(folder: Path, count: int, *, alive: bool = False) -> tuple[uuid.UUID, Spool]:
    """A writer that put so many records on disk, and is gone."""
    spool = made(folder, segment_bytes=1 << 20, max_bytes=1 << 23)
    for seq in range(1, count + 1):
        assert append(spool, seq, encode(item(seq, f"record {seq}")))
    if not alive:
        spool.close()
    return _instances(folder)[-1], spool


def _instances(folder: Path) -> list[uuid.UUID]:
    found = [path for path in folder.glob("*") if path.name.count("-") == 4]
    return [uuid.UUID(path.name) for path in sorted(found, key=lambda path: path.stat().st_ctime_ns)]


def _objects(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.lines]


def test_nothing_is_kept(root: Path, dblog: Dblog) -> None:
    """It is said where was looked; with ``--json`` there is no line; nothing is made by looking."""
    done = dblog("spool")
    assert (done.code, done.lines) == (0, [f"nothing is kept in {root}"])
    assert (dblog("spool", "list", "--json").out, root.exists()) == ("", False)
    assert dblog("spool", "verify").code == 0


def test_list(root: Path, sqlite_url: str, dblog: Dblog) -> None:
    """Whose, how many, since when; that of a living writer is in use; of one database, or of all of them."""
    folder = _folder(sqlite_url)
    left, _ = _left(folder, 3)
    alive, spool = _left(root / "another", 2, alive=True)
    try:
        found = {each["instance_id"]: each for each in _objects(dblog("spool", "--json"))}
        assert set(found) == {str(left), str(alive)}
        mine = found[str(left)]
        assert (mine["target"], mine["in_use"], mine["records"], mine["damaged"]) == (folder.name, False, 3, 0)
        assert mine["bytes"] > 0
        assert mine["oldest"].endswith("Z")
        assert found[str(alive)]["in_use"]
        text = dblog("spool", "list")
        assert f"{left}  left behind  3 records" in text.out
        assert f"{alive}  in use" in text.out
        (only,) = _objects(dblog("spool", "--json", "--url", sqlite_url))
        assert only["instance_id"] == str(left)
        assert [each["target"] for each in _objects(dblog("spool", "--json", "--target", "another"))] == ["another"]
    finally:
        spool.close()


def test_replay(root: Path, database_url: str, dblog: Dblog) -> None:
    """Every record of every dead writer is stored once, and the directories go; a second time there is nothing."""
    folder = _folder(database_url)
    spools = [_left(folder, count)[0] for count in (5, 2500)]
    done = dblog("spool", "replay", "--url", database_url, "--json")
    assert done.code == 0, done
    (told,) = _objects(done)
    assert (told["stored"], told["directories"], told["waiting"]) == (2505, 2, False)
    assert rows(database_url, "SELECT count(*), count(DISTINCT id) FROM logs WHERE seq IS NOT NULL") == [(2505, 2505)]
    assert len(spools) == 2
    assert _instances(folder) == []
    again = dblog("spool", "replay", "--url", database_url)
    assert (again.code, again.out.startswith("0 records stored")) == (0, True)


def test_what_a_killed_writer_left(root: Path, empty_sqlite_url: str, dblog: Dblog) -> None:
    """SIGKILL while its database was away: `durable` kept every record, and the command stores each of them once."""
    writer = Child(empty_sqlite_url, durability="durable")
    writer("log", 50)
    writer.process.kill()
    writer.process.communicate()
    migrate.upgrade(empty_sqlite_url)
    (told,) = _objects(dblog("spool", "replay", "--url", empty_sqlite_url, "--json"))
    assert (told["stored"], told["lost"], told["waiting"]) == (50, 0, False)
    assert seqs(empty_sqlite_url) == list(range(1, 51))


def test_replay_into_another_database(root: Path, sqlite_url: str, dblog: Dblog) -> None:
    """The database has moved: what was kept for its old place is stored in the new one."""
    _left(root / "old", 4)
    done = dblog("spool", "replay", "--url", sqlite_url, "--target", "old")
    assert (done.code, done.out.startswith("4 records stored")) == (0, True)
    assert rows(sqlite_url, "SELECT count(*) FROM logs WHERE seq IS NOT NULL") == [(4,)]


def test_replay_without_its_database(root: Path, empty_sqlite_url: str, dblog: Dblog) -> None:
    """Nothing is lost and nothing goes; the exit code says that it was the database's fault."""
    folder = _folder(empty_sqlite_url)
    _left(folder, 3)
    done = dblog("spool", "replay", "--url", empty_sqlite_url, "--timeout", "0.2")
    assert done.code == 3
    assert "not all of it is stored" in done.err
    assert _objects(dblog("spool", "--json"))[0]["records"] == 3
    assert dblog("spool", "replay").code == 2


def test_verify(root: Path, sqlite_url: str, dblog: Dblog) -> None:
    """A damaged record is found, its file kept in quarantine, and exit code 1; the others are whole, and stored."""
    folder = _folder(sqlite_url)
    left, _ = _left(folder, 5)
    assert dblog("spool", "verify").code == 0
    (segment,) = (folder / str(left)).glob("*1.seg")
    data = segment.read_bytes()
    at = data.index(b"record 3")
    segment.write_bytes(data[:at] + b"RECORD" + data[at + 6 :])
    done = dblog("spool", "verify", "--json")
    assert (done.code, "1 stretch" in done.err) == (1, True)
    assert [(each["records"], each["damaged"]) for each in _objects(done)] == [(4, 1)]
    assert [path.name for path in (folder / "quarantine").iterdir()] == [f"{left}-{segment.name}"]
    (told,) = _objects(dblog("spool", "replay", "--url", sqlite_url, "--json"))
    assert (told["stored"], told["corrupt"] > 0) == (4, True)
    assert rows(sqlite_url, "SELECT seq FROM logs WHERE seq IS NOT NULL ORDER BY seq") == [(1,), (2,), (4,), (5,)]


def test_drop(root: Path, database_url: str, dblog: Dblog) -> None:
    """By id or all, when it was confirmed; never that of a living writer, nor of one that nobody has.

    What is dropped is explained by ``dblog audit``, to the record, and no writer is said to have it still.
    """
    folder = _folder(database_url)
    first, _ = _left(folder, 3)
    second, _ = _left(folder, 2)
    alive, spool = _left(folder, 1, alive=True)
    url = ("--url", database_url)
    try:
        assert dblog("spool", "drop", *url).code == 2
        assert dblog("spool", "drop", *url, str(first)).code == 2, "nobody was asked"
        assert "is in use" in dblog("spool", "drop", *url, "--yes", str(alive)).err
        assert "names no spool" in dblog("spool", "drop", *url, "--yes", "ffffffff").err
        assert "takes no ids" in dblog("spool", "list", str(first)).err
        done = dblog("spool", "drop", *url, "--yes", first.hex[-8:])
        assert (done.code, done.out) == (0, "3 records of 1 writer dropped; dblog audit says so\n"), done
        assert set(_instances(folder)) == {second, alive}
        told = _objects(dblog("spool", "drop", *url, "--all", "--yes", "--json"))
        assert told == [{"dropped": 1, "records": 2, "recorded": True}]
        assert _instances(folder) == [alive]
    finally:
        spool.close()
    audited = dblog("audit", *url, "--json")
    found = {uuid.UUID(each["instance_id"]): each for each in _objects(audited)}
    lost = [(found[each]["lost"], found[each]["missing"]) for each in (first, second)]
    assert (audited.code, lost) == (0, [({"discarded": 3}, 3), ({"discarded": 2}, 2)])
    books = "SELECT emitted, stored, dropped, queued + in_flight + spooled FROM log_instances ORDER BY emitted"
    assert rows(database_url, books) == [(2, 0, 2, 0), (3, 0, 3, 0)]
    assert rows(database_url, "SELECT count(*) FROM logs WHERE seq IS NOT NULL") == [(0,)]


def test_what_cannot_be_written_down_is_not_dropped(root: Path, empty_sqlite_url: str, dblog: Dblog) -> None:
    """No database named, or none that takes the record: nothing goes, and it is said what to do; or nobody is told."""
    folder = _folder(empty_sqlite_url)
    left, _ = _left(folder, 3)
    done = dblog("spool", "drop", "--all", "--yes")
    assert (done.code, "--url" in done.err, "--unrecorded" in done.err) == (2, True, True)
    done = dblog("spool", "drop", "--all", "--yes", "--url", empty_sqlite_url)
    assert (done.code, done.out) == (3, "0 records of 0 writers dropped\n")
    assert "is kept (SQLITE_CANTOPEN: " in done.err
    assert _instances(folder) == [left]
    done = dblog("spool", "drop", "--all", "--yes", "--unrecorded")
    assert (done.code, done.out) == (0, "3 records of 1 writer dropped\n")
    assert "dblog audit will show their numbers as missing" in done.err
    assert not folder.exists()


def test_one_that_cannot_be_read_hides_no_other(root: Path, sqlite_url: str, dblog: Dblog) -> None:
    """What a newer dblog wrote is listed as that, kept by ``drop``, and found by ``verify``; beside it all goes on."""
    folder = _folder(sqlite_url)
    with mock.patch("dblog.spool.segment.VERSION", 2):
        newer, _ = _left(folder, 3)
    other, _ = _left(folder, 2)
    found = {each["instance_id"]: each["trouble"] for each in _objects(dblog("spool", "--json"))}
    assert found[str(other)] is None
    assert "newer dblog" in found[str(newer)]
    assert "newer dblog" in dblog("spool").out
    done = dblog("spool", "verify")
    assert (done.code, "1 directory could not be read" in done.err) == (1, True)
    done = dblog("spool", "drop", "--all", "--yes", "--url", sqlite_url)
    assert (done.code, done.out) == (3, "2 records of 1 writer dropped; dblog audit says so\n")
    assert _instances(folder) == [newer]
    done = dblog("spool", "replay", "--url", sqlite_url)
    assert (done.code, "newer dblog" in done.err) == (3, True)


@pytest.mark.parametrize("name", ["..", "a/b", ".", "quarantine"])
def test_a_target_that_is_none(root: Path, name: str, dblog: Dblog) -> None:
    """A name never leads out of the directory."""
    assert dblog("spool", "--target", name).code == 2


def test_hostile_files(root: Path, dblog: Dblog) -> None:
    """Links, pipes and foreign folders are neither followed nor waited for; a wide one is said to be."""
    left, _ = _left(root / "t", 1)
    inside = root / "t" / str(left)
    (inside / "000009.seg").symlink_to("/etc/passwd")
    (root / "link").symlink_to("/etc")
    (root / "t" / str(uuid.uuid4())).symlink_to(inside)
    (found,) = _objects(dblog("spool", "--json"))
    assert found["records"] == 1
    (root / "t").chmod(0o755)
    done = dblog("spool")
    assert (done.code, "0755" in done.err) == (2, True)
