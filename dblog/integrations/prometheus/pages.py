"""The page Prometheus reads, as a WSGI and an ASGI application; content and its negotiation are the client's.

Where metrics are off, ``/metrics`` answers 404: an empty page would look like a service that
counts and has nothing to count.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector

from dblog.integrations.prometheus.series import told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from dblog.integrations.prometheus.app import AppMetrics

    Answer = tuple[str, list[tuple[str, str]], bytes]

__all__ = ["PATH", "AsgiPage", "WsgiPage"]

PATH = "/metrics"
_TEXT = [("Content-Type", "text/plain; charset=utf-8")]
_OFF: Answer = ("404 Not Found", _TEXT, b"metrics are off: METRICS_ENABLED\n")
_FAILED: Answer = ("500 Internal Server Error", _TEXT, b"the metrics could not be read\n")


def _answer(metrics: AppMetrics, environ: dict[str, Any]) -> Answer:
    """What a request for the page is answered; never raises."""
    if not metrics.enabled:
        return _OFF
    answered: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
        answered[:] = status, headers

    try:
        body = b"".join(make_wsgi_app(_readable(metrics))(environ, start_response))
    except Exception as error:  # noqa: BLE001 - somebody else's collector, or a file of a process that has gone
        told("page", error)
        return _FAILED
    return answered[0], answered[1], body


def _readable(metrics: AppMetrics) -> CollectorRegistry:
    if not metrics.multiprocess:
        return metrics.registry
    metrics.sample()
    try:
        registry = CollectorRegistry(support_collectors_without_names=True)
    except TypeError:  # an older client, where `name[]` then finds nothing
        registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the client's is not annotated
    return registry


class WsgiPage:
    """Answers every request, or only ``/metrics`` in front of another application."""

    def __init__(self, metrics: AppMetrics, app: Callable[..., Iterable[bytes]] | None) -> None:
        self._metrics = metrics
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI."""
        if self._app is not None and environ.get("PATH_INFO") != PATH:
            return self._app(environ, start_response)
        status, headers, body = _answer(self._metrics, environ)
        start_response(status, headers)
        return [body]


class AsgiPage:
    """Answers every request, or only ``/metrics`` in front of another application; the page is made in a thread."""

    def __init__(self, metrics: AppMetrics, app: Callable[..., Awaitable[None]] | None) -> None:
        self._metrics = metrics
        self._app = app

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[..., Any]) -> None:
        """ASGI."""
        if self._app is not None and (scope["type"] != "http" or scope["path"] != PATH):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            status, headers, body = await _in_thread(_answer, self._metrics, _environ(scope))
            raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            raw.append((b"content-length", str(len(body)).encode()))
            await send({"type": "http.response.start", "status": int(status[:3]), "headers": raw})
            await send({"type": "http.response.body", "body": body})
        else:
            raise NotImplementedError(f"{PATH} is served over http, not {scope['type']}")  # as ASGI asks for


async def _in_thread(function: Callable[..., Answer], *given: Any) -> Answer:
    """Not in the event loop, where there is one of asyncio: a large page takes tens of milliseconds."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function(*given)
    return await asyncio.to_thread(function, *given)


def _environ(scope: Any) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": PATH,
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "HTTP_ACCEPT": ",".join(headers.get("accept", [])),
        "HTTP_ACCEPT_ENCODING": ",".join(headers.get("accept-encoding", [])),
    }
