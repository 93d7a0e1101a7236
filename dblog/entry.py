"""The value that crosses every border: a captured log record, and a row read back.

A record (``logging.LogRecord``) is captured into an entry; an entry is stored as
a row. Everything in an entry is immutable, so it can cross threads. It is a
``NamedTuple`` because one is made for every record stored: a tuple of 31 fields
costs a tenth of a frozen dataclass.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from dblog.levels import severity_of

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["ID_FIELDS", "LogEntry"]

ID_FIELDS = (
    "user_id",
    "session_id",
    "task_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "context_id",
    "client_id",
)
"""The identifiers a record can carry, in the order of ``LogEntry``'s fields."""


class LogEntry(NamedTuple):
    """One log entry. Fields are the columns of the table ``logs`` (see ``dblog.schema``).

    The last seven are known only once stored: the writer fills ``service``,
    ``host``, ``pid``, ``instance_id``, ``seq`` and ``id`` where they are ``None``,
    the database fills ``ingested_at``.
    """

    timestamp: int
    """When it was logged, in µs since 1970-01-01 UTC."""
    level: str
    """The level's exact name, ``"WARNING"`` or a custom one."""
    severity: int
    """OpenTelemetry severity number, 1-24."""
    logger: str
    message: str
    """The formatted message."""
    template: str | None = None
    """The unformatted message, when there were arguments."""
    metadata: str | None = None
    """A JSON object: the record's extras; dblog's own flags under ``dblog``. None when empty."""
    module: str | None = None
    function: str | None = None
    pathname: str | None = None
    lineno: int | None = None
    thread: str | None = None
    async_task: str | None = None
    exc_type: str | None = None
    exc_message: str | None = None
    exc_text: str | None = None
    """The formatted traceback with its chain, and ``stack_info`` if any; never local variables."""
    user_id: str | None = None
    session_id: str | None = None
    task_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    context_id: str | None = None
    client_id: str | None = None
    service: str | None = None
    host: str | None = None
    pid: int | None = None
    instance_id: UUID | None = None
    """Names one writer: one handler in one process since its last fork."""
    seq: int | None = None
    """Counts that writer's records from 1, dropped ones included; None for rows dblog itself adds."""
    id: UUID | None = None
    """UUIDv7 made of ``timestamp``, ``seq`` and ``instance_id``."""
    ingested_at: int | None = None
    """When the database took it, in µs since 1970-01-01 UTC."""

    @property
    def attributes(self) -> dict[str, Any]:
        """``metadata`` parsed: a new dict at each call, empty when there is none."""
        return orjson.loads(self.metadata) if self.metadata else {}

    @classmethod
    def now(
        cls, message: str, *, level: str = "INFO", severity: int | None = None, logger: str = "", **fields: Any
    ) -> LogEntry:
        """An entry stamped with the present time, for ``dblog.enqueue``.

        ``severity`` is that of ``level`` where it is not given, INFO's for a level nobody knows. ``metadata`` may be
        given as a dict; it is encoded as capture encodes extras.
        """
        if severity is None:
            severity = severity_of(logging.getLevelNamesMapping().get(level, logging.INFO))
        metadata = fields.pop("metadata", None)
        if isinstance(metadata, dict):
            from dblog.plain import dump_object  # noqa: PLC0415 - only this path needs it

            data = dump_object(metadata)
            metadata = None if data is None else data.decode()
        return cls(time.time_ns() // 1000, level, severity, logger, message, metadata=metadata, **fields)
