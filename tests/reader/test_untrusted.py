"""An SQLite file that may come from anybody: nothing its schema names is called, no page is taken at its word."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dblog import LogReader, QueryTimeout, StoreUnavailable, migrate
from dblog.admin.connection import AdminConnection
from dblog.query import functions
from dblog.reading.session import Sessions
from tests.administered import entry, fill
from tests.oracle import examples, execute, logging_to

if TYPE_CHECKING:
    from collections.abc import Callable

PRAGMAS = {"query_only": 1, "trusted_schema": 0, "cell_size_check": 1, "mmap_size": 0}


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@pytest.mark.parametrize("where", ["at rest", "beside a writer", "without a log"])
async def test_every_connection_of_a_reader_is_wary(sqlite_url: str, where: str) -> None:
    """Of the pool and dedicated, however the file is opened: read-only, distrusting, without memory maps."""
    execute(sqlite_url, f"PRAGMA journal_mode = {'DELETE' if where == 'without a log' else 'WAL'}")
    with contextlib.closing(sqlite3.connect(_path(sqlite_url))) as writer:
        if where == "beside a writer":
            writer.execute("SELECT count(*) FROM logs").fetchone()
        sessions = Sessions(sqlite_url)
        async with sessions.dedicated() as alone:
            for session in (sessions, alone):
                found = {name: (await session.run(sa.text(f"PRAGMA {name}")))[0][0] for name in PRAGMAS}
                assert found == PRAGMAS
                with pytest.raises(StoreUnavailable):
                    await session.run(sa.text("SELECT load_extension('x')"))
        await sessions.aclose()


def test_an_administrators_connection_trusts_while_it_writes(sqlite_url: str) -> None:
    """Until then it is as wary as a reader; the owner's triggers, which may feed an index, run when it deletes."""
    with AdminConnection(sqlite_url) as connection:

        def told() -> tuple[Any, ...]:
            return tuple(connection.value(f"PRAGMA {name}") for name in PRAGMAS if name != "query_only")

        assert told() == (0, 1, 0)
        with connection.transaction():
            assert told() == (1, 1, 0)
        assert told() == (0, 1, 0)
        with contextlib.suppress(LookupError), connection.transaction():
            raise LookupError
        assert told() == (0, 1, 0)


FOUND = "BEGIN INSERT INTO found (rowid, message) VALUES (new.rowid, new.message); END"
INDEXED = (
    "CREATE VIRTUAL TABLE found USING fts5(message)",
    f"CREATE TRIGGER find AFTER INSERT ON logs {FOUND}",
    "CREATE TRIGGER lose AFTER DELETE ON logs BEGIN DELETE FROM found WHERE rowid = old.rowid; END",
)


def test_a_full_text_index_of_the_owners_is_kept(sqlite_url: str) -> None:
    """A writer is wary of pages, not of the schema: it feeds what the file's owner hung on to the table."""
    execute(sqlite_url, *INDEXED)
    with logging_to(sqlite_url) as (logger, handler):
        logger.info("a needle")
        assert handler.flush(10), handler.stats()
        link = handler._writer._sink._link  # type: ignore[union-attr]  # this sink is SQLite's
        told = [link.connection.execute(f"PRAGMA {name}").fetchone() for name in PRAGMAS]
        assert told == [(0,), (1,), (1,), (0,)]
    fill(sqlite_url, [entry(1)])
    with contextlib.closing(sqlite3.connect(_path(sqlite_url))) as file:
        assert file.execute("SELECT count(*) FROM found WHERE found MATCH 'needle OR order'").fetchone() == (2,)


@pytest.mark.parametrize("call", ["dblog_number('1')", "'a' REGEXP 'b'", "(SELECT count(*) FROM dbstat)"])
async def test_a_view_in_the_tables_place_calls_nothing(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Neither a function of ours, nor a table of SQLite's that reads beyond the schema: it is an error, and said."""
    called: list[object] = []
    fill(sqlite_url, [entry(1)])
    monkeypatch.setattr(functions, "number_of", called.append)
    monkeypatch.setattr(functions, "_refuse", lambda *values: called.append(values))
    columns = [name for _, name, *_ in _rows(sqlite_url, "PRAGMA table_info(logs)") if name != "message"]
    execute(
        sqlite_url,
        "ALTER TABLE logs RENAME TO theirs",
        f"CREATE VIEW logs AS SELECT {', '.join(columns)}, {call} AS message FROM theirs",
    )
    async with LogReader(sqlite_url) as reader:
        for ask in (reader.search, lambda: reader.count("*:x")):
            with pytest.raises(StoreUnavailable, match="calls what a reader does not call"):
                await ask()
    assert called == []


def _rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(_path(url))) as file:
        return file.execute(query).fetchall()


