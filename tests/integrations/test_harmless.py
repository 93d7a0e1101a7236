"""Whatever fails in a middleware of ours, the application and its client notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Mount, Route

import dblog
from dblog import diagnostics
from dblog.integrations import asgi, wsgi
from dblog.testing import recording
from tests.asgi_client import ask, http_scope
from tests.wsgi_client import environ, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

OURS = Path(dblog.__file__).parent
PARTS = {
    "exchange", "asgi_exchange", "asgi_routes", "django_routes", "http", "wsgi", "wsgi_answer", "asgi",
    "given", "scopes", "spans", "traceparent",
}  # fmt: skip
"""The modules a request passes on its way."""
BEARING = {
    "__call__", "_open", "send", "receive", "start_response", "counted", "returning", "__next__", "__iter__", "close",
    "closing", "finish", "failed", "apologize", "tell",
}  # fmt: skip
"""Functions the request runs through, or in which the guards stand: that they are called cannot fail."""


class Broken(Exception):  # noqa: N818 - a name for one test
    """Thrown into a part of ours."""


async def chunks() -> Any:
    yield b"abc"
    yield b"def"


async def order(request: Request) -> StreamingResponse:
    await request.body()
    return StreamingResponse(chunks(), 201)


async def boom(request: Request) -> StreamingResponse:
    raise ValueError(request.path_params["k"])


def fields(_request: Any) -> dict[str, Any]:
    return {"user_id": "u-1", "order": 3, "baggage": {"a": "b"}}


class Observer:
    """Counts nothing."""

    def started(self, method: str) -> None: ...

    def finished(self, *told: Any) -> None: ...


TRACED = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    "tracestate": "a=b",
    "baggage": "c=d",
    "user-agent": "hand/1",
}
STARLETTE = Starlette(
    routes=[
        Mount("/m/{k}", routes=[Route("/orders", order, methods=["POST"])]),
        Mount("/n", routes=[Route("/boom/{k}", boom)]),
    ]
)
FLASK = Flask("shop")


@FLASK.route("/m/<k>/orders", methods=["POST"])
def flask_order(k: str) -> Any:
    return iter([b"abc", b"def"]), 201


@FLASK.route("/n/boom/<k>")
def flask_boom(k: str) -> str:
    raise ValueError(k)


def bare_wsgi(path: str) -> Any:
    """What raises to the server comes from an application without a framework."""
    return _raises if path.startswith("/n") else FLASK


def _raises(_environ: Any, _start: Any) -> Any:
    raise ValueError("x")


REQUESTS = [("POST", "/m/4/orders"), ("GET", "/n/boom/x")]


def outcome(kind: str, method: str, path: str, *, wrapped: bool) -> Any:
    """All that a client and a server see of one request; without the header, which is ours."""
    if kind == "asgi":
        app: Any = asgi.TrackingMiddleware(STARLETTE, metrics=Observer(), context=fields) if wrapped else STARLETTE
        answer = asyncio.run(ask(app, http_scope(path, method, TRACED)))
        headers = [header for header in answer.headers if header[0] != "x-tracking-id"]
        return answer.status, headers, answer.body, repr(answer.error)
    app = bare_wsgi(path)
    if wrapped:
        app = wsgi.TrackingMiddleware(app, metrics=Observer(), context=fields, answer_errors=False)
    told = serve(app, environ(path, method, TRACED))
    headers = [header for header in told.headers if header[0] != "X-Tracking-ID"]
    return told.status, headers, told.body, repr(told.error)


class Thrower:
    """Raises ``Broken`` as one function of ours is called; lists them where none is named."""

    def __init__(self, target: tuple[str, str] | None = None) -> None:
        self.target = target
        self.met: set[tuple[str, str]] = set()
        self.thrown = 0

    def __call__(self, frame: Any, event: str, _arg: Any) -> Any:
        code = frame.f_code
        file = Path(code.co_filename)
        if event != "call" or file.stem not in PARTS or OURS not in file.parents or code.co_name.startswith("<"):
            return None
        name = (file.stem, code.co_name)
        if code.co_name not in BEARING:
            self.met.add(name)
            if name == self.target:
                self.thrown += 1
                raise Broken
        return None

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """For all threads of the test."""
        before = sys.gettrace()
        threading.settrace(self)
        sys.settrace(self)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(None)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be told on stderr, every time."""
    told: list[str] = []
    for name in ("exchange", "spans"):
        module = sys.modules[f"dblog.integrations.{name}" if name == "exchange" else f"dblog.{name}"]
        monkeypatch.setattr(module, "complain", lambda _kind, line: told.append(line))
    return told


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_every_function_of_ours_may_fail(kind: str, quiet: list[str]) -> None:
    """Each function a request reaches, one after the other, raises whenever it is called: the client's answer and
    the server's exception are those of the application alone, and the failure is told.
    """
    with recording():
        for method, path in REQUESTS:
            wanted = outcome(kind, method, path, wrapped=False)
            search = Thrower()
            with search.at_work():
                assert outcome(kind, method, path, wrapped=True) == wanted
            reached = {target for target in search.met if target[1] not in {"watch", "_observer", "_header"}}
            for target in sorted(reached):
                # Made outside: a middleware that cannot be made is a mistake in the configuration, and is said so.
                thrower = Thrower(target)
                quiet.clear()
                with thrower_in_requests(thrower):
                    assert outcome(kind, method, path, wrapped=True) == wanted, target
                assert thrower.thrown == 0 or quiet or target[0] in SHARED, target
            assert len(reached) >= 8, reached


