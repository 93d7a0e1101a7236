"""What every contestant logs: the same calls, and the same rows made beforehand for the drains."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import orjson

import dblog
from dblog.entry import LogEntry

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

__all__ = ["WORKLOADS", "entries"]


def plain(log: logging.Logger, count: int) -> None:
    """Two arguments, no extra: the record most applications log most."""
    info = log.info
    for number in range(count):
        info("user %s bought %d items", "bob", number)


def rich(log: logging.Logger, count: int) -> None:
    """Four extras, one of them a secret, three ids from the context."""
    info = log.info
    with dblog.bound(trace_id="0af7651916cd43dd8448eb211c80319c", user_id="u-1017", session_id="s-42"):
        for number in range(count):
            extra = {"order_id": number, "amount": 9.5, "currency": "EUR", "password": "hunter2"}
            info("user %s bought %d items", "bob", number, extra=extra)


WORKLOADS: dict[str, Callable[[logging.Logger, int], None]] = {"plain": plain, "rich": rich}


def entries(count: int, seed: int = 1) -> list[LogEntry]:
    """Rows as a service makes them: 15 filled columns, 360 bytes, every fourth in a trace, every tenth a warning."""
    rng = random.Random(seed)
    now = time.time_ns() // 1000
    made = []
    for number in range(count):
        level, severity = (("INFO", 9), ("WARNING", 13))[number % 10 == 0]
        template = "user %s bought %d items for %s"
        traced = number % 4 == 0
        extras = {"order_id": number, "amount": rng.random() * 100, "currency": "EUR", "path": "/api/v1/orders"}
        made.append(
            LogEntry(
                timestamp=now + number,
                level=level,
                severity=severity,
                logger=f"shop.{number % 40}",
                message=template % (f"user-{rng.randrange(10_000)}", number, "a customer with a name of some length"),
                template=template,
                metadata=orjson.dumps(extras).decode(),
                module="orders",
                function="create_order",
                pathname="/srv/shop/app/orders/views.py",
                lineno=number % 40,
                thread="MainThread",
                user_id=f"u-{rng.randrange(10_000)}",
                trace_id=f"{rng.getrandbits(128):032x}" if traced else None,
                span_id=f"{rng.getrandbits(64):016x}" if traced else None,
            )
        )
    return made
