"""Ten thousand requests at once: every record has the ids of its own request, and of no other."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

import dblog
from dblog.integrations.asgi import TrackingMiddleware
from dblog.integrations.wsgi import TrackingMiddleware as WsgiTracking
from dblog.testing import Recording, recording
from tests.asgi_client import ask, http_scope
from tests.wsgi_client import environ, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

REQUESTS = 10_000
IN_THREADS, THREADS = 3000, 32
log = logging.getLogger("shop")


@pytest.fixture
def seen() -> Iterator[Recording]:
    """What is logged; as much as there is."""
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with recording("INFO", overflow="block", block_timeout=30.0) as made:
        yield made


def sent(number: int) -> dict[str, str]:
    """Two of three requests bring a trace."""
    if number % 3 == 0:
        return {}
    if number % 3 == 1:
        return {"x-tracking-id": f"{number:032x}"}
    return {"traceparent": f"00-{number:032x}-{number:016x}-01"}


def check(seen: Recording, answered: dict[int, str | None], records: int) -> None:
    """So many records of each request and one access record, all with the trace its client was told, none mixed."""
    for number, trace in answered.items():
        assert trace == f"{number:032x}" if number % 3 else len(trace or "") == 32
    assert len(set(answered.values())) == len(answered)
    counts, mixed, spans = Counter[int](), 0, dict[str, set[str]]()
    for entry in seen.wait(50.0, logger="shop"):
        number = int(entry.attributes["order"])
        counts[number] += 1
        mixed += entry.trace_id != answered[number] or entry.user_id != f"u-{number}"
        spans.setdefault(entry.trace_id or "", set()).add(entry.span_id or "")
    assert mixed == 0
    assert set(counts.values()) == {records}
    assert len(counts) == len(answered)
    accesses = seen.entries(logger="dblog.access")
    assert Counter(entry.trace_id for entry in accesses) == Counter(answered.values())
    for entry in accesses:
        number = int(entry.attributes["path"].rpartition("/")[2])
        assert entry.trace_id == answered[number]
        assert spans[entry.trace_id or ""] == {entry.span_id}


def context(request: Any) -> dict[str, Any]:
    """A user for each request."""
    path: str = request.get("path") or request["PATH_INFO"]
    return {"user_id": f"u-{path.rpartition('/')[2]}"}


class All:
    """An ASGI application whose requests wait for each other: all are under way before any is answered."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.arrived = 0
        self.here = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        number = int(scope["path"].rpartition("/")[2])
        log.info("arrived", extra={"order": number})
        self.arrived += 1
        if self.arrived == self.expected:
            self.here.set()
        await self.here.wait()
        for _ in range(random.randrange(3)):
            await asyncio.sleep(0)
        await asyncio.create_task(self.part(number))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"ok"})

    @staticmethod
    async def part(number: int) -> None:
        """A task of each request, at the same time as all others."""
        await asyncio.sleep(0)
        log.info("part", extra={"order": number})


def test_ten_thousand_asgi_requests_at_once(seen: Recording) -> None:
    """All of them are open at the same moment, in one event loop, each with tasks of its own."""

    async def main() -> dict[int, str | None]:
        app = TrackingMiddleware(All(REQUESTS), context=context)
        scopes = [http_scope(f"/orders/{number}", headers=sent(number)) for number in range(REQUESTS)]
        answers = await asyncio.gather(*(ask(app, scope) for scope in scopes))
        return {number: answer.tracking_id for number, answer in enumerate(answers)}

    check(seen, asyncio.run(main()), 2)


def test_wsgi_requests_in_threads(seen: Recording) -> None:
    """A pool's threads take whichever request comes next; answers are made lazily, some servers never close them."""
    answered: dict[int, str | None] = {}
    numbers = iter(range(IN_THREADS))
    together = threading.Barrier(THREADS)

    def app(request: dict[str, Any], start: Any) -> Iterator[bytes]:
        number = int(request["PATH_INFO"].rpartition("/")[2])
        log.info("arrived", extra={"order": number})
        start("200 OK", [])
        yield b"o"
        log.info("goes on", extra={"order": number})
        dblog.bind(leaked=number)
        yield b"k"

    tracked = WsgiTracking(app, context=context)

    def work() -> None:
        together.wait()
        for number in numbers:
            told = serve(tracked, environ(f"/orders/{number}", headers=sent(number)))
            answered[number] = told.tracking_id
            assert dblog.current() == dblog.context.Context()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(seen, answered, 2)
    for entry in seen.entries(logger="dblog.access"):
        assert entry.attributes["leaked"] == int(entry.attributes["path"].rpartition("/")[2])


class Other(BaseHTTPMiddleware):
    """A middleware that runs what is below it in another task."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        """Pass on."""
        return await call_next(request)


async def order(request: Request) -> StreamingResponse:
    """Streams, and asks a thread."""
    number = request.path_params["number"]
    extra = {"order": number}
    log.info("arrived", extra=extra)
    await asyncio.to_thread(log.info, "in a thread", extra=extra)

    async def pieces() -> Any:
        yield b"o"
        log.info("streams", extra=extra)
        yield b"k"

    return StreamingResponse(pieces())


def in_thread(request: Request) -> PlainTextResponse:
    """A synchronous endpoint."""
    for message in ("one", "two", "three"):
        log.info(message, extra={"order": request.path_params["number"]})
    return PlainTextResponse("ok")


async def test_requests_through_a_real_server(seen: Recording) -> None:
    """uvicorn, connections kept alive, streams, threads, and a middleware that changes tasks."""
    app = Starlette(routes=[Route("/a/{number}", order), Route("/b/{number}", in_thread)])
    app.add_middleware(Other)
    tracked: Any = TrackingMiddleware(app, context=context)
    server = uvicorn.Server(uvicorn.Config(tracked, port=0, log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", limits=httpx.Limits(max_connections=40)
    ) as client:

        async def send(number: int) -> tuple[int, str | None]:
            reply = await client.get(f"/{'ab'[number % 2]}/{number}", headers=sent(number))
            assert reply.text == "ok"
            return number, reply.headers["X-Tracking-ID"]

        answered = dict(await asyncio.gather(*(send(number) for number in range(200))))
    server.should_exit = True
    await serving
    check(seen, answered, 3)
