r"""ClickHouse's spelling of what queries mean.

Its functions of JSON write a number anew, 5.0 as 5, so a number is asked for its kind where it stands in the text, and
leaves at any depth are cut out of the text as they are. What a JSON text has at a place is never NULL there but
``Null``, also of a text that is no JSON.

A condition on metadata first asks whether the words of its keys and of a text to be equal are in the JSON text at all,
which an index answers for whole granules. So JSON is taken to be written as everybody writes it, no letter of ASCII as
``\u0061``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from dblog.query.sql_engine import LEAST, MOST, Element, Engine, whole, word

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dblog.query.regex import Regex
    from dblog.query.sql_engine import Condition, Expression, Place
    from dblog.query.tree import Pattern

__all__ = ["CLICKHOUSE"]


class _ClickHouse(Engine):
    """ClickHouse 25 or newer."""

    def number(self, value: float) -> Expression:
        # As JSON: the reader of numbers in texts rounds some of them wrongly, for speed.
        return _float(self.text(repr(float(value))))

    def moment(self, value: int) -> Expression:
        return sa.func.fromUnixTimestamp64Micro(self.integer(value), word("UTC"))

    def uuid(self, value: UUID) -> Expression:
        return sa.func.toUUID(self.text(str(value)))

    def like(self, text: Expression, pattern: Expression) -> Condition:
        # lower() knows ASCII only, as patterns are folded; ILIKE folds other letters, and uses no index.
        return sa.func.lower(text).like(pattern)

    def search(self, text: Expression, regex: Regex) -> Condition:
        # There "." takes a line's end as well, unless told.
        return sa.func.match(text, self.text(f"(?-s){regex.re2()}")) == _ONE

    def by_code_point(self, text: Expression) -> Expression:
        return text

    def number_of(self, text: Expression) -> Expression:
        decimal = sa.and_(
            sa.func.match(text, word(_DECIMAL)) == _ONE,
            sa.func.length(text) - sa.func.startsWith(text, word("-")) <= _LONGEST,
        )
        return sa.case((sa.or_(sa.func.match(text, word(_INTEGER)) == _ONE, decimal), _float(text)))

    def is_true(self, condition: Condition) -> Condition:
        # IS TRUE is new there.
        return sa.func.ifNull(condition, _ZERO) == _ONE

    def digits(self, column: Expression) -> Expression:
        # CAST refuses NULL.
        return sa.func.toString(column)

    # -- metadata ----------------------------------------------------------------------------------------------

    def is_there(self, metadata: Expression) -> Condition:
        return _kind(_text(metadata)) != word("Null")

    def has(self, metadata: Expression, place: Place) -> Condition:
        metadata = _text(metadata)
        found = _kind(metadata, *self._steps(place)) != word("Null")
        return sa.and_(*self._keys(metadata, place), *self._arrays(metadata, place), found)

    def with_text(self, found: Condition, metadata: Expression, pattern: Pattern) -> Condition:
        # What stands for a wildcard is no neighbour of a word.
        text = "".join(piece if isinstance(piece, str) else _WILD for piece in pattern)
        return sa.and_(*self._has_words(_text(metadata), text), found)

    def _keys(self, metadata: Expression, place: Place) -> list[Condition]:
        """That the keys of a place may be there."""
        return [found for step in place if isinstance(step, str) for found in self._has_words(metadata, step)]

    def _has_words(self, metadata: Expression, text: str) -> list[Condition]:
        """That the longest word of a text may be there; nothing where it has none."""
        words = sorted(_WORD.findall(text), key=len)
        if not words:
            return []
        # Not compared with 1: the index does not know that.
        return [sa.func.hasToken(sa.func.lower(metadata), self.text(words[-1].lower()), type_=sa.Boolean())]

    def _steps(self, place: Place) -> list[Expression]:
        """A place as the functions of JSON take it, which count from 1."""
        return [self.text(step) if isinstance(step, str) else self.integer(step + 1) for step in place]

    def _arrays(self, metadata: Expression, place: Place) -> list[Condition]:
        """That an array is where a place has a number next: an object would give its member of that number."""
        return [
            _kind(metadata, *self._steps(place[:index])) == word("Array")
            for index, step in enumerate(place)
            if isinstance(step, int)
        ]

    def any_element(self, metadata: Expression, place: Place, test: Callable[[Element], Condition]) -> Condition:
        metadata, steps = _text(metadata), self._steps(place)
        kind = _kind(metadata, *steps)
        raw, number = sa.literal_column("e", sa.Text()), sa.literal_column("i", sa.BigInteger())
        rows = sa.func.JSONExtractArrayRaw(metadata, *steps)
        # Each with its number, by which a number's kind is found.
        each = _element(raw, _kind(raw), lambda: _kind(metadata, *steps, number))
        found = sa.func.arrayExists(_function("(e, i)", self.is_true(test(each))), rows, sa.func.arrayEnumerate(rows))
        scalar = _element(sa.func.JSONExtractRaw(metadata, *steps), kind, lambda: kind)
        value = sa.case(
            (kind == word("Array"), found == _ONE),
            (kind.not_in([word("Object"), word("Null")]), test(scalar)),
        )
        return sa.and_(*self._keys(metadata, place), *self._arrays(metadata, place), value)

    def any_leaf(self, metadata: Expression, test: Callable[[Element], Condition]) -> Condition:
        metadata, raw = _text(metadata), sa.literal_column("e", sa.Text())
        # Every scalar as it is written; a key is none, and comes with its colon.
        pieces = sa.func.extractAll(metadata, self.text(_SCALARS))
        kind = _kind(raw)
        is_value = sa.func.endsWith(raw, word(":")) == _ZERO
        each = sa.and_(is_value, self.is_true(test(_element(raw, kind, lambda: kind))))
        found = sa.func.arrayExists(_function("e", each), pieces) == _ONE
        return sa.and_(sa.func.isValidJSON(metadata) == _ONE, found)

    def shown(self, metadata: Expression, place: Place) -> Expression:
        metadata, steps = _text(metadata), self._steps(place)
        kind, raw = _kind(metadata, *steps), sa.func.JSONExtractRaw(metadata, *steps)
        whole_float = sa.and_(kind == word("Double"), sa.func.match(raw, word(_DIGITS)) == _ONE)
        return sa.case(
            (sa.not_(sa.and_(sa.true(), *self._arrays(metadata, place))), sa.null()),
            (kind == word("String"), sa.func.JSONExtractString(metadata, *steps)),
            (whole_float, sa.func.concat(raw, word(".0"))),
            (kind != word("Null"), raw),
        )

    def moment_text(self, column: Expression) -> Expression:
        return sa.func.formatDateTime(column, self.text("%Y-%m-%dT%H:%i:%S.%fZ"), word("UTC"))

    def uuid_text(self, column: Expression) -> Expression:
        return sa.func.toString(column)


def _element(raw: Expression, kind: Expression, kind_of_number: Callable[[], Expression]) -> Element:
    """A scalar of a JSON text.

    Args:
        raw: its own JSON text.
        kind: what it is, but for an integer and a float, which that text need not tell apart.
        kind_of_number: which of them it is.
    """
    text = sa.func.JSONExtractString(raw)
    is_text, is_number = kind == word("String"), kind.in_(_NUMBERS)
    is_integer = sa.and_(sa.func.match(raw, word(_DIGITS)) == _ONE, kind_of_number().in_(_INTEGERS))
    small = sa.func.toInt64OrZero(raw).between(LEAST, MOST)
    of_text = CLICKHOUSE.number_of(text)
    return Element(
        string=sa.case((is_text, text)),
        text=sa.case((is_text, text), (sa.and_(is_number, is_integer, small), raw)),
        number=sa.case((is_number, _float(raw)), (is_text, of_text)),
        truth=sa.case((kind == word("Bool"), raw), (is_text, sa.func.lower(text))),
    )


def _text(text: Expression) -> Expression:
    """Never NULL, which no array can be, and the functions of JSON do not take of every type."""
    return sa.func.ifNull(text, word(""))


def _kind(metadata: Expression, *steps: Expression) -> Expression:
    """What is at a place: Null, String, Array, Bool, Double, Int64, UInt64 or Object."""
    return sa.func.toString(sa.func.JSONType(metadata, *steps))


def _float(text: Expression) -> Expression:
    """The number a JSON text is."""
    return sa.func.JSONExtractFloat(_text(text))


def _function(arguments: str, body: Condition) -> Expression:
    """``arguments -> body``."""
    return sa.literal_column(arguments).op("->")(body)


_WORD: Final = re.compile(r"(?<![^ -/:-@\[-`{-~])[A-Za-z0-9]+(?![A-Za-z0-9]|[^\0-\x7f])")
"""A run of letters and digits that no escape or letter beyond ASCII can be next to in the JSON text."""
_WILD: Final = "\ufffe"
_ONE: Final = whole(1)
_ZERO: Final = whole(0)
_LONGEST: Final = whole(16)
_INTEGERS: Final = [word("Int64"), word("UInt64")]
_NUMBERS: Final = [*_INTEGERS, word("Double")]
_DIGITS: Final = "^-?[0-9]+$"
# As values.number_of has it.
_INTEGER: Final = "^-?(?:0|[1-9][0-9]{0,15})$"
_DECIMAL: Final = "^-?(?:0|[1-9][0-9]{0,13})[.][0-9]{1,14}$"
_SCALARS: Final = r'"(?:[^"\\]|\\.)*"(?:\s*:)?|-?[0-9][-+.0-9eE]*|true|false|null'

CLICKHOUSE: Final[Engine] = _ClickHouse()
