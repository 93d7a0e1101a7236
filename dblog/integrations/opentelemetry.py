"""OpenTelemetry's SDK and dblog, both ways: errors become span events, and spans become entries.

::

    logging.getLogger().addHandler(SpanEventHandler())          # ERROR and above: on the active span
    provider.add_span_processor(DblogSpanProcessor())           # each span that ends: an entry

Neither is needed for the ids: a record carries the active span's wherever OpenTelemetry's API is loaded
(``dblog.scopes``). Both need the extra ``otel``, and both are guarded: what fails in them is told once on stderr,
and neither the record nor the span is harmed by it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from dblog import lifecycle
from dblog.context import current
from dblog.diagnostics import complain
from dblog.entry import ID_FIELDS, LogEntry
from dblog.errors import MissingExtraError
from dblog.handler import enqueue
from dblog.levels import parse_level, severity_of
from dblog.plain import text

try:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Status, StatusCode, format_span_id, format_trace_id
except ImportError as missing:
    raise MissingExtraError(missing.name or "opentelemetry", "otel") from None

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

__all__ = ["EVENT", "DblogSpanProcessor", "SpanEventHandler"]

EVENT = "error_log"
"""The name of the span events ``SpanEventHandler`` adds."""

_NO_EXCEPTION = "UnknownError"
"""``error.type`` of an error logged without an exception."""
_MESSAGE_LIMIT = 8 * 1024
_NAME_LIMIT = 512


class SpanEventHandler(logging.Handler):
    """Puts a record on OpenTelemetry's active span, as an event ``error_log``, if it is recording.

    The event's attributes: ``log.level``, ``log.message`` (at most 8,192 characters), ``log.logger``, ``log.module``,
    ``log.function``, ``log.line``, ``tracking.id`` (the record's own ``tracking_id`` or ``trace_id``, else the span's
    trace id) and ``error.type`` (the exception's class, ``UnknownError`` without one). The exception is recorded too,
    as an event ``exception``, and the span's status becomes ERROR, described by the message.

    The message is the span exporter's then: dblog's redaction is for what dblog stores.

    Args:
        level: records below are not handled; ERROR by default.

    Raises:
        ConfigurationError: the level is none.
    """

    def __init__(self, level: int | str = logging.ERROR) -> None:
        super().__init__(parse_level(level, "level"))

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and note one record; takes no lock, for a span has its own. Raises nothing but BaseException."""
        try:
            passed: Any = self.filter(record)
            if passed:
                self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        except Exception as error:  # noqa: BLE001 - a user's filter, message or span
            complain("span event", f"a record made no span event: {type(error).__name__}")
            return False
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Note one record that passed the filters."""
        span = trace.get_current_span()
        if not span.is_recording():
            return
        message = _message(record)
        error = _exception(record)
        if error is not None:
            span.record_exception(error)
        span.add_event(EVENT, _attributes(record, message, error, span))
        span.set_status(Status(StatusCode.ERROR, message))


def _message(record: logging.LogRecord) -> str:
    try:
        return text(record.getMessage(), _MESSAGE_LIMIT)
    except Exception:  # noqa: BLE001 - arguments that do not fit their template
        return text(record.msg, _MESSAGE_LIMIT)


def _exception(record: logging.LogRecord) -> BaseException | None:
    info: Any = record.exc_info
    error = info[1] if isinstance(info, tuple) and info else info
    return error if isinstance(error, BaseException) else None


def _attributes(
    record: logging.LogRecord, message: str, error: BaseException | None, span: trace.Span
) -> dict[str, str | int]:
    fields = record.__dict__
    tracking = fields.get("tracking_id") or fields.get("trace_id") or format_trace_id(span.get_span_context().trace_id)
    attributes = {
        "log.level": record.levelname,
        "log.message": message,
        "log.logger": record.name,
        "log.module": record.module,
        "log.function": record.funcName,
        "log.line": record.lineno,
        "tracking.id": text(tracking, _NAME_LIMIT),
        "error.type": _NO_EXCEPTION if error is None else type(error).__name__,
    }
    return {name: value for name, value in attributes.items() if isinstance(value, str | int)}


class DblogSpanProcessor(SpanProcessor):
    """Makes an entry of each span that ends, so that a trace in the database shows how long what took.

    The entry's time is the span's end, its message the span's name, its ids the span's; ``metadata`` has
    ``duration_ms``, ``kind``, ``status``, the status' ``description``, ``scope`` (who made the span) and the span's
    ``attributes``, bounded and redacted as a record's extras are. Of an exception recorded on it, type and message
    are kept. Ids of users, sessions and the like are those in scope where the span ends.

    Spans go to every ``DatabaseHandler`` whose level admits them, beside its filters. dblog's own work makes none.

    Args:
        level: of a span that did not fail; one that did is an ERROR.
        logger: the entries' ``logger``.

    Raises:
        ConfigurationError: the level is none.
    """

    def __init__(self, level: int | str = logging.INFO, *, logger: str = "dblog.spans") -> None:
        self._level = parse_level(level, "level")
        self._logger = logger

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: what a span was is known at its end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span's entry; raises nothing but BaseException."""
        try:
            enqueue(self._entry(span))
        except Exception as error:  # noqa: BLE001 - a span of somebody's
            complain("span entry", f"a span made no entry: {type(error).__name__}")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what was queued is stored; False when it is not within the time."""
        timeout = timeout_millis / 1000
        handlers = [handler for handler in lifecycle.handlers() if not handler.closed]
        stored = [handler.flush(timeout) for handler in handlers]  # each of them, whatever the first says
        return all(stored)

    def _entry(self, span: ReadableSpan) -> LogEntry:
        failed = span.status.status_code is StatusCode.ERROR
        level = max(self._level, logging.ERROR) if failed else self._level
        end = span.end_time or 0
        return LogEntry.now(
            text(span.name, _MESSAGE_LIMIT),
            level=logging.getLevelName(level),
            severity=severity_of(level),
            logger=self._logger,
            metadata=_metadata(span, end),
            **_ids(span),
            **_recorded(span),
        )._replace(timestamp=end // 1000)


def _metadata(span: ReadableSpan, end: int) -> dict[str, object]:
    scope = span.instrumentation_scope
    return {
        "duration_ms": max(0.0, round((end - (span.start_time or end)) / 1e6, 3)),  # times can be given
        "kind": span.kind.name.lower(),
        "status": span.status.status_code.name.lower(),
        **({"description": span.status.description} if span.status.description else {}),
        **({"scope": scope.name} if scope is not None and scope.name else {}),
        **({"attributes": dict(span.attributes)} if span.attributes else {}),
    }


def _ids(span: ReadableSpan) -> dict[str, str]:
    """The scope's ids with the span's own in their place."""
    of_scope = {name: value for name, value in zip(ID_FIELDS, current().ids, strict=True) if value is not None}
    of_scope.pop("parent_span_id", None)
    context = span.context
    if context is not None:
        of_scope |= {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}
    if span.parent is not None:
        of_scope["parent_span_id"] = format_span_id(span.parent.span_id)
    return of_scope


def _recorded(span: ReadableSpan) -> dict[str, str]:
    """The last exception recorded on the span."""
    for event in reversed(span.events):
        if event.name == "exception" and event.attributes:
            known = {"exc_type": "exception.type", "exc_message": "exception.message"}
            return {field: str(event.attributes[key]) for field, key in known.items() if key in event.attributes}
    return {}
