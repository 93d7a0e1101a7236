"""An administrator's connection to ClickHouse, with the words of the others; it has no transactions.

``transaction`` and ``snapshot`` are refused rather than pretended: what needs one there
has to be built of statements that may be repeated. A statement takes its own settings
and its own time limit.
"""

from __future__ import annotations

import math
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, Self
from uuid import UUID

from urllib3 import Timeout

from dblog.admin.connection import AdminConnection
from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.repair import DAY_US
from dblog.schema_clickhouse import COLUMN_TYPES
from dblog.spans import untraced
from dblog.store.clickhouse import CERTAIN
from dblog.store.clickhouse_insert import insert
from dblog.store.clickhouse_quiet import quietly
from dblog.store.clickhouse_rows import MOST_DAYS
from dblog.store.copytext import moment_text
from dblog.store.errors import connect_error
from dblog.store.errors_clickhouse import clickhouse_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import URL

    from dblog.entry import LogEntry

__all__ = ["ClickHouseConnection"]

_GRACE = 5.0
"""Seconds in which the server says that a statement took too long."""
_MISSING = "the table {table} is missing: run dblog upgrade"


class ClickHouseConnection(AdminConnection):
    """As ``AdminConnection``; a context manager. Statements are written with ``?``, values always bound."""

    def __init__(self, url: str | URL, **given: Any) -> None:
        super().__init__(url, **given)
        # Rows of one key are one row, whether they are merged yet or not.
        self.instances += " FINAL"
        self.dead_letters += " FINAL"

    @property
    def database(self) -> str:
        """SQL of the database's name."""
        return "currentDatabase()" if self.names.schema is None else f"'{self.names.schema}'"

    @property
    def client(self) -> Any:
        """clickhouse-connect's client, while it is open."""
        return self.driver.client

    @property
    def clustered(self) -> bool:
        """Whether ``logs`` is spread over a cluster, so that its rows are in ``logs_local`` of each shard."""
        return bool(
            self.value(
                f"SELECT count() FROM system.tables WHERE database = {self.database} AND name = ?"  # noqa: S608 - a checked name
                " AND engine = 'Distributed'",
                self.names.logs,
            )
        )

    def __enter__(self) -> Self:
        self.open()
        if not self.has_table():
            self.close()
            raise StoreError(ErrorClass.CONFIGURATION, "60 UNKNOWN_TABLE", _MISSING.format(table=self.names.logs))
        return self

    def open(self) -> None:
        """Connect, whatever tables there are."""
        with self._failing(connecting=True):
            self._held = self._target.engine().raw_connection()
            self._cursor = self.driver.cursor()
            self._limit(self.client)

    def _limit(self, client: Any) -> None:
        """A statement may take ``timeout``, of the server and until the first byte of its answer."""
        known = client.server_settings.get("max_execution_time")
        if known is not None and not known.readonly:
            client.set_client_setting("max_execution_time", str(math.ceil(self._timeout)))
        if hasattr(client, "timeout"):
            client.timeout = Timeout(connect=client.timeout.connect_timeout, read=self._timeout + _GRACE)

    def has_table(self, name: str | None = None) -> bool:
        """Whether a table of ours is there; the log table where None."""
        found = f"SELECT count() FROM system.tables WHERE database = {self.database} AND name = ?"  # noqa: S608 - as above
        return bool(self.value(found, name or self.names.logs))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._failing():
            self._execute(sql, parameters)
            return [tuple(row) for row in self._cursor.fetchall()]

    def run(self, sql: str, *parameters: object) -> int:
        """Run a statement; ClickHouse does not say how many rows it changed: 0."""
        with self._failing():
            self._execute(sql, parameters)
        return 0

    def run_many(self, _sql: str, _rows: list[tuple[Any, ...]]) -> NoReturn:
        """Refused: a row to a statement is a part to a statement."""
        raise _unfit("a statement for each row")

    def transaction(self, *, lock_timeout: float = 0, statement_timeout: float = 0) -> NoReturn:  # noqa: ARG002 - as theirs
        """Refused: there are none."""
        raise _unfit("a transaction")

    def snapshot(self) -> NoReturn:
        """Refused: two queries may see two states."""
        raise _unfit("a snapshot")

    def _written(self, sql: str) -> str:
        return sql.replace("%", "%%").replace("?", "%s")

    @contextmanager
    def _failing(self, *, connecting: bool = False, committing: bool = False) -> Iterator[None]:  # noqa: ARG002 - as theirs
        try:
            with untraced(), quietly():
                yield
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - classified
            failure = clickhouse_error(error)
            if connecting:
                failure = connect_error(failure)
                sentence = str(failure).removeprefix(f"{failure.code}: ")
                failure = StoreError(failure.kind, failure.code, f"{sentence} ({self.shown})")
            with suppress(Exception):
                if failure.kind is ErrorClass.RECONNECT:
                    self.close()
            raise failure from None

    # -- rows -------------------------------------------------------------------------------------------------

    def store(self, columns: Sequence[str], entries: Sequence[LogEntry]) -> int:
        """Insert the entries that are not there yet; how many those were.

        A block is not known by its token here: what was deleted in between may be stored again.
        """
        there = self._present(entries)
        new = [entry for entry in entries if entry.id not in there]
        for block in _blocks(new):
            self.insert("logs", columns, [[getattr(entry, name) for entry in block] for name in columns])
        return len(new)

    def insert(self, kind: str, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        """One INSERT of whole columns, times in µs; for ``logs`` of no more days than one may have.

        Args:
            kind: ``"logs"``, ``"instances"`` or ``"dead_letters"``, whatever the tables are called.
            columns: their names.
            values: a sequence for each.
        """
        with self._failing():
            insert(
                self.client,
                self.names.qualified(getattr(self.names, kind)),
                COLUMN_TYPES[kind],
                {name: [_sent(value) for value in column] for name, column in zip(columns, values, strict=True)},
                {**CERTAIN, "insert_deduplicate": "0"},
            )

    def delete(self, table: str, ids: Sequence[UUID]) -> int:
        """Delete the rows of these ids; how many there were."""
        listed = ", ".join(f"'{each}'" for each in ids)
        gone = int(self.value(f"SELECT uniqExact(id) FROM {self.names.qualified(table)} WHERE id IN ({listed})"))  # noqa: S608 - ids
        self.run(f"DELETE FROM {self.names.qualified(table)} WHERE id IN ({listed})")  # noqa: S608 - as above
        return gone

    def _present(self, entries: Sequence[LogEntry]) -> set[UUID]:
        times = ", ".join(sorted({f"'{self.moment(entry.timestamp)}'" for entry in entries}))
        ids = ", ".join(f"'{entry.id}'" for entry in entries)
        # By the times, which are what the table is ordered by.
        found = self.rows(f"SELECT id FROM {self.logs} WHERE timestamp IN ({times}) AND id IN ({ids})")  # noqa: S608 - as above
        return {row[0] for row in found}

    # -- values -----------------------------------------------------------------------------------------------

    def moment(self, micros: int) -> object:
        """A time as the database takes it."""
        return moment_text(micros).removesuffix("+00")

    def identity(self, value: UUID) -> object:
        """An id as the database takes it."""
        return str(value)

    def uuid(self, value: Any) -> UUID:
        """An id as it was read."""
        return value if isinstance(value, UUID) else UUID(str(value))

    def micros(self, column: str) -> str:
        """SQL of a time column as µs."""
        return f"toUnixTimestamp64Micro({column})"

    def now(self) -> int:
        """The database's clock, in µs since 1970 UTC."""
        return int(self.value(f"SELECT {self.micros('now64(6)')}"))


def _blocks(entries: Sequence[LogEntry]) -> Iterator[list[LogEntry]]:
    """The entries, in pieces that have no more days than one INSERT may."""
    days: dict[int, list[LogEntry]] = {}
    for entry in entries:
        days.setdefault(entry.timestamp // DAY_US, []).append(entry)
    several = list(days.values())
    for start in range(0, len(several), MOST_DAYS):
        yield [entry for day in several[start : start + MOST_DAYS] for entry in day]


def _sent(value: Any) -> Any:
    return value.bytes if isinstance(value, UUID) else value


def _unfit(what: str) -> ConfigurationError:
    return ConfigurationError(f"ClickHouse has no such thing as {what}: this is for Postgres and SQLite")
