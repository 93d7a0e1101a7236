"""A written value and a field → a leaf of the tree: what a value means depends on the kind of its field."""

from __future__ import annotations

import math
import re
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from dblog.levels import severity_of
from dblog.query import fields, numerals, spelling
from dblog.query.mistakes import BadValue
from dblog.query.tree import And, Equal, Field, Has, Kind, Like, Node, Not, Pattern, Range, Value, Wild
from dblog.query.values import number_of

if TYPE_CHECKING:
    from dblog.query.times import Clock

__all__ = [
    "LEVELS", "Literal", "anywhere", "bound", "containing", "equal", "fits", "is_special", "level_name",
    "near_level", "searchable",
]  # fmt: skip

_NAMED: Final = (("TRACE", 1), ("DEBUG", 5), ("INFO", 9), ("WARNING", 13), ("ERROR", 17), ("CRITICAL", 21))
_SYNONYMS: Final = {"information": 9, "informational": 9, "warn": 13, "err": 17, "crit": 21, "fatal": 21}

LEVELS: Final[dict[str, int]] = {
    **{name.lower(): severity for name, severity in _NAMED},
    **_SYNONYMS,
    # OpenTelemetry's names for what lies between: WARN2 is 14.
    **{
        f"{name}{step + 1}": severity + step
        for name, severity in (("trace", 1), ("debug", 5), ("info", 9), ("warn", 13), ("error", 17), ("fatal", 21))
        for step in range(1, 4)
    },
}
"""Name of a level in lower case → its severity."""

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32}")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DIGITS: Final = re.compile(r"-?[0-9]{1,15}")
_BOOLS: Final = {"true": True, "false": False}


class Literal(NamedTuple):
    """A value as written."""

    source: str
    quoted: bool

    @property
    def text(self) -> str:
        """As text; wildcards are themselves."""
        return spelling.text(self.source) if self.quoted else spelling.word_of(self.source)

    @property
    def pattern(self) -> Pattern:
        """As a pattern; quoted, it has no wildcards."""
        if not self.quoted:
            return spelling.word(self.source)
        text = self.text
        return (text,) if text else ()

    @property
    def name(self) -> str:
        """In lower case where it is bare, to be looked up among names."""
        return "" if self.quoted else self.source.lower()


def fits(field: Field, literal: Literal, clock: Clock) -> Node:
    """``field:value``.

    Raises:
        BadValue: the field cannot be compared with that.
    """
    if not literal.quoted and literal.source == "*":
        return Has(field)
    if literal.name == "null":
        return Not(Has(field))
    pattern = literal.pattern
    wild = any(isinstance(piece, Wild) for piece in pattern)
    if field.kind is Kind.TIME:
        moment = clock.moment(literal.text)
        if moment.end > moment.at:
            return Range(field, moment.at, moment.end, high_open=True)
        return Equal(field, moment.at)
    value = None if wild and field.kind is not Kind.UUID else _value(field, literal)
    if isinstance(value, str) or value is None:
        return Like(searchable(field), pattern)
    return Equal(field, value)


def equal(field: Field, literal: Literal, clock: Clock, *, negated: bool = False) -> Node:
    """``field=value``, ``field!=value``.

    Raises:
        BadValue: the field cannot be compared with that.
    """
    if literal.name == "null":
        return Has(field) if negated else Not(Has(field))
    if field.kind is Kind.TIME:
        moment = clock.moment(literal.text)
        if moment.is_date:
            whole = Range(field, moment.at, moment.end, high_open=True)
            return And((Has(field), Not(whole))) if negated else whole
        return Equal(field, moment.at, negated)
    value = _value(field, literal)
    if value is None:  # the name of a level nobody knows
        text = literal.text
        named = Like(field, (text,) if text else ())
        return And((Has(field), Not(named))) if negated else named
    return Equal(field, value, negated)


def bound(field: Field, literal: Literal, clock: Clock) -> Value:
    """The value of ``field<value`` and its kin.

    Raises:
        BadValue: the field has no order, or cannot be compared with that.
    """
    if field.kind is Kind.TIME:
        return clock.moment(literal.text).at
    if field.kind is Kind.UUID:
        raise BadValue(f"{field.name} has no order: only = and != compare it")
    if literal.name in ("null", *_BOOLS) and field.kind is not Kind.LEVEL:
        raise BadValue(
            f"{literal.source} has no order; the text of that spelling is in quotes", instead=(f'"{literal.source}"',)
        )
    if field.kind in (Kind.TEXT, Kind.KEY):
        is_number = not literal.quoted and number_of(literal.source) is not None
        value: Value | None = numerals.rounded(Decimal(literal.source)) if is_number else literal.text
    else:
        value = _value(field, literal, ordered=True)
    if value is None:
        raise _unknown_level(field, literal)
    if isinstance(value, str) and not literal.quoted and numerals.begins_like_one(literal.source):
        raise BadValue(
            f"{literal.source} begins like a number and is none; in quotes it is compared as a text",
            instead=(*numerals.meant(literal.source), spelling.quoted(value)),
        )
    return value


