"""How the writers, the refused rows and the table are: looked at again and again, and compared with the look before.

Nothing is guessed. A rate is the difference of two reports of one writer by the time between them; what a database or
a role cannot tell is missing, with the sentence why.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from dblog.visible import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from uuid import UUID

    from dblog.reading.layout import Layout
    from dblog.reading.values import Access, Count, DeadLetterRow, Instance
    from dblog_tui.source.source import Source

__all__ = ["BAD", "GONE", "HEEDED", "WELL", "Health", "Pulse", "Table", "Vitals", "Writer", "judge", "pulse"]

GONE, WELL, HEEDED, BAD = range(4)
"""How a writer is: over and done with; as it should be; worth a look; not storing what is logged."""

_GRADES: Final = {
    "NEW": WELL, "STARTING": WELL, "RUNNING": WELL, "SYNC": WELL, "SEALED": WELL, "DRAINING": WELL,
    "RETRY": HEEDED, "BLOCKED": BAD, "DOWN": BAD, "DETACHED": HEEDED, "CLOSED": GONE,
}  # fmt: skip
"""Of ``dblog.ledger.STATES``, and DOWN; what a newer dblog calls a state is worth a look."""
_US: Final = 1_000_000
_FORGOTTEN: Final = 86_400 * _US
"""µs after which a writer that ended without a word is nobody's news any more, as for ``dblog doctor``."""
_SLOW: Final = 5.0
"""Seconds from a record to its commit from which a writer is called slow; it should be half a second."""
_BEGINNING: Final = 10 * _US
"""µs since an entry was logged, by nobody who has reported yet: its writer does so with the first it stores."""
_WRITERS: Final = 1000
_LETTERS: Final = 200
_EVERY: Final = 10.0
"""Seconds between two looks at the table."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Writer:
    """One writer, and what is to be thought of it."""

    said: Instance
    word: str
    """Its state as people are told it: ``ok``, ``SLOW``, ``DOWN``, ``gone`` …"""
    grade: int
    """``GONE``, ``WELL``, ``HEEDED`` or ``BAD``."""
    emitted_rate: float | None = None
    """Records a second between its last two reports; None before there are two, and of one that is silent."""
    stored_rate: float | None = None

    @property
    def troubled(self) -> bool:
        """There is something to see: it is not well, or has lost records, or cannot store some."""
        said = self.said
        return self.grade >= HEEDED or bool(said.dropped or said.failed or said.last_error)


@dataclass(frozen=True, slots=True)
class Table:
    """The log table."""

    access: Access
    rows: Count
    oldest: int | None
    """µs since 1970 UTC; None of an empty table."""
    newest: int | None
    layout: Layout


@dataclass(frozen=True, slots=True)
class Vitals:
    """What one look has found; None is what could not be had."""

    at: int
    """When, in µs since 1970 UTC."""
    writers: tuple[Writer, ...] | None = None
    """The worst first."""
    letters: tuple[DeadLetterRow, ...] | None = None
    """The newest first."""
    more_letters: bool = False
    """There are older ones."""
    table: Table | None = None
    missing: dict[str, str] = field(default_factory=dict)
    """``writers``, ``letters`` or ``table`` → why it could not be had, a sentence for people."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The writers in one word, for the header."""

    total: int
    """Writers that should be alive: those that are, and those that are down."""
    well: int
    word: str
    """The worst state there is, in capitals; empty where all are well."""
    count: int
    """How many are in it."""
    beginning: bool = False
    """None is known yet, though somebody has just logged."""

    @property
    def bad(self) -> bool:
        """Somebody should look."""
        return bool(self.word)

    def __str__(self) -> str:
        if self.bad:
            return f"writer {self.count} {visible(self.word[:12])}"  # a state is a text of the database's
        return f"writer ok ({self.well}/{self.total})" if self.total else "no writer"


def judge(instances: Iterable[Instance], now: int) -> tuple[Writer, ...]:
    """What is to be thought of writers, the worst first, neighbours staying neighbours from look to look.

    One that is down is ``gone`` and no trouble any more where another of its service began after it had been heard
    last, as after a restart; each replaces one. So is one that was last heard of a day ago.
    """
    instances = list(instances)
    alive = sorted(
        (each for each in instances if each.state not in ("DOWN", "CLOSED")), key=lambda each: each.started_at
    )
    judged = []
    for each in sorted(instances, key=lambda each: -each.last_seen):
        word, grade = _word(each)
        if word == "DOWN":
            heir = next((one for one in alive if one.service == each.service and one.started_at > each.last_seen), None)
            if heir is not None:
                alive.remove(heir)
            if heir is not None or now - each.last_seen > _FORGOTTEN:
                word, grade = "gone", GONE
        judged.append(Writer(each, word, grade))
    return tuple(sorted(judged, key=_order))


