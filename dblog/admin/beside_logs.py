"""What ``copy`` takes along beside the entries: the rows of writers, who would be unknown without, and dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from dblog.admin.keyed import Keyed
from dblog.admin.storing import outside, parted
from dblog.schema import DEAD_LETTER_COLUMNS, INSTANCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.admin.clickhouse import ClickHouseConnection
    from dblog.admin.connection import AdminConnection
    from dblog.admin.keyed import Row
    from dblog.schema import Column

__all__ = ["Beside", "copy_beside"]

_PAGE: Final = 200
_CASTS: Final = {"time": "timestamptz", "json": "jsonb"}
_COLUMNS: Final = {"instances": INSTANCE_COLUMNS, "dead_letters": DEAD_LETTER_COLUMNS}
_NEWER: Final = "last_seen"


@dataclass(slots=True)
class Beside:
    """What became of one table's rows."""

    read: int = 0
    stored: int = 0
    """New, or newer than what was there."""
    present: int = 0
    refused: int = 0


def copy_beside(source: AdminConnection, target: AdminConnection, kind: str, *, dry_run: bool = False) -> Beside:
    """Copy a whole table; of a writer that both know, the row that saw it last is kept.

    Args:
        source: of a role that may select.
        target: of a role that may select, insert and update.
        kind: ``"instances"`` or ``"dead_letters"``.
        dry_run: only look; what would be stored counts as such.

    Raises:
        StoreError: one of the databases cannot be used.
    """
    columns = _COLUMNS[kind]
    key = columns[0].name
    reading, finding = (Keyed(each, getattr(each.names, kind), columns, (key,)) for each in (source, target))
    moments = [index for index, column in enumerate(columns) if column.kind == "time"]
    newer = next((index for index, column in enumerate(columns) if column.name == _NEWER), None)
    done = Beside()
    place = None
    while rows := reading.after(place, _PAGE):
        place = reading.key(rows[-1])
        there = finding.at([reading.key(row) for row in rows])
        due = [row for row in rows if _due(row, there.get(reading.key(row)), newer)]
        fit = [row for row in due if not outside(target.dialect, *(row[index] for index in moments))]
        refused: list[Row] = []
        if fit and not dry_run:
            parted(fit, partial(_write, target, kind), lambda row, _: refused.append(row))  # noqa: B023 - called at once
        done.read += len(rows)
        done.present += len(rows) - len(due)
        done.refused += len(due) - len(fit) + len(refused)
        done.stored += len(fit) - len(refused)
    return done


def _due(row: Row, found: Row | None, newer: int | None) -> bool:
    if found is None or newer is None:
        return found is None
    before, now = found[newer], row[newer]
    return isinstance(before, int) and isinstance(now, int) and before < now


def _write(connection: AdminConnection, kind: str, rows: Sequence[Row]) -> int:
    columns = _COLUMNS[kind]
    names = [column.name for column in columns]
    if connection.dialect == "clickhouse":
        cast("ClickHouseConnection", connection).insert(kind, names, list(zip(*rows, strict=True)))
        return len(rows)
    marks = [f"?::{_CASTS[each.kind]}" if connection.postgres and each.kind in _CASTS else "?" for each in columns]
    changed = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    with connection.transaction():
        connection.run_many(
            f"INSERT INTO {connection.names.qualified(getattr(connection.names, kind))}"  # noqa: S608 - checked names
            f" ({', '.join(names)}) VALUES ({', '.join(marks)}) ON CONFLICT ({names[0]}) DO UPDATE SET {changed}",
            [tuple(map(_bound, columns, row, [connection] * len(row))) for row in rows],
        )
    return len(rows)


def _bound(column: Column, value: Any, connection: AdminConnection) -> object:
    if value is None or column.kind not in {"time", "uuid"}:
        return value
    return connection.moment(value) if column.kind == "time" else connection.identity(value)
