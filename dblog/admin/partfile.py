"""A file that is complete or not there: written beside its place, resumable after any interruption, renamed at the end.

``NAME.part`` grows by whole pieces; ``NAME.part.json`` says after each how long it then was and where to go on. So a
torn last piece is cut away, and nothing is written twice. Whoever writes holds a lock on ``NAME.part``.
"""

from __future__ import annotations

import fcntl
import gzip
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

import orjson

from dblog.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PartFile", "Stream"]

_MODE: Final = 0o600
_VERSION: Final = 1


class Stream:
    """Pieces into a stream, which cannot be resumed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def append(self, piece: bytes, _state: dict[str, Any]) -> None:
        """Write a piece."""
        self._file.write(piece)
        self._file.flush()

    def finish(self) -> None:
        """Nothing: the stream is the caller's."""


class PartFile:
    """The pieces of one file; a context manager that closes what it has open.

    Args:
        path: the file; with ``.gz`` at its end it is compressed, piece by piece.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f"{path.name}.part")
        self.side = path.with_name(f"{path.name}.part.json")
        self._compressed = path.suffix == ".gz"
        self._file: BinaryIO | None = None
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def begin(self, state: dict[str, Any]) -> None:
        """Start anew, and remember the state for a ``resume`` before the first piece.

        Raises:
            ConfigurationError: the file is there, or an unfinished one, or its folder cannot be written to.
            OSError: the state cannot be written.
        """
        if self.path.exists():
            raise ConfigurationError(f"{self.path} is there already: give another name, or remove it")
        if self.part.exists():
            raise ConfigurationError(f"{self.part} is unfinished: go on with --resume, or remove it")
        self._file = self._open(os.O_CREAT | os.O_EXCL)
        self._note({"version": _VERSION, "size": 0, "state": state})

    def resume(self) -> dict[str, Any]:
        """Go on behind the last whole piece, and hold the file; the state given with it, empty where nothing was noted.

        Nothing is changed before the first ``append``.

        Raises:
            ConfigurationError: there is nothing to go on with, or another process is writing it.
        """
        if not self.part.exists():
            raise self._nothing()
        file = self._open(0)
        try:
            state = self._held(file)
        except BaseException:
            file.close()
            raise
        self._file = file
        return state

    def _held(self, file: BinaryIO) -> dict[str, Any]:
        """Go to the place that was noted; the state noted with it."""
        found = os.fstat(file.fileno())
        # Whoever held the lock until now may have put the file in its place.
        if not self.part.exists() or not os.path.samestat(found, self.part.stat()):
            raise self._nothing()
        size, state = self._noted(found.st_size)
        if found.st_size < size:
            raise ConfigurationError(f"{self.part} is shorter than {self.side.name} says: remove both and begin anew")
        file.seek(size)
        self._size = size
        return state

    def _noted(self, length: int) -> tuple[int, dict[str, Any]]:
        """What the side file says: the length up to which the file is whole, and the state."""
        try:
            note = orjson.loads(self.side.read_bytes())
            size, state = int(note["size"]), dict(note["state"])
            if note["version"] == _VERSION:
                return size, state
        except FileNotFoundError:
            if not length:  # interrupted as it had just begun
                return 0, {}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise self._nothing()

    def _nothing(self) -> ConfigurationError:
        done = f"{self.path} is complete" if self.path.exists() else f"{self.part} or {self.side.name} is missing"
        return ConfigurationError(f"there is nothing to resume: {done}")

    def append(self, piece: bytes, state: dict[str, Any]) -> None:
        """Write a piece, and then what ``resume`` is to give back; both are on the disk when this returns.

        Raises:
            OSError: they are not; what was there before still is.
        """
        if self._file is None:
            raise ValueError("begin or resume first")
        data = gzip.compress(piece, mtime=0) if self._compressed and piece else piece
        self._file.truncate(self._size)  # what an interruption left of the last piece
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._size += len(data)
        self._note({"version": _VERSION, "size": self._size, "state": state})

    def finish(self) -> None:
        """Put the file in its place, over whatever has appeared there, and forget the side file."""
        self.part.replace(self.path)
        self.side.unlink(missing_ok=True)
        if self._file is not None:
            self._file.close()  # and let go of the lock, now that nobody can take the file for an unfinished one
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _note(self, note: dict[str, Any]) -> None:
        fresh = self.side.with_name(f"{self.side.name}.new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        with open(fresh, "xb", opener=_private) as file:
            file.write(orjson.dumps(note))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.side)

    def _open(self, flags: int) -> BinaryIO:
        try:
            file = os.fdopen(os.open(self.part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, _MODE), "r+b")
        except OSError as error:
            raise ConfigurationError(f"{self.part} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise ConfigurationError(f"{self.part} is being written by another export: wait until it ends") from None
        return file


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, _MODE)
