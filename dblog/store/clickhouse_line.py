"""The sockets of one ClickHouse client, which another thread can cut.

clickhouse-connect speaks HTTP through urllib3, and urllib3 keeps a connection to itself
while it is in use. So the pool handed to a client makes connections that make themselves
known here. What is cut stays cut until it is mended: the driver answers a connection
that was closed under it by opening the next one and sending everything again.
"""

from __future__ import annotations

import os
import socket
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from clickhouse_connect.driver import httputil
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.poolmanager import PoolManager

__all__ = ["Line"]

_FALSE: Final = frozenset({"false", "0", "no", "off"})


class Line:
    """Makes pools whose connections ``cut`` frees from a call that hangs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        self._cut = False

    def pool(self, parameters: Mapping[str, Any]) -> PoolManager:
        """A pool as the driver would make one of these connect parameters."""
        secure = str(parameters.get("secure", "")).lower() == "true" or parameters.get("port") in {443, 8443}
        host, port = parameters.get("host") or "localhost", int(parameters.get("port") or 0)
        options: dict[str, Any] = {name: parameters[name] for name in _TLS if parameters.get(name)}
        if str(parameters.get("verify", "")).lower() in _FALSE:
            options["verify"] = False
        if secure and (name := parameters.get("server_host_name")):
            options |= {"server_hostname": name} | ({} if options.get("verify") is False else {"assert_hostname": name})
        scheme = "https" if secure else "http"
        proxy = parameters.get(f"{scheme}_proxy") or httputil.check_env_proxy(scheme, host, port)
        if proxy:
            options[f"{scheme}_proxy"] = proxy
        manager: PoolManager = httputil.get_pool_manager(**options)
        manager.pool_classes_by_scheme = self._classes()
        return manager

    def cut(self) -> None:
        """Shut every socket down, from any thread: a blocked call returns, and no other begins until ``mend``."""
        with self._lock:
            self._cut = True
            sockets = [connection.sock for connection in self._connections]
        for each in sockets:
            # Of a duplicate: TLS's own shutdown would talk to the other side first. AttributeError: not open yet.
            with (
                suppress(OSError, AttributeError),
                socket.socket(fileno=os.dup(each.fileno())) as duplicate,
            ):
                duplicate.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Connections may be opened again."""
        self._cut = False

    def _open(self, connection: Any) -> None:
        with self._lock:
            if self._cut:
                raise ConnectionAbortedError("this call was given up")
            self._connections.add(connection)

    def _classes(self) -> dict[str, Any]:
        """urllib3's classes, by scheme, with connections that are known here."""
        line = self

        class _Plain(HTTPConnection):
            def connect(self) -> None:
                line._open(self)
                super().connect()

        class _Secure(HTTPSConnection):
            def connect(self) -> None:
                line._open(self)
                super().connect()

        class _PlainPool(HTTPConnectionPool):
            ConnectionCls = _Plain

        class _SecurePool(HTTPSConnectionPool):
            ConnectionCls = _Secure

        return {"http": _PlainPool, "https": _SecurePool}


_TLS: Final = ("ca_cert", "client_cert", "client_cert_key")
