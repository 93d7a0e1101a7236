"""A file that is complete or not there: written beside its place, resumable after any interruption, renamed at the end.

``NAME.part`` grows by whole pieces; ``NAME.part.json`` says after each how long it then was and where to go on. So a
torn last piece is cut away, and nothing is written twice.
"""

from __future__ import annotations

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

    def begin(self) -> None:
        """Start anew.

        Raises:
            ConfigurationError: the file is there, or an unfinished one, or its folder cannot be written to.
        """
        if self.path.exists():
            raise ConfigurationError(f"{self.path} is there already: give another name, or remove it")
        if self.part.exists():
            raise ConfigurationError(f"{self.part} is unfinished: go on with --resume, or remove it")
        self._file = self._open(os.O_CREAT | os.O_EXCL)

    def resume(self) -> dict[str, Any]:
        """Go on behind the last whole piece; the state given with it.

        Raises:
            ConfigurationError: there is nothing to go on with.
        """
        try:
            note = orjson.loads(self.side.read_bytes())
            size, state = int(note["size"]), dict(note["state"])
            known = note["version"] == _VERSION
        except (OSError, ValueError, KeyError, TypeError):
            known, size, state = False, 0, {}
        if not known or not self.part.exists():
            done = f"{self.path} is complete" if self.path.exists() else f"{self.part} or {self.side.name} is missing"
            raise ConfigurationError(f"there is nothing to resume: {done}")
        if self.part.stat().st_size < size:
            raise ConfigurationError(f"{self.part} is shorter than {self.side.name} says: remove both and begin anew")
        self._file = self._open(0)
        self._file.truncate(size)
        self._file.seek(size)
        self._size = size
        return state

    def append(self, piece: bytes, state: dict[str, Any]) -> None:
        """Write a piece, and then what ``resume`` is to give back; both are on the disk when this returns.

        Raises:
            OSError: they are not; what was there before still is.
        """
        if self._file is None:
            raise ValueError("begin or resume first")
        data = gzip.compress(piece, mtime=0) if self._compressed and piece else piece
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._size += len(data)
        self._note({"version": _VERSION, "size": self._size, "state": state})

    def finish(self) -> None:
        """Put the file in its place, over whatever has appeared there, and forget the side file."""
        if self._file is not None:
            self._file.close()
        self.part.replace(self.path)
        self.side.unlink(missing_ok=True)
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
            return os.fdopen(os.open(self.part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, _MODE), "r+b")
        except OSError as error:
            raise ConfigurationError(f"{self.part} cannot be written: {error.strerror}") from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, _MODE)
