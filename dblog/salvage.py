"""The slow way through capture: accepts any record, says in ``metadata.dblog`` what it had to change.

User code (``__str__``, ``__repr__``, a formatter) runs here under guards: an
``Exception`` becomes readable text, a ``BaseException`` that is none (Ctrl-C)
propagates to the handler, which accounts for the record first.

``metadata.dblog`` holds ``flags`` (``format_error``, ``truncated``, ``sanitized``,
``nonfinite``, ``unserializable``, ``clock``), ``created`` (the refused time) and
``original_bytes`` (what a truncated field measured), ``suppressed`` and ``suppressed_seconds`` (what
``dblog.filters.RateLimit`` held back before it).
"""

from __future__ import annotations

import logging
import math
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from dblog.entry import ID_FIELDS, LogEntry
from dblog.item import MAX_NAME, compact
from dblog.levels import severity_of
from dblog.notes import Notes, Suppressed, cut, with_notes
from dblog.plain import REDACTED, Limits, plain, text
from dblog.scopes import ids_now, scope_var

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

    from dblog.item import Item
    from dblog.options import Options

__all__ = ["NOT_EXTRA", "Salvage", "current_task_name"]

NOT_EXTRA = frozenset(
    (*logging.LogRecord("", 0, "", 0, "", None, None).__dict__, "taskName", "message", "asctime"),
)
"""What ``LogRecord`` and formatters put on a record; the rest are the caller's extras."""
_NAMES = {
    "level": "levelname",
    "logger": "name",
    "module": "module",
    "function": "funcName",
    "pathname": "pathname",
    "thread": "threadName",
}
"""Fields of an entry that are names, and where a record has them."""
_TEXTS = (*_NAMES, "async_task", "template", "exc_type", "exc_message", *ID_FIELDS, "service", "host")
_FORMATTER = logging.Formatter()
_MAX_TEMPLATE = 8 * 1024
_MAX_INT = 2**31 - 1
_UNFORMATTED = 64 * 1024
"""Characters kept of arguments that do not fit their template."""


class Salvage:
    """The total capture of one handler: ``salvage(record, formatter) -> Item``."""

    def __init__(self, options: Options) -> None:
        self._redact = options.redact_keys
        self._patterns = options.redact_patterns
        self._max_bytes = options.max_record_bytes
        self._limits = Limits(
            max_depth=options.max_depth, max_attributes=options.max_attributes, max_bytes=options.max_record_bytes
        )

    def __call__(self, record: logging.LogRecord, formatter: logging.Formatter | None, *formatted: object) -> Item:
        """Capture one record; ``formatter`` is used only to format its exception.

        ``formatted`` is the message where somebody formatted it already, None where that failed.
        """
        notes = Notes()
        fields = record.__dict__
        message, template = self._message(record, notes, *(formatted or (_format(record),)))
        exc_type, exc_message, exc_text = self._exception(fields, formatter, notes)
        tree, ids = self._extras(fields, notes)
        timestamp = _timestamp(fields.get("created"), notes)
        names = {field: _name(fields.get(key), notes) for field, key in _NAMES.items()}
        task = _name(fields.get("taskName") or current_task_name(), notes)
        message, exc_text, metadata = self._fit(message, exc_message, exc_text, tree, notes)
        levelno = _level(fields.get("levelno"))
        entry = LogEntry(
            timestamp,
            names["level"] or str(levelno),
            severity_of(levelno),
            names["logger"] or "",
            message,
            template,
            metadata,
            names["module"],
            names["function"],
            names["pathname"],
            _lineno(fields.get("lineno")),
            names["thread"],
            task,
            exc_type,
            exc_message or None,
            exc_text,
            *ids,  # type: ignore[arg-type]  # the tuple's length is not its type
        )
        return compact(entry)

    def entry(self, entry: LogEntry) -> LogEntry:
        """An entry made by hand, as a record would have been captured: redacted and bounded."""
        notes = Notes()
        tree, flags = plain(entry.attributes, limits=self._limits, redact=self._redact)
        notes.flags |= set(flags) - {"redacted"}
        texts: dict[str, Any] = {}
        for field in _TEXTS:
            value = getattr(entry, field)
            if value is not None:
                limit = _MAX_TEMPLATE if field in {"template", "exc_message"} else MAX_NAME
                texts[field] = cut(self._hide_text(value), limit)
        entry = entry._replace(**texts)
        shown, trace = self._hide_text(entry.message), entry.exc_text and self._hide_text(entry.exc_text)
        message, exc_text, metadata = self._fit(shown, entry.exc_message, trace, self._hide(tree), notes)
        return entry._replace(message=message, exc_text=exc_text, metadata=metadata)

    def _fit(
        self, message: str, exc_message: str | None, exc_text: str | None, tree: Any, notes: Notes
    ) -> tuple[str, str | None, str | None]:
        """Message, traceback and metadata within ``max_record_bytes``; what is too long divides the room fairly."""
        data = orjson.dumps(tree)
        sizes = {"message": len(message.encode()), "exc_text": len((exc_text or "").encode()), "metadata": len(data)}
        share = _shares(sizes, self._max_bytes - len((exc_message or "").encode()))
        message = notes.cut("message", message, share["message"])
        if exc_text is not None:
            exc_text = notes.cut("exc_text", exc_text, share["exc_text"])
        if len(data) > share["metadata"]:
            limits = replace(self._limits, max_bytes=share["metadata"])
            tree, flags = plain(tree, limits=limits, redact=())
            notes.flags |= set(flags)
            data = orjson.dumps(tree)
        return message, exc_text, with_notes(None if data == b"{}" else data.decode(), notes.as_dict())

    def redacted(self, bound: Mapping[str, object]) -> dict[str, object]:
        """A context's attributes with this handler's keys and patterns redacted."""
        tree, _ = plain(dict(bound), limits=self._limits, redact=self._redact)
        return self._hide(tree) if isinstance(tree, dict) else {}

    def _message(self, record: logging.LogRecord, notes: Notes, message: object) -> tuple[str, str | None]:
        args = record.__dict__.get("args")
        if message is None:
            notes.flags.add("format_error")
            raw = record.__dict__.get("msg")
            message = text(raw, _UNFORMATTED)
            if args:  # one by one: a tuple's own text is lost with the first argument that has none
                each = args if type(args) is tuple else (args,)
                message = f"{message} ({', '.join(text(arg, _UNFORMATTED // len(each)) for arg in each)})"
        shown = self._hide_text(notes.clean(text(message, sys.maxsize)))
        if not args:
            return shown, None
        template = notes.clean(text(record.__dict__.get("msg"), _MAX_TEMPLATE))
        return shown, cut(self._hide_text(template), _MAX_TEMPLATE)

    def _exception(
        self, fields: dict[str, Any], formatter: logging.Formatter | None, notes: Notes
    ) -> tuple[str | None, str | None, str | None]:
        kind = message = None
        trace = fields.get("exc_text")
        info = fields.get("exc_info")
        if isinstance(info, BaseException):
            info = (type(info), info, info.__traceback__)
        elif info and not isinstance(info, tuple):
            info = sys.exc_info()
        if isinstance(info, tuple) and len(info) == 3 and isinstance(info[1], BaseException):  # noqa: PLR2004 - as sys.exc_info()
            kind = _qualified(type(info[1]))
            message = text(info[1], _MAX_TEMPLATE)
            try:
                trace = (formatter or _FORMATTER).formatException(info)
            except Exception:  # noqa: BLE001 - user code
                trace = trace or f"{kind}: {message}"
        stack = fields.get("stack_info")
        shown = "\n".join(text(part, sys.maxsize) for part in (trace, stack) if part)
        return (
            _name(kind, notes),
            None if message is None else cut(self._hide_text(notes.clean(message)), _MAX_TEMPLATE),
            self._hide_text(notes.clean(shown)) or None,
        )

    def _extras(self, fields: dict[str, Any], notes: Notes) -> tuple[Any, tuple[str | None, ...]]:
        """The extras as a plain tree, and the ids."""
        context = scope_var.get()
        ids = list(ids_now(context))
        extras: dict[object, object] = {}
        extras.update(context.attributes or {})
        for key, value in list(fields.items()):
            if type(key) is str and key in ID_FIELDS:
                if value is not None:
                    shown = self._hide_text(notes.clean(text(value, MAX_NAME)))
                    ids[ID_FIELDS.index(key)] = cut(shown, MAX_NAME)
            elif type(value) is Suppressed:
                notes.suppressed(value)
            elif not (type(key) is str and key in NOT_EXTRA):
                extras["dblog_" if key == "dblog" else key] = value
        tree, flags = plain(extras, limits=self._limits, redact=self._redact)
        notes.flags |= set(flags) - {"redacted"}
        return self._hide(tree), tuple(ids)

    def _hide_text(self, value: str) -> str:
        for pattern in self._patterns:
            value = pattern.sub(REDACTED, value)
        return value

    def _hide(self, tree: Any) -> Any:
        """The patterns on every string value of a plain tree, whose depth is bounded."""
        return _hide(tree, self._patterns) if self._patterns else tree