def _word(each: Instance) -> tuple[str, int]:
    grade = _GRADES.get(each.state, HEEDED)
    if each.state == "RUNNING":
        slow = each.lag is not None and each.lag >= _SLOW
        return ("SLOW", HEEDED) if slow else ("ok", WELL)
    return ("closed" if each.state == "CLOSED" else each.state or "?"), grade


def _order(writer: Writer) -> tuple[object, ...]:
    said = writer.said
    recent = -said.last_seen if writer.grade == GONE else 0
    return -writer.grade, recent, said.service or "", said.host or "", said.pid or 0, said.instance_id.int


async def pulse(source: Source) -> Pulse:
    """How the writers are, in a word.

    Raises:
        DblogError: as every method of ``Source``.
    """
    found = pulse_of(judge(await source.reader.instances(limit=_WRITERS), _now()))
    newest = (await source.extent()).newest
    if found.total or newest is None or abs(_now() - newest) > _BEGINNING:
        return found
    return replace(found, beginning=True)


def pulse_of(writers: Iterable[Writer]) -> Pulse:
    """The word for writers."""
    alive = [each for each in writers if each.grade != GONE]
    worst = max((each.grade for each in alive), default=WELL)
    words = [each.word for each in alive if each.grade == worst] if worst > WELL else []
    word = max(sorted(set(words)), key=words.count, default="")
    return Pulse(len(alive), sum(each.grade == WELL for each in alive), word, words.count(word))


class Health:
    """Looks, one after the other; remembers what rates need, and what has not changed.

    Args:
        source: where.
        clock: seconds that only grow.
    """

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._reports: dict[UUID, tuple[Instance, float | None, float | None]] = {}
        self._letters: tuple[DeadLetterRow, ...] | None = None
        self._newest: UUID | None = None
        self._table: Table | None = None
        self._asked = float("-inf")

    async def look(self, *, anew: bool = False) -> Vitals:
        """Look at what may have changed; ``anew``: at everything.

        Raises:
            DblogError: nothing at all could be had.
        """
        missing: dict[str, str] = {}
        stale = anew or self._clock() - self._asked >= _EVERY
        writers = await _part("writers", self._writers, missing)
        letters = await _part("letters", lambda: self._dead_letters(stale), missing)
        table = await _part("table", lambda: self._table_now(stale), missing)
        if stale:
            self._asked = self._clock()
        more = letters is not None and len(letters) >= _LETTERS
        return Vitals(_now(), writers, letters, more, table, missing)

    async def _writers(self) -> tuple[Writer, ...]:
        found = await self._source.reader.instances(limit=_WRITERS)
        judged = judge(found, _now())
        self._reports = {each.instance_id: self._compared(each) for each in found}
        return tuple(self._rated(each) for each in judged)

    def _compared(self, said: Instance) -> tuple[Instance, float | None, float | None]:
        """A report with the rates since the one before it; the same report again says the same."""
        before = self._reports.get(said.instance_id)
        if before is None or before[0].last_seen >= said.last_seen:
            return before or (said, None, None)
        seconds = (said.last_seen - before[0].last_seen) / _US
        return said, (said.emitted - before[0].emitted) / seconds, (said.stored - before[0].stored) / seconds

    def _rated(self, writer: Writer) -> Writer:
        if writer.grade == GONE or writer.word == "DOWN":
            return writer
        _, emitted, stored = self._reports[writer.said.instance_id]
        return Writer(writer.said, writer.word, writer.grade, emitted, stored)

    async def _dead_letters(self, stale: bool) -> tuple[DeadLetterRow, ...]:
        """All of them only where there is a new one, or for a change: each may be as large as a record can be."""
        newest = await self._source.reader.dead_letters(limit=1)
        identity = newest[0].id if newest else None
        if stale or self._letters is None or identity != self._newest:
            self._letters = await self._source.reader.dead_letters(limit=_LETTERS) if newest else ()
            self._newest = identity
        return self._letters

    async def _table_now(self, stale: bool) -> Table:
        if stale or self._table is None:
            reader = self._source.reader
            oldest, newest = await reader.bounds()
            rows = await reader.count(exact=False)
            self._table = Table(await reader.access(), rows, oldest, newest, await reader.layout())
        return self._table


async def _part(name: str, ask: Callable[[], Awaitable[T]], missing: dict[str, str]) -> T | None:
    """One part of a look; where the database has it not for us, the sentence why.

    Raises:
        DblogError: the database itself is away.
    """
    from dblog.errors import ErrorClass, StoreError  # noqa: PLC0415 - with the rest of what reads

    try:
        return await ask()
    except StoreError as error:
        if error.kind in (ErrorClass.RECONNECT, ErrorClass.WAIT):
            raise
        missing[name] = str(error)
        return None


def _now() -> int:
    return time.time_ns() // 1000
