"""``copy``: everything from one database into another, day by day, each row once, and each looked at where it arrived.

Page by page in the order of entries, which all databases share: what of a page is not in the target yet is stored
there, and the page is read back and compared, row by row. So there is nothing to remember: a copy that was
interrupted, or that is run again, finds what is there and goes on with what is not. Memory is that of a page.

A row that is there under the same key with another content is left as it is, and said. When a database took a row
(``ingested_at``) is kept in what is stored, but not compared: rows that came by ``dblog import`` have their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from dblog.admin.beside_logs import Beside, copy_beside
from dblog.admin.digests import Digests, added
from dblog.admin.keyed import Keyed
from dblog.admin.partitions import day_of
from dblog.admin.storing import Storing, outside
from dblog.entry import LogEntry
from dblog.errors import ConfigurationError, StoreError
from dblog.interchange import LATEST, iso, to_json
from dblog.repair import DAY_US
from dblog.schema import COLUMNS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from dblog.admin.connection import AdminConnection
    from dblog.admin.keyed import Key, Row

__all__ = ["Copied", "Copying", "Day", "refuse_nonsense"]

_PAGE: Final = 2000
"""The keys of so many fit into a statement of ClickHouse's, of which the server takes 256 KiB."""
_FEWEST: Final = 20
_PAGE_BYTES: Final = 4 * 1024 * 1024
"""What the texts of a page come to, about."""
_NAMED: Final = 1000
"""Rows whose reasons are kept."""
_NAMES: Final = tuple(column.name for column in COLUMNS)
_ORDER: Final = tuple(_NAMES.index(name) for name in LogEntry._fields)
_TIME, _ID, _TAKEN = (_NAMES.index(name) for name in ("timestamp", "id", "ingested_at"))
_LONG: Final = tuple(_NAMES.index(name) for name in ("message", "metadata", "exc_text"))
_WHO_AM_I: Final = {
    "postgresql": "SELECT system_identifier::text, current_database() FROM pg_control_system()",
    "clickhouse": "SELECT toString(serverUUID()), currentDatabase()",
}


@dataclass(slots=True)
class Day:
    """One UTC day of entries, or what was seen of it."""

    name: str
    """``2026-11-20``; beyond the years 1 to 9999 the number of the day since 1970."""
    read: int = 0
    stored: int = 0
    present: int = 0
    """Were there already, equal."""
    different: int = 0
    """Are there under the same key, with another content."""
    refused: int = 0
    """The target does not take them."""
    missing: int = 0
    """Are not there: on a dry run what would be stored; else what somebody deleted again at once."""
    source: int = 0
    """The sum of the digests of all that was read."""
    target: int = 0
    """The sum of the digests of what the target has under the same keys."""

    @property
    def verified(self) -> bool:
        """Whether the target has all of it, and equal."""
        return self.source == self.target and self.read == self.stored + self.present


@dataclass(slots=True)
class Copied:
    """What a copy did."""

    days: list[Day] = field(default_factory=list)
    writers: Beside | None = None
    """``log_instances``; None where it was left out."""
    letters: Beside | None = None
    """``log_dead_letters``."""
    reasons: list[tuple[UUID, str]] = field(default_factory=list)
    """Id and sentence of the first thousand that are not there, or differ; no sentence shows the entry."""
    partitions: list[dt.date] = field(default_factory=list)
    """Days made."""

    def total(self, what: str) -> int:
        """The sum of a figure of all days."""
        return sum(getattr(day, what) for day in self.days)

    @property
    def verified(self) -> bool:
        """Whether everything read is in the target."""
        sides = [side for side in (self.writers, self.letters) if side is not None]
        return all(day.verified for day in self.days) and not any(side.refused for side in sides)


