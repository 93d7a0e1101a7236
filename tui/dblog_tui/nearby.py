"""Databases with logs that lie nearby: SQLite files of this folder, what the environment names, and profiles.

A file is opened read-only, and only to see whether a log is in it and how old its newest entry is. A server is not
asked: a start screen must not wait for one, nor log in anywhere by itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dblog.cli.profiles import Database, Profiles, config_path
from dblog.errors import ConfigurationError, StoreUnavailable
from dblog.names import DEFAULT_TABLE
from dblog.safe_url import safe_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LOOKED_IN", "Found", "about", "look"]

LOOKED_IN: Final = "./*.db  ./logs/*.db  $DBLOG_URL  $DATABASE_URL  profiles of dblog"
_PATTERNS: Final = ("*.db", "*.sqlite", "*.sqlite3", "logs/*.db", "logs/*.sqlite", "logs/*.sqlite3")
_VARIABLES: Final = ("DBLOG_URL", "DATABASE_URL")
_MOST: Final = 9
"""As many as there are keys for."""
_MOST_FILES: Final = 200
_SCHEMES: Final = {"postgres": "PostgreSQL", "sqlite": "SQLite", "clickhouse": "ClickHouse"}
"""How a URL begins → whose it is."""
_WAIT: Final = 0.2
"""Seconds a file's lock is waited for."""


@dataclass(frozen=True, slots=True)
class Found:
    """A database, and what was seen of it."""

    database: Database
    name: str
    """As people call it: a path, a variable, a profile."""
    kind: str
    """``SQLite``, ``PostgreSQL``, ``ClickHouse`` or what is wrong with it."""
    size: int | None = None
    """Bytes; of a file."""
    newest: int | None = None
    """µs since 1970 UTC, of the newest entry; None: not looked at, or none."""
    looked: bool = False
    """The database was opened; a table of logs is in it."""


def look(folder: Path | None = None, environment: Mapping[str, str] = os.environ) -> list[Found]:
    """What there is: files with the newest entries first, then the environment's, then profiles; nine at most."""
    files = sorted(_files(folder or Path()), key=lambda found: -(found.newest or 0))
    found = [*files[:_MOST], *_variables(environment), *_profiles(environment)]
    once = {each.database.url: each for each in reversed(found)}
    return [each for each in found if once.get(each.database.url) is each][:_MOST]


def _files(folder: Path) -> Iterator[Found]:
    paths = [path for pattern in _PATTERNS for path in sorted(folder.glob(pattern))]
    for path in paths[:_MOST_FILES]:
        with contextlib.suppress(OSError):
            if (found := about(path)) is not None:
                yield found


def about(path: Path, table: str = DEFAULT_TABLE) -> Found | None:
    """What a file holds; None where no log is in it, or nobody may say.

    Raises:
        OSError: the file cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return None
    resolved = path.resolve()
    if "?" in str(resolved):  # a URL could not hold it
        return None
    try:
        newest = _newest(resolved, table)
    except (sqlite3.Error, StoreUnavailable):
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None
        return None
    size = sum(each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists())
    return Found(Database(f"sqlite:///{resolved}"), str(path), "SQLite", size, newest, looked=True)


def _newest(path: Path, table: str) -> int | None:
    """The time of the newest entry.

    Raises:
        sqlite3.Error: no log is in it.
    """
    from dblog.reading.sqlite_opening import Opening  # noqa: PLC0415 - loads SQLAlchemy

    # By SQLite alone, which keeps the locks of others in this process: whoever closes the file beside it drops them.
    with contextlib.closing(Opening(str(path), _WAIT).open(mend=False).connection) as connection:
        name = table.replace('"', '""')
        query = f'SELECT timestamp, severity, trace_id FROM "{name}" ORDER BY timestamp DESC LIMIT 1'  # noqa: S608 - a name
        row = connection.execute(query).fetchone()
    return row[0] if row and isinstance(row[0], int) else None


def _variables(environment: Mapping[str, str]) -> Iterator[Found]:
    for name in _VARIABLES:
        url = environment.get(name, "")
        if url.startswith(tuple(_SCHEMES)):
            yield _server(Database(url), f"${name}")


def _profiles(environment: Mapping[str, str]) -> Iterator[Found]:
    with contextlib.suppress(ConfigurationError):
        profiles = Profiles.read(config_path(environment))
        for name in profiles.tables:
            with contextlib.suppress(ConfigurationError):  # a mistake in one does not bar the others
                yield _server(profiles.get(name), name)


def _server(database: Database, name: str) -> Found:
    kind = next((name for scheme, name in _SCHEMES.items() if database.url.startswith(scheme)), "PostgreSQL")
    return Found(database, name, f"{kind}  {safe_url(database.url)}")
