"""What is accounted for, and who waits to hear of it.

A number is settled when its record is stored, dropped, failed, or on disk and nowhere else. It stores nothing: who
waits sees that somebody does.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dblog.ledger import EMITTED, IN_FLIGHT, QUEUED

if TYPE_CHECKING:
    from collections.abc import Callable

    from dblog.buffer import Buffer
    from dblog.ledger import Ledger

__all__ = ["Settling"]

_PATIENCE = 0.5
"""Seconds somebody waits before he looks for himself."""


class Settling:
    """How far one writer is.

    Args:
        ledger: of the writer.
        buffer: its queue.
    """

    def __init__(self, ledger: Ledger, buffer: Buffer) -> None:
        self.up_to = 0
        """Every record up to this ``seq`` is settled."""
        self._ledger, self._buffer = ledger, buffer
        self._gates: deque[Any] = deque()

    def emitted(self) -> int:
        """The number to wait for: of the last record emitted."""
        with self._ledger.lock:
            return self._ledger.cells[EMITTED]

    def reached(self, target: int) -> bool:
        """Whether everything up to this number is settled."""
        cells = self._ledger.cells
        with self._ledger.lock:
            return self.up_to >= target or not (cells[QUEUED] or cells[IN_FLIGHT])

    def look(self) -> int:
        """Nothing is in hand: everything before the oldest waiting record is settled; up to which number that is."""
        cells = self._ledger.cells
        with self._ledger.lock:
            if not cells[IN_FLIGHT]:  # else a thread is stuck with them
                oldest = self._buffer.oldest_seq()
                self.up_to = cells[EMITTED] if oldest is None else oldest - 1
        return self.up_to

    def wait(self, settled: Callable[[], bool], deadline: float, hurry: Callable[[], object]) -> None:
        """Wait for a batch to be over, for a moment; whoever wants to know looks again.

        Args:
            settled: what is waited for.
            deadline: monotonic time to be back by.
            hurry: sees that somebody stores, once the gate stands.
        """
        gate = allocate_lock()
        gate.acquire()
        self._gates.append(gate)
        try:
            hurry()
            if not settled():
                gate.acquire(timeout=max(0.0, min(deadline - time.monotonic(), _PATIENCE)))
        finally:
            with suppress(ValueError):  # opened, and gone
                self._gates.remove(gate)

    def open_gates(self) -> None:
        """Whoever waits looks again."""
        while self._gates:
            try:
                self._gates.popleft().release()
            except (IndexError, RuntimeError):
                continue
