"""Spools for tests: an appender as the buffer is one, records that say who they are, writers that have died."""

from __future__ import annotations

import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from dblog.entry import LogEntry
from dblog.item import compact
from dblog.levels import BANDS
from dblog.sink import Origin
from dblog.spool import ALONE, KEPT, Spool, decode, encode, need

if TYPE_CHECKING:
    from pathlib import Path

    from dblog.item import Item

__all__ = ["append", "item", "made", "origin", "text_of"]

SEGMENT = 64 * 1024
"""Bytes of a segment in tests."""


def origin(**given: Any) -> Origin:
    """A writer's."""
    fields: dict[str, Any] = {
        "instance_id": uuid.uuid4(),
        "service": "shop",
        "service_version": "1.2",
        "environment": None,
        "host": "h",
        "pid": os.getpid(),
        "started_at": 1_700_000_000_000_000,
    }
    return Origin(**(fields | given))


def made(folder: Path, whose: Origin | None = None, *, grown: bool = True, **options: Any) -> Spool:
    """A spool of small segments, with one to append to."""
    given: dict[str, Any] = {
        "max_bytes": 100 * SEGMENT,
        "max_age": 86_400.0,
        "segment_bytes": SEGMENT,
        "lock": threading.RLock(),
    }
    spool = Spool.create(folder, whose or origin(), **(given | options))
    if grown:
        assert spool.grow()
    return spool


def item(seq: int, text: str | None = None, **fields: Any) -> Item:
    """A record whose message says its number."""
    made = compact(LogEntry.now(f"record {seq}" if text is None else text, **fields))
    made[0] = seq
    return made


def text_of(body: bytes) -> str:
    """The message in a payload."""
    text: str = decode(body)[3]
    return text


def append(spool: Spool, seq: int, body: bytes | None = None, *, alone: bool = True) -> bool:
    """Append as a caller does; False where there is no room."""
    body = encode(item(seq)) if body is None else body
    length = need(body)
    with spool.lock:
        at = spool.reserve(length, BANDS - 1)
        if at < 0:
            return False
        spool.fill(at, seq, time.time_ns() // 1000, body, ALONE if alone else KEPT)
    return True
