"""Python logging into the database you already have: Postgres, or one SQLite file.

A record travels one way, through small rooms with one door each::

    logging.LogRecord → handler → capture → LogEntry → buffer → writer → sink → table ``logs``

``import dblog`` is cheap: names are resolved when they are first used, and neither
SQLAlchemy nor Alembic is loaded before a handler with a database is made.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dblog.audit_handler import AuditHandler
    from dblog.context import bind, bound, carry, current, extract, inject, new_trace, unbind
    from dblog.entry import LogEntry
    from dblog.errors import (
        ConfigurationError,
        DblogError,
        QuerySyntaxError,
        QueryTimeout,
        StoreError,
        StoreUnavailable,
    )
    from dblog.handler import DatabaseHandler, enqueue, stats
    from dblog.ledger import Stats
    from dblog.reader import LogReader
    from dblog.sync_reader import SyncLogReader

__all__ = [
    "AuditHandler",
    "ConfigurationError",
    "DatabaseHandler",
    "DblogError",
    "LogEntry",
    "LogReader",
    "QuerySyntaxError",
    "QueryTimeout",
    "Stats",
    "StoreError",
    "StoreUnavailable",
    "SyncLogReader",
    "__version__",
    "bind",
    "bound",
    "carry",
    "current",
    "enqueue",
    "extract",
    "inject",
    "new_trace",
    "stats",
    "unbind",
]

__version__ = "0.1.0"

_HOME = {
    **dict.fromkeys(("bind", "bound", "carry", "current", "extract", "inject", "new_trace", "unbind"), "dblog.context"),
    "AuditHandler": "dblog.audit_handler",
    "LogEntry": "dblog.entry",
    **dict.fromkeys(
        ("ConfigurationError", "DblogError", "QuerySyntaxError", "QueryTimeout", "StoreError", "StoreUnavailable"),
        "dblog.errors",
    ),
    **dict.fromkeys(("DatabaseHandler", "enqueue", "stats"), "dblog.handler"),
    "Stats": "dblog.ledger",
    "LogReader": "dblog.reader",
    "SyncLogReader": "dblog.sync_reader",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        msg = f"module 'dblog' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
