"""The spool of one writer: any thread appends, the writer's thread reads, acknowledges and makes room.

An append is reserved and written under one lock, the ledger's: a caller moves ``place[0]`` on by ``need(body)`` and
calls ``fill``. Neither ``fill`` nor ``turn`` calls the system. What was read is not gone: only what was acknowledged
is, which is what the writer does after the commit.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from dblog.spool.appending import LOW, Appending, Limits
from dblog.spool.frames import ALONE, Bad, band_of_body
from dblog.spool.making import COUNTERS_NAME, ORIGIN_NAME, made
from dblog.spool.place import LOCK_NAME, SpoolGone, SpoolUnavailable, directory, refuse_network
from dblog.spool.segment import PAGE, Segment, done_with, dump_origin

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from dblog.sink import Origin
    from dblog.spool.making import Made

__all__ = ["SEGMENT_BYTES", "Spool"]

SEGMENT_BYTES = 8 * 1024 * 1024
_LEAST_SEGMENT = 16 * PAGE
_TRIES = 10
"""How often a directory is made again that the last who needed it took away meanwhile."""
_PATIENCE = 1.0
"""Seconds to wait for a thread that allocates a segment."""


class Spool(Appending):
    """Segments of one writer and its page of counters; ``Spool.create`` makes one."""

    def __init__(self, folder: Path, made: Made, origin: Origin, limits: Limits, lock: Any) -> None:
        super().__init__(made, origin, limits, lock)
        self._folder = folder
        self._read = self._confirmed = (0, 0)
        """Number of the segment that is being read, or acknowledged, and the offset up to which it was."""
        self._seen = self._unconfirmed = 0
        """Alone frames read, and those of them that are not acknowledged."""
        self._damages: list[int | None] = []
        """Alone frames that were damaged under our hands, by ``seq``; None where not even that can be read."""

    @classmethod
    def create(
        cls,
        folder: Path,
        origin: Origin,
        *,
        max_bytes: int,
        max_age: float,
        segment_bytes: int = SEGMENT_BYTES,
        lock: Any,
    ) -> Spool:
        """A spool for the writer named by ``origin``, locked, without a segment yet (``grow``).

        Args:
            folder: of the spools of all writers to one database: ``spool_root(…) / target_name(…)``.
            origin: whose records they are.
            max_bytes: bytes on disk at most.
            max_age: seconds a record waits there at most.
            segment_bytes: bytes of one file; less where four would be more than ``max_bytes``.
            lock: the ledger's, held by whoever appends from the reservation until ``fill`` has returned: without it a
                reader would take a place that is reserved and not written yet for one that never will be.

        Raises:
            SpoolUnavailable: the directory cannot be used; the sentence says why.
        """
        size = max(_LEAST_SEGMENT, min(segment_bytes, max_bytes // 4)) // PAGE * PAGE
        limits = Limits(max_bytes, max_age, size)
        for _ in range(_TRIES):
            with suppress(SpoolGone):
                return cls(folder, _made(folder, origin), origin, limits, lock)
        return cls(folder, _made(folder, origin), origin, limits, lock)

    @property
    def pending(self) -> int:
        """Alone frames that are not acknowledged."""
        return self._appended - self._seen + self._unconfirmed

    def read(self, limit: int, limit_bytes: int) -> list[tuple[int, bytes]]:
        """The next alone frames not read yet, ``(seq, payload)`` in the order of the files; at least one if any is."""
        taken: list[tuple[int, bytes]] = []
        room = limit_bytes
        for segment, start, stop in self._unread():
            for found in segment.frames(start, stop):
                if isinstance(found, Bad):
                    self._damaged(found)
                elif found.flags & ALONE:
                    if taken and (len(taken) >= limit or room < len(found.body)):
                        return taken
                    taken.append((found.seq, found.body))
                    room -= len(found.body)
                    self._seen += 1
                    self._unconfirmed += 1
                self._read = (segment.number, found.end)
            self._read = (segment.number, stop)
        with self.lock:
            if self.current is None or self._read == (self.place[0] >> 32, self.place[0] & LOW):
                self._appended = self._seen  # a caller struck in `fill` was counted, and wrote nothing
        return taken

    @property
    def reached(self) -> int:
        """Up to where the files were read, for ``Counts.reached``."""
        return self._read[0] << 32 | self._read[1]

    def reread(self) -> None:
        """What was read and not acknowledged is read again: whoever had it was struck."""
        self._seen -= self._unconfirmed
        self._unconfirmed = 0
        self._read = self._confirmed

    def acknowledge(self, settled: int) -> None:
        """All that ``read`` gave so far is done with, and what waits in the queue as well up to the ``seq`` settled.

        Files that hold nothing else go.
        """
        self._unconfirmed = 0
        self._confirmed = self._read
        for segment, stop in self._written():
            number, offset = self._confirmed
            alone = offset if segment.number == number else stop if segment.number < number else 0
            done = done_with(segment, stop, alone, settled)
            if done != segment.stored:
                segment.acknowledge(done)
            if done == stop and segment is not self.current:
                self._remove(segment)

    def expire(self, now: float) -> list[tuple[int, int]]:
        """Give up what has waited for longer than ``max_age``: ``(seq, severity band)`` of each.

        Nothing while something that was read is not acknowledged: it may be stored any moment.
        """
        horizon = int((now - self._limits.max_age) * 1e6)
        expired: list[tuple[int, int]] = []
        for segment, start, stop in [] if self._unconfirmed else self._unread():
            for found in segment.frames(start, stop):
                if isinstance(found, Bad):
                    self._damaged(found)
                elif found.appended_at >= horizon:
                    break
                elif found.flags & ALONE:
                    self._seen += 1
                    expired.append((found.seq, band_of_body(found.body)))
                self._read = self._confirmed = (segment.number, found.end)
            else:
                continue
            break
        return expired

    def damaged(self) -> list[int | None]:
        """Alone frames found damaged since the last call, by ``seq``; None for a stretch that may have held some."""
        damages, self._damages = self._damages, []
        return damages

    def close(self, *, keep: bool = False) -> None:
        """The writer ends: the directory goes if nothing in it is wanted, else it waits for whoever comes later.

        Args:
            keep: the counters say more than was told; whoever comes later shall report it.
        """
        if self._made.own < 0:
            return
        # Whoever allocates a segment has our descriptors; not for ever, because it may be the frame below.
        alone = self._growing.acquire(timeout=_PATIENCE)
        try:
            self._end(keep=keep)
        finally:
            if alone:
                self._growing.release()

    def _end(self, *, keep: bool) -> None:
        with self.lock:
            segments = list(self._segments.values())
            done = not keep and all(segment.stored == stop for segment, stop in self._written())
            self.place[0] = self.place[1] = 0
            self.current = self._spare = None
        if done:
            for name in [*(segment.name for segment in segments), COUNTERS_NAME, ORIGIN_NAME, LOCK_NAME]:
                with suppress(OSError):
                    os.unlink(name, dir_fd=self._made.own)
            with suppress(OSError):
                os.rmdir(str(self._origin.instance_id), dir_fd=self._made.parent)
            with suppress(OSError):  # others are there
                self._folder.rmdir()
        self._made.unlock()
        self._let_go()

    def abandon(self) -> None:
        """In a forked child: the files are the parent's, and its lock must not outlive it in our hands."""
        self.place[0] = self.place[1] = 0
        self.current = self._spare = None
        self._let_go()

    def _let_go(self) -> None:
        for segment in self._segments.values():
            segment.close()
        self._segments = {}
        self._made.close()

    def _written(self) -> list[tuple[Segment, int]]:
        """The segments in use, and where the frames of each end by now: what is before is written, or never will be."""
        with self.lock:
            current, spare, end = self.current, self._spare, self.place[0] & LOW
            segments = [segment for segment in self._segments.values() if segment is not spare]
            return [(segment, end if segment is current else segment.end) for segment in segments]

    def _unread(self) -> list[tuple[Segment, int, int]]:
        """The segments that were not read to their end, and from where to where they are to be."""
        number, offset = self._read
        return [
            (segment, max(offset if segment.number == number else segment.start, segment.stored), stop)
            for segment, stop in self._written()
            if segment.number >= number
        ]

    def _damaged(self, found: Bad) -> None:
        """Somebody else wrote into our file, or the disk did."""
        if found.torn:
            return
        if found.seq is None:
            self._damages.append(None)
        elif found.flags & ALONE:
            self._seen += 1
            self._damages.append(found.seq)

    def _remove(self, segment: Segment) -> None:
        with self.lock:
            self._segments.pop(segment.number, None)
            self._measure()
        with suppress(OSError):
            os.unlink(segment.name, dir_fd=self._made.own)
        segment.close()


def _made(folder: Path, origin: Origin) -> Made:
    """A new directory in the folder, which is made where it is missing."""
    refuse_network(folder)
    top = directory(folder.parent)
    try:
        parent = directory(folder.name, parent=top)
    finally:
        os.close(top)
    try:
        return made(parent, str(origin.instance_id), dump_origin(origin))
    except BaseException as error:
        os.close(parent)
        if isinstance(error, OSError):
            sentence = f"the spool directory {str(folder)!r} takes no files: {error.strerror}"
            raise SpoolUnavailable(sentence) from None
        raise
