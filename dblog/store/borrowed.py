"""What an application's engine knows of its connections, for connections of dblog's own.

SQLAlchemy keeps the ``connect_args`` of ``create_engine`` in the closure of the function its pool calls, and
nowhere else (2.0 and 2.1). What they say is taken over, in the words of our driver. What cannot be, above all what
another driver is told about TLS, is refused: to leave it out in silence would connect in another way.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import sqlalchemy as sa

__all__ = ["Borrowed", "borrow"]

_OURS: Final = frozenset({"psycopg", "pysqlite", "connect"})
_OF_A_DRIVER: Final = frozenset({
    # psycopg's, psycopg2's: how they speak with an application, not where they connect
    "autocommit", "context", "row_factory", "cursor_factory", "connection_factory", "prepare_threshold",
    "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    # asyncpg's
    "timeout", "command_timeout", "statement_cache_size", "max_cached_statement_lifetime",
    "max_cacheable_statement_size", "prepared_statement_cache_size", "prepared_statement_name_func", "loop",
    "connection_class", "record_class", "async_fallback",
})  # fmt: skip
"""Left out: they change neither where a connection goes nor how safely."""
_OF_SQLITE: Final = frozenset({"uri", "detect_types", "factory", "cached_statements"})
_OF_SQLITE_ALONE: Final = frozenset({"check_same_thread", "isolation_level", "timeout", "autocommit"})
_OF_AIOSQLITE: Final = frozenset({"iter_chunk_size", "loop"})
_LIBPQ: Final = frozenset({
    "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "application_name",
    "fallback_application_name", "options", "service", "connect_timeout", "client_encoding", "tcp_user_timeout",
    "channel_binding", "require_auth", "requirepeer", "target_session_attrs", "load_balance_hosts",
    "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslcrldir", "sslcertmode", "sslsni",
    "sslnegotiation", "sslcompression", "ssl_min_protocol_version", "ssl_max_protocol_version",
    "krbsrvname", "gssencmode", "gsslib", "gssdelegation",
})  # fmt: skip
_ASYNCPG: Final = {
    "database": "dbname",
    **{name: name for name in ("host", "port", "user", "password", "passfile", "krbsrvname", "gsslib", "service")},
}
_SSL: Final[dict[object, dict[str, str]]] = {
    True: {"sslmode": "verify-full", "sslrootcert": "system"},
    False: {"sslmode": "disable"},
}


@dataclass(frozen=True, slots=True)
class Borrowed:
    """What of an engine serves our connections."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Beyond the engine's URL, for our driver."""
    creator: Callable[..., Any] | None = None
    """A function of the application's that makes connections of our driver."""
    listeners: tuple[Callable[..., Any], ...] = ()
    """The application's, of ``do_connect``: they give passwords that expire, for example."""


def borrow(engine: sa.Engine, driver: str) -> Borrowed:
    """What serves connections of ``driver``.

    Raises:
        ConfigurationError: the engine connects in a way that is not known for this driver.
    """
    theirs = engine.dialect.driver
    listeners = tuple(getattr(engine.dialect.dispatch, "do_connect", ()))
    creator = getattr(engine.pool, "_creator", None)
    given = _closure(creator)
    ours = theirs == driver and theirs in _OURS
    if given is None:
        if ours and callable(creator):
            return Borrowed(creator=creator)
        raise ConfigurationError(
            f"engine= makes its {theirs} connections by a creator of its own: give the URL instead"
        )
    if listeners and not ours:
        raise ConfigurationError(
            f"engine= listens to do_connect of {theirs}: give the URL instead, password= may be a callable"
        )
    by_url = engine.dialect.create_connect_args(engine.url)[1]
    more = {name: value for name, value in given.items() if by_url.get(name, _ABSENT) != value}
    if driver == "connect":
        if not ours:
            _refuse_others(more, (), theirs)
        return Borrowed(more, listeners=listeners)
    if driver == "pysqlite":
        return Borrowed(_of_sqlite(more, theirs), listeners=listeners)
    translate = _of_asyncpg if theirs == "asyncpg" else _of_libpq
    return Borrowed(translate(more, theirs), listeners=listeners)


_ABSENT: Final = object()


def _closure(creator: object) -> Mapping[str, Any] | None:
    """The connect arguments, of SQLAlchemy's own function; None of another one."""
    if not inspect.isfunction(creator) or not str(creator.__module__).startswith("sqlalchemy."):
        return None
    found = inspect.getclosurevars(creator).nonlocals.get("cparams")
    return found if hasattr(found, "items") else None


def _of_sqlite(given: Mapping[str, Any], theirs: str) -> dict[str, Any]:
    _refuse_others(given, _OF_SQLITE | _OF_SQLITE_ALONE | (_OF_AIOSQLITE if theirs == "aiosqlite" else set()), theirs)
    return {name: value for name, value in given.items() if name in _OF_SQLITE}


def _of_libpq(given: Mapping[str, Any], theirs: str) -> dict[str, Any]:
    if theirs != "psycopg":
        _refuse_others(given, _LIBPQ | _OF_A_DRIVER, theirs)
    return {name: value for name, value in given.items() if name not in _OF_A_DRIVER}


def _of_asyncpg(given: Mapping[str, Any], theirs: str) -> dict[str, Any]:
    mapped: dict[str, Any] = {}
    unknown: set[str] = set()
    for name, value in given.items():
        plain = value is None or isinstance(value, str | int)
        if name == "ssl" and isinstance(value, str):
            mapped["sslmode"] = str(value)
        elif name == "ssl" and (value is None or isinstance(value, bool)):
            mapped.update({} if value is None else _SSL[value])
        elif name == "server_settings" and hasattr(value, "items"):
            mapped.update(_settings(value))
        elif name == "target_session_attrs":
            mapped[name] = getattr(value, "value", value)
        elif name == "direct_tls":
            mapped.update({"sslnegotiation": "direct"} if value else {})
        elif name in {"host", "port"} and isinstance(value, list | tuple):
            mapped[name] = ",".join(map(str, value))
        elif name in _ASYNCPG and plain:
            mapped.update({} if value is None else {_ASYNCPG[name]: value})
        elif name not in _OF_A_DRIVER:
            unknown.add(name)
    _refuse_others(unknown, (), theirs)
    return mapped


def _settings(given: Mapping[str, object]) -> dict[str, str]:
    """What asyncpg calls ``server_settings``, as libpq's parameters."""
    rest = {name: str(value) for name, value in given.items()}
    mapped = {"application_name": rest.pop("application_name")} if "application_name" in rest else {}
    # In `options` a blank separates, unless a backslash is before it.
    escaped = [f"{name}={value}".replace("\\", "\\\\").replace(" ", "\\ ") for name, value in rest.items()]
    options = [f"-c {setting}" for setting in escaped]
    return {**mapped, "options": " ".join(options)} if options else mapped


def _refuse_others(given: Mapping[str, Any] | set[str], known: frozenset[str] | tuple[()], theirs: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ConfigurationError(
            f"engine= tells {theirs} {unknown[0]}=…, which has no counterpart here: give the URL instead"
        )
