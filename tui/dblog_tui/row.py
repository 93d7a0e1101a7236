"""A row of a window: an entry, or a mark between entries; its place, and how little of an entry a row keeps."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from dblog.entry import LogEntry

__all__ = ["LAST", "Key", "Mark", "Row", "behind", "key_of", "slim"]

_LONGEST: Final = 1024
"""Characters of a message, and of metadata, that a row keeps; the rest is loaded with the detail."""
LAST: Final = 1 << 128
"""Behind the number of every id."""

Key: TypeAlias = tuple[int, int]
"""A row's place: its timestamp, and its id as a number."""


class Mark(NamedTuple):
    """A line between entries: the connection was lost here, or the like."""

    timestamp: int
    """Of the entry it stands behind."""
    text: str
    at: int | None = None
    """µs: when it was drawn."""

    @property
    def key(self) -> Key:
        """Behind every entry of its moment."""
        return self.timestamp, LAST


Row: TypeAlias = LogEntry | Mark


def key_of(row: Row) -> Key:
    """The place of a row; an entry has been stored."""
    if isinstance(row, Mark):
        return row.key
    return row.timestamp, row.id.int if row.id is not None else 0


def slim(entry: LogEntry) -> LogEntry:
    """The entry as a row needs it: long texts cut, the traceback left out; what is short stays the same object."""
    metadata = entry.metadata
    if entry.exc_text is None and len(entry.message) <= _LONGEST and (metadata is None or len(metadata) <= _LONGEST):
        return entry
    return entry._replace(
        message=entry.message[:_LONGEST],
        metadata=None if metadata is None or len(metadata) > _LONGEST else metadata,
        exc_text=None,
        template=entry.template[:_LONGEST] if entry.template else None,
        exc_message=entry.exc_message[:_LONGEST] if entry.exc_message else None,
    )


def behind(key: Key) -> Key:
    """The place right behind a row."""
    return key[0], key[1] + 1
