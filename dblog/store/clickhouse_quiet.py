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

_LOGGERS: Final = tuple(
    logging.getLogger(name)
    for name in (
        "clickhouse_connect.driver",
        "clickhouse_connect.driver.client",
        "clickhouse_connect.driver.transform",
        "clickhouse_connect.driver._backend.http_sync",
        "clickhouse_connect.driver._backend.http_async",
        "clickhouse_connect.driver._backend.httpcommon",
        "urllib3.connectionpool",
    )
)
_ours = threading.local()


class _Quiet(logging.Filter):
    def filter(self, _record: logging.LogRecord) -> bool:
        return not getattr(_ours, "depth", 0)


_QUIET: Final = _Quiet()


@contextmanager
def quietly() -> Iterator[None]:
    """The body's calls of clickhouse-connect log nothing."""
    for logger in _LOGGERS:
        if _QUIET not in logger.filters:
            logger.addFilter(_QUIET)
    _ours.depth = getattr(_ours, "depth", 0) + 1
    try:
        yield
    finally:
        _ours.depth -= 1
