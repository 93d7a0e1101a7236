"""Health: what is answered, when, and that a check that hangs harms nobody."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import os
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa
import yaml
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import dblog
from dblog import migrate
from dblog.errors import ConfigurationError
from dblog.integrations.health import Health, advisory, database, failed, passed, schema, skipped, started, writer
from dblog.integrations.health import runs as health_runs
from dblog.integrations.health.answers import _timeout
from dblog.integrations.health.results import result_of
from dblog.testing import MemorySink, recording
from dblog.url import async_url, sync_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgres import Private

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = "hunter2"


def over_asgi(app: Any, path: str, method: str = "GET") -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


def over_wsgi(app: Any, path: str, method: str = "GET") -> httpx.Response:
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://shop") as client:
        return client.request(method, path)


def both(health: Health, path: str, method: str = "GET") -> list[httpx.Response]:
    return [over_asgi(health.asgi_app(), path, method), over_wsgi(health.wsgi_app(), path, method)]


def raising() -> None:
    raise RuntimeError(SECRET)


async def raising_asynchronously() -> None:
    raise RuntimeError(SECRET)


# -- the answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/health/"])
def test_health_is_unchanged_for_ever(path: str) -> None:
    """Byte for byte, whatever the checks would say: they are not asked."""
    health = Health(ready={"database": raising}, startup={"x": raising})
    for response in both(health, path):
        assert response.status_code == 200
        assert response.content == b'{"status":"ok"}'
        assert response.headers["content-type"] == "application/json"


def test_live_asks_nobody() -> None:
    """Healthy while it answers, with the time."""
    for response in both(Health(ready={"database": raising}), "/health/live"):
        answer = response.json()
        assert (response.status_code, answer["status"], set(answer)) == (200, "healthy", {"status", "timestamp"})
        told = dt.datetime.strptime(answer["timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
        assert abs((dt.datetime.now(dt.UTC) - told).total_seconds()) < 60


OUTCOMES: dict[str, tuple[Any, dict[str, Any]]] = {
    "none": (lambda: None, {"status": "pass"}),
    "true": (lambda: True, {"status": "pass"}),
    "false": (lambda: False, {"status": "fail"}),
    "passed": (lambda: passed(is_leader=True), {"status": "pass", "is_leader": True}),
    "failed": (lambda: failed("no leader"), {"status": "fail", "message": "no leader"}),
    "skipped": (lambda: skipped("not configured"), {"status": "skip", "message": "not configured"}),
    "raises": (raising, {"status": "fail", "message": "RuntimeError"}),
    "raises later": (raising_asynchronously, {"status": "fail", "message": "RuntimeError"}),
    "exits": (lambda: sys.exit(3), {"status": "fail", "message": "SystemExit"}),
    "hostile": (lambda: passed(status=1, at=float("nan"), who=object), {"status": "pass"}),
}


@given(names=st.lists(st.sampled_from(sorted(OUTCOMES)), unique=True, max_size=5))
def test_ready_is_503_exactly_while_a_check_fails(names: list[str]) -> None:
    """Any checks: each is shown with its status and latency, all at once, and no text of an exception."""
    checks = {name.replace(" ", "_"): OUTCOMES[name][0] for name in names}
    wanted = {name.replace(" ", "_"): OUTCOMES[name][1] for name in names}
    fine = all(each["status"] != "fail" for each in wanted.values())
    health = Health(ready=checks)
    for response in both(health, "/health/ready"):
        answer = response.json()
        assert response.status_code == (200 if fine else 503)
        assert answer["status"] == ("healthy" if fine else "unhealthy")
        assert list(answer["checks"]) == list(checks)
        for name, shown in answer["checks"].items():
            assert shown.items() >= wanted[name].items()
            assert shown["latency_ms"] >= 0
        assert SECRET not in response.text


def test_startup_is_starting_until_all_have_passed_and_ready_for_good() -> None:
    """503, then 200 with what the checks said then; they are not asked again."""
    ready, asked = [False], []

    def migrated() -> bool:
        asked.append(1)
        return ready[0]

    health = Health(startup={"database_migration": migrated, "schedulers": lambda: passed(count=9)}, keep=0)
    for response in both(health, "/health/startup"):
        answer = response.json()
        assert (response.status_code, answer["status"]) == (503, "starting")
        assert answer["checks"]["database_migration"]["status"] == "fail"
        assert answer["checks"]["schedulers"].items() >= {"status": "pass", "count": 9}.items()
    ready[0] = True
    assert over_asgi(health.asgi_app(), "/health/startup").status_code == 200
    ready[0] = False
    for response in both(health, "/health/startup"):
        answer = response.json()
        assert (response.status_code, answer["status"]) == (200, "ready")
        assert answer["checks"]["database_migration"]["status"] == "pass"
    assert len(asked) == 3


def test_no_checks_are_no_trouble() -> None:
    """A service that names none is ready when it answers."""
    for path, status in (("/health/ready", "healthy"), ("/health/startup", "ready")):
        for response in both(Health(), path):
            assert (response.status_code, response.json()["status"]) == (200, status)


def test_only_get_and_head_of_what_is_there() -> None:
    """HEAD has no body, the rest is 405 or 404."""
    health = Health()
    for path in ("/health", "/health/live", "/health/ready"):
        for response in both(health, path, "HEAD"):
            assert (response.status_code, response.content) == (200, b"")
        for response in both(health, path, "POST"):
            assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    for path in ("/health/other", "/health/live/more", "/healthy"):
        for response in both(health, path):
            assert response.status_code == 404


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/startup"])
def test_in_front_of_an_application_or_mounted_it_answers_the_same(path: str) -> None:
    """In front of any application, below a path, under the frameworks' own mounts."""
    health = Health()
    asgi = Starlette(
        routes=[Route("/", lambda _: PlainTextResponse("shop")), Route("/healthy", PlainTextResponse("yes"))]
    )
    mounted = Starlette(routes=[
        Route("/health", health.asgi_app()),
        Mount("/health", health.asgi_app()),
        Mount("/internal", health.asgi_app()),
    ])  # fmt: skip
    wsgi = Flask("shop")
    wsgi.add_url_rule("/", view_func=lambda: "shop")
    below = DispatcherMiddleware(wsgi.wsgi_app, {"/health": health.wsgi_app(), "/internal": health.wsgi_app()})
    for ask, front, under in (
        (over_asgi, health.asgi_app(asgi), mounted),
        (over_wsgi, health.wsgi_app(wsgi), below),
    ):
        assert ask(front, "/").text == "shop"
        assert ask(front, path).status_code == 200
        assert ask(under, path).status_code == 200
        assert ask(under, f"/internal{path}").status_code == 200
    assert over_asgi(health.asgi_app(asgi), "/healthy").text == "yes"


