"""What a reader hands out; plain immutable values, for programs, the command line and the terminal alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dblog.entry import LogEntry

__all__ = [
    "Access", "Bucket", "Context", "Count", "Cursor", "DeadLetterRow", "FacetValue", "Facets", "Histogram",
    "Instance", "Page", "Statement", "Statistics", "TailBatch", "Trace",
]  # fmt: skip

_CURSOR = re.compile(r"(-?\d{1,19})-([0-9a-f]{32})")


class Cursor(NamedTuple):
    """A place in the order of all entries, which is ``(timestamp, id)``; the entry itself need not exist any more."""

    timestamp: int
    """µs since 1970 UTC; negative before."""
    id: UUID

    @classmethod
    def of(cls, entry: LogEntry) -> Cursor:
        """The place of a stored entry."""
        if entry.id is None:
            msg = "an entry that was not read from a database has no place in it"
            raise ConfigurationError(msg)
        return cls(entry.timestamp, entry.id)

    @classmethod
    def at(cls, timestamp: int) -> Cursor:
        """The place before every entry of that µs."""
        return cls(timestamp, UUID(int=0))

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The inverse of ``str``.

        Raises:
            ConfigurationError: it was not made by ``str(cursor)``.
        """
        if not (match := _CURSOR.fullmatch(text)):
            msg = f"{text[:80]!r} is not a cursor: give one that a page or an earlier export has named"
            raise ConfigurationError(msg)
        return cls(int(match[1]), UUID(match[2]))

    def __str__(self) -> str:
        return f"{self.timestamp}-{self.id.hex}"


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a search, the newest first whichever way it was asked."""

    entries: tuple[LogEntry, ...]
    older: Cursor | None
    """Give as ``before`` for the next older page; None where the search has seen the oldest."""
    newer: Cursor | None
    """Give as ``after`` for newer entries; None only of an empty page that was asked without a cursor."""

    def __iter__(self) -> Iterator[LogEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True, slots=True)
class TailBatch:
    """What one poll of a tail brought: entries in order of ``(timestamp, id)``, or a notice, or both."""

    entries: tuple[LogEntry, ...]
    late: frozenset[UUID]
    """Ids of entries that sort before one already yielded: slow commits, spooled records."""
    skipped: int
    """Matching entries passed over because more than ``limit`` came at once; 0 with ``lossless``."""
    token: str
    """Give as ``after`` to go on behind this batch, in this process or another, without gap or repetition."""
    notice: str | None = None
    """A sentence for people: the database was away and is back, or was replaced."""
    anew: bool = False
    """It was replaced, by another or an older copy: what was yielded before need not be in it."""

    def __iter__(self) -> Iterator[LogEntry]:
        return iter(self.entries)


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace: its entries, the oldest first."""

    trace_id: str
    entries: tuple[LogEntry, ...]
    truncated: bool
    """There are more than ``limit``; these are the oldest."""

    def __iter__(self) -> Iterator[LogEntry]:
        return iter(self.entries)


@dataclass(frozen=True, slots=True)
class Context:
    """What was logged around an entry, each list the oldest first."""

    before: tuple[LogEntry, ...]
    entry: LogEntry
    after: tuple[LogEntry, ...]


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bar of a histogram."""

    start: int
    """µs since 1970 UTC; included, the end is not."""
    counts: tuple[int, ...]
    """One per severity band (``dblog.levels.BAND_NAMES``)."""

    @property
    def total(self) -> int:
        """All bands."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts over time; every bucket between the first and the last, empty ones too, the oldest first."""

    buckets: tuple[Bucket, ...]
    width: int
    """µs of one bucket."""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a field."""

    value: str
    """The text form; a bool or a float as JSON writes it."""
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """The most frequent values of a field, most frequent first."""

    values: tuple[FacetValue, ...]
    seen: int
    """Entries looked at: all that match, or the newest ``sample`` of them."""
    absent: int
    """How many of them do not have the field."""
    sampled: bool
    """Not all matching entries were looked at."""


class Count(NamedTuple):
    """A number of entries."""

    value: int
    exact: bool
    """False: the planner's estimate."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One writer, as it last said (``log_instances``). Times are µs since 1970 UTC."""

    instance_id: UUID
    service: str | None
    service_version: str | None
    environment: str | None
    host: str | None
    pid: int | None
    container: str | None
    started_at: int
    last_seen: int
    state: str
    """As in ``Stats.state``; ``DOWN`` where it has a thread, was not closed and is silent for 30 s."""
    emitted: int
    stored: int
    dropped: int
    failed: int
    queued: int
    in_flight: int
    spooled: int
    dropped_by: Mapping[str, int]
    failed_by: Mapping[str, int]
    lag: float | None
    last_success: int | None
    last_error: str | None
    dblog_version: str | None


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A row that the database refused for its content (``log_dead_letters``)."""

    id: UUID
    failed_at: int
    instance_id: UUID
    seq: int | None
    error_class: str
    code: str
    attempts: int
    payload: Mapping[str, Any]
    """Column → value, as the row was to be stored."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The whole table at a glance."""

    rows: Count
    by_level: tuple[FacetValue, ...]
    by_service: tuple[FacetValue, ...]
    by_logger: tuple[FacetValue, ...]
    """The ten with most entries; where ``sampled``, of the newest entries only (the two above as well)."""
    sampled: bool
    oldest: int | None
    """µs since 1970 UTC; None of an empty table."""
    newest: int | None
    bytes: int
    """On disk: the table with its indexes; the whole file for SQLite."""

    @property
    def bytes_per_row(self) -> float | None:
        """None of an empty table."""
        return self.bytes / self.rows.value if self.rows.value else None


@dataclass(frozen=True, slots=True)
class Access:
    """Who reads, and what they could do."""

    dialect: str
    """``"postgresql"``, ``"sqlite"`` or ``"clickhouse"``."""
    server: str
    """The version of the server, or of the library."""
    role: str | None
    """Who is connected; None on SQLite."""
    read_only: bool
    """The database says that the transaction of this read could write nothing."""
    may_write: bool
    """The role, or the file's mode, would allow another program to add or remove entries."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL as the database is sent it."""

    sql: str
    parameters: tuple[Any, ...]
    """In the order of their numbers (PostgreSQL) or question marks (SQLite)."""
