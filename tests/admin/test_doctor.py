"""The doctor finds what is broken, says what to do, and never falls ill itself."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dblog.admin import doctor_postgres, doctor_sqlite
from dblog.admin.connection import AdminConnection
from dblog.admin.findings import Status, guarded
from dblog.admin.partitions import partitions
from dblog.mounts import filesystem_of
from tests.administered import now
from tests.oracle import execute, logging_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.admin.conftest import Done

    Dblog = Callable[..., Done]


def lines(done: Done, status: str) -> list[str]:
    return [line for line in done.out.splitlines() if line.startswith(status)]


def test_all_is_well(database_url: str, dblog: Dblog) -> None:
    """After a writer has been there nothing fails; each line begins with its status; ``--json`` says the same."""
    with logging_to(database_url) as (logger, handler):
        logger.info("hello")
        assert handler.flush(10)
    done = dblog("doctor", "--url", database_url)
    assert (done.code, done.err) == (0, "")
    assert lines(done, "fail") == []
    assert all(line.startswith(("ok    ", "warn  ")) for line in done.out.splitlines())
    shown = [json.loads(line) for line in dblog("doctor", "--url", database_url, "--json").out.splitlines()]
    assert len(shown) == len(done.out.splitlines())
    assert {each["status"] for each in shown} <= {"ok", "warn"}
    assert all(each["fix"] for each in shown if each["status"] != "ok")


def test_an_empty_database(empty_database_url: str, dblog: Dblog) -> None:
    """No schema: what to run; and no traceback."""
    done = dblog("doctor", "--url", empty_database_url)
    assert done.code == 2
    assert "dblog upgrade" in done.out
    assert "Traceback" not in done.out + done.err


def test_a_missing_table_and_an_old_schema(database_url: str, dblog: Dblog) -> None:
    """Both are named, and what can still be looked at is."""
    execute(database_url, "DROP TABLE log_dead_letters", "UPDATE dblog_version SET version_num = '0000'")
    done = dblog("doctor", "--url", database_url)
    assert done.code == 2
    assert any("log_dead_letters" in line for line in lines(done, "fail"))
    assert any("0000" in line for line in done.out.splitlines())


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/x", "cannot be reached"),
        ("sqlite:////nonexistent/logs.db", "does not exist"),
        ("mysql://u:hunter2@h/x", "Postgres, SQLite or ClickHouse only"),
    ],
)
def test_no_database(url: str, says: str, dblog: Dblog) -> None:
    """One failing line says why, without the password; exit 2."""
    done = dblog("doctor", "--url", url)
    assert done.code == 2
    assert any(says in line for line in lines(done, "fail"))
    assert "hunter2" not in done.out + done.err


def test_a_file_with_wide_modes(sqlite_url: str, dblog: Dblog) -> None:
    """Whoever may read the log is told of, the write-ahead log included."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as keeper:
        keeper.execute("PRAGMA journal_mode = WAL")
        keeper.execute("INSERT INTO dblog_version VALUES ('x')")
        path.with_name("logs.db-wal").chmod(0o644)
        done = dblog("doctor", "--url", sqlite_url)
    assert any("logs.db-wal 0644" in line and "chmod 600" in line for line in lines(done, "warn"))


def test_a_damaged_file(sqlite_url: str, dblog: Dblog) -> None:
    """Overwritten pages, and a file that is none, fail with a sentence."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(os.urandom(size - 4096 * 3))
    done = dblog("doctor", "--url", sqlite_url)
    assert (done.code, "damaged" in done.out) == (2, True)
    path.write_text("no database at all" * 100)
    done = dblog("doctor", "--url", sqlite_url)
    assert (done.code, "no SQLite database" in done.out) == (2, True)


@pytest.mark.parametrize(("version", "status"), [((3, 51, 2), Status.WARN), ((3, 51, 3), Status.OK)])
def test_a_library_with_a_known_damage(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], status: Status
) -> None:
    """SQLite before 3.51.3 can damage a file when its log is reset: said, with what to do."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    with AdminConnection(sqlite_url) as connection:
        (found,) = doctor_sqlite._version(connection)
    assert found.status is status
    assert ("keep a backup" in found.fix) == (status is Status.WARN)


