"""A field and a value → the leaf of a query that finds it; as exact as the language can say it."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final
from uuid import UUID

from dblog.errors import ConfigurationError
from dblog.query import fields, literals, spelling, times
from dblog.query.mistakes import BadValue
from dblog.query.numerals import rounded
from dblog.query.tree import Equal, Field, Has, Kind, Like, Node, Not, Pattern, Range, Wild, either
from dblog.query.values import number_of

__all__ = ["leaf_of"]

_FLOAT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,16})(?:\.[0-9]{1,20}|(?:\.[0-9]{1,20})?[eE]-[0-9]{1,3})", re.ASCII)
_MOST: Final = 800
"""Characters of one value in a query; of a longer one, its beginning is looked for."""


def leaf_of(name: str, value: object) -> Node:
    """What finds the value.

    Raises:
        ConfigurationError: nothing can.
    """
    try:
        field = fields.named(name)
        if value is None:
            return Not(Has(field))
        if isinstance(value, (dict, list, tuple)) or field.kind is Kind.METADATA:
            return Has(field)
        return _equal(field, value)
    except BadValue as error:
        hint = f"; {error.suggestion}" if error.suggestion else ""
        raise ConfigurationError(f"{error.reason}{hint}") from None


def _equal(field: Field, value: object) -> Node:
    if field.kind is Kind.PATH:
        return _in_metadata(field, value)
    if field.kind is Kind.TIME and isinstance(value, int):
        return Equal(field, times.within(value, str(value)))
    if field.kind is Kind.UUID and isinstance(value, UUID):
        return Equal(field, value)
    if field.kind is Kind.INT and isinstance(value, int):
        return Equal(field, int(value))
    return _by_text(field, str(value))


def _by_text(field: Field, text: str) -> Node:
    if field.kind in (Kind.TIME, Kind.UUID, Kind.INT):
        return literals.equal(field, literals.Literal(spelling.quoted(text), quoted=True), times.Clock(0, None))
    if field.kind is Kind.LEVEL and text.lower() in literals.LEVELS:
        return Equal(field, literals.LEVELS[text.lower()])
    return Like(field, _pattern(text))


def _in_metadata(field: Field, value: object) -> Node:
    """By number what is one, or reads as one; by ``true`` and ``false`` likewise; anything else by its text."""
    if isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("true", "false")):
        return Equal(field, value if isinstance(value, bool) else value.lower() == "true")
    if isinstance(value, str):
        if number_of(value) is not None:
            return Equal(field, rounded(Decimal(value)))
        text = Like(field, _pattern(value))
        if not _FLOAT.fullmatch(value) or number_of(float(value)) is None:
            return text
        # As facets write a float that a query cannot; and there may be such a text.
        return either((text, _number(field, float(value))))
    if not isinstance(value, (int, float)) or number_of(value) is None:
        raise ConfigurationError("this number is too large for a query to name")
    return _number(field, value)


def _number(field: Field, value: float) -> Node:
    number = Decimal(repr(value))
    near = rounded(number)
    if near == value:
        return Equal(field, near)
    # More digits than a query may name: what lies between its neighbours.
    step = Decimal(1).scaleb(-_decimals(number))
    low, high = (number.quantize(step, way) for way in (ROUND_FLOOR, ROUND_CEILING))
    return Range(field, rounded(low), rounded(high))


def _decimals(number: Decimal) -> int:
    whole = len(str(abs(int(number))))
    return max(min(14, 15 - whole), 0)


def _pattern(text: str) -> Pattern:
    """The text as a pattern: with ``?`` for what no query can name, and of a very long one its beginning."""
    cut = text
    while len(spelling.quoted(cut)) > _MOST:
        cut = cut[: len(cut) * _MOST // (len(spelling.quoted(cut)) + 1)]
    pieces: list[str | Wild] = []
    for char in cut:
        if char == "\0" or "\ud800" <= char <= "\udfff":
            pieces.append(Wild.ONE)
        elif pieces and isinstance(pieces[-1], str):
            pieces[-1] += char
        else:
            pieces.append(char)
    return tuple(pieces) if cut == text else (*pieces, Wild.ANY)
