"""What one dead writer left behind, in a directory that we hold.

It is read as if somebody had written it on purpose: no file is mapped, none is believed to be as long, as whole or as
much ours as its name says. What is damaged is counted and kept, in ``quarantine``; what is whole in the same file is
found all the same.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from dblog.spool.counters import Settled, read_page, settled_record
from dblog.spool.frames import ALONE, Bad, scan
from dblog.spool.making import CHECK, COUNTERS_NAME, ORIGIN_NAME
from dblog.spool.place import LOCK_NAME, SpoolUnavailable, directory
from dblog.spool.segment import (
    PAGE,
    BadHeader,
    Header,
    NewerHeader,
    acknowledged_word,
    dump_origin,
    guessed,
    load_origin,
    read_header,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from dblog.sink import Origin
    from dblog.spool.counters import Page

__all__ = ["QUARANTINE", "Dead", "Left", "names_in"]

QUARANTINE = "quarantine"
"""The directory beside the writers' where damaged files are kept."""
_READ = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NO_FILE = frozenset({errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENODEV})
"""What opening says of a name that is none, a link, a directory, a socket, a device."""
_LARGEST = 1 << 30
"""Bytes of a file that are read at most."""


class Left(NamedTuple):
    """A record that is not known to be stored."""

    number: int
    """Of the segment it is in."""
    end: int
    """Where the next one begins."""
    seq: int
    appended_at: int
    """µs since 1970-01-01 UTC."""
    alone: bool
    """It was nowhere else; otherwise it was in memory as well."""
    body: bytes

    @property
    def place(self) -> int:
        """Where it ends, comparable with ``Counts.reached``."""
        return self.number << 32 | self.end


