"""SQLite's spelling of what queries mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from dblog.query.functions import NUMBER
from dblog.query.sql_engine import LEAST, MOST, Element, Engine, exists, whole, word

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dblog.query.regex import Regex
    from dblog.query.sql_engine import Condition, Expression, Place

__all__ = ["SQLITE"]


class _SQLite(Engine):
    """SQLite 3.38 or newer, with the functions of ``dblog.query.functions``."""

    def number(self, value: float) -> Expression:
        return sa.bindparam(None, value, type_=sa.Float(), unique=True)

    def moment(self, value: int) -> Expression:
        return self.integer(value)

    def uuid(self, value: UUID) -> Expression:
        return sa.bindparam(None, value.bytes, type_=sa.LargeBinary(), unique=True)

    def like(self, text: Expression, pattern: Expression) -> Condition:
        return text.like(pattern, escape="\\")

    def search(self, text: Expression, regex: Regex) -> Condition:
        # As bytes: Python would refuse to decode text that is not UTF-8, and the query with it.
        return sa.cast(text, sa.LargeBinary).op("REGEXP", is_comparison=True)(self.text(regex.re2()))

    def by_code_point(self, text: Expression) -> Expression:
        return text

    def number_of(self, text: Expression) -> Expression:
        # Only short ASCII comes to Python: no call where it cannot be a number.
        maybe = sa.and_(sa.func.length(text) <= _LONGEST_NUMBER, ~text.op("GLOB", is_comparison=True)(_NOT_NUMBER))
        return sa.case((maybe, getattr(sa.func, NUMBER)(text)))

    def is_there(self, metadata: Expression) -> Condition:
        return sa.func.json_type(_checked(metadata)) != word("null")

    def has(self, metadata: Expression, place: Place) -> Condition:
        return sa.func.json_type(*self._found(metadata, place)) != word("null")

    def _found(self, metadata: Expression, place: Place) -> tuple[Expression, Expression]:
        """The JSON text, and the path to the value within; no key has a quotation mark in it."""
        path = "".join(f'."{step}"' if isinstance(step, str) else f"[{step}]" for step in place)
        return _checked(metadata), self.text(f"${path}")

    def any_element(self, metadata: Expression, place: Place, test: Callable[[Element], Condition]) -> Condition:
        source, path = self._found(metadata, place)
        rows = sa.func.json_each(source, path).table_valued("type", "value")
        # Of an object it gives the members.
        return exists(rows, sa.func.json_type(source, path) != word("object"), test(self._element(rows)))

    def any_leaf(self, metadata: Expression, test: Callable[[Element], Condition]) -> Condition:
        rows = sa.func.json_tree(_checked(metadata)).table_valued("type", "value")
        return exists(rows, test(self._element(rows)))

    def _element(self, rows: sa.TableValuedAlias) -> Element:
        kind, value = rows.c.type, rows.c.value
        is_text, is_integer = kind == word("text"), kind == word("integer")
        return Element(
            string=sa.case((is_text, value)),
            text=sa.case((is_text, value), (sa.and_(is_integer, value.between(LEAST, MOST)), sa.cast(value, sa.Text))),
            number=sa.case((kind.in_([word("integer"), word("real")]), value), (is_text, self.number_of(value))),
            truth=sa.case((kind.in_([word("true"), word("false")]), kind), (is_text, sa.func.lower(value))),
        )

    def shown(self, metadata: Expression, place: Place) -> Expression:
        source, path = self._found(metadata, place)
        kind = sa.func.json_type(source, path)
        return sa.case(
            (kind == word("text"), sa.func.json_extract(source, path)),
            (kind != word("null"), source.op("->", return_type=sa.Text())(path)),
        )

    def moment_text(self, column: Expression) -> Expression:
        micros = sa.literal_column("1000000", sa.Integer())
        seconds = sa.func.strftime(word("%Y-%m-%dT%H:%M:%S"), column.op("/")(micros), word("unixepoch"))
        return sa.func.printf(word("%s.%06dZ"), seconds, column.op("%")(micros))

    def uuid_text(self, column: Expression) -> Expression:
        digits = sa.func.lower(sa.func.hex(column))
        parts = [sa.func.substr(digits, whole(start), whole(size)) for start, size in _PARTS_OF_UUID]
        return sa.func.printf(word("-".join(["%s"] * len(parts))), *parts)


_LONGEST_NUMBER: Final = sa.literal_column("17", sa.Integer())
_NOT_NUMBER: Final = word("*[^-.0-9]*")


_PARTS_OF_UUID: Final = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def _checked(metadata: Expression) -> Expression:
    """NULL where it is no JSON: the functions of JSON would make the query fail."""
    return sa.case((sa.func.json_valid(metadata), metadata))


SQLITE: Final[Engine] = _SQLite()
