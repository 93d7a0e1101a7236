"""``LogEntry`` → the values of one row, in the order of ``COLUMNS``; ids are made here.

The id is a UUIDv7 (RFC 9562) whose random bits are not random: the record's ``seq``
and its writer's ``instance_id``. So records of one millisecond sort by ``seq``, a
resent row carries the same id, and an id alone tells the day's partition.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dblog.sink import Origin, Row

__all__ = ["COLUMNS", "flat", "id_words", "origin_bits", "values"]

COLUMNS: Final = (
    "timestamp",
    "id",
    "level",
    "severity",
    "logger",
    "message",
    "template",
    "metadata",
    "module",
    "function",
    "pathname",
    "lineno",
    "thread",
    "async_task",
    "exc_type",
    "exc_message",
    "exc_text",
    "user_id",
    "session_id",
    "task_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "context_id",
    "client_id",
    "service",
    "host",
    "pid",
    "instance_id",
    "seq",
)
"""What a writer sends: the fields of ``LogEntry`` with ``id`` moved forward; the database adds ``ingested_at``."""

_LOW_42: Final = (1 << 42) - 1
_words = struct.Struct(">QQ")


def origin_bits(origin: Origin) -> int:
    """The part of every id that names the writer: the variant and the low 42 bits of ``instance_id``."""
    return 1 << 63 | origin.instance_id.int & _LOW_42


def id_words(timestamp: int, seq: int, bits: int) -> tuple[int, int]:
    """High and low 64 bits of a row's UUIDv7; ``timestamp`` in µs, ``bits`` from ``origin_bits``."""
    high = (timestamp // 1000 & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | seq >> 20 & 0xFFF
    return high, bits | (seq & 0xF_FFFF) << 42


def values(rows: Sequence[Row], origin: Origin) -> list[tuple[object, ...]]:
    """One tuple per row, as SQLite takes it: times in µs, ids as 16 bytes, metadata as JSON text."""
    fields, width = flat(rows, origin), len(COLUMNS)
    return [tuple(fields[start : start + width]) for start in range(0, len(fields), width)]


def flat(rows: Sequence[Row], origin: Origin) -> list[object]:
    """The values of all rows one after another: what a statement of many rows is bound to."""
    bits = origin_bits(origin)
    service, host, pid, instance = origin.service, origin.host, origin.pid, origin.instance_id.bytes
    pack = _words.pack
    result: list[object] = []
    add = result.extend
    for seq, entry in rows:
        moment, identity = entry[0], entry[29]
        # `id` is given only by rows that dblog or a user made by hand. What follows is `id_words`, which costs a call.
        if identity is not None or seq is None:
            key = b"" if identity is None else identity.bytes
        else:
            key = pack(
                (moment // 1000 & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | seq >> 20 & 0xFFF, bits | (seq & 0xF_FFFF) << 42
            )
        add((moment, key))
        add(entry[1:24])
        add((entry[24] or service, entry[25] or host, entry[26] or pid, instance, seq))
    return result
