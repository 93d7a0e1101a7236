"""What is new in an SQLite file: writers take turns there, so it is what has a higher ``ingest_seq``.

A poll asks ``PRAGMA data_version`` of a connection of its own, outside of any transaction, which reads no row; only
where another connection has committed since, it looks for rows. Which files lie there is looked at as well: once one
of them is deleted or replaced, an open connection sees the old one for ever.
"""

from __future__ import annotations

import re
import time
from contextlib import AsyncExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from dblog.errors import ConfigurationError, ErrorClass, StoreUnavailable
from dblog.query.sql import condition
from dblog.query.tree import All, has_regex
from dblog.reading.failures import PASSING, parted_file
from dblog.reading.prepared import Prepared
from dblog.reading.rows import columns, entries_of, sound
from dblog.reading.sqlite_place import lying
from dblog.reading.tail_source import Found

if TYPE_CHECKING:
    from dblog.query.tree import Node
    from dblog.reading.session import Session, Sessions
    from dblog.reading.sqlite_place import Lying

__all__ = ["SQLiteTail"]

_PLACE: Final = re.compile(r"\d{1,18}")
_REPLACED: Final = "the file was replaced by another, or by an older copy: all that is in it counts as new"

_MISSING: Final = "SQLITE_CANTOPEN"
_PATIENCE: Final = 12.0
"""Seconds within which a writer of ours finds that its log was taken away, and writes what was in it into the file."""

_COUNT: Final = sa.bindparam("count", type_=sa.Integer())
_TOP: Final = Prepared(
    sa.select(sa.column("seq"))
    .select_from(sa.table("sqlite_sequence"))
    .where(sa.column("name") == sa.bindparam("name", type_=sa.Text())),
    "sqlite",
)


