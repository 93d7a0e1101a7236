"""The directories of dead writers: those that nobody holds any more, taken one at a time."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from dblog.spool.left import Dead, names_in
from dblog.spool.making import YOUNG
from dblog.spool.place import SpoolGone, SpoolUnavailable, directory, lock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

__all__ = ["dead"]

_YOUNG_FOR = 60.0
"""Seconds after which a directory that is still being made, or taken away, was left so."""


def dead(folder: Path, mine: Collection[UUID] = ()) -> Iterator[Dead]:
    """The directories whose writers are gone, each held by us while it is looked at; a folder without any goes.

    Args:
        folder: of the spools of all writers to one database.
        mine: writers to pass over, those of this process above all.

    Raises:
        SpoolUnavailable: the folder is not ours alone.
    """
    try:
        parent = directory(folder, make=False)
    except SpoolGone:
        return
    except SpoolUnavailable:
        with suppress(NotADirectoryError):
            folder.lstat()
            raise
        return
    try:
        for name in names_in(parent):
            if name.startswith(YOUNG):
                _sweep(parent, name)
            elif (instance_id := _instance(name)) is not None and instance_id not in mine:
                descriptors = _taken(parent, name)
                if descriptors is not None:
                    found = Dead(parent, *descriptors, instance_id)
                    try:
                        yield found
                    finally:
                        found.release()
    finally:
        os.close(parent)
        with suppress(OSError):
            folder.rmdir()


def _taken(parent: int, name: str) -> tuple[int, int] | None:
    """A directory's descriptor and its lock's; None where its writer lives, makes it or is taking it away."""
    try:
        own = directory(name, parent=parent, make=False)
    except SpoolUnavailable:
        return None
    held = None
    old = time.time() - os.fstat(own).st_mtime > _YOUNG_FOR
    if old or not name.startswith(YOUNG):
        with suppress(OSError):
            try:
                held = lock(own, make=old)
            except FileNotFoundError:  # who took it away had no time for the last step, or is at it
                os.rmdir(name, dir_fd=parent)
    if held is None:
        os.close(own)
        return None
    return own, held


def _sweep(parent: int, name: str) -> None:
    """A directory whose maker was killed before it had a name holds nothing."""
    descriptors = _taken(parent, name)
    if descriptors is None:
        return
    own, held = descriptors
    with suppress(OSError):
        for file in names_in(own):
            os.unlink(file, dir_fd=own)
        os.rmdir(name, dir_fd=parent)
    os.close(own)
    os.close(held)


def _instance(name: str) -> UUID | None:
    try:
        found = UUID(name)
    except ValueError:
        return None
    return found if str(found) == name else None
