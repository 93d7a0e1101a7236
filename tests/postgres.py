"""Databases for tests: a real PostgreSQL for the whole run, one database per test, and SQLite files.

One server is started by the first test that needs one, in whichever xdist worker that is,
and used by all of them; ``tests.pgserver``'s guard ends it with the run. With
``DBLOG_TEST_POSTGRES=<url>`` (a superuser's, or one that may create databases and roles)
that server is used instead, except by ``private_postgres``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests import embedded_clickhouse, pgserver

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

_RUN = pytest.StashKey[Path]()
_ALIVE = pytest.StashKey[Any]()
_EXTERNAL = "DBLOG_TEST_POSTGRES"


class External:
    """A server that was there before us; it is not ours to stop."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)

    def url(self, dbname: str = "postgres", *, user: str = "", password: str = "", **_: Any) -> str:
        """A URL of one of its databases."""
        place = self._parts.netloc.rpartition("@")[2]
        netloc = f"{user}:{password}@{place}" if user else self._parts.netloc
        return urlunsplit(self._parts._replace(netloc=netloc, path=f"/{dbname}"))

    @contextlib.contextmanager
    def admin(self, dbname: str = "") -> Iterator[psycopg.Connection[Any]]:
        """A connection in autocommit, as the user of the URL."""
        import psycopg

        url = self.url(dbname or self._parts.path.lstrip("/") or "postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection


class Role(NamedTuple):
    """A login role made for one test."""

    name: str
    url: str


def pytest_configure(config: pytest.Config) -> None:
    """Name the run's directory, in the process that outlives all workers."""
    given = getattr(config, "workerinput", {}).get("dblog_run")
    if given is not None:
        config.stash[_RUN] = Path(given)
        return
    run = Path(tempfile.mkdtemp(prefix="dblog-", dir=pgserver.base_directory()))
    run.chmod(0o755)
    alive = (run / pgserver.ALIVE).open("w")
    # A record lock, not flock: a child forked by a test must not hold it after us.
    fcntl.lockf(alive, fcntl.LOCK_EX)
    config.stash[_RUN], config.stash[_ALIVE] = run, alive


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker the run's directory."""
    node.workerinput["dblog_run"] = str(node.config.stash[_RUN])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the guard end what was started, and see it done."""
    if (alive := config.stash.get(_ALIVE, None)) is None:
        return
    run = config.stash[_RUN]
    _drop_external(run)
    guarded = (run / "guarded").exists()
    alive.close()
    deadline = time.monotonic() + 15
    while guarded and run.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(run, ignore_errors=True)


@contextlib.contextmanager
def _alone(run: Path) -> Iterator[None]:
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _pristine(run: Path) -> Path:
    """The untouched data directory, made once per run; the caller is alone."""
    data = run / "pristine" / "data"
    if not data.exists():
        pgserver.start_guard(run)
        pgserver.make_pristine(run)
    return data


def _template(server: pgserver.Server | External, name: str) -> None:
    from dblog import migrate

    with server.admin() as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    migrate.upgrade(server.url(name))


def _drop_external(run: Path) -> None:
    state = run / "state"
    if (url := os.environ.get(_EXTERNAL)) and state.exists():
        with External(url).admin() as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{json.loads(state.read_text())["template"]}" WITH (FORCE)')
            admin.execute("DROP ROLE IF EXISTS dblog_password_users")


@pytest.fixture(scope="session")
def postgres_template(request: pytest.FixtureRequest) -> tuple[pgserver.Server | External, str]:
    """The run's server, and the name of its migrated template database."""
    run = request.config.stash[_RUN]
    external = os.environ.get(_EXTERNAL)
    state = run / "state"
    with _alone(run):
        if state.exists():
            known = json.loads(state.read_text())
            server = External(external) if external else pgserver.Server(run / "shared", known["port"])
            return server, known["template"]
        server = External(external) if external else pgserver.Server.create(run / "shared", _pristine(run))
        template = f"dblog_template_{secrets.token_hex(4)}"
        _template(server, template)
        port = server.port if isinstance(server, pgserver.Server) else 0
        state.write_text(json.dumps({"port": port, "template": template}))
        return server, template


@pytest.fixture(scope="session")
def postgres_server(postgres_template: tuple[pgserver.Server | External, str]) -> pgserver.Server | External:
    """The run's server, shared by every test: ``url(dbname)``, ``admin(dbname)``; leave it running."""
    return postgres_template[0]


@contextlib.contextmanager
def database(server: pgserver.Server | External, template: str | None = None) -> Iterator[str]:
    """A new database, its URL, and its end whoever is still connected."""
    name = f"t_{secrets.token_hex(6)}"
    with server.admin() as admin:
        # Copying files is the quick way where nothing is synced; a server of others may also be older than 15.
        copied = " STRATEGY file_copy" if isinstance(server, pgserver.Server) else ""
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template1"}"{copied}')
    try:
        yield server.url(name)
    finally:
        with server.admin() as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_url(postgres_template: tuple[pgserver.Server | External, str]) -> Iterator[str]:
    """A database of its own with dblog's schema at head."""
    with database(*postgres_template) as url:
        yield url


@pytest.fixture
def empty_postgres_url(postgres_server: pgserver.Server | External) -> Iterator[str]:
    """A database of its own with nothing in it."""
    with database(postgres_server) as url:
        yield url


@contextlib.contextmanager
def role(server: pgserver.Server | External, url: str) -> Iterator[Role]:
    """A login role without any privilege that needs its password over TCP, for the database of ``url``."""
    name, password = f"r_{secrets.token_hex(6)}", f"Pw-{secrets.token_hex(8)}"
    dbname = urlsplit(url).path.lstrip("/")
    with server.admin() as admin:
        with contextlib.suppress(Exception):
            admin.execute("CREATE ROLE dblog_password_users NOLOGIN")
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE dblog_password_users")
    try:
        yield Role(name, server.url(dbname, user=name, password=password))
    finally:
        with server.admin(dbname) as admin:
            admin.execute(f"DROP OWNED BY {name} CASCADE")
            admin.execute(f"DROP ROLE {name}")


@pytest.fixture
def postgres_role(postgres_server: pgserver.Server | External, postgres_url: str) -> Iterator[Role]:
    """A login role that may nothing yet, in the test's own database."""
    with role(postgres_server, postgres_url) as made:
        yield made


@pytest.fixture
def writer_postgres_url(postgres_url: str, postgres_role: Role) -> str:
    """The test's own database as seen by the INSERT-only role of ``dblog grants --writer``."""
    import psycopg

    from dblog.grants import grants

    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute(grants(writer=postgres_role.name).encode())
    return postgres_role.url


@pytest.fixture
def reader_postgres_url(postgres_server: pgserver.Server | External, postgres_url: str) -> Iterator[str]:
    """The test's own database as seen by the SELECT-only role of ``dblog grants --reader``."""
    import psycopg

    from dblog.grants import grants

    with role(postgres_server, postgres_url) as made:
        with psycopg.connect(postgres_url, autocommit=True) as owner:
            owner.execute(grants(reader=made.name).encode())
        yield made.url


class Private(pgserver.Server):
    """A server of one test, which may stop, kill or freeze it; its migrated database is ``dblog``."""

    @property
    def database_url(self) -> str:
        """The URL of the migrated database."""
        return self.url("dblog")


@contextlib.contextmanager
def new_private(config: pytest.Config) -> Iterator[Private]:
    """A server that may be stopped, killed and frozen (about a second), always from the wheel."""
    run = config.stash[_RUN]
    with _alone(run):
        pristine = _pristine(run)
    made = Private.create(run / f"private-{secrets.token_hex(4)}", pristine)
    server = Private(made.directory, made.port)
    try:
        _template(server, "dblog")
        yield server
    finally:
        server.thaw()
        server.kill()
        shutil.rmtree(server.directory, ignore_errors=True)


@pytest.fixture
def private_postgres(request: pytest.FixtureRequest) -> Iterator[Private]:
    """A server of the test's own."""
    with new_private(request.config) as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    from dblog import migrate

    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An SQLite file of its own with dblog's schema at head."""
    path = tmp_path / "logs.db"
    shutil.copyfile(sqlite_template, path)
    path.chmod(0o600)
    return f"sqlite:///{path}"


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of either kind: for tests that every database has to pass; see ``ENGINES`` for a third."""
    fixtures = {"sqlite": "sqlite_url", "postgresql": "postgres_url", "clickhouse": "clickhouse_url"}
    return str(request.getfixturevalue(fixtures[request.param]))


@pytest.fixture
def clickhouse_url() -> Iterator[str]:
    """A migrated database of the ClickHouse engine in this process."""
    name = embedded_clickhouse.database()
    yield embedded_clickhouse.url(name)
    embedded_clickhouse.drop(name)


@pytest.fixture
def logging_url(request: pytest.FixtureRequest, database_url: str) -> str:
    """``database_url`` for the program that logs: on Postgres as the INSERT-only role of ``dblog grants``."""
    postgres = database_url.startswith("postgres")
    return str(request.getfixturevalue("writer_postgres_url")) if postgres else database_url


@pytest.fixture
def reading_url(request: pytest.FixtureRequest, database_url: str) -> str:
    """``database_url`` for the program that reads: on Postgres as the SELECT-only role of ``dblog grants``."""
    postgres = database_url.startswith("postgres")
    return str(request.getfixturevalue("reader_postgres_url")) if postgres else database_url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    return str(request.getfixturevalue("empty_sqlite_url" if request.param == "sqlite" else "empty_postgres_url"))
