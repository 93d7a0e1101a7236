"""Hold back what repeats itself: the first of a kind are let through, the others counted.

::

    "filters": {"repeats": {"()": "dblog.integrations.limiter.RepeatLimiter", "burst": 10, "period": 60}},
    "handlers": {"database": {"class": "dblog.DatabaseHandler", "filters": ["repeats"], ...}},

Of a kind are records of the same logger, level, template and type of exception. What was held back is said by the next
record of its kind that passes, in its extra ``held_back``; a kind that ends says it no more, but ``held_back`` of
the limiter counts it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from dblog.errors import ConfigurationError
from dblog.integrations.fields import whole
from dblog.levels import parse_level

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["RepeatLimiter"]

_KINDS = 1024
"""Kinds remembered; then the one longest not seen is forgotten."""
_TEMPLATE = 512
"""Characters of a template that tell kinds apart."""


class RepeatLimiter(logging.Filter):
    """A filter for a logger or a handler: ``burst`` records of a kind in ``period`` seconds.

    Args:
        burst: let through of a kind in each period, at least 1.
        period: seconds, from the first record of a kind.
        below: records of this level or above always pass; a name or a number, None for none.
        clock: seconds; ``time.monotonic``.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        burst: int = 10,
        period: float = 60.0,
        *,
        below: int | str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._burst, self._period, self._clock = whole("burst", burst, 1), _seconds(period), clock
        self._below = float("inf") if below is None else parse_level(below, "below")
        self._kinds: OrderedDict[Hashable, list[Any]] = OrderedDict()
        self._lock = threading.RLock()  # not Lock: a signal's handler, or a finaliser, may log in between
        _alive.add(self)
        self._held = 0

    @property
    def held_back(self) -> int:
        """Records held back since it was made."""
        return self._held

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes."""
        if record.levelno >= self._below:
            return True
        error = record.exc_info[0] if isinstance(record.exc_info, tuple) else None
        template = record.msg[:_TEMPLATE] if isinstance(record.msg, str) else type(record.msg)
        kind = (record.name, record.levelno, template, error)
        now = self._clock()
        with self._lock:
            begun, passed, held = self._kinds.get(kind) or (now, 0, 0)
            if now - begun >= self._period:
                begun, passed = now, 0
            passes = passed < self._burst
            if not passes:
                self._held += 1
            self._kinds[kind] = [begun, passed + passes, 0 if passes else held + 1]
            self._kinds.move_to_end(kind)
            if len(self._kinds) > _KINDS:
                self._kinds.popitem(last=False)
        if passes and held:
            record.held_back = held
        return passes


_alive: weakref.WeakSet[RepeatLimiter] = weakref.WeakSet()


def _in_child() -> None:
    for limiter in list(_alive):
        limiter._lock = threading.RLock()  # noqa: SLF001 - another thread may have held it at the fork


os.register_at_fork(after_in_child=_in_child)


def _seconds(period: Any) -> float:
    if isinstance(period, bool) or not isinstance(period, int | float) or not 0 < period < float("inf"):
        raise ConfigurationError(f"period={period!r} is not allowed: give seconds, more than 0")
    return period
