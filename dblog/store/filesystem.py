"""Why an SQLite file cannot be written, as a sentence.

Nothing is opened here: a process that opens and closes a database file drops SQLite's locks on it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from dblog.visible import visible

__all__ = ["hindrance", "no_room"]

_ROOM: Final = 1 << 20
"""Bytes of free disk below which it counts as full."""
_EFFECTIVE: Final = os.access in os.supports_effective_ids


def hindrance(file: str) -> str | None:
    """What keeps this user from writing an SQLite file, and what to do; None where nothing is to be seen."""
    path, shown = Path(file), visible(file)
    folder = path.resolve().parent
    try:
        mode = path.stat().st_mode
        read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError as error:
        return f"{shown} cannot be had: {error.strerror or type(error).__name__}"
    if not stat.S_ISREG(mode):
        return f"{shown} is no file: name one in the URL"
    if read_only:
        return f"the file system of {shown} is mounted read-only: remount it, or name another place"
    if not _may(path, os.W_OK | os.R_OK):
        return f"this user may not read and write {shown}: check its owner and mode"
    if not _may(folder, os.W_OK | os.X_OK):
        return f"the folder {visible(str(folder))} cannot be written to, and SQLite keeps its log there: mend its mode"
    return None


def no_room(file: str) -> str:
    """Why an SQLite file may not grow, as a sentence."""
    shown = visible(file)
    try:
        found = os.statvfs(file)
    except OSError:
        return f"there is no room for {shown}"
    if found.f_bavail * found.f_frsize < _ROOM:
        return f"the disk of {shown} is full: make room, or set retention or max_bytes"
    return f"{shown} may not grow, though the disk has room: is it a quota, or PRAGMA max_page_count?"


def _may(path: Path, how: int) -> bool:
    return os.access(path, how, effective_ids=_EFFECTIVE)
