"""The proxy that misbehaves: what passes is what was sent, what is cut is cut where it was told to be."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.testing import FaultProxy
from tests.oracle import examples, until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Echo:
    """A server that says what it is told, over TCP or a Unix socket where a PostgreSQL server would have it."""

    def __init__(self, folder: Path | None) -> None:
        self.got = bytearray()
        if folder is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.url = f"postgresql://me:secret@127.0.0.1:{self._listener.getsockname()[1]}/db?sslmode=disable"
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(folder / ".s.PGSQL.77"))
            self._listener.listen()
            self.url = f"postgresql://me:secret@/db?host={folder}&port=77&sslmode=disable"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    while data := connection.recv(65_536):
                        self.got += data
                        connection.sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture(params=["tcp", "unix"])
def echo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echo]:
    """A server of either kind."""
    with tempfile.TemporaryDirectory(prefix="echo-") as folder:
        server = Echo(Path(folder) if request.param == "unix" else None)
        yield server
        server.close()


def connect(proxy: FaultProxy) -> socket.socket:
    """A connection to a proxy, by its URL alone."""
    parts = urlsplit(proxy.url)
    query = dict(parse_qsl(parts.query))
    assert (parts.username, parts.password, parts.path, query["sslmode"]) == ("me", "secret", "/db", "disable")
    if "host" not in query:
        return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10)
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(10)
    made.connect(f"{query['host']}/.s.PGSQL.{query['port']}")
    return made


def said(connection: socket.socket, size: int) -> bytes:
    """So many bytes of an answer."""
    got = b""
    while len(got) < size and (data := connection.recv(65_536)):
        got += data
    return got


@pytest.mark.parametrize("fault", ["heal", "delay", "slices", "black_hole"])
def test_a_bad_line_loses_and_changes_nothing(echo: Echo, fault: str) -> None:
    """Delayed, sliced or held back and released: what arrives is what was sent."""
    with FaultProxy(echo.url) as proxy, connect(proxy) as connection:
        arguments: dict[str, tuple[Any, ...]] = {"delay": (0.005,), "slices": (3,)}
        tell: Any = partial(getattr(proxy, fault), *arguments.get(fault, ()))
        tell()

        @given(st.binary(min_size=1, max_size=2000))
        @examples(8)
        def passes(data: bytes) -> None:
            connection.sendall(data)
            if fault == "black_hole":
                until(lambda: proxy.fired)
                proxy.heal()
            assert said(connection, len(data)) == data
            tell()

        passes()
        assert proxy.connections == 1


def test_a_limit_is_kept_to_the_byte(echo: Echo) -> None:
    """The server gets what is below it, then the connection ends; the next one has the same again."""
    with FaultProxy(echo.url) as proxy:
        proxy.limit_bytes(100)
        for _ in range(2):
            before = len(echo.got)
            with connect(proxy) as connection, contextlib.suppress(ConnectionError):
                connection.sendall(b"x" * 60)
                assert said(connection, 60) == b"x" * 60
                connection.sendall(b"y" * 60)
                assert len(said(connection, 61)) <= 40
            until(lambda before=before: len(echo.got) == before + 100)  # type: ignore[misc]  # mypy infers no type for a default
        assert proxy.fired == 2


def test_a_reply_is_cut_once_the_server_has_spoken(echo: Echo) -> None:
    """The server has all of it, the client nothing; once only."""
    with FaultProxy(echo.url) as proxy:
        proxy.cut_after(b"COMMIT")
        with connect(proxy) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(b"COMMIT\0")
            assert said(connection, 7) == b""
        assert (bytes(echo.got), proxy.fired) == (b"COMMIT\0", 1)
        with connect(proxy) as connection:
            connection.sendall(b"COMMIT\0")
            assert said(connection, 7) == b"COMMIT\0"


def test_connections_end_when_told(echo: Echo) -> None:
    """Reset at the next byte; cut at once; and with the proxy."""
    with FaultProxy(echo.url) as proxy:
        proxy.reset()
        with connect(proxy) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(b"hello")
            assert said(connection, 5) == b""
        assert proxy.fired >= 1
        proxy.heal()
        with connect(proxy) as connection:
            connection.sendall(b"hello")
            assert said(connection, 5) == b"hello"
            proxy.cut()
            assert said(connection, 5) == b""
        left = connect(proxy)
    with left, contextlib.suppress(ConnectionError):
        assert said(left, 1) == b""


def test_a_server_that_is_away_closes_the_connection(echo: Echo) -> None:
    """As a refused connection, a moment later."""
    with FaultProxy(echo.url) as proxy:
        echo.close()
        with connect(proxy) as connection, contextlib.suppress(ConnectionError):
            assert said(connection, 1) == b""
        assert proxy.connections == 1
