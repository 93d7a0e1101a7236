"""dblog's own SQLAlchemy engine: never the application's pool, never a password in an error."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from dblog.errors import ErrorClass, StoreError
from dblog.store.borrowed import Borrowed, borrow

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from dblog.options import Options

__all__ = ["MOST_MS", "Target", "keep_for_ever", "milliseconds"]

MOST_MS: Final = 2**31 - 1
"""Milliseconds at most of any timeout: PostgreSQL, libpq and SQLite keep them in 32 bits."""


def milliseconds(seconds: float) -> int:
    """As databases take them: an int4, never 0, which would mean for ever."""
    return max(1, min(math.ceil(seconds * 1000), MOST_MS))


def keep_for_ever(*inherited: object) -> None:
    """In a forked child: what belongs to the parent is never finalised, not even at exit.

    A finaliser would speak on the parent's connection: SQLAlchemy's rolls back what the parent has begun.
    """
    for each in inherited:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))


class Target:
    """Where to connect and how; makes engines, opens nothing.

    Args:
        url: mapped to psycopg, pysqlite or clickhouse-connect already.
        engine: the application's, whose way to connect is used as far as our driver knows it.
        options: the handler's.
        password: a text, or a callable asked at each connect.
        password_file: read at each connect.

    Raises:
        ConfigurationError: the engine connects in a way our driver does not know.
    """

    def __init__(
        self,
        url: sa.URL,
        engine: sa.Engine | None,
        options: Options,
        password: str | Callable[[], str] | None = None,
        password_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.url = url
        self._options = options
        self._password = password
        self._password_file = password_file
        driver = url.get_dialect()().driver
        self._borrowed = Borrowed() if engine is None else borrow(engine, driver)
        # For what it imports: a process forked while its writer imports has that module locked for ever.
        self.engine()

    def engine(self) -> sa.Engine:
        """A new engine that keeps no pool: a writer holds one connection."""
        creator = self._borrowed.creator
        extra: dict[str, Any] = {} if creator is None else {"creator": creator}
        engine = sa.create_engine(
            self.url, poolclass=NullPool, hide_parameters=True, connect_args=self._connect_args(), **extra
        )
        if self._password is not None or self._password_file is not None:
            event.listen(engine, "do_connect", self._give_password)
        for listener in self._borrowed.listeners:
            event.listen(engine, "do_connect", listener)
        return engine

    def conninfo(self) -> dict[str, Any] | None:
        """Parameters of libpq without the password, for a cheap look at the server; None where they are not known."""
        _, parameters = self.url.get_dialect()().create_connect_args(self.url)
        known = {**parameters, **self._borrowed.arguments}
        if self._borrowed.creator is not None and not {"host", "hostaddr", "service"} & set(known):
            return None
        return {key: value for key, value in known.items() if key not in {"password", "sslpassword"}}

    @property
    def embedded(self) -> bool:
        """Whether nothing is sent anywhere: ClickHouse's engine in this process, or a creator of the application's."""
        return self._borrowed.creator is not None or self.url.query.get("interface") == "chdb"

    def address(self) -> tuple[str, int, bool, str] | None:
        """Host, port, whether TLS is spoken there, and a proxy's path (ClickHouse); None where they are not known."""
        if self.embedded:
            return None
        known = {**self.url.query, **self._borrowed.arguments}
        port = self.url.port or known.get("port")
        secure = str(known.get("secure", "")).lower() == "true" or str(port) in {"443", "8443"}
        path = f"/{str(known['proxy_path']).strip('/')}" if known.get("proxy_path") else ""
        return str(self.url.host or known.get("host")), int(port or (8443 if secure else 8123)), secure, path

    def _connect_args(self) -> dict[str, Any]:
        if self._borrowed.creator is not None:
            return {}
        given = dict(self._borrowed.arguments)
        if self.url.drivername.startswith("clickhouse"):
            return self._of_clickhouse(given)
        if self.url.drivername.startswith("sqlite"):
            # The watchdog interrupts from another thread; busy waiting is set per connection.
            seconds = min(self._options.connect_timeout, MOST_MS / 1000)
            return given | {"check_same_thread": False, "isolation_level": None, "timeout": seconds}
        defaults: dict[str, Any] = {
            "application_name": f"dblog {self._options.service}" if self._options.service else "dblog",
            "connect_timeout": math.ceil(min(self._options.connect_timeout, MOST_MS / 1000)),
            "client_encoding": "utf8",
            "tcp_user_timeout": milliseconds(self._options.operation_timeout),
        }
        defaults = {key: value for key, value in defaults.items() if key not in self.url.query}
        if "options" in given and isinstance(also := self.url.query.get("options"), str):
            given["options"] = f"{also} {given['options']}"
        # Server-side prepared statements do not survive a transaction pooler.
        return defaults | given | {"prepare_threshold": None}

    def _of_clickhouse(self, given: dict[str, Any]) -> dict[str, Any]:
        if self.url.query.get("interface") == "chdb":
            return given
        defaults: dict[str, Any] = {
            "client_name": f"dblog {self._options.service}" if self._options.service else "dblog",
            "connect_timeout": math.ceil(min(self._options.connect_timeout, MOST_MS / 1000)),
            "send_receive_timeout": math.ceil(min(self._options.operation_timeout, MOST_MS / 1000)),
        }
        defaults = {key: value for key, value in defaults.items() if key not in self.url.query}
        # A session would tie the writer to one node behind a load balancer; what is tried again, the writer decides.
        return defaults | given | {"autogenerate_session_id": False, "query_retries": 0}

    def _give_password(self, _dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        try:
            parameters["password"] = self._secret()
        except Exception as error:  # noqa: BLE001 - the user's code, or a file that is not there
            raise StoreError(ErrorClass.CONFIGURATION, type(error).__name__, "the password cannot be had") from None

    def _secret(self) -> str:
        if callable(self._password):
            return self._password()
        if self._password is not None or self._password_file is None:
            return self._password or ""
        return Path(self._password_file).read_text(encoding="utf-8").rstrip("\r\n")
