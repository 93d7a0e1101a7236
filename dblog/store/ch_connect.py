"""One client of ClickHouse: made, freed from another thread, given up; and a look whether the server is there."""

from __future__ import annotations

import abc
import http.client
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

from dblog.errors import StoreError
from dblog.store.clickhouse_line import Line
from dblog.store.clickhouse_quiet import quietly
from dblog.store.connect import keep_for_ever
from dblog.store.errors import connect_error
from dblog.store.errors_clickhouse import clickhouse_error

if TYPE_CHECKING:
    import sqlalchemy as sa

    from dblog.store.connect import Target

__all__ = ["ChConnection"]

_LOOK: Final = 1.0
"""Seconds to wait for an answer when nothing but an answer is wanted."""


class ChConnection(abc.ABC):
    """The half of a sink that connects."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._engine: sa.Engine | None = None
        self._held: Any = None
        """SQLAlchemy's proxy of the one connection."""
        self._client: Any = None
        self._line = Line()
        self._lock = threading.Lock()

    def reachable(self) -> bool:
        """Whether the server answers ``/ping``, asked without logging in; True where its address is not known."""
        parameters = self._target.address()
        if parameters is None:
            return True
        host, port, secure, path = parameters
        try:
            connection = _door(host, port, secure=secure)
            try:
                connection.request("GET", f"{path}/ping")
                return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return False

    def abort(self) -> None:
        """Shut the sockets down under a blocked call: it returns at once."""
        self._line.cut()

    def close(self) -> None:
        """Close the client; the next call makes another."""
        with self._lock:
            held, self._held, self._client = self._held, None, None
        if held is not None:
            with suppress(Exception):
                held.invalidate()

    def abandon(self) -> None:
        """In a forked child: keep the parent's client for ever, unused."""
        keep_for_ever(self._held, self._client, self._engine, self._line)
        self._held = self._client = self._engine = None
        self._line = Line()
        self._lock = threading.Lock()

    @abc.abstractmethod
    def _prepare(self, client: Any) -> None:
        """What the sink asks of a new client first."""

    def _open(self) -> Any:
        self._line.mend()
        return self._client or self._connect()

    def _connect(self) -> Any:
        try:
            if self._engine is None:
                self._engine = self._target.engine()
                if not self._target.embedded:
                    event.listen(self._engine, "do_connect", self._give_line)
            with quietly():
                self._held = self._engine.raw_connection()
                client = self._held.driver_connection.client
                if hasattr(client, "http_retries"):
                    client.http_retries = 0  # the writer tries again, and tells its observers
                self._prepare(client)
        except StoreError:
            self.close()
            raise
        except Exception as error:  # noqa: BLE001 - classified
            self.close()
            raise connect_error(clickhouse_error(error)) from None
        self._client = client
        return client

    def _give_line(self, _dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        parameters["pool_mgr"] = self._line.pool(parameters)


def _door(host: str, port: int, *, secure: bool) -> http.client.HTTPConnection:
    if not secure:
        return http.client.HTTPConnection(host, port, timeout=_LOOK)
    # Nothing is told to whoever answers; a certificate that is wrong is the next call's to find.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=_LOOK, context=context)
