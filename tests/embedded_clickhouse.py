"""The ClickHouse engine in this process (chdb), for tests that were asked to run on it.

It opens one folder in each process, so everybody shares this one, and has a database of their own in it.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from dblog.entry import LogEntry

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = ["ENGINES", "WANTED", "Rows", "client", "database", "drop", "folder", "url"]

WANTED: Final = os.environ.get("DBLOG_TEST_CLICKHOUSE") == "1"
"""Whether tests that take every engine take this one."""
ENGINES: Final = ("sqlite", "postgresql", *(["clickhouse"] if WANTED else []))
"""For ``parametrize("database_url", ENGINES, indirect=True)``: tests that every engine has to pass."""

_numbers = itertools.count(1)


@cache
def folder() -> Path:
    """Where this process's engine keeps its data."""
    kept = tempfile.TemporaryDirectory(prefix="dblog-clickhouse-", ignore_cleanup_errors=True)
    atexit.register(kept.cleanup)
    return Path(kept.name)


def client(database: str = "default") -> Any:
    """A client of the engine, which takes queries as long as our readers send them."""
    import clickhouse_connect

    made = clickhouse_connect.get_client(interface="chdb", path=str(folder()), database=database)
    made.command("SET max_query_size = 16777216, max_ast_elements = 1000000, max_expanded_ast_elements = 1000000")
    return made


def url(database: str) -> str:
    """The URL of a database of the engine."""
    return f"clickhousedb:///{database}?interface=chdb&path={folder()}"


def database() -> str:
    """A new database's name, with dblog's tables in it as the revisions make them."""
    name = f"d{next(_numbers)}"
    with contextlib.closing(client()) as made:
        made.command(f"CREATE DATABASE {name}")
        for statement in _statements():
            made.command(statement.replace("PLACE", name))
    return name


def drop(database: str) -> None:
    """Remove a database."""
    with contextlib.closing(client()) as made:
        made.command(f"DROP DATABASE {database} SYNC")


@cache
def _statements() -> list[str]:
    """What makes the tables of a database ``PLACE``: the migrations run once, and the rest copies what they made."""
    from dblog import migrate

    name = f"d{next(_numbers)}"
    asked = "SELECT name, create_table_query FROM system.tables WHERE database = {of:String}"
    with contextlib.closing(client()) as made:
        made.command(f"CREATE DATABASE {name}")
        migrate.upgrade(url(name))
        tables = made.query(asked, parameters={"of": name}).result_rows
    created = [text.replace(f"CREATE TABLE {name}.", "CREATE TABLE PLACE.") for _, text in tables]
    return [*created, f"INSERT INTO PLACE.dblog_version SELECT * FROM {name}.dblog_version"]


class Rows:
    """One client of a database, which inserts rows as they are."""

    def __init__(self, place: str) -> None:
        self.client = client(place.partition(":///")[2].partition("?")[0])

    def insert(self, entries: Iterable[LogEntry], taken: int | None = None) -> None:
        """Store entries in one INSERT, never taken for a resend.

        Args:
            entries: each with its id.
            taken: when the database took them, in µs; now where None.
        """
        rows = [entry._replace(ingested_at=taken) for entry in entries]
        names = [name for name in LogEntry._fields if taken is not None or name != "ingested_at"]
        if rows:
            columns = [[getattr(row, name) for row in rows] for name in names]
            settings = {"insert_deduplicate": 0}
            self.client.insert("logs", columns, column_names=names, column_oriented=True, settings=settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
