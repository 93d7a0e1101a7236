"""Queries on rows dblog would never write: nothing stored can make one fail, and JSON that is none is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from dblog import SyncLogReader
from dblog.entry import LogEntry
from dblog.query import tree as t
from dblog.query.fields import ANYWHERE, COLUMNS, path
from dblog.query.predicate import predicate
from dblog.reading.pages import newest
from dblog.reading.selection import select_matching
from tests import querytrees
from tests.administered import ask
from tests.embedded_clickhouse import Rows
from tests.oracle import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.query.tree import Node
    from dblog.reader import LogReader

_METADATA = (
    "NaN", '{"a": NaN}', "{", "", "[1, 2", '{"a": 1e400}', '{"a": 123456789012345678901234567890}', "5", '"a"', "null",
    '[{"a": 1}]', "{a: 1}", '{"a": "\\u0000b"}', '{"a": "\\ud800"}', '{"a":' * 600 + "1" + "}" * 600, "[" * 2500,
    '{"a": -0}', '{"a": 1E3}', '{"a": 00}', '{"http": {"status": "1e400"}}', '{"a": [null, [], {}, [1]]}',
    '{"a": ["1e400", "-", ".", "1.", "NaN", "Infinity"]}', '{"a": "' + "x" * 5_000 + '"}',
)  # fmt: skip
_BYTES = (b'{"a": "\xff"}', b'{"\xff": "\xff"}', b"\xff\xfe", b'{"a": "\xf0\x9f"}', b"a\0b")


@pytest.fixture(scope="module")
def hostile(shared: str) -> Iterator[str]:
    """A table with such rows, in every column of text."""
    with Rows(shared) as rows:
        rows.client.command("TRUNCATE TABLE logs")
        for number, metadata in enumerate([*(text.encode() for text in _METADATA), *_BYTES]):
            rows.client.command(
                "INSERT INTO logs (timestamp, id, level, severity, logger, message, service, trace_id, metadata)"
                " SELECT now64(6), generateUUIDv7(), unhex('ff494e'), 255, unhex('ff'), unhex('6100ff'), unhex('ff'),"
                f" unhex('ff'), unhex('{metadata.hex()}') SETTINGS insert_deduplicate = 0, max_threads = {number + 1}"
            )
        yield shared


@pytest.mark.timeout(600)  # the long profile
@examples(25)
@given(tree=querytrees.leaves())
def test_no_row_makes_a_query_fail(hostile: str, tree: Node) -> None:
    """JSON that is none, numbers beyond every type, bytes that are no text: such rows match or do not."""

    async def read(reader: LogReader) -> int:
        sessions, found = reader._sessions, 0
        for asked in (tree, t.Not(tree)):
            selection = select_matching(sessions, asked)
            statement = newest(selection, sessions.tables.logs, "clickhouse")
            found += len(await sessions.run(statement, {"count": 100}, regex=selection.regex))
        return found

    assert ask(hostile, read) == len(_METADATA) + len(_BYTES)


def test_such_rows_are_read(hostile: str) -> None:
    """Bytes that are no text come as a text all the same."""
    with SyncLogReader(hostile) as reader:
        found = reader.search().entries
        assert len(found) == len(_METADATA) + len(_BYTES)
        assert all(isinstance(each.message, str) for each in found)
        assert reader.facets("", "metadata.a").seen == len(found)


@pytest.mark.parametrize("metadata", ["NaN", "{", "", '{"a": 1', '{"a": NaN}', "null"])
def test_metadata_that_is_no_json_is_absent(shared: str, metadata: str) -> None:
    """The engine and the predicate treat it as missing."""
    entry = LogEntry(querytrees.START, "INFO", 9, "", "", metadata=metadata, id=querytrees.UUIDS[1])
    with Rows(shared) as rows, SyncLogReader(shared) as reader:
        rows.client.command("TRUNCATE TABLE logs")
        rows.insert([entry])
        for tree in (t.Has(COLUMNS["metadata"]), t.Has(path("a")), t.Equal(path("a"), 1), t.Like(ANYWHERE, ("1",))):
            assert not predicate(tree)(entry)
            sessions = reader._reader._sessions
            statement = newest(select_matching(sessions, tree), sessions.tables.logs, "clickhouse")
            assert reader._wait(sessions.run(statement, {"count": 1})) == []
