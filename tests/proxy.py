"""A TCP proxy between a writer and its PostgreSQL that misbehaves on request, and counts how often it did."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 65_536
_COMMIT_COMPLETE = b"COMMIT\0"
_RESET = struct.pack("ii", 1, 0)


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


class FaultProxy:
    """Passes bytes until told otherwise; use as a context manager.

    Attributes:
        fired: how often the fault of the moment took effect since it was set.
        connections: how many were accepted.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._parts = parts
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
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
        """The given URL with the proxy in the server's place, without TLS."""
        login = self._parts.netloc.rpartition("@")[0]
        port = self._listener.getsockname()[1]
        netloc = f"{login}@127.0.0.1:{port}" if login else f"127.0.0.1:{port}"
        return urlunsplit(self._parts._replace(netloc=netloc))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._set("pass")
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
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
        """Take everything and pass nothing."""
        self._set("black_hole")

    def reset(self) -> None:
        """RST every connection at its next byte."""
        self._set("reset")

    def limit_bytes(self, count: int) -> None:
        """Pass so many bytes to the server, then close the connection; each connection anew."""
        self._set("limit_bytes", count)

    def cut_after(self, needle: bytes) -> None:
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
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self._server, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(client, server)
            self._links.append(link)
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
        if not link.open:
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
            size = int(self._argument)
        for start in range(0, len(data), size):
            link.client.sendall(data[start : start + size])
        return True

    def _either(self, link: _Link) -> bool:
        if self._mode == "black_hole":
            self._fire()
            with self._change:
                self._change.wait_for(lambda: self._mode != "black_hole" or self._closed, 60)
        elif self._mode == "delay":
            self._fire()
            time.sleep(self._argument)
        elif self._mode == "reset":
            self._fire()
            for end in link.ends():
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        return True

    def _fire(self) -> None:
        with self._change:
            self.fired += 1
