"""Events of structured loggers as log records: a message, and key-values beside it.

structlog and loguru hand over a mapping; capture wants a record with extras. What a
record knows itself (level, logger, place, thread, a time stamp of now) is not stored a
second time; what a record cannot carry as an extra, because an attribute of its own has
the name (``name``, ``message``, ``module`` …), is bound as context while it is captured
and arrives in ``metadata`` under its own name.

Nothing here imports structlog: a record made by its ``ProcessorFormatter.wrap_for_formatter``
is known by what that leaves on it.
"""

from __future__ import annotations

import datetime as dt
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from dblog.context import bind, reset
from dblog.salvage import NOT_EXTRA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["fill", "named", "unwrapped"]

_SAID: Final = {
    "logger": "name",
    "module": "module",
    "func_name": "funcName",
    "pathname": "pathname",
    "filename": "filename",
    "lineno": "lineno",
    "thread": "thread",
    "thread_name": "threadName",
    "process": "process",
    "process_name": "processName",
}
"""What structlog's processors call what a record says itself, and where it says it."""
_PLACE: Final = {"pathname": str, "lineno": int, "func_name": str}
"""What an event has of its call site, if structlog looked for it."""
_OWN: Final = frozenset({"event", "exc_info", "_record", "_from_structlog"})
_NEAR: Final = 1.0
"""Seconds between a record's time and an event's, within which the latter is a time stamp and no datum."""


def fill(
    record: logging.LogRecord, event: Mapping[str, object], handled: BaseException | None = None
) -> dict[str, Any]:
    """Put an event's message, exception, stack and key-values on a record made for it.

    Args:
        record: whose level, name, place and thread are right.
        event: ``event`` is the message; ``exc_info``, ``exception`` (text), ``stack_info`` and ``stack`` (text) are
            what structlog means by them; the rest are extras, ids of ``dblog.entry.ID_FIELDS`` among them.
        handled: the exception that was being handled where it was logged: what ``exc_info=True`` means.

    Returns:
        What has to be ``named`` while the record is captured.
    """
    fields = record.__dict__
    fields["msg"], fields["args"] = event.get("event", ""), None
    error = event.get("exc_info")
    if isinstance(error, BaseException | tuple):
        fields["exc_info"] = error
    elif error is True and handled is not None:
        fields["exc_info"] = (type(handled), handled, handled.__traceback__)
    if all(type(event.get(key)) is kind for key, kind in _PLACE.items()):
        # Of a logger that is older than structlog's own, the record says a place within structlog.
        fields.update((_SAID[key], event[key]) for key in (*_PLACE, "module", "filename") if key in event)
    hidden = {}
    for key, value in event.items():
        if key in _OWN or _repeats(fields, key, value) or _is_trace(fields, key, value):
            continue
        if key in NOT_EXTRA:
            hidden[key] = value
        else:
            fields[key] = value
    return hidden


def _repeats(fields: dict[str, Any], key: str, value: Any) -> bool:
    """Whether the record says so itself. Compares exact texts and numbers only: no user code runs."""
    kind = type(value)
    if key == "level":
        return kind is str and bool(value.upper() == fields["levelname"])
    if key == "timestamp":
        return _is_now(value, fields["created"])
    said = fields.get(_SAID.get(key, ""))
    return kind in {str, int} and type(said) is kind and bool(said == value)


def _is_now(value: Any, now: float) -> bool:
    """Whether it is what structlog's ``TimeStamper`` writes: seconds since 1970, or ISO 8601 of UTC or of here."""
    try:
        if type(value) is float:
            return abs(value - now) < _NEAR
        if type(value) is not str:
            return False
        moment = dt.datetime.fromisoformat(value)
        meant = (moment,) if moment.tzinfo else (moment, moment.replace(tzinfo=dt.UTC))
        return any(abs(each.timestamp() - now) < _NEAR for each in meant)
    except (ValueError, OverflowError, OSError):
        return False


def _is_trace(fields: dict[str, Any], key: str, value: object) -> bool:
    """Whether it was put where the record has its traceback or stack."""
    if key == "stack_info" and not isinstance(value, str):
        return True  # a flag
    if not isinstance(value, str):
        return False
    if key == "exception":
        fields["exc_text"] = value
    elif key in {"stack", "stack_info"} and value.startswith("Stack "):
        fields["stack_info"] = value
    else:
        return False
    return True


@contextmanager
def named(names: Mapping[str, object]) -> Iterator[None]:
    """While the block runs, records also carry these, whatever they are called."""
    if not names:
        yield
        return
    token = bind(**names)
    try:
        yield
    finally:
        reset(token)


def unwrapped(
    record: logging.LogRecord, handled: BaseException | None
) -> tuple[logging.LogRecord, dict[str, Any]] | None:
    """The record structlog's ``wrap_for_formatter`` was meant to be, and what has to be ``named``.

    A new record: the given one is other handlers' too. None of a record that was not wrapped. ``handled`` as in
    ``fill``.
    """
    fields = record.__dict__
    event = fields.get("msg")
    if not (isinstance(event, dict) and "_logger" in fields and "_name" in fields):
        return None
    fresh = logging.LogRecord.__new__(logging.LogRecord)
    fresh.__dict__.update((key, value) for key, value in fields.items() if key not in {"_logger", "_name"})
    return fresh, fill(fresh, event, handled)
