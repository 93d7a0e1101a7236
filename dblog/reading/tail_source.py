"""What a tail asks of a database, whichever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.entry import LogEntry

__all__ = ["Found", "TailSource"]


class Found(NamedTuple):
    """What one poll found."""

    entries: Sequence[LogEntry] = ()
    """In any order."""
    skipped: int = 0
    more: bool = False
    """There is more that was there already."""
    notice: str | None = None
    anew: bool = False
    """What was found before need not be there any more."""


class TailSource(Protocol):
    """New rows of one database, and the place up to which they have been read.

    A poll that raises has not moved the place.
    """

    async def poll(self, limit: int, *, lossless: bool) -> Found:
        """What has been committed since the place, which moves behind it; the first one only finds the place.

        Args:
            limit: entries at most, the newest; ``skipped`` counts the others.
            lossless: the first ``limit`` instead, in the database's own order; ``more`` where others are left.

        Raises:
            StoreUnavailable: the database cannot be had now.
            QueryTimeout: the query took too long.
        """

    def place(self) -> str:
        """The place as text, without a dot; to be given to the constructor."""

    def lost(self) -> None:
        """The database was away: the next poll makes sure of what it has."""

    async def aclose(self) -> None:
        """Give back what it holds."""
