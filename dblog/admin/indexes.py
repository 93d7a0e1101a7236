"""``dblog index``: indexes that not everybody wants, for each is paid for with every entry that is stored.

``message`` finds a part of a message by its trigrams; ``metadata`` a value in ``metadata``, likewise (Postgres);
``logger`` the entries of one logger, or of those below it. They are built while writers go on: on Postgres one
partition after the other (``CONCURRENTLY``), the full-text index of an SQLite file in steps of some milliseconds. Only
SQLite's on ``logger`` keeps writers waiting until it is built. ClickHouse's are there from the start, and stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dblog.admin import indexes_clickhouse, indexes_postgres, indexes_sqlite
from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.connection import AdminConnection

__all__ = ["KINDS", "UNCHANGING", "Index", "Price", "add", "changeable", "drop", "indexes", "price"]

KINDS: Final = ("message", "metadata", "logger")
UNCHANGING: Final = "ClickHouse has its indexes from the start: there is none to add or to drop"
_SAMPLE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Index:
    """One of them, and how it is."""

    kind: str
    name: str
    state: str
    """``absent``, ``building``, ``ready``, or ``unavailable`` in this kind of database."""
    bytes: int | None
    """On disk; None where that is not known without reading the file."""


@dataclass(frozen=True, slots=True)
class Price:
    """What an index costs, measured with the newest entries of this database."""

    sample: int
    """Entries it was measured with; 0 where there are none."""
    bytes_each: float
    """Of disk, for an entry."""
    slower: float
    """How many times as long an insert takes with it."""
    rows: int
    """Entries there are; the planner's estimate on Postgres."""


def indexes(connection: AdminConnection) -> list[Index]:
    """Those there are, and those there could be."""
    known = indexes_clickhouse if connection.dialect == "clickhouse" else _of(connection)
    states = known.states(connection, KINDS)
    return [Index(kind, connection.names.index_on(kind), *state) for kind, state in states.items()]


def changeable(connection: AdminConnection) -> None:
    """Refuse a database whose indexes cannot be chosen.

    Raises:
        ConfigurationError: it is ClickHouse.
    """
    if connection.dialect == "clickhouse":
        raise ConfigurationError(UNCHANGING)


def price(connection: AdminConnection, kind: str, *, sample: int = _SAMPLE) -> Price:
    """Measure, in tables of one's own that are gone afterwards.

    Raises:
        ConfigurationError: there is no such index.
        StoreError: it cannot be measured, for want of a privilege for example.
    """
    return Price(*_of(connection, kind).measured(connection, kind, sample))


def add(connection: AdminConnection, kind: str, *, report: Callable[[int], None] = lambda _: None) -> None:
    """Build it, or go on with building; done already where it is ready.

    Args:
        connection: of the tables' owner.
        kind: one of ``KINDS``.
        report: called with what is built so far: partitions on Postgres, entries on SQLite.

    Raises:
        ConfigurationError: there is no such index, on this kind of database.
        StoreError: a privilege or an extension is missing, or the database is away; ``add`` goes on from there.
    """
    _of(connection, kind).add(connection, kind, report)


def drop(connection: AdminConnection, kind: str) -> bool:
    """Drop it; False where there was none.

    Raises:
        ConfigurationError: there is no such index.
        StoreError: a privilege is missing, the database is away, or others used the table all the time.
    """
    return _of(connection, kind).drop(connection, kind)


def _of(connection: AdminConnection, kind: str | None = None) -> type[indexes_postgres.Here | indexes_sqlite.Here]:
    """What knows the database.

    Raises:
        ConfigurationError: there is no such index, or none can be chosen.
    """
    changeable(connection)
    if kind is not None and kind not in KINDS:
        raise ConfigurationError(f"{kind!r} is no index of dblog's: give one of {', '.join(KINDS)}")
    if connection.postgres:
        return indexes_postgres.Here
    if kind == "metadata":
        raise ConfigurationError(
            "an index on metadata is for Postgres: SQLite has none that finds a value in JSON text"
        )
    return indexes_sqlite.Here
