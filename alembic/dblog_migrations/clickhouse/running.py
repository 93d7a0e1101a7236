"""What the environment for ClickHouse does, as functions.

There are no transactions and no locks: a run that fails stops half-way and is run
again, and two runs may meet. So every statement of a revision is one that may be
executed twice (IF NOT EXISTS), and the version table is one in which the same row
twice is one row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from dblog.errors import ConfigurationError
from dblog.url import require_driver, sync_url
from dblog_migrations.clickhouse.place import Place, current_cluster
from dblog_migrations.running import arguments, current_names, given_url, noted_in, scope

__all__ = ["connect_and_run", "current_place", "offline", "online"]


def current_place() -> Place:
    """Where the revision under way makes its tables."""
    place: Place = context.get_context().opts["dblog_place"]
    return place


def connect_and_run() -> None:
    """Run on a connection of our own, as plain ``alembic upgrade head`` does."""
    url = sync_url(given_url())
    require_driver(url)
    if url.get_backend_name() != "clickhousedb":
        raise ConfigurationError("these revisions are for ClickHouse: use script_location = dblog_migrations:")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        online(connection)


def online(connection: sa.Connection) -> None:
    """Run the command's revisions on this connection."""
    connection = connection.execution_options(settings={"final": 1})
    names = current_names("clickhouse")
    default = connection.exec_driver_sql("SELECT currentDatabase()").scalar()
    place = Place(names, _cluster() or current_cluster(connection, names))
    if names.schema is not None:
        connection.exec_driver_sql(_database(place))
    downgraded: list[bool] = []
    context.configure(
        connection=connection,
        transactional_ddl=False,
        on_version_apply=noted_in(downgraded),
        include_schemas=names.schema not in {None, default},
        dblog_place=place,
        **scope("clickhouse", names, None if names.schema == default else names.schema),
    )
    with context.begin_transaction():
        context.run_migrations()
        if any(downgraded) and not context.get_context().get_current_heads():
            drop_table(connection, place, names.version)


def offline() -> None:
    """Print the SQL of a run (``--sql``)."""
    names = current_names("clickhouse")
    context.configure(
        dialect_name="clickhousedb",
        literal_binds=True,
        transactional_ddl=False,
        dblog_place=(place := Place(names, _cluster())),
        **scope("clickhouse", names, names.schema),
    )
    with context.begin_transaction():
        if names.schema is not None:
            context.execute(_database(place))
        context.run_migrations()


def _database(place: Place) -> str:
    return f'CREATE DATABASE IF NOT EXISTS "{place.names.schema}"{place.on_cluster}'


def drop_table(connection: sa.Connection, place: Place, table: str) -> None:
    """Drop a table at once: its replicas' paths in Keeper are free when this returns."""
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {place.names.qualified(table)}{place.on_cluster} SYNC")


def _cluster() -> str | None:
    given: str | None = context.config.attributes.get("cluster")
    return arguments().get("cluster") or None if given is None else given
