"""The page itself: over ASGI and WSGI, in one process or several, on or off."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import httpx
import prometheus_client
import pytest
from flask import Flask
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import dblog
import dblog.metrics
from dblog.errors import ConfigurationError, MissingExtraError
from dblog.integrations.prometheus import AppMetrics
from dblog.testing import MemorySink
from tests.scraped import Page, page_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@pytest.fixture
def metrics() -> Iterator[AppMetrics]:
    made = AppMetrics("shop")
    yield made
    made.close()


def over_asgi(app: Any, path: str = "/metrics", **more: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            return await client.request(more.pop("method", "GET"), path, **more)

    return asyncio.run(ask())


def over_wsgi(app: Any, path: str = "/metrics", **more: Any) -> httpx.Response:
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://shop") as client:
        return client.request(more.pop("method", "GET"), path, **more)


def both(metrics: AppMetrics, **more: Any) -> list[httpx.Response]:
    return [over_asgi(metrics.asgi_app(), **more), over_wsgi(metrics.wsgi_app(), **more)]


# -- over HTTP ----------------------------------------------------------------------------------------------------


def test_the_page_is_what_the_client_writes(metrics: AppMetrics) -> None:
    """Over both, in both formats, compressed on demand, and only what ``name[]`` asks for."""
    metrics.counter("sold_total", "Sold.").inc(3)
    for response in both(metrics):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/plain; version=")
        assert response.headers.get("content-encoding") == "gzip"
        assert Page(response.text).value("shop_sold_total") == 3
    for response in both(metrics, headers=OPENMETRICS):
        assert response.headers["content-type"].startswith("application/openmetrics-text")
        assert response.text.endswith("# EOF\n")
    for response in both(metrics, params={"name[]": "shop_sold_total"}, headers={"Accept-Encoding": "identity"}):
        assert "content-encoding" not in response.headers
        assert {sample.name for sample in Page(response.text).samples} == {"shop_sold_total"}
    for response in both(metrics, method="POST"):
        assert response.status_code == 405


def test_the_process_and_dblog_s_writer_are_on_it(metrics: AppMetrics) -> None:
    """The process's own figures, and the ledger of a handler, beside the application's."""
    handler = dblog.DatabaseHandler(sink=MemorySink())
    handler.name = "db"
    logger = logging.Logger("shop")
    logger.addHandler(handler)
    logger.info("stored")
    handler.close()
    page = page_of(metrics.registry)
    assert page.value("dblog_records_stored_total", handler="db") == 1
    assert page.total("process_cpu_seconds_total") > 0
    assert page.total("python_info") == 1


def test_in_front_of_an_application_it_answers_one_path(metrics: AppMetrics) -> None:
    """Everything else is the application's, lifespan included."""
    asgi = Starlette(routes=[Route("/", lambda _: PlainTextResponse("shop"))])
    wsgi = Flask("shop")
    wsgi.add_url_rule("/", view_func=lambda: "shop")
    for ask, app in ((over_asgi, metrics.asgi_app(asgi)), (over_wsgi, metrics.wsgi_app(wsgi))):
        assert ask(app, "/").text == "shop"
        assert ask(app, "/metrics/").status_code == 404
        assert "shop_http_requests_in_flight 0.0" in ask(app).text
    told = ["lifespan.startup", "lifespan.shutdown"]
    answered: list[Any] = []

    async def receive() -> Any:
        return {"type": told.pop(0)}

    async def send(message: Any) -> None:
        answered.append(message["type"])

    asyncio.run(metrics.asgi_app(asgi)({"type": "lifespan", "state": {}}, receive, send))
    assert answered == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_it_can_be_mounted(metrics: AppMetrics) -> None:
    """Below any path, or as the whole of a port."""
    app = Starlette(routes=[Mount("/internal", routes=[Route("/metrics", metrics.asgi_app())])])
    assert "shop_http_requests_in_flight 0.0" in over_asgi(app, "/internal/metrics").text
    assert "shop_http_requests_in_flight 0.0" in over_asgi(metrics.asgi_app(), "/anything").text


