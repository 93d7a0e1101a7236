"""The bounded queue between the application's threads and the writer.

One deque per severity band, so that the oldest record of the lowest severity can
give way; how batches are taken is ``dblog.taking``. Counting and queueing are one
critical section (see ``dblog.ledger``): a record is either counted in the queue or
counted as dropped, never in between.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING

from dblog.item import ITEM_SITE, ITEM_SIZE
from dblog.ledger import BY_BAND, BYTES, EMITTED, QUEUED, REASON
from dblog.levels import BAND
from dblog.taking import Taking

if TYPE_CHECKING:
    from collections import deque

    from dblog.item import Item
    from dblog.ledger import Ledger
    from dblog.spool import Spool

__all__ = ["Buffer"]

_QUEUE_FULL, _EVICTED, _CLOSED = (REASON[reason] for reason in ("queue_full", "evicted", "closed"))


class Buffer(Taking):
    """A queue bounded in records and bytes, with an overflow policy.

    Args:
        ledger: counts everything that happens here.
        size: records waiting at most.
        size_bytes: bytes waiting at most.
        overflow: one of ``dblog.options.OVERFLOW_POLICIES``.
        block_timeout: seconds a caller waits with ``overflow="block"``.
        high_water: waiting records at which the writer is woken at once.
        urgent_from: the severity from which a record sets ``urgent``.
    """

    __slots__ = (
        "_block_timeout",
        "_high_water",
        "_max_bytes",
        "_max_records",
        "_noted",
        "_overflow",
        "_urgent_from",
        "closed",
        "parked",
        "spool",
        "urgent",
    )

    def __init__(
        self,
        ledger: Ledger,
        *,
        size: int,
        size_bytes: int,
        overflow: str,
        block_timeout: float,
        high_water: int,
        urgent_from: int = 25,
    ) -> None:
        super().__init__(ledger)
        self.parked = True
        """Nobody is looking: the writer sleeps without a timeout, or does not run. ``put`` then returns True."""
        self.urgent = False
        """A record of ``flush_level`` waits, or a caller waits for room."""
        self.closed = False
        self.spool: Spool | None = None
        """What the writer keeps on disk; set by whoever makes it."""
        self._max_records = size
        self._max_bytes = size_bytes
        self._overflow = overflow
        self._block_timeout = block_timeout
        self._high_water = min(high_water, size)
        self._urgent_from = urgent_from
        self._noted: list[int] | memoryview = [0]
        """Its only word is the number of records emitted, kept where it outlives the process; see ``note_in``."""

    def note_in(self, word: memoryview) -> None:
        """From now on the number of records emitted is written, with each, to what outlives the process."""
        with self._lock:
            word[0] = self._cells[EMITTED]
            self._noted = word

    @property
    def refusal(self) -> int:
        """The reason of a record that finds no room."""
        return _QUEUE_FULL

    def half_full(self) -> bool:
        """Whether so much waits that nobody should linger."""
        cells = self._cells
        return cells[QUEUED] >= self._high_water or 2 * cells[BYTES] >= self._max_bytes

    def put(self, item: Item, may_block: bool = True) -> bool:
        """Queue one record or count it as dropped; True when the writer has to be woken.

        Nothing may be allocated inside the critical section that the garbage collector tracks: a collection there
        could run a finaliser that logs.
        """
        size = item[ITEM_SIZE]
        severity = item[ITEM_SITE][1]
        band = BAND[severity]
        cells = self._cells
        deadline = None
        while True:
            with self._lock:
                # Straight-line until append: see the module docstring of dblog.ledger.
                if cells[QUEUED] < self._max_records and cells[BYTES] + size <= self._max_bytes:
                    cells[EMITTED] = item[0] = seq = cells[EMITTED] + 1
                    cells[BY_BAND + band] += 1
                    cells[QUEUED] += 1
                    cells[BYTES] += size
                    if severity >= self._urgent_from:  # in here, or a round could take the flag before the record
                        self.urgent = True
                    self._bands[band].append(item)
                    self._noted[0] = seq
                    return self.parked or cells[QUEUED] == self._high_water
            if self.closed:
                self.ledger.refuse(_CLOSED, band)
                return False
            if deadline is None:
                deadline = time.monotonic() + (self._block_timeout if may_block else 0.0)
            if size > self._max_bytes or not self._make_room(band, size, deadline):
                self.ledger.refuse(self.refusal, band)
                return True

    def _make_room(self, band: int, size: int, deadline: float) -> bool:
        """True when it is worth another try; by the policy, room was made or waited for."""
        if self._overflow == "drop_newest":
            return False
        if self._overflow == "block":
            return self._wait_for_room(size, deadline)
        with self._lock:
            while self._full(size):
                try:
                    victims = self._giving_way(band)
                except (
                    IndexError
                ):  # emptied by a signal handler or finaliser that logged in this very thread: look again
                    continue
                if victims is None:
                    return False
                self._lose_oldest(victims, _EVICTED)
        return True

    def _giving_way(self, band: int) -> deque[Item] | None:
        """The queue whose oldest record gives way to one of ``band``; None when none does."""
        live = [(lowest, deq) for lowest, deq in enumerate(self._bands) if deq]
        if self._overflow == "drop_oldest":
            return min((deq for _, deq in live), key=lambda deq: deq[0][0], default=None)
        return live[0][1] if live and live[0][0] < band else None

    def _lose_oldest(self, waiting: deque[Item], reason: int) -> None:
        """The oldest of a band goes, unless it has gone already, as above."""
        try:
            item = waiting[0]
        except IndexError:
            return
        self.ledger.lose(QUEUED, item[0], reason, BAND[item[ITEM_SITE][1]], item[ITEM_SIZE], waiting=waiting)

    def _full(self, size: int) -> bool:
        cells = self._cells
        return cells[QUEUED] >= self._max_records or cells[BYTES] + size > self._max_bytes

    def _wait_for_room(self, size: int, deadline: float) -> bool:
        while self._full(size) and not self.closed:
            gate = allocate_lock()
            gate.acquire()
            self._waiters.append(gate)
            try:
                self.urgent = True
                self.notify()
                # Looked at again: room made before the gate stood in the row has opened no gate.
                if self._full(size) and not gate.acquire(timeout=max(0.0, deadline - time.monotonic())):
                    return not self._full(size)
            finally:
                with suppress(ValueError):  # opened, and gone
                    self._waiters.remove(gate)
        return True

    def close(self) -> None:
        """From now on every ``put`` is counted as dropped{closed}."""
        with self._lock:
            self.closed = True
            self._max_records = -1
        self._release_waiters()

    def discard(self, reason: int) -> None:
        """Nothing more will be taken: everything still waiting is counted as dropped for ``reason``."""
        for deq in self._bands:
            while deq:
                self._lose_oldest(deq, reason)
        self._release_waiters()
