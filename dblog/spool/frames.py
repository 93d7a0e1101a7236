"""A record as bytes in a segment: what a frame holds, how it is written, and how frames are found again.

::

    length u32 · CRC32 u32 · seq u64 · appended at u64 (µs) · flags u32 · mark u32 · payload

Frames begin at multiples of eight. ``mark`` is a CRC of the other fields, of the place in the file and of the file's
salt; the CRC continues it over the payload. So a frame that was moved, copied from another file or damaged is no frame,
and a reader who has lost the thread takes it up at the next place whose mark holds. The header is written last, and
``mark`` is its last word: where it is zero, somebody was killed there before ``emit`` returned.

The payload is JSON, never pickle, and total: every item can be written, and expands to the same entry afterwards.
"""

from __future__ import annotations

import math
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from zlib import crc32

import orjson

from dblog.entry import ID_FIELDS
from dblog.item import ITEM_SITE, expand
from dblog.levels import band_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap

    from dblog.item import Item

__all__ = ["ALONE", "FRAME", "KEPT", "Bad", "Frame", "band_of_body", "decode", "encode", "need", "scan", "write"]

FRAME = struct.Struct("=IIQQII")
"""The header of a frame."""
KEPT, ALONE = 0, 1
"""The flags of a record that waits in the queue as well, and of one that is nowhere else."""

_HEADER = FRAME.size
_MARKED = struct.Struct("=IIQQI")
"""What a mark is made of: offset, length, seq, time, flags."""
_pack_marked, _pack_into = _MARKED.pack, FRAME.pack_into
_PIECE = 5 * 1024
"""``zlib.crc32`` lets go of the GIL for more than this."""


class Frame(NamedTuple):
    """One record found in a segment."""

    offset: int
    end: int
    """Where the next frame begins."""
    seq: int
    appended_at: int
    """µs since 1970-01-01 UTC."""
    flags: int
    body: bytes


class Bad(NamedTuple):
    """A stretch that holds no frame."""

    offset: int
    end: int
    torn: bool
    """Somebody was killed before it was whole: nobody was promised anything. Otherwise it was damaged later."""
    seq: int | None = None
    """Whose record was damaged, where its header is whole."""
    flags: int = 0


def need(body: bytes) -> int:
    """Bytes a frame with this payload takes."""
    return len(body) + FRAME.size + 7 & ~7


def write(  # noqa: PLR0917 - keywords would cost every record
    target: mmap, offset: int, salt: int, seq: int, moment: int, body: bytes, flags: int
) -> None:
    """Write one frame: the payload first, the header last; without a system call and without letting go of the GIL."""
    length = len(body)
    mark = crc32(_pack_marked(offset, length, seq, moment, flags), salt) or 1
    if length <= _PIECE:
        check = crc32(body, mark)
    else:
        check = mark
        for start in range(0, length, _PIECE):
            check = crc32(body[start : start + _PIECE], check)
    begin = offset + _HEADER
    target[begin : begin + length] = body
    _pack_into(target, offset, length, check, seq, moment, flags, mark)


def scan(data: mmap | bytes, start: int, stop: int, salt: int) -> Iterator[Frame | Bad]:
    """What lies between two offsets, in the order of the file; stretches of zeros are passed over."""
    at = start
    while _nonzero(data, at, stop) < stop:
        if not _marked(data, at, stop, salt):
            end = _resynchronised(data, at + 8, stop, salt)
            yield Bad(at, end, torn=stop - at < FRAME.size or not FRAME.unpack_from(data, at)[5])
            at = end
            continue
        length, check, seq, moment, flags, mark = FRAME.unpack_from(data, at)
        begin = at + FRAME.size
        body = data[begin : begin + length]
        end = begin + length + 7 & ~7
        if crc32(body, mark) == check:
            yield Frame(at, end, seq, moment, flags, body)
        else:
            yield Bad(at, end, torn=False, seq=seq, flags=flags)
        at = end


def _marked(data: mmap | bytes, at: int, stop: int, salt: int) -> bool:
    """Whether a frame begins here."""
    if stop - at < FRAME.size:
        return False
    length, _, seq, moment, flags, mark = FRAME.unpack_from(data, at)
    if not mark or not 0 < length <= stop - at - FRAME.size:
        return False
    return bool(mark == (crc32(_MARKED.pack(at, length, seq, moment, flags), salt) or 1))


def _resynchronised(data: mmap | bytes, at: int, stop: int, salt: int) -> int:
    """The next place where a frame begins; ``stop`` where none does."""
    while (at := _nonzero(data, at, stop)) < stop:
        if _marked(data, at, stop, salt):
            return at
        at += 8
    return stop


def _nonzero(data: mmap | bytes, at: int, stop: int) -> int:
    """The next multiple of eight, from one on, at which there is something."""
    if stop - at >= 8 and data[at : at + 8] != _ZEROS:  # noqa: PLR2004 - as above
        return at
    size = 256
    while at < stop:
        block = data[at : min(at + size, stop)]
        rest = block.lstrip(b"\0")
        if rest:
            return at + len(block) - len(rest) & ~7
        at += len(block)
        size = min(2 * size, 65_536)
    return stop


