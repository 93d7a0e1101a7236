"""The rows of one table by their keys, in the order of those, which is the same in every database.

Values are given as ``LogEntry`` has them: times in µs since 1970 UTC, ids as ``UUID``, JSON as text.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dblog.admin.connection import AdminConnection
    from dblog.schema import Column

__all__ = ["Key", "Keyed", "Row"]

Row: TypeAlias = tuple[Any, ...]
Key: TypeAlias = tuple[Any, ...]

_CAST: Final = {"time": "timestamptz", "uuid": "uuid"}


class Keyed:
    """Reads one table.

    Args:
        connection: of a role that may select.
        name: the table's, one of ``connection.names``.
        columns: its columns.
        key: the names of those by which a row is known: an id, or a time and an id.
    """

    def __init__(self, connection: AdminConnection, name: str, columns: Sequence[Column], key: Sequence[str]) -> None:
        self.connection, self.columns = connection, columns
        self._kinds = {column.name: column.kind for column in columns}
        self._key = tuple(key)
        self._places = [index for name in key for index, column in enumerate(columns) if column.name == name]
        self._ids = [index for index, column in enumerate(columns) if column.kind == "uuid"]
        table = connection.names.qualified(name)
        if connection.dialect == "clickhouse" and name != connection.names.logs:
            table += " FINAL"  # small, and of a row there the newest counts
        fields = ", ".join(self._read(column) for column in columns)
        self._sound = self._conditions()
        self._table, self._from = table, f"FROM {table} WHERE "
        self._fields = f"SELECT {fields} "
        self._select = f"{self._fields}{self._from}"

    def key(self, row: Row) -> Key:
        """What the row is known by."""
        return tuple([row[place] for place in self._places])

    def after(self, place: Key | None, count: int, *, low: int | None = None, high: int | None = None) -> list[Row]:
        """The first rows behind a place; empty where there are no more.

        Args:
            place: a key; None is before all.
            count: rows at most.
            low: µs; of a key with a time, only from then on.
            high: µs; only before.
        """
        conditions, given = self._within(low, high)
        if place is not None:
            behind, more = self._behind(place)
            conditions, given = [*conditions, *behind], [*given, *more]
        order = ", ".join(self._ordered(name) for name in self._key)
        sql = f"{self._select}{' AND '.join(conditions)} ORDER BY {order} LIMIT {count}"
        # ClickHouse may have a row twice, until it merges them.
        return list({self.key(row): row for row in map(self._row, self.connection.rows(sql, *given))}.values())

    def at(self, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows of these keys that are there."""
        if not keys:
            return {}
        rest, given = self._among(keys)
        found = self.connection.rows(f"{self._fields}{rest}", *given)
        return {self.key(row): row for row in map(self._row, found)}

    def newest(self, low: int | None, high: int | None) -> int | None:
        """The last time there is, in µs; None where there is no row."""
        conditions, given = self._within(low, high)
        moment = self.connection.micros(self._key[0])
        order = f"ORDER BY {self._key[0]} DESC LIMIT 1"
        found = self.connection.rows(f"SELECT {moment} {self._from}{' AND '.join(conditions)} {order}", *given)
        return int(found[0][0]) if found else None

    def count(self, low: int | None, high: int | None) -> int:
        """How many rows there are."""
        conditions, given = self._within(low, high)
        return int(self.connection.value(f"SELECT count(*) {self._from}{' AND '.join(conditions)}", *given))

    # -- SQL --------------------------------------------------------------------------------------------------

    def _read(self, column: Column) -> str:
        if column.kind == "time":
            return self.connection.micros(column.name)
        return f"{column.name}::text" if column.kind == "json" and self.connection.postgres else column.name

    def _conditions(self) -> str:
        """That a key is one: an SQLite file may have had anything put in by hand."""
        if self.connection.dialect != "sqlite":
            return "1 = 1"
        kinds = {"time": "typeof({0}) = 'integer'", "uuid": "typeof({0}) = 'blob' AND length({0}) = 16"}
        return " AND ".join(kinds[self._kinds[name]].format(name) for name in self._key)

    def _ordered(self, name: str) -> str:
        """A column of the key as all databases compare it alike."""
        wide = self._kinds[name] == "uuid" and self.connection.dialect == "clickhouse"
        return f"toUInt128({name})" if wide else name

    def _bound(self, name: str, value: Any) -> tuple[str, object]:
        """A value of the key's as SQL, and what is bound."""
        connection = self.connection
        if self._kinds[name] == "time":
            if connection.dialect == "clickhouse":
                return "fromUnixTimestamp64Micro(?, 'UTC')", value
            return "?", connection.moment(value)
        return ("toUInt128(toUUID(?))" if connection.dialect == "clickhouse" else "?"), connection.identity(value)

    def _within(self, low: int | None, high: int | None) -> tuple[list[str], list[object]]:
        conditions, given = [self._sound], []
        for sign, limit in ((">=", low), ("<", high)):
            if limit is not None:
                written, value = self._bound(self._key[0], limit)
                conditions.append(f"{self._key[0]} {sign} {written}")
                given.append(value)
        return conditions, given

    def _behind(self, place: Key) -> tuple[list[str], list[object]]:
        bound = [self._bound(name, value) for name, value in zip(self._key, place, strict=True)]
        written, values = [each for each, _ in bound], [each for _, each in bound]
        last = self._ordered(self._key[-1])
        if len(bound) == 1:
            return [f"{last} > {written[0]}"], values
        time = self._key[0]
        if self.connection.dialect == "clickhouse":  # finds no pair's place in its index
            both = f"({time} > {written[0]} OR {last} > {written[1]})"
            return [f"{time} >= {written[0]}", both], [values[0], *values]
        pair = f"({', '.join(self._key)}) > ({', '.join(written)})"
        return [pair, f"{time} >= {written[0]}"], [*values, values[0]]

    def _among(self, keys: Sequence[Key]) -> tuple[str, list[object]]:
        connection = self.connection
        columns = dict(zip(self._key, zip(*keys, strict=True), strict=True))
        if connection.dialect == "sqlite":
            # Each key by the index: SQLite finds no list of pairs there, and would read the table. As literals, for how
            # many parameters there may be is a matter of the library's version.
            rows = ", ".join(f"({', '.join(map(_literal, key))})" for key in keys)
            same = " AND ".join(f"{name} = wanted.column{place}" for place, name in enumerate(self._key, 1))
            return f"FROM (VALUES {rows}) AS wanted CROSS JOIN {self._table} WHERE {same}", []
        if connection.dialect == "clickhouse":
            lists = (f"{name} IN ({_listed(self._texts(name, values))})" for name, values in columns.items())
            return self._from + " AND ".join(lists), []
        arrays = ", ".join(f"%b::{_CAST[self._kinds[name]]}[]" for name in self._key)
        condition = f"({', '.join(self._key)}) IN (SELECT * FROM unnest({arrays}))"  # noqa: S608 - checked names
        given: list[object] = [self._texts(name, values) for name, values in columns.items()]
        if len(self._key) > 1:  # which days to open
            condition += f" AND {self._key[0]} BETWEEN ? AND ?"
            times = columns[self._key[0]]
            given += [connection.moment(min(times)), connection.moment(max(times))]
        return self._from + condition, given

    def _texts(self, name: str, values: Iterable[Any]) -> list[str]:
        time = self._kinds[name] == "time"
        return [str(self.connection.moment(value) if time else value) for value in values]

    def _row(self, row: Row) -> Row:
        fields = list(row)
        for place in self._ids:
            value = fields[place]
            if value is not None and not isinstance(value, UUID):
                with suppress(ValueError, TypeError):  # put in by hand, and no id
                    fields[place] = self.connection.uuid(value)
        return tuple(fields)


def _literal(value: Any) -> str:
    return f"x'{value.hex}'" if isinstance(value, UUID) else str(int(value))


def _listed(texts: Iterable[str]) -> str:
    """Times and ids, in which there is nothing to escape."""
    return ", ".join(f"'{text}'" for text in dict.fromkeys(texts))
