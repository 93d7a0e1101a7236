"""The tables beside ``logs``: who writes, and what was refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa

from dblog.reading.order import number_of, row_once
from dblog.reading.rows import micros, uuid_of
from dblog.reading.selection import checked
from dblog.reading.values import DeadLetterRow, Instance

if TYPE_CHECKING:
    from dblog.reading.session import Sessions

__all__ = ["dead_letters", "instances"]

_SILENT: Final = 30_000_000
"""µs without a word after which a writer counts as down; it says one every 10 s."""
_SILENT_STATES: Final = frozenset({"CLOSED", "SYNC"})
"""Of writers that say nothing while nothing is logged: one that is gone, one without a thread."""
_CLOCKS: Final = {
    "postgresql": sa.func.now(),
    "clickhouse": sa.literal_column("now64(6, 'UTC')"),
    # As the default of SQLite's ``ingested_at``.
    "sqlite": sa.literal_column("CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000"),
}
_TIMES: Final = ("started_at", "last_seen", "last_success")
_COUNTS: Final = ("dropped_by", "failed_by")


async def instances(sessions: Sessions, *, limit: int) -> tuple[Instance, ...]:
    """See ``LogReader.instances``."""
    checked(limit)
    table = sessions.tables.instances
    clock = _CLOCKS[sessions.dialect].label("clock")
    chosen = row_once(sa.select(*_plain(table), clock))
    order = table.c.last_seen.desc(), number_of(table.c.instance_id, sessions.dialect)
    statement = chosen.order_by(*order).limit(limit)
    return tuple(_instance(dict(row._mapping)) for row in await sessions.run(statement))  # noqa: SLF001 - public, says its documentation


def _instance(row: dict[str, Any]) -> Instance:
    clock = micros(row.pop("clock"))
    for name in _TIMES:
        row[name] = micros(row[name])
    for name in _COUNTS:
        row[name] = orjson.loads(row[name]) if row[name] else {}
    row["instance_id"] = uuid_of(row["instance_id"])
    if row["state"] not in _SILENT_STATES and clock - row["last_seen"] > _SILENT:
        row["state"] = "DOWN"
    return Instance(**row)


async def dead_letters(sessions: Sessions, *, limit: int) -> tuple[DeadLetterRow, ...]:
    """See ``LogReader.dead_letters``."""
    checked(limit)
    table = sessions.tables.dead_letters
    chosen = row_once(sa.select(*_plain(table)))
    statement = chosen.order_by(table.c.failed_at.desc(), number_of(table.c.id, sessions.dialect).desc()).limit(limit)
    return tuple(
        DeadLetterRow(
            uuid_of(row.id), micros(row.failed_at), uuid_of(row.instance_id), row.seq, row.error_class, row.code,
            row.attempts, _payload(row.payload),
        )
        for row in await sessions.run(statement)
    )  # fmt: skip


def _payload(text: str) -> dict[str, Any]:
    """What a writer wrote, lone surrogates and numbers beyond any included; what is no object is kept as a text."""
    try:
        found = json.loads(text)  # orjson takes none of them
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"payload": text}


def _plain(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """The columns as the driver gives them."""
    return [sa.type_coerce(column, sa.types.NULLTYPE).label(column.name) for column in table.columns]
