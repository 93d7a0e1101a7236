"""Hold back what repeats itself: some of a kind are let through, the others counted.

::

    "filters": {"repeats": {"()": "dblog.filters.RateLimit", "burst": 10, "period": 60}},
    "handlers": {"database": {"class": "dblog.DatabaseHandler", "filters": ["repeats"], ...}},

Of a kind are records of the same logger, level, template and type of exception. Each kind has a bucket of ``burst``
tokens that fills up within ``period`` seconds; a record takes one, or is held back. The next of its kind that passes
says how many were: ``suppressed`` in ``metadata.dblog``. A kind that ends says it no more, but ``suppressed`` of the
filter counts all.

It refuses to judge what a record says: for that, write a filter of your own.
"""

from __future__ import annotations

import copy
import logging
import os
import sys
import threading
import time
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import ConfigurationError
from dblog.guard import here
from dblog.levels import parse_level
from dblog.notes import Suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["LIMITED", "RateLimit", "passes"]

_KINDS: Final = 1024
"""Kinds remembered; then the one longest not seen is forgotten."""
_TEMPLATE: Final = 512
"""Characters of a template that tell kinds apart."""
_SPARE: Final = 1e-3
"""The part of a token that may be missing: sums of floats are not exact."""
_NOTE: Final = "dblog_suppressed"
"""Where a record has what is to be said of those held back before it; capture goes by the value's type."""
_REPLACES: Final = sys.version_info >= (3, 12)
"""A filter may answer with another record."""


class _Limited:
    """Untrue, as an answer of a filter, and tells why."""

    def __bool__(self) -> bool:
        return False


LIMITED: Final = _Limited()
"""What ``RateLimit.filter`` answers for a record it holds back."""


class RateLimit(logging.Filter):
    """A filter for a logger or a handler: ``burst`` records of a kind at once, and as many again in ``period`` seconds.

    On a ``DatabaseHandler``, what is held back is counted as dropped{rate_limited}.

    Args:
        burst: tokens of a kind, at least 1.
        period: seconds in which an empty bucket is full again.
        below: records of this level or above always pass; a name or a number. None lets no level pass unlimited.
        clock: seconds; ``time.monotonic``.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        burst: int = 10,
        period: float = 60.0,
        *,
        below: int | str | None = "ERROR",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._period = _seconds(period)
        self._each = self._period / _whole(burst)
        """Seconds in which a token comes."""
        self._clock = clock
        self._below = float("inf") if below is None else parse_level(below, "below")
        self._kinds: OrderedDict[Hashable, tuple[float, int, float]] = OrderedDict()
        """Of a kind: when its bucket will be full, how many were held back, and since when."""
        self._begin_anew()
        self._suppressed = 0
        _alive.add(self)

    @property
    def suppressed(self) -> int:
        """Records held back since it was made."""
        return self._suppressed

    def _begin_anew(self) -> None:
        """In this process: another thread may have held the lock at the fork."""
        self._lock = threading.RLock()  # not Lock: a signal's handler, or a finaliser, may log in between
        self._pid = os.getpid()

    def filter(self, record: logging.LogRecord) -> Any:
        """Whether the record passes; one that has to say what was held back is answered with a copy that says it."""
        if here.depth < 0 and os.getpid() != self._pid:  # a hook of somebody else's logs before ours
            self._begin_anew()
        if record.levelno >= self._below:
            return True
        kind, now = _kind(record), self._clock()
        with self._lock:
            full, held, since = self._kinds.get(kind) or (now, 0, now)
            after = max(full, now) + self._each
            passing = after - now <= self._period + self._each * _SPARE
            if passing:
                self._kinds[kind] = (after, 0, now)
            else:
                self._suppressed += 1
                self._kinds[kind] = (full, held + 1, since if held else now)
            self._kinds.move_to_end(kind)
            if len(self._kinds) > _KINDS:
                self._kinds.popitem(last=False)
        if not passing:
            return LIMITED
        return _saying(record, Suppressed(held, now - since)) if held else True


def passes(filters: list[Any], record: logging.LogRecord) -> Any:
    """What these filters make of a record, on every Python as from 3.12 on: the record that passes, or a false answer.

    A false one is ``LIMITED`` where it was a ``RateLimit`` that held the record back.
    """
    for each in filters:
        verdict = each.filter(record) if hasattr(each, "filter") else each(record)
        if not verdict:
            return verdict
        if isinstance(verdict, logging.LogRecord):
            if not _REPLACES and verdict is not record:  # the note is for who asked, not for the handlers after it
                record.__dict__.pop(_NOTE, None)
            record = verdict
    return record


def _kind(record: logging.LogRecord) -> Hashable:
    error = record.exc_info[0] if isinstance(record.exc_info, tuple) else None
    template: Any = record.msg
    if type(template) is dict:  # an event of structlog's
        template = template.get("event")
    return record.name, record.levelno, template[:_TEMPLATE] if isinstance(template, str) else type(template), error


def _saying(record: logging.LogRecord, note: Suppressed) -> logging.LogRecord:
    """A copy with the note: other handlers have the same record, and for them nothing was held back."""
    if not _REPLACES:  # a logger goes on with what it has
        record.__dict__[_NOTE] = note
    other = copy.copy(record)
    other.__dict__[_NOTE] = note
    return other


_alive: weakref.WeakSet[RateLimit] = weakref.WeakSet()


def _in_child() -> None:
    for limiter in list(_alive):
        limiter._begin_anew()  # noqa: SLF001 - its own


os.register_at_fork(after_in_child=_in_child)


def _whole(burst: Any) -> int:
    if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
        raise ConfigurationError(f"burst={burst!r} is not allowed: give an integer of at least 1")
    return burst


def _seconds(period: Any) -> float:
    if isinstance(period, bool) or not isinstance(period, int | float) or not 0 < period < float("inf"):
        raise ConfigurationError(f"period={period!r} is not allowed: give seconds, more than 0")
    return period
