"""What a scope is, and which of two a record follows: dblog's, or OpenTelemetry's active span.

The inner one wins. A scope remembers the span it was entered under: as long as that is the active one, the scope is
the inner one. Another active span was started since, or the scope knew none: then the record is that span's.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from dblog import spans
from dblog.entry import ID_FIELDS
from dblog.spans import active, span_ids, span_state

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NOTHING", "NO_IDS", "PARENT", "SPAN", "TRACE", "Carried", "Context", "effective", "ids_now", "scope_var"]

NO_IDS: tuple[str | None, ...] = (None,) * len(ID_FIELDS)
"""``Context.ids`` where none is bound: one object, so ``is`` tells."""

TRACE, SPAN, PARENT = (ID_FIELDS.index(name) for name in ("trace_id", "span_id", "parent_span_id"))

_SPANS = 64
"""Active spans remembered: those of requests under way, not those of the past."""


class Carried(NamedTuple):
    """What travels with a trace and is no column of a record. Immutable."""

    tracestate: str | None = None
    """W3C ``tracestate`` as it came; that of ``trace_id``, and gone with it."""
    baggage: Mapping[str, str] | None = None
    """W3C ``baggage``, decoded. Never changed in place. None when empty."""
    trace_flags: str | None = None
    """W3C trace flags, two hex digits; None for a trace begun here, which is sampled."""
    under: object = None
    """OpenTelemetry's active span when the trace's ids were bound; None where there was none."""


NOTHING = Carried()


class Context(NamedTuple):
    """One scope, outer scopes' values included. Immutable; ``current()`` gives it."""

    ids: tuple[str | None, ...] = NO_IDS
    """The ids in the order of ``ID_FIELDS``; the very object ``NO_IDS`` where none is bound."""
    attributes: Mapping[str, object] | None = None
    """Every other name bound, as plain JSON values; not redacted. Never changed in place. None when empty."""
    carried: Carried | None = None
    """What ``inject`` writes beside the ids, and no record has; None where that is nothing."""

    @property
    def user_id(self) -> str | None:
        """The ``user_id`` bound, or None."""
        return self.ids[0]

    @property
    def session_id(self) -> str | None:
        """The ``session_id`` bound, or None."""
        return self.ids[1]

    @property
    def task_id(self) -> str | None:
        """The ``task_id`` bound, or None."""
        return self.ids[2]

    @property
    def trace_id(self) -> str | None:
        """The ``trace_id`` bound, or None."""
        return self.ids[3]

    @property
    def span_id(self) -> str | None:
        """The ``span_id`` bound, or None."""
        return self.ids[4]

    @property
    def parent_span_id(self) -> str | None:
        """The ``parent_span_id`` bound, or None."""
        return self.ids[5]

    @property
    def context_id(self) -> str | None:
        """The ``context_id`` bound, or None."""
        return self.ids[6]

    @property
    def client_id(self) -> str | None:
        """The ``client_id`` bound, or None."""
        return self.ids[7]

    @property
    def tracestate(self) -> str | None:
        """The W3C ``tracestate`` that came with the trace, or None."""
        return (self.carried or NOTHING).tracestate

    @property
    def trace_flags(self) -> str | None:
        """The W3C flags that came with the trace, two hex digits; None for a trace begun here."""
        return (self.carried or NOTHING).trace_flags

    @property
    def baggage(self) -> Mapping[str, str]:
        """The W3C ``baggage`` bound, read-only; empty where there is none."""
        return MappingProxyType((self.carried or NOTHING).baggage or {})

    def as_dict(self) -> dict[str, object]:
        """Everything a record gets, ids first, as a new dict; names without a value are left out."""
        ids = {name: value for name, value in zip(ID_FIELDS, self.ids, strict=True) if value is not None}
        return {**ids, **(self.attributes or {})}


scope_var: ContextVar[Context] = ContextVar("dblog_context", default=Context())  # noqa: B039 - immutable
"""The scope, as bound; a record's is ``effective`` of it."""


def ids_now(scope: Context) -> tuple[str | None, ...]:
    """The ids of a record logged here and now: the scope's, or with those of a span started since.

    To be asked where OpenTelemetry's API is loaded; where it is not, it costs more to hear the same.
    """
    ids = scope[0]
    try:  # as `active` does; once more here, for the fast path of capture is a tenth dearer with another call
        here = spans.read()
        if not here:
            return ids
        span = here.get(spans.key)
    except Exception:  # noqa: BLE001 - asked again by active, which tells it
        span = active()
    if span is None:
        return ids
    carried = scope[2]
    if carried is not None and carried[3] is span:
        return ids
    known = _seen.get(id(span))
    if known is not None and known[0] is span and known[1] is ids:
        return known[2]
    return _of_span(span, ids)


_seen: dict[int, tuple[object, tuple[str | None, ...], tuple[str | None, ...]]] = {}
"""By identity of a span: the span, a scope's ids, and both joined. Ids of a span never change."""


def _of_span(span: object, ids: tuple[str | None, ...]) -> tuple[str | None, ...]:
    of_span = span_ids(span)
    joined = ids if of_span is None else (*ids[:TRACE], *of_span, *ids[PARENT + 1 :])
    if len(_seen) >= _SPANS:
        _seen.clear()
    _seen[id(span)] = (span, ids, joined)
    return joined


def effective(scope: Context) -> Context:
    """The scope as a record logged here and now follows it; the very scope where it is the inner one."""
    ids = ids_now(scope)
    if ids is scope.ids:
        return scope
    span = active()
    flags, tracestate = span_state(span)
    return Context(ids, scope.attributes, Carried(tracestate, (scope.carried or NOTHING).baggage, flags, span))
