"""Times as people read them: in their own zone, with the date where it helps; pure functions."""

from __future__ import annotations

import datetime as dt
from typing import Final

__all__ = ["ago", "at", "clock", "day", "duration", "moment"]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_SMALL: Final = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (_MINUTE, 1.0, "s"))
_DIGITS: Final = {"µs": 0, "ms": 1, "s": 2}
_LARGE: Final = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1.0, "s"))


def at(timestamp: int, zone: dt.tzinfo | None) -> dt.datetime | None:
    """The time in a zone, the machine's own where it is None; None of a time no calendar has."""
    try:
        return (_EPOCH + dt.timedelta(microseconds=timestamp)).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return None


def clock(timestamp: int, zone: dt.tzinfo | None) -> str:
    """``10:42:04.777``: always twelve characters."""
    time = at(timestamp, zone)
    return f"{time:%H:%M:%S}.{time.microsecond // 1000:03}" if time else "??:??:??.???"


def day(timestamp: int, zone: dt.tzinfo | None) -> str:
    """``Fri 2026-11-20 +01:00``: what is left unsaid by ``clock``."""
    time = at(timestamp, zone)
    return f"{time:%a} {time.date().isoformat()} {_offset(time)}" if time else f"{timestamp} µs"


def moment(timestamp: int, zone: dt.tzinfo | None) -> str:
    """``2026-11-20 10:42:04.777123 +01:00``."""
    time = at(timestamp, zone)
    return f"{time.replace(tzinfo=None).isoformat(' ', 'microseconds')} {_offset(time)}" if time else f"{timestamp} µs"


def _offset(time: dt.datetime) -> str:
    if time.tzinfo is dt.UTC:
        return "UTC"
    offset = f"{time:%z}"
    return f"{offset[:3]}:{offset[3:5]}"


def duration(seconds: float) -> str:
    """``850 µs``, ``12.3 ms``, ``4.56 s``, ``3 min 5 s``, ``2 h 10 min``, ``5 d 3 h``."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    for below, scale, unit in _SMALL:
        if seconds < below:
            return f"{seconds * scale:.{_DIGITS[unit]}f} {unit}"
    larger, large, smaller, small = next(each for each in _LARGE if seconds >= each[0])
    return f"{int(seconds // larger)} {large} {int(seconds % larger // smaller)} {small}"


def ago(timestamp: int, now: int) -> str:
    """How long before ``now`` (both µs) something was: ``12 s ago``, ``3 h ago``."""
    seconds = (now - timestamp) / 1e6
    if seconds < 0:
        return "now"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return f"{int(seconds)} s ago"
