"""google-re2, and what SQLite lacks for our conditions: functions that say what ``values`` says."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from dblog.errors import MissingExtraError
from dblog.query.values import number_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NUMBER", "install", "searcher"]

NUMBER = "dblog_number"
"""SQL name of ``values.number_of`` for texts."""

_PATTERNS = 64
"""Compiled patterns kept; each may take a few megabytes."""


@functools.lru_cache(_PATTERNS)
def searcher(pattern: str) -> Callable[[bytes], bool]:
    """Whether RE2 finds a pattern (``Regex.re2``) in UTF-8, which may be broken.

    Raises:
        MissingExtraError: google-re2 is not installed.
    """
    try:
        import re2  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("google-re2", "regex") from None
    options = re2.Options()
    options.log_errors = False  # they would go to the process's stderr
    search = re2.compile(pattern, options).search
    return lambda data: search(data) is not None


def install(connection: Any, *, regex: bool) -> None:
    """Register the functions on a plain ``sqlite3.Connection``.

    Raises:
        MissingExtraError: ``regex`` is wanted and google-re2 is not installed.
    """
    if regex:
        searcher("")
    # Where it is not wanted it is replaced as well: SQLAlchemy puts Python's re there, which one pattern can stall.
    connection.create_function("regexp", 2, _regexp if regex else _refuse, deterministic=True)
    connection.create_function(NUMBER, 1, number_of, deterministic=True)


def _regexp(pattern: str, data: bytes | str | None) -> bool | None:
    """SQLite's ``data REGEXP pattern``; bytes, because SQLite's text need not be valid UTF-8."""
    if data is None:
        return None
    return searcher(pattern)(data if isinstance(data, bytes) else str(data).encode())


def _refuse(*_: object) -> None:
    raise MissingExtraError("google-re2", "regex")