def test_a_long_integrity_check_is_cut_off(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends within its bound, and says that it did not finish."""
    monkeypatch.setattr(doctor_sqlite, "_BOUND", -1.0)
    monkeypatch.setattr(doctor_sqlite, "_STEPS", 1)
    with AdminConnection(sqlite_url) as connection:
        (found,) = doctor_sqlite._integrity(connection)
    assert (found.status, "too large" in found.what) == (Status.WARN, True)


def test_disks(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room warns, hardly any fails; so does a network filesystem, as a warning."""
    connection = AdminConnection(sqlite_url)
    for free, status in ((10**6, Status.FAIL), (10**9, Status.WARN), (10**12, Status.OK)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: type("Usage", (), {"free": free}))
        assert [each.status for each in doctor_sqlite._folder(connection)][-1] is status
    monkeypatch.setattr(doctor_sqlite, "network_of", lambda _: "nfs4")
    assert any("nfs4" in each.what for each in doctor_sqlite._folder(connection))


def test_a_log_that_a_reader_makes_grow(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write-ahead log beyond its bound warns, and says why it may have grown."""
    monkeypatch.setattr(doctor_sqlite, "_LOG", 0)
    execute(sqlite_url, "PRAGMA journal_mode = WAL")
    with AdminConnection(sqlite_url) as connection:
        connection.run("CREATE TABLE t (x)")
        found = list(doctor_sqlite._journal(connection))
    assert [each.status for each in found] == [Status.OK, Status.WARN]
    assert "long transaction" in found[1].what


def test_the_filesystem_of_a_path(tmp_path: Path) -> None:
    """The innermost mount, the later of two at one place, blanks in names; None without a list."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"a / ext4 rw\nb {tmp_path} nfs rw\nc {tmp_path} cifs rw\nd {tmp_path}/a\\040b 9p rw\ne /zz ext4\n"
    )
    assert filesystem_of(tmp_path / "x", mounts) == "cifs"
    assert filesystem_of(tmp_path / "a b" / "x", mounts) == "9p"
    assert filesystem_of(Path("/usr"), mounts) == "ext4"
    assert filesystem_of(tmp_path, tmp_path / "none") is None


def test_partitions(postgres_url: str, dblog: Dblog) -> None:
    """A missing tomorrow warns, a missing today fails; so do a DEFAULT partition and a detached day, as warnings."""
    with AdminConnection(postgres_url) as connection:
        days = [each.name for each in partitions(connection)]
    execute(postgres_url, f"DROP TABLE {days[1]}", f"ALTER TABLE logs DETACH PARTITION {days[2]}")
    execute(postgres_url, "CREATE TABLE logs_other PARTITION OF logs DEFAULT")
    done = dblog("doctor", "--url", postgres_url)
    assert done.code == 0
    warnings = "\n".join(lines(done, "warn"))
    assert "there is no partition for" in warnings
    assert f"left behind: {days[2]}" in warnings
    assert "DEFAULT partition" in warnings
    execute(postgres_url, f"DROP TABLE {days[0]}")
    done = dblog("doctor", "--url", postgres_url)
    assert (done.code, "today's partition is missing" in "\n".join(lines(done, "fail"))) == (2, True)


def test_roles(
    postgres_url: str, writer_postgres_url: str, reader_postgres_url: str, postgres_role: Any, dblog: Dblog
) -> None:
    """Each role's rights are told; half a writer fails; without the function nobody makes days."""
    assert "may write" in dblog("doctor", "--url", writer_postgres_url).out
    assert "may read" in dblog("doctor", "--url", reader_postgres_url).out
    assert "may administer, read, write" in dblog("doctor", "--url", postgres_url).out
    warned = dblog("doctor", "--url", writer_postgres_url)
    assert any("password is on the command line" in line for line in lines(warned, "warn"))
    execute(postgres_url, f"REVOKE EXECUTE ON FUNCTION dblog_ensure_day(date) FROM {postgres_role.name}")
    done = dblog("doctor", "--url", writer_postgres_url)
    assert (done.code, "lacks the rest of a writer" in done.out) == (2, True)
    execute(postgres_url, "DROP FUNCTION dblog_ensure_day(date)")
    done = dblog("doctor", "--url", postgres_url)
    assert (done.code, "function dblog_ensure_day is missing" in done.out) == (2, True)


@pytest.mark.parametrize(("skew", "status"), [(0.0, Status.OK), (-30.0, Status.WARN), (7200.0, Status.FAIL)])
def test_clocks(postgres_url: str, monkeypatch: pytest.MonkeyPatch, skew: float, status: Status) -> None:
    """Two seconds apart is worth a word, an hour is a wrong day."""
    with AdminConnection(postgres_url) as connection:
        theirs = connection.now
        monkeypatch.setattr(connection, "now", lambda: theirs() + int(skew * 1e6))
        (found,) = doctor_postgres._clock(connection)
    assert found.status is status


@pytest.mark.parametrize(
    ("url", "encrypted", "status"),
    [
        ("postgresql://h.example.com/d", False, Status.WARN),
        ("postgresql://h.example.com/d?sslmode=require", True, Status.WARN),
        ("postgresql://h.example.com/d?sslmode=verify-full", True, Status.OK),
        ("postgresql://localhost/d", False, Status.OK),
        ("postgresql:///d?host=/run/postgresql", False, Status.OK),
    ],
)
def test_encryption(url: str, encrypted: bool, status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    """To another machine only an encrypted connection to a server that proved its name is well."""
    connection = AdminConnection(url)
    monkeypatch.setattr(connection, "value", lambda _: encrypted)
    (found,) = doctor_postgres._encryption(connection)
    assert found.status is status
    assert status is Status.OK or "sslmode=verify-full" in found.fix


def test_open_transactions(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is open for long is named by its pid."""
    monkeypatch.setattr(doctor_postgres, "_OPEN", 0.0)
    with psycopg.connect(postgres_url) as other, AdminConnection(postgres_url) as connection:
        other.execute("SELECT pg_current_xact_id()")
        (found,) = doctor_postgres._open_transactions(connection)
        assert f"pid {other.info.backend_pid}" in found.what


def test_writers_and_dead_letters(database_url: str, dblog: Dblog) -> None:
    """A writer that fell silent, and rows that were refused, are worth a warning each."""
    sqlite = database_url.startswith("sqlite")
    moment = str(now() - 120_000_000) if sqlite else "now() - interval '2 minutes'"
    identity = "zeroblob(16)" if sqlite else "gen_random_uuid()"
    execute(
        database_url,
        "INSERT INTO log_instances (instance_id, service, host, pid, started_at, last_seen, state)"
        f" VALUES ({identity}, 'shop', 'h1', 42, {moment}, {moment}, 'RUNNING')",
        "INSERT INTO log_dead_letters (id, failed_at, instance_id, error_class, code, attempts, payload)"
        f" VALUES ({identity}, {moment}, {identity}, 'poison', 'x', 1, '{{}}')",
    )
    done = dblog("doctor", "--url", database_url)
    assert done.code == 0
    warnings = "\n".join(lines(done, "warn"))
    assert "the last 'shop' on 'h1', pid 42" in warnings
    assert "1 dead letters" in warnings


def test_a_check_that_breaks_is_a_finding() -> None:
    """Whatever a check raises is one failing line."""

    def broken() -> Any:
        yield 1 // 0

    (found,) = guarded("the moon", broken)
    assert (found.status, found.what) == (Status.FAIL, "the moon: it cannot be looked at (ZeroDivisionError)")


def test_the_source_is_named(sqlite_url: str, dblog: Dblog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the URL came from: the option, the environment, a profile; and google-re2, where it is missing."""
    assert "from --url" in dblog("doctor", "--url", sqlite_url).out
    monkeypatch.setenv("DBLOG_URL", sqlite_url)
    assert "from DBLOG_URL" in dblog("doctor").out
    config = tmp_path / "config.toml"
    config.write_text(f'default = "here"\n[profiles.here]\nurl = "{sqlite_url}"\n')
    monkeypatch.setenv("DBLOG_CONFIG", str(config))
    assert "from --profile here" in dblog("doctor", "--profile", "here").out
    monkeypatch.setenv("DBLOG_URL", "")
    assert "from the default profile" in dblog("doctor").out
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "google-re2 is not installed" in dblog("doctor").out
