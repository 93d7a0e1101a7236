"""Requests as metrics: whatever is told of them stands on the page, under bounded labels, and harms nobody."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import dblog
from dblog.integrations import wsgi
from dblog.integrations.asgi import TrackingMiddleware
from dblog.integrations.prometheus import AppMetrics
from dblog.integrations.prometheus import exemplars as exemplar_module
from dblog.integrations.prometheus.http import METHODS
from tests.scraped import exemplars, page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(sorted(METHODS)) | st.text(max_size=8),
        st.sampled_from(["/", "/orders/{id}", "(unmatched)"]) | st.text(max_size=300),
        st.integers(100, 599) | st.integers(),
        st.floats(0, 1000),
        st.none() | st.integers(0, 10**12),
        st.integers(0, 10**12),
    ),
    max_size=20,
)


@pytest.fixture
def metrics() -> Iterator[AppMetrics]:
    made = AppMetrics("shop", writer=False)
    yield made
    made.close()


def finish(metrics: AppMetrics, route: str = "/", status: int = 200, seconds: float = 0.01) -> None:
    metrics.http.started("GET")
    metrics.http.finished("GET", route, status, seconds, None, 5)


@given(requests=REQUESTS)
def test_every_request_is_counted_once_under_bounded_labels(requests: list[Any]) -> None:
    """Any methods, routes, statuses and sizes: the page can be read, adds up, and its labels are the known ones."""
    metrics = AppMetrics("shop", writer=False)
    for request in requests:
        metrics.http.started(request[0])
        metrics.http.finished(*request)
    page = page_of(metrics.registry)
    by_status = page.by("shop_http_requests_total", "status_code")
    wanted = Counter(str(status) if 100 <= status <= 599 else "other" for _, _, status, *_ in requests)
    assert {key: int(value) for (key,), value in by_status.items()} == wanted
    methods = {key for (key,) in page.by("shop_http_requests_total", "method")}
    assert methods == {method if method in METHODS else "OTHER" for method, *_ in requests}
    assert page.total("shop_http_request_duration_seconds_count") == len(requests)
    assert page.total("shop_http_request_size_bytes_count") == sum(each[4] is not None for each in requests)
    assert page.total("shop_http_response_size_bytes_sum") == pytest.approx(sum(each[5] for each in requests))
    total = page.total("shop_http_request_duration_seconds_sum")
    assert math.isclose(total, math.fsum(each[3] for each in requests), abs_tol=1e-6)
    assert page.value("shop_http_requests_in_flight") == 0
    metrics.close()


def test_requests_under_way_are_a_gauge(metrics: AppMetrics) -> None:
    """Started and not finished: in flight."""
    for _ in range(3):
        metrics.http.started("GET")
    metrics.http.finished("GET", "/", 200, 0.1, None, 0)
    assert page_of(metrics.registry).value("shop_http_requests_in_flight") == 2


def test_the_first_thousand_routes_are_told_apart(metrics: AppMetrics) -> None:
    """The next ones are ``(other)``, with what was known before unchanged, and nothing kept of them."""
    for number in range(1100):
        finish(metrics, f"/{number}")
    finish(metrics, "/7")
    by_route = page_of(metrics.registry).by("shop_http_requests_total", "route")
    assert len(by_route) == 1001
    assert by_route["(other)",] == 100
    assert by_route["/7",] == 2
    assert len(metrics.http._cells) == 1001  # type: ignore[attr-defined]  # HttpMetrics


def test_threads_lose_no_request(metrics: AppMetrics) -> None:
    """Eight at once, on the same and on new routes: the counts are exact."""
    gate = threading.Barrier(8)

    def work(number: int) -> None:
        gate.wait(10)
        for index in range(500):
            finish(metrics, f"/{number if index % 2 else 0}/{index % 7}", 200 + index % 3)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page = page_of(metrics.registry)
    assert page.total("shop_http_requests_total") == 4000
    assert page.total("shop_http_request_duration_seconds_count") == 4000
    assert page.value("shop_http_requests_in_flight") == 0


PARTS = ("_dec", "_cell", "_cells", "requests", "seconds", "request_bytes", "response_bytes")


@pytest.mark.parametrize("part", PARTS)
def test_no_part_of_it_can_harm_a_request(
    metrics: AppMetrics, part: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever raises is told once, without its text, and the caller notices nothing."""
    http: Any = metrics.http
    finish(metrics)

    def fails(*_: object) -> None:
        raise RuntimeError("secret")

    if part in {"_dec", "_cell"}:
        monkeypatch.setattr(http, part, fails)
    elif part == "_cells":
        monkeypatch.setattr(http, part, None)
    else:
        monkeypatch.setattr(http, "_cells", {("GET", "/", 200): http._cells["GET", "/", 200]._replace(**{part: fails})})
    monkeypatch.setattr("dblog.diagnostics._last", {})
    for _ in range(3):
        http.started("GET")
        http.finished("GET", "/new" if part == "_cell" else "/", 200, 0.1, 3, 5)
    told = capfd.readouterr().err
    assert told.count("dblog: metrics: http raised") == 1
    assert "secret" not in told


