"""Tree → a condition of SQLAlchemy, for each database. Every value of the user's is a bound parameter.

A leaf may be NULL where its field is absent: AND and OR take that for false, and NOT asks whether it is not true.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import sqlalchemy as sa

from dblog.query import functions
from dblog.query import tree as t
from dblog.query.fields import COLUMNS
from dblog.query.sql_engine import whole
from dblog.query.tree import Kind
from dblog.query.values import MOST_INT, literal, spellings, variants

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.query.sql_engine import Element, Engine

    Condition: TypeAlias = sa.ColumnElement[bool]
    Expression: TypeAlias = sa.ColumnElement[Any]

__all__ = ["condition", "install_functions", "value_texts"]

_INT64: Final = 2**63 - 1
_LAST_MOMENT: Final = 253_402_300_799_999_999
"""The end of the year 9999 in µs, where Python's calendar ends."""
_FIRST_MOMENT: Final = -62_135_596_800_000_000
_WARNING: Final = 13
"""From here on the partial index holds the rows."""
_SEARCHED: Final = [name for name, field in COLUMNS.items() if field.kind in {Kind.TEXT, Kind.KEY, Kind.LEVEL}]


def condition(tree: t.Node, table: sa.FromClause, dialect: str) -> sa.ColumnElement[bool]:
    """The tree as a WHERE clause over a table of ``dblog.schema.metadata_for(dialect)``."""
    return _Meaning(table, _engine(dialect)).of(tree)


def install_functions(connection: Any, *, regex: bool) -> None:
    """Register on a plain ``sqlite3.Connection`` what the conditions need there: ``REGEXP`` by google-re2 and our own.

    Without ``regex``, ``REGEXP`` raises: SQLAlchemy's is Python's ``re``.

    Raises:
        MissingExtraError: ``regex`` is wanted and google-re2 is not installed.
    """
    functions.install(connection, regex=regex)


def _engine(dialect: str) -> Engine:
    if dialect == "sqlite":
        from dblog.query.sql_sqlite import SQLITE  # noqa: PLC0415 - one of three

        return SQLITE
    if dialect == "clickhouse":
        from dblog.query.sql_clickhouse import CLICKHOUSE  # noqa: PLC0415 - one of three

        return CLICKHOUSE
    from dblog.query.sql_postgres import POSTGRES  # noqa: PLC0415 - one of three

    return POSTGRES


