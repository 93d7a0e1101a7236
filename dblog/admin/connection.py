"""One synchronous connection of an administrator's, and the little that differs between the two databases."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

from dblog.errors import ConfigurationError, ErrorClass, StoreError
from dblog.names import DEFAULT_TABLE, names_for
from dblog.options import Options
from dblog.reading.barred import may
from dblog.reading.failures import failure
from dblog.reading.sqlite_opening import engine_to_read
from dblog.reading.sqlite_place import status_of
from dblog.spans import untraced
from dblog.store.connect import Target, milliseconds
from dblog.store.copytext import moment_text
from dblog.store.distrust import distrust, trust
from dblog.store.errors import postgres_error, sqlite_error
from dblog.url import dialect_of, require_driver, safe_url, sync_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

__all__ = ["TIMEOUT", "AdminConnection"]

_LOOK: Final = 1.0
"""Seconds to hear from a server why it refused."""
_CHECKPOINT: Final = 5.0
"""Seconds to wait until nobody reads from SQLite's write-ahead log."""
_LOCK: Final = 5.0
"""Seconds to wait for a lock outside of a transaction of the caller's: enough for a DDL statement to pass."""
TIMEOUT: Final = 600.0
"""Seconds of one such statement: counts and lists over tables of any size, not what a person waits for."""
_NO_TABLE: Final = "the table {table} is missing: run dblog upgrade"


