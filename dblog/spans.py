"""OpenTelemetry, where the application has loaded its API: the active span, its resource, its switch for tracing.

Nothing here imports OpenTelemetry. Whoever starts spans has imported ``opentelemetry.trace``; as long as nobody has,
there is nothing to find, and asking costs one look into ``sys.modules``. What is found is somebody else's code:
whatever it raises is told once on stderr and taken for "no span".

The active span is read from the context variable behind OpenTelemetry's default runtime context, which costs a
quarter of asking its API; where that is another one (``OTEL_PYTHON_CONTEXT``), its API is asked.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from dblog.diagnostics import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["API", "active", "baggage", "resource", "span_ids", "span_state", "untraced"]

API: Final = "opentelemetry.trace"
"""Is in ``sys.modules`` wherever spans can be."""

_UNKNOWN: Final = "unknown_service"
"""How the SDK calls a service that nobody named."""
_RESOURCE: Final = {
    "service": ("service.name",),
    "service_version": ("service.version",),
    "environment": ("deployment.environment.name", "deployment.environment"),
}
_PLAIN_KEY: Final = "suppress_instrumentation"
"""What instrumentations of before 2023 look for."""
_NOBODY: Final = int.from_bytes(b"dblog, untraced.")
"""The trace id within ``untraced`` where no span is active outside."""

_modules = sys.modules


def active() -> object | None:
    """The active span; None where there is none, or OpenTelemetry's API is not loaded. Perhaps not a valid one."""
    if API not in _modules:
        return None
    try:
        here = read()
        return here.get(key) if here else None
    except Exception as error:  # noqa: BLE001 - a runtime context of somebody's
        _told(error)
        return None


def span_ids(span: object) -> tuple[str, str, str | None] | None:
    """Trace id, span id and the parent's span id as hex digits; None where the span is not valid."""
    context: Any = _context(span)
    try:
        if context is None or not context.is_valid or context.trace_id == _NOBODY:
            return None
        parent = getattr(span, "parent", None)  # the SDK's spans know it, others need not
        parent_id = None if parent is None else format(parent.span_id, "016x")
        return format(context.trace_id, "032x"), format(context.span_id, "016x"), parent_id
    except Exception as error:  # noqa: BLE001 - a span of somebody's
        _told(error)
        return None


def span_state(span: object) -> tuple[str | None, str | None]:
    """The span's trace flags as two hex digits, and its ``tracestate``; None for what it has not."""
    context: Any = _context(span)
    try:
        return format(int(context.trace_flags), "02x"), context.trace_state.to_header() or None
    except Exception as error:  # noqa: BLE001 - as above
        _told(error)
        return None, None


def baggage() -> dict[str, str]:
    """OpenTelemetry's own baggage, as text; empty where its API for that is not loaded."""
    module: Any = _modules.get("opentelemetry.baggage")
    try:
        return {} if module is None else {str(name): str(value) for name, value in module.get_all().items()}
    except Exception as error:  # noqa: BLE001 - values are anything
        _told(error)
        return {}


def resource() -> dict[str, str]:
    """``service``, ``service_version`` and ``environment`` of the tracer provider's resource, as far as it says so."""
    module: Any = _modules.get(API)
    try:
        # Not get_tracer_provider(), which may load and set a provider of its own accord.
        provider = getattr(module, "_TRACER_PROVIDER", None)
        attributes = getattr(getattr(provider, "resource", None), "attributes", {})
        found = {
            name: str(attributes[attribute])
            for name, keys in _RESOURCE.items()
            for attribute in reversed(keys)
            if attribute in attributes
        }
    except Exception as error:  # noqa: BLE001 - a provider of somebody's
        _told(error)
        return {}
    return {name: value for name, value in found.items() if value and not value.startswith(_UNKNOWN)}


class untraced:  # noqa: N801 - used as a with statement's adjective
    """While the block runs, what it calls makes no spans, whatever instruments it.

    Instrumentations are told by OpenTelemetry's switch. For one that does not look (asyncpg's), the active span is one
    that is not sampled: samplers that go by the parent, as the SDK's own does, leave its children out.

    To be left in the thread or task it was entered in.
    """

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _suppress() if API in _modules else None

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            try:
                _modules["opentelemetry.context"].detach(self._token)
            except Exception as error:  # noqa: BLE001 - a runtime context of somebody's
                _told(error)


def _suppress() -> object | None:
    context: Any = _modules.get("opentelemetry.context")
    try:
        newer = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", _PLAIN_KEY)
        if context.get_value(newer):
            return None
        told = context.set_value(_PLAIN_KEY, True, context.set_value(newer, True))
        token: object = context.attach(_unsampled(_modules[API], told))
    except Exception as error:  # noqa: BLE001 - as above
        _told(error)
        return None
    return token


def _unsampled(api: Any, context: object) -> object:
    """This context with a span in it that is as the active one, but not sampled; one of no trace where none is."""
    of = api.get_current_span(context).get_span_context()
    trace_id, span_id = (of.trace_id, of.span_id) if of.is_valid else (_NOBODY, 1)
    seen = api.SpanContext(trace_id, span_id, is_remote=False, trace_state=of.trace_state)
    with_it: object = api.set_span_in_context(api.NonRecordingSpan(seen), context)
    return with_it


def _context(span: object) -> object | None:
    try:
        context: object = span.get_span_context()  # type: ignore[attr-defined]  # no protocol of ours
    except Exception as error:  # noqa: BLE001 - a span of somebody's
        _told(error)
        return None
    return context


def _find() -> Mapping[str, object]:
    """OpenTelemetry's current context; once its modules are complete, remembered how to get it."""
    global read, key  # noqa: PLW0603 - found once in a process
    module: Any = _modules.get(API)
    if module is None or getattr(module.__spec__, "_initializing", False):
        return {}
    runtime = getattr(_modules.get("opentelemetry.context"), "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    its_key = getattr(_modules.get("opentelemetry.trace.propagation"), "_SPAN_KEY", None)
    if isinstance(variable, ContextVar) and isinstance(its_key, str):
        key = its_key
        read = variable.get
    else:
        read = _ask
    return read()


def _ask() -> Mapping[str, object]:
    """The public way."""
    return {key: _modules[API].get_current_span()}


key = "current-span"
"""Where in its context OpenTelemetry has its span."""
read: Callable[[], Mapping[str, object]] = _find
"""OpenTelemetry's current context; may raise anything, and may change once."""


def _told(error: Exception) -> None:
    complain("opentelemetry", f"OpenTelemetry's API failed with {type(error).__name__}: records go without its ids")
