"""Which entries: a query as text, as a ``Query`` or as exact values, made a WHERE clause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from dblog.errors import ConfigurationError
from dblog.query import Query, parse
from dblog.query import where as exactly
from dblog.query.tree import All, And, Node, has_regex
from dblog.reading.rows import bound_time
from dblog.reading.values import Cursor

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from dblog.reading.session import Sessions

__all__ = ["MOST", "Selection", "checked", "cursor_of", "select_matching", "tree_of"]

MOST: Final = 10_000
"""Entries of one answer at most."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A WHERE clause, ready for any statement over ``logs``."""

    clause: sa.ColumnElement[bool] | None
    """None means every entry."""
    regex: bool
    """It holds a regular expression."""
    tree: Node | None = None
    """What the clause means, where it is all of it."""

    def of(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """The statement with this condition added."""
        return statement if self.clause is None else statement.where(self.clause)

    def narrowed(self, clause: sa.ColumnElement[bool]) -> Selection:
        """The same entries, said by another clause."""
        return Selection(clause, self.regex, self.tree)

    def between(self, sessions: Sessions, since: int | None, until: int | None) -> Selection:
        """With times in µs, both of them included; None is no bound."""
        moment, dialect = sessions.tables.logs.c.timestamp, sessions.dialect
        clauses = [] if self.clause is None else [self.clause]
        if since is not None:
            clauses.append(moment >= bound_time(since, dialect))
        if until is not None:
            clauses.append(moment <= bound_time(until, dialect))
        return Selection(sa.and_(*clauses) if clauses else None, self.regex)


def tree_of(query: str | Query, where: Mapping[str, Any] | None = None, timezone: dt.tzinfo | None = None) -> Node:
    """The tree of a query and of further exact values, both of which have to hold."""
    asked: Node = All()
    if isinstance(query, Query):
        asked = query.tree
    elif query and not query.isspace():
        asked = parse(query, timezone=timezone).tree
    parts = [
        part
        for tree in (asked, exactly(where).tree if where else All())
        for part in (tree.parts if isinstance(tree, And) else (tree,))
        if not isinstance(part, All)
    ]
    if len(parts) > 1:
        return And(tuple(parts))
    return parts[0] if parts else All()


def select_matching(sessions: Sessions, tree: Node) -> Selection:
    """The tree as a condition of this reader's database."""
    if isinstance(tree, All):
        return Selection(None, regex=False, tree=tree)
    from dblog.query.sql import condition  # noqa: PLC0415 - who reads everything does without

    return Selection(condition(tree, sessions.tables.logs, sessions.dialect), has_regex(tree), tree)


def checked(limit: Any, name: str = "limit", *, least: int = 1, most: int = MOST) -> None:
    """See that a limit can be had.

    Raises:
        ConfigurationError: it is not.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not least <= limit <= most:
        msg = f"{name}={limit!r}: give a number from {least} to {most:,}"
        raise ConfigurationError(msg)


def cursor_of(cursor: Cursor | str | None) -> Cursor | None:
    """A cursor however it was given.

    Raises:
        ConfigurationError: a text that is none.
    """
    return Cursor.parse(cursor) if isinstance(cursor, str) else cursor
