"""URLs: mapped without loss, refused with a reason, shown without secrets."""

from __future__ import annotations

import importlib
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import create_async_engine

from dblog.errors import ConfigurationError, MissingExtraError
from dblog.url import async_url, dialect_of, require_driver, safe_url, sync_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMES = st.sampled_from(
    ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg", "postgresql+psycopg2", "postgres+psycopg"]
)
MODES = st.sampled_from(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
# SQLAlchemy 2.0 does not percent-encode a database's name.
DATABASES = st.text(st.characters(codec="utf-8", exclude_characters="\x00@?%"), min_size=1, max_size=12)

# Letters that occur in none of our messages, and everything that means something in a URL.
LETTERS = "ЖЩЮ"
SECRETS = st.text(st.sampled_from(LETTERS + "@:/?#&=%+ [],;\\\"'"), max_size=12).map(lambda text: f"Ж{text}Ж")
SHAPES = st.sampled_from([
    "postgresql://u:{}@h/db",
    "postgresql://u:{}@h:5432/db?sslmode=require",
    "postgresql+asyncpg://u:{}@h/db?sslmod=x",
    "postgres://:{}@h",
    "postgresql://u:{}",
    "postgresql://u:{}/db",
    "postgresql://u:{}@h:port/db",
    "postgresql://h/db?user=u&password={}",
    "postgresql://u:{}@h/db?password={}",
    "postgresql://h/db?sslpassword={}&sslmode=nope",
    "postgresql://h/db?pass%77ord={}",
    "postgresql:/u:{}@h/db",
    "u:{}@h/db",
    "host=h password={}",
    "{}",
    "mysql://u:{}@h/db",
    "clickhouse://u:{}@h/db",
    "clickhouse://u:{}@h:8443/db?secure={}",
    "clickhouse://h/db?password=x&{}=y",
    "clickhouse+https://u:{}@h:9000/db",
    "sqlite://u:{}@h/db",
    "sqlite:///file.db?key={}",
])  # fmt: skip


@given(shape=SHAPES, secret=SECRETS)
def test_no_piece_of_a_password_is_ever_shown(shape: str, secret: str) -> None:
    """However malformed the URL: not by ``safe_url``, not in an error, not in its traceback."""
    assume("@h" in shape or "@" not in secret or "u:{}" not in shape)  # "u:a@b" is a password and a host
    url = shape.format(secret, secret)
    shown = [safe_url(url)]
    for room in (sync_url, async_url, dialect_of):
        try:
            room(url)
        except ConfigurationError as error:
            shown.extend(traceback.format_exception(error))
    assert not set(LETTERS) & set("".join(shown))
    assert "%D0" not in "".join(shown)


@given(scheme=SCHEMES, user=NAMES, password=NAMES, database=DATABASES, port=st.integers(1, 65535))
def test_every_part_survives(scheme: str, user: str, password: str, database: str, port: int) -> None:
    """Any user, password and database arrive as they were, for either driver, given as text or as an object."""
    made = sa.URL.create(scheme, user, password, "db.example", port, database)
    for given_as in (made, made.render_as_string(hide_password=False)):
        for room, driver in ((sync_url, "postgresql+psycopg"), (async_url, "postgresql+asyncpg")):
            mapped = room(given_as)
            assert mapped.drivername == driver
            assert (mapped.username, mapped.password, mapped.database) == (user, password, database)
            assert (mapped.host, mapped.port) == ("db.example", port)


@given(scheme=SCHEMES, name=st.sampled_from(["ssl", "sslmode"]), mode=MODES)
def test_tls_means_the_same_to_both_drivers(scheme: str, name: str, mode: str) -> None:
    """``ssl=`` and ``sslmode=`` are one setting, each driver gets its own spelling."""
    url = f"{scheme}://u@h/db?{name}={mode}"
    assert dict(sync_url(url).query) == {"sslmode": mode}
    assert dict(async_url(url).query) == {"ssl": mode}


@given(
    scheme=st.sampled_from(["clickhouse", "clickhouse+http", "clickhousedb", "clickhousedb+connect"]),
    login=st.tuples(NAMES, NAMES),
    database=DATABASES,
    port=st.integers(1, 65535).filter(lambda port: port not in {9000, 9440}),
    secure=st.sampled_from([None, "true", "1", "false"]),
)
def test_every_part_of_a_clickhouse_url_survives(
    scheme: str, login: tuple[str, str], database: str, port: int, secure: str | None
) -> None:
    """One driver serves both rooms, and what was mapped maps to itself."""
    query = {"compress": "zstd"} | ({} if secure is None else {"secure": secure})
    made = sa.URL.create(scheme, *login, "db.example", port, database, query)
    for given_as in (made, made.render_as_string(hide_password=False)):
        for room in (sync_url, async_url):
            mapped = room(given_as)
            assert mapped.drivername == "clickhousedb+connect"
            assert (mapped.username, mapped.password, mapped.database) == (*login, database)
            assert (mapped.host, mapped.port) == ("db.example", port)
            tls = {} if secure is None else {"secure": "false" if secure == "false" else "true"}
            assert dict(mapped.query) == {"compress": "zstd"} | tls
            assert room(mapped) == mapped
            assert dialect_of(mapped) == "clickhouse"


def test_https_in_a_clickhouse_scheme_is_tls() -> None:
    """And the port is left to the driver, which knows 8443."""
    mapped = sync_url("clickhouse+https://h/db")
    assert (mapped.port, dict(mapped.query)) == (None, {"secure": "true"})


@pytest.mark.parametrize("url", ["clickhouse://h", "clickhouse://h/", "clickhousedb://"])
def test_a_clickhouse_url_may_leave_the_database_to_the_user(url: str) -> None:
    """And the host, to this machine."""
    mapped = sync_url(url)
    assert (mapped.host, mapped.database) == ("h" if "h" in url.partition("//")[2] else "localhost", None)


@given(mode=MODES, certificate=NAMES, application=NAMES)
def test_mapping_there_and_back_loses_nothing(mode: str, certificate: str, application: str) -> None:
    """A URL made for one room is a URL for the other."""
    query = {"sslmode": mode, "sslrootcert": certificate, "application_name": application, "host": "/run/pg"}
    url = sa.URL.create("postgresql", "u", "p", database="db", query=query)
    assert sync_url(async_url(url)) == sync_url(url) == sync_url(sync_url(url))
    assert async_url(sync_url(url)) == async_url(url) == async_url(async_url(url))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://h/db?ssl=require&sslmode=disable", "they differ"),
        ("postgresql://h/db?sslmode=yes", "not one of allow, disable"),
        ("postgresql://h/db?sslmod=require", "sslmod has no meaning"),
        ("oracle://h/db", "Postgres, SQLite or ClickHouse only"),
        ("postgresql+pg8000://h/db", "Postgres, SQLite or ClickHouse only"),
        ("clickhouse://h:9000/db", "9000 is the native protocol's port, dblog speaks HTTP: 8123"),
        ("clickhouse://h:9440/db", "8443 as a rule"),
        ("clickhouse://h/db?wait_for_async_insert=0", "the parameter wait_for_async_insert has no meaning"),
        ("clickhouse://h/db?secure=perhaps", "use true or false"),
        ("clickhouse+https://h/db?secure=no", "both https and secure=false"),
        ("clickhouse://h/db?path=/tmp", "not for a server"),
        ("clickhouse://h/db?compress=1&compress=2", "compress more than once"),
        ("clickhouse+native://h/db", "Postgres, SQLite or ClickHouse only"),
        ("sqlite://", "MemorySink"),
        ("sqlite:///:memory:", "MemorySink"),
        ("sqlite:///file::memory:?uri=true", "MemorySink"),
        ("sqlite:///file:x?mode=memory&uri=true", "MemorySink"),
        ("sqlite:///x.db?mode=ro", "without uri=true"),
        ("sqlite://host/x.db", "names no host"),
    ],
)
@pytest.mark.parametrize("room", [sync_url, async_url])
def test_what_cannot_be_mapped_is_refused(room: Callable[[str], sa.URL], url: str, says: str) -> None:
    """With a ``ConfigurationError`` that names the URL, or the way out."""
    with pytest.raises(ConfigurationError, match=says):
        room(url)


