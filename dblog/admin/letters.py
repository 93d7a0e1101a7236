"""Dead letters: list them, make entries of them again, store those, drop what is of no use."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from uuid import UUID

from dblog.admin.storing import Storing, made_id
from dblog.entry import LogEntry
from dblog.errors import ConfigurationError
from dblog.interchange import LATEST
from dblog.repair import clamp, repair
from dblog.sink import Origin
from dblog.store.rows import id_words, origin_bits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dblog.admin.clickhouse import ClickHouseConnection
    from dblog.admin.connection import AdminConnection

__all__ = ["Letter", "Restored", "Restoring", "Retried", "drop", "letters", "named", "retry"]

_PAGE: Final = 200
_SHORTEST: Final = 8
"""Digits of an id, as lists show them."""
_ORIGIN: Final = ("service", "host", "pid")


class Letter(NamedTuple):
    """A row of ``log_dead_letters``."""

    id: UUID
    failed_at: int
    """µs since 1970 UTC."""
    instance_id: UUID
    seq: int | None
    error_class: str
    code: str
    attempts: int
    payload: str


@dataclass(slots=True)
class Retried:
    """What became of the letters."""

    stored: int = 0
    present: int = 0
    """The entry was there already; the letter is gone as well."""
    kept: list[tuple[UUID, str]] = field(default_factory=list)
    """Letters that are still there, and why."""


def letters(connection: AdminConnection) -> Iterator[Letter]:
    """All of them, by id, page by page."""
    place: object = None
    fields = ", ".join(connection.micros(name) if name == "failed_at" else name for name in Letter._fields)
    while True:
        after = "" if place is None else " WHERE id > ?"
        found = connection.rows(
            f"SELECT {fields} FROM {connection.dead_letters}{after} ORDER BY id LIMIT {_PAGE}",  # noqa: S608 - checked names
            *(() if place is None else (place,)),
        )
        for identity, failed_at, instance, *rest in found:
            yield Letter(connection.uuid(identity), int(failed_at), connection.uuid(instance), *rest)
        if len(found) < _PAGE:
            return
        place = found[-1][0]


def named(connection: AdminConnection, ids: Sequence[str]) -> list[Letter]:
    """The letters of these ids, each given in full or by its last 8 digits or more.

    Raises:
        ConfigurationError: there is none of an id, or there are several.
    """
    everything = list(letters(connection))
    chosen = []
    for text in ids:
        digits = text.replace("-", "").lower()
        found = [letter for letter in everything if len(digits) >= _SHORTEST and letter.id.hex.endswith(digits)]
        if len(found) != 1:
            many = (
                "names several dead letters: give the whole id"
                if found
                else "is no dead letter: see dblog dead-letters"
            )
            raise ConfigurationError(f"{text!r} {many}")
        chosen += found
    return chosen


class Restored(NamedTuple):
    """The entry of a letter, as it would be stored."""

    entry: LogEntry
    unknown: frozenset[str]
    """Columns of which nobody knows what they would hold, for the writer's own row is gone."""


class Restoring:
    """Makes entries of letters; a writer's rows say where it ran, its letters do not.

    Args:
        connection: of a role that may select writers.
    """

    def __init__(self, connection: AdminConnection) -> None:
        self._connection = connection
        self._origins: dict[UUID, tuple[Any, ...] | None] = {}

    def __call__(self, letter: Letter) -> Restored | None:
        """The entry, repaired as capture would have it; None where the payload is not readable as one."""
        if (entry := _entry(letter)) is None:
            return None
        if letter.instance_id not in self._origins:
            found = self._connection.rows(
                f"SELECT {', '.join(_ORIGIN)} FROM {self._connection.instances} WHERE instance_id = ?",  # noqa: S608 - our own
                self._connection.identity(letter.instance_id),
            )
            self._origins[letter.instance_id] = found[0] if found else None
        missing = [name for name in _ORIGIN if not getattr(entry, name)]
        origin = self._origins[letter.instance_id]
        if origin is None:
            return Restored(_sound(entry, letter), frozenset(missing))
        known: dict[str, Any] = {name: value for name, value in zip(_ORIGIN, origin, strict=True) if name in missing}
        return Restored(_sound(entry._replace(**known), letter), frozenset())


def _entry(letter: Letter) -> LogEntry | None:
    """What the payload holds; None where it is not readable as an entry."""
    try:
        payload = json.loads(letter.payload)  # as it was written: lone surrogates are not orjson's
        given: dict[str, Any] = {name: payload[name] for name in LogEntry._fields if name in payload}
        for name in ("id", "instance_id"):
            given[name] = UUID(given[name]) if isinstance(given.get(name), str) else None
        entry = LogEntry(**given)
    except (ValueError, TypeError, RecursionError):
        return None
    return entry._replace(instance_id=letter.instance_id, seq=letter.seq)


def retry(
    connection: AdminConnection,
    chosen: Iterator[Letter] | list[Letter],
    *,
    report: Callable[[int], None] = lambda _: None,
) -> Retried:
    """Store the entries of letters, repaired as capture would have them; a letter goes when its entry is stored.

    Interrupted, it can be run again: an entry keeps the id its writer would have given it.

    Args:
        connection: of a role that may select and delete dead letters and insert log rows.
        chosen: which.
        report: called with the number of letters dealt with.

    Raises:
        StoreError: the database cannot be used.
    """
    done = Retried()
    storing, restoring = Storing(connection), Restoring(connection)
    for count, letter in enumerate(chosen, 1):
        if (restored := restoring(letter)) is None:
            done.kept.append((letter.id, "its payload is not readable as an entry"))
            continue
        outcome = storing.store([restored.entry])
        if outcome.refused:
            done.kept.append((letter.id, outcome.refused[0][1]))
        else:
            done.stored += outcome.stored
            done.present += outcome.present
            drop(connection, [letter.id])
        report(count)
    return done


def drop(connection: AdminConnection, ids: Sequence[UUID]) -> int:
    """Delete letters; how many there were."""
    gone = 0
    if connection.dialect == "clickhouse":
        return cast("ClickHouseConnection", connection).delete(connection.names.dead_letters, ids) if ids else 0
    for identity in ids:
        with connection.transaction():
            gone += connection.run(
                f"DELETE FROM {connection.dead_letters} WHERE id = ?",  # noqa: S608 - a checked name
                connection.identity(identity),
            )
    return gone


def _sound(entry: LogEntry, letter: Letter) -> LogEntry:
    """Repaired, with a time the tables have, and with the id its writer would have given it."""
    entry = repair(entry)
    if not 0 <= entry.timestamp <= LATEST:
        entry = clamp(entry, letter.failed_at or time.time_ns() // 1000)
    if entry.id is not None:
        return entry
    if letter.seq is None:
        return entry._replace(id=made_id(entry.timestamp, letter.id.bytes))
    writer = Origin(letter.instance_id, None, None, None, host="", pid=0, started_at=0)
    high, low = id_words(entry.timestamp, letter.seq, origin_bits(writer))
    return entry._replace(id=UUID(int=high << 64 | low))
