"""clickhouse-connect logs every failure itself, with a traceback that can hold values of a row.

What our own calls meet is told once, as a ``StoreError``. So those of its loggers are
silent in a thread while it is within ``quietly``; an application's own calls are not.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quietly"]

_THEIRS: Final = ("clickhouse_connect", "urllib3")
_ours = threading.local()


class _Quiet(logging.Filter):
    def filter(self, _record: logging.LogRecord) -> bool:
        return not getattr(_ours, "depth", 0)


_QUIET: Final = _Quiet()


class _Listening:
    """Which loggers have the filter: one of a parent's does not see what its children pass on."""

    def __init__(self) -> None:
        self._known = -1
        self._some: logging.Logger | None = None

    def ensure(self) -> None:
        """Give it to those that have come into being, and to all where somebody took it away."""
        loggers = logging.root.manager.loggerDict
        if len(loggers) == self._known and (self._some is None or _QUIET in self._some.filters):
            return
        self._known = len(loggers)
        for name, logger in list(loggers.items()):
            if name.partition(".")[0] in _THEIRS and isinstance(logger, logging.Logger):
                logger.addFilter(_QUIET)  # once, however often
                self._some = logger


_listening: Final = _Listening()


@contextmanager
def quietly() -> Iterator[None]:
    """The body's calls of clickhouse-connect log nothing."""
    _listening.ensure()
    _ours.depth = getattr(_ours, "depth", 0) + 1
    try:
        yield
    finally:
        _ours.depth -= 1
