"""Faults of databases, files, servers and the network between."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import psycopg

from dblog import migrate
from dblog.grants import grants
from tests.faults.fault import Fault
from tests.oracle import execute, rows

if TYPE_CHECKING:
    from tests.faults.harness import System

_TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name LIKE 'dblog%'"
)


class _Told(Fault):
    """A fault the system itself tells of, by the code of its last error."""

    codes: ClassVar[tuple[str, ...]] = ("",)

    @property
    def owner(self) -> str:
        """The database as its owner looks at it."""
        return self.bench.place.owner

    @property
    def postgres(self) -> bool:
        return self.bench.place.postgres

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(self.owner.removeprefix("sqlite:///"))

    @property
    def role(self) -> str:
        """Whom the system logs in as."""
        return str(urlsplit(self.bench.place.url).username)

    def fired(self) -> int:
        said = self.system.last_errors()
        return bool(said) and any(code in said for code in self.codes)

    def close(self) -> None:
        self.stop()


# -- either database ------------------------------------------------------------------------------------------


class Locked(_Told):
    """B6, C1: somebody holds the lock."""

    codes = ("55P03", "57014", "SQLITE_BUSY")
    other: Any = None

    def start(self) -> None:
        if self.postgres:
            self.other = psycopg.connect(self.owner)
            self.other.execute("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        else:
            self.other = sqlite3.connect(self.path, isolation_level=None, timeout=10)
            self.other.execute("BEGIN IMMEDIATE")

    def stop(self) -> None:
        if self.other is not None:
            self.other.close()
            self.other = None


class LockedAndBlocking(Locked):
    """F4: as above, with a full queue that lets callers wait, but not for longer than they agreed to."""

    options: ClassVar[dict[str, Any]] = {"queue_size": 30, "overflow": "block", "block_timeout": 0.1}
    losses, spills = frozenset({"queue_full"}), True

    def fired(self) -> int:
        return self.overflowed()


class LongReader(_Told):
    """C2: somebody reads in one long transaction; nobody waits for him."""

    other: Any = None

    def start(self) -> None:
        if self.postgres:
            self.other = psycopg.connect(self.owner)
            self.other.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        else:
            self.other = sqlite3.connect(self.path, isolation_level=None)
            self.other.execute("BEGIN")
        self.seen = self._count()
        self.system.acknowledged(60)

    def _count(self) -> int:
        return int(self.other.execute("SELECT count(*) FROM logs").fetchone()[0])

    def fired(self) -> int:
        return self._count() == self.seen

    def stop(self) -> None:
        if self.other is not None:
            self.other.close()
            self.other = None


class Full(_Told):
    """B7, C3: no room."""

    codes = ("53100", "SQLITE_FULL", "SQLITE_IOERR")
    limited = False

    def prepare(self) -> None:
        if self.postgres:
            execute(
                self.owner,
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
                " IF to_regclass('full_disk') IS NOT NULL THEN RAISE 'no space' USING ERRCODE = '53100'; END IF;"
                " RETURN NEW; END $$",
                "CREATE TRIGGER full_disk BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION full_disk()",
            )

    def start(self) -> None:
        self.limited = True
        if self.postgres:
            execute(self.owner, "CREATE TABLE full_disk ()")
        else:
            room = Path(f"{self.path}-wal").stat().st_size + 6000
            resource.prlimit(self.system.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    def stop(self) -> None:
        if not self.limited:
            return
        self.limited = False
        if self.postgres:
            execute(self.owner, "DROP TABLE full_disk")
        else:
            no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(self.system.pid, resource.RLIMIT_FSIZE, no_limit)


class ReadOnly(_Told):
    """B9: the server has become a standby; the file lies on a volume mounted read-only."""

    codes = ("25006", "SQLITE_READONLY")
    well_before = False
    over = False

    def inside(self, system: System) -> None:
        if self.postgres:
            self._set("SET default_transaction_read_only = on")
        else:
            system.act("read_only", on=True)

    def _set(self, setting: str) -> None:
        with psycopg.connect(self.owner, autocommit=True) as owner:
            owner.execute("SET default_transaction_read_only = off")
            owner.execute(f"ALTER DATABASE {owner.info.dbname} {setting}".encode())

    def stop(self) -> None:
        if self.over:
            return
        self.over = True
        if self.postgres:
            self._set("RESET default_transaction_read_only")
        else:
            self.system.act("read_only", on=False)


class TableGone(_Told):
    """B8: somebody takes the table away, and brings it back."""

    codes = ("42P01", "dblog upgrade")
    away = False

    def start(self) -> None:
        execute(self.owner, *self._waiting(), "ALTER TABLE logs RENAME TO logs_away")
        self.away = True

    def _waiting(self) -> list[str]:
        return [] if self.postgres else ["PRAGMA busy_timeout = 10000"]

    def stop(self) -> None:
        if self.away:
            self.away = False
            execute(self.owner, *self._waiting(), "ALTER TABLE logs_away RENAME TO logs")


class ColumnGone(_Told):
    """B13: an older schema under a running writer: it goes on with the columns there are."""

    def start(self) -> None:
        waiting = [] if self.postgres else ["PRAGMA busy_timeout = 10000"]
        execute(self.owner, *waiting, "ALTER TABLE logs DROP COLUMN template")
        self.system.acknowledged(60)

    def fired(self) -> int:
        with contextlib.suppress(psycopg.Error, sqlite3.Error):
            rows(self.owner, "SELECT template FROM logs LIMIT 1")
            return 0
        return 1


# -- SQLite's file --------------------------------------------------------------------------------------------


class _File(_Told):
    databases = ("sqlite",)

    def put_away(self, name: str) -> None:
        """The file and its log go elsewhere, and are still read by the judge."""
        old = self.path.with_name(name)
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.link(f"{self.path}{suffix}", f"{old}{suffix}")
        for suffix in ("-wal", "-shm", ""):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self.kept.append(f"sqlite:///{old}")


class FileMissing(_File):
    """B1: there is no file yet."""

    codes, well_before = ("does not exist",), False

    def prepare(self) -> None:
        self.path.unlink()

    def stop(self) -> None:
        if not self.path.exists():
            migrate.upgrade(self.owner)


class FileDeleted(_File):
    """C4: inserts into a deleted file would succeed into nowhere."""

    codes = ("does not exist",)

    def start(self) -> None:
        self.put_away("deleted.db")

    def stop(self) -> None:
        if not self.path.exists():
            migrate.upgrade(self.owner)


class FileRotated(_File):
    """C4: another file in its place, as logrotate does it."""

    def start(self) -> None:
        for number in range(3):
            new = self.path.with_name(f"new{number}.db")
            migrate.upgrade(f"sqlite:///{new}")
            self.put_away(f"rotated{number}.db")
            new.rename(self.path)
            self.system.acknowledged()

    def fired(self) -> int:
        return bool(rows(self.owner, "SELECT 1 FROM logs LIMIT 1"))


class NoDatabase(_File):
    """C6: what lies there is no database; it is left as it is."""

    codes, well_before = ("SQLITE_NOTADB",), False
    text = b"not a database, " * 500

    def prepare(self) -> None:
        self.good = self.path.with_name("good.db")
        shutil.move(self.path, self.good)
        self.path.write_bytes(self.text)

    def stop(self) -> None:
        if self.good.exists():
            assert self.path.read_bytes() == self.text
            self.good.rename(self.path)


# -- PostgreSQL's sessions ------------------------------------------------------------------------------------


class _Session(_Told):
    databases = ("postgresql",)


class Terminated(_Session):
    """B2: sessions are ended in the middle of whatever they do."""

    ended = 0

    def start(self) -> None:
        with psycopg.connect(self.owner, autocommit=True) as owner:
            for _ in range(8):
                self.ended += sum(count for (count,) in owner.execute(_TERMINATE.encode()).fetchall())
                self.system.acknowledged(5)

    def fired(self) -> int:
        return self.ended


class Revoked(_Session):
    """B8: the privilege is taken away, and given again."""

    codes = ("42501",)

    def start(self) -> None:
        execute(self.owner, f"REVOKE INSERT ON logs FROM {self.role}")

    def stop(self) -> None:
        execute(self.owner, grants(writer=self.role))


class NoConnectionLeft(_Session):
    """B8: the role has no connection left."""

    codes = ("53300", "refuses the session")

    def start(self) -> None:
        execute(self.owner, f"ALTER ROLE {self.role} CONNECTION LIMIT 0", _TERMINATE)

    def stop(self) -> None:
        execute(self.owner, f"ALTER ROLE {self.role} CONNECTION LIMIT -1")


class NoDay(_Session):
    """B12: nobody has made a partition for today."""

    well_before = False

    def prepare(self) -> None:
        ((self.day,),) = rows(self.owner, "SELECT 'logs_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')")
        execute(self.owner, f"DROP TABLE {self.day}")

    def fired(self) -> int:
        return rows(self.owner, f"SELECT to_regclass('{self.day}') IS NOT NULL") == [(True,)]


EITHER: list[type[Fault]] = [Locked, LockedAndBlocking, LongReader, Full, ReadOnly, TableGone, ColumnGone]
KINDS: list[type[Fault]] = [
    *EITHER, FileMissing, FileDeleted, FileRotated, NoDatabase, Terminated, Revoked, NoConnectionLeft, NoDay,
]  # fmt: skip
