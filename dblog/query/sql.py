"""Tree → a condition of SQLAlchemy, for SQLite and for PostgreSQL. Every value of the user's is a bound parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa

    from dblog.query.tree import Field, Node

__all__ = ["condition", "install_functions", "value_texts"]


def condition(tree: Node, table: sa.FromClause, dialect: str) -> sa.ColumnElement[bool]:
    """The tree as a WHERE clause over a table of ``dblog.schema.metadata_for(dialect)``."""
    raise NotImplementedError


def value_texts(field: Field, table: sa.FromClause, dialect: str) -> sa.ColumnElement[str]:
    """A field's value as text, to group by; NULL where absent.

    A level's name; in ``metadata`` a bool or a number as JSON has it, arrays and objects as their JSON text.
    """
    raise NotImplementedError


def install_functions(connection: Any, *, regex: bool) -> None:
    """Register on a plain ``sqlite3.Connection`` what the conditions need there: ``REGEXP`` by google-re2 and our own.

    Raises:
        MissingExtraError: ``regex`` is wanted and google-re2 is not installed.
    """
    raise NotImplementedError
