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
``parent_span_id`` is the outer scope's ``span_id``.
"""

from __future__ import annotations

import os
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from dblog.entry import ID_FIELDS
from dblog.errors import ConfigurationError
from dblog.plain import Limits, clean, plain, text
from dblog.scalars import SAFE_INT
from dblog.scoped import scoped
from dblog.traceparent import extract, write_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

__all__ = ["NO_IDS", "Context", "bind", "bound", "current", "extract", "inject", "new_trace", "reset", "unbind"]

NO_IDS: tuple[str | None, ...] = (None,) * len(ID_FIELDS)
"""``Context.ids`` where none is bound: one object, so ``is`` tells."""

_F = TypeVar("_F", bound="Callable[..., Any]")
_ID_LIMIT, _NAME_LIMIT = 512, 256
_SHORT = 1024
_LIMITS = Limits()
_INDEX = {name: index for index, name in enumerate(ID_FIELDS)}
_TRACE, _SPAN, _PARENT = _INDEX["trace_id"], _INDEX["span_id"], _INDEX["parent_span_id"]


class Context(NamedTuple):
    """One scope, outer scopes' values included. Immutable; ``current()`` gives it."""

    ids: tuple[str | None, ...] = NO_IDS
    """The ids in the order of ``ID_FIELDS``; the very object ``NO_IDS`` where none is bound."""
    attributes: Mapping[str, object] | None = None
    """Every other name bound, as plain JSON values; not redacted. Never changed in place. None when empty."""

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

    def as_dict(self) -> dict[str, object]:
        """Everything bound, ids first, as a new dict; names without a value are left out."""
        ids = {name: value for name, value in zip(ID_FIELDS, self.ids, strict=True) if value is not None}
        return {**ids, **(self.attributes or {})}


_current: ContextVar[Context] = ContextVar("dblog_context", default=Context())  # noqa: B039 - immutable


def current() -> Context:
    """The scope the calling code runs in; an empty one outside of any."""
    return _current.get()


def bind(**fields: object) -> Token[Context]:
    """Add to the current scope, until it ends or ``reset``.

    Args:
        fields: an id of ``ID_FIELDS`` (kept as text of at most 512 characters) or any
            other name (stored in ``metadata``, encoded now: later changes are not seen).
            None unbinds the name.

    Returns:
        A token; ``reset(token)`` puts back what was there before.

    Raises:
        ConfigurationError: a field is called ``dblog``, which is reserved for dblog's own flags.
    """
    ids, attributes = _encoded(fields)
    outer = _current.get()
    return _current.set(Context(_with_ids(outer.ids, ids), _with_attributes(outer.attributes, attributes)))


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

    __slots__ = ("_attributes", "_ids", "_tokens")

    def __init__(self, /, **fields: object) -> None:
        self._ids, self._attributes = _encoded(fields)
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
        outer = _current.get()
        return Context(_span(outer.ids, self._ids), _with_attributes(outer.attributes, self._attributes))


def inject(headers: MutableMapping[str, str]) -> None:
    """Write the current trace into outgoing headers as W3C ``traceparent``, in the place of any that is there.

    Does nothing unless ``trace_id`` and ``span_id`` are valid W3C ids (32 and 16
    lower-case hex digits, not all zero).
    """
    ids = _current.get().ids
    write_ids(headers, ids[_TRACE], ids[_SPAN])


def _new_span() -> str:
    return os.urandom(8).hex()  # asked from the system: a forked child cannot repeat its parent's


def _span(outer: tuple[str | None, ...], given: Mapping[int, str | None]) -> tuple[str | None, ...]:
    """The ids of a scope entered with the given ones."""
    ids = list(outer)
    for index, value in given.items():
        ids[index] = value
    same_trace = ids[_TRACE] == outer[_TRACE]
    if _SPAN not in given:
        if ids[_TRACE] is None:
            return _frozen(ids)
        ids[_SPAN] = _new_span()
    if _PARENT not in given and not (same_trace and ids[_SPAN] == outer[_SPAN]):  # else the same span, entered again
        ids[_PARENT] = outer[_SPAN] if same_trace and ids[_SPAN] is not None else None
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


def _encoded(fields: Mapping[str, object]) -> tuple[dict[int, str | None], dict[str, object]]:
    """Fields as ids by index and attributes by name, in the form they are stored; None where unbound."""
    ids: dict[int, str | None] = {}
    attributes: dict[str, object] = {}
    for name, value in fields.items():
        if name in _INDEX:
            ids[_INDEX[name]] = None if value is None else _text(value, _ID_LIMIT)
        elif name == "dblog":
            msg = "a field cannot be called 'dblog': metadata.dblog is reserved for dblog's own flags"
            raise ConfigurationError(msg)
        else:
            attributes[_text(name, _NAME_LIMIT)] = _attribute(value)
    return ids, attributes


def _text(value: object, limit: int) -> str:
    if type(value) is str and len(value) <= limit:
        return clean(value)
    return clean(text(value, limit))


def _attribute(value: object) -> object:
    if value is None or type(value) is bool or (type(value) is int and -SAFE_INT <= value <= SAFE_INT):
        return value
    if type(value) is str and len(value) <= _SHORT:
        return clean(value)
    return plain(value, limits=_LIMITS, redact=())[0]