def _format(record: logging.LogRecord) -> object:
    """The message, None where it cannot be formatted."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - user code: any template, any argument
        return None


def _hide(tree: Any, patterns: tuple[re.Pattern[str], ...]) -> Any:
    if isinstance(tree, str):
        for pattern in patterns:
            tree = pattern.sub(REDACTED, tree)
        return tree
    if isinstance(tree, list):
        return [_hide(item, patterns) for item in tree]
    if isinstance(tree, dict):
        return {key: _hide(value, patterns) for key, value in tree.items()}
    return tree


def _shares(sizes: dict[str, int], room: int) -> dict[str, int]:
    """Fair shares of ``room``: the small keep what they have, the large divide the rest."""
    shares = {}
    left = max(room, 0)
    for count, (name, size) in zip(range(len(sizes), 0, -1), sorted(sizes.items(), key=lambda it: it[1]), strict=True):
        shares[name] = min(size, left // count)
        left -= shares[name]
    return shares


def _timestamp(created: object, notes: Notes) -> int:
    try:
        if isinstance(created, int | float) and math.isfinite(created):
            return round(float(created) * 1e6)
    except OverflowError:
        pass
    notes.flags.add("clock")
    notes.info["created"] = text(created, MAX_NAME)
    return time.time_ns() // 1000


def _level(levelno: object) -> int:
    return int(levelno) if isinstance(levelno, int | float) and abs(levelno) < _MAX_INT else 0


def _lineno(lineno: object) -> int | None:
    return min(max(int(lineno), 0), _MAX_INT) if isinstance(lineno, int) else None


def _name(value: object, notes: Notes) -> str | None:
    if value is None:
        return None
    return notes.cut("name", notes.clean(text(value, 4 * MAX_NAME)), MAX_NAME)


def _qualified(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def current_task_name() -> str | None:
    """The running asyncio task's name; None outside of tasks, and where asyncio was never imported."""
    asyncio = sys.modules.get("asyncio")
    try:
        task = asyncio.current_task() if asyncio else None
    except RuntimeError:  # no running loop
        return None
    return None if task is None else task.get_name()
