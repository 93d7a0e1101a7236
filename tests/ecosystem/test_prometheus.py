"""Prometheus itself: promtool finds nothing to say against pages, rules and configuration, and a server scrapes us."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dblog import DatabaseHandler
from dblog.integrations.asgi import TrackingMiddleware
from dblog.integrations.prometheus import AppMetrics
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.ecosystem, pytest.mark.timeout(120)]

FOLDER = Path(__file__).parents[2] / "examples" / "observability"
ENVIRONMENT = {**os.environ, "ENVIRONMENT": "dev", "PROJECT": "shop"}


def promtool(*words: str, page: bytes | None = None) -> str:
    """What it says; it fails where it finds a mistake."""
    run = subprocess.run(["promtool", *words], input=page, capture_output=True, check=False, env=ENVIRONMENT)
    said = run.stdout.decode() + run.stderr.decode()
    assert run.returncode == 0, said
    return said


def test_rules_and_configuration() -> None:
    """Rules and configuration are valid, and the rules' own tests pass."""
    assert "SUCCESS" in promtool("check", "rules", str(FOLDER / "rules" / "dblog.yml"))
    assert "SUCCESS" in promtool("test", "rules", str(FOLDER / "rules" / "dblog.test.yaml"))
    assert "SUCCESS" in promtool("check", "config", str(FOLDER / "prometheus.yml"))


async def _shop(scope: Any, receive: Any, send: Any) -> None:
    """An application of one page, beside the metrics."""
    if scope["type"] == "http":
        status = 200 if scope["path"] != "/broken" else 500
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"ok"})


@contextlib.contextmanager
def _service(url: str) -> Iterator[str]:
    """A service with everything dblog measures, on a port of its own; its address."""
    metrics = AppMetrics()
    page, shop = metrics.asgi_app(), TrackingMiddleware(_shop, metrics=metrics.http)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await (page if scope.get("path") == "/metrics" else shop)(scope, receive, send)

    handler = DatabaseHandler(url, service="shop")
    handler.set_name("database")
    logger = logging.getLogger("dblog.access")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with serving(application) as address:
            yield address
    finally:
        logger.removeHandler(handler)
        handler.close()


def _get(address: str, **query: str) -> bytes:
    url = f"{address}?{urllib.parse.urlencode(query)}" if query else address
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body
    return b""


def test_a_page_has_no_mistake(sqlite_url: str) -> None:
    """promtool's linter accepts the page: names, units, help texts."""
    with _service(sqlite_url) as address:
        _get(f"{address}/orders")
        said = promtool("check", "metrics", page=_get(f"{address}/metrics"))
    assert said == ""


def test_a_server_scrapes_a_service(sqlite_url: str, tmp_path: Path) -> None:
    """What was requested is what Prometheus counts, and the alerts of the examples are evaluated on it."""
    program = shutil.which("prometheus")
    assert program is not None
    with _service(sqlite_url) as address:
        for _ in range(20):
            _get(f"{address}/orders")
        for _ in range(5):
            _get(f"{address}/broken")
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        config["global"] |= {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
        config["scrape_configs"] = [
            {
                "job_name": "services",
                "scrape_timeout": "200ms",
                "static_configs": [{"targets": [address.removeprefix("http://")], "labels": {"service": "shop"}}],
            }
        ]
        config["rule_files"] = [str(FOLDER / "rules" / "dblog.yml")]
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        with _prometheus(program, tmp_path) as server:
            counted = _until(server, "sum by (status_code) (http_requests_total)", 2)
            stored = _until(server, 'dblog_records_stored_total{handler="database"} >= 25', 1)
            up = _until(server, 'count by (environment) (dblog_writer_state{state="RUNNING"} == 1)', 1)
            rules = json.loads(_get(f"{server}/api/v1/rules"))
    assert {each["metric"]["status_code"]: each["value"][1] for each in counted} == {"200": "20", "500": "5"}
    assert stored[0]["value"][1] == "25"
    assert up
    evaluated = [rule for group in rules["data"]["groups"] for rule in group["rules"]]
    assert len(evaluated) == 9
    assert {rule["health"] for rule in evaluated} <= {"ok", "unknown"}


@contextlib.contextmanager
def _prometheus(program: str, folder: Path) -> Iterator[str]:
    """A server on a free port; its address."""
    log = folder / "prometheus.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=stderr,
            stdout=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(20)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it listens: its log says so."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        for line in log.read_text().splitlines():
            if "Listening on" in line:
                return f"http://{line.partition('address=')[2].split()[0]}"
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _until(server: str, query: str, count: int) -> list[Any]:
    """The answer to a query, once it has so many series."""
    deadline = time.monotonic() + 30
    found: list[Any] = []
    while time.monotonic() < deadline:
        body = _get(f"{server}/api/v1/query", query=query)
        found = json.loads(body)["data"]["result"] if body else []
        if len(found) == count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{query}: {found}")
