"""An application's engine instead of a URL: dblog connects as it would, as safely, and fails as with a URL."""

from __future__ import annotations

import logging
import ssl
import time
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from dblog import DatabaseHandler
from dblog.errors import ConfigurationError
from dblog.options import Options
from dblog.store.connect import Target, milliseconds
from dblog.url import async_url, sync_url
from tests.oracle import QUICK, exactly_once, logging_to, rows, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.conftest import Place

_ASYNCPG = "postgresql+asyncpg://user:secret@db.example/app"
_PSYCOPG = "postgresql+psycopg://user:secret@db.example/app"


def _arguments(engine: Any) -> dict[str, Any]:
    """What a connection of dblog's is made with, beside the URL."""
    engine = getattr(engine, "sync_engine", engine)
    return Target(sync_url(engine.url), engine, Options())._connect_args()


def _refused(engine: Any, needle: str) -> None:
    with pytest.raises(ConfigurationError, match="give the URL instead") as raised:
        DatabaseHandler(engine=engine)
    assert needle in str(raised.value)
    assert "secret" not in str(raised.value)


def _sink(handler: DatabaseHandler) -> Any:
    return handler._writer._sink


def _log(engine: Any, owner: str, **options: Any) -> DatabaseHandler:
    """A closed handler that has stored one record by an engine."""
    with logging_to(None, engine=engine, **options) as (logger, handler):
        logger.info("record")
        assert handler.flush(10), handler.stats()
        exactly_once(owner, handler)
        if owner.startswith("postgres"):
            assert _sink(handler)._connection.prepare_threshold is None
    return handler


@pytest.mark.parametrize("mapped", [sync_url, async_url])
def test_each_driver_serves(place: Place, mapped: Callable[[str], sa.URL]) -> None:
    """An engine of the sync driver and one of the async driver; no prepared statement is kept on either."""
    make: Any = sa.create_engine if mapped is sync_url else create_async_engine
    _log(make(mapped(place.url)), place.owner)


def test_a_creator_of_our_driver(writer_url: str, postgres_url: str) -> None:
    """The application's own function makes the connection; our options are set once it is there."""
    plain = sync_url(writer_url).set(drivername="postgresql").render_as_string(hide_password=False)
    made: list[object] = []

    def creator() -> psycopg.Connection[Any]:
        made.append(1)
        return psycopg.connect(plain)

    _log(sa.create_engine("postgresql+psycopg://", creator=creator), postgres_url)
    assert made


def test_a_password_from_do_connect(writer_url: str, postgres_url: str) -> None:
    """Tokens that expire are given by the application's listener: ours are its connections, too."""
    url = sync_url(writer_url)
    engine = sa.create_engine(url.set(password="stale"))
    asked: list[object] = []

    @event.listens_for(engine, "do_connect")
    def token(_dialect: object, _record: object, _args: object, parameters: dict[str, Any]) -> None:
        asked.append(1)
        parameters["password"] = url.password

    _log(engine, postgres_url)
    assert asked


