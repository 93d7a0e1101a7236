"""A DatabaseHandler that keeps what would be stored, at once and in the caller's thread: no writer to wait for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import dblog
from dblog.item import expand
from dblog.testing import MemorySink

if TYPE_CHECKING:
    from dblog.entry import LogEntry
    from dblog.item import Item

__all__ = ["Caught"]


class Caught(dblog.DatabaseHandler):
    """Real filters and a real capture; ``entries`` are what the writer would be handed."""

    def __init__(self, level: int | str = logging.NOTSET, **options: Any) -> None:
        super().__init__(sink=MemorySink(), level=level, **options)
        self.entries: list[LogEntry] = []
        self._put = self._keep

    def _keep(self, item: Item, may_block: bool = True) -> bool:
        self.entries.append(expand(item))
        return False

    def take(self) -> list[LogEntry]:
        """The entries since the last call."""
        entries, self.entries = self.entries, []
        return entries

    def only(self) -> LogEntry:
        """The one entry since the last call."""
        (entry,) = self.take()
        return entry
