"""Numbers as they are written: alone, with a unit that the field's name asks for, and nearly."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from dblog.query import fields, times
from dblog.query.mistakes import BadValue
from dblog.query.values import MOST_INT, number_of

if TYPE_CHECKING:
    from dblog.query.tree import Field

__all__ = ["begins_like_one", "meant", "number", "rounded"]

_NUMBER: Final = r"[0-9]{1,15}(?:\.[0-9]{1,14})?"
_TIME: Final = "ns|us|µs|ms|s|m|h|d|w"
_SIZES: Final = {
    "B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3,
}  # fmt: skip
_SIZE: Final = re.compile(rf"(-?{_NUMBER})({'|'.join(_SIZES)})")
_PARTS: Final = re.compile(rf"-?{_NUMBER}(?:{_TIME})|(?:{_NUMBER}(?:{_TIME})){{2,}}")
_PART: Final = re.compile(rf"(-?{_NUMBER})({_TIME})")
_MOST_DECIMALS, _MOST_DIGITS = 14, 15

_BEGINNING: Final = re.compile(r"[-+$€£¥0-9]|\.[0-9]")
_ORNAMENT: Final = re.compile(r"[$€£¥%_]|(?<=[0-9]),(?=[0-9]{3}(?![0-9]))|\A\+")
_NEARLY: Final = re.compile(r"(-?(?:[0-9]{1,15}\.?[0-9]{0,14}|\.[0-9]{1,14})(?:[eE][-+]?[0-9]{1,2})?)([kKMG]?)")
_SIZE_NEARLY: Final = re.compile(r"(-?[0-9.]+)([kmg]?i?b)", re.IGNORECASE)
_THOUSANDS: Final = {"": 1, "k": 1000, "K": 1000, "M": 1000**2, "G": 1000**3}
_SPELLED: Final = {name.lower(): name for name in _SIZES if name != "KB"}


def number(field: Field, source: str, *, ordered: bool) -> int | float | None:
    """The number a bare word is to a field; None where it is a text.

    Args:
        field: a unit is converted to the one in which its name ends.
        source: the word.
        ordered: it stands in an order; a unit is not taken for a text there.

    Raises:
        BadValue: the number is too large, or the unit means nothing to the field.
    """
    if number_of(source) is not None:
        return rounded(Decimal(source))
    if match := _SIZE.fullmatch(source):
        size = fields.bytes_of(field)
        return rounded(Decimal(match[1]) * _SIZES[match[2]] / (size or 1)) if size or ordered else None
    if not _PARTS.fullmatch(source):
        return None
    unit = fields.unit_of(field)
    parts = _PART.findall(source)
    if unit is not None:
        seconds = sum(Decimal(part) * Decimal(str(times.UNITS[name])) for part, name in parts)
        return rounded(Decimal(seconds) / Decimal(str(unit)))
    if ordered:
        raise _no_unit(field, source, parts[0][0] if len(parts) == 1 else None)
    return None


def _no_unit(field: Field, source: str, number: str | None) -> BadValue:
    name = fields.spelled(field)
    return BadValue(
        f"the name {name} does not say its unit, as {name}_ms would, so {source} cannot be converted",
        instead=() if number is None else (number,),
        suggestion=f'write the number alone, in the unit {name} is logged in; as a text it is "{source}"',
    )


def begins_like_one(source: str) -> bool:
    """A word with a digit, a sign or a currency first."""
    return _BEGINNING.match(source) is not None


def meant(source: str) -> tuple[str, ...]:
    """The number that ``1,000``, ``$5``, ``5k``, ``1e3``, ``007`` or ``15min`` is meant as, as a query writes it."""
    if match := _NEARLY.fullmatch(_ORNAMENT.sub("", source)):
        return (format(Decimal(match[1]) * _THOUSANDS[match[2]], "f"),)
    if (match := _SIZE_NEARLY.fullmatch(source)) is not None:
        return (f"{match[1]}{_SPELLED[match[2].lower()]}",)
    respelled = times.respelled(source)
    return () if respelled is None else (respelled,)


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
