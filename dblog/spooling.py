"""What one writer keeps on disk: when, and how it comes back.

``spool``: where the database has been away for a second, where the queue is nearly
full, and at an end that comes too soon. ``durable``: always, before ``emit`` returns.
A record is in the spool until it is stored; what a process leaves there is stored by
the next one (``dblog.adoption``).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from dblog.diagnostics import complain
from dblog.errors import DblogError
from dblog.item import compact
from dblog.ledger import IN_FLIGHT, SPOOLED
from dblog.spans import resource
from dblog.spool import Spool, decode

if TYPE_CHECKING:
    from pathlib import Path

    from dblog.delivery import Delivery
    from dblog.ledger import Ledger
    from dblog.options import Options
    from dblog.sink import Origin, Row
    from dblog.spooled_buffer import SpooledBuffer

__all__ = ["Spooling"]

_TROUBLE: Final = 1.0
"""Seconds without the database after which what is in memory goes to disk."""
_AGAIN: Final = 10.0
"""Seconds until a spool is tried again that could not be made."""


class Spooling:
    """The disk of one writer.

    Args:
        options: how much, how long.
        origin: whose records they are.
        ledger: counts them.
    """

    def __init__(self, options: Options, origin: Origin, ledger: Ledger) -> None:
        self.folder: Path | None = None
        """Of the spools of all writers to this database; None while that is not known, or there is none."""
        self.durable = options.durability == "durable"
        self.buffer: SpooledBuffer
        """Set by whoever makes both."""
        self._options, self._origin, self._ledger = options, origin, ledger
        self._making = threading.RLock()
        self._made = False
        self._not_before = 0.0
        self._since: float | None = None
        """Monotonic time since when the database is away."""
        self._back: set[int] = set()
        """What was read back, and is not known to be stored."""

    # -- for any thread ---------------------------------------------------------------------------------------

    def make(self) -> Spool | None:
        """The spool; None where none can be made now, which is said once and tried again."""
        spool = self.buffer.spool
        if spool is not None or self.folder is None or time.monotonic() < self._not_before:
            return spool
        with self._making:
            if self.buffer.spool is not None or self._made:  # made meanwhile; or being made in this very thread
                return self.buffer.spool
            self._made = True
            try:
                self._origin.complete(resource())
                made = Spool.create(
                    self.folder,
                    self._origin,
                    max_bytes=self._options.spool_bytes,
                    max_age=self._options.spool_max_age,
                    lock=self._ledger.lock,
                )
                made.grow()
            except DblogError as error:
                self._not_before = time.monotonic() + _AGAIN
                complain("spool", f"{error}; records are in memory only")
            else:
                self.buffer.spool = made
            finally:
                self._made = False
        return self.buffer.spool

    def attend(self) -> None:
        """See that there is room on disk; called again and again while the writer hangs in the database."""
        spool = self.make()
        if spool is not None and spool.wants:
            spool.grow()

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
        self.attend()
        if not self.durable:
            self.buffer.spill()
            self._copy(delivery)

    def well(self) -> None:
        """The database has stored what was in hand."""
        self._since = None

    def load_back(self, delivery: Delivery) -> None:
        """Take a batch from disk in hand."""
        spool, options = self.buffer.spool, self._options
        if spool is None:
            return
        frames = spool.read(options.batch_size, options.batch_bytes)
        items = [decode(body, seq) for seq, body in frames]
        cells, count = self._ledger.cells, len(items)
        delivery.load(items, replay=True)
        with self._ledger.lock:
            self._back.update([seq for seq, _ in frames])
            cells[SPOOLED] -= count
            cells[IN_FLIGHT] += count

    def settled(self, seq: int) -> None:
        """Nothing is in hand, and everything in memory up to this number is accounted for."""
        spool = self.buffer.spool
        if spool is not None:
            spool.acknowledge(seq)
            self._back.clear()
            if spool.wants and (self.durable or spool.pending):
                spool.grow()

    def recover(self, in_hand: set[int]) -> set[int]:
        """The writer was struck: what was read and did not come into its hand is read again; what is in hand of it."""
        spool = self.buffer.spool
        if spool is None or (self._back and not self._back.isdisjoint(in_hand)):
            return self._back & in_hand
        if not self._back:
            spool.reread()
        return set()

    def keep(self, row: Row) -> bool:
        """A row in hand that the database does not take in time: whether it is on disk, or put there."""
        seq, entry = row
        if seq is None:
            return False
        if seq in self._back or (self.durable and not self.buffer.unsaved):
            return True
        item = compact(entry)
        item[0] = seq
        return self.make() is not None and self.buffer.append(item)

    def _copy(self, delivery: Delivery) -> None:
        """What is in hand is on disk as well, once: should the process be killed, it is not lost."""
        for row in delivery.uncopied():
            if row[0] is not None and row[0] not in self._back:
                item = compact(row[1])
                item[0] = row[0]
                self.buffer.append(item, kept=True)

    # -- the end ----------------------------------------------------------------------------------------------

    def keep_queue(self) -> None:
        """What waits and will not be stored any more is kept on disk."""
        if self.durable and not self.buffer.unsaved:
            self.buffer.rest_on_disk()
        elif len(self.buffer) and self.make() is not None:
            self.buffer.spill()

    def close(self, seq: int | None) -> None:
        """Let go of the files; ``seq`` as for ``settled``, None where something is in hand still."""
        spool = self.buffer.spool
        if spool is not None:
            if seq is not None:
                spool.acknowledge(seq)
            self.buffer.spool = None
            spool.close()

    def abandon(self) -> None:
        """In a forked child: the parent's files are the parent's."""
        if self.buffer.spool is not None:
            self.buffer.spool.abandon()
