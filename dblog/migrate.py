"""Bring a database to dblog's schema, and say where it stands. The only module here that imports Alembic.

Each call opens one connection and closes it. Nothing configures logging, and no
error carries a password.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from dblog import drift
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.grants import grants
from dblog.names import DEFAULT_TABLE, names_for
from dblog.reading.failures import driver_error, failure
from dblog.reading.sqlite_opening import engine_to_read
from dblog.spans import untraced
from dblog.store.errors import postgres_error
from dblog.store.errors_clickhouse import clickhouse_error
from dblog.url import require_driver, safe_url, sync_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    Target: TypeAlias = str | URL | Engine | AsyncEngine

__all__ = ["Check", "Step", "check", "current", "downgrade", "grants", "upgrade"]

# Alembic hands its context around in module globals.
_one_at_a_time = threading.Lock()

_CONNECT_TIMEOUT = "10"
_FILE_MODE = 0o600
_LOOK = 1.0
"""Seconds for an answer that needs no login."""


@dataclass(frozen=True, slots=True)
class Step:
    """One revision that has just been applied or taken back."""

    revision: str
    title: str
    upgrade: bool
    seconds: float

    def __str__(self) -> str:
        word = "upgraded to" if self.upgrade else "took back"
        return f"{word} {self.revision} ({self.title.rstrip('.')}) in {self.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class Check:
    """Where a database stands."""

    current: str | None
    """Its revision; None when dblog's tables are not there."""
    head: str
    """The newest revision this dblog knows."""
    known: bool
    """Whether this dblog knows ``current``; a newer dblog's revision is not known."""
    differences: tuple[str, ...] = ()
    """What is not as head has it (ClickHouse, where Alembic cannot see it)."""

    @property
    def ok(self) -> bool:
        """Nothing to do: at head, or ahead of it (a writer copes with a newer schema)."""
        return self.current is not None and not self.differences and (self.current == self.head or not self.known)

    def __str__(self) -> str:
        if self.current is None:
            return f"the schema is not there (head is {self.head}): run `dblog upgrade`"
        if not self.known:
            return f"the schema is at {self.current}, newer than this dblog knows (head is {self.head})"
        if self.current == self.head:
            differs = "".join(f"\n  {difference}" for difference in self.differences)
            return f"the schema is at head ({self.head})" + (f", but differs from it:{differs}" if differs else "")
        return f"the schema is at {self.current}, behind head ({self.head}): run `dblog upgrade`"


def upgrade(
    url_or_engine: Target,
    *,
    revision: str = "head",
    schema: str | None = None,
    table: str = DEFAULT_TABLE,
    progress: Callable[[Step], None] | None = None,
) -> None:
    """Upgrade to a revision; several processes may do so at once.

    In one transaction, but for ClickHouse, which has none: what fails half-way there is run again.
    A missing SQLite file is made, readable by its owner only; a missing schema of Postgres or database that
    ``schema`` names on ClickHouse too.

    Raises:
        ConfigurationError: a bad URL or name, an unknown revision, or a table of ours that somebody else made.
        StoreError: the database refused or could not be reached.
    """
    _run(command.upgrade, url_or_engine, revision, schema=schema, table=table, progress=progress)


def downgrade(
    url_or_engine: Target,
    *,
    revision: str = "base",
    schema: str | None = None,
    table: str = DEFAULT_TABLE,
    progress: Callable[[Step], None] | None = None,
) -> None:
    """Take revisions back; ``"base"`` drops the tables with **all their rows**, and the version table.

    Raises:
        ConfigurationError: as ``upgrade``.
        StoreError: as ``upgrade``.
    """
    _run(command.downgrade, url_or_engine, revision, schema=schema, table=table, progress=progress)


def current(url_or_engine: Target, *, schema: str | None = None, table: str = DEFAULT_TABLE) -> str | None:
    """The database's revision, or None when dblog's tables are not there. Creates nothing.

    Raises:
        ConfigurationError: a bad URL or name.
        StoreError: the database could not be reached.
    """
    with _engine(url_or_engine, reading=True) as engine:
        names = names_for(schema, table, dialect=_dialect(engine))
        file = engine.url.database if engine.dialect.name == "sqlite" else None
        if file and not file.startswith("file:") and _is_missing(file):
            return None
        with _connected(engine) as connection:
            if _dialect(engine) == "clickhouse":
                return drift.revision(connection, names)
            options = {"version_table": names.version, "version_table_schema": names.schema}
            return MigrationContext.configure(connection, opts=options).get_current_revision()


def _is_missing(file: str) -> bool:
    try:
        return not Path(file).exists()
    except OSError:  # told better by who opens it
        return False


def check(url_or_engine: Target, *, schema: str | None = None, table: str = DEFAULT_TABLE) -> Check:
    """Whether the schema is at head; see ``Check.ok`` and ``str(check)``.

    Raises:
        ConfigurationError: a bad URL or name.
        StoreError: the database could not be reached.
    """
    at = current(url_or_engine, schema=schema, table=table)
    with _engine(url_or_engine) as engine:
        dialect = _dialect(engine)
        scripts = ScriptDirectory.from_config(_config(dialect))
        head = str(scripts.get_current_head())
        known = {script.revision for script in scripts.walk_revisions()}
        differences: tuple[str, ...] = ()
        if dialect == "clickhouse" and at == head:
            with _connected(engine) as connection:
                differences = drift.differences(connection, names_for(schema, table, dialect=dialect))
    return Check(current=at, head=head, known=at in known, differences=differences)


