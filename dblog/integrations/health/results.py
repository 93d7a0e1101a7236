"""What a check says: pass, fail or skip, a sentence, and figures that are plain JSON."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from dblog.plain import Limits, clean, plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["Check", "Result", "failed", "is_async", "passed", "result_of", "skipped"]

Status: TypeAlias = Literal["pass", "fail", "skip"]

_LONGEST: Final = 200
_LIMITS: Final = Limits(max_attributes=32, max_depth=3, max_bytes=4096)
_RESERVED: Final = frozenset({"status", "latency_ms", "message"})


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one check; ``passed``, ``failed`` and ``skipped`` make it."""

    status: Status
    """``skip`` is a dependency that is not in use: it makes nothing unready."""
    message: str | None = None
    """One sentence for people, shown to whoever asks: no secrets."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Shown beside the status."""
    latency_ms: float | None = None
    """How long the check took."""

    def as_dict(self) -> dict[str, Any]:
        """As it is answered."""
        shown: dict[str, Any] = {"status": self.status}
        if self.latency_ms is not None:
            shown["latency_ms"] = self.latency_ms
        if self.message is not None:
            shown["message"] = clean(self.message)[:_LONGEST]
        details = plain(dict(self.details), limits=_LIMITS, redact=())[0]
        if isinstance(details, dict):
            shown |= {name: value for name, value in details.items() if name not in _RESERVED}
        return shown


Check: TypeAlias = "Callable[[], Any | Awaitable[Any]]"
"""Takes nothing; gives a ``Result``, or None or true for a pass, false for a fail. What it raises is a fail."""


def passed(message: str | None = None, /, **details: object) -> Result:
    """The dependency works."""
    return Result("pass", message, details)


def failed(message: str | None = None, /, **details: object) -> Result:
    """The dependency does not work."""
    return Result("fail", message, details)


def skipped(message: str | None = None, /, **details: object) -> Result:
    """The dependency is not in use."""
    return Result("skip", message, details)


def is_async(check: Check) -> bool:
    """Whether it is a coroutine function, or an object whose call is one."""
    return inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(type(check).__call__)


def result_of(said: object) -> Result:
    """What a check gave, as a result."""
    if isinstance(said, Result):
        return said
    return passed() if said is None or said else failed()
