"""What an access record of ``dblog.integrations.asgi`` or ``wsgi`` says, in the names of other formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CLOUDWATCH", "ECS", "is_access", "renamed"]

ECS: Final = {
    "method": "http.request.method",
    "path": "url.path",
    "status_code": "http.response.status_code",
    "duration_ms": "event.duration",
    "request_bytes": "http.request.bytes",
    "response_bytes": "http.response.bytes",
    "client": "client.address",
    "user_agent": "user_agent.original",
    "http_version": "http.version",
}
"""The Elastic Common Schema's; it has no route."""
CLOUDWATCH: Final = {
    "method": "request.method",
    "route": "request.route",
    "path": "request.path",
    "duration_ms": "request.duration",
    "request_bytes": "request.size",
    "client": "request.ip",
    "user_agent": "request.user_agent",
    "http_version": "request.http_version",
    "status_code": "response.status",
    "response_bytes": "response.size",
}
_FACTORS: Final = {"event.duration": 1_000_000, "request.duration": 0.001}
"""ECS has nanoseconds, the CloudWatch format seconds."""


def is_access(extras: Mapping[str, Any]) -> bool:
    """Whether these are an access record's extras: a method, and the status it was answered with."""
    return isinstance(extras.get("method"), str) and isinstance(extras.get("status_code"), int)


def renamed(extras: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Take an access record's extras out, and give them by their dotted names; nothing of other records."""
    if not is_access(extras):
        return {}
    found: dict[str, Any] = {}
    for key, name in names.items():
        value = extras.get(key)
        factor = _FACTORS.get(name)
        if value is None or (factor is not None and not isinstance(value, int | float)):
            continue
        found[name] = value if factor is None else round(value * factor, None if factor > 1 else 6)
        del extras[key]
    return found
