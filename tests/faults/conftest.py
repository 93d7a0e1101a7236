"""Databases as a service sees them: on PostgreSQL, logged in as the INSERT-only role of ``dblog grants``."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import psycopg
import pytest

from dblog.grants import grants
from tests.faults.harness import Bench, ForkServer, Mode
from tests.postgres import database, new_private, role

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


# -- benches: see tests/faults/harness.py ---------------------------------------------------------------------


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """Where systems under test come from."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def own_server(request: pytest.FixtureRequest) -> Iterator[Private]:
    """A PostgreSQL server for the faults that stop it, one after another."""
    with new_private(request.config) as server:
        yield server


class MakesBenches(Protocol):
    """Makes a bench; ``server``: its PostgreSQL server may be stopped and killed."""

    def __call__(self, name: str, mode: Mode, *, server: bool = False) -> Bench: ...


@pytest.fixture
def bench_at(request: pytest.FixtureRequest, forks: ForkServer, tmp_path: Path) -> Iterator[MakesBenches]:
    """What makes a bench, with a database of its own; the seed is printed, and DBLOG_SEED gives it again."""
    with contextlib.ExitStack() as stack:

        def make(name: str, mode: Mode, *, server: bool = False) -> Bench:
            folder = tmp_path / "bench"
            folder.mkdir()
            seed = int(os.environ.get("DBLOG_SEED") or secrets.randbits(32))
            print(f"seed {seed}")
            place, theirs = _place(request, stack, name, server=server)
            made = Bench(forks, place, folder, seed, mode, theirs)
            if (limit := request.node.get_closest_marker("timeout")) is not None:
                made.longest = limit.args[0] - 5
            return stack.enter_context(made)

        yield make


def _place(
    request: pytest.FixtureRequest, stack: contextlib.ExitStack, name: str, *, server: bool
) -> tuple[Place, Private | None]:
    if name == "sqlite":
        url = str(request.getfixturevalue("sqlite_url"))
        return Place(url, url), None
    if not server:
        return Place(*(str(request.getfixturevalue(fixture)) for fixture in ("writer_url", "postgres_url"))), None
    private: Private = request.getfixturevalue("own_server")
    owner = stack.enter_context(database(private, "dblog"))
    made = stack.enter_context(role(private, owner))
    stack.callback(_revive, private)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(grants(writer=made.name).encode())
    return Place(made.url, owner), private


def _revive(server: Private) -> None:
    """A test that failed may have left it anyhow."""
    server.thaw()
    if not server.pid:
        server.start()
