"""The proof that a query means the same in SQLite, in PostgreSQL and in Python."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dblog.query.predicate import predicate
from dblog.query.sql import condition, install_functions
from dblog.schema import metadata_for
from dblog.sink import Origin
from dblog.store.copytext import CopyText
from dblog.store.rows import COLUMNS, values
from tests import querytrees
from tests.oracle import examples
from tests.postgres import database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dblog.entry import LogEntry
    from dblog.query.tree import Node

ORIGIN = Origin(querytrees.UUIDS[1], "svc", None, None, "Host", 30, querytrees.START)
LATER = 3
"""µs between a row's own time and when the database took it."""
TREES = 3
"""Queries of one example."""


class Stores:
    """The same rows in both databases, for as long as one example lasts."""

    def __init__(self, sqlite: sa.Connection, postgres: sa.Connection) -> None:
        self.connections = {"sqlite": sqlite, "postgresql": postgres}
        self.tables = {dialect: metadata_for(dialect).tables["logs"] for dialect in self.connections}

    @contextlib.contextmanager
    def holding(self, entries: Sequence[LogEntry]) -> Iterator[list[LogEntry]]:
        """Store the entries as the writer does, and give them as they are stored."""
        named = [entry._replace(id=_id(index)) for index, entry in enumerate(entries)]
        rows = [(entry.seq, entry) for entry in named]
        with self.connections["sqlite"].begin() as sqlite, self.connections["postgresql"].begin() as postgres:
            holes = ", ".join("?" * len(COLUMNS))
            insert = f"INSERT INTO logs ({', '.join(COLUMNS)}) VALUES ({holes})"
            self.connections["sqlite"].exec_driver_sql(insert, values(rows, ORIGIN))
            raw: Any = self.connections["postgresql"].connection.driver_connection
            with raw.cursor().copy(f"COPY logs ({', '.join(COLUMNS)}) FROM STDIN ({CopyText.FORMAT})") as copy:
                for piece in CopyText(ORIGIN, COLUMNS).pieces(rows):
                    copy.write(piece)
            for dialect, later in (("sqlite", LATER), ("postgresql", f"interval '{LATER} microseconds'")):
                self.connections[dialect].exec_driver_sql(f"UPDATE logs SET ingested_at = timestamp + {later}")
            yield [_stored(entry) for entry in named]
            sqlite.rollback()
            postgres.rollback()

    def ids(self, dialect: str, tree: Node) -> set[int]:
        """The rows a query finds."""
        table = self.tables[dialect]
        found = self.connections[dialect].execute(sa.select(table.c.id).where(condition(tree, table, dialect)))
        return {(identity if isinstance(identity, UUID) else UUID(bytes=identity)).int for (identity,) in found}


def _id(index: int) -> UUID:
    return querytrees.UUIDS[index] if index < len(querytrees.UUIDS) else UUID(int=index)


def _stored(entry: LogEntry) -> LogEntry:
    return entry._replace(
        service=entry.service or ORIGIN.service,
        host=entry.host or ORIGIN.host,
        pid=entry.pid or ORIGIN.pid,
        instance_id=ORIGIN.instance_id,
        ingested_at=entry.timestamp + LATER,
    )


@pytest.fixture(scope="module")
def stores(sqlite_template: Path, postgres_template: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Both databases, empty, with a partition for the entries' day."""
    path = tmp_path_factory.mktemp("agreement") / "logs.db"
    shutil.copyfile(sqlite_template, path)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(database(*postgres_template))
        engines = sa.create_engine(f"sqlite:///{path}"), sa.create_engine(url.replace("://", "+psycopg://"))
        sa.event.listen(engines[0], "connect", lambda raw, _: install_functions(raw, regex=True))
        for engine in engines:
            stack.callback(engine.dispose)
        sqlite, postgres = (stack.enter_context(engine.connect()) for engine in engines)
        first, last = querytrees.DAYS
        with postgres.begin():
            postgres.exec_driver_sql(f"CREATE TABLE day PARTITION OF logs FOR VALUES FROM ('{first}') TO ('{last}')")
        yield Stores(sqlite, postgres)


@pytest.mark.timeout(1800)  # the long profile
@examples(100)
@given(data=st.data())
def test_both_databases_and_the_predicate_find_the_same_rows(stores: Stores, data: st.DataObject) -> None:
    """For any rows the writer stores and any tree the parser builds, the ids are the same three times."""
    drawn = data.draw(st.lists(querytrees.entries(), min_size=3, max_size=8))
    with stores.holding(drawn) as entries:
        for _ in range(TREES):
            tree = data.draw(querytrees.trees_about(data.draw(st.sampled_from(entries))))
            matches = predicate(tree)
            wanted = {entry.id.int for entry in entries if entry.id is not None and matches(entry)}
            assert stores.ids("sqlite", tree) == wanted, (tree, entries)
            assert stores.ids("postgresql", tree) == wanted, (tree, entries)
