"""Database URLs: any accepted spelling, mapped to the driver of the room that opens it.

The writer and the migrations use psycopg or sqlite3, the reader asyncpg or
aiosqlite; people write whichever they know. ClickHouse has one driver for both. What
has no counterpart in the other driver is a ``ConfigurationError``, never silently left
out, except tuning that changes nothing but speed. Importing this module does not
import SQLAlchemy.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import re
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dblog.errors import ConfigurationError, MissingExtraError
from dblog.safe_url import safe_url
from dblog.url_clickhouse import CLICKHOUSE, clickhouse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL

__all__ = ["async_url", "dialect_of", "require_driver", "safe_url", "sync_url"]

_POSTGRES: Final = frozenset({
    "postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg", "postgresql+psycopg2",
    "postgres+psycopg", "postgres+asyncpg",
})  # fmt: skip
_SQLITE: Final = frozenset({"sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"})

_EXAMPLES: Final = (
    "write postgresql://user:password@host/database, clickhouse://user:password@host/database"
    " or sqlite:///path/to/file.db"
)

# Both sides of TLS have the same modes; only the parameter's name differs.
_SSL_MODES: Final = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_SSL_SPELLINGS: Final = {"true": "require", "1": "require", "on": "require", "false": "disable", "0": "disable"}

# asyncpg takes these by the same name, as keyword arguments.
_BOTH: Final = frozenset({"host", "port", "passfile", "target_session_attrs", "krbsrvname", "gsslib", "service"})
# asyncpg takes these from a DSN only; the rest of it arrives as server settings.
_BY_DSN: Final = frozenset({
    "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation",
    "ssl_min_protocol_version", "ssl_max_protocol_version", "application_name", "options",
})  # fmt: skip
# libpq's tuning without a counterpart: leaving it out changes no answer and no security.
_LIBPQ_TUNING: Final = frozenset({
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    "tcp_user_timeout", "fallback_application_name", "client_encoding", "sslcompression", "sslsni",
    "load_balance_hosts", "gssencmode",
})  # fmt: skip
_LIBPQ: Final = _BOTH | _BY_DSN | _LIBPQ_TUNING | {
    "sslmode", "channel_binding", "require_auth", "requirepeer", "hostaddr", "sslcrldir", "sslcertmode",
    "gssdelegation", "replication",
}  # fmt: skip
_ASYNCPG_TUNING: Final = frozenset({
    "timeout", "command_timeout", "statement_cache_size", "max_cached_statement_lifetime",
    "max_cacheable_statement_size", "prepared_statement_cache_size",
})  # fmt: skip
_SQLITE_PARAMETERS: Final = frozenset({
    "uri", "timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements",
})  # fmt: skip
_LIBRARIES: Final = {
    "psycopg": ("psycopg", "postgres", "psycopg"),
    "asyncpg": ("asyncpg", "postgres", "asyncpg"),
    "connect": ("clickhouse-connect", "clickhouse", "clickhouse_connect.cc_sqlalchemy"),
}
"""Driver → its library, the extra that brings it, and what to import of it."""


def sync_url(url: str | URL) -> URL:
    """The URL for the writer's and the migrations' driver: psycopg, sqlite3 or clickhouse-connect.

    Raises:
        ConfigurationError: not a database URL, another database, SQLite in memory, or a
            parameter the driver does not know; the message holds no password.
    """
    parsed = _parse(url)
    if parsed.drivername in _SQLITE:
        return _sqlite(parsed, url).set(drivername="sqlite+pysqlite")
    if parsed.drivername in CLICKHOUSE:
        return clickhouse_url(parsed, url)
    parsed, query = _postgres(parsed, url)
    for name in sorted(query):
        if name in _ASYNCPG_TUNING:
            del query[name]
        elif name not in _LIBPQ:
            raise _unmappable(url, name, "psycopg")
    return parsed.set(drivername="postgresql+psycopg", query=query)


def async_url(url: str | URL) -> URL:
    """The URL for the reader's driver: asyncpg, aiosqlite or clickhouse-connect.

    Raises:
        ConfigurationError: as ``sync_url``, or a parameter asyncpg has no counterpart for.
    """
    parsed = _parse(url)
    if parsed.drivername in _SQLITE:
        return _sqlite(parsed, url).set(drivername="sqlite+aiosqlite")
    if parsed.drivername in CLICKHOUSE:
        return clickhouse_url(parsed, url)
    parsed, query = _postgres(parsed, url)
    kept: dict[str, str | tuple[str, ...]] = {}
    by_dsn: dict[str, str] = {}
    for name, value in query.items():
        if name == "sslmode":
            kept["ssl"] = value
        elif name in _BOTH:
            kept[name] = value
        elif name in _BY_DSN:
            by_dsn[name] = _one(url, name, value)
        elif name not in _LIBPQ_TUNING | _ASYNCPG_TUNING and not (name == "channel_binding" and value != "require"):
            raise _unmappable(url, name, "asyncpg")
    if by_dsn:
        kept["dsn"] = "postgresql://?" + urllib.parse.urlencode(by_dsn, quote_via=urllib.parse.quote)
    return parsed.set(drivername="postgresql+asyncpg", query=kept)


def dialect_of(url: str | URL) -> str:
    """``"postgresql"``, ``"sqlite"`` or ``"clickhouse"``.

    Raises:
        ConfigurationError: not a database URL, or another database.
    """
    drivername = _parse(url).drivername
    if drivername in CLICKHOUSE:
        return "clickhouse"
    return "sqlite" if drivername in _SQLITE else "postgresql"


def require_driver(url: URL) -> None:
    """Import the driver a mapped URL needs, to be called where a connection is opened.

    Raises:
        MissingExtraError: it is not installed, or not usable (psycopg without libpq).
    """
    driver = url.drivername.partition("+")[2]
    if driver in _LIBRARIES:
        library, extra, module = _LIBRARIES[driver]
        theirs = logging.getLogger("urllib3")
        level = theirs.level
        try:
            importlib.import_module(module)
        except ImportError:
            raise MissingExtraError(library, extra) from None
        finally:
            theirs.setLevel(level)  # clickhouse-connect sets it at import, and it is the application's


def _parse(url: object) -> URL:
    from sqlalchemy.engine import URL, make_url  # noqa: PLC0415 - half a second, for those who have a URL
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - as above

    if not isinstance(url, (str, URL)):
        msg = f"a database URL is a str or a sqlalchemy URL, not {type(url).__name__}"
        raise ConfigurationError(msg)
    parsed = None
    with contextlib.suppress(ArgumentError, ValueError):
        parsed = make_url(url)
    if parsed is None:
        # Not from within a handler: the cause can hold a piece of the password, and would travel on as the context.
        msg = f"{safe_url(url)} is not a database URL: {_EXAMPLES}"
        raise ConfigurationError(msg)
    if parsed.drivername not in _POSTGRES | _SQLITE | CLICKHOUSE:
        msg = f"{safe_url(url)}: dblog stores in Postgres, SQLite or ClickHouse only: {_EXAMPLES}"
        raise ConfigurationError(msg)
    # "user:p@ss@host" parses, to a host or database that holds a piece of the password.
    ambiguous = url.partition("://")[2].count("@") > 1 if isinstance(url, str) else "@" in (parsed.host or "")
    if parsed.drivername not in _SQLITE and ambiguous:
        msg = f"{safe_url(url)} holds more than one @: write @ in a user name, password or parameter as %40"
        raise ConfigurationError(msg)
    return parsed


def _postgres(parsed: URL, url: str | URL) -> tuple[URL, dict[str, str | tuple[str, ...]]]:
    """The URL with libpq's ``?user=``, ``?password=`` and ``?dbname=`` in their places, and its other parameters."""
    query = dict(parsed.query)
    if "dsn" in query:  # of an engine made with async_url()
        query.update(urllib.parse.parse_qsl(_one(url, "dsn", query.pop("dsn")).partition("?")[2]))
    _normalise_ssl(query, url)
    for parameter, part in (("user", "username"), ("password", "password"), ("dbname", "database")):
        if parameter in query:
            value = _one(url, parameter, query.pop(parameter))
            if not getattr(parsed, part):
                parsed = parsed.set(**{part: value})  # type: ignore[arg-type]  # mypy takes the value for the port, too
    return parsed, query


