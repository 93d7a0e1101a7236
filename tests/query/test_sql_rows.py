"""Rows dblog would never write: nothing stored can make a query fail."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given

from dblog.entry import LogEntry
from dblog.query import tree as t
from dblog.query.fields import ANYWHERE, COLUMNS, path
from dblog.query.predicate import predicate
from dblog.query.sql import install_functions
from tests import querytrees
from tests.oracle import examples
from tests.querystores import COMPILERS, DIALECTS, parameters, select
from tests.querytrees import START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.query.tree import Node
    from tests.querystores import Stores

_SQLITE_METADATA = (
    "NaN", '{"a": NaN}', "{", "", "[1, 2", '{"a": 1e400}', '{"a": 123456789012345678901234567890}', "5", '"a"', "null",
    '[{"a": 1}]', "{a: 1}", '{"a": 1, "a": 2}', '{"a": "\\u0000b"}', '{"a": "\\ud800"}', "\0", '{"a": 1}\0',
    '{"a":' * 600 + "1" + "}" * 600, "[" * 2500, '{"a": -0}', '{"a": 1E3}', '{"a": 00}',
    '{"http": {"status": "1e400"}}',
)  # fmt: skip
_SQLITE_BYTES = (b'{"a": "\xff"}', b'{"\xff": "\xff"}', b"\xff\xfe", b'{"a": "\xf0\x9f"}')
_POSTGRES_METADATA = (
    '{"a": 1e400}', '{"a": -1e-400, "b": "1e400"}', f'{{"a": {"9" * 1000}}}', '{"a": "' + "9" * 1000 + '"}', "5", '"a"',
    "null", "[]", '[{"a": 1}]', '{"a": [null, [], {}, [1]]}', '{"a": ["1e400", "-", ".", "1.", "NaN", "Infinity"]}',
    '{"a":' * 600 + "1" + "}" * 600, '{"a": "' + "x" * 5_000 + '"}', '{"a": 1E3, "b": -0, "http": {"status": 1e3}}',
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile(stores: Stores) -> Iterator[Stores]:
    """Both databases with rows that dblog would never write."""
    sqlite_connection, postgres = (stores.connections[dialect] for dialect in DIALECTS)
    with sqlite_connection.begin() as one, postgres.begin() as other:
        insert = "INSERT INTO logs (timestamp, id, level, severity, logger, message, metadata) VALUES "
        for index, metadata in enumerate([*_SQLITE_METADATA, *_SQLITE_BYTES]):
            given_ = (START, index.to_bytes(16, "big"), b"\xffINFO", -(2**63), b"\xff", b"a\0\xff", metadata)
            holes = "?, ?, CAST(? AS TEXT), ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT)"
            sqlite_connection.exec_driver_sql(f"{insert} ({holes})", given_)
        sqlite_connection.exec_driver_sql(f"{insert} (0, x'', 1, 'x', 2.5, x'ff', x'ff')")
        for index, metadata in enumerate(_POSTGRES_METADATA):
            postgres.exec_driver_sql(
                f"{insert} ('2026-01-15', %s, '', -32768, '', '', %s::text::jsonb)", (UUID(int=index), metadata)
            )
        yield stores
        one.rollback()
        other.rollback()


@pytest.mark.timeout(600)  # the long profile
@examples(25)
@given(tree=querytrees.leaves())
def test_no_row_makes_a_query_fail(hostile: Stores, tree: Node) -> None:
    """JSON that is none, numbers beyond every type, bytes that are no text: such rows match or do not."""
    for dialect in DIALECTS:
        for asked in (tree, t.Not(tree)):
            hostile.connections[dialect].execute(select(asked, dialect)).fetchall()


@pytest.mark.parametrize("metadata", ["NaN", "{", "", '{"a": 1', '{"a": NaN}', "null"])
def test_metadata_that_is_no_json_is_absent(sqlite_url: str, metadata: str) -> None:
    """SQLite and the predicate treat it as missing."""
    entry = LogEntry(START, "INFO", 9, "", "", metadata=metadata)
    with contextlib.closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        install_functions(connection, regex=True)
        columns = "(timestamp, id, level, severity, logger, message, metadata)"
        connection.execute(f"INSERT INTO logs {columns} VALUES (0, '', '', 9, '', '', ?)", (metadata,))
        for tree in (t.Has(COLUMNS["metadata"]), t.Has(path("a")), t.Equal(path("a"), 1), t.Like(ANYWHERE, ("1",))):
            compiled = select(tree, "sqlite").compile(dialect=COMPILERS["sqlite"])
            assert connection.execute(str(compiled), parameters(compiled)).fetchall() == []
            assert not predicate(tree)(entry)
