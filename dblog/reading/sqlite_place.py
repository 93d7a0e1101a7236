"""Which file lies at a path; what the operating system says instead leaves as ``StoreUnavailable``."""

from __future__ import annotations

import os

from dblog.reading.failures import missing_file, unseen_file

__all__ = ["identify", "status_of"]


def identify(path: str) -> tuple[int, int]:
    """Which file lies there.

    Raises:
        StoreUnavailable: none, or nobody can say.
    """
    status = status_of(path)
    return status.st_dev, status.st_ino


def status_of(path: str) -> os.stat_result:
    """Its state.

    Raises:
        StoreUnavailable: as ``identify``.
    """
    try:
        return os.stat(path)  # noqa: PTH116 - once per call
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(path) from None
    except OSError as error:
        raise unseen_file(path, error) from None