async def test_what_another_program_wrote_hides_nothing_else(sqlite_url: str) -> None:
    """JSON that is none, text that is no UTF-8, NUL: each row comes, whole; only a search for words stops at a NUL."""
    made = ("'plain needle', '{\"a\": 1}'", "'x', '{\"a\": NaN}'", "CAST(x'ff6e6565646c65' AS TEXT), NULL")
    nul = "CAST(x'6162006e6565646c65' AS TEXT), '{\"a\": 2}'"
    for number, values in enumerate((*made, nul), 1):
        execute(
            sqlite_url,
            "INSERT INTO logs (timestamp, id, level, severity, logger, message, metadata)"
            f" VALUES ({number}, randomblob(16), 'INFO', 9, 't', {values})",
        )
    async with LogReader(sqlite_url) as reader:
        assert [each.message for each in await reader.search()] == ["ab\0needle", "\ufffdneedle", "x", "plain needle"]
        assert [each.timestamp for each in await reader.search("a>0")] == [4, 1]
        assert [each.timestamp for each in await reader.search("needle")] == [3, 1]
        assert [each.timestamp for each in await reader.search("ab")] == [4]


# -- damage -------------------------------------------------------------------------------------------------------


@cache
def _filled() -> bytes:
    """A file with some hundred entries of all kinds, whole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logs.db"
        url = f"sqlite:///{path}"
        migrate.upgrade(url)
        fill(url, [entry(number) for number in range(300)])
        execute(url, "PRAGMA journal_mode = WAL", "PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()


_spot = st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=64))
_spots = st.lists(_spot, min_size=1, max_size=12)


@given(spots=_spots, kept=st.floats(0, 1) | st.just(1.0), headers=st.booleans())
@examples(10)
async def test_whatever_is_in_the_file_is_read_or_said(
    spots: list[tuple[float, bytes]], kept: float, headers: bool
) -> None:
    """Bytes overwritten anywhere, the end cut off: answers or a sentence, no crash, and not one byte changes."""
    made = bytearray(_filled())
    for place, data in spots:
        # The first bytes of a page say where its cells are.
        at = int(place * len(made)) // 4096 * 4096 if headers else int(place * len(made))
        made[at : at + len(data)] = data
    del made[int(kept * len(made)) :]
    folder = Path(tempfile.mkdtemp())
    try:
        path = folder / "logs.db"
        path.write_bytes(made)
        async with LogReader(f"sqlite:///{path}", statement_timeout=5) as reader:
            for ask in _questions(reader):
                with contextlib.suppress(StoreUnavailable, QueryTimeout):
                    await ask()
        assert path.read_bytes() == made
        assert _names(folder) == ["logs.db"]
    finally:
        shutil.rmtree(folder)


async def test_a_schema_whose_names_are_no_text_is_damaged(sqlite_url: str) -> None:
    """SQLite's own sentence about it cannot be decoded; ours can."""
    with contextlib.closing(sqlite3.connect(_path(sqlite_url))) as owner:
        owner.execute("PRAGMA writable_schema = ON")
        owner.execute("UPDATE sqlite_schema SET name = CAST(x'6c80' AS TEXT), sql = 'CREATE TABLE' WHERE name = 'logs'")
        owner.commit()
    async with LogReader(sqlite_url) as reader:
        with pytest.raises(StoreUnavailable, match="SQLITE_CORRUPT"):
            await reader.search()


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def _questions(reader: LogReader) -> list[Callable[[], Any]]:
    async def follow() -> None:
        async for _ in reader.tail(follow=False, after="sqlite1.10.", poll_interval=0.01):
            pass

    return [
        reader.search,
        lambda: reader.search("*:order user_id:u-1"),
        lambda: reader.histogram(bucket=1),
        lambda: reader.facets("", "nested.a"),
        reader.statistics,
        reader.instances,
        reader.dead_letters,
        follow,
    ]
