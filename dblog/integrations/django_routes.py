"""The template of the route a Django request took, told by Django as it resolves it; nothing is resolved twice.

Django keeps its request to itself. Where a handler of Django's is what a middleware
wraps, the handler's ``request_class`` becomes one that also leaves the route in the
environ (or scope) at the moment Django sets ``request.resolver_match``. Nothing else
about the request changes, and Django is not imported: whoever uses it has done so.
"""

from __future__ import annotations

import sys
from typing import Any

from dblog.integrations.asgi_routes import ROUTE
from dblog.integrations.exchange import tell

__all__ = ["watch"]

_DEPTH = 100


def watch(app: Any) -> None:
    """Have the Django handler that ``app`` is, or wraps, tell its routes; nothing where there is none."""
    base = sys.modules.get("django.core.handlers.base")
    if base is None:
        return
    for _ in range(_DEPTH):
        if app is None:
            return
        if isinstance(app, base.BaseHandler):
            kind = getattr(app, "request_class", None)
            if isinstance(kind, type) and not hasattr(kind, "_dblog_route"):
                app.request_class = _telling(kind)
            return
        app = getattr(app, "app", None) or getattr(app, "application", None)


def _telling(kind: type) -> type:
    """The request class, with a ``resolver_match`` that is told to the environ."""

    def get(request: Any) -> Any:
        return request.__dict__.get("resolver_match")

    def put(request: Any, match: Any) -> None:
        request.__dict__["resolver_match"] = match
        try:
            if match is not None:
                place = request.environ if hasattr(request, "environ") else request.scope
                place[ROUTE] = f"/{match.route}"
        except Exception as error:  # noqa: BLE001 - nothing of ours may harm the request
            tell("route", error)

    body = {"resolver_match": property(get, put), "_dblog_route": True, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), {**body, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__})
