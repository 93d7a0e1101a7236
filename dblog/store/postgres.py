"""PostgreSQL (>= 14): text COPY, one transaction per batch, an INSERT-only role is enough.

The first attempt is a plain COPY. Once a COMMIT was sent and its outcome is unknown,
the rows go through a temporary table and ``INSERT … ON CONFLICT DO NOTHING`` without
a target, which needs no SELECT privilege. No session-level SET: every transaction
says what it needs, so a transaction pooler may stand between.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

import psycopg

from dblog.errors import ErrorClass, StoreError
from dblog.store import side_tables
from dblog.store.connect import milliseconds
from dblog.store.copytext import CopyText, moment_text, texts
from dblog.store.errors import connect_error, postgres_error
from dblog.store.pg_connect import PgConnection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.names import Names
    from dblog.options import Options
    from dblog.sink import DeadLetter, Origin, Row, Status
    from dblog.store.connect import Target

__all__ = ["PostgresSink"]

_CASTS: Final = {"timestamp": "timestamptz", "id": "uuid", "instance_id": "uuid", "metadata": "jsonb"} | {
    "severity": "smallint",
    "lineno": "integer",
    "pid": "integer",
    "seq": "bigint",
}
_AHEAD: Final = 3
"""Days whose partitions are made ahead."""
_DAYS_EVERY: Final = 3600.0
_ERROR: Final = 17
"""The lowest severity of ERROR."""


class PostgresSink(PgConnection):
    """Stores batches in PostgreSQL; see ``dblog.sink.Sink``."""

    def __init__(self, target: Target, names: Names, options: Options, origin: Origin) -> None:
        super().__init__(target)
        self._names = names
        self._options = options
        self._origin = origin
        self._columns: tuple[str, ...] = ()
        self._text = CopyText(origin, ())
        self._next_days = 0.0

    def turn_to(self, origin: Origin) -> None:
        """From now on the rows are another writer's."""
        self._origin = origin
        self._text = CopyText(origin, self._columns)

    # -- the protocol -----------------------------------------------------------------------------------------

    def write(self, rows: Sequence[Row], *, replay: bool = False) -> None:
        """One transaction: COPY, or on a replay the conflict-tolerant path."""
        cursor = self._begin(rows)
        committing = False
        try:
            if replay:
                self._replay(cursor, rows)
            else:
                self._copy(cursor, self._names.qualified(self._names.logs), rows)
            committing = True
            cursor.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - classified
            self._fail(error, committing=committing)

    def refused_days(self, rows: Sequence[Row]) -> Sequence[int]:
        """Make the partitions these rows need; the rows of days the database refuses."""
        days = [datetime.fromtimestamp(entry.timestamp // 1_000_000, UTC).date() for _, entry in rows]
        connection = self._open()
        try:
            made = {day: self._ensure_day(connection, day.isoformat()) for day in set(days)}
        except Exception as error:  # noqa: BLE001 - classified
            self._fail(error)
        return [index for index, day in enumerate(days) if not made[day]]

    def present(self, first: int, last: int, since: int) -> set[int]:
        """Which of the writer's numbers between two are stored, from a time on (µs); for a role that may read them."""
        sql = (
            f"SELECT seq FROM {self._names.qualified(self._names.logs)}"  # noqa: S608 - a checked name
            " WHERE timestamp >= %s AND instance_id = %s AND seq BETWEEN %s AND %s"
        )
        with self._transaction() as cursor:
            cursor.execute(sql, [moment_text(since), self._origin.instance_id, first, last])
            return {seq for (seq,) in cursor.fetchall()}

    def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Insert the letters; one that is there already stays as it is."""
        sql = side_tables.insert_letter(self._names.qualified(self._names.dead_letters), "%s")
        rows = [(letter[0], moment_text(letter[1]), *letter[2:]) for letter in letters]
        with self._transaction() as cursor:
            cursor.executemany(sql, rows)

    def report(self, status: Status) -> None:
        """Update the writer's row by its key; insert it where it is not there, or not any more."""
        table = self._names.qualified(self._names.instances)
        values = side_tables.values(status, moment=moment_text, document=json.dumps)
        with self._transaction() as cursor:
            cursor.execute(*side_tables.update(table, "%s", values, posthumous=status.posthumous))
            if not cursor.rowcount:
                cursor.execute(side_tables.insert(table, "%s"), list(values.values()))

    def prune(self, _budget: float) -> int:
        """Nothing: days are dropped as partitions, by an administrator."""
        return 0

    # -- connecting -------------------------------------------------------------------------------------------

    def _open(self) -> psycopg.Connection[Any]:
        connection = self._connection or self._connect()
        if time.monotonic() >= self._next_days:
            self._next_days = time.monotonic() + _DAYS_EVERY
            self._make_days_ahead(connection)
        return connection

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        self._columns = self._read_columns(connection)
        self._text = CopyText(self._origin, self._columns)
        self._next_days = 0.0

    def _read_columns(self, connection: psycopg.Connection[Any]) -> tuple[str, ...]:
        found = connection.execute(
            "SELECT attname FROM pg_catalog.pg_attribute"
            " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            [self._names.qualified(self._names.logs)],
        ).fetchall()
        there = {name for (name,) in found}
        if sentence := side_tables.lacking(there):
            code = "42703 UndefinedColumn" if there else "42P01 UndefinedTable"
            raise StoreError(ErrorClass.CONFIGURATION, code, sentence)
        return side_tables.columns_of(there)

    def _make_days_ahead(self, connection: psycopg.Connection[Any]) -> None:
        today = datetime.now(UTC).date()
        try:
            for ahead in range(_AHEAD + 1):
                self._ensure_day(connection, (today + timedelta(days=ahead)).isoformat())
        except psycopg.Error as error:
            # Somebody else may make them; the batch itself will tell when a day is missing.
            if connection.closed:
                self._fail(error)

    def _ensure_day(self, connection: psycopg.Connection[Any], day: str) -> bool:
        function = self._names.qualified(self._names.ensure_day)
        row = connection.execute(f"SELECT {function}(%s::date)", [day]).fetchone()
        return bool(row and row[0])

    # -- one transaction --------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Cursor[Any]]:
        """For the side tables, with the same time limits as a batch."""
        cursor = self._begin(())
        try:
            yield cursor
            cursor.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - classified
            self._fail(error)

    def _begin(self, rows: Sequence[Row]) -> psycopg.Cursor[Any]:
        """Start a transaction that says what it needs; what goes wrong here is no row's fault."""
        options = self._options
        commit = options.synchronous_commit
        if commit == "auto":
            commit = "on" if any(entry.severity >= _ERROR for _, entry in rows) else "off"
        timeout = milliseconds(options.statement_timeout)
        cursor = self._open().cursor()
        try:
            cursor.execute(
                f"BEGIN; SET LOCAL statement_timeout = {timeout}; SET LOCAL lock_timeout = {min(timeout, 2000)};"
                f" SET LOCAL synchronous_commit = {commit}"
            )
        except Exception as error:  # noqa: BLE001 - classified
            self._fail(error, opening=True)
        return cursor

    def _copy(self, cursor: psycopg.Cursor[Any], table: str, rows: Sequence[Row]) -> None:
        columns = ", ".join(f'"{column}"' for column in self._columns)
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN WITH ({CopyText.FORMAT})") as copy:
            for piece in self._text.pieces(rows):
                copy.write(piece)

    def _replay(self, cursor: psycopg.Cursor[Any], rows: Sequence[Row]) -> None:
        columns = ", ".join(f'"{column}"' for column in self._columns)
        table = self._names.qualified(self._names.logs)
        definitions = ", ".join(f'"{column}" {_CASTS.get(column, "text")}' for column in self._columns)
        cursor.execute("SAVEPOINT replay")
        try:
            cursor.execute(f"CREATE TEMP TABLE dblog_replay ({definitions}) ON COMMIT DROP")
        except psycopg.errors.InsufficientPrivilege:
            cursor.execute("ROLLBACK TO SAVEPOINT replay")
            arrays = ", ".join(f"%s::{_CASTS.get(column, 'text')}[]" for column in self._columns)
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING",  # noqa: S608 - checked names
                [list(column) for column in zip(*texts(rows, self._origin, self._columns), strict=True)],
            )
            return
        self._copy(cursor, "pg_temp.dblog_replay", rows)
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM pg_temp.dblog_replay ON CONFLICT DO NOTHING"  # noqa: S608 - checked names
        )

    def _fail(self, error: Exception, *, committing: bool = False, opening: bool = False) -> NoReturn:
        """Raise the ``StoreError``, with the connection rolled back, or closed when it is of no more use."""
        failure = postgres_error(error, committing=committing)
        if opening:
            failure = connect_error(failure)
        connection = self._connection
        if failure.kind in {ErrorClass.RECONNECT, ErrorClass.UNKNOWN} or connection is None or connection.closed:
            self.close()
        else:
            try:
                connection.execute("ROLLBACK")
            except psycopg.Error:
                self.close()
            if failure.kind is ErrorClass.CONFIGURATION:
                self.close()  # its columns and privileges are read anew
        raise failure from None
