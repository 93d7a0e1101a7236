"""What writers keep on disk: looked at, checked, stored, given up.

A directory whose writer lives is its writer's alone: it is only counted.
"""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from dblog.adoption import Adopted, Adoption
from dblog.errors import ConfigurationError, DblogError
from dblog.estate import Terms
from dblog.opening import folder_of, opener_of
from dblog.options import Options
from dblog.spool import dead, spool_root
from dblog.spool.counters import read_page
from dblog.spool.left import QUARANTINE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from dblog.sink import Origin
    from dblog.spool import Dead

__all__ = ["Kept", "Place", "drop", "drop_unrecorded", "named", "replay", "spools", "targets"]

_DROPPED_AT_ONCE: Final = 100_000
"""Records of which one loss row tells."""
_TURN: Final = 1.0
"""Seconds of one turn of a replay; between two, progress is reported."""
_COUNTERS: Final = "counters"
_PAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class Kept:
    """What one writer keeps, or left."""

    target: str
    """Names the database it is for: the folder it lies in."""
    instance_id: UUID
    alive: bool
    """Its writer holds it; then ``records`` is its own count, and ``origin`` not looked at."""
    origin: Origin | None
    records: int
    """Not known to be stored."""
    size: int
    """Bytes of its files."""
    oldest: int | None
    """When the oldest of the records was put there, in µs."""
    corrupt: int
    """Stretches found damaged; the files are in quarantine as well."""
    trouble: str | None = None
    """Why it cannot be read now, or not by this dblog."""


class Place:
    """Where spools are looked for.

    Args:
        root: of all spools; None for ``DBLOG_SPOOL_DIR``, or the user's state directory.
        url: of the database whose spools are meant; None for all.
        schema: the Postgres schema.
        table: the log table.
        password_file: for the URL.
        target: the name of another folder, whose records shall go to this database.

    Raises:
        ConfigurationError: the directory or the URL is wrong.
        SpoolUnavailable: none is named, and there is no home directory.
    """

    def __init__(
        self,
        root: str | None = None,
        url: str | None = None,
        *,
        schema: str | None = None,
        table: str | None = None,
        password_file: str | os.PathLike[str] | None = None,
        target: str | None = None,
    ) -> None:
        # What is None is not given.
        self.options = Options.of(durability="spool", spool_dir=root, schema=schema, table=table)
        self.root = spool_root(root)
        self.url = url
        self.password_file = password_file
        if target is not None and (target in {"", ".", "..", QUARANTINE} or "/" in target):
            raise ConfigurationError(f"{target!r} is not the name of a spool's folder: dblog spool list shows them")
        self.folder: Path | None = None
        if target is not None:
            self.folder = self.root / target
        elif url is not None:
            self.folder = folder_of(url, self.options)

    def folders(self) -> list[Path]:
        """Of the database meant, or of all."""
        if self.folder is not None:
            return [self.folder]
        return targets(self.root)


def targets(root: Path) -> list[Path]:
    """The folders of all databases; none where nothing was ever kept."""
    try:
        return sorted(each for each in root.iterdir() if each.is_dir() and not each.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigurationError(f"the spool directory {str(root)!r} cannot be read: {error.strerror}") from None


def spools(place: Place) -> Iterator[Kept]:
    """What lies there; what dead writers left is read through, and held meanwhile.

    Raises:
        SpoolUnavailable: a folder is not ours alone.
    """
    for folder in place.folders():
        seen = set()
        for found in dead(folder):
            seen.add(found.instance_id)
            yield _left(folder, found)
        yield from _living(folder, seen)


def _left(folder: Path, found: Dead) -> Kept:
    """What a dead writer left; where it cannot be read, why."""
    frames, oldest, trouble, origin, size = 0, None, None, None, 0
    try:
        origin, size = found.origin, found.size()
        for left in found.frames():
            frames += 1
            oldest = left.appended_at if oldest is None else min(oldest, left.appended_at)
    except DblogError as error:
        trouble = str(error)
    except OSError as error:
        trouble = f"a file of it cannot be read: {error.strerror}"
    return Kept(folder.name, found.instance_id, False, origin, frames, size, oldest, found.corrupt, trouble)


def _living(folder: Path, seen: Collection[UUID]) -> Iterator[Kept]:
    """The others: their writers hold them, or somebody who stores what they left."""
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        with suppress(ValueError, OSError):
            instance_id = UUID(each.name)
            if instance_id not in seen and not each.is_symlink():
                size = sum(file.lstat().st_size for file in each.glob("*.seg"))
                page = read_page(_beginning(each / _COUNTERS))
                count = 0 if page is None else page.counts.spooled
                yield Kept(folder.name, instance_id, True, None, count, size, None, 0)


def _beginning(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with closing(os.fdopen(descriptor, "rb")) as file:
        return file.read(_PAGE)


def replay(place: Place, seconds: float) -> Iterator[Adopted]:
    """Store what dead writers left in the database; what each turn has done, until nothing is left or time is up."""
    deadline = time.monotonic() + seconds
    adoption = _adoption(place)
    while True:
        done = adoption.run(min(_TURN, max(0.0, deadline - time.monotonic())))
        yield done
        if time.monotonic() >= deadline or not done.moved:
            return


def _adoption(place: Place, only: Collection[UUID] | None = None, **terms: Any) -> Adoption:
    if place.url is None or place.folder is None:
        raise ConfigurationError("no database named: give --url or --profile, or set DBLOG_URL")
    options = place.options
    return Adoption(
        opener_of(place.url, options, (None, place.password_file)),
        place.folder,
        mine=tuple,
        terms=Terms(options.spool_max_age, lambda: options.operation_timeout, **terms),
        only=only,
    )


def named(place: Place, wanted: Collection[str]) -> list[Kept]:
    """What dead writers left, by whole ids or their first or last 8 digits.

    Raises:
        ConfigurationError: there is none, or several, or its writer lives.
    """
    found = list(spools(place))
    chosen = []
    for text in wanted:
        fitting = [each for each in found if _is(each.instance_id, text.lower())]
        if len(fitting) != 1:
            what = "no spool" if not fitting else f"{len(fitting)} spools"
            raise ConfigurationError(f"{text[:80]!r} names {what}: dblog spool list shows their ids")
        if fitting[0].alive:
            raise ConfigurationError(f"the spool {text[:80]!r} is in use: its writer, or another command, holds it")
        chosen.append(fitting[0])
    return chosen


_SHORT: Final = 8


def _is(instance_id: UUID, text: str) -> bool:
    whole = instance_id.hex
    digits = text.replace("-", "")
    return digits == whole or (len(digits) == _SHORT and (whole.startswith(digits) or whole.endswith(digits)))


def drop(place: Place, wanted: Collection[UUID]) -> Adopted:
    """Give up what dead writers left, and say so in the database: loss rows, and their rows in ``log_instances``.

    What cannot be written down there is not dropped. What is in quarantine stays.

    Raises:
        ConfigurationError: no database is named.
    """
    return _adoption(place, wanted, discard=True, batch_size=_DROPPED_AT_ONCE).run(float("inf"))


def drop_unrecorded(place: Place, wanted: Collection[UUID]) -> int:
    """The same, without a word to any database; how many directories went."""
    gone = 0
    for folder in place.folders():
        for found in dead(folder):
            if found.instance_id in wanted:
                found.remove()
                gone += 1
    return gone
