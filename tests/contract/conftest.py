"""Databases of every engine side by side: SQLite and Postgres, and ClickHouse where it was asked for.

What is tested here is promised of all of them in the same words; where one differs, ``dblog.store.capabilities`` says
so. Pages, traces, figures and the schedules of a tail are so in ``tests/reader`` and ``tests/tail``, queries in
``tests/query``: parametrised with the same ``ENGINES``.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests import embedded_clickhouse
from tests.contract.copied import clear
from tests.postgres import database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, int], str]]:
    """Gives the n-th migrated database of a dialect, which is there for all tests of a module; its URL."""
    with ExitStack() as stack:
        known: dict[tuple[str, int], str] = {}

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

        def give(dialect: str, number: int = 0) -> str:
            if (dialect, number) not in known:
                known[dialect, number] = make(dialect)
            return known[dialect, number]

        yield give


@pytest.fixture
def place(databases: Callable[[str, int], str]) -> Callable[[str, int], str]:
    """As ``databases``, each emptied when it is asked for."""

    def give(dialect: str, number: int = 0) -> str:
        clear(url := databases(dialect, number))
        return url

    return give
