"""Delete rows of ``logs`` in short transactions, so that no writer waits long, and say who did."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from dblog.admin import erasing_clickhouse
from dblog.admin.storing import Storing, made_id
from dblog.entry import LogEntry
from dblog.errors import ErrorClass, StoreError
from dblog.store.retention_row import AUDIT_LOGGER, who

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from dblog.admin.connection import AdminConnection

__all__ = ["AUDIT_LOGGER", "Bound", "Deleting", "Key", "audit", "digest", "may_delete"]

Key: TypeAlias = "tuple[int, UUID]"
"""Timestamp in µs, and id."""

_MOST: Final = 5000
"""Rows of one transaction at most."""
_LEAST, _FIRST = 20, 200
_TARGET: Final = 0.03
"""Seconds one transaction should take on SQLite, where every writer waits for it."""
_PAUSE: Final = 0.01
_TRIES: Final = 5
_GRANT: Final = (
    "this role may not delete log rows: run it as the role of `dblog grants --admin`,"
    " or GRANT SELECT, INSERT, DELETE ON {logs}, {letters}, {instances} to it"
)
_GRANT_CLICKHOUSE: Final = (
    "this user may not delete log rows: run it as the user of `dblog grants --admin`,"
    " or GRANT SELECT, INSERT, ALTER DELETE to it on each of {logs}, {letters}, {instances}"
)


class Bound(NamedTuple):
    """The rows that were there at a moment, by the order of commits: clocks can be set, and files copied."""

    condition: str
    parameter: object

    @classmethod
    def now(cls, connection: AdminConnection) -> Bound:
        """Those that are there now."""
        if not connection.postgres:
            last = f"SELECT coalesce(max(ingest_seq), 0) FROM {connection.logs}"  # noqa: S608 - a checked name
            return cls("ingest_seq <= ?", connection.value(last))
        return cls(
            "(pg_visible_in_snapshot(xid, CAST(CAST(? AS text) AS pg_snapshot))"
            # A number this server has not given yet: the row was restored from a dump of another one.
            " OR xid >= pg_snapshot_xmax(pg_current_snapshot()))",
            connection.value("SELECT CAST(pg_current_snapshot() AS text)"),
        )


class Deleting:
    """Deletes rows in steps that adapt to the database's speed.

    Args:
        connection: of a role that may delete.
        bound: only the rows that were there then.
        sleep: between two steps, so that writers get their turn.
    """

    def __init__(
        self,
        connection: AdminConnection,
        bound: Bound | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._bound = "" if bound is None else f" AND {bound.condition}"
        self._bounds: tuple[object, ...] = () if bound is None else (bound.parameter,)
        self._sleep = sleep
        self.size = _MOST if connection.postgres else _FIRST
        """Rows of the next step."""

    def delete(self, keys: Sequence[Key]) -> int:
        """Delete these rows; how many there were."""
        gone = start = 0
        while start < len(keys):
            some = keys[start : start + self.size]
            gone += self._step(lambda some=some: self._delete(some), len(some))  # type: ignore[misc]  # mypy cannot type a bound default
            start += len(some)
        return gone

    def left(self, keys: Sequence[Key]) -> int:
        """How many of these rows are there, and were at the bound."""
        connection = self._connection
        if connection.postgres:
            source, condition, parameters = self._matching(keys)
            return int(
                connection.value(f"SELECT count(*) FROM {connection.logs} AS log, {source}{condition}", *parameters)  # noqa: S608 - a checked name
            )
        statement = f"SELECT count(*) FROM {connection.logs} WHERE timestamp = ? AND id = ?{self._bound}"  # noqa: S608 - as above
        return sum(connection.value(statement, moment, key.bytes, *self._bounds) for moment, key in keys)

    def delete_where(self, condition: str, *parameters: object) -> int:
        """Delete the rows a condition on columns is true of, which were there when their turn came; how many.

        They are looked for outside of the transaction that deletes them: on SQLite nobody waits for that.
        """
        connection = self._connection
        place: tuple[object, object] | None = None
        gone = 0
        while True:
            after = "" if place is None else " AND (timestamp, id) > (?, ?)"
            found = connection.rows(
                f"SELECT {connection.micros('timestamp')}, id FROM {connection.logs} WHERE {condition}{after}"  # noqa: S608 - our own
                f" ORDER BY timestamp, id LIMIT {self.size}",
                *parameters,
                *(place or ()),
            )
            if not found:
                return gone
            keys = [(int(moment), connection.uuid(identity)) for moment, identity in found]
            place = connection.moment(keys[-1][0]), connection.identity(keys[-1][1])
            gone += self.delete(keys)

    def delete_old(self, table: str, key: str, moment: str, before: int) -> int:
        """Delete rows of a side table that are older; how many."""
        connection = self._connection
        old = f"SELECT {key} FROM {table} WHERE {moment} < ? LIMIT {_FIRST}"  # noqa: S608 - our own
        gone = 0
        while count := self._step(
            lambda: connection.run(
                f"DELETE FROM {table} WHERE {key} IN ({old})",  # noqa: S608 - as above
                connection.moment(before),
            ),
            _FIRST,
        ):
            gone += count
        return gone

    def _step(self, work: Callable[[], int], rows: int) -> int:
        for attempt in range(_TRIES):
            started = time.perf_counter()
            try:
                with self._connection.transaction():
                    started = time.perf_counter()
                    gone = work()
            except StoreError as error:
                if error.kind is not ErrorClass.RESEND or attempt == _TRIES - 1:
                    raise
                self._sleep(_PAUSE * 2**attempt)
            else:
                took = time.perf_counter() - started
                if not self._connection.postgres and rows >= self.size:
                    self.size = min(_MOST, 2 * self.size, max(_LEAST, int(self.size * _TARGET / max(took, 1e-6))))
                self._sleep(max(_PAUSE, took))
                return gone
        raise AssertionError

    def _delete(self, keys: Sequence[Key]) -> int:
        connection = self._connection
        if not connection.postgres:
            rows: list[tuple[Any, ...]] = [(moment, identity.bytes, *self._bounds) for moment, identity in keys]
            return connection.run_many(
                f"DELETE FROM {connection.logs} WHERE timestamp = ? AND id = ?{self._bound}",  # noqa: S608 - a checked name
                rows,
            )
        source, condition, parameters = self._matching(keys)
        return connection.run(f"DELETE FROM {connection.logs} AS log USING {source}{condition}", *parameters)  # noqa: S608 - as above

    def _matching(self, keys: Sequence[Key]) -> tuple[str, str, tuple[object, ...]]:
        """Postgres: the keys as a table, a WHERE clause that finds their rows, and the parameters of both."""
        connection = self._connection
        moments = [str(connection.moment(moment)) for moment, _ in keys]
        ends = [connection.moment(edge(moment for moment, _ in keys)) for edge in (min, max)]
        return (
            "unnest(?::timestamptz[], ?::uuid[]) AS gone(moment, identity)",
            # The ends are for the planner: it leaves out the other days.
            " WHERE log.timestamp = gone.moment AND log.id = gone.identity AND log.timestamp BETWEEN ? AND ?"
            + self._bound,
            (moments, [identity for _, identity in keys], *ends, *self._bounds),
        )


def may_delete(connection: AdminConnection) -> None:
    """See that this role may do what ``prune`` and ``erase`` do.

    Raises:
        StoreError: a privilege is missing; says which and how to get it.
    """
    if connection.dialect == "clickhouse" and erasing_clickhouse.missing(connection):
        raise StoreError(ErrorClass.CONFIGURATION, "497 ACCESS_DENIED", _sentence(connection, _GRANT_CLICKHOUSE))
    if not connection.postgres:
        return
    tables = connection.logs, connection.dead_letters, connection.instances
    each = "has_table_privilege(?, 'SELECT') AND has_table_privilege(?, 'DELETE')"
    granted = connection.value(
        f"SELECT {' AND '.join([each] * len(tables))} AND has_any_column_privilege(?, 'INSERT')",
        *(table for table in tables for _ in range(2)),
        connection.logs,
    )
    if not granted:
        raise StoreError(ErrorClass.CONFIGURATION, "42501 InsufficientPrivilege", _sentence(connection, _GRANT))


def _sentence(connection: AdminConnection, of: str) -> str:
    names = connection.names
    logs, letters, instances = map(names.qualified, (names.logs, names.dead_letters, names.instances))
    return of.format(logs=logs, letters=letters, instances=instances)


def audit(connection: AdminConnection, message: str, **facts: object) -> LogEntry:
    """Leave a row that says who deleted; the entry that was stored.

    Args:
        connection: where to.
        message: what was done, without any value of what was deleted.
        facts: for ``metadata``.
    """
    doer = who()
    metadata, host = {**doer, **facts}, doer["host"]
    entry = LogEntry.now(
        message, level="WARNING", logger=AUDIT_LOGGER, metadata=metadata, host=host, pid=os.getpid(), service="dblog"
    )
    entry = entry._replace(id=made_id(entry.timestamp, os.urandom(16)))
    Storing(connection).store([entry])
    return entry


def digest(text: str) -> str:
    """A text's SHA-256, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
