"""One request and its answer as the middlewares see them, and the one record at their end.

Everything here runs on a request's way and under a guard: what fails is told once on
stderr (``dblog.diagnostics``), left out, and the request goes on.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import TYPE_CHECKING, Any

from dblog.diagnostics import complain
from dblog.scopes import PARENT, SPAN, TRACE, ids_now, scope_var
from dblog.spans import API, active

if TYPE_CHECKING:
    from dblog.scopes import Context

__all__ = ["CLIENT_GONE", "METHODS", "OTHER", "SERVER_ERROR", "UNMATCHED", "Exchange", "declared", "tell"]

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
"""The methods told apart (RFC 9110, PATCH, QUERY); anybody can send any other word, which is ``OTHER``."""
OTHER = "OTHER"
UNMATCHED = "(unmatched)"
"""The route where no template matched."""

_MAX_TEXT = 1024
"""Characters kept of a path or a user agent."""
_DIGITS = 15
SERVER_ERROR, CLIENT_GONE = 500, 499
_FILE, _LINE, _FUNCTION = __file__, 0, "access"
_ENDED = (asyncio.CancelledError, GeneratorExit)
"""How a server ends a request that nobody waits for any more."""


class Exchange:
    """One request and its answer: what is known of them, and the one record at their end."""

    __slots__ = (
        "agent", "client", "context", "counted", "done", "gone", "method", "path", "quiet", "request_bytes",
        "response_bytes", "route", "seconds", "started", "status", "tracking", "version",
    )  # fmt: skip

    def __init__(self, tracking: Any, word: str, path: str, context: Context) -> None:
        self.started = time.perf_counter()
        self.seconds: float | None = None
        self.tracking = tracking
        self.method = word if word in METHODS else OTHER
        self.path = path
        self.context = context
        self.quiet = tracking.leaves_out(path)
        self.agent: str | None = None
        self.client: str | None = None
        self.version: str | None = None
        self.request_bytes: int | None = None
        self.response_bytes = 0
        self.route: str | None = None
        self.status: int | None = None
        self.gone = False
        """The client has left."""
        self.counted = False
        self.done = False

    @property
    def trace_id(self) -> str:
        """What the client is told."""
        return self.context.ids[TRACE] or ""

    def traceparent(self) -> str | None:
        """For OpenTelemetry's instrumentations within, which are to go on with this trace; None where there is none."""
        if API not in sys.modules or active() is not None:
            return None
        trace, span = self.context.ids[TRACE], self.context.ids[SPAN]
        return f"00-{trace}-{span}-{self.context.trace_flags or '01'}"

    def count(self) -> None:
        """Tell the metrics that it begins."""
        metrics = self.tracking.metrics
        if metrics is not None and not self.quiet:
            try:
                metrics.started(self.method)
                self.counted = True
            except Exception as error:  # noqa: BLE001 - an observer must not harm the request
                tell("metrics", error)

    def template(self) -> str | None:
        """The template of the route that matched; None where none did."""
        return self.route

    def finish(self, error: BaseException | None = None, *, answered: bool = False) -> None:
        """It is over: tell the metrics, log the record. Only the first call does; raises nothing but BaseException.

        Args:
            error: what the application has raised.
            answered: the answer was sent, and the application still runs. The exception of an error that a framework
                has answered follows: then only the time is taken.
        """
        try:
            if answered and self.status is not None and self.status >= SERVER_ERROR:
                self.seconds = time.perf_counter() - self.started
            elif not self.done:
                self.done = True
                self._finish(error)
            elif error is not None:
                self._fail_late(error)
        except Exception as reason:  # noqa: BLE001 - nothing of ours may harm the request
            tell("end", reason)

    def _finish(self, error: BaseException | None) -> None:
        seconds = time.perf_counter() - self.started if self.seconds is None else self.seconds
        if error is not None and self._of_leaving(error):
            error, self.gone = None, True
        status = self.status
        if status is None:
            status = self.status = CLIENT_GONE if self.gone and error is None else SERVER_ERROR
        try:
            self.route = self.template()
        except Exception as reason:  # noqa: BLE001 - a framework's own objects
            tell("route", reason)
        try:
            if self.counted:
                self.tracking.metrics.finished(
                    self.method, self.route or UNMATCHED, status, seconds, self.request_bytes, self.response_bytes
                )
        except Exception as reason:  # noqa: BLE001 - an observer must not harm the request
            tell("metrics", reason)
        if not self.quiet:
            self._log(status, seconds, error)

    def _of_leaving(self, error: BaseException) -> bool:
        """Whether this tells that the client has left, and nothing else."""
        if isinstance(error, _ENDED):
            return True
        return self.gone and (isinstance(error, OSError) or type(error).__name__ == "ClientDisconnect")

    def _log(self, status: int, seconds: float, error: BaseException | None) -> None:
        tracking = self.tracking
        logger = tracking.logger
        level = tracking.level if error is None and status < SERVER_ERROR else logging.ERROR
        if not logger.isEnabledFor(level):
            return
        milliseconds = seconds * 1000.0
        info = None if error is None else (type(error), error, error.__traceback__)
        route = self.route
        args = (self.method, route or self.path[:_MAX_TEXT], status, milliseconds)
        record = logger.makeRecord(
            logger.name, level, _FILE, _LINE, "%s %s %d in %.1f ms", args, info, _FUNCTION, None, None
        )
        record.__dict__.update(self.extras(route, status, milliseconds))
        logger.handle(record)

    def extras(self, route: str | None, status: int, milliseconds: float) -> dict[str, object]:
        """What the record says beside its message."""
        extras: dict[str, object] = {
            "method": self.method,
            "route": route or UNMATCHED,
            "path": self.path[:_MAX_TEXT],
            "status_code": status,
            "duration_ms": int(milliseconds * 1000.0) / 1000.0,  # cheaper than `round`
            "response_bytes": self.response_bytes,
        }
        if self.request_bytes is not None:
            extras["request_bytes"] = self.request_bytes
        if self.client is not None:
            extras["client"] = self.client
        if self.agent is not None:
            extras["user_agent"] = self.agent[:_MAX_TEXT]
        if self.version is not None:
            extras["http_version"] = self.version
        if self.gone:
            extras["client_disconnected"] = True
        ids = self.context.ids
        if ids_now(scope_var.get()) is not ids:  # more was bound meanwhile: that stays, but the span is the request's
            extras["trace_id"], extras["span_id"], extras["parent_span_id"] = ids[TRACE], ids[SPAN], ids[PARENT]
        return extras

    def _fail_late(self, error: BaseException) -> None:
        """Something failed after the answer was sent: a background task."""
        logger = self.tracking.logger
        if not self._of_leaving(error) and logger.isEnabledFor(logging.ERROR):
            message = "%s %s failed after its answer was sent"
            logger.error(message, self.method, self.route or self.path[:_MAX_TEXT], exc_info=error)


def declared(length: str | bytes | None) -> int | None:
    """A ``Content-Length``; None where it is none, or beyond all measure."""
    if length is not None and length.isdigit() and length.isascii() and len(length) <= _DIGITS:
        return int(length)
    return None


def tell(part: str, error: Exception) -> None:
    """Say once that a part of a middleware failed, and was left out of a request that went on."""
    complain(f"middleware {part}", f"a middleware's {part} failed with {type(error).__name__}; the request went on")
