"""What any thread does with a spool: append to the current segment, and have the next one ready."""

from __future__ import annotations

import math
from _thread import allocate_lock
from typing import TYPE_CHECKING, NamedTuple

from dblog.levels import BANDS
from dblog.spool.counters import Counters
from dblog.spool.frames import ALONE, write
from dblog.spool.segment import PAGE, Segment, dump_origin

if TYPE_CHECKING:
    from typing import Any

    from dblog.sink import Origin
    from dblog.spool.making import Made

__all__ = ["LOW", "Appending", "Limits"]

_SHED = ((1.0, BANDS), (0.95, 4), (0.8, 3))
"""How full the spool is, and the lowest severity band it still takes."""
LOW = (1 << 32) - 1
"""The part of a place that is the offset in its file."""


class Limits(NamedTuple):
    """What a spool keeps to."""

    max_bytes: int
    """Bytes on disk."""
    max_age: float
    """Seconds a record waits there."""
    segment_bytes: int
    """Bytes of one file."""


class Appending:
    """The half of a spool that records come in by.

    Attributes:
        place: offset of the next frame and end of the current segment; both 0 where there is none. The list stays the
            same object. The upper half of a place names the file.
        counters: the page.
        lock: held by whoever appends, from the reservation until ``fill`` has returned.
        largest: bytes of a frame, at most.
    """

    def __init__(self, made: Made, origin: Origin, limits: Limits, lock: Any) -> None:
        self._made = made
        self._origin = origin
        self._limits = limits
        self.counters = Counters(made.page)
        self.lock = lock
        self.place = [0, 0]
        self.largest = limits.segment_bytes - len(dump_origin(origin)) - 2 * PAGE
        self._segments: dict[int, Segment] = {}
        self._current: Segment | None = None
        self._spare: Segment | None = None
        self._number = 0
        self._growing = allocate_lock()
        self._appended = 0
        """Alone frames written."""
        self._sheds: tuple[tuple[int, int], ...] = ()

    def fill(self, at: int, seq: int, body: bytes, flags: int) -> None:
        """Write the frame reserved at ``at``; a record is safe from SIGKILL once this returns.

        It is the last step of a critical section: a finaliser may run in here, and log.
        """
        segment = self._segments[at >> 32]
        if flags & ALONE:
            self._appended += 1
        write(segment.map, at & LOW, segment.salt, seq, body, flags)

    def turn(self) -> bool:
        """The spare becomes the current segment; False without one. Assignments only."""
        fresh, old = self._spare, self._current
        if fresh is None:
            return False
        self._spare = None
        if old is not None:
            old.end = self.place[0] & LOW
        self._current = fresh
        self.place[0] = fresh.base + fresh.start
        self.place[1] = fresh.base + fresh.size
        self._measure()
        return True

    @property
    def wants(self) -> bool:
        """Whether ``grow`` is due: there is no segment, or the current one is a quarter full and has no successor."""
        current = self._current
        if current is None or self._spare is not None:
            return self._spare is None
        return 4 * ((self.place[0] & LOW) - current.start) >= current.size

    @property
    def least(self) -> int:
        """The lowest severity band taken now; ``BANDS`` when none is."""
        at = self.place[0]
        for mark, band in self._sheds:
            if at >= mark:
                return band
        return 0

    def _measure(self) -> None:
        """Where in the current segment which band is not taken any more; whenever the number of files changes."""
        current, most = self._current, self._limits.max_bytes
        behind = len(self._segments) - (current is not None) - (self._spare is not None)
        room = 0 if current is None else current.base + current.start - behind * self._limits.segment_bytes
        marks = [(room + math.ceil(share * most), band) for share, band in _SHED]
        end = self.place[1]
        self._sheds = tuple((mark, band) for mark, band in marks if mark <= end or current is None)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return len(self._segments) * self._limits.segment_bytes

    @property
    def used(self) -> int:
        """Bytes on disk that hold something, or cannot be written to any more."""
        current, spare = self._current, self._spare
        behind = len(self._segments) - (current is not None) - (spare is not None)
        return behind * self._limits.segment_bytes + (0 if current is None else (self.place[0] & LOW) - current.start)

    def grow(self, patience: float = 0.0) -> bool:
        """Allocate what is wanted; False when the disk or ``max_bytes`` says no. System calls; from any thread.

        Args:
            patience: seconds to wait for another thread that is at it. Bounded, because it may be the frame below: a
                signal handler or finaliser that logs.
        """
        if not self._growing.acquire(timeout=patience):
            return True  # another thread is at it
        try:
            while self.wants:
                if self.size + self._limits.segment_bytes > self._limits.max_bytes or self._made.own < 0:
                    return False
                number = self._number + 1
                self._number = number
                spare = Segment(self._made.own, number, self._limits.segment_bytes, dump_origin(self._origin))
                with self.lock:
                    self._segments[number] = spare
                    self._spare = spare
                    if self._current is None:
                        self.turn()
        except OSError:
            return False
        finally:
            self._growing.release()
        return True
