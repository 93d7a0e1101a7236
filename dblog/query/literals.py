"""A written value and a field → a leaf of the tree: what a value means depends on the kind of its field."""

from __future__ import annotations

import math
import re
import uuid
from decimal import Decimal
from typing import Final, NamedTuple

from dblog.levels import severity_of
from dblog.query import fields, spelling
from dblog.query.mistakes import BadValue
from dblog.query.times import UNITS, Clock
from dblog.query.tree import And, Equal, Field, Has, Kind, Like, Node, Not, Pattern, Range, Value, Wild
from dblog.query.values import MOST_INT, number_of

__all__ = [
    "LEVELS", "Literal", "anywhere", "bound", "containing", "equal", "fits", "is_special", "level_name", "rounded",
    "searchable",
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

_UNIT: Final = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,14})?)(ns|us|µs|ms|s|m|h|d|B|kB|KB|MB|GB|KiB|MiB|GiB)")
_SIZES: Final = {
    "B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3,
}  # fmt: skip
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32}")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DIGITS: Final = re.compile(r"-?[0-9]{1,15}")
_BOOLS: Final = {"true": True, "false": False}
_MOST_DECIMALS, _MOST_DIGITS = 14, 15


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
        return rounded(Decimal(literal.source)) if is_number else literal.text
    value = _value(field, literal, ordered=True)
    if value is None:
        raise _unknown_level(field, literal)
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
            return _severity(literal)
        case Kind.INT:
            return _integer(field, literal)
        case Kind.UUID:
            return _uuid(field, literal)
        case Kind.PATH:
            return literal.text if literal.quoted else _of_path(field, literal, ordered=ordered)
        case _:
            raise _whole_metadata()


def _severity(literal: Literal) -> int | None:
    text = literal.text.strip()
    if _DIGITS.fullmatch(text):
        return severity_of(int(text))
    return LEVELS.get(text.lower())


def _unknown_level(field: Field, literal: Literal) -> BadValue:
    text = literal.text.lower()
    near = min(LEVELS, key=lambda name: fields.distance(text[:20], name))
    known = ", ".join(name for name, _ in _NAMED)
    return BadValue(
        f"{field.name} has no order with {literal.text!r}: only {known} and Python's numbers have",
        instead=(near.upper(),) if fields.distance(text[:20], near) <= _NEAR else (),
    )


_NEAR = 2


def _integer(field: Field, literal: Literal) -> int | float:
    text = literal.text.strip()
    if field.name == "severity" and text.lower() in LEVELS:
        return LEVELS[text.lower()]
    if not _NUMBER.fullmatch(text) or math.isinf(number := float(text)):
        raise BadValue(f"{field.name} is a number, and {literal.text!r} is not")
    return number if "." in text else int(text)


def _uuid(field: Field, literal: Literal) -> uuid.UUID:
    if not _UUID.fullmatch(literal.text):
        raise BadValue(
            f"{field.name} is a UUID, 32 hexadecimal digits with or without dashes; {literal.text!r} is none"
        )
    return uuid.UUID(literal.text)


def _of_path(field: Field, literal: Literal, *, ordered: bool) -> Value:
    source = literal.source
    if literal.name in _BOOLS:
        return _BOOLS[literal.name]
    if number_of(source) is not None:
        return rounded(Decimal(source))
    if match := _UNIT.fullmatch(source):
        factor = _factor(field, match[2], source, ordered=ordered)
        if factor is not None:
            return rounded(Decimal(match[1]) * factor)
    return literal.text


def _factor(field: Field, unit: str, source: str, *, ordered: bool) -> Decimal | None:
    """What one of the unit is in the field's own; None where the word is to be taken as a text."""
    size = fields.bytes_of(field)
    if unit in _SIZES:
        return Decimal(_SIZES[unit]) / (size or 1) if size or ordered else None
    seconds = fields.unit_of(field)
    if seconds is not None:
        return Decimal(str(UNITS[unit])) / Decimal(str(seconds))
    if not ordered:
        return None
    number = source.removesuffix(unit)
    name = fields.spelled(field)
    raise BadValue(
        f"the name {name} does not say its unit, as {name}_ms would, so {source} cannot be converted",
        instead=(number,),
        suggestion=f'write the number alone, in the unit {name} is logged in; as a text it is "{source}"',
    )


def rounded(value: Decimal) -> int | float:
    """A number as trees hold it: an int where it is one, otherwise at most 15 digits.

    Raises:
        BadValue: it is beyond ±(2**53 - 1).
    """
    if abs(value) > MOST_INT:
        raise BadValue(f"numbers are compared within ±{MOST_INT}; a longer one is a text, in quotes")
    if value == value.to_integral_value():
        return int(value)
    before = len(str(abs(int(value))))
    return _whole(round(value, min(_MOST_DECIMALS, _MOST_DIGITS - before)))


def _whole(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def is_special(field: Field, text: str, *, ordered: bool = False) -> bool:
    """A bare word of these letters would be no text: a number, with a unit maybe, or the name of a value."""
    if text.lower() in ("null", *_BOOLS) or number_of(text) is not None:
        return True
    match = _UNIT.fullmatch(text)
    return match is not None and (ordered or _factor(field, match[2], text, ordered=False) is not None)


def level_name(severity: int) -> str:
    """The name that reads as this severity."""
    names = {number: name for name, number in _NAMED}
    return names.get(severity) or next(name.upper() for name, number in LEVELS.items() if number == severity)
