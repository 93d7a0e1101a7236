"""A new directory for one writer: its lock, its counters, whose it is; there from one moment to the next, whole."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from zlib import crc32

from dblog.spool.place import LOCK_NAME, SpoolUnavailable, allocate, directory, lock
from dblog.spool.segment import PAGE

__all__ = ["CHECK", "COUNTERS_NAME", "ORIGIN_NAME", "YOUNG", "Made", "made", "written"]

COUNTERS_NAME, ORIGIN_NAME = "counters", "origin"
YOUNG = ".new-"
"""How the name of a directory begins while it is being made."""
CHECK = struct.Struct("=I")
"""What the file with the origin begins with."""
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Made:
    """A writer's directory: descriptors, -1 once they are closed."""

    parent: int
    """Of the directory it lies in."""
    own: int
    held: int
    """Of the lock."""
    page: mmap.mmap
    """The counters."""

    def unlock(self) -> None:
        """Let others have it: said aloud, because a child forked meanwhile may have the descriptor as well."""
        if self.held >= 0:
            with suppress(OSError):
                fcntl.flock(self.held, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the descriptors; what was mapped stays so for whoever still writes to it."""
        descriptors = self.parent, self.own, self.held
        self.parent = self.own = self.held = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                with suppress(OSError):
                    os.close(descriptor)


def made(parent: int, name: str, origin: bytes) -> Made:
    """A new directory, held from its first moment on; ``parent`` is its own from then on."""
    young = f"{YOUNG}{name}"
    own = directory(young, parent=parent)
    held = -1
    try:
        held = _held(own, young)
        page = _page(own)
        written(own, ORIGIN_NAME, CHECK.pack(crc32(origin)) + origin)
        os.rename(young, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        for leftover in (COUNTERS_NAME, ORIGIN_NAME, LOCK_NAME):
            with suppress(OSError):
                os.unlink(leftover, dir_fd=own)
        with suppress(OSError):
            os.rmdir(young, dir_fd=parent)
        for descriptor in (own, held):
            if descriptor >= 0:
                os.close(descriptor)
        raise
    return Made(parent, own, held, page)


def _held(own: int, name: str) -> int:
    held = lock(own)
    if held is None:
        raise SpoolUnavailable(f"the spool directory {name!r} is held by another process")
    return held


def _page(own: int) -> mmap.mmap:
    descriptor = os.open(COUNTERS_NAME, _NEW, 0o600, dir_fd=own)
    try:
        allocate(descriptor, PAGE)
        return mmap.mmap(descriptor, PAGE)
    finally:
        os.close(descriptor)


def written(own: int, name: str, data: bytes) -> None:
    """A small file, whole or not there at all."""
    descriptor = os.open(f"{name}.new", _NEW, 0o600, dir_fd=own)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    os.rename(f"{name}.new", name, src_dir_fd=own, dst_dir_fd=own)
