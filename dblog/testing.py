"""For tests, yours and ours: a sink in memory that can fail on demand, and a pytest fixture.

::

    handler = dblog.DatabaseHandler(sink=MemorySink())

Use the fixture with ``pytest_plugins = ["dblog.testing"]``.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from dblog.errors import ErrorClass, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dblog.entry import LogEntry
    from dblog.sink import DeadLetter, Row, Status

__all__ = ["MemorySink"]


class MemorySink:
    """Keeps what a writer stores in lists; see ``dblog.sink.Sink``.

    Attributes:
        rows: ``(seq, entry)`` in the order stored; a resent row is stored once.
        letters: the dead letters.
        statuses: the heartbeats.
        statements: how many writes were attempted.
        fault: called with the rows before each write; raise a ``StoreError`` there to fail it.
    """

    dialect = "memory"

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.letters: list[DeadLetter] = []
        self.statuses: list[Status] = []
        self.statements = 0
        self.fault: Callable[[Sequence[Row]], None] | None = None
        self._stored: set[object] = set()
        self._lock = threading.Lock()

    @property
    def entries(self) -> list[LogEntry]:
        """What was stored, without the rows dblog adds itself."""
        return [entry for seq, entry in self.rows if seq is not None]

    @property
    def messages(self) -> list[str]:
        """The messages of ``entries``."""
        return [entry.message for entry in self.entries]

    def down(self, kind: ErrorClass = ErrorClass.RECONNECT) -> None:
        """From now on every write fails with an error of this class."""

        def fail(_rows: Sequence[Row]) -> None:
            raise StoreError(kind, "DOWN", "the memory sink was told to fail")

        self.fault = fail

    def up(self) -> None:
        """From now on writes succeed."""
        self.fault = None

    def write(self, rows: Sequence[Row], *, replay: bool = False) -> None:
        """Store the rows, unless ``fault`` says otherwise."""
        with self._lock:
            self.statements += 1
            if self.fault is not None:
                self.fault(rows)
            keys = [(entry.instance_id, seq) if seq is not None else entry.id for seq, entry in rows]
            known = [key in self._stored for key in keys]
            if any(known) and not replay:
                raise StoreError(ErrorClass.STORED, "23505", "a row of the batch is stored already")
            self._stored.update(keys)
            self.rows += [row for row, there in zip(rows, known, strict=True) if not there]

    def refused_days(self, _rows: Sequence[Row]) -> Sequence[int]:
        """None."""
        return ()

    def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters."""
        self.letters += letters

    def report(self, status: Status) -> None:
        """Keep the heartbeat."""
        self.statuses.append(status)

    def prune(self, _budget: float) -> int:
        """Nothing."""
        return 0

    def reachable(self) -> bool:
        """Whether a write would succeed."""
        return self.fault is None

    def abort(self) -> None:
        """Nothing blocks here."""

    def close(self) -> None:
        """Nothing is held."""

    def abandon(self) -> None:
        """Nothing is held."""
