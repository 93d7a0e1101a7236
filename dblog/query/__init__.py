"""The query language: one grammar, one tree, three readings that agree: SQL, a Python predicate, canonical text.

``parse`` is the way in. ``docs/query-language.md`` is the reference; nothing here imports a database
(``dblog.query.sql`` does, and is loaded by who runs queries). The grammar is loaded by the first query that is parsed:
who reads everything does without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from dblog.entry import LogEntry
    from dblog.query.tree import Node

__all__ = ["Query", "parse", "where"]


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query."""

    text: str
    """As it was typed."""
    tree: Node

    def __str__(self) -> str:
        """Canonical text: parses back to the same tree, on any day and in any time zone."""
        from dblog.query.canonical import canonical  # noqa: PLC0415 - see above

        return canonical(self.tree)

    def predicate(self) -> Callable[[LogEntry], bool]:
        """The query as a function of one entry; SQL on both databases gives the same answer.

        Raises:
            MissingExtraError: the query has a regex, and google-re2 is not installed.
        """
        from dblog.query.predicate import predicate  # noqa: PLC0415 - see above

        return predicate(self.tree)


def parse(text: str, *, now: float | None = None, timezone: dt.tzinfo | None = None) -> Query:
    """Parse a query.

    Args:
        text: at most 4,096 characters; empty means every entry.
        now: what ``since:15m`` counts from, in seconds since 1970 UTC; the present time where None.
        timezone: of times written without one; the machine's where None.

    Raises:
        QuerySyntaxError: with the place, what was expected, and often a repaired text.
    """
    from dblog.query.parser import parse_tree  # noqa: PLC0415 - see above

    return Query(text, parse_tree(text, now=now, timezone=timezone))


def where(fields: Mapping[str, object]) -> Query:
    """A query for exact values, without quoting: ``where({"level": "ERROR", "portfolio_id": "p-1"})``.

    Args:
        fields: field (a column, an alias, or a path into ``metadata``) → value: a str, int, float, bool or UUID
            to equal, None for absent, a datetime or µs for times, or a list, tuple or set of such values, of which
            one has to be equal.

    Raises:
        ConfigurationError: a value the field cannot be compared with.
    """
    from dblog.query.canonical import canonical  # noqa: PLC0415 - see above
    from dblog.query.parser import where_tree  # noqa: PLC0415 - see above

    tree = where_tree(fields)
    return Query(canonical(tree), tree)
