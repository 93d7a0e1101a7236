"""What the middlewares of ``dblog.integrations.asgi`` and ``.wsgi`` share: options, a request's ids, who counts it."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Any, Protocol

from dblog.errors import ConfigurationError
from dblog.given import encoded
from dblog.integrations.exchange import tell
from dblog.levels import parse_level
from dblog.scopes import NOTHING, TRACE, Carried, Context, scope_var
from dblog.spans import active, span_ids, span_state
from dblog.traceparent import extract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["CARRYING", "HttpObserver", "Tracking", "flag"]

CARRYING = frozenset({"traceparent", "tracestate", "baggage"})
"""The headers of W3C Trace Context and Baggage."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_USUAL = re.compile(r"00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-01")
"""The ``traceparent`` almost every caller sends: this version, sampled; the rest is for ``extract``."""


class HttpObserver(Protocol):
    """Who is told about each request, once at its start and once at its end; for metrics.

    ``dblog.integrations.prometheus.AppMetrics().http`` is one. It is called on the request's
    way, from any thread, and has to be quick. What it raises is told once on stderr and
    swallowed: the request does not notice.
    """

    def started(self, method: str) -> None:
        """A request begins.

        Args:
            method: one of ``CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE``; ``OTHER`` for the rest.
        """
        ...

    def finished(  # noqa: PLR0917 - given by position: keywords cost every request more
        self,
        method: str,
        route: str,
        status_code: int,
        seconds: float,
        request_bytes: int | None,
        response_bytes: int,
    ) -> None:
        """A request that was ``started`` is over: its answer was sent, it failed, or the client has left.

        Args:
            method: as it was given to ``started``.
            route: the template of the route, ``/orders/{id}``; ``(unmatched)`` where none matched. Never a path.
            status_code: what the client was answered; 500 where the application failed before it answered,
                499 where the client left before that.
            seconds: from the request's arrival to its end.
            request_bytes: of the body, as declared by ``Content-Length`` or as read; None where neither is known.
            response_bytes: of the body, as sent.
        """
        ...


class Tracking:
    """The options of a middleware, and what it does with a request; see ``asgi.TrackingMiddleware`` for them."""

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
    ) -> None:
        if not callable(app):
            raise ConfigurationError(f"app={app!r} is not allowed: give the application, which can be called")
        self.app = app
        self.metrics = _observer(metrics)
        self.logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        if not isinstance(self.logger, logging.Logger):
            raise ConfigurationError(f"logger={logger!r} is not allowed: give a logger or its name")
        self.level = parse_level(level, "level")
        self.header = _header(response_header)
        self.trust_incoming = flag("trust_incoming", trust_incoming)
        if context is not None and not callable(context):
            raise ConfigurationError(f"context={context!r} is not allowed: give a callable or None")
        self.context = context
        self.excluded, self.below = _excluded(exclude)

    def leaves_out(self, path: str) -> bool:
        """Whether requests of this path are neither logged nor counted."""
        return path in self.excluded or path.startswith(self.below)

    def scope(
        self, request: Any, trace: str | None, usual: str | None, others: Callable[[], dict[str, str]] | None
    ) -> Context:
        """The scope a request runs in: its caller's trace, or one of its own, and what ``context`` says of it.

        Args:
            request: what ``context`` is asked about: an ASGI scope or a WSGI environ.
            trace: what came in the header ``response_header``; None where nothing did.
            usual: the ``traceparent`` of a request with no other header of W3C's.
            others: gives the W3C headers of any other request that has some.
        """
        outer, span = scope_var.get(), active()
        parent, carried = None, outer.carried
        if usual is not None:
            match = _USUAL.fullmatch(usual)
            if match is None:
                others = {"traceparent": usual}.copy
            elif self.trust_incoming:
                trace, parent = match.groups()
        if span is not None or others is not None or carried is not None:
            trace, parent, carried = self._remote(span, trace, parent, others, outer)
        elif trace is not None and parent is None and not (self.trust_incoming and _ID.fullmatch(trace)):
            trace = None
        if trace is None:
            made = os.urandom(24).hex()
            ids: tuple[str | None, ...] = (None, None, None, made[16:], made[:16], None, None, None)
        else:
            ids = (None, None, None, trace, os.urandom(8).hex(), parent, None, None)
        made_of = Context(ids, outer.attributes, carried)
        return made_of if self.context is None else self._with_fields(request, made_of)

    def _remote(
        self,
        span: object,
        trace: str | None,
        parent: str | None,
        others: Callable[[], dict[str, str]] | None,
        outer: Context,
    ) -> tuple[str | None, str | None, Carried | None]:
        """Trace, parent and what travels with them: of OpenTelemetry's active span, or as the headers have it."""
        of_span = None if span is None else span_ids(span)
        remote = extract(others()) if others is not None and self.trust_incoming else {}
        baggage = {**outer.baggage, **remote.get("baggage", {})} or None
        if of_span is not None:
            flags, state = span_state(span)
            return of_span[0], of_span[1], Carried(state, baggage, flags, span)
        if "trace_id" in remote:
            trace = remote["trace_id"]
        elif trace is not None and parent is None and not (self.trust_incoming and _ID.fullmatch(trace)):
            trace = None
        made = Carried(remote.get("tracestate"), baggage, remote.get("trace_flags"), span)
        return trace, remote.get("parent_span_id", parent), None if made == NOTHING else made

    def _with_fields(self, request: Any, made: Context) -> Context:
        """The scope, with what ``context`` gives."""
        try:
            given = encoded((self.context and self.context(request)) or {})
        except Exception as error:  # noqa: BLE001 - the user's callable
            tell("context", error)
            return made
        ids = [given.ids.get(index, value) for index, value in enumerate(made.ids)]
        if not _printable(ids[TRACE]):
            ids[TRACE] = made.ids[TRACE]  # it is going to be a header
        attributes = {**(made.attributes or {}), **given.attributes}
        kept = {key: value for key, value in attributes.items() if value is not None}
        return Context(tuple(ids), kept or None, made.carried)


def flag(option: str, value: Any) -> bool:
    """A bool, checked."""
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{option}={value!r} is not allowed: give True or False")


def _printable(value: str | None) -> bool:
    return value is not None and value != "" and value.isascii() and value.isprintable()


def _observer(metrics: object) -> Any:
    if metrics is None or (hasattr(metrics, "started") and hasattr(metrics, "finished")):
        return metrics
    raise ConfigurationError(f"metrics={metrics!r} is not allowed: give an HttpObserver, such as AppMetrics().http")


def _header(name: Any) -> str | None:
    if name is None or (isinstance(name, str) and _HEADER.fullmatch(name)):
        return name
    raise ConfigurationError(f"response_header={name!r} is not allowed: give a header's name, or None for no header")


def _excluded(paths: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    try:
        given: tuple[Any, ...] = (paths,) if isinstance(paths, str) else tuple(paths)
    except TypeError:
        raise ConfigurationError(f"exclude={paths!r} is not allowed: give paths, which begin with /") from None
    for path in given:
        if not isinstance(path, str) or not path.startswith("/"):
            raise ConfigurationError(f"exclude={path!r} is not allowed: give paths, which begin with /")
    return frozenset(given), tuple(f"{path.rstrip('/')}/" for path in given)
