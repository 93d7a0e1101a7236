"""One file of a spool: allocated, mapped, appended to, given back.

A header of whole pages says whose records follow; one word in it moves, the offset up to which they are acknowledged.
A file that cannot be allocated in full is no segment: writing to a mapped hole on a full disk kills the process.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import orjson

from dblog.sink import Origin
from dblog.spool.frames import ALONE, FRAME, Bad, scan
from dblog.spool.place import allocate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dblog.spool.frames import Frame

__all__ = [
    "PAGE",
    "BadHeader",
    "Header",
    "NewerHeader",
    "Segment",
    "acknowledged_word",
    "done_with",
    "dump_origin",
    "guessed",
    "load_origin",
    "read_header",
]

PAGE = 4096
VERSION = 1
_MAGIC = b"dblogseg"
_FIXED = struct.Struct("=8sIIIIQ")
"""Magic, version, CRC, number, length of the origin, size of the file."""
_ACKNOWLEDGED = struct.Struct("@Q")
"""One aligned word, so that it is written in one go; its upper half is the lower one inverted."""
_ACKNOWLEDGED_AT = 32
_ORIGIN_AT = 40
_LOW = (1 << 32) - 1
_POPULATE_WRITE = 23
"""``MADV_POPULATE_WRITE`` of Linux; unknown to ``mmap``. Where it means nothing it is refused."""
_STEP = 16 * PAGE
_MAX_ORIGIN = 64 * 1024
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class BadHeader(ValueError):  # noqa: N818 - what is found, not what went wrong here
    """A file that does not begin as a segment does; the message says how."""


class NewerHeader(BadHeader):
    """A whole header of a version that this dblog does not read."""


class Header(NamedTuple):
    """What the beginning of a segment says."""

    number: int
    size: int
    """Bytes of the file."""
    start: int
    """Where the first frame is."""
    salt: int
    acknowledged: int
    """Where the first frame is that is not stored yet."""
    origin: Origin


def dump_origin(origin: Origin) -> bytes:
    """An origin as JSON."""
    texts = ("service", "service_version", "environment", "host", "container")
    fields: dict[str, object] = {name: getattr(origin, name) for name in texts}
    fields |= {"pid": origin.pid, "started_at": origin.started_at, "instance_id": origin.instance_id.hex}
    try:
        return orjson.dumps(fields)
    except TypeError:  # a lone surrogate in the host's name
        clean = {k: v.encode(errors="replace").decode() if isinstance(v, str) else v for k, v in fields.items()}
        return orjson.dumps(clean)


def load_origin(data: bytes) -> Origin:
    """The origin in a JSON text.

    Raises:
        ValueError: it is none.
    """
    from uuid import UUID  # noqa: PLC0415 - only for what others left behind

    try:
        fields = orjson.loads(data)
        origin = Origin(**{**fields, "instance_id": UUID(hex=fields["instance_id"])})
    except (TypeError, KeyError, ValueError, AttributeError):
        raise ValueError("the spool's origin cannot be read") from None
    texts = (origin.service, origin.service_version, origin.environment, origin.container)
    known = all(text is None or type(text) is str for text in texts)
    if not known or type(origin.host) is not str or type(origin.pid) is not int or type(origin.started_at) is not int:
        raise ValueError("the spool's origin cannot be read")
    return origin


def read_header(data: bytes) -> Header:
    """The header at the beginning of a segment's bytes.

    Raises:
        BadHeader: there is none, or it was damaged.
    """
    if len(data) < _ORIGIN_AT:
        raise BadHeader("it is too short")
    magic, version, check, number, length, size = _FIXED.unpack_from(data)
    if magic != _MAGIC:
        raise BadHeader("it is no segment of a spool")
    start = _start(length)
    if length > _MAX_ORIGIN or not start <= size or start > len(data):
        raise BadHeader("its header is damaged")
    text = data[_ORIGIN_AT : _ORIGIN_AT + length]
    if check != _check(number, size, text, version):
        raise BadHeader("its header is damaged")
    if version != VERSION:
        raise NewerHeader(f"it is of version {version}, this one reads version {VERSION}")
    try:
        origin = load_origin(text)
    except ValueError as error:
        raise BadHeader(str(error)) from None
    (word,) = _ACKNOWLEDGED.unpack_from(data, _ACKNOWLEDGED_AT)
    acknowledged = word & _LOW
    if word >> 32 != acknowledged ^ _LOW or acknowledged % 8 or not start <= acknowledged <= size:
        acknowledged = start  # damaged: everything again, which stores nothing twice
    return Header(number, size, start, check, acknowledged, origin)


def guessed(number: int, size: int, origin: bytes, whose: Origin) -> Header:
    """What the header of a segment must have said: everything in it is not acknowledged."""
    start = _start(len(origin))
    return Header(number, size, start, _check(number, size, origin), start, whose)


def acknowledged_word(offset: int) -> tuple[bytes, int]:
    """The word that moves, and where it stands."""
    return _ACKNOWLEDGED.pack(offset | (offset ^ _LOW) << 32), _ACKNOWLEDGED_AT


def _start(length: int) -> int:
    """Where frames begin behind an origin of this length."""
    return (_ORIGIN_AT + length + PAGE - 1) // PAGE * PAGE


def _check(number: int, size: int, origin: bytes, version: int | None = None) -> int:
    version = VERSION if version is None else version
    return crc32(origin, crc32(_FIXED.pack(_MAGIC, version, 0, number, len(origin), size)))


class Segment:
    """A segment of this process.

    Args:
        directory: descriptor of the directory it lies in.
        number: from 1; never used twice in one directory.
        size: bytes of the file.
        origin: whose records it will hold, as ``dump_origin`` wrote it.

    Raises:
        OSError: there is no room for it, or no right.
    """

    __slots__ = ("allocated_at", "base", "confirmed", "end", "map", "number", "salt", "size", "start", "stored", "warm")

    def __init__(self, directory: int, number: int, size: int, origin: bytes) -> None:
        self.number, self.size = number, size
        self.start = _start(len(origin))
        self.base = number << 32
        """What offsets in this file are given out with on top, so that they name the file as well."""
        self.map = _allocated(directory, self.name, size)
        self.salt = _check(number, size, origin)
        self.map[_ORIGIN_AT : _ORIGIN_AT + len(origin)] = origin
        _FIXED.pack_into(self.map, 0, _MAGIC, VERSION, self.salt, number, len(origin), size)
        self.allocated_at = time.time()
        self.end = self.start
        """Where the last frame ends, once another segment is the current one."""
        self.stored = self.start
        """Everything before is acknowledged, in the file too."""
        self.warm = 0
        """Up to here the pages are in memory and writable; see ``warm_up``."""
        self.confirmed = self.start
        """Everything before that was alone is."""
        self.acknowledge(self.start)

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.number:06d}.seg"

    def acknowledge(self, offset: int) -> None:
        """Everything before this offset is stored."""
        self.stored = offset
        _ACKNOWLEDGED.pack_into(self.map, _ACKNOWLEDGED_AT, offset | (offset ^ _LOW) << 32)  # in one go

    def frames(self, start: int, stop: int) -> Iterator[Frame | Bad]:
        """What lies between two offsets."""
        return scan(self.map, start, stop, self.salt)

    def warm_up(self, offset: int, most: int) -> int:
        """Have the pages up to ``offset`` ready to be written to; the bytes done now, ``most`` at most.

        The first touch of a page costs the toucher some microseconds: better the writer's than a caller's. The call
        holds the GIL, so it is made for a few pages at a time.
        """
        stop = min(self.warm + most, offset + PAGE - 1, self.size) // PAGE * PAGE
        begun = self.warm
        while self.warm < stop:
            step = min(_STEP, stop - self.warm)
            try:
                self.map.madvise(_POPULATE_WRITE, self.warm, step)
            except (OSError, ValueError):  # before Linux 5.14; closed
                self.warm = self.size
                break
            self.warm += step
        return self.warm - begun

    def close(self) -> None:
        """Let go of the map."""
        with suppress(BufferError):  # somebody is reading: the collector lets go of it
            self.map.close()


def _allocated(directory: int, name: str, size: int) -> mmap.mmap:
    """A new file with room for all its bytes, mapped; no file where there is none."""
    descriptor = os.open(name, _FLAGS, 0o600, dir_fd=directory)
    try:
        allocate(descriptor, size)
        return mmap.mmap(descriptor, size)
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=directory)
        raise
    finally:
        os.close(descriptor)


def done_with(segment: Segment, stop: int, alone: int, settled: int) -> int:
    """Up to where a segment is done with: what is alone up to ``alone``, the rest up to the ``seq`` settled."""
    at, data = segment.stored, segment.map
    while at < stop:
        if stop - at < FRAME.size:
            return stop
        length, _, seq, _, flags, mark = FRAME.unpack_from(data, at)
        end = at + FRAME.size + length + 7 & ~7
        if not mark or not length or end > stop:  # no frame: `read` passes over it too
            found = next(segment.frames(at, stop), None)
            if found is None:
                return stop
            if found.offset == at and isinstance(found, Bad) and not found.torn and at >= alone:
                return at
            at = found.end if found.offset == at else found.offset
        elif at >= alone if flags & ALONE else seq > settled:
            return at
        else:
            at = end
    return at
