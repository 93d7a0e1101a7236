"""What a middleware adds to one ASGI request: a trace, HTTP metrics and one access record in a database.

The peer is what people put together for the same: ``asgi-correlation-id``, a
``prometheus_client`` middleware as tutorials have it, and one access record through the
standard library's QueueHandler, with the listener of the other benchmarks. Both measure
the same five metrics and log the same fields. Requests follow each other in one task,
without a server: what is left is the application, and what stands around it.

*Latency* is what a request takes in a service: 500 a second, each timed alone, and of
each round the median. *Burst* is as many as fit every queue, one after the other: wall
time also holds what the writer's thread took of the GIL meanwhile, *CPU* is the event
loop's thread alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import statistics
import time
from typing import TYPE_CHECKING, Any

import asgi_correlation_id
import prometheus_client
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from benchmarks.peers import dblog_handler, queue_listener
from benchmarks.report import Report
from dblog.integrations.asgi import TrackingMiddleware
from dblog.integrations.prometheus import AppMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from benchmarks.databases import Databases

__all__ = ["run"]

OURS = "dblog TrackingMiddleware"
REFERENCE = "asgi-correlation-id + prometheus_client + QueueHandler"
BURST = 3000
PACED, INTERVAL = 300, 0.002
_TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_CORRELATION = b"4bf92f3577b34da6a3ce929d0e0e4736"


def run(databases: Databases, dialect: str, rounds: int) -> list[Report]:
    """Requests that start a trace, and requests that bring one."""
    reports = []
    for kind in ("new trace", "trace taken over"):
        parts = ("latency added", "burst, wall added", "burst, CPU added")
        made = [Report(f"middleware, {kind}, {dialect}: {part}", "ns/request", REFERENCE) for part in parts]
        bare: list[tuple[float, ...]] = []
        samples: dict[str, list[tuple[float, ...]]] = {}
        with databases.fresh(dialect) as url:
            for _ in range(rounds):
                bare.append(_measure(_nothing, url, kind))
                for name, stack in {OURS: _ours, REFERENCE: _peers}.items():
                    samples.setdefault(name, []).append(_measure(stack, url, kind))
        base = [statistics.median(each) for each in zip(*bare, strict=True)]
        for number, report in enumerate(made):
            for name, values in samples.items():
                for figures in values:
                    report.add(name, figures[number] - base[number])
            report.notes.append(f"without any: {base[number]:,.0f} ns")
        reports += made
    return reports


def _measure(stack: Callable[[str], Any], url: str, kind: str) -> tuple[float, ...]:
    with stack(url) as (app, drain):
        asyncio.run(_burst(app, 200, kind))
        drain()
        gc.collect()
        time.sleep(0.15)  # heartbeats and the like are over, for everybody
        latency = asyncio.run(_paced(app, kind))
        drain()
        burst = asyncio.run(_burst(app, BURST, kind))
        drain()
    return latency, *burst


async def _burst(app: Any, count: int, kind: str) -> tuple[float, float]:
    headers = _headers(kind)
    wall, cpu = time.perf_counter(), time.thread_time()
    for number in range(count):
        await app(_scope(number, headers), _receive, _send)
    cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
    return wall / count * 1e9, cpu / count * 1e9


async def _paced(app: Any, kind: str) -> float:
    headers, clock = _headers(kind), time.perf_counter
    taken = []
    due = clock()
    for number in range(PACED):
        due += INTERVAL
        await asyncio.sleep(max(0.0, due - clock()))
        scope = _scope(number, headers)
        started = clock()
        await app(scope, _receive, _send)
        taken.append(clock() - started)
    return statistics.median(taken) * 1e9


async def _receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None:
    pass


def _headers(kind: str) -> list[tuple[bytes, bytes]]:
    carried = [(b"traceparent", _TRACE), (b"x-request-id", _CORRELATION)] if kind != "new trace" else []
    return [
        (b"host", b"shop.example"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"gzip, deflate, br"),
        (b"connection", b"keep-alive"),
        *carried,
    ]


def _scope(number: int, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    path = f"/orders/{number}"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("10.0.0.7", 51234),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*headers],
        "state": {},
    }


def _application() -> Starlette:
    async def order(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"order {request.path_params['number']}")

    return Starlette(routes=[Route("/orders/{number}", order)])


@contextlib.contextmanager
def _nothing(_url: str) -> Iterator[tuple[Any, Callable[[], None]]]:
    yield _application(), lambda: None


@contextlib.contextmanager
def _ours(url: str) -> Iterator[tuple[Any, Callable[[], None]]]:
    log = _logger()
    with dblog_handler(log, url) as drain:
        yield TrackingMiddleware(_application(), metrics=AppMetrics("shop").http, logger=log), drain


@contextlib.contextmanager
def _peers(url: str) -> Iterator[tuple[Any, Callable[[], None]]]:
    log = _logger()
    with queue_listener(log, url) as drain:
        log.handlers[-1].addFilter(asgi_correlation_id.CorrelationIdFilter())
        app = _AccessRecord(_PrometheusMiddleware(_application()), log)
        yield asgi_correlation_id.CorrelationIdMiddleware(app), drain


class _PrometheusMiddleware:
    """As tutorials have it: five metrics, their labels looked up for each request."""

    def __init__(self, app: Any) -> None:
        self.app = app
        registry = prometheus_client.CollectorRegistry()
        kind = ["method", "route"]
        sizes = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
        counter, histogram = prometheus_client.Counter, prometheus_client.Histogram
        self.requests = counter("http_requests_total", "Requests.", [*kind, "status_code"], registry=registry)
        self.seconds = histogram("http_request_duration_seconds", "Duration.", kind, registry=registry)
        self.received = histogram("http_request_size_bytes", "Body.", kind, registry=registry, buckets=sizes)
        self.sent = histogram("http_response_size_bytes", "Body.", kind, registry=registry, buckets=sizes)
        self.running = prometheus_client.Gauge("http_requests_in_flight", "Running.", registry=registry)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, status, sent = scope["method"], 500, 0
        self.running.inc()
        started = time.perf_counter()

        async def counting(message: Any) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, counting)
        finally:
            seconds = time.perf_counter() - started
            route = scope["route"].path if "route" in scope else "unmatched"
            length = [value for name, value in scope["headers"] if name == b"content-length"]
            self.running.dec()
            self.requests.labels(method, route, str(status)).inc()
            self.seconds.labels(method, route).observe(seconds)
            if length:
                self.received.labels(method, route).observe(int(length[0]))
            self.sent.labels(method, route).observe(sent)


class _AccessRecord:
    """One record per request, with the fields of ours."""

    def __init__(self, app: Any, log: logging.Logger) -> None:
        self.app, self.log = app, log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, sent = 500, 0
        started = time.perf_counter()

        async def counting(message: Any) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, counting)
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
            extra = {
                "method": scope["method"],
                "route": scope["route"].path if "route" in scope else "unmatched",
                "path": scope["path"],
                "status_code": status,
                "duration_ms": round(milliseconds, 3),
                "response_bytes": sent,
                "client": scope["client"][0],
                "user_agent": agent.decode("latin-1"),
                "http_version": scope["http_version"],
            }
            self.log.info("%s %s %d in %.1f ms", extra["method"], extra["route"], status, milliseconds, extra=extra)


_numbers = itertools.count()


def _logger() -> logging.Logger:
    log = logging.getLogger(f"bench.access.{next(_numbers)}")
    log.propagate = False
    log.setLevel(logging.INFO)
    return log
