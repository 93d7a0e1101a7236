"""The fields a query may name: every column, its aliases, and paths into ``metadata``."""

from __future__ import annotations

import re
from typing import Final

from dblog.query.mistakes import BadValue
from dblog.query.tree import MOST_STEPS, Field, Kind

__all__ = [
    "ALIASES", "ANYWHERE", "COLUMNS", "MESSAGE", "TIME_KEYS", "bytes_of", "column", "distance", "is_name", "named",
    "names", "nearest", "path", "spelled", "unit_of",
]  # fmt: skip

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

TIME_KEYS: Final = ("since", "until", "last", "around")
"""``since:15m`` and its kin: bounds of ``timestamp``, named like fields."""

_SECONDS: Final = {
    **dict.fromkeys(("ns", "nsec", "nanos", "nanoseconds"), 1e-9),
    **dict.fromkeys(("us", "usec", "micros", "microseconds"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "seconds"), 1.0),
    "minutes": 60.0,
    "hours": 3600.0,
    "days": 86_400.0,
}
"""The last part of a field's name → seconds of its unit."""

_BYTES: Final = {
    "bytes": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3,
}  # fmt: skip
"""Likewise → bytes."""

NOT_TYPOS: Final = frozenset({
    "amount", "ask", "bid", "buyer", "client_ip", "device", "exec", "field", "files", "filled", "filter", "fund",
    "funds", "grade", "hosts", "label", "lesson", "levels", "lines", "messages", "model", "names", "nonce", "place",
    "pod", "price", "sessions", "space", "spread", "stack", "tasks", "task_ids", "threads", "timer", "times",
    "timestamps", "title", "traces", "track", "trade", "trader", "trades", "trade_id", "user_ids", "users", "version",
})  # fmt: skip
"""Keys people log that happen to be near a column's name."""

_STEP: Final = re.compile(r"(?:\A|\.)(?:([A-Za-z0-9_-]+)|`([^`]*)`)|\[([0-9]+)\]")
_NAME: Final = re.compile(
    r"@?(?:[A-Za-z_][A-Za-z0-9_-]*|`[^`\"\\\x00-\x1f\x7f-\x9f]*`)"
    r"(?:\.(?:[A-Za-z0-9_-]+|`[^`\"\\\x00-\x1f\x7f-\x9f]*`)|\[[0-9]+\])*"
)
_FIRST: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_REST: Final = re.compile(r"[A-Za-z0-9_-]+")
_FORCING: Final = ("metadata", "attrs")
_MOST_INDEX: Final = 2**31 - 1
_RESERVED: Final = frozenset({"and", "or", "not"})


def column(name: str) -> Field | None:
    """The column a name or an alias stands for; None of any other name. Names are case-sensitive, as keys are."""
    return COLUMNS.get(ALIASES.get(name, name))


def path(*steps: str | int) -> Field:
    """A path into ``metadata``."""
    return Field("metadata", Kind.PATH, steps)


def is_name(text: str) -> bool:
    """Whether a text can name a field."""
    return _NAME.fullmatch(text) is not None


def names() -> tuple[str, ...]:
    """Every name of a column, aliases included."""
    return (*COLUMNS, *ALIASES)


def named(text: str) -> Field:
    """The field a name stands for, as it is written in a query.

    Raises:
        BadValue: no name, or one that is likely a mistyped column.
    """
    if not is_name(text):
        raise BadValue(
            f"{text!r} is not the name of a field: letters, digits, _ and -, steps with dots between, [0] for an"
            " element, and `backquotes` around what has other characters"
        )
    steps = [
        int(index) if index else plain or backquoted
        for plain, backquoted, index in _STEP.findall(text.removeprefix("@"))
    ]
    if any(isinstance(step, int) and step > _MOST_INDEX for step in steps):
        raise BadValue(f"an index is at most {_MOST_INDEX}")
    if len(steps) > MOST_STEPS:
        raise BadValue(f"a path has at most {MOST_STEPS} steps; this one has {len(steps)}")
    if len(steps) > 1:
        return path(*(steps[1:] if steps[0] in _FORCING else steps))
    name = str(steps[0])
    if (found := column(name)) is not None:
        return found
    if name in TIME_KEYS:
        raise BadValue(f"{name} takes a time after a colon ({name}:15m); metadata.{name} is the key of that name")
    if meant := nearest(name):
        raise BadValue(f"there is no field {name!r}", instead=(meant,), suggestion=_did_you_mean(name, meant))
    return path(name)


def _did_you_mean(name: str, meant: str) -> str:
    if meant in TIME_KEYS:
        return f"did you mean {meant}: and a time? metadata.{name} is the key of that name"
    return f"did you mean {meant}? metadata.{name} is the key of that name"


def nearest(name: str) -> str | None:
    """The known name that another one is likely a typing error of; None where it is a name of its own."""
    most = 0 if len(name) < _SHORT else 1 if len(name) < _LONG else 2
    if not most or name in NOT_TYPOS:
        return None
    near = [
        (distance(name.lower(), known), known)
        for known in (*names(), *TIME_KEYS)
        if abs(len(known) - len(name)) <= most
    ]
    least, known = min(near, default=(len(name), ""), key=lambda pair: pair[0])
    return known if least <= most else None


_SHORT, _LONG = 3, 5


def distance(one: str, other: str) -> int:
    """Letters to insert, delete, replace or swap with a neighbour to make one text of another."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, against in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != against))
            if i > 1 and j > 1 and char == other[j - 2] and one[i - 2] == against:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]


def spelled(field: Field) -> str:
    """The name that ``named`` reads as this field."""
    if not field.path:
        return field.name
    steps = [
        f"[{step}]" if isinstance(step, int) else f".{step if _is_bare(step) else f'`{step}`'}" for step in field.path
    ]
    joined = "".join(steps)
    return f"metadata{joined}" if _needs_forcing(field.path) else joined.removeprefix(".")


def _is_bare(step: str) -> bool:
    """No backquotes are needed; at the end of a step, a dash could be that of ``->``."""
    return _REST.fullmatch(step) is not None and not step.endswith("-")


def _needs_forcing(steps: tuple[str | int, ...]) -> bool:
    first = steps[0]
    if steps == ("_exists_",):  # Elasticsearch's has()
        return True
    if isinstance(first, int) or (_REST.fullmatch(first) and not _FIRST.fullmatch(first)):
        return True
    if len(steps) > 1:
        return first in _FORCING
    return column(first) is not None or first.lower() in _RESERVED or nearest(first) is not None


def unit_of(field: Field) -> float | None:
    """The seconds a number in this field counts, by the ending of its name (``dur_ms`` → 0.001); None without one."""
    return _SECONDS.get(_ending(field))


def bytes_of(field: Field) -> int | None:
    """The bytes a number in this field counts, likewise (``rss_mb`` → 1000000)."""
    return _BYTES.get(_ending(field))


def _ending(field: Field) -> str:
    last = str(field.path[-1] if field.path else field.name)
    return last.rpartition("_")[2].lower() if "_" in last else ""
