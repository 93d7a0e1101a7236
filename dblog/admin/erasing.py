"""``erase``: the entries of a person, or of anything a query can name, are deleted, dead letters included.

What is left is one audit row, which says who erased how many and by which fields, and never a value.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dblog.admin import letters
from dblog.admin.deleting import Bound, Deleting, audit, digest, may_delete
from dblog.admin.erasing_clickhouse import Masking
from dblog.admin.queries import fields_of, matches_everything, spare_audit, supposing
from dblog.errors import ConfigurationError, StoreError
from dblog.query.predicate import predicate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from uuid import UUID

    from dblog.admin.connection import AdminConnection
    from dblog.admin.deleting import Key
    from dblog.query import Query
    from dblog.reader import LogReader
    from dblog.reading.values import Cursor

__all__ = ["Erased", "Found", "erase", "survey"]

_PAGE: Final = 1000
_EXAMPLES: Final = 3
_PASSES: Final = 5


@dataclass(frozen=True, slots=True)
class Letters:
    """Dead letters, as a query sees them."""

    fitting: list[UUID]
    unreadable: int
    """They cannot be read as entries, so that nobody knows whether the query fits them."""
    undecided: int
    """The query asks where their writer ran, and what the writer said of itself is gone."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an erase would delete."""

    count: int
    letters: Letters
    examples: tuple[tuple[int, UUID], ...]
    """Time (µs) and id of the newest three; nothing of what they say."""


@dataclass(slots=True)
class Erased:
    """What an erase did."""

    count: int = 0
    dead_letters: int = 0
    left: int = 0
    """Entries that match, were there at the start, and could not be deleted."""
    undecided: int = 0
    """Dead letters that may match."""
    complete: bool = False
    """It came to its end, and no entry is left."""
    clean: bool = True
    """SQLite: the write-ahead log holds nothing of it any more; ClickHouse: no active part does. Always True on
    Postgres, which says nothing of its dead rows and its backups."""
    masked: str = ""
    """ClickHouse: why there still are parts that hold it."""


async def survey(reader: LogReader, connection: AdminConnection, query: Query) -> Found:
    """Look at what would go.

    Raises:
        ConfigurationError: the query matches everything.
        StoreError: a privilege is missing, or the database cannot be used.
    """
    query = _checked(query)
    may_delete(connection)
    count = await reader.count(query)
    page = await reader.search(query, limit=_EXAMPLES)
    examples = tuple((entry.timestamp, entry.id) for entry in page.entries if entry.id is not None)
    return Found(count.value, _letters(connection, query), examples)


async def erase(
    reader: LogReader, connection: AdminConnection, query: Query, *, report: Callable[[int], None] = lambda _: None
) -> Erased:
    """Delete every entry and dead letter that fits and was there at the start, and leave an audit row.

    Rows of the logger ``dblog.audit`` stay, unless the query names it.

    Args:
        reader: of the same database, for what the query means.
        connection: of a role that may delete.
        query: what goes; not one that matches everything.
        report: called with the number of entries gone so far.

    Raises:
        ConfigurationError: the query matches everything.
        StoreError: a privilege is missing, or the database is away; what went before is gone, and in the audit row
            where one could be written.
    """
    spared = _checked(query)
    may_delete(connection)
    if connection.dialect == "sqlite":
        connection.rows("PRAGMA secure_delete = ON")
    done = Erased()
    deleting = await _deleting(reader, connection, spared)
    ended = False
    try:
        await _erase(reader, deleting, spared, done, report)
        found = _letters(connection, spared)
        done.undecided = found.undecided
        done.dead_letters = letters.drop(connection, found.fitting)
        done.complete = not done.left
        ended = True
    finally:
        if ended or done.count or done.dead_letters:
            with nullcontext() if ended else suppress(StoreError):  # what ended it is what is told
                _audit(connection, query, done)
    if isinstance(deleting, Masking):
        done.masked = deleting.remove(letters=bool(done.dead_letters))
        done.clean = not done.masked
    elif not connection.postgres:
        done.clean = connection.checkpoint()
    return done


async def _deleting(reader: LogReader, connection: AdminConnection, query: Query) -> Deleting | Masking:
    """What deletes the rows that are there now."""
    if connection.dialect != "clickhouse":
        return Deleting(connection, Bound.now(connection))
    masking = Masking(connection)
    async for keys in _pages(reader, masking.ahead(query)):
        masking.include(keys)
    return masking


async def _erase(
    reader: LogReader, deleting: Deleting | Masking, query: Query, done: Erased, report: Callable[[int], None]
) -> None:
    many = deleting.batch if isinstance(deleting, Masking) else 0
    for _ in range(_PASSES):
        before = done.count
        async for keys in _pages(reader, query, many):
            done.count += deleting.delete(keys)
            report(done.count)
        done.left = 0
        async for keys in _pages(reader, query, many):
            done.left += deleting.left(keys)
        if not done.left or done.count == before:
            break


async def _pages(reader: LogReader, query: Query, many: int = 0) -> AsyncIterator[list[Key]]:
    """The keys of what matches, the newest first: what writers add meanwhile lies behind us, so this ends.

    They come page by page, or, where so ``many`` are wanted at once, that many and no more.
    """
    cursor: Cursor | None = None
    keys: list[Key] = []
    while page := await reader.search(query, before=cursor, limit=min(_PAGE, many or _PAGE)):
        keys += [(entry.timestamp, entry.id) for entry in page.entries if entry.id is not None]
        cursor = page.older
        if cursor is None or len(keys) + _PAGE > many:
            yield keys
            keys = []
        if cursor is None:
            return


def _checked(query: Query) -> Query:
    """What goes: the query, of other loggers than the one that keeps account.

    Raises:
        ConfigurationError: it matches everything.
    """
    if matches_everything(query.tree):
        raise ConfigurationError(
            "erase needs a query that names what goes, and this one matches every entry: to delete by age,"
            " see dblog prune"
        )
    return spare_audit(query)


def _letters(connection: AdminConnection, query: Query) -> Letters:
    """The dead letters that fit, and how many there are of which that cannot be said."""
    fitting: list[UUID] = []
    unreadable = undecided = 0
    restoring = letters.Restoring(connection)
    for letter in letters.letters(connection):
        if (restored := restoring(letter)) is None:
            unreadable += 1
            continue
        surely, perhaps = (predicate(supposing(query.tree, restored.unknown, most=most)) for most in (False, True))
        if surely(restored.entry):
            fitting.append(letter.id)
        elif perhaps(restored.entry):
            undecided += 1
    return Letters(fitting, unreadable, undecided)


def _audit(connection: AdminConnection, query: Query, done: Erased) -> None:
    audit(
        connection,
        f"erased {done.count} entries",
        action="erase",
        count=done.count,
        dead_letters=done.dead_letters,
        left=done.left,
        undecided=done.undecided,
        complete=done.complete,
        fields=fields_of(query.tree),
        query_sha256=digest(str(query)),
    )