class Dead:
    """The directory of a dead writer, held by us.

    Attributes:
        instance_id: whose it is.
        corrupt: how many stretches of its files were found damaged.
        damaged: the ``seq`` of records found damaged, where their header still says it.
    """

    def __init__(self, parent: int, own: int, held: int, instance_id: UUID) -> None:
        self.instance_id = instance_id
        self.corrupt = 0
        self.damaged: set[int] = set()
        self._parent, self._own, self._held = parent, own, held
        self._unkept: set[str] = set()
        """Damaged files that are not in quarantine."""

    @cached_property
    def page(self) -> Page | None:
        """Its counters; None where they are damaged or missing.

        Raises:
            OSError: they cannot be read now.
        """
        counters = self._content(COUNTERS_NAME)
        page = None if counters is None else read_page(counters)
        if counters is not None and page is None and counters.strip(b"\0"):
            self._mar(COUNTERS_NAME)
        return page

    @cached_property
    def settled(self) -> Settled:
        """How far it is settled; kept in the page where there is one."""
        return Settled() if self.page is None else self.page.settled

    def segments(self) -> list[str]:
        """The names of its segments, in order."""
        return sorted((name for name in names_in(self._own) if _number(name)), key=_number)

    def size(self) -> int:
        """Bytes of its segments."""
        return sum(os.stat(name, dir_fd=self._own, follow_symlinks=False).st_size for name in self.segments())

    def frames(self) -> Iterator[Left]:
        """What is not known to have ended, in the order of the files.

        A torn end is no damage: nobody was promised it.

        Raises:
            OSError: a file cannot be read now.
            SpoolUnavailable: a newer dblog wrote it.
        """
        for name in self.segments():
            data = self._content(name)
            header = None if data is None else self._header(name, data)
            if data is None or header is None:
                continue
            if len(data) < header.size:
                self._mar(name)
            for found in scan(data, header.acknowledged, min(len(data), header.size), header.salt):
                if isinstance(found, Bad):
                    self._damage(name, found)
                    continue
                alone = bool(found.flags & ALONE)
                left = Left(header.number, found.end, found.seq, found.appended_at, alone, found.body)
                if not self._ended(left):
                    yield left

    def doubtful(self, left: Left) -> bool:
        """Whether it was on its way to the database when its writer died: it may be stored."""
        return self.page is None or self.page.counts.under_way(left.seq, left.place if left.alone else 0)

    def _ended(self, left: Left) -> bool:
        """Whether the counters say so already, its writer's or those of who has begun to settle it."""
        ended = self.page is not None and self.page.counts.ended(left.seq, left.place if left.alone else 0)
        return ended or left.place <= self.settled.reached

    def acknowledge(self, last: Left) -> None:
        """Everything up to and including this one is stored, lost or buried; files before its own go."""
        for name in self.segments():
            number = _number(name)
            if number < last.number:
                self._away(name)
            elif number == last.number:
                with suppress(OSError):
                    descriptor = os.open(name, _READ, dir_fd=self._own)
                    try:
                        os.pwrite(descriptor, *acknowledged_word(last.end))
                    finally:
                        os.close(descriptor)

    def note(self, settled: Settled) -> None:
        """How far it is settled now; in one go, for whoever goes on."""
        self.settled = settled
        if self.page is not None:
            descriptor = os.open(COUNTERS_NAME, _READ, dir_fd=self._own)
            try:
                os.pwrite(descriptor, *settled_record(settled))
            finally:
                os.close(descriptor)

    def remove(self) -> None:
        """Nothing in it is wanted any more; what was damaged is in quarantine."""
        for name in (*self.segments(), COUNTERS_NAME, ORIGIN_NAME, f"{ORIGIN_NAME}.new", LOCK_NAME):
            self._away(name)
        name = str(self.instance_id)
        try:
            os.rmdir(name, dir_fd=self._parent)
        except FileNotFoundError:
            pass
        except OSError:  # there is something not ours to delete, and not to be looked at for ever
            self.corrupt += not self._unkept
            with suppress(OSError, SpoolUnavailable):
                os.close(directory(QUARANTINE, parent=self._parent))
                os.rename(name, f"{QUARANTINE}/{name}", src_dir_fd=self._parent, dst_dir_fd=self._parent)
        self.release()

    def release(self) -> None:
        """Let go: whoever comes next goes on."""
        if self._held >= 0:
            with suppress(OSError):  # said aloud: a child forked meanwhile has the descriptor as well
                fcntl.flock(self._held, fcntl.LOCK_UN)
        self.abandon()

    def abandon(self) -> None:
        """In a forked child: close its copies, and leave the lock to the parent."""
        descriptors, self._own, self._held = (self._own, self._held), -1, -1
        for descriptor in descriptors:
            if descriptor >= 0:
                with suppress(OSError):
                    os.close(descriptor)

    # -- files ------------------------------------------------------------------------------------------------

    def _content(self, name: str) -> bytes | None:
        """A file's bytes; None where it is no file of ours.

        Raises:
            OSError: it cannot be read now; nothing may be taken for empty.
        """
        try:
            descriptor = os.open(name, _READ, dir_fd=self._own)
        except OSError as error:
            if error.errno in _NO_FILE:
                return None
            raise  # it is there, and cannot be read now
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                return None
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(min(found.st_size, _LARGEST))
        finally:
            os.close(descriptor)

    @cached_property
    def origin(self) -> Origin | None:
        """What is the same for all its rows; None where nothing that says so is whole.

        That is the file of that name, or the header of a segment.
        """
        text = self._content(ORIGIN_NAME)
        if text is not None and len(text) > CHECK.size and CHECK.unpack_from(text)[0] == crc32(text[CHECK.size :]):
            with suppress(ValueError):
                origin = load_origin(text[CHECK.size :])
                if origin.instance_id == self.instance_id:
                    return origin
        for name in self.segments():
            with suppress(BadHeader):
                header = read_header(self._content(name) or b"")
                if header.origin.instance_id == self.instance_id:
                    return header.origin
        return None

    def _header(self, name: str, data: bytes) -> Header | None:
        """A segment's header; where it is damaged, what it must have been; None where that holds nothing."""
        number = _number(name)
        try:
            header = read_header(data)
        except NewerHeader as error:
            sentence = f"the spool directory {str(self.instance_id)!r} was written by a newer dblog: {error}"
            raise SpoolUnavailable(sentence) from None
        except BadHeader:
            header = None
        if header is not None and header.number == number and header.origin.instance_id == self.instance_id:
            return header
        origin = None if self.origin is None else dump_origin(self.origin)
        if header is None and not data[PAGE if origin is None else len(origin) + PAGE :].strip(b"\0"):
            return None  # somebody was killed while it was made
        self._mar(name)
        return None if self.origin is None or origin is None else guessed(number, len(data), origin, self.origin)

    def _damage(self, name: str, found: Bad) -> None:
        if not found.torn:
            self._mar(name)
            if found.seq is not None:
                self.damaged.add(found.seq)

    def _mar(self, name: str) -> None:
        """A file is damaged: it is in quarantine from now on, which takes no room, and stays there."""
        self.corrupt += 1
        self._unkept.add(name)
        with suppress(OSError, SpoolUnavailable):
            os.close(directory(QUARANTINE, parent=self._parent))
            kept = f"{QUARANTINE}/{self.instance_id}-{name}"
            with suppress(FileExistsError):
                os.link(name, kept, src_dir_fd=self._own, dst_dir_fd=self._parent, follow_symlinks=False)
            self._unkept.discard(name)

    def _away(self, name: str) -> None:
        """A file goes, unless it was damaged and is nowhere else."""
        if name not in self._unkept:
            with suppress(OSError):
                os.unlink(name, dir_fd=self._own)


def names_in(descriptor: int) -> list[str]:
    """The names in a directory."""
    return sorted(os.listdir(descriptor))


def _number(name: str) -> int:
    """The number in a segment's name; 0 for any other file."""
    stem = name.removesuffix(".seg")
    return int(stem) if len(stem) >= 6 and stem != name and stem.isascii() and stem.isdigit() else 0  # noqa: PLR2004 - as written