def containing(field: Field, literal: Literal) -> Node:
    """``field~value``: the value anywhere in the text.

    Raises:
        BadValue: the field has no text.
    """
    return Like(searchable(field), anywhere(literal.pattern))


def anywhere(pattern: Pattern) -> Pattern:
    """The pattern with any text around it."""
    before = () if pattern[:1] == (Wild.ANY,) else (Wild.ANY,)
    after = () if pattern[-1:] == (Wild.ANY,) or not pattern else (Wild.ANY,)
    return (*before, *pattern, *after)


def searchable(field: Field) -> Field:
    """The field, if it has a text form."""
    if field.kind is Kind.TIME:
        raise BadValue(f"{field.name} is a time, not a text: compare it")
    if field.kind is Kind.UUID:
        raise BadValue(f"{field.name} is found by all of its digits only")
    if field.kind is Kind.METADATA:
        raise _whole_metadata()
    return field


def _whole_metadata() -> BadValue:
    return BadValue(
        "metadata is an object: name a key of it (metadata.user), search all of it (*:value), or ask has(metadata)"
    )


def _value(field: Field, literal: Literal, *, ordered: bool = False) -> Value | None:
    """The value for ``=`` or an order; None of a level's name that is not known."""
    match field.kind:
        case Kind.TEXT | Kind.KEY:
            return literal.text
        case Kind.LEVEL:
            return _severity(literal, ordered=ordered)
        case Kind.INT:
            return _integer(field, literal)
        case Kind.UUID:
            return _uuid(field, literal)
        case Kind.PATH:
            return literal.text if literal.quoted else _of_path(field, literal, ordered=ordered)
        case _:
            raise _whole_metadata()


def _severity(literal: Literal, *, ordered: bool) -> int | None:
    text = literal.text.strip()
    if _DIGITS.fullmatch(text):
        return severity_of(int(text))
    if not (literal.quoted or ordered or "," in text) and (near := near_level(text)) is not None:
        raise BadValue(
            f"there is no level {text!r}; in quotes it is the name of one of your own", instead=(near.upper(),)
        )
    return LEVELS.get(text.lower())


def _unknown_level(field: Field, literal: Literal) -> BadValue:
    text = literal.text.lower()
    near = min(LEVELS, key=lambda name: fields.distance(text[:20], name))
    known = ", ".join(name for name, _ in _NAMED)
    return BadValue(
        f"{field.name} has no order with {literal.text!r}: only {known} and Python's numbers have",
        instead=(near.upper(),) if fields.distance(text[:20], near) <= _NEAR else (),
    )


_SHORT, _LONG, _NEAR = 3, 4, 2


def _integer(field: Field, literal: Literal) -> int | float:
    text = literal.text.strip()
    if field.name == "severity" and text.lower() in LEVELS:
        return LEVELS[text.lower()]
    if not _NUMBER.fullmatch(text) or math.isinf(number := float(text)):
        instead = () if literal.quoted else numerals.meant(literal.source)
        raise BadValue(f"{field.name} is a number, and {literal.text!r} is not", instead=instead)
    return number if "." in text else int(text)


def _uuid(field: Field, literal: Literal) -> uuid.UUID:
    if not _UUID.fullmatch(literal.text):
        raise BadValue(
            f"{field.name} is a UUID, 32 hexadecimal digits with or without dashes; {literal.text!r} is none"
        )
    return uuid.UUID(literal.text)


def _of_path(field: Field, literal: Literal, *, ordered: bool) -> Value:
    if literal.name in _BOOLS:
        return _BOOLS[literal.name]
    number = numerals.number(field, literal.source, ordered=ordered)
    return literal.text if number is None else number


def is_special(field: Field, text: str, *, ordered: bool = False) -> bool:
    """A bare word of these letters would be no text: a number, with a unit maybe, or the name of a value."""
    if text.lower() in ("null", *_BOOLS) or number_of(text) is not None:
        return True
    return numerals.begins_like_one(text) if ordered else numerals.number(field, text, ordered=False) is not None


def near_level(text: str) -> str | None:
    """The name of a level that another is likely a typing error of; None of a known name, and of one of its own."""
    lower = text.lower()
    if lower in LEVELS or len(lower) < _SHORT:
        return None
    near = min(LEVELS, key=lambda name: fields.distance(lower[:20], name))
    most = _NEAR if len(lower) > _LONG else 1
    return near if fields.distance(lower[:20], near) <= most else None


def level_name(severity: int) -> str:
    """The name that reads as this severity."""
    names = {number: name for name, number in _NAMED}
    return names.get(severity) or next(name.upper() for name, number in LEVELS.items() if number == severity)
