"""Rows → the columns of one INSERT, no more days than the server takes, and the token that names them."""

from __future__ import annotations

import hashlib
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from dblog.repair import DAY_US
from dblog.store.rows import COLUMNS, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dblog.sink import Origin, Row

__all__ = ["MOST_DAYS", "Blocks", "token"]

MOST_DAYS: Final = 100
"""Partitions one INSERT may touch (``max_partitions_per_insert_block``): one with more is refused, error 252."""


class Blocks:
    """Makes blocks of rows for the columns both sides know."""

    def __init__(self, origin: Origin, columns: Sequence[str]) -> None:
        self._origin = origin
        self._whole = len(columns) == len(COLUMNS)
        self._pick = itemgetter(*(COLUMNS.index(column) for column in columns)) if columns else None

    def of(self, rows: Sequence[Row]) -> Iterator[tuple[str, list[Sequence[object]]]]:
        """Token and columns of each block: of one as a rule, of several where the rows are of many days."""
        table = values(rows, self._origin)
        days = {row[0] // DAY_US for row in table}  # type: ignore[operator]  # µs
        if len(days) <= MOST_DAYS:
            yield self._block(table)
            return
        ordered = sorted(days)
        for start in range(0, len(ordered), MOST_DAYS):
            some = set(ordered[start : start + MOST_DAYS])
            yield self._block([row for row in table if row[0] // DAY_US in some])  # type: ignore[operator]  # as above

    def _block(self, table: list[tuple[object, ...]]) -> tuple[str, list[Sequence[object]]]:
        columns: list[Sequence[object]] = list(zip(*table, strict=True))
        keys = columns[1]
        if not self._whole and self._pick is not None:
            columns = list(self._pick(columns))
        return token(keys), columns


def token(keys: Sequence[object]) -> str:
    """Names a block by the ids of its rows: the same rows sent again are the same block."""
    return hashlib.blake2b(b"".join(keys), digest_size=16).hexdigest()  # type: ignore[arg-type]  # 16 bytes each
