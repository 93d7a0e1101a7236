"""What is too old on ClickHouse: whole days go as partitions, the rest by a DELETE that marks rows, or by TTL.

On a cluster every statement is ``ON CLUSTER`` and for the tables of the shards. There is
no transaction: what fails half-way has done a part, and may be run again. A partition
goes whatever was put into it since its rows were counted.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

from dblog.admin.rules import before_of, condition_of
from dblog.errors import ConfigurationError
from dblog.repair import DAY_US

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.connection import AdminConnection
    from dblog.admin.rules import Pruned, Rule

__all__ = ["DONE", "Place", "carry_out", "plan", "set_ttl", "shortest_age", "ttl_of"]

_CLUSTER: Final = re.compile(r"Distributed\('((?:[^'\\]|\\.)*)'")
_TTL: Final = re.compile(r"\bTTL (?P<terms>.+?)(?: SETTINGS |$)", re.DOTALL)
_AGE: Final = re.compile(r"\btoInterval(Second|Minute|Hour|Day|Week)\((\d+)\)")
_SECONDS: Final = {"Second": 1, "Minute": 60, "Hour": 3600, "Day": 86_400, "Week": 604_800}
_HIGHEST: Final = 24
"""The highest severity."""
_DATES: Final = 65_536
_EPOCH: Final = dt.date(1970, 1, 1)
_ONCE: Final = " SETTINGS do_not_merge_across_partitions_select_final = 1"
"""Rows of one key have one time, so they share a partition."""
DONE: Final = " SETTINGS lightweight_deletes_sync = 2, mutations_sync = 2"
"""Wait until the rows are marked, on every replica."""


class Place:
    """Where the entries lie: in ``logs``, or in the shards' ``logs_local``."""

    def __init__(self, connection: AdminConnection) -> None:
        names = connection.names
        database = "currentDatabase()" if names.schema is None else f"'{names.schema}'"
        engine = "SELECT engine_full FROM system.tables WHERE name = ? AND database = "
        match = _CLUSTER.match(str(connection.value(f"{engine}{database}", names.logs)))
        self.on = "" if match is None else f" ON CLUSTER '{match[1]}'"
        self.name = names.logs if match is None else names.local
        self.table = names.qualified(self.name)
        self._engine = f"{engine}{database}"

    def ttl(self, connection: AdminConnection) -> str:
        """The terms of the TTL as the server has them; empty where there is none."""
        match = _TTL.search(str(connection.value(self._engine, self.name)))
        return match["terms"].strip() if match else ""


def plan(connection: AdminConnection, rules: list[Rule], found: Pruned) -> None:
    """Fill in what ``carry_out`` would do now."""
    found.days = [str(day) for day, _ in _whole_days(connection, rules)]
    found.rows = _count(connection, connection.logs, *condition_of(connection, rules))
    if before := before_of(rules):
        moment = (connection.moment(before),)
        found.dead_letters = _count(connection, connection.dead_letters.removesuffix(" FINAL"), "failed_at < ?", moment)
        found.instances = _count(connection, connection.instances.removesuffix(" FINAL"), "last_seen < ?", moment)


def carry_out(
    connection: AdminConnection, rules: list[Rule], done: Pruned, report: Callable[[int], None] = lambda _: None
) -> None:
    """Delete what the rules name; ``done`` is filled as it goes.

    Raises:
        StoreError: a privilege is missing, or the database is away.
    """
    place = Place(connection)
    for day, rows in _whole_days(connection, rules):
        connection.run(f"ALTER TABLE {place.table}{place.on} DROP PARTITION '{day}'")
        done.days.append(str(day))
        done.rows += rows
        report(done.rows)
    for rule in rules:
        condition, parameters = condition_of(connection, [rule])
        if rows := _count(connection, connection.logs, condition, parameters):
            connection.run(f"DELETE FROM {place.table}{place.on} WHERE {condition}{DONE}", *parameters)  # noqa: S608 - our own
            done.rows += rows
            report(done.rows)
    if before := before_of(rules):
        done.dead_letters = _delete_old(connection, connection.dead_letters, "failed_at", before)
        done.instances = _delete_old(connection, connection.instances, "last_seen", before)


def ttl_of(rules: list[Rule], now: int) -> str:
    """The rules as terms of a TTL, spelt as the server gives them back."""
    terms = []
    for rule in rules:
        parts = [f"severity >= {rule.lowest}"] if rule.lowest > 1 else []
        parts += [f"severity <= {rule.highest}"] if rule.highest < _HIGHEST else []
        condition = " AND ".join(f"({part})" for part in parts) if len(parts) > 1 else "".join(parts)
        seconds = (now - rule.before) // 1_000_000
        terms.append(f"toDateTime(timestamp) + toIntervalSecond({seconds})" + (condition and f" WHERE {condition}"))
    return ", ".join(terms)


def set_ttl(connection: AdminConnection, rules: list[Rule], now: int) -> bool:
    """Have the server delete by these rules itself; False where it does so already.

    Args:
        connection: of a user that may alter the table.
        rules: one at least.
        now: µs, what their times were made with.

    Raises:
        ConfigurationError: this is no ClickHouse, or there is no rule.
        StoreError: a privilege is missing, or the database is away.
    """
    if connection.dialect != "clickhouse":
        raise ConfigurationError("ttl: only ClickHouse deletes by itself; elsewhere dblog maintain --every does")
    if not rules:
        raise ConfigurationError("ttl: nothing says what is too old: give --older-than 30d, or --keep debug=3d")
    place, wanted = Place(connection), ttl_of(rules, now)
    if place.ttl(connection) == wanted:
        return False
    connection.run(f"ALTER TABLE {place.table}{place.on} MODIFY TTL {wanted}")
    return True


def shortest_age(connection: AdminConnection) -> int | None:
    """µs after which the table's TTL may have the server delete an entry; None where it has none that can be read."""
    ages = _AGE.findall(Place(connection).ttl(connection))
    return min((_SECONDS[unit] * int(count) for unit, count in ages), default=0) * 1_000_000 or None


def _whole_days(connection: AdminConnection, rules: list[Rule]) -> list[tuple[dt.date, int]]:
    """The days that are too old as a whole, with their entries.

    A Date has 65,536 days from 1970 on; what is beyond lies in the partition of another day, which then stays.
    """
    if not (before := before_of(rules)):
        return []
    last = _EPOCH + dt.timedelta(days=before // DAY_US)
    border, beyond = connection.moment(before // DAY_US * DAY_US), connection.moment(_DATES * DAY_US)
    found = connection.rows(
        f"SELECT toDate(timestamp) AS day, count() FROM {connection.logs} FINAL"  # noqa: S608 - a checked name
        f" WHERE timestamp < ? OR timestamp >= ? GROUP BY day HAVING max(timestamp) < ? ORDER BY day{_ONCE}",
        border,
        beyond,
        beyond,
    )
    return [(day, int(rows)) for day, rows in found if day < last]


def _delete_old(connection: AdminConnection, final: str, column: str, before: int) -> int:
    """Rows of a side table, which on a cluster every node has alike."""
    table, moment = final.removesuffix(" FINAL"), connection.moment(before)
    if rows := _count(connection, table, f"{column} < ?", (moment,)):
        connection.run(f"DELETE FROM {table} WHERE {column} < ?{DONE}", moment)  # noqa: S608 - a checked name
    return rows


def _count(connection: AdminConnection, table: str, condition: str, parameters: tuple[object, ...]) -> int:
    return int(connection.value(f"SELECT count() FROM {table} FINAL WHERE {condition}{_ONCE}", *parameters))  # noqa: S608 - our own
