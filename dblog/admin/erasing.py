"""``erase``: the entries of a person, or of anything a query can name, are deleted, dead letters included.

What is left is one audit row, which says who erased how many and by which fields, and never a value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dblog.admin import letters
from dblog.admin.deleting import Deleting, audit, digest, may_delete
from dblog.errors import ConfigurationError
from dblog.query.fields import COLUMNS
from dblog.query.tree import All, And, Field, Kind, Not, Or, Range
from dblog.reading.values import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dblog.admin.connection import AdminConnection
    from dblog.query import Query
    from dblog.query.tree import Node
    from dblog.reader import LogReader

__all__ = ["Erased", "Found", "erase", "fields_of", "survey"]

_PAGE: Final = 1000
_EXAMPLES: Final = 3
_PASSES: Final = 5
_ROUNDED: Final = 1000
"""µs by which SQLite's default for ``ingested_at`` may be ahead: it counts milliseconds."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an erase would delete."""

    count: int
    dead_letters: int
    unreadable: int
    """Dead letters that cannot be read as entries, so that nobody knows whether the query fits them."""
    examples: tuple[tuple[int, UUID], ...]
    """Time (µs) and id of the newest three; nothing of what they say."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erase did."""

    count: int
    dead_letters: int
    clean: bool = True
    """SQLite: the write-ahead log holds nothing of it any more. Always True on Postgres, which says nothing of its
    dead rows and its backups."""


async def survey(reader: LogReader, connection: AdminConnection, query: Query) -> Found:
    """Look at what would go.

    Raises:
        ConfigurationError: the query is empty.
        StoreError: a privilege is missing, or the database cannot be used.
    """
    if isinstance(query.tree, All):
        raise ConfigurationError("erase needs a query that names what goes: to delete by age, see dblog prune")
    may_delete(connection)
    count = await reader.count(query)
    page = await reader.search(query, limit=_EXAMPLES)
    fitting, unreadable = _letters(connection, query)
    examples = tuple((entry.timestamp, entry.id) for entry in page.entries if entry.id is not None)
    return Found(count.value, len(fitting), unreadable, examples)


async def erase(
    reader: LogReader, connection: AdminConnection, query: Query, *, report: Callable[[int], None] = lambda _: None
) -> Erased:
    """Delete every entry and dead letter that fits and was there at the start, and leave an audit row.

    Args:
        reader: of the same database, for what the query means.
        connection: of a role that may delete.
        query: what goes; not the empty one.
        report: called with the number of entries gone so far.

    Raises:
        ConfigurationError: the query is empty.
        StoreError: a privilege is missing, or the database is away; what went before is gone, and in the audit row
            where one could be written.
    """
    if isinstance(query.tree, All):
        raise ConfigurationError("erase needs a query that names what goes")
    may_delete(connection)
    if not connection.postgres:
        connection.rows("PRAGMA secure_delete = ON")
    done = Erased(0, 0)
    complete = False
    try:
        bounded = _until(query, connection.now() + (0 if connection.postgres else _ROUNDED))
        deleting = Deleting(connection)
        for _ in range(_PASSES):
            before = done.count
            cursor = Cursor.at(0)
            while page := await reader.search(bounded, after=cursor, limit=_PAGE):
                cursor = Cursor.of(page.entries[0])
                keys = [(entry.timestamp, entry.id) for entry in page.entries if entry.id is not None]
                done = replace(done, count=done.count + deleting.delete(keys))
                report(done.count)
            if done.count == before:
                break
        fitting, _ = _letters(connection, query)
        done = replace(done, dead_letters=letters.drop(connection, fitting))
        complete = True
    finally:
        if done.count or done.dead_letters or complete:
            _audit(connection, query, done, complete=complete)
    return done if connection.postgres else replace(done, clean=connection.checkpoint())


def fields_of(tree: Node) -> list[str]:
    """The fields a query names, sorted; paths with ``metadata.`` before them."""
    found: set[str] = set()
    waiting: list[Node] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, And | Or):
            waiting += node.parts
        elif isinstance(node, Not):
            waiting.append(node.part)
        elif not isinstance(node, All):
            found.add(_shown(node.field))
    return sorted(found)


def _shown(field: Field) -> str:
    return ".".join(["metadata", *map(str, field.path)]) if field.kind is Kind.PATH else field.name


def _until(query: Query, moment: int) -> Query:
    """The query, of entries that were there at that time."""
    bound = Range(COLUMNS["ingested_at"], high=moment)
    parts = query.tree.parts if isinstance(query.tree, And) else (query.tree,)
    return replace(query, tree=And((*parts, bound)))


def _letters(connection: AdminConnection, query: Query) -> tuple[list[UUID], int]:
    """The dead letters that fit, and how many cannot be read."""
    fits = query.predicate()
    fitting: list[UUID] = []
    unreadable = 0
    for letter in letters.letters(connection):
        entry = letters.entry_of_letter(letter)
        if entry is None:
            unreadable += 1
        elif fits(letters.sound(entry, letter)):
            fitting.append(letter.id)
    return fitting, unreadable


def _audit(connection: AdminConnection, query: Query, done: Erased, *, complete: bool) -> None:
    audit(
        connection,
        f"erased {done.count} entries",
        action="erase",
        count=done.count,
        dead_letters=done.dead_letters,
        complete=complete,
        fields=fields_of(query.tree),
        query_sha256=digest(str(query)),
    )
