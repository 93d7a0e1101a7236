"""Fresh migrated databases: an SQLite file, and PostgreSQL with its durability on."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Self

import sqlalchemy as sa

from benchmarks import history
from dblog import migrate
from dblog.url import sync_url
from tests import pgserver

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Databases"]


class Databases:
    """Makes and empties databases of both kinds; use as a context manager.

    Args:
        keep: where databases full of history stay for the next run; None makes them anew.
    """

    def __init__(self, keep: Path | None = None) -> None:
        # On a disk, not in /dev/shm: what a commit costs is part of the figure.
        self._folder = Path(tempfile.mkdtemp(prefix="dblog-bench-", dir="/var/tmp"))
        # What handlers keep on disk lies beside, and goes with it: also that of programs and threads that are ended.
        os.environ["DBLOG_SPOOL_DIR"] = str(self._folder / "spool")
        self._keep = keep
        self._server: pgserver.Server | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._server is not None:
            self._server.stop("fast" if self._keep else "immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def fresh(self, dialect: str) -> Iterator[str]:
        """The URL of a migrated, empty database."""
        name = f"b{uuid.uuid4().hex[:12]}"
        if dialect == "sqlite":
            url = f"sqlite:///{self._folder}/{name}.db"
            migrate.upgrade(url)
            yield url
            for file in self._folder.glob(f"{name}.db*"):
                file.unlink()
            return
        server = self._server = self._server or self._start()
        with server.admin() as admin:
            admin.execute(f"CREATE DATABASE {name}")
        url = server.url(name, sockets=True)
        migrate.upgrade(url)
        yield url
        with server.admin() as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextlib.contextmanager
    def filled(self, dialect: str, count: int) -> Iterator[str]:
        """The URL of a database with so many rows of history: the one that was kept, or a new one."""
        if self._keep is None:
            with self.fresh(dialect) as url:
                history.load(url, count)
                yield url
            return
        name = f"history-{count}"
        if dialect == "sqlite":
            file = self._keep / f"{name}.db"
            if not file.exists():
                _made(f"sqlite:///{file}.new", count)
                Path(f"{file}.new").rename(file)
            yield f"sqlite:///{file}"
            return
        server = self._server = self._server or self._start()
        with server.admin() as admin:
            known = admin.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if known is None:
                admin.execute(f'CREATE DATABASE "{name}-new"')
                _made(server.url(f"{name}-new", sockets=True), count)
                admin.execute(f'ALTER DATABASE "{name}-new" RENAME TO "{name}"')
        yield server.url(name, sockets=True)

    def _start(self) -> pgserver.Server:
        if self._keep is not None and (self._keep / "server" / "data").exists():
            server = pgserver.Server(self._keep / "server", 54_399)
            server.start()
            return server
        folder = self._keep or self._folder
        folder.chmod(0o755)
        server = pgserver.Server.create(folder / "server", pgserver.make_pristine(folder))
        with server.admin() as admin:
            for setting in ("fsync = on", "full_page_writes = on", "wal_level = replica", "shared_buffers = '1GB'"):
                admin.execute(f"ALTER SYSTEM SET {setting}")
            admin.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
            admin.execute("ALTER SYSTEM SET autovacuum = on")
        server.restart()
        return server


def _made(url: str, count: int) -> None:
    migrate.upgrade(url)
    history.load(url, count)


def count_rows(url: str) -> int:
    """Rows in ``logs``."""
    engine = sa.create_engine(sync_url(url))
    with engine.connect() as connection:
        count = int(connection.execute(sa.text("SELECT count(*) FROM logs")).scalar_one())
    engine.dispose()
    return count
