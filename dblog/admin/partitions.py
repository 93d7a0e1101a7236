"""Day partitions on Postgres, as their owner handles them: days of the past are made, days that are over dropped.

What ``dblog_ensure_day`` does within its window is done here for any day, in the same way: ``CREATE TABLE … (LIKE …)``
and ``ATTACH``, which keep nobody waiting, under the same advisory lock.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from dblog.errors import StoreError
from dblog.repair import DAY_US

if TYPE_CHECKING:
    from dblog.admin.connection import AdminConnection

__all__ = ["MOST_DAYS", "Days", "Partition", "day_of", "is_partitioned", "partitions"]

MOST_DAYS: Final = 3_660
"""Days made at most by one run: more would be a file of wild times, and plans over so many tables are slow."""
_EPOCH: Final = dt.date(1970, 1, 1)
_OWNER: Final = "only the tables' owner may make it: import as the role of `dblog grants --admin`"


class Partition(NamedTuple):
    """One day's table."""

    name: str
    day: dt.date
    attached: bool
    """False: on its way out, or left behind by somebody who dropped it halfway."""
    rows: int
    """The planner's estimate; 0 where it has none."""
    end: int
    """µs since 1970 UTC; the first that is not the day's any more."""
    table: str
    """The table's name for SQL."""
    begin: int | None = None
    """Where it is a chunk of TimescaleDB's: µs since 1970 UTC, the first that is its own."""


def day_of(micros: int) -> dt.date:
    """The UTC day of a time."""
    return _EPOCH + dt.timedelta(days=micros // DAY_US)


def is_partitioned(connection: AdminConnection) -> bool:
    """Whether rows need a day's table; a hypertable of TimescaleDB's takes every day."""
    return bool(connection.value("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(?)", connection.logs))


def partitions(connection: AdminConnection) -> list[Partition]:
    """The days there are tables for, the oldest first, those that were detached included."""
    found = connection.rows(
        "SELECT c.relname, coalesce(i.inhrelid IS NOT NULL AND NOT i.inhdetachpending, false), c.reltuples::bigint"
        " FROM pg_class p JOIN pg_class c ON c.relnamespace = p.relnamespace AND c.relkind = 'r'"
        " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = p.oid"
        " WHERE p.oid = to_regclass(?) AND starts_with(c.relname, p.relname || '_') ORDER BY 1",
        connection.logs,
    )
    pattern = re.compile(rf"{re.escape(connection.names.logs)}_(\d{{4}})(\d\d)(\d\d)")
    days = []
    for name, attached, rows in found:
        if match := pattern.fullmatch(name):
            day = dt.date(*map(int, match.groups()))
            end = ((day - _EPOCH).days + 1) * DAY_US
            days.append(Partition(name, day, attached, max(rows, 0), end, connection.names.qualified(name)))
    return days


CLICKHOUSE_TIMES: Final = (-2_208_988_800_000_000, 10_413_791_999_999_999)
"""The first and the last µs of a DateTime64(6)."""


class Days:
    """The days rows can be stored in; makes those that are missing where it may.

    Args:
        connection: whose role is used.
    """

    def __init__(self, connection: AdminConnection) -> None:
        self._connection = connection
        self._partitioned = connection.postgres and is_partitioned(connection)
        self._known = {each.day: each.attached for each in partitions(connection)} if self._partitioned else {}
        self._refused: dict[dt.date, str] = {}
        self.made: list[dt.date] = []
        """Days that had no partition before."""

    def refusal(self, micros: int) -> str | None:
        """Why a row of this time cannot be stored; None when it can.

        Raises:
            StoreError: the database cannot be used.
        """
        if self._connection.dialect == "clickhouse":
            return None if CLICKHOUSE_TIMES[0] <= micros <= CLICKHOUSE_TIMES[1] else "ClickHouse holds 1900 to 2299"
        if not self._partitioned:
            return None
        day = day_of(micros)
        if self._known.get(day):
            return None
        if day not in self._refused:
            try:
                sentence = self._make(day)
            except StoreError as error:
                if not error.code.startswith("42501"):
                    raise
                sentence = _OWNER
            if sentence is None:
                self._known[day] = True
                self.made.append(day)
                return None
            self._refused[day] = sentence
        return f"there is no partition for {day}: {self._refused[day]}"

    def _make(self, day: dt.date) -> str | None:
        """Make a day's partition; the reason where that must not be."""
        connection, names = self._connection, self._connection.names
        if day in self._known:
            return f"its table {names.partition(f'{day:%Y%m%d}')} is detached, perhaps on its way out"
        if len(self.made) >= MOST_DAYS:
            return f"{MOST_DAYS} days were made already, import such a file in parts"
        try:
            if connection.value(f"SELECT {names.qualified(names.ensure_day)}(?::date)", day.isoformat()):
                return None
        except StoreError as error:
            if not error.code.startswith("42"):  # the function is missing, or not ours to call: do it ourselves
                raise
        schema, owner, ours = connection.rows(
            "SELECT quote_ident(n.nspname), quote_ident(pg_get_userbyid(c.relowner)), pg_has_role(c.relowner, 'MEMBER')"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(?)",
            connection.logs,
        )[0]
        if not ours:
            return _OWNER
        parent, child = f'{schema}."{names.logs}"', f'{schema}."{names.partition(f"{day:%Y%m%d}")}"'
        after = "infinity" if day == dt.date.max else f"{day + dt.timedelta(days=1)} 00:00+00"
        with connection.transaction(lock_timeout=3.0):
            connection.run(f"SELECT pg_advisory_xact_lock(hashtextextended('dblog {parent}', 0))")
            if connection.value("SELECT to_regclass(?)", child) is not None:
                return None  # made meanwhile; if it was detached, storing says so
            connection.run(f"CREATE TABLE {child} (LIKE {parent} INCLUDING ALL)")
            connection.run(f"ALTER TABLE {child} OWNER TO {owner}")
            connection.run(
                f"ALTER TABLE {parent} ATTACH PARTITION {child} FOR VALUES FROM ('{day} 00:00+00') TO ('{after}')"
            )
        return None
