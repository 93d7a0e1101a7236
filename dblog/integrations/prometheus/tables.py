"""What a statement does and to which table, as two bounded labels, read from SQLAlchemy's own objects.

The operation is ``select insert update delete`` or ``other``; of a statement written as
text its first word counts. The table is the statement's own ``Table``: of a SELECT the
leftmost of its first FROM, through joins, aliases, subqueries and CTEs; ``other`` for text,
DDL and whatever is not in the ``MetaData`` or the list that was given. Without either,
the first two hundred tables are told apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dblog.errors import ConfigurationError
from dblog.plain import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["OPERATIONS", "OTHER", "Tables", "operation_of", "table_of"]

OPERATIONS = ("select", "insert", "update", "delete", "other")
OTHER = "other"
_MAX_TABLES = 200
_NAME_LENGTH = 100
_DEEPEST = 20
_FIRST_WORD = re.compile(r"[\s(]*([A-Za-z]{6})\b")


class Tables:
    """Which tables have a label of their own.

    Args:
        allowed: a ``MetaData`` (tables added to it later count), their names, or None for the first two hundred.

    Raises:
        ConfigurationError: ``allowed`` is something else.
    """

    def __init__(self, allowed: sa.MetaData | Iterable[str] | None) -> None:
        self._seen: set[str] = set()
        self._admits: Callable[[sa.Table], bool]
        if allowed is None:
            self._admits = self._is_early
        elif isinstance(allowed, sa.MetaData):
            self._admits = lambda table: table.key in allowed.tables
        else:
            names = frozenset(allowed) if not isinstance(allowed, str | bytes) else frozenset()
            if not names or not all(isinstance(name, str) for name in names):
                raise ConfigurationError(f"tables={allowed!r} is not allowed: give a MetaData or the tables' names")
            self._admits = lambda table: table.name in names

    def label(self, table: sa.Table | None) -> str:
        """The table's name, without its schema; ``other`` where it is not told apart."""
        return clean(table.name)[:_NAME_LENGTH] if table is not None and self._admits(table) else OTHER

    def _is_early(self, table: sa.Table) -> bool:
        if table.name not in self._seen and len(self._seen) >= _MAX_TABLES:
            return False
        self._seen.add(table.name)
        return True


def operation_of(compiled: Any, text: str) -> str:
    """What a statement does, from what it was compiled from, or from its first word."""
    statement = getattr(compiled, "statement", None)
    for kind, name in ((sa.Insert, "insert"), (sa.Update, "update"), (sa.Delete, "delete"), (sa.SelectBase, "select")):
        if isinstance(statement, kind):
            return name
    word = _FIRST_WORD.match(text)
    return name if word is not None and (name := word[1].lower()) in OPERATIONS else OTHER


def table_of(compiled: Any) -> sa.Table | None:
    """The table a compiled statement is about; None where it is about none, or written as text."""
    found = getattr(compiled, "statement", None)
    for _ in range(_DEEPEST):
        if isinstance(found, sa.Table) or found is None:
            return found
        found = _inward(found)
    return None


def _inward(found: Any) -> Any:
    """One step nearer to the table."""
    if isinstance(found, sa.Insert | sa.Update | sa.Delete):
        return found.table
    if isinstance(found, sa.Select):
        froms = found.columns_clause_froms or found.get_final_froms()
        return froms[0] if froms else None
    if isinstance(found, sa.CompoundSelect):
        return found.selects[0]
    if isinstance(found, sa.Join):
        return found.left
    if isinstance(found, sa.sql.expression.ReturnsRows):
        return getattr(found, "element", None)  # of an alias, a subquery, a CTE, what is in brackets
    return None