class Copying:
    """Copies once.

    Args:
        source: of a role that may select.
        target: of a role that may select and insert, ``ingested_at`` too; the tables' owner where days are old.
        since: µs, included. With it or ``until``, writers and dead letters stay where they are.
        until: µs, excluded.
        dry_run: only look.
        rejects: where entries that were refused are written, as lines for ``dblog import``.
        report: called with the number of entries read so far.
    """

    def __init__(
        self,
        source: AdminConnection,
        target: AdminConnection,
        *,
        since: int | None = None,
        until: int | None = None,
        dry_run: bool = False,
        rejects: BinaryIO | None = None,
        report: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.copied = Copied()
        self._source, self._target = source, target
        self._since, self._until, self._dry = since, until, dry_run
        self._rejects, self._report = rejects, report
        self._digests = Digests(COLUMNS, "ingested_at")
        self._from, self._to = (Keyed(each, each.names.logs, COLUMNS, ("timestamp", "id")) for each in (source, target))
        self._storing = Storing(target, ingested=True)
        self.copied.partitions = self._storing.days.made
        self._read = 0

    def count(self) -> int:
        """How many entries there are to read."""
        return self._from.count(self._since, self._until)

    def run(self) -> Copied:
        """Copy; what is stored stays, whatever happens meanwhile.

        What the source takes meanwhile behind the place it has reached, or after its newest entry of now, is not in
        it: the next copy brings it.

        Raises:
            StoreError: one of the databases cannot be used; ``copied`` says how far it got.
        """
        if self._since is None and self._until is None:
            # First: a writer's figures must not be of more entries than are copied.
            for name in ("instances", "dead_letters"):
                done = copy_beside(self._source, self._target, name, dry_run=self._dry)
                setattr(self.copied, "writers" if name == "instances" else "letters", done)
        for rows in self._pages():
            for number, some in groupby(rows, key=lambda row: row[_TIME] // DAY_US):
                self._page(self._day(_named(number)), list(some))
            self._read += len(rows)
            self._report(self._read)
        return self.copied

    def _pages(self) -> Iterator[list[Row]]:
        newest = self._from.newest(self._since, self._until)
        if newest is None:
            return
        # Not for ever after a writer that is quicker than we are.
        until = newest + 1
        place: Key | None = None
        size = _PAGE
        while rows := self._from.after(place, size, low=self._since, high=until):
            yield rows
            place = self._from.key(rows[-1])
            weight = sum(len(row[index] or "") for row in rows for index in _LONG) // len(rows) + 1
            size = max(_FEWEST, min(_PAGE, _PAGE_BYTES // weight))

    def _day(self, name: str) -> Day:
        if not self.copied.days or self.copied.days[-1].name != name:
            self.copied.days.append(Day(name))
        return self.copied.days[-1]

    def _page(self, day: Day, rows: list[Row]) -> None:
        """Store what is missing of some rows of a day, and compare them all with what is there then."""
        day.read += len(rows)
        unfit = [(row, why) for row in rows if (why := outside(self._target.dialect, row[_TIME], row[_TAKEN]))]
        refused = {self._from.key(row): why for row, why in unfit}
        self._reject([_entry(row) for row, _ in unfit])
        fit = [row for row in rows if self._from.key(row) not in refused]
        there = self._to.at([self._from.key(row) for row in fit])
        new = [row for row in fit if self._from.key(row) not in there]
        if new and not self._dry:
            refused |= self._store(new)
            there |= self._to.at([key for row in new if (key := self._from.key(row)) not in refused])
        stored = set() if self._dry else {self._from.key(row) for row in new}
        for row in rows:
            self._compare(day, row, there.get(self._from.key(row)), refused.get(self._from.key(row)), stored)

    def _store(self, rows: list[Row]) -> dict[Key, str]:
        """Store rows; those that were refused, and why."""
        entries = [_entry(row) for row in rows]
        outcome = self._storing.store(entries)
        self._reject([entries[index] for index, _ in outcome.refused])
        return {self._from.key(rows[index]): reason for index, reason in outcome.refused}

    def _reject(self, entries: list[LogEntry]) -> None:
        if self._rejects is not None and not self._dry:
            self._rejects.writelines(to_json(entry) + b"\n" for entry in entries)

    def _compare(self, day: Day, row: Row, found: Row | None, why: str | None, stored: set[Key]) -> None:
        digest = self._digests.of(row)
        day.source = added(day.source, digest)
        if found is None:
            if why is None:
                day.missing += 1
                why = None if self._dry else "it was stored, and is not there: does the target keep entries so old?"
            else:
                day.refused += 1
        else:
            other = digest if found == row else self._digests.of(found)
            day.target = added(day.target, other)
            if other != digest:
                day.different += 1
                why = "the target has another entry under the same time and id, which is left as it is"
            elif self._from.key(row) in stored:
                day.stored += 1
            else:
                day.present += 1
        if why and len(self.copied.reasons) < _NAMED:
            self.copied.reasons.append((row[_ID], why))


def refuse_nonsense(source: AdminConnection, target: AdminConnection) -> None:
    """See that two open connections are to different tables.

    Raises:
        ConfigurationError: they are to the same.
    """
    if source.dialect != target.dialect:
        return
    if source.dialect == "sqlite":
        same = source.file.samefile(target.file) and source.logs == target.logs
    else:
        same = _place(source) == _place(target)
    if same:
        raise ConfigurationError(f"--from and --to are the same tables ({target.shown}): there is nothing to copy")


def _place(connection: AdminConnection) -> Sequence[Any]:
    """What tells tables of one server from all others."""
    names = connection.names
    try:
        server, database = connection.rows(_WHO_AM_I[connection.dialect])[0]
    except StoreError:  # not for everybody to ask
        server, database = f"{connection.url.host}:{connection.url.port}", connection.url.database
    if not connection.postgres:
        return server, names.schema or database, names.logs
    return server, database, connection.value("SELECT to_regclass(?)::oid::text", connection.logs)


def _entry(row: Row) -> LogEntry:
    return LogEntry._make([row[index] for index in _ORDER])


def _named(number: int) -> str:
    start = number * DAY_US
    return str(day_of(start)) if iso(start).endswith("Z") and start <= LATEST else str(number)