def test_settings_of_asyncpg_arrive(writer_url: str, postgres_url: str) -> None:
    """``server_settings`` hold for our connection as well, blanks and backslashes included."""
    settings = {"application_name": "the shop", "DateStyle": "German", "my.text": r"a b\c -c d"}
    engine = create_async_engine(async_url(writer_url), connect_args={"server_settings": settings, "timeout": 3})
    with logging_to(None, engine=engine) as (logger, handler):
        logger.info("record")
        assert handler.flush(10), handler.stats()
        found = _sink(handler)._connection.execute("SELECT current_setting('my.text')").fetchone()
        assert found == (settings["my.text"],)
        assert rows(postgres_url, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'the shop'") == [(1,)]


@pytest.mark.parametrize("reach", ["url", "creator"])
def test_a_server_that_is_down(reach: str) -> None:
    """RETRY, as with a URL: nobody has refused anything."""

    def creator() -> NoReturn:
        raise psycopg.OperationalError("nobody there")

    engine = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    if reach == "creator":
        engine = sa.create_engine("postgresql+psycopg://", creator=creator)
    handler = DatabaseHandler(engine=engine, **QUICK, shutdown_timeout=0)
    try:
        handler.handle(logging.makeLogRecord({"msg": "record", "levelno": 20}))
        until(lambda: handler.stats().state in {"RETRY", "BLOCKED"}, say=handler.stats)
        assert handler.stats().state == "RETRY", handler.stats()
        assert not _sink(handler).reachable()
    finally:
        handler.close()


def test_what_our_driver_is_told() -> None:
    """Connect arguments win over our defaults, our time limits hold, what shapes results stays theirs."""
    engine = sa.create_engine(
        f"{_PSYCOPG}?sslmode=require",
        connect_args={
            "application_name": "shop",
            "sslrootcert": "/ca.pem",
            "prepare_threshold": 1,
            "row_factory": dict,
        },
    )
    arguments = _arguments(engine)
    assert (arguments["application_name"], arguments["sslrootcert"]) == ("shop", "/ca.pem")
    assert (arguments["prepare_threshold"], arguments["connect_timeout"]) == (None, 5)
    assert "row_factory" not in arguments
    target = Target(sync_url(engine.url), engine, Options())
    conninfo = target.conninfo()
    assert conninfo is not None
    assert (conninfo["host"], conninfo["sslmode"], conninfo["sslrootcert"]) == ("db.example", "require", "/ca.pem")
    assert "password" not in conninfo


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ssl": "verify-ca"}, {"sslmode": "verify-ca"}),
        ({"ssl": True}, {"sslmode": "verify-full", "sslrootcert": "system"}),
        ({"ssl": False}, {"sslmode": "disable"}),
        ({"password": "other"}, {"password": "other"}),
        ({"host": ["a", "b"], "port": [1, 2]}, {"host": "a,b", "port": "1,2"}),
        ({"direct_tls": True}, {"sslnegotiation": "direct"}),
        ({"command_timeout": 3, "statement_cache_size": 0}, {}),
    ],
)
def test_what_asyncpg_is_told_in_libpq_words(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """TLS, addresses and passwords are translated; tuning is left out."""
    arguments = _arguments(create_async_engine(_ASYNCPG, connect_args=given))
    ours = _arguments(create_async_engine(_ASYNCPG))
    assert {name: value for name, value in arguments.items() if name not in ours} == expected


@pytest.mark.parametrize(
    ("given", "needle"),
    [
        ({"ssl": ssl.create_default_context()}, "ssl"),
        ({"password": lambda: "secret"}, "password"),
        ({"something_new": 1}, "something_new"),
    ],
)
def test_what_has_no_counterpart(given: dict[str, Any], needle: str) -> None:
    """A context of TLS, or what nobody has heard of, is refused, never left out in silence."""
    _refused(create_async_engine(_ASYNCPG, connect_args=given), needle)


def test_a_foreign_way_to_connect() -> None:
    """Another driver's creator and its listeners make no connection of ours: refused."""

    async def creator() -> NoReturn:
        raise AssertionError

    _refused(create_async_engine("postgresql+asyncpg://", async_creator=creator), "creator")
    engine = create_async_engine(_ASYNCPG)
    event.listen(engine.sync_engine, "do_connect", lambda *_: None)
    _refused(engine, "do_connect")


@pytest.mark.parametrize("secret", [{"password": "secret"}, {"password_file": "/run/secret"}])
def test_a_password_beside_an_engine(secret: dict[str, Any]) -> None:
    """It would never be asked for: said at once."""
    with pytest.raises(ConfigurationError, match=next(iter(secret))):
        DatabaseHandler(engine=sa.create_engine(_PSYCOPG), **secret)


def test_the_longest_times(place: Place) -> None:
    """However long the limits, they fit the database's 32 bits, and records are stored."""
    assert [milliseconds(seconds) for seconds in (0.0001, 10, 2**40)] == [1, 10_000, 2**31 - 1]
    limits = dict.fromkeys(("statement_timeout", "operation_timeout", "connect_timeout"), "7d")
    with logging_to(place.url, **limits) as (logger, handler):
        logger.info("record")
        assert handler.flush(10), handler.stats()
        exactly_once(place.owner, handler)


def test_a_transaction_that_cannot_begin(writer_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting the server refuses is no row's fault: BLOCKED, nothing buried, and stored once it is mended."""
    with logging_to(writer_url) as (logger, handler):
        with monkeypatch.context() as patch:
            patch.setattr("dblog.store.postgres.milliseconds", lambda _: 1 << 40)
            for _ in range(20):
                logger.info("record")
            until(lambda: handler.stats().state == "BLOCKED", say=handler.stats)
        assert handler.stats().failed == 0
        assert "22023" in str(handler.stats().last_error)
        assert handler.flush(10), handler.stats()
        exactly_once(postgres_url, handler)


def test_an_abort_that_comes_late(writer_url: str) -> None:
    """Aborting a connection that is closed already does nothing, and says nothing."""
    with logging_to(writer_url) as (logger, handler):
        logger.info("record")
        assert handler.flush(10), handler.stats()
        _sink(handler)._connection.close()
        began = time.monotonic()
        _sink(handler).abort()
        assert time.monotonic() - began < 1
