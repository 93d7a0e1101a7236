"""What the databases spell differently: text, numbers, and values within ``metadata``.

Nothing stored can make one of these expressions fail: every cast stands behind a CASE that lets only what can be
cast come to it, and metadata that is no JSON, which PostgreSQL alone cannot hold, counts as absent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import sqlalchemy as sa

from dblog.query.tree import Pattern, Wild
from dblog.query.values import MOST_INT

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from dblog.query.regex import Regex

__all__ = [
    "LEAST", "MOST", "Condition", "Element", "Engine", "Expression", "Place", "exists", "whole", "word",
]  # fmt: skip

Expression: TypeAlias = sa.ColumnElement[Any]
Condition: TypeAlias = sa.ColumnElement[bool]
Place: TypeAlias = tuple[str | int, ...]


class Element(NamedTuple):
    """A JSON value that is no array and no object, as what it can be compared as; each NULL where it is not that."""

    string: Expression
    text: Expression
    """The text form: a string, or the digits of an integer."""
    number: Expression
    """Of any size; of a string that is a number, too."""
    truth: Expression
    """A bool as ``true`` or ``false``; a string in lower case."""


class Engine(ABC):
    """One database's spelling."""

    def text(self, value: str) -> Expression:
        """A bound text."""
        return sa.bindparam(None, value, type_=sa.Text(), unique=True)

    def integer(self, value: int) -> Expression:
        """A bound integer of at most 64 bits."""
        return sa.bindparam(None, value, type_=sa.BigInteger(), unique=True)

    def pattern(self, pattern: Pattern) -> Expression:
        """A bound pattern of LIKE."""
        pieces = ("%" if piece is Wild.ANY else "_" if piece is Wild.ONE else _literal(piece) for piece in pattern)
        return self.text("".join(pieces))

    def is_true(self, condition: Condition) -> Condition:
        """Whether a condition is true: neither false nor NULL."""
        return condition.is_(sa.true())

    def digits(self, column: Expression) -> Expression:
        """An integer as text."""
        return sa.cast(column, sa.Text)

    @abstractmethod
    def number(self, value: float) -> Expression:
        """A bound number."""

    @abstractmethod
    def moment(self, value: int) -> Expression:
        """A bound time, of µs since 1970."""

    @abstractmethod
    def uuid(self, value: UUID) -> Expression:
        """A bound id."""

    @abstractmethod
    def like(self, text: Expression, pattern: Expression) -> Condition:
        """Whether a text fits, A-Z and a-z being the same."""

    @abstractmethod
    def search(self, text: Expression, regex: Regex) -> Condition:
        """Whether a regex is found in a text."""

    @abstractmethod
    def by_code_point(self, text: Expression) -> Expression:
        """A text, to be compared by ``<`` and the like."""

    @abstractmethod
    def number_of(self, text: Expression) -> Expression:
        """The number a text is; NULL where it is none."""

    @abstractmethod
    def is_there(self, metadata: Expression) -> Condition:
        """Whether there is metadata."""

    @abstractmethod
    def has(self, metadata: Expression, place: Place) -> Condition:
        """Whether something other than null is there."""

    @abstractmethod
    def any_element(self, metadata: Expression, place: Place, test: Callable[[Element], Condition]) -> Condition:
        """Whether the value there, or one of its elements, passes; false, not unknown, is not promised."""

    def with_text(self, found: Condition, metadata: Expression, pattern: Pattern) -> Condition:  # noqa: ARG002 - see below
        """A condition that only metadata with a value of this pattern meets, made easier to answer where it can be."""
        return found

    @abstractmethod
    def any_leaf(self, metadata: Expression, test: Callable[[Element], Condition]) -> Condition:
        """Whether a scalar at any depth passes."""

    @abstractmethod
    def shown(self, metadata: Expression, place: Place) -> Expression:
        """The value there as text; NULL where absent."""

    @abstractmethod
    def moment_text(self, column: Expression) -> Expression:
        """A time as ``2026-01-31T12:00:00.000000Z``."""

    @abstractmethod
    def uuid_text(self, column: Expression) -> Expression:
        """An id with its hyphens."""


def _literal(piece: str) -> str:
    return piece.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def exists(rows: sa.TableValuedAlias, *conditions: Condition) -> Condition:
    """Whether a row a function gives passes."""
    # All else belongs to the query around it.
    found: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(rows).where(*conditions)
    return found.correlate_except(rows).exists()


def word(word: str) -> Expression:
    """A word of ours, as an SQL literal."""
    return sa.literal_column(f"'{word}'", sa.Text())


def whole(number: int) -> Expression:
    """A number of ours, as an SQL literal."""
    return sa.literal_column(str(number), sa.BigInteger())


MOST: Final = whole(MOST_INT)
LEAST: Final = whole(-MOST_INT)
