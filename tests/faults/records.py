"""The records a system under test logs: each can be made again from its seed, lane and number, and so be checked.

A lane is one thread of one process; its records are numbered from 1.
"""

from __future__ import annotations

import random
import re
import struct
import zlib

ODD = "odd "
"""How the message of a record begins that stands outside of the lanes: it is counted, and not compared."""

ACK = struct.Struct("<III")
"""Lane, number, CRC of the message."""

_WORDS = ("cart", "é", "漢字", "🎉", "\t", "\n", "\\", '"', "'", "\x1f", "%s", "{}", ";--", "\\N", "\r\n", "x" * 40)
_KEY = re.compile(r"(\d+)\.(\d+) ")


def message(seed: int, lane: int, number: int) -> str:
    """The text of one record; one in fifty is long."""
    rng = random.Random(f"{seed}/{lane}/{number}")
    words = rng.choices(_WORDS, k=rng.choice((0, 1, 3, 8)) if rng.random() < 0.98 else 400)
    return f"{lane}.{number} {' '.join(words)}|"


def key_of(text: str) -> tuple[int, int] | None:
    """Lane and number of a message; None for one that is of no lane."""
    found = _KEY.match(text)
    return None if found is None else (int(found[1]), int(found[2]))


def crc(text: str) -> int:
    """The checksum that goes over the pipe."""
    return zlib.crc32(text.encode())
