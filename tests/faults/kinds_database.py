"""Faults that either database knows."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import psycopg

from tests.faults.fault import Fault
from tests.oracle import execute, rows

if TYPE_CHECKING:
    from tests.faults.harness import System


class Told(Fault):
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


class Locked(Told):
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


class LongReader(Told):
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


class Full(Told):
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


class ReadOnly(Told):
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


class TableGone(Told):
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


class ColumnGone(Told):
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


KINDS: list[type[Fault]] = [Locked, LockedAndBlocking, LongReader, Full, ReadOnly, TableGone, ColumnGone]
