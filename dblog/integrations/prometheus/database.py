"""Statements: how many and how long, from SQLAlchemy's events, which only read.

The listeners look at what is executed; they run no SQL, change nothing and never raise,
so locks, transactions and their outcome are what they were. An execution that fails is
counted too. What is known of a compiled statement is kept on it, and goes with it.
"""

from __future__ import annotations

from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event

from dblog.errors import ConfigurationError
from dblog.integrations.prometheus.exemplars import Observed
from dblog.integrations.prometheus.pools import Pools
from dblog.integrations.prometheus.series import told
from dblog.integrations.prometheus.tables import Tables, operation_of, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from dblog.integrations.prometheus.series import Series

    Statement = tuple[str, str]

__all__ = ["DB_SECONDS", "DatabaseMetrics"]

DB_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class DatabaseMetrics:
    """The metrics of every engine watched; ``AppMetrics.watch`` feeds it."""

    def __init__(self, series: Series) -> None:
        labels = ("operation", "table")
        self._queries = series.counter("db_queries_total", "Statements executed, failed ones included.", labels)
        self._seconds = series.histogram(
            "db_query_duration_seconds", "Executing a statement, without fetching.", labels, buckets=DB_SECONDS
        )
        self.pools = Pools(series)
        self.sample_in_passing = series.multiprocess
        self._exemplars = not series.multiprocess
        self._cells: dict[Statement, tuple[Callable[[], None], Callable[[float], None]]] = {}
        self._watched: dict[int, _Watch] = {}
        series.forgetting.append(self._cells.clear)

    def watch(self, engine: sa.Engine | AsyncEngine, tables: sa.MetaData | Iterable[str] | None) -> None:
        """See ``AppMetrics.watch``."""
        given = getattr(engine, "sync_engine", engine)
        if not isinstance(given, sa.Engine):
            raise ConfigurationError(f"a {type(engine).__name__} cannot be watched: give an Engine or an AsyncEngine")
        if id(given) not in self._watched:
            self._watched[id(given)] = _Watch(self, given, Tables(tables))
            self.pools.add(given)

    def close(self) -> None:
        """Watch nothing any more."""
        while self._watched:
            self._watched.popitem()[1].stop()
        self.pools.clear()

    def count(self, statement: Statement, seconds: float) -> None:
        """One execution."""
        cell = self._cells.get(statement)
        if cell is None:
            observed = self._seconds.labels(*statement)
            timed = Observed(observed, DB_SECONDS).observe if self._exemplars else observed.observe
            cell = self._cells[statement] = (self._queries.labels(*statement).inc, timed)
        cell[0]()
        cell[1](seconds)


class _Watch:
    """The listeners of one engine."""

    def __init__(self, metrics: DatabaseMetrics, engine: sa.Engine, tables: Tables) -> None:
        self._metrics = metrics
        self._engine = engine
        self._tables = tables
        self._since = f"_dblog_since_{id(self)}"
        self._about = f"_dblog_about_{id(self)}"
        self._listeners = (
            ("before_cursor_execute", self._before),
            ("after_cursor_execute", self._after),
            ("handle_error", self._failed),
        )
        for name, listener in self._listeners:
            event.listen(engine, name, listener)

    def stop(self) -> None:
        for name, listener in self._listeners:
            event.remove(self._engine, name, listener)

    def _before(self, _connection: Any, _cursor: Any, _text: str, _given: Any, context: Any, _many: bool) -> None:
        try:
            context.__dict__[self._since] = perf_counter()
        except Exception as error:  # noqa: BLE001 - a statement is never harmed
            told("database", error)

    def _after(self, _connection: Any, _cursor: Any, text: str, _given: Any, context: Any, _many: bool) -> None:
        try:
            self._over(context, text)
        except Exception as error:  # noqa: BLE001 - a statement is never harmed
            told("database", error)

    def _failed(self, failure: sa.engine.ExceptionContext) -> None:
        try:
            if failure.execution_context is not None:  # None where connecting failed
                self._over(failure.execution_context, failure.statement or "")
        except Exception as error:  # noqa: BLE001 - a statement is never harmed
            told("database", error)

    def _over(self, context: Any, text: str) -> None:
        since = context.__dict__.pop(self._since, None)
        if since is None:
            return  # it failed before it was sent, or after it was counted
        now = perf_counter()
        compiled = context.compiled
        about = None if compiled is None else compiled.__dict__.get(self._about)
        if about is None:
            about = (operation_of(compiled, text), self._tables.label(table_of(compiled)))
            if compiled is not None:
                compiled.__dict__[self._about] = about
        self._metrics.count(about, now - since)
        if self._metrics.sample_in_passing:
            self._metrics.pools.sample_if_due(monotonic())
