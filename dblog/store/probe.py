"""A look at a PostgreSQL server without logging in, while the process goes on.

libpq's own ``PQping`` does the same, but psycopg calls it holding the interpreter's
lock: before a black hole, every thread of the application stood still for a second.
And it keeps the server's SQLSTATE to itself.
"""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import suppress

from psycopg import pq

__all__ = ["ask"]

_LATER = frozenset({"57P03"})
"""What a server says that will take sessions later: starting up, shutting down, in recovery."""
_GREETING = 4096


def ask(conninfo: str, timeout: float) -> str | None:
    """What the server answers to somebody who wants in.

    Args:
        conninfo: libpq's parameters, without the password.
        timeout: seconds, names included if the resolver is quick.

    Returns:
        None when nobody answers or the server does not take sessions yet, the SQLSTATE when it refuses,
        and "" when it would go on talking.
    """
    deadline = time.monotonic() + timeout
    attempt = pq.PGconn.connect_start(conninfo.encode())
    heard = False
    try:
        while attempt.status != pq.ConnStatus.BAD:
            polled = attempt.connect_poll()
            if polled == pq.PollingStatus.OK:
                return ""
            if polled == pq.PollingStatus.FAILED:  # not with us: no TLS, for example
                return "" if heard else None
            reading = polled == pq.PollingStatus.READING
            if not _wait(attempt.socket, select.POLLIN if reading else select.POLLOUT, deadline):
                return None
            message = _peek(attempt.socket) if reading else b""
            heard = heard or bool(message)
            if message and attempt.status == pq.ConnStatus.AWAITING_RESPONSE:
                return "" if attempt.ssl_in_use else _state(message)
    finally:
        attempt.finish()
    return None


def _wait(descriptor: int, wanted: int, deadline: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, wanted)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _peek(descriptor: int) -> bytes:
    """What the server said, without taking it from libpq; nothing when it hung up."""
    with socket.socket(fileno=os.dup(descriptor)) as line, suppress(OSError):
        return line.recv(_GREETING, socket.MSG_PEEK)
    return b""


def _state(message: bytes) -> str | None:
    """The SQLSTATE of an ErrorResponse (PostgreSQL 18, "Message Formats"), "" of any other message."""
    if message[:1] != b"E":
        return ""
    fields = {field[:1]: field[1:].decode("ascii", "replace") for field in message[5:].split(b"\0")}
    state = fields.get(b"C", "")
    return None if state in _LATER else state
