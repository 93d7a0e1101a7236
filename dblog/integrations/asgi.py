"""ASGI middleware: each request in a trace of its own, one access record, metrics; nothing of it can harm a request.

::

    app = TrackingMiddleware(FastAPI(), metrics=AppMetrics("shop").http)

Wrap the whole application: what stands outside of the middleware answers without its
header (with ``app.add_middleware(TrackingMiddleware)`` that is Starlette's own answer to an
unhandled error). It needs no library: it speaks ASGI 3, with any server and framework.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from dblog.integrations import django_routes
from dblog.integrations.asgi_exchange import HttpExchange, WebSocketExchange
from dblog.integrations.asgi_routes import Routes
from dblog.integrations.exchange import tell
from dblog.integrations.http import CARRYING, HttpObserver, Tracking, flag
from dblog.integrations.lifespan import lifespan
from dblog.scopes import scope_var
from dblog.spans import API

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dblog.integrations.asgi_exchange import Receive, Scope, Send

__all__ = ["TrackingMiddleware"]

_modules = sys.modules
_KINDS = frozenset({"http", "websocket"})
_MARK = "dblog.tracking"
"""In a scope: a middleware of ours is at work on it already."""


class TrackingMiddleware(Tracking):
    """Binds a request's trace for all that runs below, answers with its id, and logs one record at its end.

    The trace is that of the active OpenTelemetry span, or the caller's (``traceparent``, or
    ``response_header`` with 32 hexadecimal digits), or a new one; it is in
    ``scope["state"]["tracking_id"]``. The record is logged when the answer has been sent, with the
    extras ``method route path status_code duration_ms request_bytes response_bytes client
    user_agent http_version``: ERROR for a status of 500 and above, and for an exception, which is
    kept and goes on. A WebSocket is one record too, without metrics. Query strings are not logged.
    At the server's shutdown (ASGI's lifespan) it waits until what was logged is stored.

    Args:
        app: what is wrapped, any ASGI 3 application.
        metrics: who is told about each request; ``AppMetrics().http``.
        logger: of the access records, or its name.
        level: of the access records that tell no error; ``"INFO"``.
        response_header: carries the trace id in each answer, and is taken from requests; None for neither.
        trust_incoming: False starts a trace for each request, whatever it carries: at the edge to the world.
        exclude: paths, with all below them, that are neither logged nor counted; their ids are bound all the same.
        context: called with each scope; the names it gives are bound (``dblog.bind``), such as ``user_id``.
        answer_errors: an exception before the answer is answered by a plain 500 with the header, as the server
            would without it, unless a framework around the middleware is going to answer; the exception goes on.

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
        self.name = b"" if self.header is None else self.header.lower().encode("ascii")
        self.routes = Routes(app)
        django_routes.watch(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, as the server gives it."""
        exchange = self._open(scope, receive, send)
        if exchange is None:
            if scope.get("type") == "lifespan":
                await lifespan(self.app, scope, receive, send)
                return
            await self.app(scope, receive, send)
            return
        token = scope_var.set(exchange.context)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            if exchange.answers and isinstance(error, Exception):
                await exchange.apologize()
            exchange.finish(error)
            raise
        else:
            exchange.finish()
        finally:
            try:  # noqa: SIM105 - contextlib.suppress costs every request more
                scope_var.reset(token)
            except ValueError:  # another context than it was entered in: nothing to undo there
                pass

    def _open(self, scope: Scope, receive: Receive, send: Send) -> HttpExchange | WebSocketExchange | None:
        """The exchange of a request; None where there is nothing to do, or it could not be made."""
        try:
            kind = scope["type"]
            if kind not in _KINDS or _MARK in scope:
                return None
            found = dict(scope["headers"])
            usual, given, others = found.get(b"traceparent"), found.get(self.name), None
            if b"baggage" in found or (usual and (b"tracestate" in found or len(found) < len(scope["headers"]))):
                usual, others = None, partial(_carrying, scope["headers"])
            context = self.scope(
                scope, given.decode("latin-1") if given else None, usual.decode("latin-1") if usual else None, others
            )
            make = HttpExchange if kind == "http" else WebSocketExchange
            exchange: HttpExchange | WebSocketExchange = make(self, scope, receive, send, context, found)
            scope[_MARK] = exchange.trace_id
            scope.setdefault("state", {})["tracking_id"] = exchange.trace_id
            if API in _modules and (traceparent := exchange.traceparent()) is not None:
                kept = [header for header in scope["headers"] if header[0] != b"traceparent"]
                scope["headers"] = [*kept, (b"traceparent", traceparent.encode("latin-1"))]
            exchange.count()
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("start", error)
            return None
        return exchange


def _carrying(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers that carry a trace, as text; one that came twice under two names, so that it counts as twice."""
    found: dict[str, str] = {}
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        if name in CARRYING:
            found[name if name not in found else name.upper()] = value.decode("latin-1")
    return found
