"""The rows of given transactions, as statements that the index on ``xid`` answers, made once for a tail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from dblog.reading.prepared import Prepared
from dblog.reading.rows import bound_time, columns
from dblog.schema import XID8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dblog.reading.snapshot import Difference

__all__ = ["NewRows", "array", "values_of", "xid8"]

_COUNT: Final = sa.bindparam("count", type_=sa.Integer())


class NewRows:
    """What a tail asks of its table; every statement takes ``values_of`` what it is about.

    Args:
        logs: the log table of PostgreSQL.
        condition: the query's; None is every entry.
    """

    def __init__(self, logs: sa.Table, condition: sa.ColumnElement[bool] | None) -> None:
        self._logs = logs
        self._condition = condition
        self._made: dict[tuple[Callable[..., Any], bool, bool], sa.Select[Any] | Prepared] = {}

    def newest(self, which: Difference, *others: sa.ColumnElement[bool]) -> sa.Select[Any] | Prepared:
        """The newest ``count`` rows of those transactions.

        Args:
            which: all of them over, at the latest when the statement is run.
            others: what a row has to be besides.
        """
        return self._once(self._newest, which, others)

    def every(self, which: Difference, *others: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """All of them, in any order."""
        return sa.select(self._rows(which, columns(self._logs), others))

    def counted(self, which: Difference, *others: sa.ColumnElement[bool]) -> sa.Select[Any] | Prepared:
        """How many there are."""
        return self._once(self._counted, which, others)

    def oldest(
        self, which: Difference, *others: sa.ColumnElement[bool], first: int | None = None
    ) -> sa.Select[Any] | Prepared:
        """The first ``count``, in order of their transactions' numbers, which come last in each row, as text.

        Args:
            which: see ``newest``.
            others: see ``newest``.
            first: the transaction that comes before all others, whatever its number.
        """
        return self._once(self._oldest, which, others) if first is None else self._oldest(which, others, first)

    def _once(
        self,
        make: Callable[..., sa.Select[Any]],
        which: Difference,
        others: tuple[sa.ColumnElement[bool], ...],
    ) -> sa.Select[Any] | Prepared:
        if others:
            return make(which, others)
        shape = make, bool(which.singles), bool(which.running)
        if (made := self._made.get(shape)) is None:
            statement = make(which, ())
            # What a query compiles to may have parameters that expand.
            made = Prepared(statement, "postgresql") if self._condition is None else statement
            self._made[shape] = made
        return made

    def _newest(self, which: Difference, others: tuple[sa.ColumnElement[bool], ...]) -> sa.Select[Any]:
        new = self._rows(which, columns(self._logs), others)
        # No index has this expression. With the one on (timestamp, id) the planner would hope for an early end, and
        # read the whole table backwards for a handful of rows.
        place = (new.c.timestamp + sa.text("interval '0'")).desc(), new.c.id.desc()
        return sa.select(new).order_by(*place).limit(_COUNT)

    def _counted(self, which: Difference, others: tuple[sa.ColumnElement[bool], ...]) -> sa.Select[Any]:
        return sa.select(sa.func.count()).select_from(self._rows(which, [self._logs.c.xid], others))

    def _oldest(
        self, which: Difference, others: tuple[sa.ColumnElement[bool], ...], first: int | None = None
    ) -> sa.Select[Any]:
        found = self._rows(which, [*columns(self._logs), self._logs.c.xid], others)
        number = sa.cast(found.c.xid, sa.Text).label("number")
        order: tuple[sa.ColumnElement[Any], ...] = (found.c.xid, found.c.timestamp, found.c.id)
        if first is not None:
            order = (found.c.xid != xid8(first), *order)
        return sa.select(found, number).order_by(*order).limit(_COUNT)

    def _rows(
        self,
        which: Difference,
        wanted: Sequence[sa.ColumnElement[Any]],
        others: tuple[sa.ColumnElement[bool], ...],
    ) -> sa.Subquery:
        xid = self._logs.c.xid
        recent = self._logs.c.ingested_at >= sa.bindparam("oldest", type_=self._logs.c.ingested_at.type)
        conditions = [recent, *others] if self._condition is None else [recent, self._condition, *others]
        low, high = (sa.cast(sa.bindparam(name, type_=sa.Text()), XID8) for name in ("low", "high"))
        # Rows restored from a dump may have any number; those of numbers still to come are kept out by `high`.
        ranged = sa.select(*wanted).where(xid >= low, xid < high, *conditions)
        if which.running:
            ranged = ranged.where(xid != sa.all_(_numbers("running")))
        if not which.singles:
            return ranged.subquery()
        # Not OR: so each half can give its rows in the order of the index.
        single = sa.select(*wanted).where(xid == sa.any_(_numbers("singles")), *conditions)
        return sa.union_all(single, ranged).subquery()


def values_of(which: Difference, oldest: int, count: int) -> dict[str, Any]:
    """The parameters of a statement of ``NewRows``.

    Args:
        which: the transactions.
        oldest: µs since 1970; what was stored earlier was restored from a dump, and may have any number.
        count: rows at most.
    """
    values: dict[str, Any] = {
        "low": str(which.low), "high": str(which.high), "oldest": bound_time(oldest, "postgresql"), "count": count
    }  # fmt: skip
    if which.running:
        values["running"] = list(map(str, which.running))
    if which.singles:
        values["singles"] = list(map(str, which.singles))
    return values


def xid8(number: int) -> sa.ColumnElement[Any]:
    """A transaction's number; no driver has the type, so it travels as text."""
    return sa.cast(sa.literal(str(number), sa.Text), XID8)


def array(values: Iterable[object], type_: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
    """Several values of a type, which travel as text."""
    return sa.cast(sa.literal(list(map(str, values)), ARRAY(sa.Text)), ARRAY(type_))


def _numbers(name: str) -> sa.ColumnElement[Any]:
    return sa.cast(sa.bindparam(name, type_=ARRAY(sa.Text)), ARRAY(XID8()))
