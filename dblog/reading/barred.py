"""Why an SQLite file cannot be read, as far as it can be seen; nothing is opened."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["hindrance", "may"]

_EFFECTIVE: Final = os.access in os.supports_effective_ids


def may(path: str, how: int) -> bool:
    """Whether this user may, as ``os.access`` asks."""
    return os.access(path, how, effective_ids=_EFFECTIVE)


def hindrance(path: str) -> str | None:
    """What bars a file or what belongs to it, and what to do; None where nothing is to be seen."""
    beside = os.path.realpath(path)
    there = [suffix for suffix in ("-wal", "-shm", "-journal") if os.path.exists(f"{beside}{suffix}")]  # noqa: PTH110 - as in ``sqlite_place``
    for each in (path, *(f"{beside}{suffix}" for suffix in there)):
        if not may(each, os.R_OK):
            return f"this user may not read {each}: check its owner and mode"
    copy = "copy both into a folder of your own"
    if "-wal" in there and "-shm" not in there:
        return f"a -wal lies beside it without its -shm, which is not ours to make: {copy}"
    if "-journal" in there and not may(path, os.W_OK):
        return f"a -journal lies beside it, which its writer has to roll back: start that, or {copy}"
    return None
