"""The value that crosses every border: a captured log record, and a row read back.

A record (``logging.LogRecord``) is captured into an entry; an entry is stored as
a row. Everything in an entry is immutable, so it can cross threads. It is a
``NamedTuple`` because one is made for every record stored: a tuple of 31 fields
costs a tenth of a frozen dataclass.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["ENTRY_BYTES", "ID_FIELDS", "ITEM_SITE", "ITEM_SIZE", "Item", "LogEntry", "compact", "expand"]

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


ENTRY_BYTES = 600
"""What an entry costs beside its message, metadata and exception: its tuples, the queue item, two small ints."""


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
    def now(cls, message: str, *, level: str = "INFO", severity: int = 9, logger: str = "", **fields: Any) -> LogEntry:
        """An entry stamped with the present time, for ``dblog.enqueue``.

        ``metadata`` may be given as a dict; it is encoded as capture encodes extras.
        """
        metadata = fields.pop("metadata", None)
        if isinstance(metadata, dict):
            from dblog.plain import dump_object  # noqa: PLC0415 - only this path needs it

            data = dump_object(metadata)
            metadata = None if data is None else data.decode()
        return cls(time.time_ns() // 1000, level, severity, logger, message, metadata=metadata, **fields)


Item: TypeAlias = list[Any]
"""What capture makes and the queue holds, a third of an entry's size; the writer expands it:

``[seq, timestamp, site, message, template, metadata, thread, async_task, ids, rest, size]``

``seq`` is set inside the buffer's critical section: that is why it is a list, not a tuple. ``site`` is
``(level, severity, logger, module, function, pathname, lineno)``, one tuple per call site; ``rest`` a dict of
further fields of the entry, or None; ``size`` the bytes held.
"""
ITEM_SITE, ITEM_SIZE = 2, 10

_new = tuple.__new__


def expand(item: Item) -> LogEntry:
    """The entry of an item."""
    _, moment, site, message, template, metadata, thread, task, ids, rest, _ = item
    level, severity, logger, module, function, pathname, lineno = site
    head = (moment, level, severity, logger, message, template, metadata, module, function, pathname, lineno)
    entry = _new(LogEntry, (*head, thread, task, None, None, None, *ids, None, None, None, None, None, None, None))
    return entry if rest is None else entry._replace(**rest)


def compact(entry: LogEntry, **rest: Any) -> Item:
    """The item of an entry, whose other fields travel as they are."""
    site = (entry.level, entry.severity, entry.logger, entry.module, entry.function, entry.pathname, entry.lineno)
    size = ENTRY_BYTES + sum(4 * len(text) for text in (entry.message, entry.metadata, entry.exc_text) if text)
    for name in ("exc_type", "exc_message", "exc_text", "service", "host", "pid", "id"):
        if getattr(entry, name) is not None:
            rest[name] = getattr(entry, name)
    return [
        *(0, entry.timestamp, site, entry.message, entry.template, entry.metadata, entry.thread, entry.async_task),
        *(entry[_FIRST_ID : _FIRST_ID + len(ID_FIELDS)], rest or None, size),
    ]


_FIRST_ID = LogEntry._fields.index(ID_FIELDS[0])