class AdminConnection:
    """A connection in autocommit; a context manager. Statements are written with ``?``, values always bound.

    Args:
        url: any spelling ``DatabaseHandler`` takes.
        schema: the Postgres schema; None is the first of the search path.
        table: the log table.
        password_file: read at the connect.
        timeout: seconds a statement outside of ``transaction`` may take (Postgres).

    Raises:
        ConfigurationError: the URL or a name is wrong.
        StoreError: the database cannot be reached, refuses us, or has no such table. Every method raises it, and
            nothing else, for what the database says.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        schema: str | None = None,
        table: str = DEFAULT_TABLE,
        password_file: str | os.PathLike[str] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        mapped = sync_url(url)
        require_driver(mapped)
        self.shown = safe_url(mapped)
        self.dialect = dialect_of(mapped)
        if self.dialect == "clickhouse" and type(self) is AdminConnection:
            raise ConfigurationError(f"{self.shown}: this is for Postgres and SQLite, not for ClickHouse")
        self.names = names_for(schema, table, dialect=self.dialect)
        self.logs = self.names.qualified(self.names.logs)
        self.dead_letters = self.names.qualified(self.names.dead_letters)
        self.instances = self.names.qualified(self.names.instances)
        self._target = Target(mapped, None, Options(schema=schema, table=table), None, password_file)
        self._held: Any = None
        self._cursor: Any = None
        self._url = mapped
        self._timeout = timeout
        self._within = False

    @property
    def postgres(self) -> bool:
        """Postgres, not SQLite."""
        return self.dialect == "postgresql"

    @property
    def url(self) -> URL:
        """The URL, mapped to the driver."""
        return self._url

    @property
    def driver(self) -> Any:
        """The driver's connection, while it is open."""
        return self._held.driver_connection

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return Path(str(self._url.database).removeprefix("file:").partition("?")[0])

    def __enter__(self) -> Self:
        self.open()
        if not self.has_table():
            self.close()
            code = "42P01 UndefinedTable" if self.postgres else "SQLITE_ERROR"
            raise StoreError(ErrorClass.CONFIGURATION, code, _NO_TABLE.format(table=self.names.logs))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Connect, whatever tables there are."""
        if not self.postgres:
            status_of(str(self.file))  # SQLite would make an empty one
        with self._failing(connecting=True):
            barred = not self.postgres and not self._url.query and not may(str(self.file), os.W_OK)
            engine = engine_to_read(self._url, _LOCK) if barred else self._target.engine()
            self._held = engine.raw_connection()
            driver: Any = self._held.driver_connection
            if self.postgres:
                driver.rollback()
                driver.autocommit = True
            else:
                distrust(driver)
                driver.execute("PRAGMA schema_version")  # the file is opened by now, and is a database
            self._cursor = driver.cursor()

    def close(self) -> None:
        """Close the connection."""
        held, self._held, self._cursor = self._held, None, None
        if held is not None:
            with suppress(Exception):
                held.invalidate()

    def has_table(self, name: str | None = None) -> bool:
        """Whether a table of ours is there; the log table where None."""
        name = name or self.names.logs
        if self.postgres:
            return self.value("SELECT to_regclass(?)", self.names.qualified(name)) is not None
        return bool(self.value("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", name))

    # -- statements -------------------------------------------------------------------------------------------

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        if self.postgres and not self._within:
            with self.transaction(lock_timeout=_LOCK, statement_timeout=self._timeout):
                return self.rows(sql, *parameters)
        with self._failing():
            self._execute(sql, parameters)
            return [tuple(row) for row in self._cursor.fetchall()]

    def value(self, sql: str, *parameters: object) -> Any:
        """The first value of the first row; None where there is none."""
        found = self.rows(sql, *parameters)
        return found[0][0] if found else None

    def run(self, sql: str, *parameters: object) -> int:
        """Run a statement; how many rows it changed."""
        with self._failing(committing=sql == "COMMIT"):
            self._execute(sql, parameters)
            return int(self._cursor.rowcount)

    def run_many(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        """Run a statement for each row of parameters; how many rows they changed in all."""
        with self._failing():
            self._cursor.executemany(self._written(sql), rows)
            return int(self._cursor.rowcount)

    @contextmanager
    def transaction(self, *, lock_timeout: float = 2.0, statement_timeout: float = 30.0) -> Iterator[None]:
        """One transaction; rolled back where the body raises.

        Args:
            lock_timeout: seconds to wait for a lock (SQLite: for the one write lock, 5 s).
            statement_timeout: seconds one statement may take (Postgres).
        """
        if self.postgres:
            self.run(
                f"BEGIN; SET LOCAL lock_timeout = {milliseconds(lock_timeout)};"
                f" SET LOCAL statement_timeout = {milliseconds(statement_timeout)}; SET LOCAL timezone = 'UTC'"
            )
        else:
            trust(self.driver)  # its owner's triggers
            self.run("BEGIN IMMEDIATE")
        self._within = True
        try:
            yield
        except BaseException:  # Ctrl-C as well
            with suppress(StoreError):
                self.run("ROLLBACK")
            raise
        finally:
            self._within = False
            if not self.postgres:
                distrust(self.driver)
        self.run("COMMIT")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All queries of the body see the database as it was at one moment, and keep no writer waiting."""
        limits = f"SET LOCAL lock_timeout = {milliseconds(_LOCK)}; SET LOCAL statement_timeout = "
        begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {limits}{milliseconds(self._timeout)}"
        self.run(f"{begin}; SET LOCAL timezone = 'UTC'" if self.postgres else "BEGIN")
        self._within = True
        try:
            yield
        finally:
            self._within = False
            with suppress(StoreError):
                self.run("ROLLBACK")

    def checkpoint(self, patience: float = _CHECKPOINT) -> bool:
        """SQLite: write the write-ahead log back into the file and empty it; False where somebody reads all the time.

        In short turns: while it waits for a reader, every writer waits for it. So what can be written back beside
        the writers is written back first.
        """
        until = time.monotonic() + patience
        self.rows("PRAGMA wal_checkpoint(PASSIVE)")
        ordinary = self.value("PRAGMA busy_timeout")
        self.rows("PRAGMA busy_timeout = 20")
        try:
            while busy := self.value("PRAGMA wal_checkpoint(TRUNCATE)"):
                if time.monotonic() >= until:
                    break
                time.sleep(0.05)
        finally:
            self.rows(f"PRAGMA busy_timeout = {ordinary}")
        return not busy

    def _execute(self, sql: str, parameters: tuple[object, ...]) -> None:
        if parameters:
            self._cursor.execute(self._written(sql), parameters)
        else:
            self._cursor.execute(sql)

    def _written(self, sql: str) -> str:
        return sql.replace("?", "%s") if self.postgres else sql

    @contextmanager
    def _failing(self, *, connecting: bool = False, committing: bool = False) -> Iterator[None]:
        """What a driver raises, as a ``StoreError``; its own text is left out, for it can hold values. Never traced."""
        try:
            with untraced():
                yield
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - classified
            cause = getattr(error, "orig", None) or error
            if self.postgres:
                known = postgres_error(cause, committing=committing, answer=self._answer() if connecting else None)
            else:
                known = sqlite_error(cause, committing=committing)
            if connecting:
                known = failure(known, self.dialect, self.shown if self.postgres else str(self.file), connecting=True)
            raise known from None

    def _answer(self) -> str | None:
        """What the server says to somebody at its door (``probe.ask``): libpq tells no SQLSTATE of a refusal."""
        from psycopg.conninfo import conninfo_attempts, make_conninfo  # noqa: PLC0415 - an optional extra

        from dblog.store.probe import ask  # noqa: PLC0415 - as above

        with suppress(Exception):  # a look, nothing more
            for place in conninfo_attempts(self._target.conninfo() or {}):
                if (answer := ask(make_conninfo("", **place), _LOOK)) is not None:
                    return answer
        return None

    # -- values -----------------------------------------------------------------------------------------------

    def moment(self, micros: int) -> object:
        """A time as the database takes it."""
        return moment_text(micros) if self.postgres else micros

    def identity(self, value: UUID) -> object:
        """An id as the database takes it."""
        return value if self.postgres else value.bytes

    def uuid(self, value: Any) -> UUID:
        """An id as it was read."""
        return value if isinstance(value, UUID) else UUID(bytes=bytes(value))

    def micros(self, column: str) -> str:
        """SQL of a time column as µs."""
        return f"(extract(epoch FROM {column}) * 1000000)::bigint" if self.postgres else column

    def now(self) -> int:
        """The database's clock, in µs since 1970 UTC."""
        if self.postgres:
            return int(self.value(f"SELECT {self.micros('clock_timestamp()')}"))
        return time.time_ns() // 1000