SHARED = {"spans", "scopes"}
"""Capture asks them as well, where another guard stands: it takes its slow way."""


@contextlib.contextmanager
def thrower_in_requests(thrower: Thrower) -> Iterator[None]:
    """Only while a request is served: ``__call__`` starts it."""
    kinds: tuple[Any, ...] = (asgi.TrackingMiddleware, wsgi.TrackingMiddleware)
    made = [kind.__init__ for kind in kinds]

    def paused(init: Callable[..., None]) -> Callable[..., None]:
        def make(*args: Any, **kwargs: Any) -> None:
            tracer = sys.gettrace()
            sys.settrace(None)
            try:
                init(*args, **kwargs)
            finally:
                sys.settrace(tracer)

        return make

    for kind, init in zip(kinds, made, strict=True):
        kind.__init__ = paused(init)
    try:
        with thrower.at_work():
            yield
    finally:
        for kind, init in zip(kinds, made, strict=True):
            kind.__init__ = init


def broken(*_args: Any, **_kwargs: Any) -> Any:
    raise Broken


class BrokenObserver:
    """Both raise."""

    started = finished = staticmethod(broken)


class BrokenStart(Observer):
    """Only the start raises: then there is no end to be told."""

    started = staticmethod(broken)

    def finished(self, *told: Any) -> None:
        raise AssertionError


class BrokenFilter(logging.Filter):
    """Of a user's."""

    filter = staticmethod(broken)


class BrokenHandler(logging.Handler):
    """Of a user's, which does not ask ``handleError``."""

    handle = staticmethod(broken)


class Hostile:
    """A value of a framework's that has nothing to say."""

    def __getattr__(self, name: str) -> Any:
        raise Broken

    def __str__(self) -> str:
        raise Broken


USERS: dict[str, dict[str, Any]] = {
    "metrics": {"metrics": BrokenObserver()},
    "metrics at the start": {"metrics": BrokenStart()},
    "context": {"context": broken},
    "context with a reserved name": {"context": lambda _: {"dblog": 1}},
    "context of another type": {"context": lambda _: 5},
    "context with bad baggage": {"context": lambda _: {"baggage": {"a b": "c"}}},
}


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@pytest.mark.parametrize("part", [*USERS, "filter", "handler", "record factory", "logger", "route", "scope"])
def test_everything_the_user_gives_may_fail(kind: str, part: str, quiet: list[str]) -> None:
    """Observers, callables, logging's own extension points, and what frameworks leave behind."""
    method, path = REQUESTS[0]
    wanted = outcome(kind, method, path, wrapped=False)
    log = logging.getLogger("dblog.access")
    log.setLevel(logging.INFO)
    options = {"metrics": Observer(), "context": fields, **USERS.get(part, {})}
    if part == "filter":
        log.addFilter(BrokenFilter())
    elif part == "handler":
        log.addHandler(BrokenHandler())
    elif part == "logger":
        options["logger"] = type("Refusing", (logging.Logger,), {"isEnabledFor": broken})("refusing")
    elif part == "record factory":
        logging.setLogRecordFactory(broken)
    more: dict[str, Any] = {"dblog.route": Hostile()} if part == "route" else {}
    if kind == "asgi":
        if part == "scope":
            more = {"client": 7, "http_version": object(), "state": None}
        scope = http_scope(path, method, TRACED, **more)
        answer = asyncio.run(ask(asgi.TrackingMiddleware(STARLETTE, **options), scope))
        found: Any = answer.status, [h for h in answer.headers if h[0] != "x-tracking-id"], answer.body, "None"
    else:
        if part == "scope":
            more = {"SERVER_PROTOCOL": None}
        told = serve(wsgi.TrackingMiddleware(FLASK, **options), {**environ(path, method, TRACED), **more})
        found = told.status, [h for h in told.headers if h[0] != "X-Tracking-ID"], told.body, repr(told.error)
    assert found == wanted
    assert quiet


def test_what_fails_is_told_once(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line on stderr naming the part and the exception's class, never its text."""
    monkeypatch.undo()
    diagnostics._last.clear()

    def secret(_scope: Any) -> Any:
        raise Broken("password=hunter2")

    app = asgi.TrackingMiddleware(STARLETTE, context=secret)
    for _ in range(3):
        asyncio.run(ask(app, http_scope("/")))
    lines = [line for line in capfd.readouterr().err.splitlines() if "middleware" in line]
    assert lines == ["dblog: a middleware's context failed with Broken; the request went on"]
    diagnostics._last.clear()


def test_hostile_requests_are_answered() -> None:
    """Scopes with anything in their headers, and environs without what WSGI demands, reach the application."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": None})
        await send({"type": "http.response.body"})

    for headers in ([], [(b"traceparent", b"\xff\xfe")], [(b"content-length", b"-1")], [(b"user-agent", None)], None):
        scope = {**http_scope("/"), "headers": headers}
        answer = asyncio.run(ask(asgi.TrackingMiddleware(app), scope))
        assert answer.error is None
        assert [each["type"] for each in answer.messages] == ["http.response.start", "http.response.body"]

    def wsgi_app(environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return [b"ok"]

    full = environ("/", "GET", {})
    for missing in itertools.chain([()], ((name,) for name in full)):
        part = {name: value for name, value in full.items() if name not in missing}
        assert serve(wsgi.TrackingMiddleware(wsgi_app), part).body == b"ok"
