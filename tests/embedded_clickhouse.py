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
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["WANTED", "client", "database", "folder", "url"]

WANTED: Final = os.environ.get("DBLOG_TEST_CLICKHOUSE") == "1"
"""Whether tests that take every engine take this one."""

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
    """A new database's name, with dblog's tables in it."""
    name = f"d{next(_numbers)}"
    with contextlib.closing(client()) as made:
        made.command(f"CREATE DATABASE {name}")
        made.database = name
        for statement in _statements():
            made.command(statement)
    return name


def _statements() -> Iterator[str]:
    from clickhouse_connect.cc_sqlalchemy.dialect import ClickHouseDialect
    from sqlalchemy.schema import CreateTable

    from dblog.schema import metadata_for
    from dblog.schema_clickhouse import SKIP_INDEXES

    for table in metadata_for("clickhouse").tables.values():
        yield str(CreateTable(table).compile(dialect=ClickHouseDialect()))
    for name, (expression, kind) in SKIP_INDEXES.items():
        yield f"ALTER TABLE logs ADD INDEX logs_{name}_idx {expression} TYPE {kind} GRANULARITY 1"
