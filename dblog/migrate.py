"""Bring a database to dblog's schema, and say where it stands. The only module here that imports Alembic.

Each call opens one connection and closes it. Nothing configures logging, and no
error carries a password.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from dblog import drift
from dblog.errors import ConfigurationError
from dblog.grants import grants
from dblog.names import DEFAULT_TABLE, names_for
from dblog.reading.sqlite_opening import engine_to_read
from dblog.refusals import dialect_name, explained, refused
from dblog.revisions import Check, Step
from dblog.spans import untraced
from dblog.store.clickhouse_quiet import quietly
from dblog.url import require_driver, sync_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    Target: TypeAlias = str | URL | Engine | AsyncEngine

__all__ = ["Check", "Step", "check", "cluster_sql", "current", "downgrade", "grants", "init_cluster", "upgrade"]

# Alembic hands its context around in module globals.
_one_at_a_time = threading.Lock()

_CONNECT_TIMEOUT = "10"
_FILE_MODE = 0o600


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


def init_cluster(
    url: str | URL,
    *,
    cluster: str,
    schema: str | None = None,
    table: str = DEFAULT_TABLE,
    progress: Callable[[Step], None] | None = None,
) -> None:
    """Make dblog's tables on every node of a cluster of ClickHouse: replicated in each shard, and one over them all.

    In the database ``schema`` names, else the URL's, made where it is not there.

    Raises:
        ConfigurationError: as ``upgrade``; another database than ClickHouse, or a name that can be no cluster's.
        StoreError: as ``upgrade``.
    """
    url, schema = _clustered(url, schema)
    _run(command.upgrade, url, "head", schema=schema, table=table, progress=progress, cluster=cluster)


def cluster_sql(url: str | URL, *, cluster: str, schema: str | None = None, table: str = DEFAULT_TABLE) -> str:
    """What ``init_cluster`` runs, as SQL; nothing is connected to.

    Raises:
        ConfigurationError: as ``init_cluster``.
    """
    _, schema = _clustered(url, schema)
    names_for(schema, table, dialect="clickhouse")
    config = _config("clickhouse")
    config.output_buffer = written = io.StringIO()
    config.attributes.update(schema=schema, table=table, cluster=cluster)
    with _one_at_a_time, _said_in_short():
        command.upgrade(config, "head", sql=True)
    return written.getvalue()


def _clustered(url: str | URL, schema: str | None) -> tuple[URL, str | None]:
    """A URL to connect to while its database is not there, and that database as the schema."""
    mapped = sync_url(url)
    if mapped.get_backend_name() != "clickhousedb":
        raise ConfigurationError("only ClickHouse has clusters here: give clickhouse://user:password@host/database")
    return mapped._replace(database=None), schema or mapped.database or None


def current(url_or_engine: Target, *, schema: str | None = None, table: str = DEFAULT_TABLE) -> str | None:
    """The database's revision, or None when dblog's tables are not there. Creates nothing.

    Raises:
        ConfigurationError: a bad URL or name.
        StoreError: the database could not be reached.
    """
    with _engine(url_or_engine, reading=True) as engine:
        names = names_for(schema, table, dialect=dialect_name(engine))
        file = engine.url.database if engine.dialect.name == "sqlite" else None
        if file and not file.startswith("file:") and _is_missing(file):
            return None
        with _connected(engine) as connection:
            if dialect_name(engine) == "clickhouse":
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
        dialect = dialect_name(engine)
        scripts = ScriptDirectory.from_config(_config(dialect))
        head = str(scripts.get_current_head())
        known = {script.revision for script in scripts.walk_revisions()}
        differences: tuple[str, ...] = ()
        if dialect == "clickhouse" and at == head:
            with _connected(engine) as connection:
                differences = drift.differences(connection, names_for(schema, table, dialect=dialect))
    return Check(current=at, head=head, known=at in known, differences=differences)


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
    cluster: str | None = None,
) -> None:
    with _one_at_a_time, _engine(target) as engine:
        config = _config(dialect_name(engine))
        names_for(schema, table, dialect=dialect_name(engine))
        _create_file(engine)
        with _connected(engine) as connection:
            config.attributes.update(connection=connection, schema=schema, table=table, on_step=_reporter(progress))
            config.attributes["cluster"] = cluster
            with _said_in_short():
                action(config, revision)


@contextlib.contextmanager
def _said_in_short() -> Iterator[None]:
    try:
        yield
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
        with untraced(), quietly():
            yield given
        return
    url = sync_url(given.url if isinstance(given, sa.Engine) else given)
    require_driver(url)
    given = _connect_arguments(url)
    with untraced(), quietly():
        if reading and url.get_backend_name() == "sqlite" and not url.query:
            engine = engine_to_read(url, float(_CONNECT_TIMEOUT))
        else:
            engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args=given)
        try:
            yield engine
        finally:
            engine.dispose()


def _connect_arguments(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite" or url.query.get("interface") == "chdb":
        return {}
    # A session would tie every statement to one node behind a load balancer.
    given: dict[str, Any] = {"autogenerate_session_id": False} if url.get_backend_name() == "clickhousedb" else {}
    return given if "connect_timeout" in url.query else given | {"connect_timeout": _CONNECT_TIMEOUT}


@contextlib.contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except sa.exc.DBAPIError as error:
        raise refused(error, engine) from None
    try:
        with connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise explained(error, engine) from None


def _create_file(engine: Engine) -> None:
    """Make a missing SQLite file ourselves: SQLite would leave it readable by everybody."""
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or path.startswith((":", "file:")):
        return
    # An error here is told better by SQLite, a moment later.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE))
