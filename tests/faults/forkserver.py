"""The process that systems under test are forked from: it has imported what they need, and has no thread.

Run as a program with the descriptor of a socket (``python -m tests.faults.forkserver 3``).
Each message on it is an order: start a system, with its descriptors; or tell how one
ended. A system ends as a program does, through the interpreter's own end.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import sys
from typing import Any

import sqlalchemy as sa

import dblog.store.postgres
import dblog.store.sqlite
from tests.faults import sut

STORES = (dblog.store.postgres, dblog.store.sqlite)
"""What a handler loads when it is made: a tenth of a second, of a life that may last no longer."""


def serve(door: socket.socket) -> dict[str, Any] | None:
    """Fork what is ordered. In a child: its order; in the server: None, once nobody orders any more."""
    while True:
        text, fds, _, _ = socket.recv_fds(door, 65_536, 3)
        if not text:
            return None
        order = json.loads(text)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            door.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())
            continue
        child = os.fork()
        if not child:
            return {**order, "fds": fds}
        for fd in fds:
            os.close(fd)
        door.send(json.dumps(child).encode())


def main() -> None:
    """Serve; in a child be a system under test."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for url in ("sqlite://", "postgresql+psycopg://"):
        sa.create_engine(url)  # loads the dialect, and connects to nothing
    with socket.socket(fileno=int(sys.argv[1])) as door:
        order = serve(door)
    if order is None:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    control, acks, errors = order.pop("fds")
    os.dup2(errors, 2)
    os.close(errors)
    faulthandler.dump_traceback_later(order["longest"], exit=True, file=2)
    with socket.socket(fileno=control) as orders:
        sut.System(order, orders, acks).run()


if __name__ == "__main__":
    main()
