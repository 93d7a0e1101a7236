"""The fields given to a scope, in the form they are kept: checked, encoded and bounded at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dblog.entry import ID_FIELDS
from dblog.errors import ConfigurationError
from dblog.plain import Limits, clean, plain, text
from dblog.scalars import SAFE_INT
from dblog.scopes import PARENT, SPAN, TRACE
from dblog.traceparent import BAGGAGE_KEY, FLAGS, valid_tracestate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["TRIPLE", "Given", "encoded"]

TRIPLE = frozenset((TRACE, SPAN, PARENT))
"""The ids of which OpenTelemetry has its own."""

_ID_LIMIT, _NAME_LIMIT, _BAGGAGE_LIMIT = 512, 256, 4096
_SHORT = 1024
_LIMITS = Limits()
_INDEX = {name: index for index, name in enumerate(ID_FIELDS)}


class Given(NamedTuple):
    """Fields in the form they are kept; None where unbound."""

    ids: Mapping[int, str | None]
    attributes: Mapping[str, object]
    carried: Mapping[str, Any]


def encoded(fields: Mapping[str, object]) -> Given:
    """The fields of ``bind``; raises ``ConfigurationError`` as it says."""
    ids: dict[int, str | None] = {}
    attributes: dict[str, object] = {}
    carried: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _INDEX:
            ids[_INDEX[name]] = None if value is None else _text(value, _ID_LIMIT)
        elif name == "dblog":
            msg = "a field cannot be called 'dblog': metadata.dblog is reserved for dblog's own flags"
            raise ConfigurationError(msg)
        elif name in _CARRIED:
            carried[name] = None if value is None else _CARRIED[name](value)
        else:
            attributes[_text(name, _NAME_LIMIT)] = _attribute(value)
    return Given(ids, attributes, carried)


def _tracestate(value: object) -> str:
    known = valid_tracestate(value) if isinstance(value, str) else None
    if known is None:
        msg = "tracestate= is not allowed: give what a valid W3C header holds, 'vendor=value,other=value'"
        raise ConfigurationError(msg)
    return known


def _trace_flags(value: object) -> str:
    if not isinstance(value, str) or FLAGS.fullmatch(value) is None:
        msg = f"trace_flags={text(value, 40)!r} is not allowed: give two hex digits, '01' for a sampled trace"
        raise ConfigurationError(msg)
    return value


def _baggage(value: object) -> dict[str, str | None]:
    try:
        items = dict(value)  # type: ignore[call-overload]  # what it refuses is what we refuse
    except (TypeError, ValueError):
        msg = f"baggage= of type {type(value).__name__} is not allowed: give a mapping of names to text"
        raise ConfigurationError(msg) from None
    for key in items:
        if not isinstance(key, str) or BAGGAGE_KEY.fullmatch(key) is None:
            msg = (
                f"baggage: the name {text(key, 40)!r} is not allowed: letters, digits and !#$%&'*+-.^_`|~, at most 256"
            )
            raise ConfigurationError(msg)
    return {key: None if item is None else _text(item, _BAGGAGE_LIMIT) for key, item in items.items()}


_CARRIED: Mapping[str, Callable[[object], object]] = {
    "tracestate": _tracestate,
    "trace_flags": _trace_flags,
    "baggage": _baggage,
}


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
