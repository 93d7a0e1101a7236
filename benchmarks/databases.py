"""Fresh migrated databases: an SQLite file, and PostgreSQL with its durability on."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Self

import sqlalchemy as sa

from dblog import migrate
from dblog.url import sync_url
from tests import pgserver

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Databases"]


class Databases:
    """Makes and empties databases of both kinds; use as a context manager."""

    def __init__(self) -> None:
        # On a disk, not in /dev/shm: what a commit costs is part of the figure.
        self._folder = Path(tempfile.mkdtemp(prefix="dblog-bench-", dir="/var/tmp"))
        self._server: pgserver.Server | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._server is not None:
            self._server.stop("immediate")
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

    def _start(self) -> pgserver.Server:
        self._folder.chmod(0o755)
        server = pgserver.Server.create(self._folder / "server", pgserver.make_pristine(self._folder))
        with server.admin() as admin:
            for setting in ("fsync = on", "full_page_writes = on", "wal_level = replica", "shared_buffers = '1GB'"):
                admin.execute(f"ALTER SYSTEM SET {setting}")
            admin.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
            admin.execute("ALTER SYSTEM SET autovacuum = on")
        server.restart()
        return server


def count_rows(url: str) -> int:
    """Rows in ``logs``."""
    engine = sa.create_engine(sync_url(url))
    with engine.connect() as connection:
        count = int(connection.execute(sa.text("SELECT count(*) FROM logs")).scalar_one())
    engine.dispose()
    return count
