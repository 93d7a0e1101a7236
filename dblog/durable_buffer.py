"""The queue of a writer whose records are on disk before ``emit`` returns.

What every logging call pays: so it makes hardly a call, and says again what
``dblog.buffer`` and ``Appending.reserve`` say.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from dblog.buffer import Buffer
from dblog.item import ITEM_SITE, ITEM_SIZE, compact, expand
from dblog.ledger import BY_BAND, BYTES, EMITTED, QUEUED, SPOOLED, UNSAVED
from dblog.levels import BAND
from dblog.repair import FUTURE, PAST, clamp
from dblog.spool import ALONE, FRAME, KEPT, LOW, encode, write
from dblog.spooled_buffer import PATIENCE, SpooledBuffer

if TYPE_CHECKING:
    from dblog.item import Item
    from dblog.ledger import Ledger

__all__ = ["DurableBuffer"]

_HALF_AN_HOUR: Final = 31
"""Bits of µs that make one, nearly."""
_AROUND_BODY: Final = FRAME.size + 7


class DurableBuffer(SpooledBuffer):
    """A ``SpooledBuffer`` that puts records on disk as well as in the queue.

    Args:
        ledger: as for ``SpooledBuffer``, with ``others``.
        durable_from: the severity from which it does so.
        others: see ``SpooledBuffer``.
    """

    __slots__ = ("_durable_from", "_lately")

    def __init__(self, ledger: Ledger, *, durable_from: int, **others: Any) -> None:
        super().__init__(ledger, **others)
        self._durable_from = durable_from
        self._lately = 0
        """The half an hour in which ``_timely`` last looked."""

    def put(self, item: Item, may_block: bool = True) -> bool:
        """As ``Buffer.put``; on disk, and in the queue where there is room."""
        severity = item[ITEM_SITE][1]
        if severity < self._durable_from:
            return SpooledBuffer.put(self, item, may_block)
        spool = self.spool or self._make()
        moment = item[1]
        if moment >> _HALF_AN_HOUR != self._lately:
            item, moment = self._timely(item)
        body = encode(item)
        size, band, length, tried = item[ITEM_SIZE], BAND[severity], len(body) + _AROUND_BODY & ~7, False
        cells = self._cells
        while spool is not None:
            place = spool.place
            with self._lock:
                at = place[0]
                if at + length <= place[1] and not self.closed:
                    place[0], segment = at + length, spool.current
                else:
                    at, segment = -1 if self.closed else spool.reserve(length, band), None
                if at >= 0:
                    room = cells[QUEUED] < self._max_records and cells[BYTES] + size <= self._max_bytes
                    cells[EMITTED] = item[0] = seq = cells[EMITTED] + 1
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
                    self._noted[0] = seq
                    if segment is not None and room:
                        write(segment.map, at & LOW, segment.salt, seq, moment, body, KEPT)
                    else:
                        spool.fill(at, seq, moment, body, KEPT if room else ALONE)
                    return self.parked or cells[QUEUED] == self._high_water
            # The writer makes the next segment in time; where it could not, what was promised is worth the wait.
            if tried or self.closed or not spool.grow(PATIENCE):
                break
            tried = True
        self._count_unsaved()
        return Buffer.put(self, item, may_block)

    def _count_unsaved(self) -> None:
        """The disk does not take it: it is in memory only. What comes after the end was promised nothing."""
        cells = self._cells
        with self._lock:
            cells[UNSAVED] += not self.closed

    def _timely(self, item: Item) -> tuple[Item, int]:
        """The item with a time that can be stored, and now: its id, made of its time, must be the same at each replay.

        Whatever is of the same half an hour needs no look at the clock: its own time is as good.
        """
        now = time.time_ns() // 1000
        self._lately = now >> _HALF_AN_HOUR
        if now - PAST <= item[1] <= now + FUTURE:
            return item, now
        return compact(clamp(expand(item), now)), now
