"""What ``erase`` does on ClickHouse: rows are masked by their keys, then taken out of the parts they lie in.

There are no transactions, and no order of commits says what was there at the start:
``ingested_at`` does, by the server's clock, and what is ahead of that clock is looked for
beforehand. Each change is a mutation, which every part of the table takes notice of;
so there are few of them, with many keys each.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from dblog.admin.partitions import day_of
from dblog.admin.pruning_clickhouse import DONE, Place
from dblog.errors import StoreError
from dblog.query.fields import COLUMNS
from dblog.query.tree import And, Range

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from dblog.admin.clickhouse import ClickHouseConnection
    from dblog.admin.connection import AdminConnection
    from dblog.admin.deleting import Key
    from dblog.query import Query

__all__ = ["Masking", "missing"]

_MOST: Final = 10_000
"""Keys of one statement: with them it has less than the megabyte a node of Keeper holds, where replicas read it."""
_FEWER: Final = 3000
"""Where the user's profile leaves a statement no more than the 256 KB it may have by default."""
_OWN: Final = 1000
"""Keys of a day that are worth a mutation of their own, of which other days' replicas hear nothing."""
_DAYS: Final = 1000
"""Days of one statement."""
_LONGEST: Final = {"max_query_size": 2**20, "max_ast_elements": 10**6, "max_expanded_ast_elements": 10**6}
_UNKNOWN_SYNTAX: Final = "62 "
_TOO_OLD: Final = "the server is too old to take it out at once"


class Masking:
    """Deletes entries by their keys, of those that were there when it was made.

    Args:
        connection: of a user that may delete.
    """

    def __init__(self, connection: AdminConnection) -> None:
        self._connection = cast("ClickHouseConnection", connection)
        self._place = Place(connection)
        self._start = connection.now()
        self._ahead: set[Key] = set()
        self._days: set[dt.date] = set()
        self.batch = _MOST if self._lengthen() else _FEWER
        """Keys that ``delete`` and ``left`` take at most."""

    def ahead(self, query: Query) -> Query:
        """What of a query is to be given to ``include``: entries that the clock says are not there yet."""
        later = Range(COLUMNS["ingested_at"], low=self._start, low_open=True)
        return replace(query, tree=And((*(query.tree.parts if isinstance(query.tree, And) else (query.tree,)), later)))

    def include(self, keys: Sequence[Key]) -> None:
        """Take these for entries that were there at the start."""
        self._ahead.update(keys)

    def delete(self, keys: Sequence[Key]) -> int:
        """Delete the rows of these keys, however often they are there; how many entries they were."""
        found = self._there(keys)
        for partition, some in _parted(found):
            self._connection.run(
                f"DELETE FROM {self._place.table}{self._place.on}{partition}"  # noqa: S608 - our own
                f" WHERE (timestamp, id) IN ({self._listed(some)}){DONE}"
            )
        self._days.update(day_of(moment) for moment, _ in found)
        return len(found) - self.left(found)

    def left(self, keys: Sequence[Key]) -> int:
        """How many of these entries are there, and were at the start."""
        return len(self._there(keys))

    def remove(self, *, letters: bool) -> str:
        """Take what is masked out of the days that were deleted from; why that was not done, or ``""``.

        Args:
            letters: dead letters were deleted as well.
        """
        days = [f"APPLY DELETED MASK IN PARTITION '{day}'" for day in sorted(self._days)]
        table = f"{self._place.table}{self._place.on}"
        asked = [(table, ", ".join(days[start : start + _DAYS])) for start in range(0, len(days), _DAYS)]
        if letters:  # on a cluster every node has them alike, by themselves
            asked.append((self._connection.names.qualified(self._connection.names.dead_letters), "APPLY DELETED MASK"))
        try:
            for place, commands in asked:
                self._connection.run(f"ALTER TABLE {place} {commands} SETTINGS mutations_sync = 2")
        except StoreError as error:
            return _TOO_OLD if error.code.startswith(_UNKNOWN_SYNTAX) else str(error)
        return ""

    def _there(self, keys: Sequence[Key]) -> list[Key]:
        if not keys:
            return []
        connection = self._connection
        rows = connection.rows(
            f"SELECT {connection.micros('timestamp')}, id, min(ingested_at) <= ? FROM {connection.logs}"  # noqa: S608 - keys
            f" WHERE (timestamp, id) IN ({self._listed(keys)}) GROUP BY timestamp, id ORDER BY timestamp DESC",
            connection.moment(self._start),
        )
        found = (((int(moment), connection.uuid(identity)), early) for moment, identity, early in rows)
        return [key for key, early in found if early or key in self._ahead]

    def _listed(self, keys: Sequence[Key]) -> str:
        return ", ".join(f"('{self._connection.moment(moment)}', '{identity}')" for moment, identity in keys)

    def _lengthen(self) -> bool:
        """Have the server take long statements; False where the user's profile fixes how long they may be."""
        client = self._connection.client
        known = {name: client.server_settings.get(name) for name in _LONGEST}
        free = {name for name, setting in known.items() if setting is not None and not setting.readonly}
        for name in free:
            client.set_client_setting(name, str(_LONGEST[name]))
        return "max_query_size" in free


def missing(connection: AdminConnection) -> bool:
    """Whether the user lacks a privilege that erasing takes; False where the server is too old to be asked."""
    names, place = connection.names, Place(connection)
    tables = names.logs, names.dead_letters, names.instances
    asked = [("INSERT", names.logs), ("ALTER DELETE", place.name), ("ALTER DELETE", names.dead_letters)]
    asked += [("SELECT", table) for table in tables]
    try:
        return not all(connection.value(f"CHECK GRANT {right} ON {names.qualified(table)}") for right, table in asked)
    except StoreError as error:
        if error.code.startswith(_UNKNOWN_SYNTAX):
            return False
        raise


def _parted(keys: Sequence[Key]) -> Iterator[tuple[str, list[Key]]]:
    """The keys of each statement, and the partition it is for: a day with many of them has one of its own."""
    days: defaultdict[dt.date, list[Key]] = defaultdict(list)
    for key in keys:
        days[day_of(key[0])].append(key)
    others = []
    for day, some in days.items():
        if len(some) >= _OWN or len(days) == 1:
            yield f" IN PARTITION '{day}'", some
        else:
            others += some
    if others:
        yield "", others