_ZEROS = bytes(8)

# -- payloads -------------------------------------------------------------------------------------------------

_STRICT = orjson.OPT_STRICT_INTEGER
_PLAIN = _STRICT | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_SITE, _IDS = 7, len(ID_FIELDS)
_METADATA, _REST, _FIELDS = 5, 9, 11
_dumps = orjson.dumps


def encode(item: Item) -> bytes:
    """The payload of an item; the ``seq`` in it means nothing, the frame's does."""
    metadata, rest, fields = item[_METADATA], item[_REST], item
    try:
        if type(metadata) is dict:
            text = _dumps(metadata, None, _STRICT)
            if b"\\u0000" in text or (b"null" in text and not _finite(metadata)):
                return _encode_any(item)
            fields = item.copy()
            fields[_METADATA] = orjson.Fragment(text)
        if rest is not None and not all(type(value) is str for value in rest.values()):
            return _encode_any(item)
        return _dumps(fields, None, _PLAIN)
    except (TypeError, ValueError, RecursionError):  # a lone surrogate, a larger integer, something foreign
        return _encode_any(item)


def decode(body: bytes, seq: int = 0) -> Item:
    """The item of a payload, with the frame's ``seq``.

    Raises:
        ValueError: it is no payload; the message holds nothing of it.
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ValueError("a payload in the spool is no JSON") from None
    if type(fields) is dict:
        fields = _untagged(fields)
    if type(fields) is not list or len(fields) != _FIELDS:
        raise ValueError("a payload in the spool is no record")
    _, moment, site, message, template, metadata, thread, task, ids, rest, size = fields
    if type(site) is not list or len(site) != _SITE or type(ids) is not list or len(ids) != _IDS:
        raise ValueError("a payload in the spool is no record")
    return [seq, moment, tuple(site), message, template, metadata, thread, task, tuple(ids), rest, size]


def band_of_body(body: bytes) -> int:
    """The severity band of a payload; the lowest where it does not say."""
    try:
        severity = decode(body)[ITEM_SITE][1]
    except ValueError:
        return 0
    return band_of(severity) if type(severity) is int else 0


def _finite(attributes: dict[str, Any]) -> bool:
    return all(math.isfinite(value) for value in attributes.values() if isinstance(value, float))


def _encode_any(item: Item) -> bytes:
    """The payload of an item that JSON alone cannot carry: what it expands to, every value with its kind."""
    _, moment, site, message, template, metadata, thread, task, ids, rest, size = item
    with suppress(Exception):  # no row can be made of it, and none will be afterwards
        entry = expand(item)
        message, template, metadata = entry.message, entry.template, entry.metadata
        thread, task = entry.thread, entry.async_task
    fields = [0, moment, list(site), message, template, metadata, thread, task, list(ids), rest, size]
    return orjson.dumps({"l": [_tagged(value) for value in fields]})


def _tagged(value: Any, depth: int = 0) -> Any:
    """A value as JSON that tells what it was; what is not a record's is named by its type."""
    tagged: Any = f"<{type(value).__name__}>"
    if value is None or isinstance(value, bool):
        tagged = value
    elif isinstance(value, int):
        tagged = {"i": hex(value)}
    elif isinstance(value, float):
        tagged = {"f": value.hex()}
    elif isinstance(value, str):
        tagged = {"s": value.encode("utf-8", "surrogatepass").hex()} if _lone(value) else str(value)
    elif isinstance(value, UUID):
        tagged = {"u": value.hex}
    elif isinstance(value, list | tuple) and depth < _DEEP:
        tagged = {"l": [_tagged(each, depth + 1) for each in value]}
    elif isinstance(value, dict) and depth < _DEEP:
        tagged = {"d": [[_tagged(key, depth + 1), _tagged(each, depth + 1)] for key, each in value.items()]}
    return tagged


_DEEP = 8
"""Levels of nesting kept; a record has two."""


def _lone(value: str) -> bool:
    """Whether there are surrogates in it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def _untagged(value: Any) -> Any:
    """What ``_tagged`` was given, tuples as lists."""
    if type(value) is not dict:
        return value
    try:
        ((kind, inner),) = value.items()
        return _KINDS[kind](inner)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError, RecursionError):
        raise ValueError("a payload in the spool is no record") from None


_KINDS: dict[str, Callable[[Any], Any]] = {
    "i": lambda text: int(text, 16),
    "f": float.fromhex,
    "s": lambda text: bytes.fromhex(text).decode("utf-8", "surrogatepass"),
    "u": lambda text: UUID(hex=text),
    "l": lambda values: [_untagged(each) for each in values],
    "d": lambda pairs: {_untagged(key): _untagged(each) for key, each in pairs},
}
