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
_AHEAD = 2 * 1024 * 1024
"""Bytes before the next frame that are made ready: a burst of ten thousand records."""
_AT_ONCE = 1024 * 1024
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
        place: offset of the next frame, and where ``reserve`` has to be asked from: the end of the current segment, or
            where not every band is taken any more; both 0 where there is none. The list stays the same object. The
            upper half of a place names the file.
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
        self.current: Segment | None = None
        self._spare: Segment | None = None
        self._number = 0
        self._growing = allocate_lock()
        self._stop = 0
        """The end of the current segment."""
        self._appended = 0
        """Alone frames written."""
        self.sheds: tuple[tuple[int, int], ...] = ()
        """Places in the current segment, and the severity band taken from there on; mostly empty."""

    def fill(self, at: int, seq: int, moment: int, body: bytes, flags: int) -> None:
        """Write the frame reserved at ``at``; a record is safe from SIGKILL once this returns.

        It is the last step of a critical section: a finaliser may run in here, and log.

        Args:
            at: the place.
            seq: the record's number.
            moment: µs since 1970, by this machine's clock: ``max_age`` counts from here.
            body: its payload.
            flags: ``ALONE`` or ``KEPT``.
        """
        segment = self._segments[at >> 32]
        if flags & ALONE:
            self._appended += 1
        write(segment.map, at & LOW, segment.salt, seq, moment, body, flags)

    def reserve(self, length: int, band: int) -> int:
        """Where a frame of this length goes in the current segment, or the next; -1 where there is no room.

        Taken before anything is written there: a finaliser or signal handler of this thread that logs gets the place
        behind it.
        """
        place = self.place
        while length <= self.largest and band >= self.least:
            at = place[0]
            if at + length <= place[1] or (self.sheds and at + length <= self._stop):
                place[0] = at + length
                return at
            if not self.turn():
                break
        return -1

    def turn(self) -> bool:
        """The spare becomes the current segment; False without one. Assignments only."""
        fresh, old = self._spare, self.current
        if fresh is None:
            return False
        self._spare = None
        if old is not None:
            old.end = self.place[0] & LOW
        self.current = fresh
        self.place[0] = fresh.base + fresh.start
        self._measure()
        return True

    @property
    def wants(self) -> bool:
        """Whether ``grow`` is due: there is no segment, or the current one is a quarter full and has no successor."""
        current = self.current
        if current is None or self._spare is not None:
            return self._spare is None
        return 4 * ((self.place[0] & LOW) - current.start) >= current.size

    @property
    def least(self) -> int:
        """The lowest severity band taken now; ``BANDS`` when none is."""
        at = self.place[0]
        for mark, band in self.sheds:
            if at >= mark:
                return band
        return 0

    def warm_up(self) -> None:
        """Have the pages ready that are written to next; a step of it, in the writer's thread."""
        current, spare = self.current, self._spare
        if current is not None and not current.warm_up((self.place[0] & LOW) + _AHEAD, _AT_ONCE) and spare is not None:
            spare.warm_up(_AHEAD, _AT_ONCE)

    def _measure(self) -> None:
        """Where in the current segment which band is not taken any more; whenever the number of files changes."""
        current, most = self.current, self._limits.max_bytes
        behind = len(self._segments) - (current is not None) - (self._spare is not None)
        room = 0 if current is None else current.base + current.start - behind * self._limits.segment_bytes
        marks = [(room + math.ceil(share * most), band) for share, band in _SHED]
        end = self._stop = 0 if current is None else current.base + current.size
        self.sheds = tuple((mark, band) for mark, band in marks if mark <= end or current is None)
        self.place[1] = min(end, *(mark for mark, _ in self.sheds)) if self.sheds else end

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return len(self._segments) * self._limits.segment_bytes

    @property
    def used(self) -> int:
        """Bytes on disk that hold something, or cannot be written to any more."""
        current, spare = self.current, self._spare
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
                    if self.current is None:
                        self.turn()
        except OSError:
            return False
        finally:
            self._growing.release()
        return True