def test_a_start_that_cannot_be_counted_harms_no_request(metrics: AppMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """``started`` is guarded as ``finished`` is."""
    monkeypatch.setattr(metrics.http, "_inc", None)
    metrics.http.started("GET")


def test_an_interrupt_passes(metrics: AppMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """A KeyboardInterrupt in our code is the program's, not ours to swallow."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(metrics.http, "_dec", interrupted)
    with pytest.raises(KeyboardInterrupt):
        metrics.http.finished("GET", "/", 200, 0.1, None, 0)


def test_an_exemplar_names_the_trace_once_a_second(metrics: AppMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bucket has the trace of its first request in a second; outside of a trace there is none."""
    now = 100.0
    monkeypatch.setattr(exemplar_module, "monotonic", lambda: now)
    finish(metrics, seconds=3.0)
    now += 1
    ids, span = [], None
    for seconds, later in ((0.001, 0.0), (0.002, 0.5), (0.3, 0.0), (0.001, 0.6)):
        now += later
        with dblog.bound():
            ids.append(dblog.new_trace())
            span = dblog.current().span_id
            finish(metrics, seconds=seconds)
    found = list(exemplars(metrics.registry, "shop_http_request_duration_seconds_bucket"))
    assert [(each.labels["trace_id"], each.value) for each in found] == [(ids[3], 0.001), (ids[2], 0.3)]
    assert found[0].labels["span_id"] == span


def test_a_forked_child_starts_at_zero_whatever_the_parent_holds() -> None:
    """Every lock of ours is held at the fork; the child counts its own requests and statements all the same."""
    code = """
import os, sqlalchemy as sa
from dblog.integrations.prometheus import AppMetrics
from prometheus_client import generate_latest
metrics = AppMetrics(writer=False)
sold = metrics.counter("sold_total", "Sold.", labels={"kind": ("a",)})
plain = metrics.counter("plain_total", "Plain.")
engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
metrics.watch(engine)
def work():
    metrics.http.started("GET"); metrics.http.finished("GET", "/", 200, 0.1, 1, 1)
    metrics.http.started("GET")
    sold.inc(kind="a"); sold.inc(kind="b"); plain.inc()
    with engine.connect() as connection:
        connection.execute(sa.select(1))
def locks():
    yield metrics.registry._lock
    yield metrics.http._lock
    for metric in metrics._series._made:
        if hasattr(metric, "_lock"):
            yield metric._lock
            children = list(metric._metrics.values())
        else:
            children = [metric]
        for child in children:
            values = [getattr(child, each, None) for each in ("_value", "_sum")]
            for value in (*getattr(child, "_buckets", ()), *values):
                if value is not None:
                    yield value._lock
work()
held = list(locks())
for lock in held: lock.acquire()
pid = os.fork()
if pid:
    for lock in held: lock.release()
    assert os.waitpid(pid, 0)[1] == 0
    work()
else:
    work()
lines = [line for line in generate_latest(metrics.registry).decode().splitlines()
         if "_created" not in line and line.startswith(("http_requests", "sold", "plain", "label", "db_queries"))]
os.write(1, ("\\n".join(lines) + "\\n").encode())
if not pid: os._exit(0)
"""
    command = [sys.executable, "-W", "error", "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert printed.returncode == 0, printed.stderr
    lines = printed.stdout.splitlines()
    child, parent = lines[: len(lines) // 2], lines[len(lines) // 2 :]
    assert child == [
        'http_requests_total{method="GET",route="/",status_code="200"} 1.0',
        "http_requests_in_flight 1.0",
        'label_values_refused_total{label="kind",metric="sold_total"} 1.0',
        'sold_total{kind="a"} 1.0',
        'sold_total{kind="other"} 1.0',
        "plain_total 1.0",
        'db_queries_total{operation="select",table="other"} 1.0',
    ]
    assert parent == [line.replace(" 1.0", " 2.0") for line in child]


# -- behind the middlewares ---------------------------------------------------------------------------------------


def assert_on_the_page(metrics: AppMetrics, route: str, tracking_id: str) -> None:
    """One request by its route's template, with its own trace as the exemplar."""
    page = page_of(metrics.registry)
    assert page.by("shop_http_requests_total", "method", "route", "status_code") == {("GET", route, "200"): 1}
    assert page.value("shop_http_requests_in_flight") == 0
    assert page.value("shop_http_response_size_bytes_sum", method="GET", route=route) == 4
    (found,) = exemplars(metrics.registry, "shop_http_request_duration_seconds_bucket")
    assert found.labels["trace_id"] == tracking_id


def test_the_asgi_middleware_feeds_it(metrics: AppMetrics) -> None:
    """The exemplar is the ``X-Tracking-ID`` the client was given."""
    app = Starlette(routes=[Route("/orders/{number}", lambda _: PlainTextResponse("paid"))])

    async def ask() -> httpx.Response:
        tracked = metrics.asgi_app(TrackingMiddleware(app, metrics=metrics.http))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(tracked), base_url="http://shop") as client:
            assert (await client.get("/metrics")).status_code == 200
            return await client.get("/orders/17")

    assert_on_the_page(metrics, "/orders/{number}", asyncio.run(ask()).headers["X-Tracking-ID"])


def test_the_wsgi_middleware_feeds_it(metrics: AppMetrics) -> None:
    """As the ASGI one does."""
    app = Flask("shop")
    app.add_url_rule("/orders/<number>", view_func=lambda number: "paid")
    tracked = metrics.wsgi_app(wsgi.TrackingMiddleware(app, metrics=metrics.http))
    with httpx.Client(transport=httpx.WSGITransport(tracked), base_url="http://shop") as client:
        response = client.get("/orders/17")
    assert_on_the_page(metrics, "/orders/<number>", response.headers["X-Tracking-ID"])


def test_an_active_span_of_opentelemetry_is_the_exemplar(metrics: AppMetrics) -> None:
    """As it would be the record's trace."""
    tracer = TracerProvider().get_tracer("shop")
    with tracer.start_as_current_span("order") as span:
        finish(metrics)
        context = span.get_span_context()
    (found,) = exemplars(metrics.registry, "shop_http_request_duration_seconds_bucket")
    assert found.labels == {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
