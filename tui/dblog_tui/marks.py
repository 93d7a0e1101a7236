"""Rows somebody has marked, with notes: one file per database, in the user's state directory.

Marks are a convenience: a file that cannot be read is set aside, and what cannot be written is kept in memory.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from dblog.errors import ConfigurationError
from dblog_tui import userfiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Mark", "Marks", "marks_path"]

_MOST: Final = 1_000
"""Marks kept, the newest made."""
_LONGEST: Final = 500


class Mark(NamedTuple):
    """A marked entry; in the order of entries."""

    timestamp: int
    """µs, as the entry's."""
    id: UUID
    note: str = ""


def marks_path(safe_url: str, schema: str | None = None, table: str = "logs") -> Path:
    """Where the marks of a database lie; its URL is not to be read off the name."""
    import platformdirs  # noqa: PLC0415 - behind the first paint

    name = hashlib.sha256(json.dumps([safe_url, schema, table]).encode()).hexdigest()[:16]
    return platformdirs.user_state_path("dblog") / "marks" / f"{name}.json"


class Marks:
    """The marked entries of one database.

    Args:
        path: their file; None keeps them in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._marks: dict[UUID, Mark] = {}
        self.trouble = ""
        """A sentence, where marks could not be read or written; empty otherwise."""
        if path is not None:
            self._marks = self._read(path)

    def __len__(self) -> int:
        return len(self._marks)

    def __iter__(self) -> Iterator[Mark]:
        """In the order of entries, the oldest first."""
        return iter(sorted(self._marks.values()))

    def __contains__(self, entry_id: object) -> bool:
        return entry_id in self._marks

    def get(self, entry_id: UUID | None) -> Mark | None:
        """The mark of an entry; None without one."""
        return None if entry_id is None else self._marks.get(entry_id)

    def toggle(self, timestamp: int, entry_id: UUID) -> bool:
        """Mark an entry, or take its mark and note away; whether it is marked now."""
        marked = entry_id not in self._marks
        self._change(entry_id, Mark(timestamp, entry_id) if marked else None)
        return marked

    def note(self, timestamp: int, entry_id: UUID, note: str) -> None:
        """Mark an entry with a note; without one, the mark stays."""
        text = " ".join(note.split())[:_LONGEST].encode(errors="replace").decode()
        self._change(entry_id, Mark(timestamp, entry_id, text))

    def next(self, timestamp: int, entry_id: UUID, direction: int) -> Mark | None:
        """The nearest mark behind a place (direction 1: newer) or before it (-1: older)."""
        place = timestamp, entry_id
        if direction > 0:
            return min((mark for mark in self if mark[:2] > place), default=None)
        return max((mark for mark in self if mark[:2] < place), default=None)

    # -- the file -------------------------------------------------------------------------------------------------

    def _change(self, entry_id: UUID, mark: Mark | None) -> None:
        """Change one mark, in the file as it now is: another program may have marked something."""
        self._put(entry_id, mark)
        if self._path is None:
            return
        try:
            with userfiles.alone(self._path):
                self._marks = self._read(self._path)
                self._put(entry_id, mark)
                shown = [{"at": each.timestamp, "id": each.id.hex, "note": each.note} for each in self._marks.values()]
                userfiles.write(self._path, json.dumps({"marks": shown}))
            self.trouble = ""
        except ConfigurationError as error:
            self.trouble, self._path = f"marks are kept until you leave: {error}", None

    def _put(self, entry_id: UUID, mark: Mark | None) -> None:
        self._marks.pop(entry_id, None)
        if mark is not None:
            self._marks[entry_id] = mark
            for oldest in list(self._marks)[:-_MOST]:
                del self._marks[oldest]

    def _read(self, path: Path) -> dict[UUID, Mark]:
        try:
            text = userfiles.read(path)
            return {} if text is None else _marks_of(json.loads(text))
        except (ValueError, TypeError, KeyError, RecursionError):  # ConfigurationError is a ValueError
            aside = path.with_name(f"{path.name}.broken")
            self.trouble = f"marks could not be read; they are in {aside}"
            try:
                path.replace(aside)
            except OSError:
                self.trouble, self._path = f"marks could not be read from {path}; new ones are not kept", None
            return {}


def _marks_of(document: Any) -> dict[UUID, Mark]:
    marks = [Mark(int(each["at"]), UUID(each["id"]), str(each["note"])) for each in document["marks"]]
    return {mark.id: mark for mark in marks}
