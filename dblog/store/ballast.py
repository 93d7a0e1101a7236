"""A small file beside an SQLite file, given up when the disk is full: deleting old rows takes room, too.

On a full disk SQLite can neither insert nor delete nor write its log back, so retention
would never mend it. There is one only where something is to be deleted at all.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Final

__all__ = ["Ballast"]

_BYTES: Final = 16 << 20
"""As much as a write-ahead log may hold that has to be written back: some thousand pages, and one more batch."""
_FREE: Final = 4 * _BYTES
"""Bytes the disk must have left before it is made again."""


class Ballast:
    """The file ``NAME-ballast`` beside the file NAME; whoever writes to that shares it.

    Args:
        path: the database file.
    """

    def __init__(self, path: str) -> None:
        self._path = f"{os.path.realpath(path)}-ballast"
        self._folder = os.path.dirname(self._path)  # noqa: PTH120 - as below

    def keep(self) -> None:
        """See that it is there, if there is room; never where anything else has its name."""
        with suppress(OSError):
            if os.path.lexists(self._path):
                return
            found = os.statvfs(self._folder)
            if found.f_bavail * found.f_frsize < _FREE:
                return
            how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path, how, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, _BYTES)
            except OSError:
                os.unlink(self._path)  # noqa: PTH108 - one voice with the rest of this file
            finally:
                os.close(descriptor)

    def drop(self) -> None:
        """Give its room away."""
        with suppress(OSError):
            status = os.lstat(self._path)
            if stat.S_ISREG(status.st_mode) and status.st_size == _BYTES and status.st_uid == os.geteuid():
                os.unlink(self._path)  # noqa: PTH108 - as above
