"""The same rows in every database, and what a query finds there."""

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
from tests.embedded_clickhouse import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.entry import LogEntry
    from dblog.query.tree import Node

ORIGIN = Origin(querytrees.UUIDS[1], "svc", None, None, "Host", 30, querytrees.START)
LATER = 3
"""µs between a row's own time and when the database took it."""


DIALECTS: Final = ("sqlite", "postgresql")
"""What has connections of SQLAlchemy's; ``ENGINES`` may have one more."""
TABLES: Final = {dialect: metadata_for(dialect).tables["logs"] for dialect in ENGINES}

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
    """The same rows in every database, for as long as one example lasts."""

    def __init__(self, sqlite: sa.Connection, postgres: sa.Connection, clickhouse: Clicks | None = None) -> None:
        self.connections = {"sqlite": sqlite, "postgresql": postgres}
        self.clickhouse = clickhouse

    @contextlib.contextmanager
    def holding(self, entries: Sequence[LogEntry]) -> Iterator[list[LogEntry]]:
        """Store the entries as the writer does, and give them as they are stored."""
        named = [entry._replace(id=_id(index)) for index, entry in enumerate(entries)]
        rows = [(entry.seq, entry) for entry in named]
        with contextlib.ExitStack() as stack:
            sqlite, postgres = (stack.enter_context(self.connections[dialect].begin()) for dialect in DIALECTS)
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
            if self.clickhouse is not None:
                stack.enter_context(self.clickhouse.holding(values(rows, ORIGIN)))
            yield [_stored(entry) for entry in named]
            sqlite.rollback()
            postgres.rollback()

    def ids(self, dialect: str, tree: Node) -> set[int]:
        """The rows a query finds."""
        found = self.rows(dialect, select(tree, dialect))
        return {(identity if isinstance(identity, UUID) else UUID(bytes=identity)).int for (identity,) in found}

    def rows(self, dialect: str, statement: sa.Executable) -> Sequence[Any]:
        """The rows of a statement."""
        if dialect == "clickhouse" and self.clickhouse is not None:
            return self.clickhouse.rows(statement)
        return self.connections[dialect].execute(statement).all()


class Clicks:
    """A database of ClickHouse.

    Args:
        client: of clickhouse-connect.
    """

    def __init__(self, client: Any) -> None:
        from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect

        self.client = client
        self._compiler = ClickHouseDialect(server_side_params=True)

    @contextlib.contextmanager
    def holding(self, rows: Sequence[tuple[object, ...]]) -> Iterator[None]:
        """Store rows, as ``values`` makes them, for as long as the block lasts."""
        stored: list[dict[str, Any]] = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        for row in stored:
            row["ingested_at"] = row["timestamp"] + LATER
            row["id"], row["instance_id"] = (UUID(bytes=row[name]) for name in ("id", "instance_id"))
        if stored:
            names = list(stored[0])
            columns = [[row[name] for row in stored] for name in names]
            # Not taken for a resend of rows that an earlier example had.
            settings = {"insert_deduplicate": 0}
            self.client.insert("logs", columns, column_names=names, column_oriented=True, settings=settings)
        try:
            yield
        finally:
            self.client.command("TRUNCATE TABLE logs")

    def rows(self, statement: Any) -> list[Any]:
        """The rows of a statement."""
        compiled = statement.compile(dialect=self._compiler)
        return list(self.client.query(str(compiled), parameters=compiled.params).result_rows)


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
