"""The state of ``log_rollup``: up to where it has counted, and whether it is worth asking."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakSet

import sqlalchemy as sa

from dblog.reading.rows import micros
from dblog.schema import metadata_for

if TYPE_CHECKING:
    from dblog.names import Names
    from dblog.reading.rollup_query import Asked
    from dblog.reading.session import Sessions

__all__ = ["Look", "forget", "look", "tables"]

_FEW: Final = 20_000
"""Entries that are not counted yet, on SQLite, which are always quick to look at."""
_UNTIMED: Final = -1
"""Where the rollup of an SQLite file has what is no time."""


class Look(NamedTuple):
    """The state of the rollup, as it was at a first look; whether it is still the same is asked with the answer."""

    generation: int
    floor: int | None
    seen: Any
    """A number below which every entry is counted: ``xid`` or ``ingest_seq``."""
    untimed: bool
    """Some entries of an SQLite file have no time; what bounds let through of them only ``logs`` knows."""


_known: WeakSet[Sessions] = WeakSet()
"""Those that have a rollup they may read."""


@lru_cache(maxsize=64)
def tables(names: Names, dialect: str) -> tuple[sa.Table, sa.Table]:
    """The rollup and its state."""
    known = metadata_for(dialect, schema=names.schema, table=names.logs).tables
    prefix = "" if names.schema is None else f"{names.schema}."
    rollup, state = (known[prefix + name] for name in names.rollups)
    return rollup, state


def forget(sessions: Sessions) -> None:
    """They could not read it after all: it was revoked, or the database was downgraded."""
    _known.discard(sessions)


async def look(sessions: Sessions, query: Asked) -> Look | None:
    """The state; None where there is none, where nothing is counted, or where most entries are not."""
    rollup, state = tables(sessions.names, sessions.dialect)
    lite = sessions.dialect == "sqlite"
    if sessions not in _known:
        # Not by trying: the server would log the refusal.
        plain = dict(zip(("rollup", "state"), sessions.names.rollups, strict=True))
        asked = sessions.run(_THERE, plain) if lite else sessions.run(_MAY_READ, _quoted(sessions))
        if not (await asked)[0][0]:
            return None
        _known.add(sessions)
    if lite:
        return await _look_in_file(sessions, query, rollup, state)
    rows = await sessions.run(sa.text(_STATE.format(**_quoted(sessions))))
    if not rows or not rows[0].ours or rows[0].high == "1":
        return None
    return Look(rows[0].generation, micros(rows[0].floor), int(rows[0].low), untimed=False)


def _quoted(sessions: Sessions) -> dict[str, str]:
    rollup, state = map(sessions.names.qualified, sessions.names.rollups)
    return {"rollup": rollup, "state": state}


async def _look_in_file(sessions: Sessions, query: Asked, rollup: sa.Table, state: sa.Table) -> Look | None:
    last = sa.select(sa.func.max(sessions.tables.logs.c.ingest_seq)).scalar_subquery()
    untimed = sa.select(rollup.c.entries).where(
        rollup.c.width == sa.literal_column("3600"), rollup.c.start == _UNTIMED, rollup.c.entries > 0
    )
    columns = (state.c.generation, state.c.token, last.label("last"), untimed.exists().label("untimed"))
    rows = await sessions.run(sa.select(*columns).where(state.c.id == sa.literal_column("1")).limit(1))
    if not rows or not rows[0].token:
        return None
    found = Look(rows[0].generation, None, rows[0].token, bool(rows[0].untimed))
    if (waiting := (rows[0].last or 0) - rows[0].token) <= _FEW:
        return found
    hours = sa.select(sa.func.sum(rollup.c.entries)).where(rollup.c.width == sa.literal_column("3600"))
    if query.since is not None:
        hours = hours.where(rollup.c.start >= query.since)
    if query.until is not None:
        hours = hours.where(rollup.c.start <= query.until)
    saved = (await sessions.run(hours.limit(1)))[0][0] or 0
    return found if saved > waiting else None


_THERE: Final = sa.text(
    "SELECT count(*) = 2 FROM sqlite_master WHERE type = 'table' AND name IN (:rollup, :state) LIMIT 1"
)
_MAY_READ: Final = sa.text(
    "SELECT coalesce(has_table_privilege(to_regclass(:rollup), 'SELECT')"
    " AND has_table_privilege(to_regclass(:state), 'SELECT'), false) LIMIT 1"
)
# Of another cluster's transactions the token says nothing: the tables came out of a dump.
_STATE: Final = """
    SELECT generation, floor, CAST(pg_snapshot_xmin(CAST(token AS pg_snapshot)) AS text) AS low,
           CAST(pg_snapshot_xmax(CAST(token AS pg_snapshot)) AS text) AS high,
           system = (SELECT system_identifier FROM pg_control_system()) AS ours
    FROM {state} WHERE id = 1 LIMIT 1
"""
