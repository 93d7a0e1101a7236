"""Faults of SQLite's file, and of PostgreSQL's sessions."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from dblog import migrate
from dblog.grants import grants
from tests.faults.kinds_database import Told
from tests.oracle import execute, rows

if TYPE_CHECKING:
    from tests.faults.fault import Fault

_TERMINATE = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name LIKE 'dblog%'"
)

# -- SQLite's file --------------------------------------------------------------------------------------------


class _File(Told):
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


class _Session(Told):
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


KINDS: list[type[Fault]] = [
    FileMissing, FileDeleted, FileRotated, NoDatabase, Terminated, Revoked, NoConnectionLeft, NoDay,
]  # fmt: skip
