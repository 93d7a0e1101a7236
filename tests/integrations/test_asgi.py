"""``dblog.integrations.asgi``: one trace, one header, one record and one count per request, whatever it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

import dblog
from dblog.errors import ConfigurationError
from dblog.integrations.asgi import TrackingMiddleware
from dblog.integrations.prometheus import AppMetrics
from dblog.testing import Recording, recording
from tests.asgi_client import Answer, ask, ask_now, http_scope
from tests.oracle import examples

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
log = logging.getLogger("shop")


class Counted:
    """An HttpObserver that keeps what it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.over: list[tuple[Any, ...]] = []

    def started(self, method: str) -> None:
        self.begun.append(method)

    def finished(self, *told: Any) -> None:
        self.over.append(told)


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """An application that logs, and answers."""
    log.info("at work")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def access(seen: Recording) -> Any:
    """The only access record."""
    (entry,) = seen.wait(logger="dblog.access")
    return entry


# -- the trace ------------------------------------------------------------------------------------------------


TRACES = [PARENT, TRACE, f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-x", TRACE.upper(), "0" * 32, "9" * 5000, ""]
headers = st.dictionaries(
    st.sampled_from(["traceparent", "x-tracking-id", "tracestate", "baggage", "user-agent", "content-length"]),
    st.sampled_from(TRACES) | st.text(st.characters(max_codepoint=255), max_size=60),
)


@given(headers, st.booleans())
@examples(100)
def test_every_request_has_a_trace_whatever_its_headers_say(sent: dict[str, str], trusting: bool) -> None:
    """The header, the state, the application's record and the access record name one valid trace: the caller's if
    ``extract`` finds one and callers are trusted, else that of a well-formed X-Tracking-ID, else a new one.
    """
    scope = http_scope(headers=sent)
    with recording() as seen:
        answer = ask_now(TrackingMiddleware(plain, trust_incoming=trusting), scope)
        (inner,) = seen.wait(logger="shop")
        entry = access(seen)
    assert answer.error is None
    assert answer.body == b"ok"
    remote = dblog.extract(sent) if trusting else {}
    wanted = remote.get("trace_id") or (TRACE if trusting and sent.get("x-tracking-id") == TRACE else None)
    assert wanted in {None, entry.trace_id}
    if wanted is None:
        assert entry.trace_id != TRACE
        assert len(entry.trace_id) == 32
        assert int(entry.trace_id, 16)
    assert scope["state"]["tracking_id"] == answer.tracking_id == inner.trace_id == entry.trace_id
    assert inner.span_id == entry.span_id != remote.get("parent_span_id")
    assert inner.parent_span_id == entry.parent_span_id == remote.get("parent_span_id")


def test_a_traceparent_that_came_twice_is_none() -> None:
    """As W3C has it: nobody knows which of the two is meant."""
    scope = http_scope(headers={"a": "b"})
    scope["headers"] += [(b"traceparent", PARENT.encode()), (b"traceparent", PARENT.encode())]
    assert ask_now(TrackingMiddleware(plain), scope).tracking_id != TRACE


def test_what_travels_with_a_trace_goes_on() -> None:
    """The next service gets the caller's tracestate, flags and baggage, and the request's span as its parent."""
    sent: dict[str, str] = {}

    async def calls(scope: Any, receive: Any, send: Any) -> None:
        dblog.inject(sent)
        await plain(scope, receive, send)

    came = {"traceparent": f"00-{TRACE}-{SPAN}-00", "tracestate": "vendor=1", "baggage": "tenant=a%20b"}
    with recording() as seen:
        ask_now(TrackingMiddleware(calls), http_scope(headers=came))
        entry = access(seen)
    assert sent == {
        "traceparent": f"00-{TRACE}-{entry.span_id}-00",
        "tracestate": "vendor=1",
        "baggage": "tenant=a%20b",
    }


def test_names_bound_outside_stay_and_ids_do_not() -> None:
    """A request is a scope of its own: the program's attributes are on its records, nobody's ids are."""
    with recording() as seen, dblog.bound(region="eu", user_id="u-1", trace_id=TRACE, span_id=SPAN):
        ask_now(TrackingMiddleware(plain))
        entry = access(seen)
        assert dblog.current().user_id == "u-1"
    assert (entry.user_id, entry.attributes["region"]) == (None, "eu")
    assert entry.trace_id != TRACE


def test_what_is_bound_in_a_request_ends_with_it() -> None:
    """``bind`` below is on the access record, and gone when the request is, also in the caller's own task."""

    async def binds(scope: Any, receive: Any, send: Any) -> None:
        dblog.bind(user_id="u-17", order=3, span_id=SPAN)
        await plain(scope, receive, send)

    async def twice() -> None:
        for app in (binds, plain):
            await ask(TrackingMiddleware(app))
            assert dblog.current() == dblog.context.Context()

    with recording() as seen:
        asyncio.run(twice())
        first, second = seen.wait(logger="dblog.access")
    assert (first.user_id, first.attributes["order"]) == ("u-17", 3)
    assert first.span_id != SPAN, "the record ends the request's span, not one within"
    assert (second.user_id, second.attributes.get("order")) == (None, None)


def test_context_names_what_is_bound() -> None:
    """``context`` is asked with the scope; what it gives is on every record, a trace id that is no header is not."""

    def of(scope: Any) -> dict[str, Any]:
        return {"user_id": dict(scope["headers"])[b"x-user"].decode(), "tenant": 7, "trace_id": "a\r\nb: c"}

    with recording() as seen:
        answer = ask_now(TrackingMiddleware(plain, context=of), http_scope(headers={"x-user": "u-5"}))
        for entry in seen.wait(logger="shop") + seen.wait(logger="dblog.access"):
            assert (entry.user_id, entry.attributes["tenant"], entry.trace_id) == ("u-5", 7, answer.tracking_id)
    assert answer.tracking_id is not None
    assert len(answer.tracking_id) == 32


# -- OpenTelemetry --------------------------------------------------------------------------------------------

tracer = TracerProvider().get_tracer("test")


def test_an_active_span_s_trace_is_the_request_s() -> None:
    """Within an instrumented server the request is a child of its span, whatever the headers say."""
    with recording() as seen, tracer.start_as_current_span("server") as span:
        answer = ask_now(TrackingMiddleware(plain), http_scope(headers={"traceparent": PARENT}))
        entry = access(seen)
    context = span.get_span_context()
    assert answer.tracking_id == entry.trace_id == f"{context.trace_id:032x}"
    assert entry.parent_span_id == f"{context.span_id:016x}"


@pytest.mark.parametrize("sent", [{}, {"traceparent": PARENT}, {"x-tracking-id": TRACE}], ids=str)
def test_an_instrumentation_within_goes_on_with_the_same_trace(sent: dict[str, str]) -> None:
    """Its span reads the request's headers: they name the middleware's span, so that there is one trace, not two."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    async def instrumented(scope: Any, receive: Any, send: Any) -> None:
        carrier = {name.decode(): value.decode() for name, value in scope["headers"]}
        parent = TraceContextTextMapPropagator().extract(carrier)
        with tracer.start_as_current_span("request", parent):
            await plain(scope, receive, send)

    with recording() as seen:
        answer = ask_now(TrackingMiddleware(instrumented), http_scope(headers=sent))
        (inner,) = seen.wait(logger="shop")
        entry = access(seen)
    assert inner.trace_id == entry.trace_id == answer.tracking_id
    assert inner.parent_span_id == entry.span_id != inner.span_id
    assert not otel.get_current_span().is_recording()


# -- the record and the count ---------------------------------------------------------------------------------


@given(
    st.sampled_from(["GET", "POST", "PURGE", "query"]),
    st.integers(100, 599),
    st.lists(st.binary(max_size=50), min_size=1, max_size=4),
    st.lists(st.binary(max_size=50), max_size=3),
    st.booleans(),
)
@examples(80)
def test_one_record_and_one_count_per_request(
    method: str, status: int, chunks: list[bytes], body: list[bytes], declared: bool
) -> None:
    """They agree on method, route, status and both sizes, declared or read; the level says whether it is an error."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while body and (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": status})
        for number, chunk in enumerate(chunks):
            await send({"type": "http.response.body", "body": chunk, "more_body": number < len(chunks) - 1})

    counted = Counted()
    sent = {"user-agent": "hand/1", **({"content-length": str(len(b"".join(body)))} if declared else {})}
    scope = http_scope("/a b/é", method, sent, query_string=b"token=secret", **{"dblog.route": "/{x}/{y}"})
    incoming = [
        {"type": "http.request", "body": part, "more_body": number < len(body) - 1} for number, part in enumerate(body)
    ]
    with recording() as seen:
        answer = ask_now(TrackingMiddleware(app, metrics=counted, level="DEBUG"), scope, incoming=incoming)
        entry = access(seen)
    assert answer.body == b"".join(chunks)
    label = method if method in {"GET", "POST"} else "OTHER"
    taken = len(b"".join(body)) if declared or body else None
    (told,) = counted.over
    assert counted.begun == [label]
    assert told[:3] + told[4:] == (label, "/{x}/{y}", status, taken, len(answer.body))
    attributes = entry.attributes
    assert attributes.pop("duration_ms") == pytest.approx(told[3] * 1000, abs=0.01)
    assert attributes.pop("request_bytes", None) == taken
    assert attributes == {
        "method": label, "route": "/{x}/{y}", "path": "/a b/é", "status_code": status,
        "response_bytes": len(answer.body), "client": "10.0.0.7", "user_agent": "hand/1", "http_version": "1.1",
    }  # fmt: skip
    assert entry.level == ("ERROR" if status >= 500 else "DEBUG")
    assert entry.message.startswith(f"{label} /{{x}}/{{y}} {status} in ")
    assert entry.template == "%s %s %d in %.1f ms"


