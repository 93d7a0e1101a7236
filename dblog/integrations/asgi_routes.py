"""The template of the route an ASGI request took: a label of few values, never its path.

Starlette and FastAPI leave in the scope which route they chose; what they do not leave
there is the template of the mounts around it. Those are read from the application's own
list of routes, once, and recognised by what each adds to ``root_path``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ROUTE", "Routes"]

ROUTE = "dblog.route"
"""The key of a scope or environ under which any framework or application may put the template itself."""

_EVERY = 1.0
"""Seconds between two looks at the application's routes."""
_KEPT = 10_000
_DEPTH = 10
"""Of applications in applications."""


class Routes:
    """The routes of one application, as its scopes name them."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._mounts: tuple[tuple[str, ...], ...] = ()
        self._endpoints: dict[int, list[tuple[Any, str, str]]] = {}
        self._prefixes: dict[str, str] = {"": ""}
        self._plain: dict[int, tuple[Any, str]] = {}
        """By identity: a route that is in no mount and no router that was included, and its template."""
        self._looked = -_EVERY

    def of(self, scope: Mapping[str, Any], root: str) -> str | None:
        """The template of a request that is over; ``root`` is the ``root_path`` it came with."""
        route = scope.get("route")
        known = self._plain.get(id(route))
        fastapi = scope.get("fastapi")
        usual = not fastapi and scope.get("root_path", "") == root and ROUTE not in scope
        if usual and known is not None and known[0] is route:
            return known[1]
        given = scope.get(ROUTE)
        if given is not None:
            return str(given)
        grown = scope.get("root_path", "")[len(root) :]
        prefix = self._prefixes.get(grown)
        if prefix is None:
            prefix = self._prefix(grown)
        if route is None:
            return self._without_route(scope, prefix)
        included = fastapi.get("effective_route_context") if type(fastapi) is dict else None
        if included is not None and included.original_route is route:
            return prefix + str(included.path)
        if hasattr(route, "routes"):  # a mount: nothing inside of it has a template
            return f"{prefix}/{{path}}" if prefix else None
        template = prefix + str(route.path)
        if usual and len(self._plain) < _KEPT:
            self._plain[id(route)] = route, template
        return template

    def _without_route(self, scope: Mapping[str, Any], prefix: str) -> str | None:
        """By the endpoint: Starlette before 1.0 and FastAPI's own pages name nothing else."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return None
        if id(endpoint) not in self._endpoints:
            self._look()
        given = set(scope.get("path_params") or ())
        found = [
            path
            for known, mounted, path in self._endpoints.get(id(endpoint), ())
            if known is endpoint and mounted == prefix and _names(path) <= given
        ]
        if found:  # of several routes with one endpoint that which took the most parameters
            return prefix + max(found, key=lambda path: len(_names(path)))
        return f"{prefix}/{{path}}" if prefix else None

    def _prefix(self, grown: str) -> str:
        """The template of the mounts that have added this to ``root_path``."""
        self._look()
        parts = grown.split("/")
        for mount in self._mounts:
            if len(mount) == len(parts) and all(
                ours == theirs or ours.startswith("{") for ours, theirs in zip(mount, parts, strict=True)
            ):
                template = "/".join(mount)
                if template == grown:
                    self._prefixes[grown] = template  # as many as there are mounts without parameters
                return template
        return ""

    def _look(self) -> None:
        """Read the application's routes, which may have grown, once a second at most."""
        now = time.monotonic()
        if now - self._looked < _EVERY:
            return
        self._looked = now
        mounts, endpoints = [], dict[int, list[tuple[Any, str, str]]]()
        for route, path, inner in _routes(_with_routes(self._app), "", 0):
            if inner:
                mounts.append(tuple(path.split("/")))
            elif (endpoint := getattr(route, "endpoint", None)) is not None:
                endpoints.setdefault(id(endpoint), []).append((endpoint, path.removesuffix(route.path), route.path))
        self._mounts, self._endpoints = tuple(mounts), endpoints


def _names(path: str) -> set[str]:
    return {part.partition("}")[0].partition(":")[0] for part in path.split("{")[1:]}


def _with_routes(app: Any) -> Any:
    """The first of a chain of middlewares that has routes."""
    for _ in range(_DEPTH * _DEPTH):
        if app is None or hasattr(app, "routes"):
            return app
        app = getattr(app, "app", None)
    return None


def _routes(app: Any, prefix: str, depth: int) -> Iterator[tuple[Any, str, bool]]:
    """Each route, its template from the root on, and whether others are mounted on it."""
    for route in tuple(getattr(app, "routes", None) or ()):
        path = prefix + (getattr(route, "path", None) or "")
        inner = getattr(route, "app", None) if hasattr(route, "routes") else None
        yield route, path, inner is not None
        if hasattr(route, "routes") and depth < _DEPTH:
            yield from _routes(route, path, depth + 1)
