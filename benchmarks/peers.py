"""The contestants: what a user would pick instead of dblog, each as well built as its documentation suggests."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import queue
import threading
import uuid
import warnings
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from loguru import logger as loguru_logger
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from sqlalchemy.orm import Session

import dblog
from dblog.schema import metadata_for
from dblog.url import dialect_of, sync_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["PEERS", "Contestant"]

BATCH = 1000


Contestant: TypeAlias = "Callable[[logging.Logger, str], contextlib.AbstractContextManager[Callable[[], None]]]"
"""Attaches itself to a logger while a block runs; the callable it gives returns once everything logged is stored."""


def _table(url: str) -> sa.Table:
    return metadata_for(dialect_of(url)).tables["logs"]


def _values(record: logging.LogRecord, dialect: str) -> dict[str, Any]:
    """A row of ``logs`` as a careful user would fill it by hand."""
    extras = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
    moment = record.created
    identity = uuid.uuid4()
    context = dblog.current()
    return {
        "timestamp": datetime.fromtimestamp(moment, UTC) if dialect == "postgresql" else int(moment * 1e6),
        "id": identity if dialect == "postgresql" else identity.bytes,
        "level": record.levelname,
        "severity": 9,
        "logger": record.name,
        "message": record.getMessage(),
        "metadata": (extras if dialect == "postgresql" else json.dumps(extras)) if extras else None,
        "module": record.module,
        "function": record.funcName,
        "pathname": record.pathname,
        "lineno": record.lineno,
        "thread": record.threadName,
        "user_id": context.user_id,
        "trace_id": context.trace_id,
    }


_STANDARD = frozenset((*logging.LogRecord("", 0, "", 0, "", None, None).__dict__, "message", "asctime", "taskName"))


@contextlib.contextmanager
def _attached(log: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


@contextlib.contextmanager
def null_handler(log: logging.Logger, _url: str) -> Iterator[Callable[[], None]]:
    """``logging.NullHandler``: what logging itself costs."""
    with _attached(log, logging.NullHandler()):
        yield lambda: None


@contextlib.contextmanager
def dblog_handler(log: logging.Logger, url: str, durability: str | None = None) -> Iterator[Callable[[], None]]:
    """The defaults of dblog, but for ``overflow="block"``: everything is stored, as by the others."""
    handler = dblog.DatabaseHandler(url, overflow="block", block_timeout=60.0, durability=durability)
    with _attached(log, handler):
        yield lambda: _check(handler.flush(60.0))
    handler.close()


class _BatchingListener(QueueListener):
    """A QueueListener that stores batches of 1,000 rows through SQLAlchemy Core, as careful users write it."""

    def __init__(self, source: queue.SimpleQueue[Any], url: str) -> None:
        super().__init__(source)
        self._source = source
        self._engine = sa.create_engine(sync_url(url))
        self._insert = _table(url).insert()
        self._dialect = dialect_of(url)

    def _monitor(self) -> None:
        batch: list[dict[str, Any]] = []
        running = True
        while running:
            try:
                record = self._source.get(timeout=None if not batch else 0.05)
                if isinstance(record, threading.Event):
                    self._store(batch)
                    record.set()
                elif record is None:
                    running = False
                else:
                    batch.append(_values(record, self._dialect))
            except queue.Empty:
                self._store(batch)
            if len(batch) >= BATCH or not running:
                self._store(batch)
        self._engine.dispose()

    def _store(self, batch: list[dict[str, Any]]) -> None:
        if batch:
            with self._engine.begin() as connection:
                connection.execute(self._insert, batch)
            batch.clear()


@contextlib.contextmanager
def queue_listener(log: logging.Logger, url: str) -> Iterator[Callable[[], None]]:
    """QueueHandler of the standard library and a batching QueueListener."""
    source: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = _BatchingListener(source, url)
    listener.start()

    def drain() -> None:
        done = threading.Event()
        source.put(done)
        done.wait()

    with _attached(log, QueueHandler(source)):
        yield drain
    source.put(None)
    listener._thread.join()  # type: ignore[union-attr]  # noqa: SLF001 - stop() would put a second sentinel


@contextlib.contextmanager
def otel_batch(log: logging.Logger, url: str) -> Iterator[Callable[[], None]]:
    """OpenTelemetry SDK: LoggingHandler, BatchLogRecordProcessor, an exporter through SQLAlchemy Core."""
    engine = sa.create_engine(sync_url(url))
    insert, dialect = _table(url).insert(), dialect_of(url)

    class Exporter(LogRecordExporter):
        def export(self, batch: Sequence[Any]) -> LogRecordExportResult:
            with engine.begin() as connection:
                connection.execute(insert, [_otel_values(item.log_record, dialect) for item in batch])
            return LogRecordExportResult.SUCCESS

        def shutdown(self) -> None:
            engine.dispose()

        def force_flush(self, _timeout_millis: int = 0) -> bool:
            return True

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        provider = LoggerProvider()
        provider.add_log_record_processor(BatchLogRecordProcessor(Exporter(), max_queue_size=1_000_000))
        handler = LoggingHandler(logger_provider=provider)
    with _attached(log, handler):
        yield lambda: _check(provider.force_flush(60_000))
    provider.shutdown()


def _otel_values(record: Any, dialect: str) -> dict[str, Any]:
    attributes = dict(record.attributes or {})
    moment = (record.timestamp or record.observed_timestamp) // 1000
    identity = uuid.uuid4()
    return {
        "timestamp": datetime.fromtimestamp(moment / 1e6, UTC) if dialect == "postgresql" else moment,
        "id": identity if dialect == "postgresql" else identity.bytes,
        "level": record.severity_text,
        "severity": 9,
        "logger": "bench",
        "message": str(record.body),
        "metadata": attributes if dialect == "postgresql" else json.dumps(attributes),
    }


@contextlib.contextmanager
def loguru_enqueue(log: logging.Logger, url: str) -> Iterator[Callable[[], None]]:
    """Loguru with ``enqueue=True`` and a sink that inserts each message, behind its own InterceptHandler."""
    engine = sa.create_engine(sync_url(url))
    insert, dialect = _table(url).insert(), dialect_of(url)

    def sink(message: Any) -> None:
        record = message.record
        identity = uuid.uuid4()
        with engine.begin() as connection:
            connection.execute(
                insert,
                {
                    "timestamp": record["time"] if dialect == "postgresql" else int(record["time"].timestamp() * 1e6),
                    "id": identity if dialect == "postgresql" else identity.bytes,
                    "level": record["level"].name,
                    "severity": 9,
                    "logger": record["name"] or "",
                    "message": record["message"],
                },
            )

    loguru_logger.remove()
    number = loguru_logger.add(sink, enqueue=True, format="{message}")

    class Intercept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            loguru_logger.opt(depth=6, exception=record.exc_info).log(record.levelname, record.getMessage())

    with _attached(log, Intercept()):
        yield lambda: _check(loguru_logger.complete() is not None)
    loguru_logger.remove(number)
    engine.dispose()


@contextlib.contextmanager
def session_per_record(log: logging.Logger, url: str) -> Iterator[Callable[[], None]]:
    """The handler most tutorials show: a Session and a commit per record, in the caller."""
    engine = sa.create_engine(sync_url(url))
    insert, dialect = _table(url).insert(), dialect_of(url)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with Session(engine) as session:
                session.execute(insert, _values(record, dialect))
                session.commit()

    with _attached(log, Handler()):
        yield lambda: None
    engine.dispose()


def _check(done: bool) -> None:
    if not done:
        raise RuntimeError("a contestant did not store what was logged")


PEERS: dict[str, Contestant] = {
    "dblog.DatabaseHandler": dblog_handler,
    "dblog.DatabaseHandler, memory": functools.partial(dblog_handler, durability="memory"),
    "dblog.DatabaseHandler, durable": functools.partial(dblog_handler, durability="durable"),
    "QueueHandler + batching QueueListener": queue_listener,
    "OpenTelemetry BatchLogRecordProcessor": otel_batch,
    "loguru enqueue=True": loguru_enqueue,
    "Session per record": session_per_record,
}
SLOW = {"loguru enqueue=True": 20, "Session per record": 20}
"""Contestants that get a fraction of the records: one commit per record takes its time."""
