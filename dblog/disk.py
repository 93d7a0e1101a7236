"""Where one writer keeps records on disk, the queue in front of it, and which of them go there.

Nothing is made before somebody logs; where nothing can be made, that is said and tried again.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from dblog.buffer import Buffer
from dblog.diagnostics import complain
from dblog.durable_buffer import DurableBuffer
from dblog.errors import DblogError
from dblog.levels import severity_of
from dblog.spans import resource
from dblog.spool import Spool
from dblog.spooled_buffer import SpooledBuffer

if TYPE_CHECKING:
    from pathlib import Path

    from dblog.ledger import Ledger
    from dblog.options import Options
    from dblog.sink import Origin

__all__ = ["Disk"]

_AGAIN: Final = 10.0
"""Seconds until a spool is tried again that could not be made."""


class Disk:
    """The disk of one writer.

    Args:
        options: which records, how many, how long.
        origin: whose they are.
        ledger: counts them.
    """

    def __init__(self, options: Options, origin: Origin, ledger: Ledger) -> None:
        self.folder: Path | None = None
        """Of the spools of all writers to this database; None while that is not known, or there is none."""
        self.records = options.durability != "memory"
        self.durable = options.durability == "durable"
        self._tells = self.records
        """Whether to say that there is no place on disk: once to those who did not ask for one."""
        self.whole = self.durable and severity_of(options.durable_level) <= 1
        """Every record is on disk before ``emit`` returns."""
        self._options, self._origin, self._ledger = options, origin, ledger
        self._making = threading.RLock()
        self._made = False
        self._not_before = 0.0
        self.buffer = self._make_buffer(options)
        """The queue in front of it."""

    def _make_buffer(self, options: Options) -> Buffer:
        sizes: dict[str, Any] = {
            "size": options.queue_size,
            "size_bytes": options.queue_bytes,
            "overflow": options.overflow,
            "block_timeout": options.block_timeout,
            "high_water": options.queue_size // 2,
            "urgent_from": severity_of(options.flush_level),
        }
        if not self.records:
            return Buffer(self._ledger, **sizes)
        if not self.durable:
            return SpooledBuffer(self._ledger, make=self.make, **sizes)
        return DurableBuffer(self._ledger, durable_from=severity_of(options.durable_level), make=self.make, **sizes)

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
                self._create(self.folder)
            except DblogError as error:
                self._not_before = time.monotonic() + _AGAIN
                if self._tells:
                    complain("spool", f"{error}; records are in memory only")
                    self._tells = self._options.durability is not None
            finally:
                self._made = False
        return self.buffer.spool

    def _create(self, folder: Path) -> None:
        self._origin.complete(resource())
        options = self._options
        made = Spool.create(
            folder, self._origin, max_bytes=options.spool_bytes, max_age=options.spool_max_age, lock=self._ledger.lock
        )
        if self.durable:
            made.grow()
        self.buffer.note_in(made.counters.emitted)
        self.buffer.spool = made
