"""What one writer keeps on disk: when, and how it comes back.

``memory``: a page of counters alone, so that after SIGKILL the next process can say how
many records were lost. ``spool``: records too, where the database has been away for a
second, where the queue is nearly full, and at an end that comes too soon. ``durable``:
always, before ``emit`` returns. A record is on disk until it is stored; what a process
leaves there is stored by the next one (``dblog.adoption``).
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from typing import TYPE_CHECKING, Final

from dblog.diagnostics import complain
from dblog.disk import Disk
from dblog.item import compact
from dblog.ledger import DROPPED, EMITTED, FAILED, IN_FLIGHT, REASON, SPOOLED, STORED, UNSAVED
from dblog.spool import Counts, Spool, decode
from dblog.spooled_buffer import PATIENCE, SpooledBuffer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dblog.delivery import Delivery
    from dblog.entry import LogEntry
    from dblog.item import Item
    from dblog.ledger import Ledger
    from dblog.options import Options
    from dblog.sink import Origin, Row

__all__ = ["Spooling"]

_TROUBLE: Final = 1.0
"""Seconds without the database after which what is in memory goes to disk."""
_EXPIRE_EVERY: Final = 60.0
_DAMAGED, _EXPIRED = REASON["damaged"], REASON["spool_expired"]


class Spooling(Disk):
    """What one writer has on its disk.

    Args:
        options: which records, how many, how long.
        origin: whose they are.
        ledger: counts them.
    """

    def __init__(self, options: Options, origin: Origin, ledger: Ledger) -> None:
        super().__init__(options, origin, ledger)
        self._aside = allocate_lock()
        """Held by whoever puts aside: the writer between two attempts, or somebody else while it hangs in one."""
        self._since: float | None = None
        """Monotonic time since when the database is away."""
        self._back: set[int] = set()
        """What was read back, and is not known to be stored."""
        self._copied: set[int] = set()
        """What is in hand, and on disk as well."""
        self._began = 0
        """``stored`` when the batch in hand was taken."""
        self._counted = Counts()
        """What the page of counters says."""
        self._done = 0
        """Records read back and stored."""
        self._reached = 0
        """Up to where on disk everything is counted."""
        self._given_up = False
        """What was read back is not stored, and there is no time left for it."""
        self._unsaved = 0
        """Records that found no room on disk, as far as that was said."""
        self._doubted = False
        """Something on disk does not even say whose it was; what is missing in the end, was there."""
        self._next_expiry = time.monotonic() + _EXPIRE_EVERY
        self._left: int | None = None
        """From this ``seq`` on, what is on disk is left there for whoever comes later."""

    # -- for any thread ---------------------------------------------------------------------------------------

    def _create(self, folder: Path) -> None:
        super()._create(folder)
        self._counted = self._counted._replace(stored=self._ledger.cells[STORED])
        self._ledger.on_told = self.recount
        self.recount()

    def put_aside(self, delivery: Delivery) -> None:
        """What waits goes to disk, and a copy of what is in hand; called again and again while the writer hangs."""
        spool = self.make() if self.records else None
        if spool is None or not self._aside.acquire(blocking=False):
            return
        try:
            if spool.wants:
                spool.grow()
            if isinstance(self.buffer, SpooledBuffer) and not self.whole:
                self.buffer.spill()
                self._copy(self.buffer, delivery)
        finally:
            self._aside.release()

    @property
    def written(self) -> int:
        """Records that were put on disk and nowhere else so far, in the order in which they are stored."""
        spool = self.buffer.spool
        return self._done if spool is None else self._done + spool.pending

    def is_stored(self, written: int) -> bool:
        """Whether so many of them are done with."""
        spool = self.buffer.spool
        return spool is None or not spool.pending or self._done >= written

    # -- for the writer's thread ------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Something on disk is to be stored."""
        spool = self.buffer.spool
        return spool is not None and spool.pending > len(self._back)

    def in_trouble(self, delivery: Delivery) -> None:
        """The database does not answer: after a second what waits goes to disk, and a copy of what is in hand."""
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since < _TROUBLE:
            return
        if self.buffer.spool is not None:
            self._expire(self.buffer.spool)
        self.put_aside(delivery)

    def well(self) -> None:
        """The database has stored what was in hand."""
        self._since = None

    def load_back(self, delivery: Delivery) -> None:
        """Take a batch from disk in hand."""
        spool, options = self.buffer.spool, self._options
        if spool is None:
            return
        items: list[Item] = []
        for seq, body in spool.read(options.batch_size, options.batch_bytes):
            try:
                items.append(decode(body, seq))
            except ValueError:  # a whole frame that another version wrote
                self._ledger.lose(SPOOLED, seq, _DAMAGED, 0)
        cells, seqs, count = self._ledger.cells, [item[0] for item in items], len(items)
        delivery.load(items, replay=True)
        with self._ledger.lock:
            self._back.update(seqs)
            cells[SPOOLED] -= count
            cells[IN_FLIGHT] += count
            self._counted = self._counted._replace(in_hand=spool.reached)
        self.recount()

    def taken(self, settled: int, items: Sequence[Item]) -> None:
        """A batch was taken in hand."""
        self._began = self._ledger.cells[STORED]
        self._mirror(settled, items)

    def settled(self, seq: int) -> None:
        """Nothing is in hand, and everything in memory up to this number is accounted for.

        The counters say so first: killed before the files do, the next process stores again what is stored.
        """
        spool = self.buffer.spool
        if spool is None:
            return
        if self._left is not None:
            seq = min(seq, self._left - 1)
        if self._given_up:
            self._given_up = False
            spool.reread()
            self._back.clear()
        self._reached = spool.reached
        self._mirror(seq, ())
        spool.acknowledge(seq)
        self._done += len(self._back)
        self._back.clear()
        self._copied.clear()
        self._expire(spool)
        self._count_damage(spool)
        if spool.wants and (self.durable or spool.pending):
            spool.grow()
        if self.durable:
            spool.warm_up()

    def _expire(self, spool: Spool) -> None:
        """Count what has waited on disk for too long, once a minute; say what found no room there."""
        unsaved = self._ledger.cells[UNSAVED]
        if unsaved > self._unsaved:
            self._unsaved = unsaved
            sentence = "records that should be on disk are in memory only: the disk is full, or spool_bytes is reached"
            complain("spool:full", f"{unsaved} {sentence}")
        if time.monotonic() >= self._next_expiry:
            self._next_expiry = time.monotonic() + _EXPIRE_EVERY
            for seq, band in spool.expire(time.time()):
                self._ledger.lose(SPOOLED, seq, _EXPIRED, band)

    def _count_damage(self, spool: Spool) -> None:
        """What somebody else, or the disk, has made of our files: records that are there no more."""
        for seq in spool.damaged():
            if seq is None:
                self._doubted = True
            else:
                self._ledger.lose(SPOOLED, seq, _DAMAGED, 0)
        with self._ledger.lock:
            if self._doubted and not spool.pending and self._left is None:
                self._doubted = False
                if nowhere := self._ledger.cells[SPOOLED]:
                    self._ledger.miss(nowhere, _DAMAGED)

    def recover(self, in_hand: set[int]) -> None:
        """The writer was struck: what was read and has not come into its hand is read again."""
        spool = self.buffer.spool
        if spool is not None and self._back.isdisjoint(in_hand):
            if self._back:  # stored, and not acknowledged yet
                spool.acknowledge(0)
                self._back.clear()
            spool.reread()

    def keep(self, row: Row) -> bool:
        """A row in hand that the database does not take in time: whether it is on disk, or put there."""
        seq, entry = row
        if seq is None or not isinstance(self.buffer, SpooledBuffer):
            return False
        if seq in self._back:
            self._given_up = True
            return True
        if self.whole and not self._ledger.cells[UNSAVED]:
            self._leave(seq)
            return True
        return self.make() is not None and self.buffer.append(_item(seq, entry))

    def _copy(self, buffer: SpooledBuffer, delivery: Delivery) -> None:
        """What is in hand is on disk as well, once: should the process be killed, it is not lost."""
        for seq, entry in delivery.uncopied():
            if seq is not None and seq not in self._back and buffer.append(_item(seq, entry), kept=True):
                self._copied.add(seq)

    def _mirror(self, settled: int, items: Sequence[Item]) -> None:
        spool, cells = self.buffer.spool, self._ledger.cells
        if spool is None:
            return
        first, last, since = 0, 0, 0
        if items:
            first, last = items[0][0], items[-1][0]
            since = max(0, min(*[item[1] for item in items], time.time_ns() // 1000))
        with self._ledger.lock:
            self._counted = Counts(
                *(cells[EMITTED], cells[STORED], cells[DROPPED], cells[FAILED], cells[SPOOLED]),
                *(settled, first, last, self._began, len(items), self._reached, since, self._counted.in_hand),
            )
            spool.counters.mirror(self._counted, self._ledger.lost(), self._ledger.told())

    def recount(self) -> None:
        """The page says anew what was emitted and lost, and what of that was told."""
        spool, cells = self.buffer.spool, self._ledger.cells
        if spool is not None:
            with self._ledger.lock:
                ended = {"emitted": cells[EMITTED], "dropped": cells[DROPPED], "failed": cells[FAILED]}
                self._counted = self._counted._replace(**ended, spooled=cells[SPOOLED])
                spool.counters.mirror(self._counted, self._ledger.lost(), self._ledger.told())

    # -- the end ----------------------------------------------------------------------------------------------

    def keep_queue(self) -> None:
        """What waits and will not be stored any more is kept on disk."""
        buffer = self.buffer
        if not isinstance(buffer, SpooledBuffer):
            return
        if self.whole and not self._ledger.cells[UNSAVED]:
            self._leave(buffer.oldest_seq())
            buffer.rest_on_disk()
        elif len(buffer) and self.make() is not None:
            buffer.spill(PATIENCE)

    def secure(self, delivery: Delivery) -> None:
        """The thread hangs at the end: what it has in hand is on disk as well."""
        if isinstance(self.buffer, SpooledBuffer) and self.make() is not None:
            if self.whole and not self._ledger.cells[UNSAVED]:
                self._copied |= delivery.in_hand()
            else:
                self._copy(self.buffer, delivery)

    def secured(self, delivery: Delivery) -> int:
        """How many records in hand are on disk as well."""
        return len(delivery.in_hand() & (self._copied | self._back))

    def _leave(self, seq: int | None) -> None:
        if seq is not None and (self._left is None or seq < self._left):
            self._left = seq

    def close(self, seq: int | None) -> None:
        """Let go of the files; ``seq`` as for ``settled``, None where something is in hand still."""
        spool = self.buffer.spool
        if spool is not None:
            if seq is not None:
                self.settled(seq)
            self._ledger.on_told = None
            spool.close(keep=self._ledger.owes())

    def abandon(self) -> None:
        """In a forked child: the parent's files are the parent's."""
        self._ledger.on_told = None
        if self.buffer.spool is not None:
            self.buffer.spool.abandon()


def _item(seq: int, entry: LogEntry) -> Item:
    """The item of a row."""
    item = compact(entry)
    item[0] = seq
    return item
