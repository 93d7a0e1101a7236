"""A writer in a process of its own, told what to do: ``python sqlite_child.py <how> <url> <options as JSON>``.

Each line on stdin is ``log COUNT [SIZE]``, ``old COUNT SIZE``, ``flush SECONDS``, ``stats`` or ``rows``; each answer a
line of JSON. It begins with ``{"ready": …}``, and ends with its stdin.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import logging
import sqlite3
import sys
import time
from typing import TYPE_CHECKING

import dblog

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.argv[1] == "as anybody":
    # No capabilities: modes of files hold for the super-user as well (capset(2), version 3).
    ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
faulthandler.dump_traceback_later(50, exit=True)
handler = dblog.DatabaseHandler(
    sys.argv[2], flush_interval=0.01, retry_initial=0.02, retry_max=0.2, **json.loads(sys.argv[3])
)
logger = logging.Logger("child")
logger.addHandler(handler)


def log(count: str, size: str = "10") -> bool:
    for number in range(int(count)):
        logger.info("%d %s", number, "x" * int(size))
    return True


def old(count: str, size: str) -> bool:
    for number in range(int(count)):
        record = logger.makeRecord("app", 20, "f", 1, "old %d %s", (number, "x" * int(size)), None)
        record.created = time.time() - 2 * 86_400
        handler.handle(record)
    return True


def flush(seconds: str) -> bool:
    return handler.flush(float(seconds))


def stats() -> dict[str, object]:
    found = handler.stats()
    return {name: getattr(found, name) for name in ("state", "last_error", "emitted", "stored", "dropped", "failed")}


def rows() -> list[object]:
    """What is in the file, for whom it cannot be seen from outside."""
    with contextlib.closing(sqlite3.connect(sys.argv[2].removeprefix("sqlite:///"))) as file:
        sound = file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        count = "SELECT count(*), count(DISTINCT seq) FROM logs WHERE seq IS NOT NULL AND message NOT LIKE 'old%'"
        return [sound, *file.execute(count).fetchone()]


def say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


_ANSWERS: dict[str, Callable[..., object]] = {"log": log, "old": old, "flush": flush, "stats": stats, "rows": rows}

if __name__ == "__main__":
    say({"ready": handler._writer.origin.instance_id.hex})
    for line in sys.stdin:
        faulthandler.dump_traceback_later(50, exit=True)  # from here on anew
        name, *arguments = line.split()
        say(_ANSWERS[name](*arguments))
