"""The queue of a writer that puts records on disk where they find no room in it, or the database is away.

A record is counted and placed in one critical section, as in ``dblog.buffer``: in the
queue or in a mapped file. An append is a few assignments into mapped memory: no
system call, and the GIL is never released.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from dblog.buffer import Buffer
from dblog.item import ITEM_SITE, ITEM_SIZE
from dblog.ledger import BY_BAND, BYTES, EMITTED, QUEUED, REASON, SPOOLED
from dblog.levels import BAND
from dblog.spool import ALONE, KEPT, encode, need

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from dblog.item import Item
    from dblog.ledger import Ledger
    from dblog.spool import Spool

__all__ = ["PATIENCE", "SpooledBuffer"]

_SPOOL_FULL: Final = REASON["spool_full"]
PATIENCE: Final = 0.5
"""Seconds a caller waits for another that makes room on disk already; without, its record would be lost."""


class SpooledBuffer(Buffer):
    """A ``Buffer`` with a spool behind it.

    Args:
        ledger: as for ``Buffer``, with the rest of ``sizes``.
        make: gives the spool to whoever needs it at once, or None where there can be none now.
        sizes: see ``Buffer``.
    """

    __slots__ = ("_make", "_nearly_bytes", "_nearly_records", "_patience")

    def __init__(
        self,
        ledger: Ledger,
        *,
        make: Callable[[], Spool | None],
        size: int,
        size_bytes: int,
        **sizes: object,
    ) -> None:
        super().__init__(ledger, size=size, size_bytes=size_bytes, **sizes)  # type: ignore[arg-type]  # its own
        self._make = make
        self._nearly_records, self._nearly_bytes = self._max_records * 9 // 10, self._max_bytes * 9 // 10
        self._patience = PATIENCE

    @property
    def refusal(self) -> int:
        """Neither the queue nor the disk had room; without a place on disk it is the queue's alone, as ever."""
        return super().refusal if self.spool is None else _SPOOL_FULL

    def put(self, item: Item, may_block: bool = True) -> bool:
        """As ``Buffer.put``; on disk where the queue is nearly full."""
        cells = self._cells
        if cells[QUEUED] >= self._nearly_records or cells[BYTES] + item[ITEM_SIZE] > self._nearly_bytes:
            placed = self._put_aside(item)
            if placed is not None:
                return placed
        return Buffer.put(self, item, may_block)

    def _put_aside(self, item: Item) -> bool | None:
        """On disk alone; None where there is no room."""
        spool, cells, band = self.spool or self._make(), self._cells, BAND[item[ITEM_SITE][1]]

        def count() -> bool:
            if self.closed:
                return False
            cells[EMITTED] = item[0] = cells[EMITTED] + 1
            cells[BY_BAND + band] += 1
            cells[SPOOLED] += 1
            self._noted[0] = item[0]
            return True

        # The writer makes the next segment in time. Where it hangs, the alternative is to lose the record.
        return self.parked if self._append(spool, item, ALONE, count, PATIENCE) else None

    def _append(
        self, spool: Spool | None, item: Item, flags: int, count: Callable[[], bool] = lambda: True, patience: float = 0
    ) -> bool:
        """Whether the record is on disk, counted in the same step; where ``count`` says no, it is not wanted there."""
        if spool is None:
            return False
        body = encode(item)
        band, length = BAND[item[ITEM_SITE][1]], need(body)
        for _ in range(2):
            with self._lock:
                at = spool.reserve(length, band)
                if at >= 0:
                    if counted := count():
                        spool.fill(at, item[0], time.time_ns() // 1000, body, flags)
                    return counted
            if not spool.grow(patience):
                break
        return False

    def spill(self, patience: float = 0) -> bool:
        """What waits goes to disk, the worst first; False where the disk took not all of it.

        Args:
            patience: seconds to wait for another that makes room, where what finds none is lost.
        """
        whole = self.spool is not None or not len(self)
        for deq in reversed(self._bands):
            while whole and deq:
                whole = self._spill_oldest(deq, patience)
        self._release_waiters()
        return whole

    def _spill_oldest(self, waiting: deque[Item], patience: float) -> bool:
        cells = self._cells
        try:
            item = waiting[0]
        except IndexError:  # gone meanwhile
            return True
        size = item[ITEM_SIZE]

        def count() -> bool:
            if not waiting or waiting[0] is not item:
                return False
            del waiting[0]
            cells[QUEUED] -= 1
            cells[BYTES] -= size
            cells[SPOOLED] += 1
            return True

        return self._append(self.spool, item, ALONE, count, patience) or not waiting or waiting[0] is not item

    def append(self, item: Item, *, kept: bool = False) -> bool:
        """A record that was taken goes to disk, alone or ``kept`` in hand as well; counted by whoever asks.

        It waits for another that makes room, until that was in vain.
        """
        done = self._append(self.spool, item, KEPT if kept else ALONE, patience=self._patience)
        self._patience = PATIENCE if done else 0
        return done

    def rest_on_disk(self) -> None:
        """At the end, where every record is on disk: what waits is there for whoever comes next."""
        cells = self._cells
        for deq in self._bands:
            while deq:
                with self._lock:
                    if deq:
                        size = deq[0][ITEM_SIZE]
                        del deq[0]
                        cells[QUEUED] -= 1
                        cells[BYTES] -= size
                        cells[SPOOLED] += 1
