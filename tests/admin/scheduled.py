"""A writer whose every step a test decides, with the real ledger, the real sink, and a model of what became of it."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from dblog.chores import _loss_entry
from dblog.entry import LogEntry
from dblog.ledger import EMITTED, QUEUED, REASON, SPOOLED, STORED, Ledger, Loss
from dblog.options import Options
from dblog.sink import Origin, Status
from dblog.store import opener
from tests.oracle import execute

if TYPE_CHECKING:
    from dblog.ledger import State
    from dblog.sink import Row

__all__ = ["Scheduled"]


class Scheduled:
    """One writer of a database.

    Args:
        url: the owner's, or any writer's.
        began: µs since 1970 UTC; now where None.
    """

    def __init__(self, url: str, began: int | None = None) -> None:
        began = time.time_ns() // 1000 if began is None else began
        self.url = url
        self.id = uuid.uuid4()
        self.origin = Origin(self.id, "shop", None, None, host="h", pid=1, started_at=began)
        self.ledger = Ledger()
        self.queue: list[int] = []
        self.stored: set[int] = set()
        self.reported: list[Loss] = []
        self._rows: list[Row] = []
        self._beat: Status | None = None
        self._moment = began
        self._sink = opener(url, Options())(self.origin)

    def put(self) -> None:
        """One record more waits."""
        self.ledger.cells[EMITTED] += 1
        self.ledger.cells[QUEUED] += 1
        self.queue.append(self.ledger.cells[EMITTED])

    def take(self, count: int) -> None:
        """The oldest that wait are stored."""
        for seq in self.queue[:count]:
            self._moment += 1
            made = LogEntry(self._moment, "INFO", 9, "shop", f"order {seq}")
            self._rows.append((seq, made))
            self.ledger.cells[QUEUED] -= 1
            self.ledger.cells[STORED] += 1
            self.stored.add(seq)
        del self.queue[:count]

    def refuse(self, reason: str) -> None:
        """One is lost at the door."""
        self.ledger.refuse(REASON[reason], 2)

    def evict(self, place: int) -> None:
        """One of those that wait gives way."""
        if self.queue:
            self.ledger.lose(QUEUED, self.queue.pop(place % len(self.queue)), REASON["evicted"], 2)

    def spill(self) -> None:
        """What waits goes to disk."""
        self.ledger.cells[QUEUED] -= len(self.queue)
        self.ledger.cells[SPOOLED] += len(self.queue)

    def report(self, *extra: Loss) -> None:
        """A loss row."""
        losses = [*(self.ledger.take_losses() if self.ledger.has_losses() else ()), *extra]
        self.reported += losses
        if (entry := _loss_entry(losses, self.id)) is not None:
            self._rows.append((None, entry))

    def beat(self, state: State = "RUNNING", ago: float = 0.0) -> None:
        """A heartbeat, so many seconds ago."""
        seen = time.time_ns() // 1000 - int(ago * 1e6)
        self._beat = Status(self.origin, seen, self.ledger.stats(state=state))

    def save(self) -> None:
        """All of it is in the database."""
        if self._rows:
            self._sink.refused_days(self._rows)  # makes them, just after midnight
            self._sink.write(self._rows)
            self._rows = []
        if self._beat is not None:
            self._sink.report(self._beat)
        self._sink.close()

    def delete(self, *numbers: int) -> None:
        """Behind our back."""
        if numbers:
            name = f"x'{self.id.hex}'" if self.url.startswith("sqlite") else f"'{self.id}'"
            some = ", ".join(map(str, numbers))
            execute(self.url, f"DELETE FROM logs WHERE instance_id = {name} AND seq IN ({some})")

    def run(self, steps: list[tuple[str, Any]]) -> None:
        """Methods by name, with their argument."""
        for name, argument in steps:
            getattr(self, name)(*(() if argument is None else (argument,)))
