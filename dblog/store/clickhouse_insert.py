"""One INSERT of whole columns by clickhouse-connect, without what it loads on the way.

``client.insert`` asks of every batch whether it is a DataFrame, and imports pandas to
ask, where it is installed: a second or three in the middle of the first batch, sixty
megabytes, and at the exit of a process, where no module that wants to be told of the
exit can be imported any more, a batch that fails. NumPy, which it asks about for every
column of numbers, is loaded with this module, and so by who makes the handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver import options
from clickhouse_connect.driver.insert import InsertContext

from dblog.store.clickhouse_quiet import quietly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["insert"]

_ = options.np  # a process that forks while its writer imports has a module that is locked for ever


class _Columns(InsertContext):
    """A context whose data are lists and tuples, one for each column, and nothing else."""

    @property
    def data(self) -> Any:
        return self._raw_data

    @data.setter
    def data(self, data: Any) -> None:
        self._raw_data = data
        self.current_block = self.current_row = self.row_count = self.column_count = 0
        self._data = None
        if not data:
            return
        self._next_block_data = self._column_block_data
        self._block_columns, self._block_rows = data, None
        self.column_count, self.row_count = len(data), len(data[0])
        if self.row_count:
            self._data = data
            self.block_row_count = self._calc_block_size()


def insert(
    client: Any,
    table: str,
    types: Mapping[str, str],
    columns: Mapping[str, Sequence[object]],
    settings: Mapping[str, str],
) -> None:
    """Insert rows that are given as columns.

    Args:
        client: clickhouse-connect's.
        table: quoted already.
        types: column → type, as the server spells it.
        columns: column → its values.
        settings: of this statement.
    """
    with quietly():
        client.data_insert(
            _Columns(
                table,
                list(columns),
                [get_from_name(types[name]) for name in columns],
                list(columns.values()),
                column_oriented=True,
                settings=dict(settings),
                server_tz=client.server_tz,
            )
        )
