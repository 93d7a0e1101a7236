"""What the middlewares of ``dblog.integrations.asgi`` and ``.wsgi`` share: the observer of requests they feed."""

from __future__ import annotations

from typing import Protocol

__all__ = ["HttpObserver"]


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
