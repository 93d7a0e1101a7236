"""What each database can do, declared: rooms and tests ask here, and sniff nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dblog.errors import ConfigurationError

__all__ = ["Capabilities", "capabilities_of"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What holds for one database, whatever it is used for."""

    tail: Literal["sequence", "snapshot", "overlap"]
    """How new rows are found: by an insertion counter, by transactions that ended, or by looking back and leaving
    out what was seen."""
    idempotent: Literal["row", "merge"]
    """What becomes of a row that is sent twice: refused, or one with the other once they are merged or read as such."""
    substring: Literal["scan", "trigram", "ngram"]
    """What finds a piece of a message without an index of one's own."""
    partitions: bool
    """Whether a day's rows are dropped as a whole."""
    roles: bool
    """Whether ``dblog grants`` has something to print."""
    regex: Literal["client", "server"]
    """Who evaluates a regular expression: a library in our process, or the database."""
    transactions: bool
    """Whether a failed batch, upgrade or deletion leaves nothing behind."""


_OF: Final = {
    "sqlite": Capabilities("sequence", "row", "scan", partitions=False, roles=False, regex="client", transactions=True),
    "postgresql": Capabilities(
        "snapshot", "row", "scan", partitions=True, roles=True, regex="server", transactions=True
    ),
    "clickhouse": Capabilities(
        "overlap", "merge", "ngram", partitions=True, roles=True, regex="server", transactions=False
    ),
}


def capabilities_of(dialect: str) -> Capabilities:
    """What this database can do.

    Raises:
        ConfigurationError: dblog knows no database of this name.
    """
    if dialect not in _OF:
        raise ConfigurationError(f"dialect={dialect!r} is not one of {', '.join(_OF)}")
    return _OF[dialect]
