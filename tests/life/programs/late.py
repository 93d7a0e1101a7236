"""Ends while its database does not answer, with ``shutdown_timeout`` one second.

Usage: ``python late.py <durability> <way> <url> …``.
"""

from __future__ import annotations

import atexit
import faulthandler
import logging
import sys
import time

log = logging.getLogger()


def speak(first: int = 0, last: int = 100) -> None:
    for number in range(first, last):
        log.warning("record %d", number)


if sys.argv[2] == "logs_at_exit":
    atexit.register(speak, 50)

import dblog  # noqa: E402 - its exit function runs before those registered earlier
from dblog import lifecycle  # noqa: E402 - as above


def handle(*urls: str) -> None:
    for url in urls:
        log.addHandler(dblog.DatabaseHandler(url, shutdown_timeout=1, durability=sys.argv[1]))


def logs(url: str) -> None:
    handle(url)
    speak()


def logs_at_exit(url: str) -> None:
    """The other half when dblog has finished already: not one of those records may cost a timeout of its own."""
    handle(url)
    speak(0, 50)


def two_handlers(url: str) -> None:
    handle(url, url)
    speak()


def dead_and_alive(dead: str, alive: str) -> None:
    handle(dead, alive)
    speak()


def logs_when_told(url: str) -> None:
    handle(url)
    speak()
    for handler in lifecycle.handlers():
        assert handler.flush(10)
    print("stored", flush=True)
    sys.stdin.readline()
    speak()


if __name__ == "__main__":
    faulthandler.dump_traceback_later(40, exit=True)
    globals()[sys.argv[2]](*sys.argv[3:])
    print(time.monotonic(), flush=True)
