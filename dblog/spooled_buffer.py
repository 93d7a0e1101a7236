"""The queue of a writer that may put records on disk: in its place when it is full, or before ``emit`` returns.

A record is counted and placed in one critical section, as in ``dblog.buffer``: in the
queue, in a mapped file, or both. An append is a few assignments into mapped memory: no
system call, and the GIL is never released.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from dblog.buffer import Buffer
from dblog.item import ITEM_SITE, ITEM_SIZE, compact, expand
from dblog.ledger import BY_BAND, BYTES, EMITTED, QUEUED, REASON, SPOOLED
from dblog.levels import BAND
from dblog.repair import FUTURE, PAST, clamp
from dblog.spool import ALONE, KEPT, encode, need

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from dblog.item import Item
    from dblog.ledger import Ledger
    from dblog.spool import Spool

__all__ = ["SpooledBuffer"]

_HOUR: Final = 3600 * 1_000_000
_SPOOL_FULL: Final = REASON["spool_full"]
_PATIENCE: Final = 0.5
"""Seconds a caller waits for another that makes room on disk already; without, its record would be lost."""


class SpooledBuffer(Buffer):
    """A ``Buffer`` with a spool behind it.

    Args:
        ledger: as for ``Buffer``, with the rest of ``sizes``.
        durable_from: the severity from which a record is on disk before ``put`` returns; 25 for none.
        make: gives the spool to whoever needs it at once, or None where there can be none now.
        sizes: see ``Buffer``.
    """

    __slots__ = ("_around", "_durable_from", "_make", "_nearly_bytes", "_nearly_records", "unsaved")

    def __init__(
        self,
        ledger: Ledger,
        *,
        durable_from: int,
        make: Callable[[], Spool | None],
        size: int,
        size_bytes: int,
        **sizes: object,
    ) -> None:
        super().__init__(ledger, size=size, size_bytes=size_bytes, **sizes)  # type: ignore[arg-type]  # its own
        self.unsaved = 0
        """Records that should be on disk, and found no room there either: they are in memory only."""
        self._durable_from = durable_from
        self._around = 0
        """µs: a time that could be stored lately."""
        self._make = make
        self._refusal = _SPOOL_FULL
        self._nearly_records, self._nearly_bytes = self._max_records * 9 // 10, self._max_bytes * 9 // 10

    def put(self, item: Item, may_block: bool = True) -> bool:
        """As ``Buffer.put``; on disk where the queue is nearly full, or the record is to be durable."""
        cells = self._cells
        if item[ITEM_SITE][1] >= self._durable_from:
            placed = self._put_durably(item)
        elif cells[QUEUED] >= self._nearly_records or cells[BYTES] + item[ITEM_SIZE] > self._nearly_bytes:
            placed = self._put_aside(item)
        else:
            placed = None
        return Buffer.put(self, item, may_block) if placed is None else placed

    def _put_durably(self, item: Item) -> bool | None:
        """On disk, and in the queue where there is room; None where the disk takes nothing."""
        spool = self.spool or self._make()
        if spool is None:
            self.unsaved += 1
            return None
        if not -_HOUR < item[1] - self._around < _HOUR:
            item = self._timely(item)
        body = encode(item)
        size, severity = item[ITEM_SIZE], item[ITEM_SITE][1]
        band, length = BAND[severity], need(body)
        cells = self._cells
        for _ in range(2):
            if band < spool.least or length > spool.largest:
                break
            with self._lock:
                at = -1 if self.closed else _reserve(spool, length)
                if at >= 0:
                    room = cells[QUEUED] < self._max_records and cells[BYTES] + size <= self._max_bytes
                    cells[EMITTED] = item[0] = cells[EMITTED] + 1
                    cells[BY_BAND + band] += 1
                    if room:
                        cells[QUEUED] += 1
                        cells[BYTES] += size
                        if severity >= self._urgent_from:
                            self.urgent = True
                        self._bands[band].append(item)
                    else:
                        cells[SPOOLED] += 1
                    # No call came before this: the queue is in the order of seq.
                    if self._note is not None:
                        self._note(item[0])
                    spool.fill(at, item[0], body, KEPT if room else ALONE)
                    return self.parked or cells[QUEUED] == self._high_water
            # The writer makes the next segment in time; where it could not, what was promised is worth the wait.
            if self.closed or not spool.grow(_PATIENCE):
                break
        self.unsaved += 1
        return None

    def _timely(self, item: Item) -> Item:
        """The item with a time that can be stored: its id, which is made of it, must be the same at every replay."""
        now = time.time_ns() // 1000
        if now - PAST <= item[1] <= now + FUTURE:
            self._around = item[1]
            return item
        return compact(clamp(expand(item), now))

    def _put_aside(self, item: Item) -> bool | None:
        """On disk alone; None where there is no room."""
        spool = self.spool or self._make()
        if spool is None:
            return None
        body = encode(item)
        band, length = BAND[item[ITEM_SITE][1]], need(body)
        cells = self._cells
        for _ in range(2):
            if band < spool.least or length > spool.largest:
                break
            with self._lock:
                at = -1 if self.closed else _reserve(spool, length)
                if at >= 0:
                    cells[EMITTED] = item[0] = cells[EMITTED] + 1
                    cells[BY_BAND + band] += 1
                    cells[SPOOLED] += 1
                    if self._note is not None:
                        self._note(item[0])
                    spool.fill(at, item[0], body, ALONE)
                    return self.parked
            # The writer makes the next segment in time. Where it hangs, the alternative is to lose the record.
            if self.closed or not spool.grow(_PATIENCE):
                break
        return None

    def spill(self) -> bool:
        """What waits goes to disk, the worst first; False where the disk took not all of it."""
        spool = self.spool
        if spool is None:
            return not len(self)
        whole = True
        for deq in reversed(self._bands):
            while whole and deq:
                whole = self._spill_oldest(spool, deq)
        self._release_waiters()
        return whole

    def _spill_oldest(self, spool: Spool, waiting: deque[Item]) -> bool:
        cells = self._cells
        try:
            item = waiting[0]
        except IndexError:  # gone meanwhile
            return True
        body = encode(item)
        length, size = need(body), item[ITEM_SIZE]
        if BAND[item[ITEM_SITE][1]] < spool.least or length > spool.largest:
            return False
        with self._lock:
            if not waiting or waiting[0] is not item:
                return True
            at = _reserve(spool, length)
            if at >= 0:
                spool.fill(at, item[0], body, ALONE)
                del waiting[0]
                cells[QUEUED] -= 1
                cells[BYTES] -= size
                cells[SPOOLED] += 1
                return True
        return spool.grow()

    def append(self, item: Item, *, kept: bool = False) -> bool:
        """A record that was taken goes to disk, alone or ``kept`` in hand as well; counted by whoever asks."""
        spool = self.spool
        if spool is None:
            return False
        body = encode(item)
        length = need(body)
        for _ in range(2):
            if length > spool.largest or BAND[item[ITEM_SITE][1]] < spool.least:
                break
            with self._lock:
                at = _reserve(spool, length)
                if at >= 0:
                    spool.fill(at, item[0], body, KEPT if kept else ALONE)
                    return True
            if not spool.grow():
                break
        return False

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


def _reserve(spool: Spool, length: int) -> int:
    """Where a frame of this length goes in the current segment, or the next; -1 where there is no room.

    Taken before anything is written there: a finaliser or signal handler of this thread that logs gets the place
    behind it.
    """
    while True:
        place = spool.place
        at = place[0]
        if at + length <= place[1]:
            place[0] = at + length
            return at
        if not spool.turn():
            return -1
