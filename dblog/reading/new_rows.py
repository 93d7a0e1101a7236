"""The rows of given transactions, as a statement that the index on ``xid`` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from dblog.schema import XID8

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dblog.reading.snapshot import Difference

__all__ = ["array", "new_rows", "xid8"]


def new_rows(
    logs: sa.Table,
    transactions: Difference,
    columns: Sequence[sa.ColumnElement[Any]],
    conditions: Sequence[sa.ColumnElement[bool]],
) -> sa.Subquery:
    """The rows those transactions have committed.

    Args:
        logs: the log table of PostgreSQL.
        transactions: all of them over, at the latest when the statement is run.
        columns: what to select.
        conditions: what a row has to be besides.
    """
    singles, low, high, running = transactions
    xid = logs.c.xid
    # Rows restored from a dump may have any number; those of numbers still to come are kept out by `high`.
    ranged = sa.select(*columns).where(xid >= xid8(low), xid < xid8(high), *conditions)
    if running:
        ranged = ranged.where(xid != sa.all_(array(running, XID8())))
    if not singles:
        return ranged.subquery()
    # Not OR: so each half can give its rows in the order of the index.
    return sa.union_all(
        sa.select(*columns).where(xid == sa.any_(array(singles, XID8())), *conditions), ranged
    ).subquery()


def xid8(number: int) -> sa.ColumnElement[Any]:
    """A transaction's number; no driver has the type, so it travels as text."""
    return sa.cast(sa.literal(str(number), sa.Text), XID8)


def array(values: Iterable[object], type_: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
    """Several values of a type, which travel as text."""
    return sa.cast(sa.literal(list(map(str, values)), ARRAY(sa.Text)), ARRAY(type_))
