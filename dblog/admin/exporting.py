"""``export``: everything that matches, the oldest first, page by page, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from dblog.errors import ConfigurationError
from dblog.reading.values import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.admin.formats import Format
    from dblog.query import Query
    from dblog.reader import LogReader

__all__ = ["Output", "Progress", "export"]

_PAGE: Final = 1000


class Output(Protocol):
    """Where the pieces go: ``partfile.PartFile`` or ``partfile.Stream``."""

    def append(self, piece: bytes, state: dict[str, Any], /) -> None:
        """Write a piece, and remember the state."""

    def finish(self) -> None:
        """All is written."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an export stands."""

    cursor: Cursor
    """The last entry written."""
    count: int = 0

    def state(self) -> dict[str, Any]:
        """For ``PartFile.append``."""
        return {"cursor": str(self.cursor), "count": self.count}

    @classmethod
    def of(cls, state: dict[str, Any]) -> Progress:
        """The inverse of ``state``.

        Raises:
            ConfigurationError: it is none.
        """
        cursor, count = state.get("cursor"), state.get("count")
        if not isinstance(cursor, str) or not isinstance(count, int):
            raise ConfigurationError("the side file of the export is damaged: begin anew")
        return cls(Cursor.parse(cursor), count)


async def export(
    reader: LogReader,
    query: Query,
    shape: Format,
    output: Output,
    *,
    asked: dict[str, Any],
    since: Progress | None = None,
    limit: int | None = None,
    report: Callable[[int], None] = lambda _: None,
) -> int:
    """Write what matches, the oldest first; how many entries the output then holds.

    Entries that are stored behind the place it has reached while it runs are not in it; those before are.

    Args:
        reader: where to read.
        query: which entries.
        shape: how they are written.
        output: where to.
        asked: what a resumed export must have been asked for, too; remembered with each piece.
        since: where an interrupted export stood.
        limit: entries at most; None for all.
        report: called with the number of entries written so far.

    Raises:
        StoreError: the database is away; the output can be resumed.
        OSError: the output cannot be written.
    """
    progress = since or Progress(Cursor.at(0))
    if since is None:
        output.append(shape.head(), asked | progress.state())
    while (room := _PAGE if limit is None else min(_PAGE, limit - progress.count)) > 0:
        page = await reader.search(query, after=progress.cursor, limit=room)
        entries = page.entries[::-1]
        if not entries:
            break
        piece = shape.body(entries, first=not progress.count)
        progress = Progress(Cursor.of(entries[-1]), progress.count + len(entries))
        output.append(piece, asked | progress.state())
        report(progress.count)
        if len(entries) < room:
            break
    output.append(shape.tail(empty=not progress.count), asked | progress.state())
    output.finish()
    return progress.count