async def test_it_serves_http_alone(metrics: AppMetrics) -> None:
    """Other protocols are refused as ASGI asks for: by an exception."""
    with pytest.raises(NotImplementedError, match="served over http, not lifespan"):
        await metrics.asgi_app()({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # it does not come so far


def test_without_asyncio_it_is_served_all_the_same(metrics: AppMetrics) -> None:
    """As by a server of another event loop: the page is made where it is asked for."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": []}
    with pytest.raises(StopIteration):
        metrics.asgi_app()(scope, None, send).send(None)  # type: ignore[arg-type]  # driven by hand
    assert sent[0]["status"] == 200


def test_a_collector_that_fails_is_one_answer(metrics: AppMetrics, capfd: pytest.CaptureFixture[str]) -> None:
    """Not an exception in the server; the text of the error is not shown."""

    class Failing:
        def collect(self) -> Any:
            raise RuntimeError("secret")

    metrics.registry.register(Failing())
    for response in both(metrics):
        assert (response.status_code, response.text) == (500, "the metrics could not be read\n")
    assert "secret" not in capfd.readouterr().err


# -- on or off ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["false", "0", "OFF", " no "])
def test_the_environment_turns_all_of_it_off(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every method can still be called and does nothing, and the page is 404."""
    import sqlalchemy as sa

    monkeypatch.setenv("METRICS_ENABLED", given)
    metrics = AppMetrics("shop")
    assert not metrics.enabled
    metrics.http.started("GET")
    metrics.http.finished("GET", "/", 200, 0.1, None, 0)
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metrics.watch(engine)
    with engine.connect() as connection:
        connection.execute(sa.select(1))
    engine.dispose()
    counter = metrics.counter("a_total", "A.", labels={"x": ("1",)})
    counter.inc(x="1")
    gauge, histogram = metrics.gauge("b", "B."), metrics.histogram("c", "C.")
    for verb in (gauge.set, gauge.inc, gauge.dec, histogram.observe):
        verb(2)
    with gauge.track(), histogram.time():
        metrics.sample()
    assert page_of(metrics.registry).samples == []
    for response in both(metrics):
        assert (response.status_code, response.text) == (404, "metrics are off: METRICS_ENABLED\n")
    metrics.close()


def test_on_unless_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset, empty or yes is on; the argument wins; what is neither is refused."""
    for given in ("", "true", "1", "Yes"):
        monkeypatch.setenv("METRICS_ENABLED", given)
        metrics = AppMetrics()
        assert metrics.enabled
        metrics.close()
    assert not AppMetrics(enabled=False).enabled
    monkeypatch.setenv("METRICS_ENABLED", "maybe")
    with pytest.raises(ConfigurationError, match="METRICS_ENABLED='maybe' in the environment is not allowed"):
        AppMetrics()
    AppMetrics(enabled=True).close()


def test_two_services_in_one_registry_are_told_apart_by_their_namespace() -> None:
    """The same name again is refused, and leaves nothing behind."""
    registry = CollectorRegistry()
    first = AppMetrics("shop", registry)
    before = page_of(registry).families.keys()
    assert not any(name.startswith(("process", "python")) for name in before)
    with pytest.raises(ConfigurationError, match="the metric 'http_requests_total' cannot be made"):
        AppMetrics("shop", registry)
    with pytest.raises(ConfigurationError, match="namespace='a-b' cannot begin a metric's name"):
        AppMetrics("a-b", registry)
    assert page_of(registry).families.keys() == before
    second = AppMetrics("pay", registry, writer=False)
    assert "pay_http_requests_in_flight" in page_of(registry).families
    first.close()
    second.close()
    second.close()
    assert page_of(registry).samples == []


def test_what_somebody_else_enabled_stays() -> None:
    """Dblog's own metrics, where they were in the registry before, are there when the service's are gone."""
    registry = CollectorRegistry()
    enabled = dblog.metrics.enable(registry)
    metrics = AppMetrics("shop", registry)
    metrics.close()
    assert "dblog_build_info" in page_of(registry).families
    enabled.disable()
    AppMetrics("shop", registry).close()
    assert page_of(registry).families == {}


def test_without_the_client_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra to install is named."""
    for name in [name for name in sys.modules if name.startswith("dblog.integrations.prometheus")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'dblog-logging\[metrics\]'"):
        import dblog.integrations.prometheus  # noqa: F401 - the import is the test


def test_it_loads_sqlalchemy_for_who_has_an_engine() -> None:
    """A service without a database does not pay for it."""
    code = """
import sys
from dblog.integrations.prometheus import AppMetrics
AppMetrics().counter("a_total", "A.").inc()
print("sqlalchemy" in sys.modules)
"""
    printed = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout == "False\n"


# -- several processes --------------------------------------------------------------------------------------------

SERVICE = """
import os
import flask, sqlalchemy as sa
from dblog.integrations.prometheus import AppMetrics

metrics = AppMetrics("shop")
orders = metrics.counter("orders_total", "Orders.", labels={"status": ("paid", "refused")})
engine = sa.create_engine(f"sqlite:///{os.environ['FOLDER']}/shop.db", pool_size=1, max_overflow=1)
metrics.watch(engine)
app = flask.Flask("shop")

@app.get("/")
def buy():
    metrics.http.started("GET")
    with engine.connect() as connection:
        connection.execute(sa.select(1))
    orders.inc(status="paid")
    metrics.http.finished("GET", "/", 200, 0.01, None, 4)
    return str(os.getpid())

app.wsgi_app = metrics.wsgi_app(app.wsgi_app)
"""
CONFIGURATION = """
bind = "127.0.0.1:0"
workers = 2
preload_app = True
control_socket_disable = True

def when_ready(server):
    print("PORT", server.LISTENERS[0].getsockname()[1], flush=True)

def child_exit(server, worker):
    from prometheus_client import multiprocess
    multiprocess.mark_process_dead(worker.pid)
"""


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Two workers, forked of one master, that share their metrics."""
    (tmp_path / "values").mkdir()
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "gunicorn.conf.py").write_text(CONFIGURATION)
    places = {"FOLDER": str(tmp_path), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "values")}
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "service:app"],
        cwd=tmp_path, env=os.environ | places, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        port = next(line for line in process.stdout if line.startswith("PORT")).split()[1]
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        body: bytes = response.read()
    return (gzip.decompress(body) if response.headers.get("Content-Encoding") == "gzip" else body).decode()


def test_several_processes_are_one_page(gunicorn: tuple[subprocess.Popen[str], str]) -> None:
    """Under gunicorn with two forked workers: every request counted once, whichever is scraped; gauges are the sum."""
    url = gunicorn[1]
    pids, requests = set[str](), 0
    while len(pids) < 2:
        pids.add(get(url))
        requests += 1
        assert requests < 2000
    page = Page(get(f"{url}/metrics"))
    assert page.value("shop_http_requests_total", method="GET", route="/", status_code="200") == requests
    assert page.total("shop_http_request_duration_seconds_count") == requests
    assert page.value("shop_orders_total", status="paid") == requests
    assert page.value("shop_db_queries_total", operation="select", table="other") == requests
    assert page.value("shop_http_requests_in_flight") == 0
    assert page.value("shop_db_connections_max") == 4
    assert page.value("shop_db_connections_open") == 2
    assert page.value("shop_db_connections_waiting") == 0
    assert not any("pid" in sample.labels for sample in page.samples)


def test_the_client_is_the_official_one() -> None:
    """The metrics made are its own classes, so that whatever reads those reads ours."""
    metrics = AppMetrics(writer=False)
    made = metrics._series._made
    kinds = (prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram)
    assert made
    assert all(isinstance(each, kinds) for each in made)
    metrics.close()
