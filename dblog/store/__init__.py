"""The databases a writer can store to. The only rooms of the write side that know SQLAlchemy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dblog.errors import ConfigurationError
from dblog.names import names_for
from dblog.url import dialect_of, require_driver, sync_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.options import Options
    from dblog.sink import Origin, Sink

__all__ = ["identity", "opener"]


def opener(
    target: Any,
    options: Options,
    password: str | Callable[[], str] | None = None,
    password_file: str | os.PathLike[str] | None = None,
) -> Callable[[Origin], Sink]:
    """What makes the sink of a writer, for this process and for every child it forks.

    Everything that can be wrong with the target is found here; the sinks it makes connect at their first use,
    so making one in a fork hook is a few assignments.

    Args:
        target: a database URL, a SQLAlchemy Engine or an AsyncEngine.
        options: the handler's.
        password: for the URL; a callable is asked at each connect.
        password_file: read at each connect.

    Raises:
        ConfigurationError: the URL cannot be used, or an option does not fit its database.
        MissingExtraError: the driver is not installed.
    """
    from dblog.store.connect import Target  # noqa: PLC0415 - loads SQLAlchemy

    if isinstance(target, str):
        url = sync_url(target)
        engine = None
    else:
        engine = getattr(target, "sync_engine", target)
        if not hasattr(engine, "url"):
            msg = f"engine={type(target).__name__} is not a SQLAlchemy Engine: give create_engine(…) or a URL"
            raise ConfigurationError(msg)
        url = sync_url(engine.url)
        if password is not None or password_file is not None:
            option = "password" if password is not None else "password_file"
            raise ConfigurationError(f"{option} is for url=: engine= brings its own, or give the URL instead")
    require_driver(url)
    dialect = dialect_of(url)
    names = names_for(options.schema, options.table, dialect=dialect)
    if dialect == "sqlite":
        from dblog.store.sqlite import SQLiteSink  # noqa: PLC0415 - see above

        sqlite_target = Target(url, engine, options)
        return lambda origin: SQLiteSink(sqlite_target, names, options, origin)
    if options.retention is not None or options.max_bytes is not None:
        option = "retention" if options.retention is not None else "max_bytes"
        instead = "drop day partitions from a scheduled job" if dialect == "postgresql" else "give the table a TTL"
        database = "Postgres" if dialect == "postgresql" else "ClickHouse"
        raise ConfigurationError(f"{option} is for SQLite: on {database}, {instead}")
    server_target = Target(url, engine, options, password, password_file)
    if dialect == "clickhouse":
        from dblog.store.clickhouse import ClickHouseSink  # noqa: PLC0415 - see above

        return lambda origin: ClickHouseSink(server_target, names, options, origin)
    from dblog.store.postgres import PostgresSink  # noqa: PLC0415 - see above

    return lambda origin: PostgresSink(server_target, names, options, origin)


def identity(target: Any, options: Options) -> tuple[object, ...]:
    """What tells one place to store to from another, without its credentials; for a target ``opener`` has taken.

    An engine with a creator of its own is known by its URL all the same.
    """
    url = sync_url(target if isinstance(target, str) else getattr(target, "sync_engine", target).url)
    dialect = dialect_of(url)
    if dialect == "sqlite":
        file = str(url.database).removeprefix("file:").partition("?")[0]
        return dialect, os.path.realpath(file), options.table
    where = url.host or url.query.get("host") or url.query.get("service") or url.query.get("path")
    return dialect, where, url.port or url.query.get("port"), url.database, options.schema, options.table