def test_a_service_s_metrics_count_what_the_client_saw() -> None:
    """``AppMetrics().http`` is an observer: one series per template, method and status; nothing stays in flight."""
    metrics = AppMetrics("iac")
    app = TrackingMiddleware(fastapi_app(), metrics=metrics.http)
    for number in range(3):
        ask_now(app, http_scope(f"/orders/{number}"))
    ask_now(app, http_scope("/orders/none"))
    ask_now(app, http_scope("/wp-login.php", "HACK"))
    page = generate_latest(metrics.registry).decode()
    for line in (
        'iac_http_requests_total{method="GET",route="/orders/{number}",status_code="200"} 3.0',
        'iac_http_requests_total{method="GET",route="/orders/{number}",status_code="422"} 1.0',
        'iac_http_requests_total{method="OTHER",route="(unmatched)",status_code="404"} 1.0',
        'iac_http_request_duration_seconds_count{method="GET",route="/orders/{number}"} 4.0',
        'iac_http_response_size_bytes_sum{method="OTHER",route="(unmatched)"} 22.0',
        "iac_http_requests_in_flight 0.0",
    ):
        assert line in page.splitlines(), page


class Sorrow(Exception):  # noqa: N818 - a name for one test
    """The application's own."""


async def fails(scope: Any, receive: Any, send: Any) -> None:
    raise Sorrow("no")