async def test_it_serves_http_alone() -> None:
    """Other protocols are the application's, or refused as ASGI asks for."""
    with pytest.raises(NotImplementedError, match="served over http, not websocket"):
        await Health().asgi_app()({"type": "websocket"}, None, None)
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    await Health().asgi_app(app)({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]


# -- time ---------------------------------------------------------------------------------------------------------


def test_checks_run_at_once() -> None:
    """Three that wait for each other all pass."""
    meeting = threading.Barrier(3)
    for ask in (over_asgi, over_wsgi):
        health = Health(ready={name: lambda: meeting.wait(10) >= 0 for name in "abc"})
        app = health.asgi_app() if ask is over_asgi else health.wsgi_app()
        assert ask(app, "/health/ready").status_code == 200


async def test_a_slow_check_does_not_hold_the_event_loop() -> None:
    """While it waits, the same loop lets it go."""
    go = threading.Event()
    health = Health(ready={"slow": lambda: go.wait(10)})
    asking = asyncio.create_task(_answer(health))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not asking.done()
    go.set()
    assert (await asking)["status"] == "healthy"


async def _answer(health: Health, path: str = "/health/ready") -> Any:
    transport = httpx.ASGITransport(health.asgi_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return (await client.get(path)).json()


@contextmanager
def hanging() -> Iterator[tuple[Callable[[], bool], threading.Event, list[int]]]:
    go, calls = threading.Event(), list[int]()

    def hangs() -> bool:
        calls.append(1)
        return go.wait(30)

    try:
        yield hangs, go, calls
    finally:
        go.set()


@pytest.mark.parametrize("ask", [over_asgi, over_wsgi])
def test_a_hung_check_fails_at_its_timeout_and_does_not_pile_up(ask: Any) -> None:
    """Twenty probes start one run; when it has come back, the next probe asks anew."""
    with hanging() as (hangs, go, calls):
        health = Health(ready={"database": hangs, "other": lambda: True}, timeout=0.05, keep=0)
        app = health.asgi_app() if ask is over_asgi else health.wsgi_app()
        before = threading.active_count()
        for _ in range(20):
            response = ask(app, "/health/ready")
            assert response.status_code == 503
            shown = response.json()["checks"]
            assert shown["database"] == {"status": "fail", "latency_ms": 50.0, "message": "no answer within 0.05 s"}
            assert shown["other"]["status"] == "pass"
        assert len(calls) == 1
        assert threading.active_count() <= before + 2
        run = health._ready[0]._run
        assert run is not None
        go.set()
        run.future.result(10)
        assert ask(app, "/health/ready").status_code == 200
        assert len(calls) == 2


async def test_a_hung_coroutine_is_cancelled_and_does_not_pile_up() -> None:
    """Also one that does not heed it: there is never a second beside it."""
    go, calls, cancelled = asyncio.Event(), [], []

    async def stubborn() -> None:
        calls.append(1)
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                cancelled.append(1)

    health = Health(ready={"ai_service": stubborn}, timeout=0.05, keep=0)
    for _ in range(5):
        assert (await _answer(health))["checks"]["ai_service"]["status"] == "fail"
    await asyncio.sleep(0)
    assert len(calls) == 1
    assert cancelled
    go.set()
    run = health._ready[0]._run
    assert run is not None
    assert run.task is not None
    await run.task
    assert (await _answer(health))["checks"]["ai_service"]["status"] == "pass"


async def test_a_probe_that_leaves_takes_no_check_with_it() -> None:
    """A client that disconnects cancels its own waiting; another that waits for the same run gets its answer."""
    go = threading.Event()
    health = Health(ready={"slow": lambda: go.wait(10)})
    first, second = asyncio.create_task(_answer(health)), asyncio.create_task(_answer(health))
    for _ in range(10):
        await asyncio.sleep(0)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    go.set()
    assert (await second)["status"] == "healthy"


def test_a_coroutine_whose_loop_is_gone_is_forgotten() -> None:
    """A server that was restarted in the same process asks anew."""

    async def never() -> None:
        await asyncio.Event().wait()

    health = Health(ready={"x": never}, timeout=0.01, keep=0)
    for _ in range(2):
        assert over_asgi(health.asgi_app(), "/health/ready").status_code == 503
    loop = asyncio.new_event_loop()
    run = health._ready[0].start(loop)
    assert run.task is not None
    run.task.cancel()
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(run.task)
    loop.close()
    lost = health._ready[0]._run = health_runs._Run(1.0, loop)
    assert lost.lost
    assert over_wsgi(health.wsgi_app(), "/health/ready").status_code == 503
    assert health._ready[0]._run is not lost


def test_results_are_kept_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a second one query answers all probes; after it there is another."""
    calls: list[int] = []
    health = Health(ready={"database": lambda: calls.append(1)})
    now = [100.0]
    monkeypatch.setattr("dblog.integrations.health.runs.time.monotonic", lambda: now[0])
    for later, asked in ((0.0, 1), (0.5, 1), (0.49, 1), (0.02, 2), (1.1, 3)):
        now[0] += later
        assert over_wsgi(health.wsgi_app(), "/health/ready").status_code == 200
        assert len(calls) == asked


@pytest.mark.parametrize(
    ("variable", "name", "given", "seconds"),
    [
        ("HEALTH_CHECK_DB_TIMEOUT", "database", "5s", 5.0),
        ("HEALTH_CHECK_DATABASE_TIMEOUT", "database", "250ms", 0.25),
        ("HEALTH_CHECK_AI_TIMEOUT", "ai_service", "10s", 10.0),
        ("HEALTH_CHECK_AI_SERVICE_TIMEOUT", "ai_service", "1m", 60.0),
        ("HEALTH_CHECK_VECTOR_DB_TIMEOUT", "vector_database", "1.5", 1.5),
        ("HEALTH_CHECK_LOGS_TIMEOUT", "logs", " 2 s ", 2.0),
        ("HEALTH_CHECK_LOGS_TIMEOUT", "logs", "", 7.0),
        ("HEALTH_CHECK_OTHER_TIMEOUT", "logs", "2s", 7.0),
    ],
)
def test_timeouts_come_from_the_environment(
    variable: str, name: str, given: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the check's name in capitals, its usual short form too."""
    monkeypatch.setenv(variable, given)
    assert _timeout(name, 7.0) == seconds
    assert Health(ready={name: raising}, timeout=7)._ready[0].timeout == seconds


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"timeout": 0}, "timeout=0 is not allowed: give 0.001 to 3600 seconds"),
        ({"timeout": True}, "timeout=True is not a time"),
        ({"keep": float("nan")}, "keep=nan is not a time"),
        ({"ready": [raising]}, "is not allowed: give a mapping of name to check"),
        ({"ready": {"a b": raising}}, "ready: 'a b' cannot name a check"),
        ({"startup": {"x": 7}}, "startup: the check 'x' is a int: give a function"),
        ({"ready": {"slow": raising}}, "HEALTH_CHECK_SLOW_TIMEOUT='soon' is not a time"),
    ],
)
def test_what_cannot_be_is_refused(keywords: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, naming the option or variable, its value and what is allowed."""
    monkeypatch.setenv("HEALTH_CHECK_SLOW_TIMEOUT", "soon")
    with pytest.raises(ConfigurationError) as refused:
        Health(**keywords)
    assert said in str(refused.value)


def test_trouble_is_logged_when_it_comes_and_when_it_goes() -> None:
    """Once each, with the exception; not at every probe."""
    logging.getLogger("dblog.health").setLevel(logging.INFO)
    broken = [True]

    def check() -> None:
        if broken[0]:
            raising()

    health = Health(ready={"database": check}, keep=0)
    with recording() as recorded:
        for broken[0] in (True, True, False, False):
            over_wsgi(health.wsgi_app(), "/health/ready")
        told = [(entry.level, entry.message, entry.exc_type) for entry in recorded.wait(logger="dblog.health")]
    assert told == [
        ("WARNING", "health check database raised", "RuntimeError"),
        ("WARNING", "health check database: fail", None),
        ("INFO", "health check database: pass", None),
    ]


def test_a_thread_that_cannot_be_had_is_a_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process at its limits answers, and says that it is not ready."""

    def no_thread(*_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread")

    health = Health(ready={"database": lambda: True})
    monkeypatch.setattr("dblog.integrations.health.runs.threading.Thread", no_thread)
    response = over_wsgi(health.wsgi_app(), "/health/ready")
    assert (
        response.json()["checks"]["database"].items() >= {"status": "fail", "message": "could not be started"}.items()
    )


def test_a_forked_child_asks_for_itself() -> None:
    """A run that hangs in the parent is not waited for in the child."""
    code = """
import os, threading
from dblog.integrations.health import Health
go = threading.Event()
health = Health(ready={"x": lambda: go.wait(30)}, timeout=0.05)
running = health._ready[0]
def ask():
    return health._answer("ready", "GET").status
assert ask() == 503
running._lock.acquire()
import warnings; warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: a fork beside a thread is the test
pid = os.fork()
if pid == 0:
    go.set()
    os._exit(0 if ask() == 200 else 1)
assert os.waitpid(pid, 0)[1] == 0
"""
    printed = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr


# -- the checks that are there ------------------------------------------------------------------------------------


def shown(check: Any, **more: Any) -> dict[str, Any]:
    """What a check says over WSGI, without its latency."""
    answer = over_wsgi(Health(ready={"it": check}, **more).wsgi_app(), "/health/ready").json()["checks"]["it"]
    del answer["latency_ms"]
    return dict(answer)


def test_a_database_that_answers(database_url: str) -> None:
    """By URL, by engine, and by an asynchronous engine in its own loop."""
    engine = sa.create_engine(sync_url(database_url))
    assert shown(database(database_url)) == shown(database(engine)) == {"status": "pass"}
    engine.dispose()

    async def asked() -> Any:
        asynchronous = create_async_engine(async_url(database_url))
        try:
            return await _answer(Health(ready={"database": database(asynchronous)}))
        finally:
            await asynchronous.dispose()

    assert asyncio.run(asked())["checks"]["database"]["status"] == "pass"


def test_a_database_that_is_gone(private_postgres: Private) -> None:
    """Ready, 503 while it is stopped, without a word of its URL; and ready again."""
    url = private_postgres.database_url
    secret = url.replace("://", f"://somebody:{SECRET}@", 1) if "@" not in url else url
    engine = sa.create_engine(sync_url(url), pool_pre_ping=True)
    checks = {"database": database(engine), "by_url": database(secret)}
    health = Health(ready={"database": checks["database"]}, keep=0)
    assert over_wsgi(health.wsgi_app(), "/health/ready").status_code == 200
    private_postgres.stop()
    response = over_wsgi(Health(ready=checks, keep=0).wsgi_app(), "/health/ready")
    assert response.status_code == 503
    assert [each["message"] for each in response.json()["checks"].values()] == ["OperationalError"] * 2
    assert SECRET not in response.text
    assert over_wsgi(health.wsgi_app(), "/health").content == b'{"status":"ok"}'
    private_postgres.start()
    assert over_wsgi(health.wsgi_app(), "/health/ready").status_code == 200
    engine.dispose()


def test_an_exhausted_pool_is_not_ready(empty_sqlite_url: str) -> None:
    """The check takes a connection of the application's pool."""
    engine = sa.create_engine(empty_sqlite_url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    with engine.connect():
        assert shown(database(engine)) == {"status": "fail", "message": "TimeoutError"}
    engine.dispose()


def test_a_url_that_cannot_be_is_refused() -> None:
    """When the service starts, not at the first probe."""
    with pytest.raises(ConfigurationError):
        database("mysql://x")


def test_the_schema_s_revision(database_url: str, empty_sqlite_url: str) -> None:
    """At head it passes and names it; where dblog's tables are not there it says what to do."""
    head = migrate.check(database_url).head
    assert shown(schema(database_url)) == {"status": "pass", "revision": head}
    found = shown(schema(empty_sqlite_url))
    assert found["status"] == "fail"
    assert found["message"] == f"the schema is not there (head is {head}): run `dblog upgrade`"


def made(**options: Any) -> tuple[dblog.DatabaseHandler, logging.Logger, MemorySink]:
    sink = MemorySink()
    handler = dblog.DatabaseHandler(sink=sink, retry_initial=0.001, retry_max=0.01, **options)
    logger = logging.Logger("shop")
    logger.addHandler(handler)
    return handler, logger, sink


def test_a_writer_that_stores() -> None:
    """Its state and figures; without a record yet it is up all the same."""
    handler, logger, _ = made()
    assert shown(started(handler)) == {"status": "pass", "message": "it starts with the first record", "state": "NEW"}
    logger.info("x")
    assert handler.flush(10)
    assert shown(started()) == {"status": "pass", "state": "RUNNING"}
    assert shown(writer()) == {"status": "pass", "state": "RUNNING", "queued": 0, "dropped": 0, "failed": 0}
    handler.close()
    assert shown(writer(handler))["status"] == "fail"
    assert shown(writer()) == shown(started()) == {"status": "skip", "message": "no DatabaseHandler in this process"}


def test_a_writer_in_trouble() -> None:
    """Its sink down, its queue nearly full, or without a database: each is a fail that says so."""
    handler, logger, sink = made(queue_size=10)
    logger.info("x")
    assert handler.flush(10)
    sink.down()
    for _ in range(9):
        logger.info("x")
    while handler.stats().state != "RETRY":
        handler.flush(0.01)
    found = shown(writer())
    assert found.items() >= {"status": "fail", "message": "the writer does not store", "state": "RETRY"}.items()
    assert shown(advisory(writer()))["status"] == "skip"
    sink.up()
    assert handler.flush(10)
    handler.close()
    detached = dblog.DatabaseHandler(queue_size=10)
    for _ in range(9):
        detached.handle(logging.LogRecord("x", 20, "", 1, "x", (), None))
    assert shown(writer(detached))["state"] == shown(started(detached))["state"] == "DETACHED"
    detached.close()


def test_a_backlog_is_a_fail_before_records_are_lost() -> None:
    """More than the share of the queue that may wait."""
    handler, logger, _ = made(queue_size=10, flush_interval=60.0)
    with handler._writer._working:  # nobody delivers
        for _ in range(4):
            logger.info("x")
        assert shown(writer(backlog=0.8))["status"] == "pass"
        assert shown(writer(backlog=0.2))["message"] == "more than 20% of the queue waits"
    handler.close()
    with pytest.raises(ConfigurationError, match="backlog=2 is not allowed"):
        writer(backlog=2)


def test_a_check_that_only_advises() -> None:
    """Its failure is shown, however it comes about, and makes nothing unready."""

    async def refuses() -> Any:
        return failed("away", hosts=2)

    def sends() -> Any:
        return refuses()

    class Asks:
        async def __call__(self) -> bool:
            return False

    checks = {
        "a": advisory(raising), "b": advisory(raising_asynchronously), "c": advisory(refuses), "d": advisory(Asks()),
        "e": advisory(sends), "f": advisory(lambda: passed("fine")),
    }  # fmt: skip
    for response in both(Health(ready=checks), "/health/ready"):
        assert response.status_code == 200
        told = {name: (each["status"], each.get("message")) for name, each in response.json()["checks"].items()}
        assert told == {
            "a": ("skip", "not required: RuntimeError"), "b": ("skip", "not required: RuntimeError"),
            "c": ("skip", "not required: away"), "d": ("skip", "not required: fail"),
            "e": ("skip", "not required: away"), "f": ("pass", "fine"),
        }  # fmt: skip
    assert result_of(0).status == "fail"


# -- served -------------------------------------------------------------------------------------------------------

SERVICE = """
import os, socket
import uvicorn
from dblog.integrations.health import Health, database, failed, schema
url = os.environ["URL"]
health = Health(ready={"database": database(url)}, startup={"database_migration": schema(url)})
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(health.asgi_app(), log_level="error")).run(sockets=[listening])
"""


def test_kubernetes_probes_are_answered(sqlite_url: str) -> None:
    """Each probe of ``examples/observability`` asks a real server for a path that is there, and gets its 200."""
    deployment = yaml.safe_load((EXAMPLES / "observability/kubernetes.yml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    probes = {name: probe for name, probe in container.items() if name.endswith("Probe")}
    assert set(probes) == {"livenessProbe", "readinessProbe", "startupProbe"}
    environment = (
        os.environ | {each["name"]: each["value"] for each in container["env"] if "value" in each} | {"URL": sqlite_url}
    )
    command = [sys.executable, "-c", SERVICE]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            for probe in probes.values():
                asked = probe["httpGet"]
                assert asked["port"] == container["ports"][0]["containerPort"]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{asked['path']}", timeout=20) as response:
                    assert response.status == 200
                    assert json.load(response)["status"] in {"healthy", "ready"}
        finally:
            process.terminate()
            process.wait(20)
