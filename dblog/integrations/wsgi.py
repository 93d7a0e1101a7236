"""WSGI middleware: each request in a trace of its own, one access record, metrics; nothing of it can harm a request.

::

    app.wsgi_app = TrackingMiddleware(app.wsgi_app)             # Flask
    application = TrackingMiddleware(get_wsgi_application())    # Django

The application, and every step of the answer it returns, runs in a ``contextvars.Context`` of
the request's own: what it binds, with ``dblog.bind`` too, is gone with the request, and a
worker's thread holds no ids, whatever the server does between two requests. It needs no
library: it speaks WSGI (PEP 3333), with any server and framework.
"""

from __future__ import annotations

import contextvars
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from dblog.integrations import django_routes
from dblog.integrations.asgi_routes import ROUTE
from dblog.integrations.exchange import Exchange, declared, tell
from dblog.integrations.http import CARRYING, HttpObserver, Tracking, flag
from dblog.integrations.wsgi_answer import Answer, SizedAnswer
from dblog.scopes import scope_var

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Context as Variables

__all__ = ["TrackingMiddleware"]

_MARK = "dblog.tracking_id"
_APOLOGY = b"Internal Server Error"
_KEYS = {f"HTTP_{name.upper()}": name for name in CARRYING}


class TrackingMiddleware(Tracking):
    """Binds a request's trace for all that runs below, answers with its id, and logs one record at its end.

    The trace is that of the active OpenTelemetry span, or the caller's (``traceparent``, or
    ``response_header`` with 32 hexadecimal digits), or a new one; it is in
    ``environ["dblog.tracking_id"]``. The record is logged when the server has taken all of the answer, with the
    extras ``method route path status_code duration_ms request_bytes response_bytes client
    user_agent http_version``: ERROR for a status of 500 and above, and for an exception, which is
    kept and goes on. Query strings are not logged.

    Args:
        app: what is wrapped, any WSGI application.
        metrics: who is told about each request; ``AppMetrics().http``.
        logger: of the access records, or its name.
        level: of the access records that tell no error; ``"INFO"``.
        response_header: carries the trace id in each answer, and is taken from requests; None for neither.
        trust_incoming: False starts a trace for each request, whatever it carries: at the edge to the world.
        exclude: paths, with all below them, that are neither logged nor counted; their ids are bound all the same.
        context: called with each environ; the names it gives are bound (``dblog.bind``), such as ``user_id``.
        answer_errors: an exception before the answer is answered by a plain 500 with the header, as the server
            would without it; the exception goes on. False where a middleware outside of this one answers.

    Raises:
        ConfigurationError: an option is wrong; names it, its value and what is allowed.
    """

    def __init__(
        self,
        app: Any,
        *,
        metrics: HttpObserver | None = None,
        logger: str | logging.Logger = "dblog.access",
        level: int | str = logging.INFO,
        response_header: str | None = "X-Tracking-ID",
        trust_incoming: bool = True,
        exclude: Iterable[str] = ("/health", "/metrics"),
        context: Callable[[Any], Mapping[str, object] | None] | None = None,
        answer_errors: bool = True,
    ) -> None:
        super().__init__(
            app,
            metrics=metrics,
            logger=logger,
            level=level,
            response_header=response_header,
            trust_incoming=trust_incoming,
            exclude=exclude,
            context=context,
        )
        self.answer_errors = flag("answer_errors", answer_errors)
        self.key = "" if self.header is None else f"HTTP_{self.header.upper().replace('-', '_')}"
        django_routes.watch(app)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request, as the server gives it."""
        exchange = self._open(environ, start_response)
        if exchange is None:
            answer: Iterable[bytes] = self.app(environ, start_response)
            return answer
        try:
            answer = exchange.run(self.app, environ, exchange.start_response)
        except BaseException as error:
            exchange.failed(error)
            raise
        return exchange.returning(answer)

    def _open(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> _WsgiExchange | None:
        """The exchange of a request; None where there is nothing to do, or it could not be made."""
        try:
            if _MARK in environ:
                return None
            usual, others = environ.get("HTTP_TRACEPARENT"), None
            if "HTTP_BAGGAGE" in environ or (usual and "HTTP_TRACESTATE" in environ):
                usual, others = None, partial(_carrying, environ)
            context = self.scope(environ, environ.get(self.key), usual, others)
            variables = contextvars.copy_context()
            variables.run(scope_var.set, context)
            exchange = _WsgiExchange(self, environ, start_response, context, variables)
            environ[_MARK] = exchange.trace_id
            traceparent = exchange.traceparent()
            if traceparent is not None:
                environ["HTTP_TRACEPARENT"] = traceparent
            exchange.count()
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("start", error)
            return None
        return exchange


class _WsgiExchange(Exchange):
    """A request and its answer, between the server and the application."""

    __slots__ = ("_environ", "_headers", "_start", "run")

    def __init__(
        self,
        tracking: TrackingMiddleware,
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        context: Any,
        variables: Variables,
    ) -> None:
        path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        if not path.isascii():  # WSGI's way to carry bytes
            path = path.encode("latin-1", "replace").decode("utf-8", "replace")
        super().__init__(tracking, environ["REQUEST_METHOD"], path, context)
        self._environ, self._start = environ, start_response
        self._headers: list[tuple[str, str]] = []
        self.run = variables.run
        self.agent = environ.get("HTTP_USER_AGENT")
        self.client = environ.get("REMOTE_ADDR") or None
        self.version = environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/") or None
        self.request_bytes = declared(environ.get("CONTENT_LENGTH"))

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., Any]:
        """The server's, with the header; what is written through its callable is counted."""
        code = self.status
        try:
            code = int(status[:3])
            self._headers = headers = self._with_header(headers)
            self._see_route()
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("start_response", error)
        write = self._start(status, headers, exc_info) if exc_info else self._start(status, headers)
        self.status = code

        def counted(data: bytes) -> Any:
            self.response_bytes += len(data)
            return write(data)

        return counted

    def _with_header(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        header = self.tracking.header
        if header is None:
            return headers
        ours = header.lower()
        for name, _ in headers:
            if name.lower() == ours:  # the application's own
                return headers
        return [*headers, (header, self.trace_id)]

    def _see_route(self) -> None:
        """Flask's route: its request is gone once the application has returned."""
        request = self._environ.get("werkzeug.request")
        rule = getattr(request, "url_rule", None)
        if rule is not None:
            self.route = rule.rule

    def template(self) -> str | None:
        """By Flask or Django, or by ``environ["dblog.route"]``."""
        given = self._environ.get(ROUTE)
        return self.route if given is None else str(given)

    def failed(self, error: BaseException) -> None:
        """The application has raised this, while it ran or while its answer was made."""
        try:
            if self.tracking.answer_errors and isinstance(error, Exception) and not self.response_bytes:
                self._apologize()
        except Exception as reason:  # noqa: BLE001 - the server answers, as it would have
            tell("answer", reason)
        self.run(self.finish, error)

    def _apologize(self) -> None:
        """Answer 500 in the server's place; it refuses where the answer has begun."""
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(_APOLOGY)))]
        self.start_response("500 Internal Server Error", headers, sys.exc_info())(_APOLOGY)

    def returning(self, answer: Iterable[bytes]) -> Iterable[bytes]:
        """What the server gets for the application's answer."""
        try:
            wrapper = self._environ.get("wsgi.file_wrapper")
            if isinstance(wrapper, type) and isinstance(answer, wrapper):
                return self._file(answer)
            return Answer(self, answer) if not hasattr(answer, "__len__") else SizedAnswer(self, answer)
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("answer", error)
            return answer

    def _file(self, answer: Any) -> Iterable[bytes]:
        """A file the server may send by itself (``wsgi.file_wrapper``): as it is, but for the end of it."""
        close = getattr(answer, "close", None)
        lengths = [value for name, value in self._headers if name.lower() == "content-length"]
        self.response_bytes = declared(lengths[0] if lengths else None) or 0

        def closing() -> None:
            try:
                if close is not None:
                    self.run(close)
            finally:
                self.run(self.finish)

        answer.close = closing
        file: Iterable[bytes] = answer
        return file


def _carrying(environ: Mapping[str, Any]) -> dict[str, str]:
    return {name: environ[key] for key, name in _KEYS.items() if key in environ}