def test_what_only_one_driver_can_do() -> None:
    """Channel binding is security: it is refused for asyncpg, not dropped; tuning is dropped."""
    url = "postgresql://h/db?channel_binding=require&keepalives=1"
    assert dict(sync_url(url).query) == {"channel_binding": "require", "keepalives": "1"}
    with pytest.raises(ConfigurationError, match="channel_binding has no meaning for asyncpg"):
        async_url(url)
    assert dict(async_url("postgresql://h/db?connect_timeout=3&channel_binding=prefer").query) == {}
    assert dict(sync_url("postgresql+asyncpg://h/db?command_timeout=3").query) == {}


def test_sqlite_paths_are_absolute_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the directory of the moment it was given, also after a chdir."""
    monkeypatch.chdir(tmp_path)
    url = sync_url("sqlite:///logs.db?timeout=3")
    monkeypatch.chdir("/")
    assert (url.drivername, url.database, dict(url.query)) == (
        "sqlite+pysqlite",
        str(tmp_path / "logs.db"),
        {"timeout": "3"},
    )
    assert async_url(url).database == url.database
    assert sync_url(url) == url
    monkeypatch.chdir(tmp_path)
    assert sync_url("sqlite:///file:logs.db?mode=ro&uri=true").database == f"file:{tmp_path / 'logs.db'}"


async def test_the_drivers_take_what_they_are_given(postgres_url: str) -> None:
    """Both connect with a libpq URL, and both honour what it says beyond the place."""
    url = f"{postgres_url}?sslmode=disable&application_name=who%20knows&connect_timeout=5"
    statement = sa.text("SELECT current_setting('application_name')")
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.scalar(statement) == "who knows"
    async_engine = create_async_engine(async_url(url), poolclass=sa.NullPool)
    async with async_engine.connect() as async_connection:
        assert await async_connection.scalar(statement) == "who knows"


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the connection is opened, one line says what to install."""

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    for room, library in ((sync_url, "psycopg"), (async_url, "asyncpg")):
        with pytest.raises(MissingExtraError, match=rf"{library} is not installed: pip install .*\[postgres\]"):
            require_driver(room("postgresql://h/db"))
        require_driver(room("sqlite:///x.db"))
    with pytest.raises(MissingExtraError, match=r"clickhouse-connect is not installed: pip install .*\[clickhouse\]"):
        require_driver(sync_url("clickhouse://h/db"))


def test_loading_the_driver_leaves_logging_as_it_was() -> None:
    """clickhouse-connect sets the level of urllib3's logger, which is the application's."""
    code = (
        "import logging; logging.getLogger('urllib3').setLevel(logging.DEBUG)\n"
        "from dblog.url import require_driver, sync_url\n"
        "require_driver(sync_url('clickhouse://h/db'))\n"
        "import sys; sys.exit(logging.getLogger('urllib3').level != logging.DEBUG)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.one_of(st.text(), st.none(), st.integers(), st.binary()))
def test_safe_url_takes_anything(value: object) -> None:
    """It never raises."""
    assert isinstance(safe_url(value), str)


def test_importing_it_is_light() -> None:
    """``dblog.url`` loads no SQLAlchemy."""
    code = "import sys, dblog.url; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