async def fails_late(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise Sorrow("no")


@pytest.mark.parametrize(
    ("app", "status", "body"),
    [(fails, 500, b"Internal Server Error"), (fails_late, 200, b"half")],
    ids=["before the answer", "within it"],
)
def test_an_exception_is_on_the_one_record_and_goes_on(app: Any, status: int, body: bytes) -> None:
    """The very exception reaches the server; an answer that had not begun is a 500 with the header."""
    counted = Counted()
    with recording() as seen:
        answer = ask_now(TrackingMiddleware(app, metrics=counted))
        entry = access(seen)
    assert isinstance(answer.error, Sorrow)
    assert (answer.status, answer.body) == (status, body)
    assert answer.tracking_id == entry.trace_id
    assert (entry.level, entry.attributes["status_code"]) == ("ERROR", status)
    assert entry.exc_type.endswith("Sorrow")
    assert "fails" in entry.exc_text
    assert counted.over[0][2] == status


def test_nobody_s_answer_to_an_error_is_taken_away() -> None:
    """With ``answer_errors=False``, or inside of Starlette, whoever stands outside answers."""

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        try:
            await TrackingMiddleware(fails, answer_errors=False)(scope, receive, send)
        except Sorrow:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b"theirs"})

    async def handler(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("handler's", 500)

    assert ask_now(outside).body == b"theirs"
    app = Starlette(routes=[Mount("/", app=fails)], exception_handlers={Exception: handler})
    app.add_middleware(TrackingMiddleware)
    assert ask_now(app).body == b"handler's"


def test_an_error_starlette_answers_is_one_record_with_its_exception() -> None:
    """Starlette answers 500 and raises afterwards: that is the same error, not a second one."""

    async def order(request: Request) -> PlainTextResponse:
        raise Sorrow("no")

    with recording() as seen:
        answer = ask_now(TrackingMiddleware(Starlette(routes=[Route("/", order)])))
        entry = access(seen)
    assert isinstance(answer.error, Sorrow)
    assert answer.tracking_id == entry.trace_id
    assert (entry.attributes["status_code"], entry.exc_type.rpartition(".")[2]) == (500, "Sorrow")


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_what_is_no_exception_passes_untouched(kind: type[BaseException]) -> None:
    """It is the very object, no answer is made up, and the request is still logged and counted."""
    raised, counted = kind("x"), Counted()

    async def ends(scope: Any, receive: Any, send: Any) -> None:
        raise raised

    async def main() -> Answer:
        return await ask(TrackingMiddleware(ends, metrics=counted))

    with recording() as seen:
        answer = asyncio.run(main())
        entry = access(seen)
    assert answer.error is raised
    assert answer.messages == []
    gone = kind is asyncio.CancelledError
    assert (entry.level, entry.exc_type is None) == (("INFO", True) if gone else ("ERROR", False))
    assert counted.over[0][2] == (499 if gone else 500)


def test_a_client_that_leaves_is_no_error() -> None:
    """Before the answer it is a 499, whatever the framework answers to nobody; what tells of it is no error."""

    async def reads(request: Request) -> PlainTextResponse:
        await request.body()
        raise AssertionError

    scope = http_scope("/", "POST", {"content-length": "9"})
    part = {"type": "http.request", "body": b"half", "more_body": True}
    with recording() as seen:
        app = TrackingMiddleware(Starlette(routes=[Route("/", reads, methods=["POST"])]))
        ask_now(app, scope, incoming=[part], hang_up=True)
        entry = access(seen)
    assert entry.attributes["client_disconnected"] is True
    assert (entry.exc_type, entry.level, entry.attributes["status_code"]) == (None, "INFO", 499)


def test_a_stream_is_over_when_its_last_piece_was_sent() -> None:
    """A streamed answer's bytes are all counted, in one record."""

    async def pieces() -> Any:
        for _ in range(5):
            yield b"abc"

    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(pieces())

    with recording() as seen:
        answer = ask_now(TrackingMiddleware(Starlette(routes=[Route("/", stream)])))
        assert access(seen).attributes["response_bytes"] == len(answer.body) == 15


def test_background_tasks_take_no_time_of_the_request() -> None:
    """The record is logged before they run; one that fails is a record of its own, with its trace."""
    order: list[str] = []

    def later() -> None:
        order.append("task")
        raise Sorrow("late")

    app = FastAPI()

    @app.get("/")
    def front(tasks: BackgroundTasks) -> str:
        tasks.add_task(later)
        return "ok"

    class Watching(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            order.append(record.getMessage().partition(" in ")[0])

    logging.getLogger("dblog.access").addHandler(Watching())
    with recording() as seen:
        answer = ask_now(TrackingMiddleware(app))
        first, second = seen.wait(logger="dblog.access")
    assert isinstance(answer.error, Sorrow)
    assert order == ["GET / 200", "task", "GET / failed after its answer was sent"]
    assert first.trace_id == second.trace_id == answer.tracking_id
    assert (first.exc_type, (second.exc_type or "").rpartition(".")[2]) == (None, "Sorrow")


def test_excluded_paths_are_bound_but_neither_logged_nor_counted() -> None:
    """Whole segments only: /healthy is not /health."""
    counted = Counted()
    with recording() as seen:
        app = TrackingMiddleware(plain, metrics=counted)
        for path in ("/health", "/health/live", "/metrics", "/healthy"):
            assert ask_now(app, http_scope(path)).tracking_id
        assert access(seen).attributes["path"] == "/healthy"
        assert len({entry.trace_id for entry in seen.wait(logger="shop")}) == 4
    assert len(counted.begun) == len(counted.over) == 1


def test_of_two_middlewares_the_outer_one_works() -> None:
    """One header, one record, one count."""
    counted = Counted()
    with recording() as seen:
        inner = TrackingMiddleware(plain, metrics=counted)
        answer = ask_now(TrackingMiddleware(inner, metrics=counted))
        assert access(seen).trace_id == answer.tracking_id
    assert len(counted.over) == 1


def test_the_application_s_own_header_stays() -> None:
    """It is not written twice, and an answer object shared by requests does not grow."""
    shared = PlainTextResponse("ok")
    app = TrackingMiddleware(shared)
    assert [ask_now(app).tracking_id is not None for _ in range(3)] == [True] * 3
    assert len(shared.raw_headers) == 2
    own = PlainTextResponse("ok", headers={"X-Tracking-ID": "theirs"})
    assert ask_now(TrackingMiddleware(own)).tracking_id == "theirs"
    other = ask_now(TrackingMiddleware(plain, response_header="X-Other"))
    assert [name for name, _ in other.headers] == ["content-length", "x-other"]
    assert ask_now(TrackingMiddleware(plain, response_header=None)).headers == [("content-length", "2")]


def test_a_middleware_that_runs_the_application_elsewhere_keeps_the_trace() -> None:
    """BaseHTTPMiddleware runs what is below in a task of its own."""

    class Other(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            return await call_next(request)

    def threaded(request: Request) -> PlainTextResponse:
        log.info("in a thread")
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/", threaded)])
    app.add_middleware(Other)
    with recording() as seen:
        answer = ask_now(TrackingMiddleware(app))
        (inner,) = seen.wait(logger="shop")
        assert inner.trace_id == access(seen).trace_id == answer.tracking_id


# -- routes ---------------------------------------------------------------------------------------------------


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def fastapi_app() -> FastAPI:
    """With routers in routers, an application in it, and one with a parameter in its mount."""
    app, inner, outer, sub = FastAPI(), APIRouter(prefix="/in/{a}"), APIRouter(prefix="/r2"), FastAPI()

    @inner.get("/x/{b}")
    def x(a: str, b: str) -> str:
        return a + b

    @app.get("/orders/{number}")
    def order(number: int) -> int:
        return number

    @sub.get("/s/{q}")
    def s(q: str) -> str:
        return q

    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")
    app.include_router(inner, prefix="/v2")
    sub.include_router(inner)
    app.mount("/m", sub)
    app.mount("/st/{k}", Starlette(routes=[Route("/o/{i:int}", page)]))
    return app


STARLETTE = Starlette(
    routes=[
        Route("/", page),
        Route("/orders/{number:int}", page, methods=["POST"]),
        Mount("/api/{version}", routes=[Route("/orders/{number}", page), Mount("/deep", routes=[Route("/", page)])]),
        Mount("/files", app=PlainTextResponse("file")),
    ]
)
TEMPLATES = [
    (STARLETTE, "/", "/"),
    (STARLETTE, "/orders/1", "/orders/{number:int}"),
    (STARLETTE, "/orders/none", None),
    (STARLETTE, "/api/v1/orders/2", "/api/{version}/orders/{number}"),
    (STARLETTE, "/api/v1/deep/", "/api/{version}/deep/"),
    (STARLETTE, "/api/v1/wrong", "/api/{version}/{path}"),
    (STARLETTE, "/files/a/b.css", "/files/{path}"),
    (STARLETTE, "/wp-login.php", None),
    (fastapi_app(), "/orders/5", "/orders/{number}"),
    (fastapi_app(), "/v1/r2/in/1/x/2", "/v1/r2/in/{a}/x/{b}"),
    (fastapi_app(), "/v2/in/1/x/2", "/v2/in/{a}/x/{b}"),
    (fastapi_app(), "/m/s/3", "/m/s/{q}"),
    (fastapi_app(), "/m/in/1/x/2", "/m/in/{a}/x/{b}"),
    (fastapi_app(), "/st/5/o/6", "/st/{k}/o/{i:int}"),
    (fastapi_app(), "/m/wrong", "/m/{path}"),
    (fastapi_app(), "/docs", "/docs"),
    (fastapi_app(), "/wp-login.php", None),
    (plain, "/anything", None),
]


@pytest.mark.parametrize("inside", [False, True], ids=["around", "added"])
@pytest.mark.parametrize(("app", "path", "template"), TEMPLATES, ids=[path for _, path, _ in TEMPLATES])
def test_the_route_is_the_whole_template_or_unmatched(app: Any, path: str, template: str | None, inside: bool) -> None:
    """With the templates of all mounts and routers around it, by whichever way the middleware got there; asked twice,
    so that what is remembered is the same.
    """
    counted = Counted()
    if inside and hasattr(app, "routes"):
        wrapped = Starlette(routes=list(app.routes)) if type(app) is Starlette else fastapi_app()
        wrapped.add_middleware(TrackingMiddleware, metrics=counted)
    else:
        wrapped = TrackingMiddleware(app, metrics=counted)  # type: ignore[assignment]  # an application as well
    for _ in range(2):
        ask_now(wrapped, http_scope(path))
    assert [told[1] for told in counted.over] == [template or "(unmatched)"] * 2


def test_routes_made_later_are_found() -> None:
    """A mount added after the first request has its template, and the server's root path is no part of it."""
    app, counted = Starlette(), Counted()
    wrapped = TrackingMiddleware(app, metrics=counted)
    ask_now(wrapped, http_scope("/late/1"))
    app.mount("/late", Starlette(routes=[Route("/{x}", page)]))
    wrapped.routes._looked = float("-inf")
    ask_now(wrapped, http_scope("/late/1"))
    ask_now(wrapped, http_scope("/proxy/late/1", root_path="/proxy"))
    assert [told[1] for told in counted.over] == ["(unmatched)", "/late/{x}", "/late/{x}"]


def test_starlette_before_1_0_names_only_the_endpoint() -> None:
    """Its scopes have no route: the endpoint's template is found among the application's routes."""

    class Old(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            if key != "route":
                super().__setitem__(key, value)

    for path, template in (
        ("/orders/1", "/orders/{number:int}"),
        ("/api/v1/orders/2", "/api/{version}/orders/{number}"),
        ("/", "/"),
        ("/files/a.css", "/files/{path}"),
        ("/no", "(unmatched)"),
    ):
        counted = Counted()
        ask_now(TrackingMiddleware(STARLETTE, metrics=counted), Old(http_scope(path)))
        assert counted.over[0][1] == template


# -- WebSockets and lifespan ----------------------------------------------------------------------------------


def websocket_scope(path: str = "/ws") -> dict[str, Any]:
    scope = http_scope(path, type="websocket", scheme="ws", subprotocols=[])
    del scope["method"]
    return scope


async def chat(websocket: WebSocket) -> None:
    log.info("chatting")
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{text}!")


CHAT = Starlette(routes=[WebSocketRoute("/ws", chat), WebSocketRoute("/shut", lambda ws: ws.close(4001))])


def test_a_websocket_is_one_record_with_its_trace_in_the_handshake() -> None:
    """Bytes of both directions, the close code, and no count among the requests."""
    counted = Counted()
    incoming = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "héé"},
        {"type": "websocket.receive", "text": "ab"},
        {"type": "websocket.disconnect", "code": 1001},
    ]
    scope = websocket_scope()
    with recording() as seen:
        answer = ask_now(TrackingMiddleware(CHAT, metrics=counted), scope, incoming=incoming)
        entry = access(seen)
        (inner,) = seen.wait(logger="shop")
    assert answer.error is None
    assert answer.tracking_id == entry.trace_id == inner.trace_id == scope["state"]["tracking_id"]
    attributes = entry.attributes
    assert (attributes["method"], attributes["route"], attributes["status_code"]) == ("WEBSOCKET", "/ws", 101)
    assert (attributes["request_bytes"], attributes["response_bytes"], attributes["close_code"]) == (7, 9, 1001)
    assert (counted.begun, counted.over) == ([], [])


def test_a_refused_websocket_is_a_403() -> None:
    """A close before the acceptance."""
    with recording() as seen:
        ask_now(TrackingMiddleware(CHAT), websocket_scope("/shut"), incoming=[{"type": "websocket.connect"}])
        entry = access(seen)
    assert (entry.attributes["status_code"], entry.attributes["close_code"]) == (403, 4001)


def test_unknown_kinds_pass_untouched() -> None:
    """The very scope, receive and send reach the application."""
    seen: list[Any] = []

    async def keeps(*given: Any) -> None:
        seen.append(given)

    given: Any = ({"type": "something.new"}, object(), object())
    asyncio.run(TrackingMiddleware(keeps)(*given))
    assert all(ours is theirs for ours, theirs in zip(seen.pop(), given, strict=True))
    assert given[0] == {"type": "something.new"}


async def knows_no_lifespan(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError(scope["type"])


@pytest.mark.parametrize("app", [STARLETTE, knows_no_lifespan], ids=["starlette", "without"])
def test_a_server_s_shutdown_waits_for_what_was_logged(app: Any) -> None:
    """It is complete when all is stored; an application without a lifespan does not keep it from being so."""
    stored: list[list[str]] = []
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    told: list[str] = []

    async def receive() -> Any:
        log.info("still waiting")
        return incoming.pop(0)

    with recording(flush_interval=30.0) as seen:

        async def send(message: Any) -> None:
            told.append(message["type"])
            stored.append([entry.message for entry in seen.entries(logger="shop")])

        asyncio.run(TrackingMiddleware(app)({"type": "lifespan", "state": {}}, receive, send))
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert stored[1] == ["still waiting"] * 2


def test_a_startup_that_fails_fails() -> None:
    """What an application with a lifespan raises or says goes to the server."""

    @contextlib.asynccontextmanager
    async def broken(_app: Any) -> Any:
        await fails({}, None, None)
        yield

    async def main() -> Answer:
        scope = {"type": "lifespan", "state": {}}
        return await ask(TrackingMiddleware(Starlette(lifespan=broken)), scope, incoming=[{"type": "lifespan.startup"}])

    answer = asyncio.run(main())
    assert isinstance(answer.error, Sorrow)
    assert [each["type"] for each in answer.messages] == ["lifespan.startup.failed"]


# -- options --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metrics": object()}, "metrics=.*HttpObserver"),
        ({"logger": 5}, "logger=5.*a logger or its name"),
        ({"level": "LOUD"}, "level='LOUD'"),
        ({"response_header": "X: y"}, "response_header='X: y'"),
        ({"response_header": b"X"}, "response_header=b'X'"),
        ({"exclude": ["health"]}, "exclude='health'.*begin with /"),
        ({"exclude": 7}, "exclude=7.*begin with /"),
        ({"trust_incoming": "no"}, "trust_incoming='no'.*True or False"),
        ({"answer_errors": None}, "answer_errors=None.*True or False"),
        ({"context": "user"}, "context='user'.*a callable"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_option_is_named(options: dict[str, Any], said: str) -> None:
    """With its value and what is allowed, for both middlewares."""
    from dblog.integrations import wsgi

    for middleware in (TrackingMiddleware, wsgi.TrackingMiddleware):
        with pytest.raises(ConfigurationError, match=said):
            middleware(plain, **options)
        with pytest.raises(ConfigurationError, match=r"app=None.*the application"):
            middleware(None)


def test_the_middlewares_need_no_library() -> None:
    """Importing them loads no framework, no server, no OpenTelemetry and no database."""
    program = (
        "import sys, dblog.integrations.asgi, dblog.integrations.wsgi\n"
        "names = 'starlette fastapi flask django werkzeug opentelemetry prometheus_client sqlalchemy uvicorn'.split()\n"
        "assert not [name for name in names if name in sys.modules]"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