def _one(url: str | URL, name: str, value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value
    msg = f"{safe_url(url)} gives {name} more than once"
    raise ConfigurationError(msg)


def _normalise_ssl(query: dict[str, str | tuple[str, ...]], url: str | URL) -> None:
    """Leave at most one of ``ssl`` and ``sslmode``, as ``sslmode`` with one of libpq's words."""
    given = [_one(url, name, query.pop(name)) for name in ("ssl", "sslmode") if name in query]
    modes = {_SSL_SPELLINGS.get(value.lower(), value.lower()) for value in given}
    if len(modes) > 1:
        msg = f"{safe_url(url)} gives both ssl and sslmode, and they differ"
        raise ConfigurationError(msg)
    for mode in modes:
        if mode not in _SSL_MODES:
            msg = f"{safe_url(url)}: sslmode={mode!r} is not one of {', '.join(sorted(_SSL_MODES))}"
            raise ConfigurationError(msg)
        query["sslmode"] = mode


def _unmappable(url: str | URL, name: str, driver: str) -> ConfigurationError:
    # An unknown name may be the end of a password that held a bare `&`.
    known = name in _LIBPQ | _ASYNCPG_TUNING or "pass" not in str(url)
    shown = f"the parameter {name}" if known and re.fullmatch(r"[a-z_]{1,40}", name) else "a parameter"
    return ConfigurationError(f"{safe_url(url)}: {shown} has no meaning for {driver}, remove it")


def _sqlite(parsed: URL, url: str | URL) -> URL:
    if parsed.host or parsed.username or parsed.password or parsed.port:
        msg = f"{safe_url(url)}: an SQLite URL names no host; write sqlite:/// and then the path"
        raise ConfigurationError(msg)
    query = parsed.query
    uri = str(query.get("uri", "")).lower() in ("true", "1", "yes", "on")
    path = parsed.database or ""
    if path in ("", ":memory:") or (uri and _in_memory(path, query)):
        msg = "SQLite in memory keeps nothing for a reader to see: use a file, or dblog.testing.MemorySink in tests"
        raise ConfigurationError(msg)
    if not uri and (unknown := sorted(set(query) - _SQLITE_PARAMETERS)):
        raise _unmappable(url, unknown[0], "SQLite without uri=true")
    return parsed.set(database=_absolute_uri(path) if uri else str(Path(path).absolute()))


def _in_memory(path: str, query: Mapping[str, str | tuple[str, ...]]) -> bool:
    location, _, inline = path.removeprefix("file:").partition("?")
    return location in ("", ":memory:") or query.get("mode") == "memory" or "mode=memory" in inline


def _absolute_uri(path: str) -> str:
    scheme, location = ("file:", path[5:]) if path.startswith("file:") else ("", path)
    if location.startswith("/"):
        return path
    return f"{scheme}{Path(location).absolute()}"
