"""Entries over time: one GROUP BY in the database, empty buckets filled in here."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from dblog.errors import ConfigurationError
from dblog.levels import BANDS
from dblog.reading import rollup
from dblog.reading.order import row_once
from dblog.reading.rows import bound_time, micros, sound
from dblog.reading.values import Bucket, Histogram

if TYPE_CHECKING:
    from typing import TypeAlias

    from dblog.reading.selection import Selection
    from dblog.reading.session import Sessions

    _Element: TypeAlias = sa.ColumnElement[Any]

__all__ = ["bounds", "histogram"]

_S: Final = 1_000_000
_US: Final = dt.timedelta(microseconds=1)
_WEEK: Final = 7 * 86_400 * _S
_WIDTHS: Final = tuple(
    count * unit * _S
    for unit, counts in (
        (1, (1, 2, 5, 10, 15, 30)),
        (60, (1, 2, 5, 10, 15, 30)),
        (3600, (1, 3, 6, 12)),
        (86_400, (1, 7)),
    )
    for count in counts
)
"""Round widths, in µs."""
_ABOUT: Final = 60
"""Buckets where nobody asked for a width."""
_MOST: Final = 10_000
_WIDEST: Final = 36_525 * 86_400 * _S
"""A century."""
_MONDAY: Final = 4 * 86_400 * _S
"""1970-01-05: weeks begin on a Monday."""


async def histogram(
    sessions: Sessions,
    selection: Selection,
    *,
    bucket: float | dt.timedelta | None,
    since: int | None,
    until: int | None,
) -> Histogram:
    """See ``LogReader.histogram``."""
    width = _width_of(bucket)
    query = rollup.asked(selection.tree)
    if query is None:
        from dblog.reading.indexed import narrowed  # noqa: PLC0415 - who counts everything does without

        selection = await narrowed(sessions, selection)
    selection = selection.between(sessions, since, until)
    first, last = (since, until)
    if first is None or last is None:
        oldest, newest = await bounds(sessions, selection)
        first, last = (oldest if first is None else first), (newest if last is None else last)
    if first is None or last is None or first > last:
        return Histogram((), width or _S)
    width = width or _round(last - first)
    origin = _MONDAY if width % _WEEK == 0 else 0
    start = first - (first - origin) % width
    count = (last - start) // width + 1
    if count > _MOST:
        msg = f"{count:,} buckets of {width / _S:g} s: make them wider, or the range shorter ({_MOST:,} at most)"
        raise ConfigurationError(msg)
    counted: dict[int, list[int]] = {}
    query = None if query is None else query.between(first, last)
    for moment, band, number in await _grouped(sessions, selection, query, width, origin):
        counted.setdefault(micros(moment), [0] * BANDS)[band] += number
    none = (0,) * BANDS
    starts = range(start, start + count * width, width)
    return Histogram(tuple(Bucket(at, tuple(counted.get(at, none))) for at in starts), width)


async def bounds(sessions: Sessions, selection: Selection) -> tuple[int | None, int | None]:
    """The times of the first and the last matching entry; two lookups in the index where every entry matches."""
    logs = sessions.tables.logs
    ends = [
        selection.of(sa.select(logs.c.timestamp))
        .where(*sound(logs.c.timestamp))
        .order_by(order)
        .limit(1)
        .scalar_subquery()
        for order in (logs.c.timestamp.asc(), logs.c.timestamp.desc())
    ]
    rows = await sessions.run(sa.select(*ends).limit(1), regex=selection.regex)
    return micros(rows[0][0]), micros(rows[0][1])


async def _grouped(
    sessions: Sessions, selection: Selection, query: rollup.Asked | None, width: int, origin: int
) -> list[Any]:
    """Bucket, band and number of entries: of what is counted already where that can be, else of the entries."""
    most = (_MOST + 1) * BANDS

    def group(moment: _Element, severity: _Element) -> tuple[_Element, _Element]:
        return _bucket(moment, sessions.dialect, width, origin), _band(severity)

    if query is not None:
        rolled = await rollup.grouped(sessions, selection, query, group, width=width, limit=most)
        if rolled is not None:
            return rolled
    logs = sessions.tables.logs
    start, band = group(logs.c.timestamp, logs.c.severity)
    number: _Element = sa.func.count()
    counted = sa.select(start.label("start"), band.label("band"), number.label("number"))
    grouped = selection.of(row_once(counted)).where(*sound(logs.c.timestamp))
    return await sessions.run(grouped.group_by(sa.text("1"), sa.text("2")).limit(most), regex=selection.regex)


def _bucket(moment: _Element, dialect: str, width: int, origin: int) -> _Element:
    """Where the bucket of a time begins."""
    if dialect == "sqlite":
        place, step = (sa.literal(value, sa.Integer()) for value in (origin, width))
        return moment - ((moment - place) % step + step) % step
    if dialect == "clickhouse":
        place, step = (sa.literal(value, sa.BigInteger()) for value in (origin, width))
        since = sa.func.toUnixTimestamp64Micro(moment)
        return since - sa.func.positiveModulo(since - place, step)
    begin = sa.literal(bound_time(origin, "postgresql"), moment.type)
    return sa.func.date_bin(sa.literal(dt.timedelta(microseconds=width), sa.Interval()), moment, begin)


def _band(severity: _Element) -> _Element:
    return sa.case(
        *((severity <= 4 * (number + 1), sa.literal_column(str(number))) for number in range(BANDS - 1)),
        else_=sa.literal_column(str(BANDS - 1)),
    )


def _width_of(bucket: Any) -> int | None:
    """In µs.

    Raises:
        ConfigurationError: less than one, more than a century, or no number.
    """
    if bucket is None:
        return None
    width = 0
    if isinstance(bucket, dt.timedelta):
        width = bucket // _US
    elif isinstance(bucket, (int, float)) and not isinstance(bucket, bool) and 0 < bucket * _S <= _WIDEST:
        width = dt.timedelta(seconds=bucket) // _US
    if not 1 <= width <= _WIDEST:
        msg = f"bucket={repr(bucket)[:80]}: give a positive number of seconds, a century at most"
        raise ConfigurationError(msg)
    return width


def _round(span: int) -> int:
    """The width for a range, both in µs."""
    for width in _WIDTHS:
        if span <= _ABOUT * width:
            return width
    return _WEEK * (span // (_ABOUT * _WEEK) + 1)
