"""Databases as a service sees them: on PostgreSQL, logged in as the INSERT-only role of ``dblog grants``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest

from dblog.grants import grants
from tests.postgres import role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Private, Role


class Place(NamedTuple):
    """A migrated database: as the service logs in, and as its owner looks at it."""

    url: str
    owner: str

    @property
    def postgres(self) -> bool:
        """Whether it is PostgreSQL."""
        return self.owner.startswith("postgres")


class Served(NamedTuple):
    """A private server, and the place on it."""

    server: Private
    url: str
    owner: str


@pytest.fixture
def writer_url(writer_postgres_url: str) -> str:
    """The test's own PostgreSQL database, as the INSERT-only role."""
    return writer_postgres_url


@pytest.fixture(params=["with TEMP", "without TEMP"])
def replay_url(request: pytest.FixtureRequest, writer_url: str, postgres_url: str, postgres_role: Role) -> str:
    """As ``writer_url``, once with the privilege to make temporary tables and once without."""
    if request.param == "without TEMP":
        with psycopg.connect(postgres_url, autocommit=True) as owner:
            name = owner.info.dbname
            owner.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC, {postgres_role.name}".encode())
    return writer_url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    """A database of either kind."""
    if request.param == "sqlite":
        url = str(request.getfixturevalue("sqlite_url"))
        return Place(url, url)
    return Place(str(request.getfixturevalue("writer_url")), str(request.getfixturevalue("postgres_url")))


@pytest.fixture
def served(private_postgres: Private) -> Iterator[Served]:
    """A server of the test's own; the service logs in as the INSERT-only role."""
    owner: Any = private_postgres.database_url
    with role(private_postgres, owner) as made:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(grants(writer=made.name).encode())
        try:
            yield Served(private_postgres, made.url, owner)
        finally:
            private_postgres.thaw()
