"""JSON for CloudWatch Logs: nested, so that Insights can ask for ``user.id`` or ``response.status``.

::

    "formatters": {"cloudwatch": {"()": "dblog.integrations.cloudwatch.CloudWatchFormatter", "service": "api-gateway"}}

Always there: ``@timestamp`` (UTC, milliseconds, ``Z``), ``@level``, ``@message``, ``service``, ``tracking_id`` (the
trace id, or an extra of that name; ``unknown`` where there is none) and ``source``. Extras are grouped by what their
names begin with: ``request_method`` is ``request.method``, and so with ``GROUPS``; an access record of dblog's
middleware fills ``request`` and ``response``. The others are in ``metadata``. From ERROR on, and with an exception,
there is ``error``; with an exception also ``exception``.

CloudWatch reads a thousand fields of an event: beyond ``max_fields`` those of ``metadata`` go first, then the
groups, the last first; ``metadata.dblog`` says so.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from dblog.integrations.access import CLOUDWATCH, renamed
from dblog.integrations.fields import Entries, whole
from dblog.interchange import iso

if TYPE_CHECKING:
    from dblog.entry import LogEntry

__all__ = ["GROUPS", "CloudWatchFormatter"]

GROUPS: Final = ("request", "response", "user", "session", "workflow", "operation", "error", "exception")
"""Objects of their own: ``group_name=…``, and ``group={"name": …}``, are ``group.name``."""
_PLACES: Final = {
    "user_agent": ("request", "user_agent"),
    "operation": ("operation", "name"),
    "error": ("error", "message"),
    "workflow": ("workflow", "id"),
}
"""Extras whose names do not say it."""
_LEVELS: Final = {"WARNING": "WARN"}
_ERROR: Final = 17
"""The severity of ERROR."""
_FRAME: Final = re.compile(r'^[ |]*File "(.{1,4096}?)", line ([0-9]{1,9})', re.MULTILINE)
_NOTE: Final = 3
"""Fields of the note that some were left out."""
_FEWEST: Final = 50
_MOST: Final = 1000


class CloudWatchFormatter(logging.Formatter):
    """Formats a record as one line of JSON for CloudWatch; never raises, whatever the record holds.

    Args:
        max_fields: leaves of the JSON at most, list items each counted; 50 to 1000.
        **options: ``service``, ``service_version``, ``environment``, ``max_line_bytes`` (256 KiB), ``redact_keys``,
            ``redact_patterns``: see ``dblog.integrations.fields.Entries``.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(self, *, max_fields: int = 900, **options: Any) -> None:
        super().__init__()
        self._entries = Entries(**options)
        self._max_fields = whole("max_fields", max_fields, _FEWEST, _MOST)

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        return self._entries.line(record, self, self._render)

    def _render(self, entry: LogEntry) -> str:
        extras = entry.attributes
        given = extras.get("tracking_id")
        tracking = extras.pop("tracking_id") if given and isinstance(given, str) else entry.trace_id or "unknown"
        event = _core(entry, tracking, self._entries.identity().environment)
        flags = extras.pop("dblog", None)
        event |= _groups(entry, extras)
        if extras:
            event["metadata"] = extras
        return orjson.dumps(_limited(event, flags, self._max_fields)).decode()


def _core(entry: LogEntry, tracking: str, environment: str | None) -> dict[str, Any]:
    """The fields that are always kept."""
    event = {
        "@timestamp": f"{iso(entry.timestamp)[:23]}Z",
        "@level": _LEVELS.get(entry.level, entry.level),
        "@message": entry.message,
        "service": entry.service or "unknown",
        "environment": environment,
        "tracking_id": tracking,
        "source": _present(
            {"logger": entry.logger, "module": entry.module, "function": entry.function, "line": entry.lineno}
        ),
        "tracing": _present(
            {"trace_id": entry.trace_id, "span_id": entry.span_id, "parent_span_id": entry.parent_span_id}
        ),
        "task_id": entry.task_id,
        "context_id": entry.context_id,
        "client_id": entry.client_id,
    }
    return {name: value for name, value in event.items() if value not in (None, {})}


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _groups(entry: LogEntry, extras: dict[str, Any]) -> dict[str, Any]:
    """The objects of ``GROUPS``; what goes into one is taken out of the extras."""
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for name, value in renamed(extras, CLOUDWATCH).items():
        group, _, key = name.partition(".")
        groups[group][key] = value
    groups["user"] |= _present({"id": entry.user_id})
    groups["session"] |= _present({"id": entry.session_id})
    for group in GROUPS:
        if isinstance(extras.get(group), dict):
            _join(groups[group], extras, group)
    for key in [*extras]:
        group, name = _PLACES.get(key) or _split(key)
        if group in groups and name and name not in groups[group]:
            groups[group][name] = extras.pop(key)
    _add_error(entry, groups)
    return {group: fields for group, fields in groups.items() if fields}


def _split(key: str) -> tuple[str, str]:
    group, _, name = key.partition("_")
    return group, name


def _join(fields: dict[str, Any], extras: dict[str, Any], group: str) -> None:
    """A mapping given under a group's name; what is there already stays, and the other stays in the extras."""
    given: dict[str, Any] = extras.pop(group)
    left = {}
    for key, value in given.items():
        if key in fields:
            left[key] = value
        else:
            fields[key] = value
    if left:
        extras[group] = left


def _add_error(entry: LogEntry, groups: dict[str, dict[str, Any]]) -> None:
    if entry.severity < _ERROR and entry.exc_type is None:
        return
    short = entry.exc_type.rpartition(".")[2] if entry.exc_type else "UnknownError"
    groups["error"] = {"type": short, "message": entry.exc_message or entry.message} | groups["error"]
    if entry.exc_text:
        frames = _FRAME.findall(entry.exc_text)
        file, line = frames[-1] if frames else (None, None)
        found = {
            "class": entry.exc_type,
            "stack_trace": entry.exc_text,
            "file": file,
            "line": int(line) if line else None,
        }
        groups["exception"] = _present(found) | groups["exception"]


def _count(value: Any) -> int:
    """Leaves: what CloudWatch makes fields of; an empty object or list is one."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(_count, parts)) or 1


def _limited(event: dict[str, Any], notes: Any, most: int) -> dict[str, Any]:
    """The event with its notes, and with at most so many leaves; the first are kept, and core fields come first."""
    notes = notes if isinstance(notes, dict) else {}
    count, room = _count(event), most - (_count(notes) if notes else 0)
    if count > room:
        notes = {**notes, "flags": sorted({*notes.get("flags", ()), "truncated"}), "original_fields": count}
        event, _ = _cut(event, room - _NOTE)
    if notes:
        event["metadata"] = {**event.get("metadata", {}), "dblog": notes}
    return event


def _cut(value: Any, room: int) -> tuple[Any, int]:
    """The first ``room`` leaves of a value, and the room that is left."""
    if not isinstance(value, dict | list) or not value:
        return value, room - 1
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    kept = []
    for key, item in pairs:
        if room <= 0:
            break
        shorter, room = _cut(item, room)
        kept.append((key, shorter))
    return (dict(kept) if isinstance(value, dict) else [item for _, item in kept]), room