class SQLiteTail:
    """Follows one table; a ``TailSource``.

    Args:
        sessions: its connections; one is kept from the first poll on.
        tree: which entries.
        place: what an earlier tail's ``place()`` gave; None begins with what is committed from the first poll on.

    Raises:
        ConfigurationError: ``place`` is not such a text.
    """

    def __init__(self, sessions: Sessions, tree: Node, place: str | None = None) -> None:
        if place is not None and _PLACE.fullmatch(place) is None:
            raise ConfigurationError(
                "the token names no place in an SQLite file: give one that a batch of a tail has named"
            )
        self._sessions = sessions
        self._logs = sessions.tables.logs
        self._condition = None if isinstance(tree, All) else condition(tree, self._logs, "sqlite")
        self._regex = has_regex(tree)
        self._last = None if place is None else int(place)
        self._path: str | None = None
        self._lying: Lying | None = None
        """The files that the connection has open."""
        self._parted_until = 0.0
        """Until then the file may lack what was in a log that was taken away."""
        self._replaced = False
        self._session: Session | None = None
        self._held = AsyncExitStack()
        self._version: int | None = None
        """``data_version`` when all there was had been read; None: look, whatever it is."""

    def place(self) -> str:
        """See ``TailSource``."""
        return str(self._last or 0)

    def lost(self) -> None:
        """See ``TailSource``."""

    async def aclose(self) -> None:
        """See ``TailSource``."""
        self._session = self._version = None
        await self._held.aclose()

    async def poll(self, limit: int, *, lossless: bool) -> Found:
        """See ``TailSource``."""
        first = True
        while True:
            had = self._session is not None
            try:
                return await self._poll(await self._connected(), limit, lossless=lossless)
            except StoreUnavailable as error:
                if error.code == _MISSING:
                    raise  # still connected, so that a new file cannot get the old one's inode
                await self.aclose()
                if error.code in PASSING:
                    continue
                if not (first and had and error.kind is ErrorClass.RECONNECT):
                    raise
            first = False

    # -- the file ---------------------------------------------------------------------------------------------

    async def _connected(self) -> Session:
        """A connection to the files that are there now."""
        if self._session is not None and self._path is not None and self._lying is not None:
            now = lying(self._path)
            if not self._lying.moved(now):
                self._lying = now
                return self._session
            if now.main == self._lying.main:
                self._parted_until = time.monotonic() + _PATIENCE
        if self._path is not None and lying(self._path).parted:
            await self.aclose()
            await self._sessions.tidy()
            self._wait_for_its_writer(self._path)  # who wants the file for himself for a moment
        while True:
            await self.aclose()
            before = None if self._path is None else lying(self._path)
            session = await self._held.enter_async_context(self._sessions.dedicated())
            self._path = session.place
            now = lying(self._path)
            if before is not None and not before.moved(now):  # else it may have been opened before they were replaced
                break
        self._replaced |= self._lying is not None and self._lying.main != now.main
        self._lying, self._session = now, session
        return session

    def _wait_for_its_writer(self, path: str) -> None:
        if time.monotonic() < self._parted_until:
            raise parted_file(path)

    async def _poll(self, session: Session, limit: int, *, lossless: bool) -> Found:
        # First the version, then the rows: what is committed in between is found again, and not new.
        version = await session.scalar_outside("PRAGMA data_version")
        if version == self._version:
            return Found()
        top = await self._top(session)
        notice, last = None, self._last
        if last is None:
            found, last = Found(), top
        else:
            if top < last and not self._replaced:
                self._wait_for_its_writer(session.place)
            if self._replaced or top < last:
                notice, last = _REPLACED, 0
            read = self._oldest if lossless else self._newest
            found, last = await read(session, last, top, limit)
        self._last, self._replaced, self._version = last, False, None if found.more else version
        self._parted_until = 0.0
        return found._replace(notice=notice, anew=notice is not None)

    async def _top(self, session: Session) -> int:
        """The highest number given so far; unlike the table's highest it never falls when rows are deleted."""
        rows = await session.run(_TOP, {"name": self._logs.name})
        return int(rows[0][0]) if rows else 0

    # -- reading ----------------------------------------------------------------------------------------------

    async def _newest(self, session: Session, last: int, top: int, limit: int) -> tuple[Found, int]:
        between = {"last": last, "top": top}
        rows = await session.run(self._newest_rows, {**between, "count": limit + 1}, regex=self._regex)
        if len(rows) <= limit:
            return Found(entries_of(rows, "sqlite")), top
        ((matching,),) = await session.run(self._between([sa.func.count()]), between, regex=self._regex)
        # Retention may have deleted some in between.
        return Found(entries_of(rows[:limit], "sqlite"), max(0, matching - limit)), top

    async def _oldest(self, session: Session, last: int, top: int, limit: int) -> tuple[Found, int]:
        parameters = {"last": last, "top": top, "count": limit + 1}
        rows = await session.run(self._oldest_rows, parameters, regex=self._regex)
        entries = entries_of(rows[:limit], "sqlite")
        if len(rows) <= limit:
            return Found(entries), top
        return Found(entries, more=True), rows[limit - 1][-1]

    @cached_property
    def _newest_rows(self) -> sa.Select[Any] | Prepared:
        logs = self._logs
        newest_first = logs.c.timestamp.desc(), logs.c.id.desc()
        return self._made(self._between(columns(logs)).order_by(*newest_first).limit(_COUNT))

    @cached_property
    def _oldest_rows(self) -> sa.Select[Any] | Prepared:
        seq = self._logs.c.ingest_seq
        return self._made(self._between([*columns(self._logs), seq]).order_by(seq).limit(_COUNT))

    def _made(self, statement: sa.Select[Any]) -> sa.Select[Any] | Prepared:
        # What a query compiles to may have parameters that expand.
        return Prepared(statement, "sqlite") if self._condition is None else statement

    def _between(self, wanted: list[Any]) -> sa.Select[Any]:
        """The matching rows from behind ``last`` to ``top``, two parameters."""
        seq = self._logs.c.ingest_seq
        last, top = (sa.bindparam(name, type_=sa.Integer()) for name in ("last", "top"))
        # By no index but the table's own order: any other is as long as the table.
        statement: sa.Select[Any] = sa.select(*wanted).select_from(self._logs).where(seq > last, seq <= top)
        statement = statement.where(*sound(self._logs.c.timestamp, self._logs.c.id))
        statement = statement.with_hint(self._logs, "NOT INDEXED", "sqlite")
        return statement if self._condition is None else statement.where(self._condition)
