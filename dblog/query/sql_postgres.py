"""PostgreSQL's spelling of what queries mean."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dblog.query.sql_engine import MOST, Element, Engine, exists, word

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dblog.query.regex import Regex
    from dblog.query.sql_engine import Condition, Expression, Place

__all__ = ["POSTGRES"]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_JSONB: Final = postgresql.JSONB()


class _Postgres(Engine):
    """PostgreSQL 14 or newer."""

    def number(self, value: float) -> Expression:
        # The shortest decimal, as orjson has written those in the table.
        return sa.bindparam(None, Decimal(repr(value)), type_=sa.Numeric(), unique=True)

    def moment(self, value: int) -> Expression:
        moment = _EPOCH + dt.timedelta(microseconds=value)
        return sa.bindparam(None, moment, type_=postgresql.TIMESTAMP(timezone=True), unique=True)

    def uuid(self, value: UUID) -> Expression:
        return sa.bindparam(None, value, type_=postgresql.UUID(as_uuid=True), unique=True)

    def like(self, text: Expression, pattern: Expression) -> Condition:
        return self.by_code_point(text).ilike(pattern)

    def search(self, text: Expression, regex: Regex) -> Condition:
        return self.by_code_point(text).regexp_match(self.text(regex.postgres()))

    def by_code_point(self, text: Expression) -> Expression:
        return sa.collate(text, "C")

    def number_of(self, text: Expression) -> Expression:
        return sa.case((self._is_number(text), sa.cast(text, sa.Numeric)))

    def _is_number(self, text: Expression) -> Condition:
        return self.by_code_point(text).regexp_match(_NUMBER)

    def is_there(self, metadata: Expression) -> Condition:
        return sa.func.jsonb_typeof(metadata) != word("null")

    def has(self, metadata: Expression, place: Place) -> Condition:
        return sa.func.jsonb_typeof(self._value(metadata, place)) != word("null")

    def _value(self, metadata: Expression, place: Place) -> Expression:
        """By ``->`` with a text, which looks into objects only, and by a strict jsonpath, into arrays only.

        ``->`` with an integer takes a scalar for an array of one.
        """
        for step in place:
            if isinstance(step, str):
                metadata = metadata.op("->", return_type=_JSONB)(self.text(step))
            else:
                index = sa.func.jsonb_build_object(word("i"), sa.bindparam(None, step, type_=sa.Integer(), unique=True))
                metadata = sa.func.jsonb_path_query_first(
                    metadata, _path("strict $[$i]"), index, sa.true(), type_=_JSONB
                )
        return metadata

    def any_element(self, metadata: Expression, place: Place, test: Callable[[Element], Condition]) -> Condition:
        value = self._value(metadata, place)
        kind = sa.func.jsonb_typeof(value)
        rows = sa.func.jsonb_array_elements(value).table_valued(sa.column("value", _JSONB)).render_derived()
        # An array of one for what is none would be shorter, and takes three times as long.
        return sa.case(
            (kind == word("array"), exists(rows, test(self._element(rows.c.value)))),
            (kind.is_not(None), test(self._element(value))),
        )

    def any_leaf(self, metadata: Expression, test: Callable[[Element], Condition]) -> Condition:
        rows = (
            sa.func.jsonb_path_query(metadata, _path("strict $.**"))
            .table_valued(sa.column("value", _JSONB))
            .render_derived()
        )
        return exists(rows, test(self._element(rows.c.value)))

    def _element(self, value: Expression) -> Element:
        kind = sa.func.jsonb_typeof(value)
        text = value.op("#>>", return_type=sa.Text())(sa.literal_column("'{}'"))
        is_text, is_number = kind == word("string"), kind == word("number")
        is_integer = sa.case(
            (self.by_code_point(text).regexp_match(_INTEGER), sa.func.abs(sa.cast(text, sa.Numeric)) <= MOST)
        )
        return Element(
            string=sa.case((is_text, text)),
            text=sa.case((is_text, text), (sa.and_(is_number, is_integer), text)),
            number=sa.case((is_number, sa.cast(text, sa.Numeric)), (is_text, self.number_of(text))),
            truth=sa.case((kind == word("boolean"), text), (is_text, sa.func.lower(self.by_code_point(text)))),
        )

    def shown(self, metadata: Expression, place: Place) -> Expression:
        value = self._value(metadata, place)
        return value.op("#>>", return_type=sa.Text())(sa.literal_column("'{}'"))

    def moment_text(self, column: Expression) -> Expression:
        return sa.func.to_char(sa.func.timezone(word("UTC"), column), word('YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))

    def uuid_text(self, column: Expression) -> Expression:
        return sa.cast(column, sa.Text)


def _path(path: str) -> Expression:
    """A jsonpath of ours."""
    return sa.cast(word(path), postgresql.JSONPATH)


_INTEGER: Final = word("^-?[0-9]{1,16}$")
# As values.number_of has it: (?=…) counts the digits of those with a point.
_NUMBER: Final = word("^-?(?:(?:0|[1-9][0-9]{0,15})|(?=[0-9.]{3,16}$)(?:0|[1-9][0-9]{0,13})[.][0-9]{1,14})$")

POSTGRES: Final[Engine] = _Postgres()
