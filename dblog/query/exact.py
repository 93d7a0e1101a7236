"""Field → value, as a program has them, to a tree; nothing is parsed but the fields' names."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

from dblog.errors import ConfigurationError
from dblog.query import fields, literals, numerals, spelling, times
from dblog.query.mistakes import BadValue
from dblog.query.tree import MOST_TERMS, All, Equal, Field, Has, Kind, Node, Not, both, either
from dblog.query.values import MOST_INT

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["where_tree"]

_NO_CLOCK: Final = times.Clock(0, dt.UTC)
"""No text given here is read as a time."""
_WIDTH: Final = 80


def where_tree(given: Mapping[str, object]) -> Node:
    """See ``dblog.query.where``."""
    parts = [_part(name, value) for name, value in given.items()]
    terms = sum(len(value) if isinstance(value, (list, tuple, AbstractSet)) else 1 for value in given.values())
    if terms > MOST_TERMS:
        raise ConfigurationError(f"where has {terms} values; at most {MOST_TERMS} are taken at once")
    return both(parts) if parts else All()


def _part(name: str, value: object) -> Node:
    try:
        return _equal_to_any(fields.named(name), value)
    except BadValue as error:
        hint = f"; {error.suggestion}" if error.suggestion else ""
        raise ConfigurationError(f"where {name}={_shown(value)}: {error.reason}{hint}") from None


def _equal_to_any(field: Field, value: object) -> Node:
    if not isinstance(value, (list, tuple, AbstractSet)):
        return _equal(field, value)
    if not value:
        raise BadValue("none of no values can be equal; leave the field out, or None finds entries without it")
    # A set has no order; the tree, and so its text, gets one.
    ordered = sorted(value, key=repr) if isinstance(value, AbstractSet) else value
    return either(_equal(field, each) for each in ordered)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _WIDTH else f"{shown[: _WIDTH - 1]}…"


def _equal(field: Field, value: object) -> Node:
    if value is None:
        return Not(Has(field))
    if field.kind is Kind.TIME:
        return Equal(field, _microseconds(field, value))
    if isinstance(value, UUID):
        value = str(value)
    if isinstance(value, int) and not isinstance(value, bool) and not _is_number(field, value):
        value = str(int(value))
    if isinstance(value, str):
        # As a quoted text in a query, which has neither wildcards nor names of values.
        return literals.equal(field, literals.Literal(spelling.quoted(value), quoted=True), _NO_CLOCK)
    if field.kind is Kind.PATH and isinstance(value, bool):
        return Equal(field, value)
    if field.kind in (Kind.PATH, Kind.INT) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return Equal(field, _number(value))
    raise BadValue(f"{field.name} is not compared with {type(value).__name__}")


def _is_number(field: Field, value: int) -> bool:
    """Capture stores integers beyond ±(2**53 - 1) as text; a level's number is looked up like its name."""
    return field.kind is Kind.INT or (field.kind is Kind.PATH and -MOST_INT <= value <= MOST_INT)


def _number(value: float) -> int | float:
    exact = Decimal(repr(value)) if math.isfinite(value) else None
    number = None if exact is None else numerals.rounded(exact)
    if number != value:
        raise BadValue("a float to be equal is finite and has at most 15 digits; compare it with < and > in a query")
    return number


def _microseconds(field: Field, value: object) -> int:
    if isinstance(value, dt.datetime):
        # Without a zone it is the machine's time, as everywhere in datetime.
        value = (value.astimezone(dt.UTC) - times.EPOCH) // dt.timedelta(microseconds=1)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue(f"{field.name} is compared with a datetime, or an int of µs since 1970 UTC")
    return times.within(int(value), str(value))
