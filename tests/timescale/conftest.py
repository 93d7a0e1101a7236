"""A server with TimescaleDB that is there already: ``DBLOG_TEST_TIMESCALE``, or what ``pg_virtualenv`` has started."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.postgres import External, database

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def timescale_server() -> External:
    """A superuser's; its absence is a failure, not a skip."""
    if url := os.environ.get("DBLOG_TEST_TIMESCALE"):
        return External(url)
    host, port, user, password = (os.environ.get(f"PG{name}", "") for name in ("HOST", "PORT", "USER", "PASSWORD"))
    if not host:
        pytest.fail("no server with TimescaleDB: run nox -s timescale")
    return External(f"postgresql://{user}:{password}@{host}:{port}/postgres")


@pytest.fixture
def timescale_url(timescale_server: External) -> Iterator[str]:
    """A database of its own with the extension and dblog's schema at head; ``logs`` is partitioned yet."""
    from dblog import migrate

    with database(timescale_server, "template0") as url:  # the extension's own workers look into template1
        with timescale_server.admin(url.rpartition("/")[2]) as admin:
            admin.execute("CREATE EXTENSION timescaledb")
        migrate.upgrade(url)
        yield url
