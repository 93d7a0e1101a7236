"""A shop's last quarter of an hour, always the same: what the tests of whole screens look at, and the moment they do.

Three services log: ``gateway``, ``orders`` and ``payments``. Orders come every few seconds; at 10:38 a deploy gives
payments too few connections to the bank, and some payments time out after a silence of three seconds.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import time
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa

from dblog.admin.storing import made_id
from dblog.entry import LogEntry
from tests.administered import SECOND, fill
from tests.buried import bury, letter
from tests.tui.writers import report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from dblog.sink import DeadLetter

__all__ = ["FAILED_TRACE", "LATE", "NOW", "entries", "freeze", "late", "news", "shop"]

NOW: Final = int(dt.datetime(2026, 11, 20, 10, 42, 7, tzinfo=dt.UTC).timestamp()) * SECOND
"""µs: what every clock says."""
FAILED_TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
"""A payment that timed out, with spans and a silence."""
LATE: Final = "stock of item 4711 corrected"
"""The message of the entry that is stored late."""
_SEVERITIES: Final = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}
_PIDS: Final = {"gateway": 411, "orders": 412, "payments": 413}
_INSTANCES: Final = {"gateway": UUID(int=1), "orders": UUID(int=2), "payments": UUID(int=3)}
_DEPLOY: Final = NOW - 247 * SECOND
_TRACEBACK: Final = """\
Traceback (most recent call last):
  File "/srv/shop/payments/bank.py", line 88, in charge
    response = await client.post(url, timeout=3)
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/site-packages/httpx/_client.py", line 1905, in post
    return await self.request(
           ^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/site-packages/httpx/_client.py", line 1585, in request
    return await self.send(request, auth=auth, follow_redirects=follow_redirects)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/asyncio/timeouts.py", line 115, in __aexit__
    raise TimeoutError from exc_val
TimeoutError

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/payments/service.py", line 51, in pay
    await self.bank.charge(order)
  File "/srv/shop/payments/bank.py", line 92, in charge
    raise BankTimeoutError(f"no answer within {patience:g} s") from error
payments.bank.BankTimeoutError: no answer within 3 s
"""


def entries() -> list[LogEntry]:
    """All of it, the oldest first."""
    made = sorted(_story(), key=lambda entry: entry.timestamp)
    return [_numbered(entry, number) for number, entry in enumerate(made)]


def news() -> list[LogEntry]:
    """What is logged a moment later: two orders, one of which fails, and what was lost meanwhile."""
    at = NOW + 2 * SECOND
    made = [
        _said(at, "INFO", "gateway", "POST /orders", "POST /orders", trace_id="b" * 32),
        _said(at + 4_000, "INFO", "orders", "order 7301 received", "order %d received", trace_id="b" * 32),
        _said(at + 9_000, "WARNING", "payments", "card declined for order 7301", "card declined for order %d"),
        _said(at + 700_000, "ERROR", "payments", "payment of order 7302 failed", "payment of order %d failed"),
        _said(at + 705_000, "CRITICAL", "payments", "5 payments failed: paging on-call", "%d payments failed"),
    ]  # fmt: skip
    return [_numbered(entry, 5000 + number) for number, entry in enumerate(made)]


def late() -> LogEntry:
    """An entry of half a minute ago that is stored now."""
    made = _said(NOW - 30 * SECOND + 5_000, "INFO", "orders", LATE, "stock of item %d corrected")
    return _numbered(made, 6000)


def _story() -> Iterator[LogEntry]:
    random = Random(4)
    at, number = NOW - 895 * SECOND, 7200
    while at < NOW - 2 * SECOND:
        number += 1
        failing = _DEPLOY < at < _DEPLOY + 100 * SECOND and random.random() < 0.6
        yield from (_failed if failing else _paid)(at, number, random)
        at += random.randint(6, 19) * SECOND + random.randrange(SECOND)
    yield _said(
        _DEPLOY, "WARNING", "payments", "configuration reloaded: bank.timeout 30s -> 3s, pool 20 -> 2 (deploy 3f9c1e)",
        "configuration reloaded: bank.timeout %.0fs -> %.0fs, pool %d -> %d (%s)", logger="payments.config",
        metadata=json.dumps({"bank": {"timeout_s": 3, "pool": {"size": 2, "was": 20}}, "why": "deploy 3f9c1e",
                             "hosts": ["pay-1", "pay-2"], "dry_run": False}),
    )  # fmt: skip
    for second in (30, 47, 71):
        yield _said(
            _DEPLOY + second * SECOND, "WARNING", "payments", f"all 2 bank connections are in use, {second // 10} wait",
            "all %d bank connections are in use, %d wait", logger="payments.pool",
        )  # fmt: skip
    yield _said(
        _DEPLOY + 80 * SECOND, "CRITICAL", "payments", "6 payments failed within 60 s: paging on-call",
        "%d payments failed within %d s: paging on-call", logger="payments.alarm",
    )  # fmt: skip
    yield _said(
        _DEPLOY + 60 * SECOND, "WARNING", "gateway", "1204 records lost (queue_full: 1204)", None, logger="dblog.loss",
        metadata=json.dumps({"dblog": {"loss": [{"reason": "queue_full", "count": 1204, "levels": {"debug": 1204},
                                                 "seq_from": 91, "seq_to": 1294}]}}),
    )  # fmt: skip
    yield from _incident(_DEPLOY + 50 * SECOND)
    yield _said(
        NOW - 65 * SECOND, "INFO", "orders", "daily report of 漢字 Ltd\n  orders 213\n  refunds 4", None,
        logger="orders.report", metadata=json.dumps({"report": "x" * 300, "dblog": {
            "flags": ["truncated"], "original_bytes": {"message": 90_112}}}),
    )  # fmt: skip


def _paid(at: int, number: int, random: Random) -> Iterator[LogEntry]:
    trace = f"{random.getrandbits(128):032x}"
    took = random.randint(90, 400)
    user = f"u-{number % 7}"
    yield _said(at, "INFO", "gateway", "POST /orders", "POST /orders", trace_id=trace, user_id=user)
    yield _said(at + 3_000, "INFO", "orders", f"order {number} received", "order %d received", trace_id=trace,
                user_id=user, metadata=json.dumps({"order": number, "items": number % 4 + 1}))  # fmt: skip
    if number % 3 == 0:
        yield _said(at + 11_000, "DEBUG", "payments", f"bank answered 0 for order {number}",
                    "bank answered %d for order %d", logger="payments.bank", trace_id=trace)  # fmt: skip
    yield _said(at + took * 1000, "INFO", "payments", f"order {number} paid", "order %d paid", trace_id=trace,
                metadata=json.dumps({"order": number, "duration_ms": took}))  # fmt: skip
    yield _said(at + took * 1000 + 5_000, "INFO", "gateway", f"POST /orders 200 in {took + 5} ms",
                "%s %s %d in %.0f ms", trace_id=trace, user_id=user,
                metadata=json.dumps({"status": 200, "duration_ms": took + 5}))  # fmt: skip


def _failed(at: int, number: int, random: Random) -> Iterator[LogEntry]:
    trace = f"{random.getrandbits(128):032x}"
    yield _said(at, "INFO", "gateway", "POST /orders", "POST /orders", trace_id=trace)
    yield _said(at + 3_000, "INFO", "orders", f"order {number} received", "order %d received", trace_id=trace,
                metadata=json.dumps({"order": number, "items": number % 4 + 1}))  # fmt: skip
    yield _said(at + 3_012_000, "ERROR", "payments", f"payment of order {number} failed after 3.0 s",
                "payment of order %d failed after %.1f s", trace_id=trace, **_exception(),
                metadata=json.dumps({"order": number, "duration_ms": 3002.4}))  # fmt: skip
    yield _said(at + 3_016_000, "ERROR", "gateway", "POST /orders 502 in 3016 ms", "%s %s %d in %.0f ms",
                trace_id=trace, metadata=json.dumps({"status": 502, "duration_ms": 3016.1}))  # fmt: skip


def _incident(at: int) -> Iterator[LogEntry]:
    gateway: tuple[str, str | None] = "00f067aa0ba902b7", None
    orders, payments = ("53995c3f42cd8ad8", gateway[0]), ("a2fb4a1d1a96d312", "53995c3f42cd8ad8")

    def said(ms: int, level: str, service: str, message: str, span: tuple[str, str | None], **fields: Any) -> LogEntry:
        took = fields.pop("took", None)
        if took is not None:
            fields["metadata"] = json.dumps({"order": 7250, "duration_ms": took})
        return _said(at + ms * 1000, level, service, message, fields.pop("template", None), trace_id=FAILED_TRACE,
                     span_id=span[0], parent_span_id=span[1], user_id="u-9547", **fields)  # fmt: skip

    retry = "no answer from the bank within 1500 ms, retry 1 of 1"
    yield said(0, "INFO", "gateway", "POST /orders", gateway, template="POST /orders")
    yield said(4, "DEBUG", "gateway", "route matched orders.create", gateway)
    yield said(9, "INFO", "orders", "order 7250 received", orders, template="order %d received")
    yield said(14, "DEBUG", "orders", "stock reserved: 3 items", orders)
    yield said(19, "INFO", "payments", "charging 48.13 EUR for order 7250", payments)
    yield said(1520, "WARNING", "payments", retry, payments, logger="payments.bank")
    yield said(3021, "ERROR", "payments", "payment of order 7250 failed after 3.0 s", payments, took=3002.4,
               template="payment of order %d failed after %.1f s", function="pay",
               pathname="/srv/shop/payments/service.py", lineno=54, **_exception())  # fmt: skip
    yield said(3026, "WARNING", "orders", "order 7250 not paid, stock released", orders, took=3017.9)
    yield said(3030, "ERROR", "gateway", "POST /orders 502 in 3030 ms", gateway, took=3030.2,
               template="%s %s %d in %.0f ms")  # fmt: skip
    yield said(3140, "INFO", "orders", "customer told by mail", ("b9c7c989f97918e1", orders[0]), took=96.0)


def _exception() -> dict[str, str]:
    return {
        "exc_type": "payments.bank.BankTimeoutError",
        "exc_message": "no answer within 3 s",
        "exc_text": _TRACEBACK,
    }


def _said(at: int, level: str, service: str, message: str, template: str | None, **fields: Any) -> LogEntry:
    given: dict[str, Any] = {
        "timestamp": at, "level": level, "severity": _SEVERITIES[level], "logger": service, "message": message,
        "template": template, "module": "service", "function": "handle", "pathname": f"/srv/shop/{service}/service.py",
        "lineno": 40, "thread": "MainThread", "service": service, "host": f"{service[:3]}-1", "pid": _PIDS[service],
        "instance_id": _INSTANCES[service],
    }  # fmt: skip
    return LogEntry(**(given | fields))


def _numbered(entry: LogEntry, number: int) -> LogEntry:
    seq = None if entry.logger == "dblog.loss" else number + 1
    return entry._replace(id=made_id(entry.timestamp, f"golden {number}".encode()), seq=seq)


def shop(path: Path, template: Path) -> str:
    """Fill a database with it, with its writers (payments' is silent) and dead letters; the URL. Clocks are frozen."""
    path.write_bytes(template.read_bytes())
    path.chmod(0o600)
    url = f"sqlite:///{path}"
    fill(url, entries())
    report(url, 1, service="gateway", host="gat-1", emitted=48_113, stored=46_900, dropped=1_213,
           dropped_by={"queue_full": 1_204, "evicted": 9})  # fmt: skip
    report(url, 2, service="orders", host="ord-1", seen=4, emitted=31_007, stored=31_002, queued=5)
    report(url, 3, service="payments", host="pay-1", seen=64, started=247, emitted=9_412, stored=9_120, failed=2,
           failed_by={"poison": 2}, queued=290, state="DEGRADED", lag=31.4,
           last_error="08006: the connection was lost")  # fmt: skip
    buried = [letter(number, message=f"payment {number} of “déjà vu”\x00", template="payment %d") for number in (1, 2)]
    bury(url, buried[0], _before(buried[1]))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE logs SET ingested_at = timestamp + 412000")
    return url


def _before(found: DeadLetter) -> DeadLetter:
    """A dead letter of two minutes before."""
    return found._replace(failed_at=found.failed_at - 120 * SECOND)


def freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every clock that is asked for the time of day say ``NOW``; those that measure how long things take go on."""
    from dblog.reading import side

    monkeypatch.setattr(time, "time", lambda: NOW / SECOND)
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 1000)
    monkeypatch.setitem(side._CLOCKS, "sqlite", sa.literal_column(str(NOW)))
