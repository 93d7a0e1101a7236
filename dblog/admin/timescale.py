"""TimescaleDB, where it is in the database: ``logs`` as a hypertable, whose chunks take the place of our partitions.

A chunk is made by its first row, so no day is made ahead. Rows, columns, indexes,
triggers and privileges are what they are without it, and so is all that reads and
writes. What only the licence ``timescale`` allows is asked for by name.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from dblog.admin.partitions import Partition, partitions
from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from dblog.admin.connection import AdminConnection

__all__ = ["compress", "convert", "drop_chunk", "is_hypertable", "whole_days"]

_TABLE: Final = (
    " JOIN pg_class c ON c.oid = to_regclass(?) JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE t.hypertable_schema = n.nspname AND t.hypertable_name = c.relname"
)
_LICENCE: Final = "timescale"
_ENSURE_DAY: Final = """
CREATE OR REPLACE FUNCTION {function}(day date) RETURNS boolean
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $dblog$
    -- A hypertable takes every day; a writer keeps to the same ones as without it.
    SELECT coalesce(day BETWEEN clock_timestamp()::date - 31 AND clock_timestamp()::date + 7, false)
$dblog$
"""
_FACTS: Final = """
SELECT quote_ident(n.nspname), quote_ident(pg_get_userbyid(c.relowner)), pg_has_role(c.relowner, 'MEMBER'),
       (SELECT 'CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE conrelid = c.oid AND contype = 'p'),
       ARRAY(SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
             FROM pg_index WHERE indrelid = c.oid AND NOT indisprimary ORDER BY indexrelid),
       ARRAY(SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal ORDER BY tgname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(?)
"""
_GRANTS: Final = """
SELECT privilege_type || columns, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
       CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM (SELECT '' AS columns, relacl AS acl, relowner AS owner FROM pg_class WHERE oid = to_regclass(?)
      UNION ALL
      SELECT ' (' || quote_ident(attname) || ')', attacl, 0 FROM pg_attribute
      WHERE attrelid = to_regclass(?) AND NOT attisdropped) AS granted, aclexplode(acl)
WHERE grantee <> owner
"""


def _present(connection: AdminConnection) -> bool:
    return connection.postgres and bool(
        connection.value("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")
    )


def is_hypertable(connection: AdminConnection) -> bool:
    """Whether ``logs`` is one."""
    return _present(connection) and bool(
        connection.value(f"SELECT count(*) FROM timescaledb_information.hypertables t{_TABLE}", connection.logs)  # noqa: S608 - a constant
    )


def whole_days(connection: AdminConnection) -> list[Partition]:
    """What can be dropped as a whole, the oldest first: chunks where there are such, else partitions."""
    if not is_hypertable(connection):
        return partitions(connection)
    begin, end = connection.micros("range_start"), connection.micros("range_end")
    found = connection.rows(
        f"SELECT chunk_name, quote_ident(chunk_schema) || '.' || quote_ident(chunk_name), {begin}, {end}"  # noqa: S608 - constants
        f" FROM timescaledb_information.chunks t{_TABLE} ORDER BY range_start",
        connection.logs,
    )
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return [
        Partition(name, (epoch + dt.timedelta(microseconds=begin)).date(), True, 0, end, table, begin)
        for name, table, begin, end in found
    ]


def drop_chunk(connection: AdminConnection, chunk: Partition) -> None:
    """Drop a chunk, in the caller's transaction: of the log table no lock is taken that a writer waits for."""
    connection.run(
        "SELECT drop_chunks(to_regclass(?), older_than => ?::timestamptz, newer_than => ?::timestamptz)",
        connection.logs,
        connection.moment(chunk.end),
        connection.moment(chunk.begin or 0),
    )


def convert(connection: AdminConnection, timeout: float) -> int | None:
    """Make ``logs`` a hypertable of a chunk a day; how many rows it has, None where it is one already.

    In one transaction, for whose time every writer and reader waits. Rows keep their transaction's number, so a
    tail goes on as if nothing had been.

    Args:
        connection: as the tables' owner.
        timeout: seconds one statement may take.

    Raises:
        ConfigurationError: TimescaleDB is not in the database.
        StoreError: the database refused; nothing was changed.
    """
    if not _present(connection):
        raise ConfigurationError("hypertable: TimescaleDB is not in this database: CREATE EXTENSION timescaledb, first")
    if is_hypertable(connection):
        return None
    names, logs = connection.names, connection.logs
    with connection.transaction(lock_timeout=5.0, statement_timeout=timeout):
        connection.run(f"LOCK TABLE {logs} IN ACCESS EXCLUSIVE MODE")
        facts: Any = connection.rows(_FACTS, logs)[0]
        schema, owner, _, key, indexes, triggers = facts
        grants = connection.rows(_GRANTS, logs, logs)
        table, old = f'{schema}."{names.logs}"', f'{schema}."{names.logs}_days"'
        connection.run(f'ALTER TABLE {table} RENAME TO "{names.logs}_days"')
        connection.run(f"CREATE TABLE {table} (LIKE {old} INCLUDING ALL EXCLUDING INDEXES)")
        connection.run(
            "SELECT create_hypertable(to_regclass(?), by_range('timestamp', interval '1 day'),"
            " create_default_indexes => false)",
            table,
        )
        rows = connection.run(f"INSERT INTO {table} SELECT * FROM {old}")  # noqa: S608 - checked names
        connection.run(f"DROP TABLE {old}")
        for statement in (f"ALTER TABLE {table} ADD {key}", *indexes, *triggers):
            connection.run(statement)
        connection.run(f"ALTER TABLE {table} OWNER TO {owner}")
        for privilege, grantee, option in grants:
            connection.run(f"GRANT {privilege} ON {table} TO {grantee}{option}")
        connection.run(_ENSURE_DAY.format(function=f'{schema}."{names.ensure_day}"'))
    return rows


def compress(connection: AdminConnection, after: int) -> None:
    """Have chunks compressed that are older, by TimescaleDB's own job; again, it changes nothing.

    Args:
        connection: as the tables' owner.
        after: seconds.

    Raises:
        ConfigurationError: ``logs`` is no hypertable, or the licence does not allow it.
    """
    if not is_hypertable(connection):
        raise ConfigurationError("compress: the log table is no hypertable: dblog maintain --hypertable makes it one")
    licence = connection.value("SELECT current_setting('timescaledb.license', true)")
    if licence != _LICENCE:
        sentence = f"compress: the server's TimescaleDB has the licence {licence}, which does not allow it"
        raise ConfigurationError(f"{sentence}: it takes timescaledb.license = {_LICENCE}")
    if connection.value(
        f"SELECT count(*) FROM timescaledb_information.hypertables t{_TABLE} AND t.compression_enabled",  # noqa: S608 - a constant
        connection.logs,
    ):
        return
    with connection.transaction():
        connection.run(
            f"ALTER TABLE {connection.logs} SET (timescaledb.enable_columnstore,"
            " timescaledb.segmentby = 'service', timescaledb.orderby = 'timestamp DESC, id DESC')"
        )
        connection.run(
            "CALL add_columnstore_policy(to_regclass(?), after => make_interval(secs => ?), if_not_exists => true)",
            connection.logs,
            after,
        )
