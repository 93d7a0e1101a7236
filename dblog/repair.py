"""Make any ``LogEntry`` storable: every field of its declared type, clean, in its column's range.

Captured entries are so already; this is for entries made by hand
(``dblog.enqueue``) and a last try before a row becomes a dead letter. It runs no
user code: a value of a foreign type becomes its type's name.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from dblog.entry import LogEntry
from dblog.notes import with_notes
from dblog.plain import clean, dump_object

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DAY_US", "FUTURE", "PAST", "clamp", "repair"]

DAY_US = 86_400 * 1_000_000
PAST, FUTURE = 31 * DAY_US, 1 * DAY_US
_INT4 = 2**31 - 1
_INT8 = 2**63 - 1
_FARTHEST = 2**1044
"""The largest float as seconds, in µs."""


def clamp(entry: LogEntry, now: int, *, force: bool = False) -> LogEntry:
    """The entry with a time within [now − 31 d, now + 1 d], in µs: another is replaced by now and kept in metadata.

    One bad clock must not block the queue: no partition would take the row. With ``force`` the time is replaced
    whatever it is.
    """
    if not force and now - PAST <= entry.timestamp <= now + FUTURE:
        return entry
    created = entry.timestamp / 1e6 if abs(entry.timestamp) < 2**53 else str(entry.timestamp)
    notes = {"flags": ["clock"], "created": created}
    return entry._replace(timestamp=now, metadata=with_notes(entry.metadata, notes), id=None)


def repair(entry: LogEntry) -> LogEntry:
    """The entry with every field made storable, flagged in ``metadata.dblog`` when something had to change."""
    fixed = LogEntry._make(fix(value) for fix, value in zip(_FIXES, entry, strict=True))
    # Types first: comparing a foreign one would run its code.
    if all(type(a) is type(b) for a, b in zip(fixed, entry, strict=True)) and fixed == entry:
        return entry
    return fixed._replace(metadata=with_notes(fixed.metadata, {"flags": ["sanitized"]}))


def _text(value: object) -> str:
    if isinstance(value, str):
        return clean(str.__str__(value))
    if type(value) in {int, float, bool}:
        return str(value) if type(value) is not int or abs(value) < 1 << 64 else f"<int of {value.bit_length()} bits>"
    return f"<{clean(type(value).__qualname__)}>"


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _whole(least: int, most: int, default: int | None) -> Callable[[object], int | None]:
    def fix(value: object) -> int | None:
        return min(max(int.__int__(value), least), most) if isinstance(value, int) else default

    return fix


def _moment(value: object) -> int:
    """Any integer up to ``_FARTHEST``: ``clamp`` bounds it, and keeps what it was. A float is meant in seconds."""
    if isinstance(value, float) and math.isfinite(value):
        value = round(float.__float__(value) * 1e6)
    # Beyond 4,300 digits Python makes no text of an integer, and so no note of what it was.
    return min(max(int.__int__(value), -_FARTHEST), _FARTHEST) if isinstance(value, int) else 0


def _metadata(value: object) -> str | None:
    if value is None:
        return None
    tree: object = None
    try:
        if isinstance(value, bytes | str) and isinstance(tree := orjson.loads(value), dict):
            if type(value) is str and "\\u0000" not in value and clean(value) is value and orjson.dumps(tree):
                return value
            return _dumped(tree)
    except (ValueError, TypeError, RecursionError):
        if isinstance(tree, dict):  # orjson reads deeper than it writes
            return _dumped(tree)
    return _dumped({"metadata": _text(value.decode(errors="replace") if isinstance(value, bytes) else value)})


def _dumped(tree: dict[str, object]) -> str | None:
    data = dump_object(tree)
    return None if data is None else data.decode()


def _uuid(value: object) -> UUID | None:
    return value if type(value) is UUID else None


_FIXES: tuple[Callable[[object], object], ...] = (
    _moment,
    _text,  # level
    _whole(1, 24, 1),  # severity
    _text,  # logger
    _text,  # message
    _optional_text,  # template
    _metadata,
    *[_optional_text] * 3,  # module, function, pathname
    _whole(0, _INT4, None),  # lineno
    *[_optional_text] * 5,  # thread, async_task, exc_type, exc_message, exc_text
    *[_optional_text] * 8,  # the ids
    *[_optional_text] * 2,  # service, host
    _whole(0, _INT4, None),  # pid
    _uuid,  # instance_id
    _whole(0, _INT8, None),  # seq
    _uuid,  # id
    _whole(-_INT8, _INT8, None),  # ingested_at
)
