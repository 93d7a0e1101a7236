"""Databases of every engine side by side: SQLite and Postgres, and ClickHouse where it was asked for."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests import embedded_clickhouse
from tests.postgres import database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def new_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """Makes migrated databases, each of a dialect, which are there for all tests of a module; their URLs."""
    with ExitStack() as stack:

        def make(dialect: str) -> str:
            if dialect == "sqlite":
                path: Path = tmp_path_factory.mktemp("logs") / "logs.db"
                shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
                path.chmod(0o600)
                return f"sqlite:///{path}"
            if dialect == "clickhouse":
                name = embedded_clickhouse.database()
                stack.callback(embedded_clickhouse.drop, name)
                return embedded_clickhouse.url(name)
            return stack.enter_context(database(*request.getfixturevalue("postgres_template")))

        yield make
