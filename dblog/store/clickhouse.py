"""ClickHouse: one INSERT of columns per batch, known again by its token.

Always whole columns (``dblog.store.clickhouse_insert``): SQLAlchemy's own way sends a batch of one row
as a literal, and cannot mix ``UUID`` with text. There is no transaction and no commit:
an INSERT of one block and one day is stored whole or not at all, and what is resent is
the same block with the same ``insert_deduplication_token``. Where a resend comes in
other blocks, or after the window of tokens, ReplacingMergeTree keeps one row of a key.

Nothing is deleted here: rows go by TTL or with their partition.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from dblog.errors import ErrorClass, StoreError
from dblog.sink import DeadLetter
from dblog.store import side_tables
from dblog.store.ch_connect import ChConnection
from dblog.store.clickhouse_insert import insert
from dblog.store.clickhouse_quiet import quietly
from dblog.store.clickhouse_rows import Blocks
from dblog.store.errors_clickhouse import clickhouse_error
from dblog.store.rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dblog.names import Names
    from dblog.options import Options
    from dblog.sink import Origin, Row, Status
    from dblog.store.connect import Target

__all__ = ["CERTAIN", "ClickHouseSink"]

CERTAIN: Final = {
    # A server may batch inserts of its own accord and answer before it stores them.
    "async_insert": "0",
    "wait_for_async_insert": "1",
    "async_insert_deduplicate": "1",
    # A Distributed table may answer once the rows lie in its own spool.
    "distributed_foreground_insert": "1",
    "insert_deduplicate": "1",
}
"""Settings without which *stored* would not mean stored, or not once."""


class ClickHouseSink(ChConnection):
    """Stores batches in ClickHouse; see ``dblog.sink.Sink``."""

    def __init__(self, target: Target, names: Names, options: Options, origin: Origin) -> None:
        super().__init__(target)
        self._names = names
        self._options = options
        self._origin = origin
        self._types: dict[str, dict[str, str]] = {}
        """Table → column → type, as the server has it."""
        self._columns: tuple[str, ...] = ()
        self._blocks = Blocks(origin, ())
        self._settings: dict[str, str] = {}

    # -- the protocol -----------------------------------------------------------------------------------------

    def write(self, rows: Sequence[Row], *, replay: bool = False) -> None:  # noqa: ARG002 - there is one way only
        """One INSERT; more where the rows are of more days than one may have."""
        client = self._open()
        try:
            for token, columns in self._blocks.of(rows):
                self._insert(client, self._names.logs, self._columns, columns, token)
        except Exception as error:  # noqa: BLE001 - classified
            self._fail(error, writing=True)

    def refused_days(self, _rows: Sequence[Row]) -> Sequence[int]:
        """None: a partition is made by its first row."""
        return ()

    def turn_to(self, origin: Origin) -> None:
        """From now on the rows are another writer's."""
        self._origin = origin
        self._blocks = Blocks(origin, self._columns)

    def present(self, first: int, last: int, since: int) -> set[int]:
        """Which of the writer's numbers between two are stored, from a time on (µs); for a user that may read them."""
        sql = (
            f"SELECT seq FROM {self._names.qualified(self._names.logs)}"  # noqa: S608 - a checked name
            " WHERE timestamp >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND instance_id = {writer:UUID}"
            " AND seq BETWEEN {first:Int64} AND {last:Int64}"
        )
        given = {"since": since, "writer": str(self._origin.instance_id), "first": first, "last": last}
        client = self._open()
        try:
            with quietly():
                return {row[0] for row in client.query(sql, parameters=given).result_rows}
        except Exception as error:  # noqa: BLE001 - classified
            self._fail(error)

    def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Insert the letters; one that is there already is one with it."""
        rows = [(letter[0].bytes, letter[1], letter[2].bytes, *letter[3:]) for letter in letters]
        self._beside(self._names.dead_letters, DeadLetter._fields, lambda: rows)

    def report(self, status: Status) -> None:
        """Add the writer's row as it is now: the newest one of a writer is the one that counts."""
        row = side_tables.values(status, moment=int, document=json.dumps)
        row["instance_id"] = status.origin.instance_id.bytes
        self._beside(self._names.instances, tuple(row), lambda: [tuple(row.values())])

    def prune(self, _budget: float) -> int:
        """Nothing: rows go by TTL or with their partition."""
        return 0

    # -- statements -------------------------------------------------------------------------------------------

    def _beside(self, table: str, columns: tuple[str, ...], rows: Callable[[], list[tuple[Any, ...]]]) -> None:
        """Rows for a table beside ``logs``, in those of its columns that are there."""
        client = self._open()
        try:
            types = self._types.get(table) or self._read_types(client, table)
            there = [index for index, column in enumerate(columns) if column in types]
            values = [[row[index] for row in rows()] for index in there]
            self._insert(client, table, [columns[index] for index in there], values, "")
        except Exception as error:  # noqa: BLE001 - classified
            self._fail(error, writing=True)

    def _insert(
        self, client: Any, table: str, columns: Sequence[str], values: Sequence[Sequence[object]], token: str
    ) -> None:
        settings = self._settings | ({"insert_deduplication_token": token} if token else {})
        insert(
            client,
            self._names.qualified(table),
            self._types[table],
            dict(zip(columns, values, strict=True)),
            settings,
        )

    def _prepare(self, client: Any) -> None:
        self._types = {}
        there = self._read_types(client, self._names.logs)
        if sentence := side_tables.lacking(set(there)):
            code = "16 NO_SUCH_COLUMN_IN_TABLE" if there else "60 UNKNOWN_TABLE"
            raise StoreError(ErrorClass.CONFIGURATION, code, sentence)
        self._settings = self._allowed(client)
        self._columns = tuple(column for column in COLUMNS if column in there)
        self._blocks = Blocks(self._origin, self._columns)

    def _allowed(self, client: Any) -> dict[str, str]:
        """The settings of every INSERT, without those the server does not know, or has as we would set them."""
        seconds = min(self._options.statement_timeout, self._options.operation_timeout)
        asked = self._target.url.query.get("async_insert")
        wanted = {**CERTAIN, "max_execution_time": str(max(1, math.ceil(seconds)))}
        wanted |= {"async_insert": str(asked)} if asked is not None else {}
        settings: dict[str, str] = {}
        for name, value in wanted.items():
            known = client.server_settings.get(name)
            if known is not None and not known.readonly:
                settings[name] = value
            elif known is not None and name in CERTAIN and str(known.value) != value:
                sentence = f"the user's profile has {name} = {known.value} and lets nobody change it: {value} is needed"
                raise StoreError(ErrorClass.CONFIGURATION, "452 SETTING_CONSTRAINT_VIOLATION", sentence)
        return settings

    def _read_types(self, client: Any, table: str) -> dict[str, str]:
        sql = (
            "SELECT name, type FROM system.columns WHERE table = {table:String}"
            " AND database = if({database:String} = '', currentDatabase(), {database:String})"
            " AND default_kind NOT IN ('MATERIALIZED', 'ALIAS')"
        )
        given = {"table": table, "database": self._names.schema or ""}
        with quietly():
            self._types[table] = types = dict(client.query(sql, parameters=given).result_rows)
        return types

    def _fail(self, error: Exception, *, writing: bool = False) -> NoReturn:
        """Raise the ``StoreError``, without the client where that is of no more use."""
        failure = error if isinstance(error, StoreError) else clickhouse_error(error, writing=writing)
        if failure.kind in {ErrorClass.RECONNECT, ErrorClass.UNKNOWN, ErrorClass.CONFIGURATION}:
            with suppress(Exception):
                self.close()
        raise failure from None
