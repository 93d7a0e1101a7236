"""Indexes on Postgres: an empty one on the partitioned table, then one partition after the other, ``CONCURRENTLY``.

Partitions that are made meanwhile have it from their birth. What was left invalid by a build that ended is dropped and
built anew; so ``add`` may be run again at any time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from dblog.admin.beside import beside
from dblog.backoff import Backoff
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.store.errors import postgres_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dblog.admin.connection import AdminConnection

__all__ = ["Here"]

# What queries compare (``dblog.query``): a collation is part of it.
_DEFINITIONS: Final = {
    "message": 'USING gin ((message COLLATE "C") gin_trgm_ops)',
    "metadata": 'USING gin ((CAST(metadata AS text) COLLATE "C") gin_trgm_ops)',
    "logger": 'USING btree (lower(logger COLLATE "C"), "timestamp")',
}
_TRIGRAMS: Final = frozenset({"message", "metadata"})
_LOCK_WAIT: Final = 0.05
"""Seconds of one wait for a lock: writers wait behind us as long."""
_PATIENCE: Final = 60.0
_LATER: Final = ("55P03", "40P01")
_HYPERTABLE: Final = (
    "the log table has no partitions of dblog's; on a hypertable it is made by"
    ' CREATE INDEX "{name}" ON {logs} {definition} WITH (timescaledb.transaction_per_chunk)'
)


class Here:
    """What ``dblog.admin.indexes`` asks of a database."""

    @staticmethod
    def states(connection: AdminConnection, kinds: Sequence[str]) -> dict[str, tuple[str, int | None]]:
        """Each one's state and bytes."""
        found = {
            name: ("ready" if valid else "building", size)
            for name, valid, size in connection.rows(
                "SELECT c.relname, x.indisvalid, (SELECT coalesce(sum(pg_relation_size(leaf.relid)), 0)::bigint"
                " FROM pg_partition_tree(x.indexrelid) leaf)"
                " FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = to_regclass(?)",
                connection.logs,
            )
        }
        return {kind: found.get(connection.names.index_on(kind), ("absent", None)) for kind in kinds}

    @staticmethod
    def measured(connection: AdminConnection, kind: str, sample: int) -> tuple[int, float, float, int]:
        """How many entries, bytes of each, how much slower, and how many there are."""
        logs = connection.logs
        rows = connection.value(
            "SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_partition_tree(to_regclass(?)) t"
            " JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf",
            logs,
        )
        _extend(connection, kind)
        took = {}
        with connection.transaction(statement_timeout=120.0):
            connection.run(
                "CREATE TEMP TABLE dblog_sample ON COMMIT DROP AS"  # noqa: S608 - our own
                f' SELECT * FROM {logs} ORDER BY "timestamp" DESC LIMIT {sample}'
            )
            count = connection.value("SELECT count(*) FROM dblog_sample")
            for name in ("dblog_plain", "dblog_indexed"):
                connection.run(f"CREATE TEMP TABLE {name} (LIKE {logs} INCLUDING DEFAULTS) ON COMMIT DROP")
                # As the log table has them, whatever it has besides.
                connection.run(f'CREATE INDEX ON {name} ("timestamp", id)')
                connection.run(f'CREATE INDEX ON {name} (trace_id, "timestamp") WHERE trace_id IS NOT NULL')
                connection.run(f"CREATE INDEX ON {name} (xid)")
            connection.run(f"CREATE INDEX dblog_slowing ON dblog_indexed {_DEFINITIONS[kind]}")
            for name in ("dblog_plain", "dblog_indexed"):
                started = time.perf_counter()
                connection.run(f"INSERT INTO {name} SELECT * FROM dblog_sample")  # noqa: S608 - our own
                took[name] = time.perf_counter() - started
            # As it is built, without what a GIN keeps for later.
            connection.run(f"CREATE INDEX dblog_sized ON dblog_plain {_DEFINITIONS[kind]}")
            size = connection.value("SELECT pg_relation_size('pg_temp.dblog_sized')")
        each = size / count if count else 0.0
        return count, each, took["dblog_indexed"] / max(took["dblog_plain"], 1e-9), max(int(rows), count)

    @staticmethod
    def add(connection: AdminConnection, kind: str, report: Callable[[int], None]) -> None:
        """See ``indexes.add``."""
        _extend(connection, kind)
        name, definition = connection.names.index_on(kind), _DEFINITIONS[kind]
        if not connection.value("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(?)", connection.logs):
            raise ConfigurationError(_HYPERTABLE.format(name=name, logs=connection.logs, definition=definition))
        if Here.states(connection, [kind])[kind][0] == "absent":
            in_turns(connection, f'CREATE INDEX "{name}" ON ONLY {connection.logs} {definition}')
        built = 0
        while partition := _next(connection, name):
            _build(connection, partition, kind)
            built += 1
            report(built)

    @staticmethod
    def drop(connection: AdminConnection, kind: str) -> bool:
        """See ``indexes.drop``."""
        if Here.states(connection, [kind])[kind][0] == "absent":
            return False
        in_turns(connection, f"DROP INDEX {connection.names.qualified(connection.names.index_on(kind))}")
        return True


def _extend(connection: AdminConnection, kind: str) -> None:
    if kind not in _TRIGRAMS or connection.value("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"):
        return
    try:
        connection.run("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except StoreError as error:
        sentence = "the extension pg_trgm is needed: CREATE EXTENSION pg_trgm, as the database's owner or a superuser"
        raise StoreError(ErrorClass.CONFIGURATION, error.code, sentence) from None


def _next(connection: AdminConnection, name: str) -> str | None:
    """A partition that has no index attached to this one, the newest first."""
    found: str | None = connection.value(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = to_regclass(?) AND NOT i.inhdetachpending AND NOT EXISTS ("
        "  SELECT FROM pg_inherits ix JOIN pg_index x ON x.indexrelid = ix.inhrelid"
        "  WHERE ix.inhparent = to_regclass(?) AND x.indrelid = c.oid)"
        " ORDER BY 1 DESC LIMIT 1",
        connection.logs,
        connection.names.qualified(name),
    )
    return found


def _build(connection: AdminConnection, partition: str, kind: str) -> None:
    names = connection.names
    table, own = names.qualified(partition), f"{partition}_{kind}_idx"
    valid = connection.value(
        "SELECT x.indisvalid FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid"
        " WHERE x.indrelid = to_regclass(?) AND c.relname = ?",
        table,
        own,
    )
    session = beside(connection, statement_timeout="0", lock_timeout="0")
    try:
        if valid is False:  # left behind by a build that ended
            session.execute(f"DROP INDEX CONCURRENTLY {names.qualified(own)}")
        if not valid:
            session.execute(f'CREATE INDEX CONCURRENTLY "{own}" ON {table} {_DEFINITIONS[kind]}')
    except Exception as error:  # noqa: BLE001 - classified
        raise postgres_error(error) from None
    finally:
        session.close()
    in_turns(connection, f"ALTER INDEX {names.qualified(names.index_on(kind))} ATTACH PARTITION {names.qualified(own)}")


def in_turns(connection: AdminConnection, statement: str) -> None:
    """Run DDL whose lock keeps writers waiting while it is waited for: 50 ms at a time."""
    pauses, left = Backoff(_LOCK_WAIT, 1.0), _PATIENCE
    while True:
        try:
            with connection.transaction(lock_timeout=_LOCK_WAIT):
                connection.run(statement)
        except StoreError as error:
            if not error.code.startswith(_LATER) or left <= 0:
                raise
        else:
            return
        pause = pauses.next()
        left -= pause
        time.sleep(pause)
