"""The fields a query may name: every column, its aliases, and paths into ``metadata``."""

from __future__ import annotations

from typing import Final

from dblog.query.tree import Field, Kind

__all__ = ["ALIASES", "ANYWHERE", "COLUMNS", "MESSAGE", "column", "names", "path", "unit_of"]

_TEXT: Final = (
    "logger", "module", "function", "pathname", "message", "template", "exc_type", "exc_message", "exc_text",
    "service", "host", "thread", "async_task",
)  # fmt: skip
_KEY: Final = (
    "user_id", "session_id", "task_id", "trace_id", "span_id", "parent_span_id", "context_id", "client_id",
)  # fmt: skip

COLUMNS: Final[dict[str, Field]] = {
    **{name: Field(name, Kind.TEXT) for name in _TEXT},
    **{name: Field(name, Kind.KEY) for name in _KEY},
    "level": Field("level", Kind.LEVEL),
    **{name: Field(name, Kind.INT) for name in ("severity", "lineno", "pid", "seq")},
    **{name: Field(name, Kind.TIME) for name in ("timestamp", "ingested_at")},
    **{name: Field(name, Kind.UUID) for name in ("id", "instance_id")},
    "metadata": Field("metadata", Kind.METADATA),
}
"""Every column a query can name."""

ALIASES: Final[dict[str, str]] = {
    "msg": "message",
    "ts": "timestamp",
    "time": "timestamp",
    "exc": "exc_type",
    "exception": "exc_type",
    "trace": "trace_id",
    "span": "span_id",
    "parent_span": "parent_span_id",
    "user": "user_id",
    "session": "session_id",
    "task": "task_id",
    "client": "client_id",
    "lvl": "level",
    "file": "pathname",
    "line": "lineno",
    "func": "function",
    "name": "logger",
    "attrs": "metadata",
}
"""What people type for a column."""

MESSAGE: Final = COLUMNS["message"]
ANYWHERE: Final = Field("*", Kind.ANY)

_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "seconds": 1.0,
    "minutes": 60.0,
    "hours": 3600.0,
}
"""The last part of a field's name → seconds of its unit."""


def column(name: str) -> Field | None:
    """The column a name or an alias stands for; None of any other name. Names are case-sensitive, as keys are."""
    return COLUMNS.get(ALIASES.get(name, name))


def path(*steps: str | int) -> Field:
    """A path into ``metadata``."""
    return Field("metadata", Kind.PATH, steps)


def names() -> tuple[str, ...]:
    """Every name of a column, aliases included."""
    return (*COLUMNS, *ALIASES)


def unit_of(field: Field) -> float | None:
    """The seconds a number in this field counts, by the ending of its name (``dur_ms`` → 0.001); None without one."""
    last = field.path[-1] if field.path else field.name
    return _UNITS.get(str(last).rpartition("_")[2].lower()) if "_" in str(last) else None
