"""Queries are made easier by the indexes of ``dblog index``, where they are there.

PostgreSQL uses the one on ``message`` by itself: it is on the expression that queries compare. For the others, and for
SQLite's full-text index, a condition is added that every entry the query finds meets, and that the index answers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from dblog.query.needles import Begins, Every, Holds, Some, folded, needles
from dblog.query.tree import All

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from dblog.query.needles import Formula
    from dblog.reading.selection import Selection
    from dblog.reading.session import Sessions

__all__ = ["narrowed"]

_INDEXED: Final = {"sqlite": frozenset({"message", "logger"}), "postgresql": frozenset({"metadata", "logger"})}
_FRESH: Final = 30.0
"""Seconds for which indexes on PostgreSQL are taken to be the same: one that is gone only makes a query slower."""
_OFTEN: Final = 20_000
"""Entries a full-text query may find before a page of the newest is quicker read without it."""
_TRIGRAM: Final = 3
_TOKENS: Final = 24
"""Trigrams of a piece that are looked up; the rest is compared."""

_present: WeakKeyDictionary[Sessions, tuple[float, frozenset[str]]] = WeakKeyDictionary()


async def narrowed(sessions: Sessions, selection: Selection, *, page: bool = False) -> Selection:
    """The same entries, found by an index if there is one for them.

    Args:
        sessions: the connections.
        selection: the query.
        page: only the newest or the oldest of them are wanted: then a full-text index is of no use for what is
            found often.
    """
    tree, able = selection.tree, _INDEXED.get(sessions.dialect)
    if tree is None or isinstance(tree, All) or able is None or needles(tree, able) is None:
        return selection
    formula = needles(tree, await _columns(sessions, able))
    if formula is None:
        return selection
    lite = sessions.dialect == "sqlite"
    clause = await _in_file(sessions, formula, page=page) if lite else _condition(formula, sessions)
    if clause is None:
        return selection
    clauses = (clause,) if selection.clause is None else (clause, selection.clause)
    return selection.narrowed(sa.and_(*clauses))


async def _columns(sessions: Sessions, able: AbstractSet[str]) -> frozenset[str]:
    """The columns that have an index."""
    lite = sessions.dialect == "sqlite"
    now, (until, known) = time.monotonic(), _present.get(sessions, (0.0, frozenset()))
    if now < until:
        return known
    names = sessions.names
    given: dict[str, Any] = {column: names.index_on(column) for column in able}
    if lite:
        found = await sessions.run(_IN_FILE, given)
        known = frozenset(row[0] for row in found)
        if "message" in known and not await _complete(sessions):
            known -= {"message"}
        return known & able
    found = await sessions.run(_ON_SERVER, given | {"logs": names.qualified(names.logs)})
    known = frozenset(row[0] for row in found) & able
    _present[sessions] = (now + _FRESH, known)
    return known


async def _complete(sessions: Sessions) -> bool:
    """Whether the full-text index has every entry."""
    state = f'SELECT low FROM "{sessions.names.fts_state}" LIMIT 1'  # noqa: S608 - a checked name
    rows = await sessions.run(sa.text(state))
    return bool(rows) and rows[0][0] == 0


_IN_FILE: Final = sa.text(
    "SELECT CASE name WHEN :message THEN 'message' ELSE 'logger' END FROM sqlite_master"
    " WHERE name = :message AND type = 'table' OR name = :logger AND type = 'index' LIMIT 2"
)
_ON_SERVER: Final = sa.text(
    "SELECT CASE c.relname WHEN CAST(:metadata AS text) THEN 'metadata' ELSE 'logger' END"
    " FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid"
    " WHERE x.indrelid = to_regclass(:logs) AND x.indisvalid AND c.relname IN (:metadata, :logger) LIMIT 2"
)


# -- conditions ------------------------------------------------------------------------------------------------


def _condition(formula: Formula, sessions: Sessions) -> sa.ColumnElement[bool]:
    match formula:
        case Every(parts):
            return sa.and_(*(_condition(part, sessions) for part in parts))
        case Some(parts):
            return sa.or_(*(_condition(part, sessions) for part in parts))
        case Holds(_, pieces):
            text = sa.collate(sa.cast(sessions.tables.logs.c.metadata, sa.Text), "C")
            return sa.and_(*(text.ilike(sa.literal(f"%{_escaped(piece)}%", sa.Text())) for piece in pieces))
        case Begins(_, text, whole):
            return _begins(sessions, text, whole=whole)


def _begins(sessions: Sessions, text: str, *, whole: bool) -> sa.ColumnElement[bool]:
    column: sa.ColumnElement[Any] = sessions.tables.logs.c.logger
    column = sa.func.lower(column if sessions.dialect == "sqlite" else sa.collate(column, "C"))
    first = sa.literal(text, sa.Text())
    if whole:
        return column == first
    after = _after(text)
    return column >= first if after is None else sa.and_(column >= first, column < sa.literal(after, sa.Text()))


def _after(text: str) -> str | None:
    """The first text, by code points, that is greater than all that begin with this one."""
    kept = text.rstrip(chr(_LAST))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_BEHIND_SURROGATES if following == _SURROGATES else following)


_LAST: Final = 0x10FFFF
_SURROGATES, _BEHIND_SURROGATES = 0xD800, 0xE000


def _escaped(piece: str) -> str:
    return piece.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


# -- SQLite's full-text index ----------------------------------------------------------------------------------


async def _in_file(sessions: Sessions, formula: Formula, *, page: bool) -> sa.ColumnElement[bool] | None:
    """The condition; None where the index would make a page slower."""
    match = _match(formula)
    named = _named(formula, sessions)
    if match is None:
        return named
    name = f'"{sessions.names.index_on("message")}"'
    if page:
        often = f"SELECT count(*) FROM (SELECT rowid FROM {name} WHERE {name} MATCH :match LIMIT {_OFTEN})"  # noqa: S608 - a checked name
        ((number,),) = await sessions.run(sa.text(f"{often} LIMIT 1"), {"match": match})
        if number == _OFTEN:
            return named
    rows = sa.text(f"SELECT rowid FROM {name} WHERE {name} MATCH :match ORDER BY rowid")  # noqa: S608 - as above
    found = rows.bindparams(sa.bindparam("match", match, unique=True)).columns(sa.column("rowid", sa.Integer()))
    condition = sessions.tables.logs.c.ingest_seq.in_(found)
    return condition if named is None else sa.and_(condition, named)


def _match(formula: Formula) -> str | None:
    """What every row has, in FTS5's language; None where nothing can be said."""
    match formula:
        case Every(parts):
            known = [each for each in map(_match, parts) if each is not None]
            return f"({' AND '.join(known)})" if known else None
        case Some(parts):
            found = [_match(part) for part in parts]
            known = [each for each in found if each is not None]
            return f"({' OR '.join(known)})" if len(known) == len(found) else None
        case Holds(_, pieces):
            grams = dict.fromkeys(gram for piece in pieces for gram in _trigrams(folded(piece)))
            return f"({' AND '.join(map(_quoted, grams))})"
        case Begins():
            return None


def _trigrams(piece: str) -> list[str]:
    """Each by itself: the index knows rows, and no places in them."""
    grams = [piece[start : start + _TRIGRAM] for start in range(len(piece) - _TRIGRAM + 1)]
    return grams[:_TOKENS]


def _quoted(gram: str) -> str:
    return '"' + gram.replace('"', '""') + '"'


def _named(formula: Formula, sessions: Sessions) -> sa.ColumnElement[bool] | None:
    """What the formula says of loggers."""
    match formula:
        case Begins(_, text, whole):
            return _begins(sessions, text, whole=whole)
        case Every(parts):
            known = [each for each in (_named(part, sessions) for part in parts) if each is not None]
            return sa.and_(*known) if known else None
        case Some(parts):
            found = [_named(part, sessions) for part in parts]
            known = [each for each in found if each is not None]
            return sa.or_(*known) if len(known) == len(found) else None
        case Holds():
            return None
