"""A proxy between a writer and its server that misbehaves on request, and counts how often it did.

It passes bytes and knows no protocol, but for one thing: where a connection is to
be cut after a COMMIT, it waits for the server to say that the COMMIT is complete.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FaultProxy"]

_PIECE = 65_536
_COMMIT_COMPLETE = b"COMMIT\0"
_RESET = struct.pack("ii", 1, 0)
_HELD_AT_MOST = 60.0
"""Seconds a piece is held back; then it passes, whatever the fault."""


@dataclass
class _Link:
    """One connection through the proxy."""

    client: socket.socket
    server: socket.socket
    passed: int = 0
    """Bytes to the server."""
    cutting: bool = False
    """What the server says from now on is for nobody."""
    open: int = 2
    """Directions still pumping."""

    def ends(self) -> tuple[socket.socket, socket.socket]:
        return self.client, self.server

    def shut(self) -> None:
        for end in self.ends():
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _Place:
    """Where the server is, and what stands in its place: TCP for TCP, a Unix socket for a Unix socket."""

    def __init__(self, url: str) -> None:
        self._parts = parts = urlsplit(url)
        self._query = dict(parse_qsl(parts.query))
        self._login, at, place = parts.netloc.rpartition("@")
        self._login += at
        if place.startswith(("[", "%5B")) or not place:
            host, port = parts.hostname or "", parts.port
        else:
            name, _, number = place.partition(":")
            host, port = unquote(name), int(number) if number else None
        self.host = host or self._query.get("host") or "127.0.0.1"
        self.port = port or int(self._query.get("port") or 5432)
        self._folder: Path | None = None
        self.listener = self._listen()

    @property
    def unix(self) -> bool:
        return self.host.startswith("/")

    def _listen(self) -> socket.socket:
        if not self.unix:
            return socket.create_server(("127.0.0.1", 0))
        self._folder = Path(tempfile.mkdtemp(prefix="dblog-"))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._folder / f".s.PGSQL.{self.port}"))
        listener.listen()
        return listener

    def connect(self) -> socket.socket:
        if not self.unix:
            server = socket.create_connection((self.host, self.port), timeout=5)
            server.settimeout(None)
            return server
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(Path(self.host) / f".s.PGSQL.{self.port}"))
        except OSError:
            server.close()
            raise
        return server

    def url(self) -> str:
        query = {name: value for name, value in self._query.items() if name not in {"host", "port"}}
        if self._folder is not None:
            netloc, query = self._login, {"host": str(self._folder), "port": str(self.port), **query}
        else:
            netloc = f"{self._login}127.0.0.1:{self.listener.getsockname()[1]}"
        return urlunsplit(self._parts._replace(netloc=netloc, query=urlencode(query, safe="/")))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class FaultProxy:
    """Passes bytes until told otherwise: ``with FaultProxy(url) as proxy: … DatabaseHandler(proxy.url)``.

    One fault at a time: each of the methods takes the place of the one before. ``cut_after`` looks for a text, so the
    connection must be without TLS for it.

    Args:
        url: where the server is, such as ``postgresql://user@host/db``; with a directory as its host
            (``postgresql://user@/db?host=/run/postgresql``) both sides are Unix sockets.

    Attributes:
        fired: how often the fault of the moment took effect since it was set.
        connections: how many were accepted.
    """

    def __init__(self, url: str) -> None:
        self._place = _Place(url)
        self._mode = "pass"
        self._argument: float = 0
        self._needle = b""
        self._change = threading.Condition()
        self._links: list[_Link] = []
        self._threads: list[threading.Thread] = []
        self._closed = False
        self.fired = 0
        self.connections = 0
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        """The given URL with the proxy in the server's place."""
        return self._place.url()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._set("pass")
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._place.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    # -- faults -----------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Pass everything from now on, what was held back included."""
        self._set("pass")

    def delay(self, seconds: float) -> None:
        """Hold every piece back for so long, in both directions."""
        self._set("delay", seconds)

    def slices(self, size: int = 1) -> None:
        """Pass the server's answers in pieces of so many bytes."""
        self._set("slices", size)

    def black_hole(self) -> None:
        """Take everything and pass nothing; new connections are accepted and as silent."""
        self._set("black_hole")

    def reset(self) -> None:
        """End every connection at its next byte, by RST where it is TCP."""
        self._set("reset")

    def limit_bytes(self, count: int) -> None:
        """Pass so many bytes to the server, then close the connection; each connection anew."""
        self._set("limit_bytes", count)

    def cut_after(self, needle: bytes = b"COMMIT") -> None:
        """Once: pass what holds ``needle`` to the server, wait for its answer, and cut without passing that on."""
        self._needle = needle
        self._set("cut_after")

    def cut(self) -> None:
        """Close every connection of the moment."""
        for link in list(self._links):
            link.shut()

    def _set(self, mode: str, argument: float = 0) -> None:
        with self._change:
            self._mode, self._argument, self.fired = mode, argument, 0 if mode != "pass" else self.fired
            self._change.notify_all()

    # -- threads ----------------------------------------------------------------------------------------------

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="fault-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._place.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = self._place.connect()
            except OSError:
                client.close()
                continue
            if not self._place.unix:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(client, server)
            self._links.append(link)
            if self._closed:  # accepted beside its end: nobody else would
                link.shut()
            for upward in (True, False):
                self._spawn(self._pump, link, upward)

    def _pump(self, link: _Link, upward: bool) -> None:
        source, target = link.ends() if upward else link.ends()[::-1]
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                if not (self._up(link, data) if upward else self._down(link, data)):
                    break
        link.shut()
        with self._change:
            link.open -= 1
            last = not link.open
        if last:
            source.close()
            target.close()

    def _up(self, link: _Link, data: bytes) -> bool:
        """Do with one piece for the server what the fault asks for; False to end the connection."""
        if self._mode == "limit_bytes":
            room = int(self._argument) - link.passed
            link.passed += len(data)
            if len(data) > room:
                self._fire()
                link.server.sendall(data[: max(room, 0)])
                return False
        elif self._mode == "cut_after" and self._needle in data:
            link.cutting = True
            self._fire()
            self._mode = "pass"
        elif not self._either(link):
            return False
        link.server.sendall(data)
        return True

    def _down(self, link: _Link, data: bytes) -> bool:
        """The same for one piece of the server's answers."""
        if link.cutting:
            return self._needle == b"COMMIT" and _COMMIT_COMPLETE not in data
        if not self._either(link):
            return False
        size = len(data)
        if self._mode == "slices":
            self._fire()
            size = max(1, int(self._argument))
        for start in range(0, len(data), size):
            link.client.sendall(data[start : start + size])
        return True

    def _either(self, link: _Link) -> bool:
        mode = self._mode
        if mode in {"black_hole", "delay"}:
            self._fire()
            with self._change:
                held = self._argument if mode == "delay" else _HELD_AT_MOST
                self._change.wait_for(lambda: self._mode != mode or self._closed, held)
        elif mode == "reset":
            self._fire()
            for end in () if self._place.unix else link.ends():
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        return True

    def _fire(self) -> None:
        with self._change:
            self.fired += 1
