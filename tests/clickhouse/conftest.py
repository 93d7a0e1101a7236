"""These tests exist where the engine was asked for: ``DBLOG_TEST_CLICKHOUSE=1``, as ``nox -s clickhouse`` sets it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.embedded_clickhouse import WANTED, client, url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clickhouse.stores import Store

collect_ignore_glob = [] if WANTED else ["test_*.py"]


@pytest.fixture
def empty_url() -> Iterator[str]:
    """A new database of the engine in this process, with nothing in it."""
    from tests.clickhouse.stores import fresh

    with fresh() as name:
        yield url(name)


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    """The URL of a database with dblog's tables, for tests that change no table."""
    from dblog import migrate
    from tests.clickhouse.stores import fresh

    with fresh() as name:
        migrate.upgrade(url(name))
        yield url(name)


@pytest.fixture
def store(shared: str) -> Iterator[Store]:
    """Empty tables, and what a test asks of them."""
    from tests.clickhouse.stores import Store

    with contextlib.closing(Store.at(shared)) as made:
        made.clear()
        yield made


@pytest.fixture
def own_store(empty_url: str) -> Iterator[Store]:
    """Tables of its own, to be changed."""
    from dblog import migrate
    from tests.clickhouse.stores import Store

    migrate.upgrade(empty_url)
    with contextlib.closing(Store.at(empty_url)) as made:
        yield made


@pytest.fixture
def engine(empty_url: str) -> Iterator[Any]:
    """A client of the new database."""
    from sqlalchemy import make_url

    with contextlib.closing(client(str(make_url(empty_url).database))) as made:
        yield made


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server over HTTP, with dblog's tables in it."""
    from dblog import migrate
    from tests.clickhouse.front import Front

    folder: Path = tmp_path_factory.mktemp("front") / "data"
    with Front(folder) as made:
        migrate.upgrade(made.url)
        yield made
