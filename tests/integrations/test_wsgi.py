"""``dblog.integrations.wsgi``: one trace, one header, one record and one count per request; a thread keeps nothing."""

from __future__ import annotations

import io
import logging
import threading
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from django.conf import settings as django_settings
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import include, path, re_path
from flask import Blueprint, Flask, stream_with_context
from flask import request as flask_request
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

import dblog
from dblog.integrations import asgi
from dblog.integrations.wsgi import TrackingMiddleware
from dblog.testing import Recording, recording
from tests.asgi_client import ask_now, http_scope
from tests.oracle import examples
from tests.wsgi_client import environ, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def plain(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """An application that logs, and answers."""
    log.info("at work")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def access(seen: Recording) -> Any:
    """The only access record."""
    (entry,) = seen.wait(logger="dblog.access")
    return entry


headers = st.dictionaries(
    st.sampled_from(["traceparent", "x-tracking-id", "tracestate", "baggage", "user-agent", "content-length"]),
    st.sampled_from(
        [PARENT, TRACE, TRACE.upper(), "0" * 32, f"00-{TRACE}-{SPAN}-00", "9" * 5000, f"{PARENT},{PARENT}", ""]
    )
    | st.text(st.characters(max_codepoint=255), max_size=60),
)


@given(headers, st.booleans())
@examples(100)
def test_every_request_has_a_trace_whatever_its_headers_say(sent: dict[str, str], trusting: bool) -> None:
    """The header, the environ, the application's record and the access record name one valid trace: the caller's if
    ``extract`` finds one and callers are trusted, else that of a well-formed X-Tracking-ID, else a new one.
    """
    request = environ(headers=sent)
    with recording() as seen:
        told = serve(TrackingMiddleware(plain, trust_incoming=trusting), request)
        (inner,) = seen.wait(logger="shop")
        entry = access(seen)
        assert dblog.current() == dblog.context.Context()
    assert (told.error, told.body) == (None, b"ok")
    remote = dblog.extract(sent) if trusting else {}
    wanted = remote.get("trace_id") or (TRACE if trusting and sent.get("x-tracking-id") == TRACE else None)
    assert wanted in {None, entry.trace_id}
    if wanted is None:
        assert entry.trace_id != TRACE
        assert len(entry.trace_id) == 32
    assert request["dblog.tracking_id"] == told.tracking_id == inner.trace_id == entry.trace_id
    assert inner.span_id == entry.span_id != remote.get("parent_span_id")
    assert inner.parent_span_id == entry.parent_span_id == remote.get("parent_span_id")


@given(
    st.sampled_from(["GET", "POST", "PURGE"]),
    st.integers(100, 599),
    st.lists(st.binary(max_size=50), max_size=4),
    st.lists(st.binary(min_size=1, max_size=50), max_size=2),
    st.sampled_from(["list", "tuple", "generator", "iterator"]),
)
@examples(80)
def test_one_record_and_one_count_per_request(
    method: str, status: int, chunks: list[bytes], written: list[bytes], kind: str
) -> None:
    """They agree on method, route, status and sizes, whatever kind of answer it is and by which way it goes."""

    def app(_environ: Any, start: Any) -> Any:
        write = start(f"{status} So", [])
        for data in written:
            write(data)
        made: dict[str, Any] = {
            "list": list,
            "tuple": tuple,
            "iterator": iter,
            "generator": lambda them: (each for each in them),
        }
        return made[kind](chunks)

    counted = Counted()
    request = environ("/b/é", method, {"content-length": "7", "user-agent": "hand/1"}, **{"dblog.route": "/{x}/{y}"})
    request["SCRIPT_NAME"] = "/a"
    with recording() as seen:
        told = serve(TrackingMiddleware(app, metrics=counted, level="DEBUG"), request)
        entry = access(seen)
    assert told.body == b"".join(written + chunks)
    label = method if method in {"GET", "POST"} else "OTHER"
    (over,) = counted.over
    assert counted.begun == [label]
    assert over[:3] + over[4:] == (label, "/{x}/{y}", status, 7, len(told.body))
    attributes = entry.attributes
    assert attributes.pop("duration_ms") == pytest.approx(over[3] * 1000, abs=0.01)
    assert attributes == {
        "method": label, "route": "/{x}/{y}", "path": "/a/b/é", "status_code": status, "request_bytes": 7,
        "response_bytes": len(told.body), "client": "10.0.0.7", "user_agent": "hand/1", "http_version": "1.1",
    }  # fmt: skip
    assert entry.level == ("ERROR" if status >= 500 else "DEBUG")


def test_it_keeps_to_the_protocol() -> None:
    """The standard library's validator finds nothing, on either side."""
    checked: Any = validator(TrackingMiddleware(validator(plain)))
    told = serve(checked, {key: value for key, value in environ().items() if key != "HTTP_HOST"})
    assert (told.error, told.body) == (None, b"ok")


# -- a thread keeps nothing -----------------------------------------------------------------------------------


def test_an_answer_made_lazily_has_its_request_s_ids() -> None:
    """Each step and the close of a generator run in the scope, with what an earlier step bound; the thread does not."""
    seen_ids: list[Any] = []

    def app(_environ: Any, start: Any) -> Iterator[bytes]:
        start("200 OK", [])
        try:
            dblog.bind(user_id="u-1")
            for _ in range(3):
                seen_ids.append(dblog.current())
                yield b"x"
        finally:
            seen_ids.append(dblog.current())

    with recording() as seen:
        answer = TrackingMiddleware(app)(environ(), lambda *_: lambda _: None)
        for data in answer:
            assert data == b"x"
            assert dblog.current() == dblog.context.Context()
        answer.close()  # type: ignore[attr-defined]  # as servers do
        entry = access(seen)
    assert {(each.user_id, each.trace_id) for each in seen_ids} == {("u-1", entry.trace_id)}
    assert len(seen_ids) == 4
    assert entry.user_id == "u-1"


def test_a_server_that_never_closes_mixes_nothing() -> None:
    """The next request in the same thread has ids of its own, also with what the first bound."""
    traces = []

    def binds(environ: Any, start: Any) -> list[bytes]:
        traces.append(dblog.current())
        dblog.bind(user_id="u-1", span_id=SPAN)
        return plain(environ, start)

    app = TrackingMiddleware(binds)
    for _ in range(3):
        app(environ(), lambda *_: lambda _: None)
    assert len({each.trace_id for each in traces}) == 3
    assert {each.user_id for each in traces} == {None}


def test_a_server_may_close_from_another_thread() -> None:
    """Also while a step of the answer hangs."""
    started, release, closed = threading.Event(), threading.Event(), threading.Event()

    class Hangs:
        def __iter__(self) -> Any:
            return self

        def __next__(self) -> bytes:
            started.set()
            assert release.wait(10)
            raise StopIteration

        def close(self) -> None:
            closed.set()

    def app(_environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return Hangs()

    with recording() as seen:
        answer: Any = TrackingMiddleware(app)(environ(), lambda *_: lambda _: None)
        thread = threading.Thread(target=lambda: list(answer))
        thread.start()
        assert started.wait(10)
        answer.close()
        release.set()
        thread.join()
        assert access(seen).attributes["client_disconnected"] is True
    assert closed.is_set()


def test_a_client_that_leaves_ends_the_request() -> None:
    """The server closes before the last piece: what was sent is counted."""

    def app(_environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return (b"abc" for _ in range(100))

    with recording() as seen:
        serve(TrackingMiddleware(app), pieces=2)
        entry = access(seen)
    assert entry.attributes["client_disconnected"] is True
    assert entry.attributes["response_bytes"] == 9


# -- errors ---------------------------------------------------------------------------------------------------


class Sorrow(Exception):  # noqa: N818 - a name for one test
    """The application's own."""


def fails(_environ: Any, _start: Any) -> Any:
    raise Sorrow("no")


def fails_after_start(_environ: Any, start: Any) -> Any:
    start("200 OK", [("Content-Length", "5")])
    raise Sorrow("no")


def fails_lazily(environ: Any, start: Any) -> Any:
    start("200 OK", [])
    yield from fails(environ, start)


def fails_late(_environ: Any, start: Any) -> Any:
    start("200 OK", [])
    yield b"half"
    raise Sorrow("no")


@pytest.mark.parametrize("app", [fails, fails_after_start, fails_lazily, fails_late], ids=lambda app: app.__name__)
def test_an_exception_is_on_the_one_record_and_goes_on(app: Any) -> None:
    """The very exception reaches the server; an answer of which nothing was sent is a 500 with the header."""
    counted = Counted()
    with recording() as seen:
        told = serve(TrackingMiddleware(app, metrics=counted))
        entry = access(seen)
    late = app is fails_late
    assert isinstance(told.error, Sorrow)
    assert (told.status, told.body) == (("200 OK", b"half") if late else (
        "500 Internal Server Error", b"Internal Server Error"))  # fmt: skip
    assert told.tracking_id == entry.trace_id
    assert (entry.level, entry.attributes["status_code"]) == ("ERROR", 200 if late else 500)
    assert entry.exc_type.endswith("Sorrow")
    assert counted.over[0][2] == entry.attributes["status_code"]


def test_nobody_s_answer_to_an_error_is_taken_away() -> None:
    """With ``answer_errors=False`` whoever stands outside answers."""
    told = serve(TrackingMiddleware(fails, answer_errors=False))
    assert isinstance(told.error, Sorrow)
    assert told.status is None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_passes_untouched(kind: type[BaseException]) -> None:
    """A worker's timeout is a SystemExit: the record tells where the request hung, and no answer is made up."""
    raised = kind("x")

    def ends(_environ: Any, _start: Any) -> Any:
        raise raised

    with recording() as seen:
        told = serve(TrackingMiddleware(ends))
        entry = access(seen)
    assert told.error is raised
    assert told.status is None
    assert (entry.exc_type is None) == (kind is GeneratorExit)
    assert (entry.level, entry.attributes["status_code"]) == (
        ("INFO", 499) if kind is GeneratorExit else ("ERROR", 500)
    )


def test_an_error_in_close_goes_on() -> None:
    """It is the application's; the request's record was there before."""

    class Answer(list[bytes]):
        def close(self) -> None:
            raise Sorrow("closing")

    def app(_environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return Answer([b"ok"])

    with recording() as seen:
        told = serve(TrackingMiddleware(app))
        first, second = seen.wait(logger="dblog.access")
    assert isinstance(told.error, Sorrow)
    assert (first.exc_type, (second.exc_type or "").rpartition(".")[2]) == (None, "Sorrow")


# -- what servers look at -------------------------------------------------------------------------------------


def test_a_file_stays_one_the_server_can_send() -> None:
    """``wsgi.file_wrapper``'s own object reaches the server; its close ends the request, with the declared size."""

    def app(request: Any, start: Any) -> Any:
        start("200 OK", [("Content-Length", "6")])
        return request["wsgi.file_wrapper"](io.BytesIO(b"abcdef"), 2)

    with recording() as seen:
        answer: Any = TrackingMiddleware(app)(
            {**environ(), "wsgi.file_wrapper": FileWrapper}, lambda *_: lambda _: None
        )
        assert type(answer) is FileWrapper
        assert seen.wait(logger="dblog.access") == []
        answer.close()
        assert access(seen).attributes["response_bytes"] == 6
    assert answer.filelike.closed


def test_an_answer_of_known_length_keeps_it() -> None:
    """A server may declare the size of the only piece; of a generator it cannot."""

    def app(_environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return [b"only"]

    def start(*_: Any) -> Any:
        return lambda _: None

    assert len(TrackingMiddleware(app)(environ(), start)) == 1  # type: ignore[arg-type]  # what is tested
    assert not hasattr(TrackingMiddleware(lambda e, s: iter(app(e, s)))(environ(), start), "__len__")


def test_excluded_paths_nested_middlewares_and_own_headers() -> None:
    """As under ASGI."""
    counted = Counted()
    with recording() as seen:
        app = TrackingMiddleware(TrackingMiddleware(plain, metrics=counted), metrics=counted)
        assert serve(app, environ("/health/live")).tracking_id
        assert serve(app, environ("/x")).tracking_id == access(seen).trace_id
    assert len(counted.over) == 1

    def own(_environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [("X-Tracking-ID", "theirs")])
        return []

    assert serve(TrackingMiddleware(own)).tracking_id == "theirs"
    assert serve(TrackingMiddleware(plain, response_header=None)).tracking_id is None


def test_opentelemetry_goes_around_and_within() -> None:
    """An active span's trace is the request's; an instrumentation within finds the request's span in the environ."""
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("server") as span:
        assert serve(TrackingMiddleware(plain)).tracking_id == f"{span.get_span_context().trace_id:032x}"
    request = environ()
    told = serve(TrackingMiddleware(plain), request)
    assert request["HTTP_TRACEPARENT"].startswith(f"00-{told.tracking_id}-")


def test_context_is_asked_with_the_environ() -> None:
    """What it gives is bound."""
    with recording() as seen:
        serve(TrackingMiddleware(plain, context=lambda e: {"client_id": e["REMOTE_ADDR"]}))
        (inner,) = seen.wait(logger="shop")
    assert inner.client_id == "10.0.0.7"


# -- Flask ----------------------------------------------------------------------------------------------------


def flask_app() -> Flask:
    """With a blueprint, a streamed answer that needs the request, and an error."""
    app, api = Flask("shop"), Blueprint("api", __name__, url_prefix="/api/<version>")

    @api.get("/orders/<int:number>")
    def order(version: str, number: int) -> str:
        log.info("order %d", number)
        return str(number)

    @app.get("/stream")
    def stream() -> Any:
        return stream_with_context(flask_request.path for _ in range(2))

    @app.get("/boom")
    def boom() -> str:
        raise Sorrow("no")

    app.register_blueprint(api)
    return app


@pytest.mark.parametrize(
    ("url", "template", "status"),
    [
        ("/api/v1/orders/7", "/api/<version>/orders/<int:number>", 200),
        ("/stream", "/stream", 200),
        ("/boom", "/boom", 500),
        ("/static/none.css", "/static/<path:filename>", 404),
        ("/wp-login.php", None, 404),
    ],
)
def test_flask_s_rule_is_the_route(url: str, template: str | None, status: int) -> None:
    """With its blueprint's prefix; Flask's own record of an exception has the request's trace."""
    app = flask_app()
    app.wsgi_app = TrackingMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # Flask's documented way
    with recording() as seen:
        answer = app.test_client().get(url)
        assert answer.data
        entry = access(seen)
        records = seen.wait(trace_id=entry.trace_id)
    assert answer.headers.getlist("X-Tracking-ID") == [entry.trace_id]
    assert (entry.attributes["route"], entry.attributes["status_code"]) == (template or "(unmatched)", status)
    assert answer.status_code == status
    if url == "/boom":
        assert [(each.logger, each.exc_type.rpartition(".")[2]) for each in records if each.exc_type] == [
            ("shop", "Sorrow")
        ]
    if url == "/stream":
        assert answer.data == b"/stream/stream"


# -- Django ---------------------------------------------------------------------------------------------------


def django_order(request: Any, number: int) -> HttpResponse:
    log.info("order %s", number)
    return HttpResponse(str(number))


def django_stream(request: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"a", b"b"]))


def django_file(request: Any) -> FileResponse:
    return FileResponse(io.BytesIO(b"abcdef"))


def django_boom(request: Any) -> HttpResponse:
    raise Sorrow("no")


def django_urls() -> list[Any]:
    inner = [path("orders/<int:number>", django_order), re_path(r"^old/(?P<number>\d+)$", django_order)]
    return [
        path("api/", include(inner)),
        path("stream", django_stream),
        path("file", django_file),
        path("boom", django_boom),
    ]


@pytest.fixture(scope="module")
def django_ready() -> None:
    """Django, configured once in this process."""
    import django

    if not django_settings.configured:
        urls = type("urls", (), {"urlpatterns": django_urls()})
        django_settings.configure(
            ROOT_URLCONF=urls, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False, LOGGING_CONFIG=None, USE_TZ=True
        )
        django.setup()


DJANGO = [
    ("/api/orders/7", "/api/orders/<int:number>", 200, b"7"),
    ("/api/old/8", r"/api/old/(?P<number>\d+)$", 200, b"8"),
    ("/stream", "/stream", 200, b"ab"),
    ("/file", "/file", 200, b"abcdef"),
    ("/boom", "/boom", 500, None),
    ("/wp-login.php", None, 404, None),
]


@pytest.mark.usefixtures("django_ready")
@pytest.mark.parametrize("wrapper", [None, FileWrapper], ids=["plain", "file_wrapper"])
@pytest.mark.parametrize(("url", "template", "status", "body"), DJANGO, ids=[each[0] for each in DJANGO])
def test_django_s_route_is_the_route(url: str, template: str | None, status: int, body: Any, wrapper: Any) -> None:
    """Told by Django as it resolves it, with no middleware of Django's; files keep their wrapper."""
    from django.core.wsgi import get_wsgi_application

    app = TrackingMiddleware(get_wsgi_application())
    with recording() as seen:
        told = serve(app, environ(url, **{"wsgi.file_wrapper": wrapper} if wrapper else {}))
        entry = access(seen)
    assert told.error is None
    assert body in {None, told.body}
    assert told.status is not None
    assert told.status.startswith(str(status))
    assert told.tracking_id == entry.trace_id
    assert (entry.attributes["route"], entry.attributes["status_code"]) == (template or "(unmatched)", status)
    assert entry.attributes["response_bytes"] == len(told.body)


@pytest.mark.parametrize(("url", "template", "status", "body"), DJANGO, ids=[each[0] for each in DJANGO])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")
def test_django_under_asgi(url: str, template: str | None, status: int, body: bytes | None, django_ready: None) -> None:
    """The same joint; synchronous views run in threads, with the request's ids."""
    from django.core.asgi import get_asgi_application

    counted = Counted()
    app = asgi.TrackingMiddleware(get_asgi_application(), metrics=counted)
    with recording() as seen:
        answer = ask_now(app, http_scope(url, headers={"host": "x"}))
        entry = access(seen)
        inner = seen.wait(logger="shop")
    assert answer.error is None
    assert body in {None, answer.body}
    assert answer.tracking_id == entry.trace_id
    assert {each.trace_id for each in inner} <= {entry.trace_id}
    assert counted.over[0][1:3] == (template or "(unmatched)", status)


def test_django_s_request_is_otherwise_its_own(django_ready: None) -> None:
    """Its class has the same name and is a WSGIRequest; the handler is changed once, however often it is wrapped."""
    from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

    handler = WSGIHandler()
    TrackingMiddleware(handler)
    TrackingMiddleware(handler)
    kind: Any = handler.request_class
    assert kind.__mro__[1] is WSGIRequest
    assert (kind.__name__, kind.__module__) == ("WSGIRequest", WSGIRequest.__module__)
    assert WSGIHandler.request_class is WSGIRequest
    request = kind(environ())
    assert request.resolver_match is None
    assert "dblog.route" not in request.environ