def _dialect(engine: Engine) -> str:
    return {"clickhousedb": "clickhouse"}.get(engine.dialect.name, engine.dialect.name)


def _config(dialect: str) -> Config:
    config = Config()
    chain = "clickhouse" if dialect == "clickhouse" else ""
    config.set_main_option("script_location", f"dblog_migrations:{chain}")
    return config


def _run(
    action: Callable[[Config, str], None],
    target: Target,
    revision: str,
    *,
    schema: str | None,
    table: str,
    progress: Callable[[Step], None] | None,
) -> None:
    with _one_at_a_time, _engine(target) as engine:
        config = _config(_dialect(engine))
        names_for(schema, table, dialect=_dialect(engine))
        _create_file(engine)
        with _connected(engine) as connection:
            config.attributes.update(connection=connection, schema=schema, table=table, on_step=_reporter(progress))
            try:
                action(config, revision)
            except CommandError as error:
                raise ConfigurationError(str(error)) from None


def _reporter(progress: Callable[[Step], None] | None) -> Callable[[Any], None]:
    since = time.monotonic()

    def report(step: Any) -> None:
        nonlocal since
        took, since = time.monotonic() - since, time.monotonic()
        if progress is not None:
            script = step.up_revision
            progress(Step(script.revision, script.doc, step.is_upgrade, took))

    return report


@contextlib.contextmanager
def _engine(target: Target, *, reading: bool = False) -> Iterator[Engine]:
    """The engine to work through: the caller's, unless it is asynchronous, else one of our own. Never traced."""
    given: Any = getattr(target, "sync_engine", target)
    if isinstance(given, sa.Engine) and not given.dialect.is_async:
        with untraced():
            yield given
        return
    url = sync_url(given.url if isinstance(given, sa.Engine) else given)
    require_driver(url)
    bounded = url.get_backend_name() != "postgresql" or "connect_timeout" in url.query
    given = {} if bounded else {"connect_timeout": _CONNECT_TIMEOUT}
    with untraced():
        if reading and url.get_backend_name() == "sqlite" and not url.query:
            engine = engine_to_read(url, float(_CONNECT_TIMEOUT))
        else:
            engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args=given)
        try:
            yield engine
        finally:
            engine.dispose()


@contextlib.contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except sa.exc.DBAPIError as error:
        raise _refused(error, engine) from None
    try:
        with connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise _explained(error, engine) from None


def _refused(error: sa.exc.DBAPIError, engine: Engine) -> StoreError:
    """There is no connection: said as a reader says it."""
    cause = driver_error(error) or error
    if _dialect(engine) == "clickhouse":
        return failure(clickhouse_error(cause), "clickhouse", safe_url(engine.url.set(drivername="clickhouse")))
    if engine.dialect.name == "sqlite":
        return failure(cause, "sqlite", str(engine.url.database), connecting=True)
    known = postgres_error(cause, answer=_answer(engine))
    return failure(known, "postgresql", safe_url(engine.url.set(drivername="postgresql")), connecting=True)


def _answer(engine: Engine) -> str | None:
    """What the server says to somebody at its door, for libpq keeps its SQLSTATE to itself; see ``probe.ask``."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - an optional extra

    from dblog.store.probe import ask  # noqa: PLC0415 - as above

    _, parameters = engine.url.get_dialect()().create_connect_args(engine.url)
    known = {name: value for name, value in parameters.items() if name not in {"password", "sslpassword"}}
    try:
        return ask(make_conninfo("", **known), _LOOK)
    except Exception:  # noqa: BLE001 - a look, nothing more
        return None


def _explained(error: sa.exc.DBAPIError, engine: Engine) -> StoreError:
    """The driver's first sentence, without the statement, its parameters or the password."""
    if _dialect(engine) == "clickhouse":
        known = clickhouse_error(error)
        return StoreError(
            known.kind, known.code, f"{str(known).removeprefix(f'{known.code}: ')} ({safe_url(engine.url)})"
        )
    origin = error.orig
    code = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    sentence = (str(origin).strip().splitlines() or [type(origin).__name__])[0]
    if engine.url.password:
        sentence = sentence.replace(str(engine.url.password), "***")
    passing = isinstance(error, sa.exc.OperationalError) and not str(code or "").startswith(("28", "3D", "42"))
    kind = ErrorClass.RECONNECT if passing else ErrorClass.CONFIGURATION
    return StoreError(kind, str(code or type(origin).__name__), f"{sentence} ({safe_url(engine.url)})")


def _create_file(engine: Engine) -> None:
    """Make a missing SQLite file ourselves: SQLite would leave it readable by everybody."""
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or path.startswith((":", "file:")):
        return
    # An error here is told better by SQLite, a moment later.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE))