class _Meaning:
    """A tree's meaning over one table."""

    def __init__(self, table: sa.FromClause, engine: Engine) -> None:
        self.columns = table.c
        self.engine = engine

    def of(self, node: t.Node) -> Condition:  # noqa: PLR0911 - one per kind
        match node:
            case t.All():
                return sa.true()
            case t.And(parts):
                return sa.and_(*map(self.of, parts))
            case t.Or(parts):
                return sa.or_(*map(self.of, parts))
            case t.Not(part):
                return sa.not_(self.engine.is_true(self.of(part)))
            case t.Has(field):
                return self.has(field)
            case t.Equal(field, value, negated):
                return self.differs(field, value) if negated else self.equal(field, value)
            case t.Range():
                return self.range(node)
            case t.Like(field, pattern):
                return self.like(field, pattern)
            case t.Search(field, regex):
                return self.on_text(field, lambda text: self.engine.search(text, regex))

    def column(self, field: t.Field) -> Expression:
        """The column that is compared; a level's rank."""
        return self.columns["severity" if field.kind is Kind.LEVEL else field.name]

    def has(self, field: t.Field) -> Condition:
        column = self.columns[field.name]
        if field.kind is Kind.METADATA:
            return self.engine.is_there(column)
        if field.kind is Kind.PATH:
            return sa.or_(*(self.engine.has(column, place) for place in field.places))
        return column.is_not(None)

    def elements(self, field: t.Field, test: Callable[[Element], Condition]) -> Condition:
        """Whether an element at one of a path's places passes."""
        metadata = self.columns["metadata"]
        return sa.or_(*(self.engine.any_element(metadata, place, test) for place in field.places))

    # -- equality ----------------------------------------------------------------------------------------------

    def differs(self, field: t.Field, value: t.Value) -> Condition:
        return sa.and_(self.has(field), sa.not_(self.engine.is_true(self.equal(field, value))))

    def equal(self, field: t.Field, value: t.Value) -> Condition:
        if field.kind is Kind.PATH:
            found = self.elements(field, self.equal_element(value))
            return self.engine.with_text(found, self.columns["metadata"], (value,)) if isinstance(value, str) else found
        if isinstance(value, str):
            return self.column(field) == self.engine.text(value)
        if isinstance(value, (int, float)):
            return self.between(field, value, value)
        return self.column(field) == self.engine.uuid(value)

    def equal_element(self, value: t.Value) -> Callable[[Element], Condition]:
        if isinstance(value, bool):
            name = self.engine.text(str(value).lower())
            return lambda element: element.truth == name
        if isinstance(value, (int, float)):
            number = self.engine.number(value)
            return lambda element: element.number == number
        text = self.engine.text(str(value))
        return lambda element: element.text == text

    # -- order -------------------------------------------------------------------------------------------------

    def range(self, node: t.Range) -> Condition:
        field, low, high = node.field, node.low, node.high
        if field.kind is Kind.PATH:
            test = self.range_test(node)
            return self.elements(field, lambda element: test(element.string, element.number))
        if field.kind in {Kind.TEXT, Kind.KEY}:
            column = self.column(field)
            return self.range_test(node)(column, self.engine.number_of(column))
        return self.between(field, _number(low), _number(high), low_open=node.low_open, high_open=node.high_open)

    def range_test(self, node: t.Range) -> Callable[[Expression, Expression], Condition]:
        """The bounds on a text and the number it is."""
        engine = self.engine
        bounds = (
            (node.low, operator.gt if node.low_open else operator.ge),
            (node.high, operator.lt if node.high_open else operator.le),
        )
        texts = [(compare, engine.text(bound)) for bound, compare in bounds if isinstance(bound, str)]
        numbers = [(compare, engine.number(bound)) for bound, compare in bounds if isinstance(bound, (int, float))]
        if numbers:
            numbers += [(operator.ge, engine.number(-MOST_INT)), (operator.le, engine.number(MOST_INT))]
        return lambda string, number: sa.and_(
            *(compare(engine.by_code_point(string), bound) for compare, bound in texts),
            *(compare(number, bound) for compare, bound in numbers),
        )

    def between(
        self,
        field: t.Field,
        low: float | None,
        high: float | None,
        *,
        low_open: bool = False,
        high_open: bool = False,
    ) -> Condition:
        """Bounds on a column of integers, in integers the column's type can hold."""
        least, most = (_FIRST_MOMENT, _LAST_MOMENT) if field.kind is Kind.TIME else (-_INT64, _INT64)
        column = self.column(field)
        first = least if low is None else math.floor(low) + 1 if low_open else math.ceil(low)
        last = most if high is None else math.ceil(high) - 1 if high_open else math.floor(high)
        if first > min(last, most) or last < least:
            return sa.false()
        bound = self.engine.moment if field.kind is Kind.TIME else self.engine.integer
        if first == last:
            found = [column == bound(first)]
        else:
            found = [column >= bound(first)] if first > least else []
            found += [column <= bound(last)] if last < most else []
        if field.name in {"level", "severity"} and first >= _WARNING:
            found.append(column >= whole(_WARNING))
        return sa.and_(*found) if found else column.is_not(None)

    # -- text --------------------------------------------------------------------------------------------------

    def like(self, field: t.Field, pattern: t.Pattern) -> Condition:
        engine, text = self.engine, literal(pattern)
        if field.kind is Kind.KEY and text is not None:
            return self.columns[field.name].in_([engine.text(spelling) for spelling in spellings(text)])
        patterns = [engine.pattern(variant) for variant in variants(pattern)]

        def test(text: Expression) -> Condition:
            return sa.or_(*(engine.like(text, pattern) for pattern in patterns))

        if field.kind is Kind.PATH:
            return engine.with_text(self.on_text(field, test), self.columns["metadata"], pattern)
        if field.kind is not Kind.ANY:
            return self.on_text(field, test)
        leaves = engine.any_leaf(self.columns["metadata"], lambda element: test(element.text))
        found = sa.or_(*(test(self.columns[name]) for name in _SEARCHED), leaves)
        # Not to become part of an OR around it: SQLite takes a thousand at most for one expression.
        return engine.is_true(found)

    def on_text(self, field: t.Field, test: Callable[[Expression], Condition]) -> Condition:
        """The test on a field's text form."""
        if field.kind is Kind.PATH:
            return self.elements(field, lambda element: test(element.text))
        column: Expression = self.columns[field.name]
        return test(self.engine.digits(column) if field.kind is Kind.INT else column)


def _number(value: t.Value | None) -> float | None:
    return value if isinstance(value, (int, float)) else None


# -- values ----------------------------------------------------------------------------------------------------


def value_texts(field: t.Field, table: sa.FromClause, dialect: str) -> sa.ColumnElement[str]:
    """A field's value as text, to group by; NULL where absent.

    A level's name; a time in ISO 8601 and UTC; in ``metadata`` a bool or a number as JSON has it, arrays and objects as
    their JSON text, whose blanks and order of keys are the database's. Of several places the first that is there.
    """
    engine = _engine(dialect)
    column: Expression = table.c[field.name]
    match field.kind:
        case Kind.PATH:
            shown = [engine.shown(column, place) for place in field.places]
            return shown[0] if len(shown) == 1 else sa.func.coalesce(*shown)
        case Kind.TIME:
            return engine.moment_text(column)
        case Kind.UUID:
            return engine.uuid_text(column)
        case Kind.TEXT | Kind.KEY | Kind.LEVEL:
            return column
        case _:
            return engine.digits(column)
