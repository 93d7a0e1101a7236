"""What the formatters and the joints with other loggers share.

A formatter's line says what the row in the database says: the record goes through the same capture (message,
ids of the record or its context, redaction, bounds), and only then into the format's names. So a line is bounded, in
one piece, and made of any record, whatever its extras do.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from dblog import lifecycle
from dblog.capture import Capture
from dblog.diagnostics import complain
from dblog.errors import ConfigurationError
from dblog.events import named
from dblog.interchange import LATEST, iso
from dblog.item import expand
from dblog.options import Options
from dblog.repair import clamp
from dblog.spans import API, resource
from dblog.texts import text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dblog.entry import LogEntry
    from dblog.handler import DatabaseHandler

__all__ = ["MAX_LINE_BYTES", "Entries", "Identity", "Place", "checked_handlers", "deliver", "made", "one_line", "whole"]

MAX_LINE_BYTES: Final = 256 * 1024
"""Bytes of a line unless told otherwise: what Loki takes, and CloudWatch always took."""
_LEAST_LINE: Final = 64 * 1024
_SHRINK: Final = 8
"""A character grows to six bytes at most where JSON escapes it."""
_LAST_RESORT: Final = 1024
_HOST: Final = socket.gethostname()
_BREAKS: Final = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class Identity(NamedTuple):
    """What a line says of its process, as ``DatabaseHandler``'s options call it."""

    service: str | None
    service_version: str | None
    environment: str | None


class Entries:
    """A formatter's own capture.

    Args:
        service, service_version, environment: as the options of ``DatabaseHandler``, with the same defaults from
            ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES``, else of OpenTelemetry's tracer provider.
        max_line_bytes: of the finished line; what is longer is cut where a stored record would be.
        redact_keys, redact_patterns: as the options of ``DatabaseHandler``.

    Raises:
        ConfigurationError: one is wrong; names it, its value and what is allowed.
    """

    def __init__(
        self,
        *,
        service: str | None = None,
        service_version: str | None = None,
        environment: str | None = None,
        max_line_bytes: int = MAX_LINE_BYTES,
        redact_keys: Any = None,
        redact_patterns: Any = None,
    ) -> None:
        self._max_line = whole("max_line_bytes", max_line_bytes, _LEAST_LINE)
        self._given = {
            "service": service,
            "service_version": service_version,
            "environment": environment,
            "redact_keys": redact_keys,
            "redact_patterns": redact_patterns,
        }
        self._captures: dict[int, Capture] = {}
        self._options = self._bounded(max_line_bytes)

    def line(self, record: logging.LogRecord, formatter: logging.Formatter, render: Callable[[LogEntry], str]) -> str:
        """The record as one line of at most ``max_line_bytes``; raises nothing but BaseException.

        Args:
            record: any.
            formatter: its ``formatException`` makes the traceback.
            render: the entry in the format.
        """
        try:
            size = self._max_line
            while True:
                line = one_line(render(self._entry(record, formatter, size)))
                if len(line) * 4 <= self._max_line or len(line.encode()) <= self._max_line or size < _LAST_RESORT:
                    return line
                size //= _SHRINK
        except Exception as error:  # noqa: BLE001 - a log line must not harm who logs it
            complain("format", f"{type(formatter).__name__} could not format a record: {type(error).__name__}")
            return _least(record)

    def _entry(self, record: logging.LogRecord, formatter: logging.Formatter, size: int) -> LogEntry:
        capture = self._captures.get(size)
        if capture is None:
            capture = self._captures[size] = Capture(self._bounded(size))
        entry = expand(capture(record, formatter))
        if not 0 <= entry.timestamp <= LATEST:
            entry = clamp(entry, time.time_ns() // 1000, force=True)
        return entry._replace(service=self.identity().service, host=_HOST, pid=os.getpid())

    def identity(self) -> Identity:
        """Who logs: of the options, else of the resource of OpenTelemetry's provider, as soon as there is one."""
        own = self._options
        known = Identity(own.service, own.service_version, own.environment)
        if None not in known or API not in sys.modules:
            return known
        found = resource()
        return Identity(*(value or found.get(name) for name, value in known._asdict().items()))

    def _bounded(self, size: int) -> Options:
        return Options.of(max_record_bytes=size, queue_bytes=max(size, 64 * 1024), **self._given)


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The value of an option that is an integer.

    Raises:
        ConfigurationError: it is none, or out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        allowed = f"an integer of at least {least}" if most is None else f"an integer, {least} to {most}"
        raise ConfigurationError(f"{name}={value!r} is not allowed: give {allowed}")
    return value


def one_line(line: str) -> str:
    """JSON text without any character somebody could take for the end of a line; JSON has escaped the others."""
    if not line.isascii():
        for char, escape in _BREAKS.items():
            line = line.replace(char, escape)
    return line


def _least(record: logging.LogRecord) -> str:
    fields = record.__dict__
    return one_line(
        orjson.dumps(
            {
                "timestamp": iso(time.time_ns() // 1000),
                "level": text(fields.get("levelname"), 64).encode(errors="replace").decode(),
                "logger": text(fields.get("name"), 256).encode(errors="replace").decode(),
                "message": text(fields.get("msg"), 4096).encode(errors="replace").decode(),
            }
        ).decode()
    )


# -- other loggers' records ---------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where something was logged; None is what is not known."""

    pathname: str | None = None
    lineno: int | None = None
    function: str | None = None
    module: str | None = None
    thread: str | None = None


def made(name: str, level: int, level_name: str, place: Place, created: float | None = None) -> logging.LogRecord:
    """A record without a message: of another logger's event.

    Args:
        name: the logger's.
        level: Python's number.
        level_name: what it is called.
        place: where.
        created: seconds since 1970; now where None.
    """
    record = logging.LogRecord(name, level, place.pathname or "", place.lineno or 0, "", None, None, place.function)
    record.levelname = level_name
    if place.pathname is None:
        record.__dict__.update(pathname=None, filename=None, module=None, lineno=None)
    if place.module is not None:
        record.module = place.module
    if place.thread is not None:
        record.threadName = place.thread
    if created is not None:
        record.created, record.msecs = created, created % 1 * 1000
    return record


def checked_handlers(handlers: Sequence[Any]) -> tuple[DatabaseHandler, ...]:
    """The handlers given.

    Raises:
        ConfigurationError: one is none.
    """
    from dblog.handler import DatabaseHandler  # noqa: PLC0415 - a joint may be imported long before a handler is made

    for handler in handlers:
        if not isinstance(handler, DatabaseHandler):
            raise ConfigurationError(f"{handler!r} is not a DatabaseHandler: give handlers, or none for every live one")
    return tuple(handlers)


def deliver(
    record: logging.LogRecord, names: Mapping[str, object], handlers: Sequence[DatabaseHandler], joint: str
) -> None:
    """Hand a record to handlers whose level admits it.

    Args:
        record: it is theirs alone.
        names: see ``dblog.events.named``.
        handlers: these; every live one of the process where there is none.
        joint: who asks, for people.
    """
    chosen = handlers or [each for each in lifecycle.handlers() if not each.closed]
    if not chosen:
        complain(joint, f"{joint} has nowhere to store its events: make a dblog.DatabaseHandler first, and keep it")
        return
    with named(names):
        for handler in chosen:
            if record.levelno >= handler.level:
                handler.handle(record)
