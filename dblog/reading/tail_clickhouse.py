"""What is new in ClickHouse: it has no order of commits, so what was stored lately is looked at again and again.

Each row says when the database took it (``ingested_at``). It shows itself later than that: when its INSERT has ended,
and on another replica when that has caught up. So a poll reads whatever was taken since the last one and, by some
seconds, before, and leaves out what it has had. A row that takes longer to show itself is missed; where an entry is
stored once more after that, its second row is known by the first, unless they were merged.
"""

from __future__ import annotations

import re
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from dblog.errors import ConfigurationError
from dblog.query.sql import condition
from dblog.query.tree import All, has_regex
from dblog.reading.order import keys
from dblog.reading.prepared import Prepared
from dblog.reading.rows import columns, entries_of, moment_of
from dblog.reading.seen import Key, Seen
from dblog.reading.tail_source import Found

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from dblog.entry import LogEntry
    from dblog.query.tree import Node
    from dblog.reading.session import Sessions

__all__ = ["ClickHouseTail"]

_S: Final = 1_000_000
_PLACE: Final = re.compile(r"(\d{1,18})_(\d{1,12})((?:_[0-9a-f+-]+)*)")
_KEYS: Final = 1_000_000
"""Rows looked at by one poll at most."""
_PIECE: Final = 10_000
"""Rows read by one statement at most."""


class _Row(NamedTuple):
    """A row as far as it has to be known to be told from the others."""

    id: UUID
    writer: UUID | None
    seq: int | None
    timestamp: int
    stored: int


_ORDER: Final = attrgetter("timestamp", "id")
_STORED: Final = attrgetter("stored", "timestamp", "id")


class ClickHouseTail:
    """Follows one table; a ``TailSource``.

    Args:
        sessions: its connections; a poll takes one for a moment.
        tree: which entries.
        overlap: seconds for which a row may stay unseen after the database took it.
        place: what an earlier tail's ``place()`` gave; None begins with what is committed from the first poll on.

    Raises:
        ConfigurationError: ``place`` is not such a text.
    """

    def __init__(self, sessions: Sessions, tree: Node, overlap: float, place: str | None = None) -> None:
        self._sessions = sessions
        self._logs = sessions.tables.logs
        self._condition = None if isinstance(tree, All) else condition(tree, self._logs, "clickhouse")
        self._regex = has_regex(tree)
        self._overlap = int(overlap * _S)
        self._last: int | None = None
        """Up to here, by the time the database took them, all have been looked at that showed themselves in time."""
        self._seen = Seen(self._overlap)
        if place is not None:
            self._read(place)
        self._now = Prepared(sa.text("SELECT toUnixTimestamp64Micro(now64(6)) AS now"), "clickhouse")

    def place(self) -> str:
        """See ``TailSource``."""
        return f"{self._last or 0}_{self._overlap}{self._seen.text()}"

    def _read(self, place: str) -> None:
        match = _PLACE.fullmatch(place)
        seen = Seen(int(match[2])) if match else self._seen
        if match is None or not int(match[2]) or not seen.read(match[3]):
            raise ConfigurationError(
                "the token names no place in a ClickHouse database: give one that a batch of a tail has named"
            )
        self._last, self._seen = int(match[1]), seen

    def lost(self) -> None:
        """See ``TailSource``."""

    async def aclose(self) -> None:
        """See ``TailSource``."""

    async def poll(self, limit: int, *, lossless: bool) -> Found:
        """See ``TailSource``."""
        now = int((await self._sessions.run(self._now))[0][0])
        last = now if self._last is None else self._last
        # What was taken longer ago than the overlap has shown itself by now.
        since = min(last, now - self._overlap)
        rows, until = await self._new(since, now)
        if self._last is None:
            return self._begun(now, rows)
        chosen, others = self._chosen(rows, limit, lossless=lossless)
        entries = await self._entries(chosen, since)
        passed = chosen if lossless else [*chosen, *others]
        for row in passed:
            self._seen.add(Key(row.id, row.writer, row.seq), row.stored)
        more = lossless and bool(others)
        if more:
            self._last = max(last, chosen[-1].stored) if chosen else last
        else:
            self._last = max(last, until)
        self._seen.forget(min(self._last, now - self._overlap))
        return Found(entries, 0 if lossless else len(others), more or until < now)

    def _begun(self, now: int, rows: Sequence[_Row]) -> Found:
        for row in rows:
            self._seen.add(Key(row.id, row.writer, row.seq), row.stored)
        self._last = now
        return Found()

    def _chosen(self, rows: list[_Row], limit: int, *, lossless: bool) -> tuple[list[_Row], list[_Row]]:
        """The rows to give now, and those that are left."""
        if lossless:
            return rows[:limit], rows[limit:]
        newest = sorted(rows, key=_ORDER, reverse=True)
        return newest[:limit], newest[limit:]

    # -- reading ----------------------------------------------------------------------------------------------

    async def _new(self, since: int, now: int) -> tuple[list[_Row], int]:
        """What has not been seen of all the database took since then, the first taken first; and until when it is."""
        logs = self._logs.c
        wanted = [logs.id, logs.instance_id, logs.seq, logs.timestamp, logs.ingested_at]
        statement = sa.select(*(sa.type_coerce(column, sa.types.NULLTYPE).label(column.name) for column in wanted))
        if self._condition is not None:
            statement = statement.where(self._condition)
        statement = statement.where(logs.ingested_at >= moment_of(sa.literal(since, sa.BigInteger())))
        statement = statement.order_by(logs.ingested_at, *keys(self._logs, "clickhouse")).limit(_KEYS)
        found = [_Row(*row) for row in await self._sessions.run(statement, regex=self._regex)]
        rows: dict[UUID, _Row] = {}
        for row in found:
            if Key(row.id, row.writer, row.seq) not in self._seen:
                rows.setdefault(row.id, row)
        return sorted(rows.values(), key=_STORED), now if len(found) < _KEYS else found[-1].stored

    async def _entries(self, chosen: Sequence[_Row], since: int) -> list[LogEntry]:
        """The entries of these rows, but those that were there before."""
        pieces = [chosen[start : start + _PIECE] for start in range(0, len(chosen), _PIECE)]
        read = [await self._sessions.run(self._of(piece)) for piece in pieces]
        oldest: dict[UUID, LogEntry] = {}
        for entry in entries_of(chain.from_iterable(read), "clickhouse"):
            if entry.id is None or entry.ingested_at is None:
                continue
            known = oldest.get(entry.id)
            if known is None or known.ingested_at is None or entry.ingested_at < known.ingested_at:
                oldest[entry.id] = entry
        return [entry for entry in oldest.values() if entry.ingested_at is not None and entry.ingested_at >= since]

    def _of(self, piece: Sequence[_Row]) -> sa.Select[Any]:
        logs = self._logs.c
        times = [row.timestamp for row in piece]
        low, high = (moment_of(sa.literal(edge, sa.BigInteger())) for edge in (min(times), max(times)))
        ids = sa.bindparam(None, [str(row.id) for row in piece], type_=sa.Text(), unique=True, expanding=True)
        return sa.select(*columns(self._logs)).where(
            logs.timestamp >= low, logs.timestamp <= high, sa.func.toString(logs.id).in_(ids)
        )
