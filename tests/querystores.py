"""The same rows in SQLite and in PostgreSQL, and what a query finds there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dblog.query.sql import condition
from dblog.schema import metadata_for
from dblog.sink import Origin
from dblog.store.copytext import CopyText
from dblog.store.rows import COLUMNS, values
from tests import querytrees

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.entry import LogEntry
    from dblog.query.tree import Node

ORIGIN = Origin(querytrees.UUIDS[1], "svc", None, None, "Host", 30, querytrees.START)
LATER = 3
"""µs between a row's own time and when the database took it."""


DIALECTS: Final = ("sqlite", "postgresql")
TABLES: Final = {dialect: metadata_for(dialect).tables["logs"] for dialect in DIALECTS}

COMPILERS: Final[dict[str, sa.Dialect]] = {
    "sqlite": sqlite.dialect(),
    "psycopg": postgresql.psycopg.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy's
    "asyncpg": postgresql.asyncpg.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy's
}


def select(tree: Node, dialect: str) -> sa.Select[tuple[Any]]:
    """The ids a query finds."""
    table = TABLES[dialect]
    return sa.select(table.c.id).where(condition(tree, table, dialect))


def parameters(compiled: Any) -> tuple[Any, ...]:
    """What is bound, in order."""
    return tuple(compiled.params[name] for name in compiled.positiontup)


class Stores:
    """The same rows in both databases, for as long as one example lasts."""

    def __init__(self, sqlite: sa.Connection, postgres: sa.Connection) -> None:
        self.connections = {"sqlite": sqlite, "postgresql": postgres}

    @contextlib.contextmanager
    def holding(self, entries: Sequence[LogEntry]) -> Iterator[list[LogEntry]]:
        """Store the entries as the writer does, and give them as they are stored."""
        named = [entry._replace(id=_id(index)) for index, entry in enumerate(entries)]
        rows = [(entry.seq, entry) for entry in named]
        with self.connections["sqlite"].begin() as sqlite, self.connections["postgresql"].begin() as postgres:
            holes = ", ".join("?" * len(COLUMNS))
            insert = f"INSERT INTO logs ({', '.join(COLUMNS)}) VALUES ({holes})"
            if rows:
                self.connections["sqlite"].exec_driver_sql(insert, values(rows, ORIGIN))
            raw: Any = self.connections["postgresql"].connection.driver_connection
            with raw.cursor().copy(f"COPY logs ({', '.join(COLUMNS)}) FROM STDIN ({CopyText.FORMAT})") as copy:
                for piece in CopyText(ORIGIN, COLUMNS).pieces(rows):
                    copy.write(piece)
            for dialect, later in (("sqlite", LATER), ("postgresql", f"interval '{LATER} microseconds'")):
                self.connections[dialect].exec_driver_sql(f"UPDATE logs SET ingested_at = timestamp + {later}")
            yield [_stored(entry) for entry in named]
            sqlite.rollback()
            postgres.rollback()

    def ids(self, dialect: str, tree: Node) -> set[int]:
        """The rows a query finds."""
        found = self.connections[dialect].execute(select(tree, dialect))
        return {(identity if isinstance(identity, UUID) else UUID(bytes=identity)).int for (identity,) in found}


def _id(index: int) -> UUID:
    return querytrees.UUIDS[index] if index < len(querytrees.UUIDS) else UUID(int=index)


def _stored(entry: LogEntry) -> LogEntry:
    return entry._replace(
        service=entry.service or ORIGIN.service,
        host=entry.host or ORIGIN.host,
        pid=entry.pid or ORIGIN.pid,
        instance_id=ORIGIN.instance_id,
        ingested_at=entry.timestamp + LATER,
    )
