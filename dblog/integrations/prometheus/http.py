"""Requests: how many, how long, how large, how many at once; fed by the middlewares of ``dblog.integrations``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from dblog.integrations.prometheus.exemplars import Observed
from dblog.integrations.prometheus.series import told
from dblog.plain import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.integrations.prometheus.series import Series

__all__ = ["HTTP_SECONDS", "METHODS", "HttpMetrics", "NoHttp"]

METHODS = frozenset({
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE", "OTHER",
})  # fmt: skip
HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BYTES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)

_MAX_ROUTES = 1000
_ROUTE_LENGTH = 200
_OTHER_ROUTES, _OTHER_METHOD = "(other)", "OTHER"
_STATUSES = range(100, 600)
_OTHER_STATUS = "other"


class _Cell(NamedTuple):
    """What one kind of request adds to."""

    requests: Callable[[], None]
    seconds: Callable[[float], None]
    request_bytes: Callable[[float], None]
    response_bytes: Callable[[float], None]


class NoHttp:
    """Observes nothing: metrics are off."""

    def started(self, method: str) -> None: ...  # noqa: D102 - the class says it

    def finished(  # noqa: D102, PLR0917 - as above; the protocol's
        self, method: str, route: str, status_code: int, seconds: float, request_bytes: int | None, response_bytes: int
    ) -> None: ...


class HttpMetrics:
    """A ``dblog.integrations.http.HttpObserver``; ``AppMetrics.http`` is one.

    The first thousand routes are told apart, the rest is ``(other)``. Never raises.
    """

    def __init__(self, series: Series) -> None:
        kind = ("method", "route")
        self._requests = series.counter("http_requests_total", "HTTP requests answered.", (*kind, "status_code"))
        self._seconds = series.histogram(
            "http_request_duration_seconds", "From a request's arrival to its end.", kind, buckets=HTTP_SECONDS
        )
        self._received = series.histogram("http_request_size_bytes", "Bytes of request bodies.", kind, buckets=_BYTES)
        self._sent = series.histogram("http_response_size_bytes", "Bytes of response bodies.", kind, buckets=_BYTES)
        self._running = series.gauge("http_requests_in_flight", "HTTP requests being answered.")
        self._inc, self._dec = self._running.inc, self._running.dec
        self._lock = threading.Lock()
        self._exemplars = not series.multiprocess
        self._forget()
        series.forgetting.append(self._forget)

    def started(self, method: str) -> None:  # noqa: ARG002 - the protocol's
        """A request begins."""
        try:
            self._inc()
        except Exception as error:  # noqa: BLE001 - a request is never harmed
            told("http", error)

    def finished(  # noqa: PLR0917 - the protocol's
        self, method: str, route: str, status_code: int, seconds: float, request_bytes: int | None, response_bytes: int
    ) -> None:
        """A request that was started is over; called within its context, for the exemplar's trace."""
        try:
            self._dec()
            cell = self._cells.get((method, route, status_code)) or self._cell(method, route, status_code)
            cell.requests()
            cell.seconds(seconds)
            if request_bytes is not None:
                cell.request_bytes(request_bytes)
            cell.response_bytes(response_bytes)
        except Exception as error:  # noqa: BLE001 - a request is never harmed
            told("http", error)

    def _cell(self, method: str, route: str, status_code: int) -> _Cell:
        """The cell of a request not seen before, kept under its bounded labels only."""
        method = method if method in METHODS else _OTHER_METHOD
        route = clean(route)[:_ROUTE_LENGTH]
        status: int | str = status_code if status_code in _STATUSES else _OTHER_STATUS
        with self._lock:
            if route not in self._routes and len(self._routes) >= _MAX_ROUTES:
                route = _OTHER_ROUTES
            cell = self._cells.get((method, route, status))
            if cell is None:
                cell = self._cells[method, route, status] = self._made(method, route, status)
                self._routes.add(route)
        return cell

    def _made(self, method: str, route: str, status: int | str) -> _Cell:
        seconds = self._seconds.labels(method, route)
        observed = self._timed.get((method, route))
        if observed is None:  # shared by all statuses, or each would ask for exemplars of its own
            made = Observed(seconds, HTTP_SECONDS).observe if self._exemplars else seconds.observe
            observed = self._timed[method, route] = made
        return _Cell(
            self._requests.labels(method, route, str(status)).inc,
            observed,
            self._received.labels(method, route).observe,
            self._sent.labels(method, route).observe,
        )

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, str, int | str], _Cell] = {}
        self._timed: dict[tuple[str, str], Callable[[float], None]] = {}
        self._routes: set[str] = set()
