"""Which files lie at a path; what the operating system says instead leaves as ``StoreUnavailable``.

They are only looked at: whoever opens and closes a database file beside SQLite drops the locks of its process on it.
"""

from __future__ import annotations

import os
from typing import NamedTuple, TypeAlias

from dblog.reading.failures import missing_file, unseen_file

__all__ = ["Identity", "Lying", "Rest", "has_log", "lying", "rest_of", "status_of"]

Identity: TypeAlias = "tuple[int, int]"
"""Device and inode."""


class Lying(NamedTuple):
    """Which files lie at a path: an open connection sees those that lay there when it was opened, for ever."""

    main: Identity
    wal: Identity | None = None
    """The write-ahead log; gone by itself only where nobody has the file open."""
    shm: Identity | None = None

    def moved(self, now: Lying) -> bool:
        """Whether one of them lies there no more, or another in its place."""
        return any(before is not None and before != after for before, after in zip(self, now, strict=True))

    @property
    def parted(self) -> bool:
        """Whether the log lies there without its index: that was removed, or is about to be made."""
        return self.wal is not None and self.shm is None


class Rest(NamedTuple):
    """A file nobody has in use: what a writer changes of it."""

    identity: Identity
    changed: int
    """ns since 1970 UTC."""
    size: int


def lying(path: str) -> Lying:
    """Which files lie there.

    Raises:
        StoreUnavailable: no database does, or nobody can say.
    """
    status, beside = status_of(path), _beside(path)
    return Lying((status.st_dev, status.st_ino), _identity(f"{beside}-wal"), _identity(f"{beside}-shm"))


def rest_of(path: str) -> Rest | None:
    """Its state where nobody has it in use; None where a write-ahead log or a journal lies beside it.

    Raises:
        StoreUnavailable: as ``lying``.
    """
    status = status_of(path)
    if has_log(path) or _identity(f"{_beside(path)}-journal"):
        return None
    return Rest((status.st_dev, status.st_ino), status.st_mtime_ns, status.st_size)


def has_log(path: str) -> bool:
    """Whether a write-ahead log lies beside it."""
    return _identity(f"{_beside(path)}-wal") is not None


def status_of(path: str) -> os.stat_result:
    """Its state.

    Raises:
        StoreUnavailable: as ``lying``.
    """
    try:
        return os.stat(path)  # noqa: PTH116 - once per call
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(path) from None
    except OSError as error:
        raise unseen_file(path, error) from None


def _beside(path: str) -> str:
    """What SQLite names the other files after: where a link leads to."""
    return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114 - as above


def _identity(path: str) -> Identity | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return None
    return status.st_dev, status.st_ino
