"""The writer's half of the queue: sleep until woken, take the oldest, put back what a struck writer had taken.

It refuses to judge what may come in; that is ``dblog.buffer``.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from dblog.item import ITEM_SITE, ITEM_SIZE
from dblog.ledger import BYTES, IN_FLIGHT, QUEUED
from dblog.levels import BAND, BANDS

if TYPE_CHECKING:
    from dblog.item import Item
    from dblog.ledger import Ledger

__all__ = ["Taking"]

_CHUNK = 128
"""Records moved per lock hold when a batch is taken: callers wait for microseconds, not for a whole batch."""


class Taking:
    """What waits, one deque per severity band, and how it leaves.

    Args:
        ledger: counts everything that happens here.
    """

    __slots__ = ("_bands", "_cells", "_lock", "_waiters", "_wake", "ledger", "taken")

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.taken: list[Item] = []
        """The batch between ``take`` and the hands of whoever stores it; emptied by him."""
        self._cells = ledger.cells
        self._lock = ledger.lock
        self._bands: tuple[deque[Item], ...] = tuple(deque() for _ in range(BANDS))
        self._waiters: deque[Any] = deque()
        """Of callers who wait for room."""
        # A binary semaphore made of a C lock: unlike threading.Event it can be set from a signal handler
        # that interrupted the very same call.
        self._wake = allocate_lock()
        self._wake.acquire()

    def __len__(self) -> int:
        return self._cells[QUEUED]

    def _release_waiters(self) -> None:
        while self._waiters:
            try:
                self._waiters.popleft().release()
            except (IndexError, RuntimeError):  # taken by another thread meanwhile; the gate timed out
                continue

    def notify(self) -> None:
        """Wake the writer; from any thread, from a signal handler, any number of times."""
        try:
            self._wake.release()
        except RuntimeError:
            return  # already woken

    def wait(self, timeout: float) -> bool:
        """The writer's sleep: True when woken, False after ``timeout`` seconds."""
        return self._wake.acquire(timeout=max(0.0, timeout))

    def take(self, limit: int, limit_bytes: int) -> list[Item]:
        """The next batch in ``seq`` order, moved from queued to in flight; at least one record if any waits.

        A writer can be struck down at any call (``PyThreadState_SetAsyncExc``, ``MemoryError``). So each record is in
        ``taken`` before it leaves its queue: struck here, nothing is lost, and ``recover`` tells what is where.
        """
        taken: list[Item] = []
        self.taken = taken
        room = limit_bytes
        cells = self._cells
        while len(taken) < limit and room > 0:
            with self._lock:
                chunk, freed = self._oldest(min(_CHUNK, limit - len(taken)), room, first=not taken)
                count = len(chunk)
                taken += chunk
                self._remove(chunk)
                cells[QUEUED] -= count
                cells[IN_FLIGHT] += count
                cells[BYTES] -= freed
            if not chunk:
                break
            room -= freed
        self._release_waiters()
        return taken

    def _oldest(self, limit: int, room: int, *, first: bool) -> tuple[list[Item], int]:
        """At most ``limit`` items and ``room`` bytes, but ``first`` at least one; and their bytes."""
        live = [deq for deq in self._bands if deq]
        if len(live) == 1:
            chunk = list(islice(live[0], limit))
        else:
            chunk = sorted(chain.from_iterable(islice(deq, limit) for deq in live))[:limit]
        total = sum([item[ITEM_SIZE] for item in chunk])
        while total > room and len(chunk) > first:
            total -= chunk.pop()[ITEM_SIZE]
        return chunk, total

    def _remove(self, chunk: list[Item]) -> None:
        """Take the oldest items off their queues."""
        last = chunk[-1][0] if chunk else 0
        for deq in self._bands:
            while deq and deq[0][0] <= last:
                deq.popleft()

    def recover(self, in_hand: set[int]) -> None:
        """The writer was struck: what it had taken and has not got ``in_hand`` waits again, and is counted so.

        Struck in here it may be called once more. The cells are counted anew from where the records are, not from one
        another.
        """
        cells = self._cells
        with self._lock:
            back = sorted(item for item in self.taken if item[0] not in in_hand)
            self._remove(sorted(self.taken))
            for index, deq in enumerate(self._bands):
                deq.extendleft([item for item in reversed(back) if BAND[item[ITEM_SITE][1]] == index])
            self.taken = []
            queued = sum(map(len, self._bands))
            waiting = sum(item[ITEM_SIZE] for deq in self._bands for item in deq)
            cells[QUEUED] = queued
            cells[BYTES] = waiting
            cells[IN_FLIGHT] = len(in_hand)

    def oldest_seq(self) -> int | None:
        """The lowest ``seq`` waiting, None when nothing waits."""
        with self._lock:
            return min((deq[0][0] for deq in self._bands if deq), default=None)
