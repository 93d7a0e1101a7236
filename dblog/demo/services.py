"""The three services of ``dblog demo``, each a process: what one does with a request, and what it tells of itself."""

from __future__ import annotations

import contextlib
import logging
import logging.config
import time
from typing import TYPE_CHECKING, Any

import dblog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PER_REQUEST", "REPORT_EVERY", "SERVICES", "serve"]

SERVICES = ("gateway", "orders", "payments")
PER_REQUEST = 10
"""Records of one request: three, four and three."""

_BUDGET = {"gateway": 11.0, "orders": 13.0, "payments": 13.0}
"""Seconds each takes requests at most; a healthy database has them all by then."""
REPORT_EVERY = 0.1
"""Seconds between two of a service's reports."""
_DECLINED = 97
"""Every so many payments one is declined."""

logger = logging.getLogger("shop")


def serve(service: str, handler: dict[str, Any], requests: int, ends: tuple[Any, Any], reports: Any) -> None:
    """One service: configured by ``dictConfig`` as an application would, then at work until its source ends.

    Args:
        service: its name.
        handler: where to, and where to keep what does not get there.
        requests: how many come from outside.
        ends: of the pipes to whoever asks it, and to whom it asks.
        reports: takes what it tells of itself.
    """
    source, target = ends
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                # A service would keep the default, which never waits; this one has nothing to do but log.
                "db": {"class": "dblog.DatabaseHandler", "service": service, "overflow": "block", **handler},
            },
            "root": {"handlers": ["db"], "level": "DEBUG"},
        }
    )
    (made,) = logging.getLogger().handlers
    work = _Work(service, made, target, reports)
    with contextlib.suppress(EOFError, BrokenPipeError):  # the others were ended
        for number, headers in _arrivals(requests, source, time.monotonic() + _BUDGET[service]):
            work.one(number, headers)
    if target is not None:
        target.close()
    made.close()
    work.report(final=True)
    reports.close()
    reports.join_thread()


def _arrivals(requests: int, source: Any, until: float) -> Iterator[tuple[int, dict[str, str]]]:
    """``(number, headers)`` of each request: the gateway's come from outside, the others' through the pipe."""
    arriving = ((number, {}) for number in range(requests)) if source is None else iter(source.recv, None)
    for number, headers in arriving:
        if time.monotonic() > until:
            return
        yield number, headers


class _Work:
    """What a service does with a request, and what it tells of itself."""

    def __init__(self, service: str, handler: Any, target: Any, reports: Any) -> None:
        self._service = service
        self._handler = handler
        self._target = target
        self._reports = reports
        self._answer: Callable[[int], None] = getattr(self, f"_{service}")
        self._costs: list[float] = []
        self._began = time.time()
        self._next_report = 0.0
        self._trace_id = ""

    def one(self, number: int, headers: dict[str, str]) -> None:
        """Answer one request in its trace, and hand it on."""
        with dblog.bound(**dblog.extract(headers), request=number):
            if not headers:
                dblog.new_trace(user_id=f"u-{number % 500}")
            self._answer(number)
            if self._target is not None:
                onward: dict[str, str] = {}
                dblog.inject(onward)
                self._target.send((number, onward))
        if time.monotonic() >= self._next_report:
            self.report()

    def report(self, *, final: bool = False) -> None:
        """Send the ledger's figures."""
        self._next_report = time.monotonic() + REPORT_EVERY
        stats = self._handler.stats()
        cost = sorted(self._costs)[len(self._costs) // 2] if final and self._costs else 0.0
        report = {"service": self._service, "final": final, "began": self._began, "ended": time.time(), "cost": cost}
        figures = {name: getattr(stats, name) for name in ("emitted", "stored", "dropped", "failed")}
        self._reports.put({**report, **figures, "trace_id": self._trace_id})

    def _log(self, level: int, message: str, *args: object, **extra: object) -> None:
        started = time.perf_counter()
        logger.log(level, message, *args, extra=extra)
        self._costs.append(time.perf_counter() - started)

    def _gateway(self, number: int) -> None:
        self._log(logging.INFO, "POST /orders accepted", client="web", bytes=512 + number % 1024)
        self._log(logging.DEBUG, "session of customer %d is valid", number % 500)
        self._log(logging.INFO, "handing order %d to orders", number)

    def _orders(self, number: int) -> None:
        self._log(logging.INFO, "order %d received", number, items=1 + number % 5)
        self._log(logging.DEBUG, "stock of article %d: %d", number % 90, 7 + number % 40)
        if number % 40 == 0:
            self._log(logging.WARNING, "article %d is running low", number % 90)
        else:
            self._log(logging.INFO, "articles reserved", warehouse="north")
        self._log(logging.INFO, "asking payments for %.2f EUR", 5 + number % 200)

    def _payments(self, number: int) -> None:
        self._log(logging.INFO, "charging %.2f EUR", 5 + number % 200, method="card")
        self._log(logging.DEBUG, "bank answered", code=200)
        if number % _DECLINED == 0:
            self._trace_id = dblog.current().trace_id or ""
            self._log(logging.ERROR, "card declined: order %d is put on hold", number)
        else:
            self._log(logging.INFO, "order %d paid", number)
