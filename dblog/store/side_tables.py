"""What every store does alike: the SQL of ``log_instances`` and ``log_dead_letters``, and what ``logs`` must have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dblog
from dblog.sink import DeadLetter
from dblog.store.rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from dblog.sink import Status

__all__ = ["columns_of", "insert", "insert_letter", "lacking", "update", "values"]

_NEEDED = ("timestamp", "id", "message")

_FIXED = (
    "instance_id",
    "service",
    "service_version",
    "environment",
    "host",
    "pid",
    "container",
    "started_at",
    "dblog_version",
)
_COUNTERS = ("emitted", "stored", "dropped", "failed", "queued", "in_flight", "spooled")
_COUNTED = (*_COUNTERS, "dropped_by", "failed_by")
_CHANGING = ("last_seen", "state", *_COUNTED, "lag", "last_success", "last_error")


def values(
    status: Status, *, moment: Callable[[int], object], document: Callable[[dict[str, int]], object]
) -> dict[str, object]:
    """Column → value; ``moment`` and ``document`` make the dialect's times (from µs) and JSON."""
    origin, stats = status.origin, status.stats
    row: dict[str, object] = {
        "instance_id": origin.instance_id,
        "service": origin.service,
        "service_version": origin.service_version,
        "environment": origin.environment,
        "host": origin.host,
        "pid": origin.pid,
        "container": origin.container,
        "started_at": moment(origin.started_at),
        "dblog_version": dblog.__version__,
        "last_seen": moment(status.last_seen),
        "state": stats.state,
        **{name: getattr(stats, name) for name in _COUNTERS},
        "dropped_by": document(dict(stats.dropped_by)),
        "failed_by": document(dict(stats.failed_by)),
        "lag": stats.lag,
        "last_success": None if stats.last_success is None else moment(round(stats.last_success * 1e6)),
        "last_error": stats.last_error,
    }
    return {name: row[name] for name in (*_FIXED, *_CHANGING)}


def insert(table: str, mark: str) -> str:
    """INSERT of all columns; ``table`` is quoted already, ``mark`` the driver's placeholder."""
    columns = (*_FIXED, *_CHANGING)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608 - constants


def update(table: str, mark: str, row: dict[str, object], *, posthumous: bool) -> tuple[str, list[object]]:
    """UPDATE by key of what changes, and its parameters; of a dead writer, who is not seen any more, the counts."""
    names = _COUNTED if posthumous else _CHANGING
    changes = ", ".join(f"{name} = {mark}" for name in names)
    sql = f"UPDATE {table} SET {changes} WHERE instance_id = {mark}"  # noqa: S608 - constants
    return sql, [*(row[name] for name in names), row["instance_id"]]


def insert_letter(table: str, mark: str) -> str:
    """INSERT of a dead letter; one that is there already stays as it is."""
    names, marks = ", ".join(DeadLetter._fields), ", ".join([mark] * len(DeadLetter._fields))
    return f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - constants


def columns_of(there: AbstractSet[str]) -> tuple[str, ...]:
    """The columns both sides know: a newer table is fine, an older one as long as it is not ``lacking``."""
    return tuple(column for column in COLUMNS if column in there)


def lacking(there: AbstractSet[str]) -> str | None:
    """The sentence about a table of logs without its vital columns; None of one that has them."""
    missing = [column for column in _NEEDED if column not in there]
    if not missing:
        return None
    what = f"the table lacks {', '.join(missing)}" if there else "the table is missing"
    return f"{what}: run dblog upgrade"
