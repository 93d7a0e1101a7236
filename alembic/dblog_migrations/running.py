"""What ``env.py`` does, as functions: it is executed at every Alembic command, this is imported once.

Postgres and SQLite both run a whole upgrade in one transaction, under a lock, so that
several replicas of a service may start with ``dblog upgrade`` at the same time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import context
from alembic.util import CommandError

from dblog.errors import ConfigurationError, DblogError
from dblog.schema import metadata_for, names_for
from dblog.url import dialect_of, require_driver, sync_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alembic.runtime.migration import MigrationInfo

    from dblog.schema import Names

__all__ = [
    "arguments",
    "as_command_error",
    "connect_and_run",
    "current_names",
    "given_url",
    "noted_in",
    "offline",
    "online",
    "scope",
]

# One number per version table would let two upgrades of one schema pass each other: "dblog" in ASCII.
_LOCK = 0x64626C6F67


def current_names(dialect: str) -> Names:
    """The names this run works on, from ``config.attributes`` or ``-x``."""
    given = arguments()
    attributes = context.config.attributes
    schema = attributes.get("schema") or given.get("schema") or None
    table = attributes.get("table") or given.get("table") or "logs"
    return names_for(schema, table, dialect=dialect)


def as_command_error(run: Callable[[], None]) -> None:
    """Run, and let Alembic's own command line say a user's mistake in one line."""
    try:
        run()
    except DblogError as error:
        raise CommandError(str(error)) from None


def connect_and_run() -> None:
    """Run on a connection of our own, as plain ``alembic upgrade head`` does."""
    url = sync_url(given_url())
    _refuse_clickhouse(url)
    require_driver(url)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        online(connection)


def noted_in(downgraded: list[bool]) -> Any:
    """What Alembic calls for each revision: whether it went down is noted, and the command told."""

    def applied(*, step: MigrationInfo, **_: Any) -> None:
        downgraded.append(not step.is_upgrade)
        if (report := context.config.attributes.get("on_step")) is not None:
            report(step)

    return applied


def online(connection: sa.Connection) -> None:
    """Run the command's revisions on this connection, and commit them."""
    dialect = connection.dialect.name
    names = current_names(dialect)
    with connection.begin():
        default = sa.inspect(connection).default_schema_name if dialect == "postgresql" else None
    downgraded: list[bool] = []
    context.configure(
        connection=connection,
        transactional_ddl=True,
        compare_server_default=True,
        on_version_apply=noted_in(downgraded),
        render_as_batch=dialect == "sqlite",
        # Reflection calls the default schema None, so the metadata has to.
        include_schemas=names.schema not in (None, default),
        **scope(dialect, names, None if names.schema == default else names.schema),
    )
    with context.begin_transaction():
        _lock(connection, names)
        context.run_migrations()
        if any(downgraded) and not context.get_context().get_current_heads():
            connection.execute(sa.text(f"DROP TABLE {names.qualified(names.version)}"))


def offline() -> None:
    """Print the SQL of a run (``--sql``); the URL, or just its scheme, tells the dialect."""
    _refuse_clickhouse(given_url())
    dialect = dialect_of(given_url())
    names = current_names(dialect)
    if dialect == "postgresql" and names.schema is None:
        msg = "--sql cannot ask the database for its schema: name it, for instance -x schema=public"
        raise ConfigurationError(msg)
    context.configure(
        dialect_name=dialect,
        literal_binds=True,
        transactional_ddl=True,
        **scope(dialect, names, names.schema),
    )
    with context.begin_transaction():
        context.run_migrations()


def _refuse_clickhouse(url: str | sa.URL) -> None:
    if dialect_of(url) == "clickhouse":
        raise ConfigurationError("ClickHouse has a chain of its own: use script_location = dblog_migrations:clickhouse")


def scope(dialect: str, names: Names, schema: str | None) -> dict[str, Any]:
    """What keeps Alembic within our tables: an application's and the partitions are not its business."""

    def include_name(name: str | None, kind: str, _: Mapping[str, str | None]) -> bool:
        if kind == "schema":
            return name == schema
        return kind != "table" or name in {*names.tables, *names.rollups}

    optional = {names.index_on(kind) for kind in ("message", "metadata", "logger")}

    def include_object(_: Any, name: str | None, kind: str, *__: Any) -> bool:
        return kind != "index" or name not in optional  # who wants them has them from `dblog index`

    return {
        "target_metadata": metadata_for(dialect, schema=schema, table=names.logs),
        "version_table": names.version,
        "version_table_schema": names.schema,
        "include_name": include_name,
        "include_object": include_object,
    }


def _lock(connection: sa.Connection, names: Names) -> None:
    """Wait for another upgrade of the same database, then make sure of the schema."""
    if connection.dialect.name == "sqlite":
        # sqlite3 opens no transaction before DDL by itself, and half an upgrade is worse than none.
        if not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]  # it is connected
            # Of a file that is empty yet: its pages can be given back singly from then on (`dblog maintain`).
            connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if names.schema is not None and names.schema not in sa.inspect(connection).get_schema_names():
        # Not IF NOT EXISTS alone: that asks for the privilege even where the schema exists.
        connection.execute(sa.schema.CreateSchema(names.schema))


def given_url() -> str:
    """The database named by ``-x``, ``DBLOG_URL`` or an ``alembic.ini``."""
    config = context.config
    url = arguments().get("url") or os.environ.get("DBLOG_URL")
    # Under [tool.alembic] alone there is no ini file, and asking it for an option raises.
    if not url and config.config_file_name is not None and Path(config.config_file_name).exists():
        url = config.get_main_option("sqlalchemy.url")
    if not url:
        msg = "no database named: give -x url=..., DBLOG_URL, or sqlalchemy.url in alembic.ini"
        raise ConfigurationError(msg)
    return url


def arguments() -> dict[str, str]:
    """What ``-x`` gives."""
    return context.get_x_argument(as_dictionary=True)
