"""Lines of other loggers: what they call our columns, and their levels."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from dblog.levels import BAND_NAMES, band_of, severity_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["rank", "taken"]

_ALIASES: Final = {
    "timestamp": ("@timestamp", "ts", "time", "asctime"),
    "level": ("log.level", "levelname", "lvl", "level_name"),
    "logger": ("log.logger", "logger_name", "name"),
    "message": ("msg", "event"),
    "function": ("log.origin.function", "funcName", "func_name"),
    "pathname": ("log.origin.file.name", "filename"),
    "lineno": ("log.origin.file.line",),
    "exc_type": ("error.type",),
    "exc_message": ("error.message",),
    "exc_text": ("error.stack_trace", "exception", "exc_info", "stack"),
    "trace_id": ("trace.id",),
    "span_id": ("span.id",),
    "user_id": ("user.id",),
    "service": ("service.name",),
    "host": ("host.name", "hostname"),
    "pid": ("process.pid", "process"),
    "thread": ("process.thread.name", "threadName", "thread_name"),
    "async_task": ("taskName",),
}
"""What the formats of ECS, structlog, zap, slog, Bunyan and the usual formatters of ``logging`` call our columns."""

_LEVELS: Final = {
    "TRACE": ("TRACE", 1),
    "WARN": ("WARNING", severity_of(logging.WARNING)),
    "NOTICE": ("NOTICE", 10),
    "ERR": ("ERROR", severity_of(logging.ERROR)),
    "CRIT": ("CRITICAL", severity_of(logging.CRITICAL)),
    "ALERT": ("CRITICAL", severity_of(logging.CRITICAL)),
    "EMERG": ("CRITICAL", severity_of(logging.CRITICAL)),
    "FATAL": ("CRITICAL", severity_of(logging.CRITICAL)),
    "PANIC": ("CRITICAL", severity_of(logging.CRITICAL)),
}
"""Names ``logging`` does not know; only of lines that give no ``severity``."""


def taken(name: str, fields: dict[str, Any], fitting: Callable[[str, Any], Any]) -> Any:
    """The value of a column, taken out of the fields; None where there is none that fits, which then stays.

    Args:
        name: the column.
        fields: what is left of an object.
        fitting: column and value → the value as the column takes it, or None.
    """
    for key in (name, *_ALIASES.get(name, ())):
        holder, last = _place(key, fields)
        if holder is None:
            continue
        if (value := fitting(name, holder[last])) is not None:
            del holder[last]
            _tidy(key, fields)
            return value
        if holder[last] is None:
            del holder[last]
    return None


def _place(key: str, fields: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Where a key is: as it is written, or ``a.b`` as ``{"a": {"b": …}}``."""
    if key in fields:
        return fields, key
    *path, last = key.split(".")
    holder: Any = fields
    for step in path:
        holder = holder.get(step) if isinstance(holder, dict) else None
    return (holder, last) if path and isinstance(holder, dict) and last in holder else (None, last)


def _tidy(key: str, fields: dict[str, Any]) -> None:
    """Take away the objects around ``a.b.c`` that became empty."""
    path = key.split(".")[:-1]
    while path:
        holder, last = _place(".".join(path), fields)
        if holder is None or holder[last] != {}:
            return
        del holder[last]
        path.pop()


def rank(found: dict[str, Any], fields: dict[str, Any]) -> None:
    """Level and severity, each from the other where one is missing; INFO where both are."""
    if "severity" in found:
        severity = found["severity"] = min(max(found["severity"], 1), 24)
        found.setdefault("level", BAND_NAMES[band_of(severity)].upper())
        return
    if "level" not in found and isinstance(fields.get("severity"), str):  # Google's name for the level
        found["level"] = fields.pop("severity")
    level = str(found.get("level", "INFO"))
    name = level.strip().upper()
    if name.isdecimal() and len(name) <= 4:  # noqa: PLR2004 - a number of logging's
        found["level"], found["severity"] = logging.getLevelName(int(name)), severity_of(int(name))
        return
    known = logging.getLevelNamesMapping()
    if name in _LEVELS and name not in known.keys() - {"WARN", "FATAL"}:
        found["level"], found["severity"] = _LEVELS[name]
        return
    found["level"] = name if name in known else level
    found["severity"] = severity_of(known.get(name, logging.INFO))
