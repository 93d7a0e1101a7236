"""Forks six times, with hooks of somebody else's that log, and come before dblog's in every child.

Usage: ``python hooked.py <durability, or audit> <url> <spool_dir>``.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

log = logging.getLogger()
log.setLevel(logging.INFO)
FORKS = 6
LONGEST = 20
"""Seconds a process may live."""


def say(what: str) -> None:
    log.info("%s %d", what, os.getpid())


if sys.argv[1] != "audit":  # who waits for the database does not do so while its process forks
    os.register_at_fork(before=lambda: say("before"), after_in_parent=lambda: say("parent"))
os.register_at_fork(after_in_child=lambda: say("child"))

import dblog  # noqa: E402 - its hooks come after those registered earlier
from dblog.filters import RateLimit  # noqa: E402 - as above


def handler(durability: str, url: str, folder: str) -> logging.Handler:
    if durability == "audit":
        return dblog.AuditHandler(url)
    return dblog.DatabaseHandler(url, durability=durability, spool_dir=folder, flush_interval=0.02)


def chatter(stop: threading.Event) -> None:
    while not stop.wait(0.0005):
        say("thread")


if __name__ == "__main__":
    signal.alarm(LONGEST)
    log.addFilter(RateLimit(1_000_000))
    log.addHandler(handler(*sys.argv[1:]))
    say("first")
    stop = threading.Event()
    thread = threading.Thread(target=chatter, args=(stop,))
    thread.start()
    children = []
    for _ in range(FORKS):
        child = os.fork()
        if not child:
            signal.alarm(LONGEST)
            say("own")
            sys.exit()
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    stop.set()
    thread.join()
    say("last")
    sys.exit(len(failed))
