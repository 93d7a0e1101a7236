"""``Health``: the endpoints, their answers, and the two applications that give them."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dblog.errors import ConfigurationError
from dblog.integrations.health.runs import Running, run_all, run_all_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from dblog.integrations.health.results import Check, Result

__all__ = ["Health"]

_TIME = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m)?\s*")
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0}
_LONGEST = 3600.0
_PLAIN = b'{"status":"ok"}'
_PATHS = {"": "plain", "/live": "live", "/ready": "ready", "/startup": "startup"}
_METHODS = ("GET", "HEAD")
_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class _Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def headers(self) -> list[tuple[str, str]]:
        sent = [("content-type", "application/json"), ("content-length", str(len(self.body)))]
        sent.append(("cache-control", "no-store"))
        return [*sent, ("allow", ", ".join(_METHODS))] if self.status == 405 else sent  # noqa: PLR2004 - HTTP's number


class Health:
    """The health of a service.

    Args:
        ready: name → check, for ``/health/ready``: 503 while any fails.
        startup: name → check, for ``/health/startup``: 503 until all have passed (or skip) at once, then 200 for good.
        timeout: seconds a check may take, unless the environment says otherwise:
            ``HEALTH_CHECK_<NAME>_TIMEOUT`` (``5s``, ``500ms``, ``1m`` or seconds) with the check's name in capitals;
            ``DB`` for ``DATABASE`` and a name without ``_SERVICE`` are understood, so ``HEALTH_CHECK_DB_TIMEOUT``.
        keep: seconds for which a result is given again instead of asking once more.

    A check is a function without arguments, or a coroutine function. It gives ``passed(…)``,
    ``failed(…)`` or ``skipped(…)``; None and true are a pass, false and an exception a fail.

    Raises:
        ConfigurationError: a name, check or time that cannot be one.
    """

    def __init__(
        self,
        *,
        ready: Mapping[str, Check] | None = None,
        startup: Mapping[str, Check] | None = None,
        timeout: float = 5.0,
        keep: float = 1.0,
    ) -> None:
        _seconds("timeout", timeout)
        _seconds("keep", keep, least=0.0)
        self._ready = [Running(*each, keep) for each in _checked("ready", ready, timeout)]
        self._startup = [Running(*each, keep) for each in _checked("startup", startup, timeout)]
        self._started: dict[str, Result] | None = None
        """The results with which the start was over."""

    def asgi_app(self, app: Callable[..., Awaitable[None]] | None = None) -> Callable[..., Awaitable[None]]:
        """An ASGI application with the four endpoints; given ``app``, ``/health…`` in front of it."""
        return _Asgi(self, app)

    def wsgi_app(self, app: Callable[..., Iterable[bytes]] | None = None) -> Callable[..., Iterable[bytes]]:
        """A WSGI application with the four endpoints; given ``app``, ``/health…`` in front of it."""
        return _Wsgi(self, app)

    # -- what is answered -------------------------------------------------------------------------------------

    def _answer(self, endpoint: str | None, method: str) -> _Answer:
        wanted = self._wanted(endpoint, method)
        return _constant(endpoint, method) if wanted is None else self._told(endpoint, run_all(wanted))

    async def _answer_async(self, endpoint: str | None, method: str) -> _Answer:
        wanted = self._wanted(endpoint, method)
        return _constant(endpoint, method) if wanted is None else self._told(endpoint, await run_all_async(wanted))

    def _wanted(self, endpoint: str | None, method: str) -> list[Running] | None:
        """The checks to run; None where the answer needs none."""
        if endpoint not in {"ready", "startup"} or method not in _METHODS:
            return None
        if endpoint == "startup":
            return self._startup if self._started is None else []
        return self._ready

    def _told(self, endpoint: str | None, results: dict[str, Result]) -> _Answer:
        fine = all(result.status != "fail" for result in results.values())
        if endpoint == "startup":
            if self._started is None and fine:
                self._started = results
            if self._started is not None:
                fine, results = True, self._started
        good, bad = ("ready", "starting") if endpoint == "startup" else ("healthy", "unhealthy")
        checks = {name: result.as_dict() for name, result in results.items()}
        return _json(200 if fine else 503, status=good if fine else bad, timestamp=_now(), checks=checks)


class _Wsgi:
    def __init__(self, health: Health, app: Callable[..., Iterable[bytes]] | None) -> None:
        self._health = health
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "GET")
        if self._app is not None and not _is_ours(path):
            return self._app(environ, start_response)
        answer = self._health._answer(_endpoint(path), method)  # noqa: SLF001 - same room
        start_response(f"{answer.status} {_REASONS[answer.status]}", answer.headers)
        return [b"" if method == "HEAD" else answer.body]


class _Asgi:
    def __init__(self, health: Health, app: Callable[..., Awaitable[None]] | None) -> None:
        self._health = health
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = _path(scope) if scope["type"] == "http" else ""
        if self._app is not None and not (scope["type"] == "http" and _is_ours(path)):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise NotImplementedError(f"health is served over http, not {scope['type']}")  # as ASGI asks for
        method = scope["method"]
        answer = await self._health._answer_async(_endpoint(path), method)  # noqa: SLF001 - same room
        headers = [(name.encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})


def _path(scope: Any) -> str:
    """The path below where the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path[len(root) :] if root and path.startswith((f"{root}/",)) else path


def _is_ours(path: str) -> bool:
    return path == "/health" or path.startswith("/health/")


def _endpoint(path: str) -> str | None:
    return _PATHS.get(path.removeprefix("/health").rstrip("/"))


def _constant(endpoint: str | None, method: str) -> _Answer:
    if endpoint is None:
        return _json(404, error="not found")
    if method not in _METHODS:
        return _json(405, error="method not allowed")
    if endpoint == "plain":
        return _Answer(200, _PLAIN)
    return _json(200, status="healthy", timestamp=_now())


def _json(status: int, /, **content: object) -> _Answer:
    return _Answer(status, json.dumps(content, separators=(",", ":"), allow_nan=False).encode())


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _checked(option: str, checks: Any, timeout: float) -> list[tuple[str, Check, float]]:
    if not isinstance(checks, Mapping | None):
        raise ConfigurationError(f"{option}={checks!r} is not allowed: give a mapping of name to check")
    for name, check in (checks or {}).items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", name):
            raise ConfigurationError(f"{option}: {name!r} cannot name a check: use letters, digits and _, 64 at most")
        if not callable(check):
            raise ConfigurationError(f"{option}: the check {name!r} is a {type(check).__name__}: give a function")
    return [(name, check, _timeout(name, timeout)) for name, check in (checks or {}).items()]


def _timeout(name: str, default: float) -> float:
    """A check's time, from the environment or as given."""
    full = name.upper()
    short = re.sub(r"(?<![A-Z0-9])DATABASE(?![A-Z0-9])", "DB", full).removesuffix("_SERVICE")
    for variable in (f"HEALTH_CHECK_{full}_TIMEOUT", f"HEALTH_CHECK_{short}_TIMEOUT"):
        if given := os.environ.get(variable):
            found = _TIME.fullmatch(given)
            return _seconds(variable, float(found[1]) * _UNITS[found[2]] if found else given)
    return default


def _seconds(name: str, value: Any, *, least: float = 0.001) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigurationError(f"{name}={value!r} is not a time: give seconds, in the environment also 500ms or 5s")
    if not least <= value <= _LONGEST:
        raise ConfigurationError(f"{name}={value!r} is not allowed: give {least:g} to {_LONGEST:g} seconds")
    return float(value)
