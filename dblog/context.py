"""Which request, user and trace the running code works for, carried to every record it logs.

::

    with dblog.context.bound(user_id="u-17", order=42):   # or @bound(...) on a function
        logger.info("paid")                               # carries user_id, and order in its metadata

A *scope* is a ``Context``: the eight ids a row has columns for (``ID_FIELDS``) and
any other names, which go to ``metadata``. A record takes each value from the
nearest scope that has it. Scopes live in one ``contextvars.ContextVar``: each
thread and each asyncio task has its own, a new task and ``asyncio.to_thread`` start
with a copy of their creator's. A worker of a thread pool keeps what ``bind`` gave it
for its next job: use ``bound`` there.

``bound`` is a span: within a trace, entering it makes a new ``span_id`` whose
``parent_span_id`` is the outer scope's ``span_id``. Where OpenTelemetry has an active
span, that is such a scope too: of the two the inner one wins (``dblog.scopes``).

Three more names travel with a trace and are stored nowhere: W3C ``tracestate``,
``baggage`` and ``trace_flags``, as ``extract`` gives them and ``inject`` writes them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dblog import spans
from dblog.carrying import carry
from dblog.errors import ConfigurationError
from dblog.given import TRIPLE, Given, encoded
from dblog.scoped import scoped
from dblog.scopes import NO_IDS, NOTHING, PARENT, SPAN, TRACE, Carried, Context, effective
from dblog.scopes import scope_var as _current
from dblog.traceparent import extract, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from contextvars import Token

__all__ = [
    "NO_IDS", "Context", "bind", "bound", "carry", "current", "extract", "inject", "new_trace", "reset", "unbind",
]  # fmt: skip

_F = TypeVar("_F", bound="Callable[..., Any]")


def current() -> Context:
    """The scope the calling code runs in, as a record logged here would have it; an empty one outside of any."""
    return effective(_current.get())


def bind(**fields: object) -> Token[Context]:
    """Add to the current scope, until it ends or ``reset``.

    Args:
        fields: an id of ``ID_FIELDS`` (kept as text of at most 512 characters) or any
            other name (stored in ``metadata``, encoded now: later changes are not seen).
            ``baggage``, a mapping, is added to what is bound; ``tracestate`` and
            ``trace_flags`` belong to the trace. None unbinds the name.

    Returns:
        A token; ``reset(token)`` puts back what was there before.

    Raises:
        ConfigurationError: a field is called ``dblog``, which is reserved for dblog's own flags;
            or ``baggage``, ``tracestate`` or ``trace_flags`` is none that W3C allows.
    """
    given = encoded(fields)
    outer = _current.get()
    if given.ids.keys().isdisjoint(TRIPLE) and not given.carried:
        ids = _with_ids(outer.ids, given.ids)
        return _current.set(Context(ids, _with_attributes(outer.attributes, given.attributes), outer.carried))
    outer = effective(outer)
    return _current.set(_scope(outer, _with_ids(outer.ids, given.ids), given))


def unbind(*names: str) -> Token[Context]:
    """Take names out of the current scope; those not bound are ignored. Outer scopes keep theirs.

    Returns:
        A token; ``reset(token)`` puts back what was there before.
    """
    return bind(**dict.fromkeys((name for name in names if name != "dblog"), None))


def reset(token: Token[Context]) -> None:
    """Put back what was bound before the ``bind`` or ``unbind`` that gave this token.

    Raises:
        RuntimeError: the token was used already.
        ValueError: the token is of another thread or task.
    """
    _current.reset(token)


def new_trace(**fields: object) -> str:
    """Start a new trace in the current scope: a fresh trace id and span id, no parent; ``fields`` as in ``bind``.

    Returns:
        The trace id, 32 hex digits as W3C Trace Context wants them.

    Raises:
        ConfigurationError: ``fields`` holds ``dblog``, or one of the three ids made here (see ``bind``).
    """
    for name in ("trace_id", "span_id", "parent_span_id"):
        if name in fields:
            msg = f"new_trace() makes {name} itself: use bind({name}=...) to continue a trace"
            raise ConfigurationError(msg)
    trace_id = os.urandom(16).hex()
    bind(**fields, trace_id=trace_id, span_id=_new_span(), parent_span_id=None)
    return trace_id


class bound:  # noqa: N801 - reads as the verb it is: `with bound(...)`, `@bound(...)`
    """A scope: a context manager and a decorator; ``fields`` as in ``bind``.

    Within a trace each entry is a span: it gets a fresh ``span_id`` unless one is given,
    and the outer scope's ``span_id`` as ``parent_span_id`` if that is of the same trace and
    none is given. Without a ``trace_id`` no span is made up; a given ``span_id`` still gets
    its parent. Leaving restores exactly what was there before, whatever was bound inside.

    Every entry, and every call of a decorated function, is a scope of its own, so one
    instance can be nested and shared by threads and tasks. Decorates functions, coroutine
    functions, generators and asynchronous generators; those two have their scope only while
    they run, not while they are suspended. ``with ... as scope`` gives the ``Context``.

    Raises:
        ConfigurationError: a field is called ``dblog``.
    """

    __slots__ = ("_given", "_tokens")

    def __init__(self, /, **fields: object) -> None:
        self._given = encoded(fields)
        self._tokens: list[Token[Context]] = []

    def __enter__(self) -> Context:
        scope = self._scope()
        self._tokens.append(_current.set(scope))
        return scope

    def __exit__(self, *_: object) -> None:
        # The last token of this thread or task: an instance shared by several holds tokens of each. None is found
        # when a framework leaves the block in another context than it entered it: then there is nothing to undo here.
        for token in reversed(tuple(self._tokens)):
            try:
                _current.reset(token)
            except (ValueError, RuntimeError):
                continue
            self._tokens.remove(token)
            return

    def __call__(self, function: _F) -> _F:
        """The function, each call of it in a scope of its own."""
        return cast("_F", scoped(function, _current, self._scope))

    def _scope(self) -> Context:
        outer = effective(_current.get())
        return _scope(outer, _span(outer.ids, self._given.ids), self._given)


def inject(headers: MutableMapping[str, str]) -> None:
    """Write the current trace into outgoing headers, in the place of any that is there: what a record would carry.

    W3C ``traceparent``, with its ``tracestate`` if there is one, unless ``trace_id`` and ``span_id`` are no valid W3C
    ids (32 and 16 lower-case hex digits, not all zero). W3C ``baggage``, where there is any: that of the scope and
    that of OpenTelemetry, as much as fits into 64 members and 8192 bytes.
    """
    scope = current()
    trace_flags, tracestate, baggage = scope.trace_flags, scope.tracestate, {**spans.baggage(), **scope.baggage}
    write(headers, scope.trace_id, scope.span_id, trace_flags=trace_flags, tracestate=tracestate, baggage=baggage)


def _new_span() -> str:
    return os.urandom(8).hex()  # asked from the system: a forked child cannot repeat its parent's


def _span(outer: tuple[str | None, ...], given: Mapping[int, str | None]) -> tuple[str | None, ...]:
    """The ids of a scope entered with the given ones."""
    ids = list(outer)
    for index, value in given.items():
        ids[index] = value
    same_trace = ids[TRACE] == outer[TRACE]
    if SPAN not in given:
        if ids[TRACE] is None:
            return _frozen(ids)
        ids[SPAN] = _new_span()
    if PARENT not in given and not (same_trace and ids[SPAN] == outer[SPAN]):  # else the same span, entered again
        ids[PARENT] = outer[SPAN] if same_trace and ids[SPAN] is not None else None
    return _frozen(ids)


def _with_ids(outer: tuple[str | None, ...], given: Mapping[int, str | None]) -> tuple[str | None, ...]:
    if not given:
        return outer
    ids = list(outer)
    for index, value in given.items():
        ids[index] = value
    return _frozen(ids)


def _frozen(ids: list[str | None]) -> tuple[str | None, ...]:
    return tuple(ids) if ids.count(None) < len(ids) else NO_IDS


def _with_attributes(outer: Mapping[str, object] | None, given: Mapping[str, object]) -> Mapping[str, object] | None:
    if not given:
        return outer
    both = {**outer, **given} if outer else given
    return {name: value for name, value in both.items() if value is not None} or None


def _scope(outer: Context, ids: tuple[str | None, ...], given: Given) -> Context:
    """The scope with these ids within the outer one; what belongs to a trace goes on only in the same."""
    attributes, carried = _with_attributes(outer.attributes, given.attributes), outer.carried
    span, same = spans.active(), ids[TRACE] == outer.ids[TRACE]
    if not given.carried and span is None and carried is None:
        return Context(ids, attributes)
    before = carried or NOTHING
    baggage, more = before.baggage, given.carried.get("baggage", {})
    if more is None:
        baggage = None
    elif more:
        baggage = {key: value for key, value in {**(baggage or {}), **more}.items() if value is not None} or None
    made = Carried(
        given.carried.get("tracestate", before.tracestate if same else None),
        baggage,
        given.carried.get("trace_flags", before.trace_flags if same else None),
        span,
    )
    return Context(ids, attributes, None if span is None and made == NOTHING else made)
